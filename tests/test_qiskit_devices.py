"""Primitives that a user brings: wires, readout errors and shots of fake devices, wrong kinds, and copies of heads."""

import copy
import pickle

import numpy as np
import pytest
import torch
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2, FakeManilaV2

from measuring import example_angles
from setfit_quantum import NoiseModel, QuantumHead
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.circuit.ansatz import build_reuploading

TORCH = get_backend("torch")
SHOTS = 8000


def standard_errors(exact):
    return ((1 - exact**2).clamp_min(1e-2) / SHOTS).sqrt()


def sent_by(backend):
    (circuit,) = backend.engine._cache._items.values()
    return circuit


def count_z(counts, n_measured):
    """Expectations from Qiskit's counts, whose rightmost character is bit 0."""
    signs = {bits: np.array([1 - 2 * int(bit) for bit in reversed(bits)]) for bits in counts}
    z = sum(number * signs[bits] for bits, number in counts.items()) / sum(counts.values())
    assert len(z) == n_measured
    return torch.tensor(z)


# --- wires ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_readout", [2, 9])
def test_wires_survive_routing_on_a_device_of_16_qubits(n_readout):
    """Nine measured qubits fill more than a byte; the device's heavy-hexagon map needs swaps."""
    couplings = FakeGuadalupeV2().coupling_map
    device = GenericBackendV2(16, ["rz", "sx", "x", "cx"], coupling_map=couplings, noise_info=False, seed=0)
    circuit = build_reuploading(9, 1, 1, 1, 1)
    angles = example_angles(circuit=circuit)
    exact = TORCH.expectations(circuit, *angles, n_readout=n_readout)
    options = {"seed_simulator": 1}
    for backend in (
        QiskitBackend(BackendSamplerV2(backend=device, options=options), shots=SHOTS),
        QiskitBackend(estimator=BackendEstimatorV2(backend=device, options=options), shots=SHOTS),
    ):
        found = backend.expectations(circuit, *angles, n_readout=n_readout)
        assert sent_by(backend).num_qubits == 16
        assert ((found - exact) / standard_errors(torch.zeros(()))).abs().max() < 5


@pytest.mark.parametrize("n_readout", [1, 4])
def test_a_noisy_fake_device_is_what_it_is_by_hand(n_readout):
    """Its counts, taken from the device itself for the circuit that was sent."""
    device = FakeManilaV2()
    circuit = build_reuploading(4, 1, 1, 1, 1)
    weights, features = example_angles(circuit=circuit)
    backend = QiskitBackend(BackendSamplerV2(backend=device, options={"seed_simulator": 2}), shots=SHOTS)
    found = backend.expectations(circuit, weights, features[:2], n_readout=n_readout)
    sent = sent_by(backend)
    assert sent.count_ops()["measure"] == n_readout
    for row in range(2):
        names = {f"theta_{k}": float(angle) for k, angle in enumerate(weights)}
        names |= {f"x_{k}": float(angle) for k, angle in enumerate(features[row])}
        bound = sent.assign_parameters({parameter: names[parameter.name] for parameter in sent.parameters})
        counts = device.run(bound, shots=20_000, seed_simulator=7).result().get_counts()
        expected = count_z(counts, n_readout)
        assert ((found[row] - expected) / standard_errors(expected)).abs().max() < 6
    ideal = TORCH.expectations(circuit, weights, features[:2], n_readout=n_readout)
    assert (found - ideal).abs().max() > 5 * standard_errors(ideal).max()  # the device's noise did act


@pytest.mark.parametrize("n_readout", [1, 3, 9])
@pytest.mark.parametrize("shots", [None, SHOTS])
def test_unequal_readout_errors_hit_their_own_wires(n_readout, shots):
    pairs = tuple((0.01 + 0.02 * wire, 0.25 - 0.02 * wire) for wire in range(9))
    circuit = build_reuploading(9, 1, 1, 1, 1)
    angles = example_angles(circuit=circuit)
    exact = TORCH.expectations(circuit, *angles, n_readout=n_readout)
    up, down = torch.tensor(pairs, dtype=torch.float64)[:n_readout].T
    expected = (1 - up - down) * exact + (down - up)
    backend = QiskitBackend("aer", noise=NoiseModel(readout=pairs), shots=shots, seed=4)
    found = backend.expectations(circuit, *angles, n_readout=n_readout)
    if shots is None:
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    else:
        assert ((found - expected) / standard_errors(expected)).abs().max() < 5


# --- what primitives give -----------------------------------------------------------------------------------------


