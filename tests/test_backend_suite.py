"""The same cases, with the same tolerance, for every backend: what it declares it does, and the rest it refuses."""

import importlib
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from setfit_quantum import Circuit, Gate, NoiseModel, QuantumHead
from setfit_quantum.backends import BackendError, capability_table, get_backend, get_backend_class, list_backends
from setfit_quantum.circuit import GATE_TYPES
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.measurement import measure
from setfit_quantum.noise import PauliErrors
from strategies import random_circuits, random_error_codes, random_inputs

TOLERANCE = 1e-5
REFERENCE = get_backend("torch")
CIRCUIT = build_reuploading(3, 2, 1, 1, 1)
NOISE = NoiseModel.depolarizing(0.02, 0.05, readout=(0.01, 0.03))

# The GPU engine takes part where numba simulates a GPU: test_cuda_backend runs this file in such a process.
NAMES = [name for name in list_backends() if name != "cuda" or os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"]
every_backend = pytest.mark.parametrize("name", NAMES)


def best_dtype(backend):
    return torch.float64 if torch.float64 in backend.capabilities.dtypes else torch.float32


def draw_case(data, backend, **options):
    """A circuit of gates that the backend has, and float64 inputs with their rounded copies for it."""
    circuit = data.draw(random_circuits(4, tuple(sorted(backend.capabilities.gates))))
    inputs = data.draw(random_inputs(circuit, max_batch=3, **options))
    return circuit, inputs, inputs.to(best_dtype(backend))


def example_angles(backend, batch=3, circuit=CIRCUIT):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(circuit.num_parameters, generator=generator, dtype=torch.float64)
    features = torch.randn(batch, circuit.n_features, generator=generator, dtype=torch.float64)
    return weights.to(best_dtype(backend)), features.to(best_dtype(backend))


def assert_agrees(found, expected):
    torch.testing.assert_close(found.double(), expected.double(), atol=TOLERANCE, rtol=0)


# --- what all do --------------------------------------------------------------------------------------------------


@every_backend
@settings(max_examples=20)
@given(data=st.data())
def test_expectations_moments_and_probabilities(name, data):
    backend = get_backend(name)
    circuit, exact, inputs = draw_case(data, backend)
    n_readout = data.draw(st.integers(1, circuit.n_qubits))
    found = backend.expectations(circuit, *inputs, n_readout=n_readout)
    assert found.dtype == best_dtype(backend)
    assert_agrees(found, REFERENCE.expectations(circuit, *exact, n_readout=n_readout))
    for ours, theirs in zip(
        backend.moments(circuit, *inputs, n_readout=n_readout),
        REFERENCE.moments(circuit, *exact, n_readout=n_readout),
        strict=True,
    ):
        assert_agrees(ours, theirs)
    if backend.capabilities.probabilities:
        probabilities = backend.probabilities(circuit, *inputs, n_readout=n_readout)
        assert_agrees(probabilities, REFERENCE.probabilities(circuit, *exact, n_readout=n_readout))


@every_backend
@settings(max_examples=10)
@given(data=st.data())
def test_gradients(name, data):
    backend = get_backend(name)
    assert backend.capabilities.gradients is not None
    circuit, exact, inputs = draw_case(data, backend, with_state=False)
    gradients = []
    for which, tensors in ((backend, inputs), (REFERENCE, exact)):
        leaves = [tensor.requires_grad_() for tensor in tensors[:2] if tensor is not None and tensor.numel()]
        if not leaves:
            return
        values = which.expectations(circuit, *tensors)
        slopes = torch.linspace(-1, 1, values.numel(), dtype=torch.float64).reshape(values.shape).to(values)
        gradients.append(torch.autograd.grad(values, leaves, slopes))
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours.double() - theirs).norm() <= 1e-4 * max(1.0, theirs.norm().item())


def gates_called(monkeypatch, name):
    """A function that tells whether this very backend has computed something since."""
    backend = get_backend(name)
    if name == "numba":
        before = backend.rows_swept
        return lambda: backend.rows_swept > before
    if name == "cuda":
        before = backend.launches
        return lambda: backend.launches > before
    if name == "qiskit":
        before = backend.engine.circuits
        return lambda: backend.engine.circuits > before
    module, function = {
        "torch": ("setfit_quantum.backends.torch_reference", "apply_gate"),
        "torchquantum": ("torchquantum.functional", "cnot"),
    }[name]
    owner = importlib.import_module(module)
    original, calls = getattr(owner, function), []
    monkeypatch.setattr(owner, function, lambda *a, **k: calls.append(1) or original(*a, **k))
    return lambda: bool(calls)


