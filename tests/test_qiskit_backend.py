"""Qiskit's primitives as a backend: exact and with shots, on Aer, on Qiskit's own simulator and on fake devices."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from measuring import HEAVY, NOISE, RELAXING, example_angles, run_measure
from setfit_quantum import Circuit, Gate, NoiseModel, QuantumHead
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.qiskit_backend import QiskitBackend, to_aer_noise_model
from setfit_quantum.circuit.ansatz import build_reuploading
from strategies import random_circuits, random_inputs

TORCH = get_backend("torch")
CIRCUIT = build_reuploading(4, 1, 1, 1, 1)
ANGLES = example_angles(circuit=CIRCUIT)
EXACT = TORCH.expectations(CIRCUIT, *ANGLES)


def generic_device(**options):
    """A fake device of five qubits in a line with a basis of its own, without noise."""
    from qiskit.providers.fake_provider import GenericBackendV2

    couplings = [[wire, wire + 1] for wire in range(4)]
    return GenericBackendV2(
        5, basis_gates=["rz", "sx", "x", "cx"], coupling_map=couplings, noise_info=False, seed=0, **options
    )


def standard_errors(exact, shots):
    return ((1 - exact**2).clamp_min(1e-3) / shots).sqrt()


# --- exact ------------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.data(), st.sampled_from(["aer", "statevector"]))
def test_random_circuits_agree_with_torch(data, simulator):
    circuit = data.draw(random_circuits(4))
    inputs = data.draw(random_inputs(circuit, with_state=False))
    found = QiskitBackend(simulator).expectations(circuit, *inputs)
    torch.testing.assert_close(found, TORCH.expectations(circuit, *inputs), atol=1e-9, rtol=0)


def test_a_batch_is_one_job_and_the_circuit_is_made_once(monkeypatch):
    from qiskit_aer import AerSimulator

    runs = []
    original = AerSimulator.run
    monkeypatch.setattr(AerSimulator, "run", lambda self, *a, **k: runs.append(k) or original(self, *a, **k))
    backend = QiskitBackend("aer")
    torch.testing.assert_close(backend.expectations(CIRCUIT, *ANGLES), EXACT, atol=1e-9, rtol=0)
    made = list(backend.engine._cache._items.values())
    backend.expectations(CIRCUIT, *ANGLES)
    assert (backend.engine.jobs, backend.engine.circuits) == (2, 10)
    assert len(runs) == 2  # Aer itself was called, once for each batch
    assert [id(item) for item in backend.engine._cache._items.values()] == [id(item) for item in made]


def test_float32_and_own_weights_of_each_sample():
    weights, features = ANGLES[0].repeat(5, 1) + torch.arange(5)[:, None] / 10, ANGLES[1]
    expected = TORCH.expectations(CIRCUIT, weights, features)
    found = get_backend("qiskit").expectations(CIRCUIT, weights.float(), features.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def test_aers_controlled_rotations_get_their_angles():
    """Aer leaves out angles of controlled rotations that are bound in a pub; also where a user brings its sampler."""
    from qiskit_aer.primitives import SamplerV2

    gates = [Gate("h", (0,))] + [Gate(name, (0, 1), feature=0) for name in ("crx", "cry", "crz")]
    circuit, angles = Circuit(2, tuple(gates)), (torch.empty(0, dtype=torch.float64), torch.tensor([[1.0], [2.0]]))
    exact = TORCH.expectations(circuit, *angles)
    torch.testing.assert_close(QiskitBackend("aer").expectations(circuit, *angles), exact, atol=1e-6, rtol=0)
    found = QiskitBackend(SamplerV2(seed=1), shots=10_000).expectations(circuit, *angles)
    torch.testing.assert_close(found, exact, atol=0.05, rtol=0)


# --- shots ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulator", ["aer", "statevector"])
def test_shots_scatter_around_the_exact_values(simulator):
    backend = QiskitBackend(simulator, shots=4000, seed=2)
    found = backend.expectations(CIRCUIT, *ANGLES)
    deviations = (found - EXACT) / standard_errors(EXACT, 4000)
    assert deviations.abs().max() < 5
    assert deviations.std() > 0.5
    assert torch.equal(found, QiskitBackend(simulator, shots=4000, seed=2).expectations(CIRCUIT, *ANGLES))
    assert not torch.equal(found, QiskitBackend(simulator, shots=4000, seed=3).expectations(CIRCUIT, *ANGLES))


@pytest.mark.parametrize("simulator", ["aer", "statevector"])
def test_equal_samples_of_a_batch_have_shots_of_their_own(simulator):
    weights, features = ANGLES[0], ANGLES[1][:1].expand(60, -1)
    found = QiskitBackend(simulator, shots=100, seed=0).expectations(CIRCUIT, weights, features)
    assert len(set(map(tuple, found.tolist()))) > 50
    scatter = found.std(dim=0) / standard_errors(EXACT[0], 100)
    assert ((scatter > 0.6) & (scatter < 1.4)).all()  # the error of a standard deviation of 60 is 0.09


def test_moments_and_probabilities_from_shots():
    backend = QiskitBackend("aer", shots=20_000, seed=0)
    probabilities = backend.probabilities(CIRCUIT, *ANGLES, n_readout=3)
    torch.testing.assert_close(probabilities, TORCH.probabilities(CIRCUIT, *ANGLES, n_readout=3), atol=0.02, rtol=0)
    z, zz = backend.moments(CIRCUIT, *ANGLES, n_readout=3)
    exact = TORCH.moments(CIRCUIT, *ANGLES, n_readout=3)
    torch.testing.assert_close(z, exact.z, atol=0.04, rtol=0)
    torch.testing.assert_close(zz, exact.zz, atol=0.04, rtol=0)
    assert torch.equal(zz.diagonal(dim1=1, dim2=2), torch.ones(5, 3, dtype=torch.float64))


def test_circuits_without_angles_have_shots_of_their_own():
    circuit = Circuit(2, (Gate("h", (0,)), Gate("cx", (0, 1))))
    found = QiskitBackend("aer", shots=100, seed=1).expectations(circuit, torch.empty(8, 0))
    assert len(set(found[:, 0].tolist())) > 1
    assert torch.equal(found[:, 0], found[:, 1])


# --- noise ------------------------------------------------------------------------------------------------------


UNEQUAL = NoiseModel(p1=0.02, p2=0.05, readout=(0.03, 0.1), noisy_encoding=False, rotation_scale=1.05)


@pytest.mark.parametrize("noise", [NOISE, HEAVY, RELAXING, UNEQUAL], ids=["paulis", "heavy", "relaxing", "unequal"])
def test_exact_noise_is_the_density_matrices(noise):
    expected = run_measure(noise=noise)
    torch.testing.assert_close(run_measure(noise=noise, backend=get_backend("qiskit")), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("noise", [NOISE, RELAXING], ids=["paulis", "relaxing"])
def test_noise_and_shots_are_the_density_matrices_within_their_error(noise):
    expected = run_measure(noise=noise)
    found = run_measure(noise=noise, backend=get_backend("qiskit"), shots=8000)
    assert ((found - expected) / standard_errors(expected, 8000)).abs().max() < 5


@settings(max_examples=10)
@given(st.data())
def test_every_noisy_gate_is_torchs(data):
    circuit = data.draw(random_circuits(3))
    inputs = data.draw(random_inputs(circuit, with_state=False, max_batch=2))
    noise = data.draw(st.sampled_from([HEAVY, RELAXING, UNEQUAL]))
    angles = (inputs.weights, inputs.features)
    expected = run_measure(noise=noise, circuit=circuit, angles=angles, n_readout=circuit.n_qubits)
    found = run_measure(
        noise=noise, circuit=circuit, angles=angles, n_readout=circuit.n_qubits, backend=get_backend("qiskit")
    )
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def test_nothing_is_added_twice():
    """Noise of the backend, of the caller, or of both if it is the same, acts once."""
    expected = run_measure(noise=HEAVY, backend=QiskitBackend("aer"))
    assert torch.equal(run_measure(backend=QiskitBackend("aer", noise=HEAVY)), expected)
    assert torch.equal(run_measure(noise=HEAVY, backend=QiskitBackend("aer", noise=HEAVY)), expected)
    with pytest.raises(BackendError, match="`noise` of the head differs"):
        run_measure(noise=NOISE, backend=QiskitBackend("aer", noise=HEAVY))


def test_aers_noise_model_serves_exported_circuits():
    """By gate names, as one would use it on a circuit written by `to_qiskit`."""
    from qiskit_aer import AerSimulator

    weights, features = (tensor.numpy() for tensor in example_angles())
    circuit = build_reuploading(3, 2, 1, 1, 1)
    bound = circuit.bind(weights, features[0]).to_qiskit()
    bound.measure_all()
    simulator = AerSimulator(noise_model=to_aer_noise_model(HEAVY, circuit), seed_simulator=0)
    counts = simulator.run(bound, shots=20_000).result().get_counts()
    z = sum(n * np.array([1 - 2 * int(bit) for bit in reversed(bits)]) for bits, n in counts.items()) / 20_000
    np.testing.assert_allclose(z, run_measure(noise=HEAVY)[0].numpy(), atol=0.04)


# --- primitives that a user brings --------------------------------------------------------------------------------


def test_fake_devices_are_transpiled_for():
    from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2

    device = generic_device()
    sampler = BackendSamplerV2(backend=device, options={"seed_simulator": 7})
    backend = QiskitBackend(sampler, BackendEstimatorV2(backend=device, options={"seed_simulator": 7}), shots=4000)
    found = backend.expectations(CIRCUIT, *ANGLES)
    (sent,) = backend.engine._cache._items.values()
    assert sent.num_qubits == 5
    assert {item.operation.name for item in sent.data} <= {"rz", "sx", "x", "cx", "measure"}
    assert ((found - EXACT) / standard_errors(EXACT, 4000)).abs().max() < 5
    only_estimates = QiskitBackend(estimator=BackendEstimatorV2(backend=device), shots=4000)
    found = only_estimates.expectations(CIRCUIT, *ANGLES)
    assert ((found - EXACT) / standard_errors(torch.zeros(()), 4000)).abs().max() < 6
    assert only_estimates.engine.jobs == 1


def test_runtime_primitives_run_on_fake_devices():
    """The sampler class that IBM's machines are used through, in its local mode."""
    import qiskit_ibm_runtime as runtime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = runtime.SamplerV2(mode=generic_device(), options={"simulator": {"seed_simulator": 5}})
        found = QiskitBackend(sampler, shots=4000).expectations(CIRCUIT, *ANGLES)
    assert ((found - EXACT) / standard_errors(EXACT, 4000)).abs().max() < 5