class RoundingSampler(StatevectorSampler):
    """Takes shots in blocks of 64, as twirling does on IBM's machines."""

    def run(self, pubs, *, shots=None):
        return super().run(pubs, shots=-(-shots // 64) * 64)


def test_samplers_may_round_shots_up():
    circuit = build_reuploading(3, 1, 1, 1, 1)
    angles = example_angles(circuit=circuit)
    found = QiskitBackend(RoundingSampler(seed=np.random.default_rng(0)), shots=7999).expectations(circuit, *angles)
    exact = TORCH.expectations(circuit, *angles)
    assert ((found - exact) / standard_errors(exact)).abs().max() < 5


class OneOutcome:
    """A sampler of no known class, whose every shot reads 1 on the last of nine bits."""

    def run(self, pubs, *, shots=None):
        (pub,) = pubs
        bits = np.zeros((len(pub[1]), shots, 9), dtype=bool)
        bits[..., 8] = True
        data = DataBin(c=BitArray.from_bool_array(bits, order="little"), shape=bits.shape[:1])
        result = PrimitiveResult([SamplerPubResult(data)])
        return type("Job", (), {"result": lambda self: result})()


def test_bit_q_of_the_register_is_qubit_q():
    circuit = build_reuploading(9, 1, 1, 1, 1)
    found = QiskitBackend(OneOutcome(), shots=3).expectations(circuit, *example_angles(circuit=circuit))
    assert torch.equal(found, torch.tensor([1.0] * 8 + [-1.0], dtype=torch.float64).expand(len(found), -1))


def test_estimators_have_a_precision_of_their_own():
    """Without shots Qiskit's estimator for devices takes its default, and its ideal one is exact."""
    circuit = build_reuploading(4, 1, 1, 1, 1)
    angles = example_angles(circuit=circuit)
    exact = TORCH.expectations(circuit, *angles)
    device = GenericBackendV2(4, noise_info=False, seed=0)
    options = {"seed_simulator": 3, "default_precision": 0.02}
    found = QiskitBackend(estimator=BackendEstimatorV2(backend=device, options=options)).expectations(circuit, *angles)
    assert 0.002 < (found - exact).abs().max() < 0.1
    found = QiskitBackend(estimator=StatevectorEstimator()).expectations(circuit, *angles)
    torch.testing.assert_close(found, exact, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: QiskitBackend(FakeManilaV2()),
            r"`sampler` must be .*but got the backend .*BackendSamplerV2\(backend=",
        ),
        (lambda: QiskitBackend(estimator=FakeManilaV2()), r"`estimator` must .*qiskit.primitives.BackendEstimatorV2\("),
        (
            lambda: QiskitBackend(StatevectorEstimator()),
            "`sampler` must be a primitives-V2 sampler, but got .*Estimator",
        ),
        (lambda: QiskitBackend(estimator=StatevectorSampler()), "`estimator` must be a primitives-V2 estimator, but"),
    ],
)
def test_what_is_no_primitive_is_named_at_once(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_the_same_noise_under_another_name_is_not_a_conflict():
    head = QuantumHead(6, n_qubits=3, seed=0, noise="paper-high").eval()
    head.backend = QiskitBackend("aer", noise=NoiseModel.depolarizing(2e-4, 2e-3))
    with torch.no_grad():
        head(torch.ones(1, 6))
        head.noise = "paper-low"
        with pytest.raises(BackendError, match="`noise` of the head differs"):
            head(torch.ones(1, 6))


# --- copies -------------------------------------------------------------------------------------------------------


def test_copied_heads_share_their_backend():
    head = QuantumHead(6, n_qubits=3, seed=0, backend=QiskitBackend("aer")).eval()
    copied = copy.deepcopy(head)
    x = torch.ones(2, 6)
    with torch.no_grad():
        expected = head.expectations(x)
        assert torch.equal(copied.expectations(x), expected)
        assert copied.backend is head.backend
        assert torch.equal(pickle.loads(pickle.dumps(head)).expectations(x), expected)


# --- what a saved head remembers ----------------------------------------------------------------------------------


def named_by(backend):
    return QuantumHead(6, n_qubits=3, seed=0, backend=backend).config.backend


def test_a_head_is_not_loaded_on_another_machine_silently(caplog):
    """Aer does not stand for a device that a name cannot tell."""
    assert named_by(QiskitBackend("aer")) == named_by(QiskitBackend("statevector")) == named_by("qiskit") == "qiskit"
    sampler = BackendSamplerV2(backend=FakeManilaV2())
    for backend in (QiskitBackend(sampler), QiskitBackend(shots=9), QiskitBackend(noise=NoiseModel(p1=0.1))):
        assert named_by(backend) == "custom:qiskit"
    head = QuantumHead(6, n_qubits=3, seed=0, shots=100)
    head.backend = QiskitBackend(sampler)
    with caplog.at_level("WARNING"):
        loaded = QuantumHead.from_config(head.config)
    assert loaded.backend is get_backend("numba")
    assert "ran on 'custom:qiskit', which cannot be loaded" in caplog.text


def test_a_machine_with_too_few_qubits_is_named():
    backend = QiskitBackend(BackendSamplerV2(backend=GenericBackendV2(3, noise_info=False)), shots=10)
    circuit = build_reuploading(4, 1, 1, 1, 1)
    with pytest.raises(BackendError, match=r"a circuit of 4 qubits on .*, which has 3"):
        backend.expectations(circuit, *example_angles(circuit=circuit))