@every_backend
def test_the_named_backend_is_the_one_that_runs(monkeypatch, name):
    get_backend(name).expectations(CIRCUIT, *example_angles(get_backend(name)))  # imports and compiles
    called = gates_called(monkeypatch, name)
    assert not called()
    head = QuantumHead(5, n_qubits=3, n_reuploads=1, n_layers=1, encoder_layers=1, seed=0, backend=name)
    assert head.backend is get_backend(name)
    head.eval()(torch.ones(2, 5))
    assert called()


# --- what some do -------------------------------------------------------------------------------------------------


@every_backend
@settings(max_examples=8)
@given(data=st.data())
def test_pauli_errors(name, data):
    backend = get_backend(name)
    circuit, exact, inputs = draw_case(data, backend)
    errors = PauliErrors(data.draw(random_error_codes(circuit, inputs.batch)))
    if not backend.capabilities.trajectories:
        with pytest.raises(BackendError, match=f"Backend '{name}' does not insert Pauli errors"):
            backend.expectations(circuit, *inputs, errors=errors)
        return
    found = backend.expectations(circuit, *inputs, errors=errors)
    assert_agrees(found, REFERENCE.expectations(circuit, *exact, errors=errors))


@every_backend
def test_gates(name):
    backend = get_backend(name)
    for gate, kind in GATE_TYPES.items():
        angle = {"angle": 0.3} if kind.has_angle else {}
        circuit = Circuit(2, (Gate(gate, tuple(range(kind.n_wires)), **angle),))
        weights = torch.empty(0, dtype=best_dtype(backend))
        if gate in backend.capabilities.gates:
            assert_agrees(backend.expectations(circuit, weights), REFERENCE.expectations(circuit, weights.double()))
        else:
            with pytest.raises(BackendError, match=f"Backend '{name}' does not run the gates {gate}; backend='torch'"):
                backend.expectations(circuit, weights)


@every_backend
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_precisions(name, dtype):
    backend = get_backend(name)
    weights, features = (tensor.to(dtype) for tensor in example_angles(backend))
    if dtype not in backend.capabilities.dtypes:
        with pytest.raises(BackendError, match=rf"Backend '{name}'.*{dtype}"):
            backend.expectations(CIRCUIT, weights, features)
        return
    found = backend.expectations(CIRCUIT, weights, features)
    assert found.dtype == dtype
    assert_agrees(found, REFERENCE.expectations(CIRCUIT, weights.double(), features.double()))


@every_backend
def test_density_matrices(name):
    backend = get_backend(name)
    limit = backend.capabilities.density_matrix
    angles = example_angles(backend)
    for method in ("moments_density", "probabilities_density"):
        if limit:
            z = getattr(backend, method)(CIRCUIT, *angles, noise=NOISE)
            assert torch.isfinite(z[0]).all()
            wide = Circuit(limit + 1)
            with pytest.raises(BackendError, match=f"at most {limit} qubits"):
                getattr(backend, method)(wide, torch.empty(0, dtype=best_dtype(backend)), noise=NOISE)
        else:
            with pytest.raises(BackendError, match=f"Backend '{name}' does not evolve density matrices"):
                getattr(backend, method)(CIRCUIT, *angles, noise=NOISE)


@every_backend
def test_shots_of_its_own(name):
    backend = get_backend(name)
    angles = example_angles(backend)
    if not backend.capabilities.hardware_shots:
        with pytest.raises(BackendError, match=f"Backend '{name}' draws no shots itself"):
            backend.device_expectations(CIRCUIT, *angles, shots=100)
        return
    found = backend.device_expectations(CIRCUIT, *angles, shots=8000, seed=1)
    torch.testing.assert_close(found.double(), REFERENCE.expectations(CIRCUIT, *angles).double(), atol=0.06, rtol=0)


