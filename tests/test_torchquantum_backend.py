"""The real TorchQuantum as a backend: it really runs, agrees with the reference, and leaves the process as it was."""

import collections
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from setfit_quantum import Circuit, Gate, QuantumHead
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.torch_reference import TorchBackend
from setfit_quantum.backends.torchquantum_backend import FUNCTIONS, TorchQuantumBackend
from setfit_quantum.backends.torchquantum_import import import_torchquantum
from setfit_quantum.circuit import GATE_TYPES
from setfit_quantum.circuit.ansatz import build_pqc, build_reuploading
from setfit_quantum.noise import PauliErrors
from strategies import random_circuits, random_error_codes, random_inputs

REFERENCE = TorchBackend()
METHODS = ("expectations", "moments", "probabilities")


@pytest.fixture(scope="module")
def backend():
    return get_backend("torchquantum")


@pytest.fixture
def calls(monkeypatch):
    """How often each function of `torchquantum.functional` runs."""
    functional = import_torchquantum().functional
    counter = collections.Counter()

    def count(name, function):
        def counted(*args, **kwargs):
            counter[name] += 1
            return function(*args, **kwargs)

        return counted

    for name in (*FUNCTIONS.values(), "qubitunitaryfast"):
        monkeypatch.setattr(functional, name, count(name, getattr(functional, name)))
    return counter


@st.composite
def cases(draw):
    circuit = draw(random_circuits(5))
    inputs = draw(random_inputs(circuit))
    codes = draw(random_error_codes(circuit, inputs.batch)) if draw(st.booleans()) else None
    options = {"n_readout": draw(st.integers(1, circuit.n_qubits)), "errors": codes}
    return circuit, inputs, options | {"errors": None if codes is None else PauliErrors(codes)}


def run(backend, method, circuit, inputs, options):
    """The method's results in one tensor of shape (batch, ..)."""
    result = getattr(backend, method)(circuit, *inputs, **options)
    return torch.cat([result.z, result.zz.flatten(1)], 1) if method == "moments" else result


# ---------------------------------------------------------------- it really is TorchQuantum


def test_every_gate_is_a_call_of_torchquantum(backend, calls, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("another simulator was called")

    monkeypatch.setattr("setfit_quantum.backends.torch_reference.TorchBackend.state", refuse)
    monkeypatch.setattr("setfit_quantum.backends.torch_reference.apply_gate", refuse)
    circuit = build_reuploading(4, 2, 1, 2, 1)
    backend.expectations(circuit, torch.zeros(circuit.num_parameters), torch.zeros(3, 4))
    expected = circuit.count_ops()
    assert dict(calls) == {"ry": expected["ry"], "cnot": expected["cx"]}


def test_errors_are_unitaries_of_torchquantum(backend, calls):
    circuit = build_pqc(3, 1, 1)
    codes = np.zeros((len(circuit.gates), 2), np.uint8)
    codes[0, 1], codes[3, 0] = 14, 2
    arguments = torch.zeros(circuit.num_parameters), None, torch.eye(2, 8)
    backend.expectations(circuit, *arguments)
    assert calls["qubitunitaryfast"] == 0
    backend.expectations(circuit, *arguments, errors=PauliErrors(codes))
    assert calls["qubitunitaryfast"] == 2


def test_batched_angles_are_batched_parameters(backend, monkeypatch):
    functional = import_torchquantum().functional
    seen, original = [], functional.ry

    def spy(device, wires, params=None, **kwargs):
        seen.append(tuple(params.shape))
        return original(device, wires, params=params, **kwargs)

    monkeypatch.setattr(functional, "ry", spy)
    circuit = Circuit(1, (Gate("ry", (0,), feature=0), Gate("ry", (0,), weight=0), Gate("ry", (0,), angle=0.5)))
    backend.expectations(circuit, torch.zeros(1), torch.zeros(5, 1))
    backend.expectations(circuit, torch.zeros(5, 1), torch.zeros(5, 1))
    assert seen == [(5,), (), (), (5,), (5,), ()]


# ---------------------------------------------------------------- agreement with the reference


@pytest.mark.parametrize("name", GATE_TYPES)
@pytest.mark.parametrize("wires", [(0, 1), (2, 0)])
def test_each_gate_has_our_signs_and_phases(backend, calls, name, wires):
    """Amplitudes agree, not only probabilities, so no sign or phase differs."""
    kind = GATE_TYPES[name]
    before = [Gate("rx", (q,), angle=0.3 + q) for q in range(3)]
    gate = Gate(name, wires[: kind.n_wires], feature=0 if kind.has_angle else None)
    circuit = Circuit(3, (*before, gate))
    generator = torch.Generator().manual_seed(0)
    states = torch.nn.functional.normalize(torch.randn(5, 8, generator=generator))
    arguments = torch.zeros(0), torch.linspace(-7, 7, 5)[:, None], states
    torch.testing.assert_close(
        backend.state(circuit, *arguments), REFERENCE.state(circuit, *arguments), atol=1e-6, rtol=0
    )
    assert calls[FUNCTIONS[name]] >= 1


@pytest.mark.parametrize("method", METHODS)
@given(case=cases())
def test_agrees_with_the_reference(backend, method, case):
    circuit, inputs, options = case
    result = run(backend, method, circuit, inputs.to(torch.float32), options)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.double(), run(REFERENCE, method, circuit, inputs, options), atol=1e-5, rtol=0)