def test_a_head_runs_on_a_device_and_its_encoder_on_the_simulator():
    from qiskit.primitives import BackendSamplerV2

    head = QuantumHead(20, n_qubits=4, n_reuploads=1, n_layers=1, seed=0).eval()
    embeddings = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = head.expectations(embeddings)
        head.backend = QiskitBackend(BackendSamplerV2(backend=generic_device(), options={"seed_simulator": 1}))
        head.shots = 4000
        found = head.expectations(embeddings)
        assert head.backend.engine.circuits == 6  # the second module only
        assert ((found - exact) / standard_errors(exact, 4000)).abs().max() < 5
        head.noise = "paper-low"
        with pytest.raises(BackendError, match="would add the head's to it"):
            head.expectations(embeddings)


def test_aer_options_reach_the_simulator():
    backend = QiskitBackend("aer", aer_options={"method": "matrix_product_state", "precision": "single"})
    found = backend.expectations(CIRCUIT, *ANGLES)
    (simulator,) = backend.engine._simulators._items.values()
    assert (simulator.options.method, simulator.options.precision) == ("matrix_product_state", "single")
    torch.testing.assert_close(found, EXACT, atol=1e-5, rtol=0)
    blocked = QiskitBackend("aer", aer_options={"blocking_enable": True, "blocking_qubits": 3})
    torch.testing.assert_close(blocked.expectations(CIRCUIT, *ANGLES), EXACT, atol=1e-9, rtol=0)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QiskitBackend("cloud"), "`sampler` must be one of 'aer', 'statevector', but got 'cloud'"),
        (lambda: QiskitBackend("aer", "statevector"), "must both be primitives, or name one simulator"),
        (lambda: QiskitBackend("statevector", aer_options={"device": "GPU"}), "`aer_options` needs the simulator"),
        (lambda: QiskitBackend("statevector", noise=HEAVY), "`noise` must be None unless Aer"),
        (
            lambda: QiskitBackend("aer", aer_options={"noise_model": None}),
            "`aer_options` must not have 'noise_model'.*as `noise`",
        ),
        (lambda: QiskitBackend(object()), "`sampler` must be a primitives-V2 sampler, but got <object"),
        (lambda: QiskitBackend("aer", transpile_for=object()), "`transpile_for` needs primitives"),
        (lambda: QiskitBackend("aer", shots=0), "`shots` must be at least 1"),
        (lambda: QiskitBackend("aer", noise="paper-low"), "`noise` must be a NoiseModel or None"),
        (lambda: QiskitBackend("aer", gradients="backprop"), "`gradients` must be one of"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_what_it_cannot_do_it_refuses():
    backend = QiskitBackend("aer")
    for method in ("statevector", "matrix_product_state"):
        noisy = QiskitBackend("aer", noise=HEAVY, aer_options={"method": method})
        with pytest.raises(BackendError, match=f"'density_matrix' only, but `aer_options` ask for '{method}'"):
            noisy.expectations(CIRCUIT, *ANGLES)
    QiskitBackend("aer", noise=HEAVY, shots=10, aer_options={"method": "statevector"}).expectations(CIRCUIT, *ANGLES)
    with pytest.raises(BackendError, match=r"`weights` has torch\.float16"):
        backend.expectations(CIRCUIT, ANGLES[0].half(), ANGLES[1])
    with pytest.raises(BackendError, match="under readout error only with shots"):
        QiskitBackend("aer", noise=HEAVY).moments(CIRCUIT, *ANGLES)
    state = torch.eye(16, dtype=torch.float64)[:5]
    with pytest.raises(BackendError, match="sets an initial state only in Aer's noiseless statevectors"):
        QiskitBackend("statevector").expectations(CIRCUIT, *ANGLES, state)
    with pytest.raises(BackendError, match="no gradients by `initial_state`"):
        backend.expectations(CIRCUIT, *ANGLES, state.requires_grad_())
    with pytest.raises(BackendError, match="only with shots"):
        QiskitBackend("statevector").probabilities(CIRCUIT, *ANGLES)
    for option, value in (("sampler", "gaussian"), ("n_trajectories", 3), ("shared_trajectories", True)):
        with pytest.raises(BackendError, match=f"draws its shots and errors itself, so `{option}"):
            run_measure(backend=backend, shots=10, **{option: value})