@every_backend
def test_second_derivatives(name):
    backend = get_backend(name)
    weights, features = example_angles(backend)
    weights.requires_grad_()
    (first,) = torch.autograd.grad(backend.expectations(CIRCUIT, weights, features).sum(), weights, create_graph=True)
    if backend.capabilities.higher_order:
        (second,) = torch.autograd.grad(first.sum(), weights)
        assert torch.isfinite(second).all()
    else:
        with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
            torch.autograd.grad(first.sum(), weights)


# --- measurements -------------------------------------------------------------------------------------------------


@every_backend
@pytest.mark.parametrize("noise", [None, NOISE], ids=["clean", "noisy"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_shots_and_noise_are_within_their_error(name, noise, training):
    backend = get_backend(name)
    weights, features = example_angles(backend, batch=1)
    features = features.expand(40, -1)  # forty estimates of the same expectations
    exact = measure(
        REFERENCE, CIRCUIT, weights.double(), features[:1].double(), n_readout=3, noise=noise, training=False,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    found = measure(
        backend, CIRCUIT, weights, features, n_readout=3, noise=noise, shots=400, training=training,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found.shape == (40, 3)
    scatter = found.double().std(dim=0)
    assert ((found.double().mean(dim=0) - exact[0]).abs() < 5 * scatter / 40**0.5 + 1e-3).all()
    assert (scatter > 0.5 * ((1 - exact[0] ** 2) / 400).sqrt()).all()


# --- mistakes -----------------------------------------------------------------------------------------------------


@every_backend
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": (2,)}, "`weights` must have"),
        ({"features": None}, "`features` must be given"),
        ({"features": (3, 1)}, r"`features` must have shape \(batch, 3\)"),
        ({"initial_state": (3, 9)}, r"`initial_state` must have shape \(batch, at most 8\)"),
        ({"initial_state": (2, 8)}, "different batch sizes"),
        ({"n_readout": 4}, "`n_readout` must be between 1 and 3, but got 4"),
    ],
)
def test_wrong_shapes(name, change, message):
    backend = get_backend(name)
    weights, features = example_angles(backend)
    arguments = {"weights": weights, "features": features}
    for key, value in change.items():
        arguments[key] = torch.zeros(value, dtype=best_dtype(backend)) if isinstance(value, tuple) else value
    with pytest.raises(ValueError, match=message):
        backend.expectations(CIRCUIT, **arguments)


def test_unknown_names_are_refused():
    with pytest.raises(BackendError, match=r"`backend` must be one of 'auto', 'numba', 'torch'.*but got 'abacus'"):
        get_backend("abacus")


# --- whole heads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_qubits", "n_encoders"), [(4, 1), (6, 2), (12, 1), (12, 2)])
def test_a_trained_head_gives_the_same_on_every_backend(n_qubits, n_encoders):
    from setfit_quantum.backends.qiskit_backend import QiskitBackend

    generator = torch.Generator().manual_seed(0)
    points = torch.randn(16, 30, generator=generator)
    labels = (points[:, 0] > 0).long()
    head = QuantumHead(30, n_qubits=n_qubits, n_encoders=n_encoders, encoder_layers=1, n_reuploads=2, seed=0)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        loss = head.get_loss_fn()(head(points)[0], labels)
        loss.backward()
        optimizer.step()
    head.eval()
    with torch.no_grad():
        expected = head.double().expectations(points[:4])
        for backend in [*NAMES, QiskitBackend("statevector")]:
            head.to(torch.float32)
            head.backend = backend
            assert_agrees(head.expectations(points[:4]), expected)


# --- the table ----------------------------------------------------------------------------------------------------


def test_the_table_says_what_the_backends_declare():
    header, _, *rows = capability_table().splitlines()
    assert header.startswith("| backend | gates | precision | devices | gradients |")
    assert [row.split("`")[1].strip('"') for row in rows] == list_backends()
    for name, row in zip(list_backends(), rows, strict=True):
        can = get_backend_class(name).capabilities
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == ("all" if can.gates == set(GATE_TYPES) else "`cx`, `ry`")
        assert cells[2].split(", ") == [str(dtype).removeprefix("torch.") for dtype in can.dtypes]
        assert cells[4].split(",")[0] == can.gradients
        assert (cells[5] == "yes") == can.trajectories
        assert (cells[7] == "its own") == can.hardware_shots
        assert ("(experimental)" in cells[0]) == can.experimental == (name == "cuda")
    assert callable(capability_table)  # the module behind it must not take its name