@settings(max_examples=25)
@pytest.mark.parametrize("method", METHODS)
@given(case=cases())
def test_gradients_agree_with_the_reference(backend, method, case):
    circuit, inputs, options = case
    gradients = []
    for engine, group in ((backend, inputs.to(torch.float32)), (REFERENCE, inputs)):
        tensors = [tensor.requires_grad_() for tensor in group if tensor is not None]
        output = run(engine, method, circuit, group, options)
        cotangent = torch.randn(output.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        if not output.requires_grad:
            return
        gradients.append(
            torch.autograd.grad(output, tensors, cotangent.to(output), allow_unused=True, materialize_grads=True)
        )
    for ours, expected in zip(*gradients, strict=True):
        assert torch.linalg.vector_norm(ours - expected) < 1e-5 * max(1.0, float(cotangent.norm()))


def test_third_derivative_of_a_cosine(backend):
    assert backend.capabilities.higher_order
    angle = torch.tensor([0.7], requires_grad=True)
    derivative = backend.expectations(Circuit(1, (Gate("ry", (0,), weight=0),)), angle).sum()
    for _ in range(3):
        (gradient,) = torch.autograd.grad(derivative, angle, create_graph=True)
        derivative = gradient.sum()
    assert derivative.item() == pytest.approx(math.sin(0.7), abs=1e-6)


@pytest.mark.parametrize("n_encoders", [1, 2])
def test_a_head_gives_the_same_expectations_and_gradients(backend, calls, n_encoders):
    embeddings = torch.randn(3, 12, generator=torch.Generator().manual_seed(0))
    results = []
    for name in ("torchquantum", "torch"):
        head = QuantumHead(12, n_qubits=4, n_encoders=n_encoders, backend=name, seed=0).train()
        expectations = head.expectations(embeddings)
        gradients = torch.autograd.grad(head(embeddings)[0].square().sum(), list(head.parameters()))
        results.append((expectations, torch.cat([gradient.flatten() for gradient in gradients])))
        assert calls["ry"] > 0
    (expectations, gradient), (expected, expected_gradient) = results
    torch.testing.assert_close(expectations, expected, atol=1e-5, rtol=0)
    assert (gradient - expected_gradient).norm() < 1e-4 * expected_gradient.norm()


# ---------------------------------------------------------------- shapes, devices, refusals


def test_runs_every_gate_that_it_declares(backend):
    assert isinstance(backend, TorchQuantumBackend)
    assert backend.capabilities.gates == set(FUNCTIONS) == set(GATE_TYPES)


def test_empty_batch(backend):
    circuit = build_reuploading(3, 1, 1, 1, 1)
    errors = SimpleNamespace(codes=np.zeros((len(circuit.gates), 0), np.uint8))
    arguments = torch.zeros(circuit.num_parameters), torch.zeros(0, 3)
    assert backend.probabilities(circuit, *arguments, n_readout=2, errors=errors).shape == (0, 4)


def test_everything_is_computed_on_the_device_of_the_weights(backend):
    # "meta" tensors have a device of their own and refuse to meet those of another.
    gates = [
        Gate(name, (0, 1)[: kind.n_wires], angle=0.5 if kind.has_angle else None) for name, kind in GATE_TYPES.items()
    ]
    circuit = Circuit(2, (*gates, *build_reuploading(2, 1, 1, 1, 1).gates))
    errors = SimpleNamespace(codes=np.ones((len(circuit.gates), 3), np.uint8))
    weights = torch.zeros(circuit.num_parameters, device="meta")
    moments = backend.moments(circuit, weights, torch.zeros(3, 2), torch.zeros(3, 3), errors=errors)
    assert [tensor.device.type for tensor in moments] == ["meta", "meta"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": torch.zeros(3)}, r"`weights` must have 2 angles"),
        ({"features": None}, "`features` must be given"),
        ({"features": torch.zeros(2, 3, dtype=torch.int64)}, "`features` must hold real"),
        ({"n_readout": 3}, "`n_readout` must be between 1 and 2, but got 3"),
        ({"weights": torch.zeros(2, dtype=torch.float64)}, "float32.*complex64.* has torch.float64"),
        ({"errors": np.zeros((2, 1))}, r"codes of shape \(gates, batch\) = \(2, 2\), but got \(2, 1\)"),
        ({"errors": np.array([[0, 4], [0, 0]])}, r"codes below 4 after gate 0 \(ry\), but got 4"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_refuses(backend, method, arguments, message):
    circuit = Circuit(2, (Gate("ry", (0,), weight=1), Gate("ry", (1,), feature=2)))
    defaults = {"weights": torch.zeros(2), "features": torch.zeros(2, 3)}
    if "errors" in arguments:
        arguments = {"errors": SimpleNamespace(codes=arguments["errors"].astype(np.uint8))}
    with pytest.raises(ValueError, match=message):
        getattr(backend, method)(circuit, **(defaults | arguments))


def test_refuses_density_matrices(backend):
    with pytest.raises(BackendError, match="'torchquantum' does not evolve density matrices"):
        backend.moments_density(Circuit(1), torch.zeros(0), noise=None)


# ---------------------------------------------------------------- importing it


def test_missing_package_names_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchquantum", None)
    import_torchquantum.cache_clear()
    try:
        with pytest.raises(ImportError, match=r'pip install "setfit-quantum\[torchquantum\]"'):
            TorchQuantumBackend()
    finally:
        import_torchquantum.cache_clear()


_SNAPSHOT = """
import json, logging, os, random, signal, sys, warnings
import matplotlib, numpy, sklearn, torch
from loguru import logger
import setfit_quantum.backends.torchquantum_backend

def snapshot():
    named = {n: l for n, l in logging.root.manager.loggerDict.items() if isinstance(l, logging.Logger)}
    parts = {
        "warning filters": warnings.filters, "warning printer": warnings.showwarning,
        "environment": sorted(os.environ.items()),
        "root logger": [logging.root.level, logging.root.handlers, logging.root.manager.disable],
        "loggers": [(n, named[n].level, named[n].handlers, named[n].disabled) for n in sorted(known or named)],
        "loguru": list(logger._core.handlers.items()),
        "numpy": [numpy.geterr(), numpy.get_printoptions()],
        "torch": [torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(),
                  torch.are_deterministic_algorithms_enabled(), torch._tensor_str.PRINT_OPTS],
        "random": [random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()],
        "matplotlib": sorted(map(repr, dict.items(matplotlib.rcParams))),
        "hooks": [sys.excepthook, sys.displayhook, sys.stdout, sys.stderr],
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "path": sys.path,
    }
    known.extend(sorted(named)) if not known else None
    return {name: repr(part) for name, part in parts.items()}

known = []
warnings.simplefilter("error", BytesWarning)
before = snapshot()
assert "torchquantum" not in sys.modules
backend = setfit_quantum.backends.get_backend("torchquantum")
assert "torchquantum" in sys.modules
after = snapshot()
logger.info("still heard")
print(json.dumps([name for name in before if before[name] != after[name]]))
"""


def test_importing_it_changes_nothing():
    result = subprocess.run([sys.executable, "-c", _SNAPSHOT], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1]) == []
    lines = [line for line in result.stderr.splitlines() if "still heard" in line]
    assert len(lines) == 1
    assert "| INFO " in lines[0]  # loguru's own format, which torchpack's sink does not have
