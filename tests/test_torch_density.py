"""Exact density matrices: against states, Qiskit's evolution, analytic cases and finite differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.quantum_info import DensityMatrix, Operator

from qiskit_reference import build_bound, pad, pauli_signs, reverse_bits
from setfit_quantum import Circuit, Gate
from setfit_quantum.backends import BackendError
from setfit_quantum.backends.torch_reference import TorchBackend
from setfit_quantum.circuit.ansatz import build_pqc, build_reuploading
from strategies import random_circuits, random_inputs

BACKEND = TorchBackend()
ONE_WIRE_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


class KrausNoise:
    """A stand-in noise model: the given channels after every gate, and an over-rotation.

    Args:
        one: Kraus operators after one-wire gates, shape (K, 2, 2), or None.
        two: Kraus operators after two-wire gates, shape (K, 4, 4), or None.
    """

    def __init__(self, one=None, two=None, rotation=(1.0, 0.0)):
        self._kraus = {1: one, 2: two}
        self._rotation = rotation

    def kraus_channels(self, circuit):
        return [
            [] if self._kraus[len(gate.wires)] is None else [(gate.wires, self._kraus[len(gate.wires)])]
            for gate in circuit.gates
        ]

    def rotation_error(self, gate):
        return self._rotation


def _depolarizing(n_wires, p):
    """With probability p one of the 4**n - 1 non-identity Paulis."""
    paulis = ONE_WIRE_PAULIS
    for _ in range(n_wires - 1):
        paulis = np.einsum("aij,bkl->abikjl", paulis, ONE_WIRE_PAULIS).reshape(-1, 2**n_wires, 2**n_wires)
    weights = np.array([1 - p] + [p / (4**n_wires - 1)] * (4**n_wires - 1))
    return np.sqrt(weights)[:, None, None] * paulis


def _random_kraus(n_wires, seed):
    """A channel without any symmetry: the blocks of a random isometry."""
    rng = np.random.default_rng(seed)
    size = 2**n_wires
    matrix = rng.normal(size=(3 * size, size)) + 1j * rng.normal(size=(3 * size, size))
    return np.linalg.qr(matrix)[0].reshape(3, size, size)


@given(data=st.data())
def test_density_without_noise_is_the_state(data):
    circuit = data.draw(random_circuits(4))
    inputs = data.draw(random_inputs(circuit))
    state = BACKEND.state(circuit, *inputs)
    density = BACKEND.density(circuit, *inputs, noise=KrausNoise())
    assert density.is_complex() == (not circuit.is_real)
    torch.testing.assert_close(density, state[:, :, None] * state[:, None, :].conj(), atol=1e-12, rtol=0)
    n_readout = data.draw(st.integers(1, circuit.n_qubits))
    exact = BACKEND.moments(circuit, *inputs, n_readout=n_readout)
    noisy = BACKEND.moments_density(circuit, *inputs, noise=KrausNoise(), n_readout=n_readout)
    torch.testing.assert_close(noisy.z, exact.z, atol=1e-12, rtol=0)
    torch.testing.assert_close(noisy.zz, exact.zz, atol=1e-12, rtol=0)


def _qiskit_density(circuit, noise, weights, features, initial_state):
    """Qiskit's density matrix, its evolution written gate by gate, in this project's qubit order."""
    n_qubits = circuit.n_qubits
    start = reverse_bits(pad(initial_state, n_qubits))
    density = DensityMatrix(np.outer(start, start))
    for position, gate in enumerate(circuit.gates):
        density = density.evolve(Operator(build_bound(Circuit(n_qubits, (gate,)), weights, features)))
        for wires, kraus in noise.kraus_channels(circuit)[position]:
            # Qiskit's first qubit is an operator's least significant bit.
            terms = [density.evolve(Operator(matrix), list(reversed(wires))).data for matrix in kraus]
            density = DensityMatrix(sum(terms))
    axes = [*reversed(range(n_qubits)), *reversed(range(n_qubits, 2 * n_qubits))]
    return density.data.reshape((2,) * (2 * n_qubits)).transpose(axes).reshape(2**n_qubits, 2**n_qubits)


@settings(max_examples=20)
@pytest.mark.parametrize(
    "noise",
    [
        KrausNoise(_depolarizing(1, 0.1), _depolarizing(2, 0.2)),
        KrausNoise(_random_kraus(1, 0), _random_kraus(2, 1)),
    ],
    ids=["depolarizing", "arbitrary"],
)
@given(data=st.data())
def test_noisy_density_matches_qiskit(noise, data):
    circuit = data.draw(random_circuits(3, max_gates=8))
    inputs = data.draw(random_inputs(circuit, max_batch=2))
    density = BACKEND.density(circuit, *inputs, noise=noise)
    expected = np.stack([_qiskit_density(circuit, noise, *inputs.row(index)) for index in range(inputs.batch)])
    np.testing.assert_allclose(density.numpy(), expected, atol=1e-10)
    z, zz = BACKEND.moments_density(circuit, *inputs, noise=noise)
    diagonal = np.einsum("bkk->bk", expected).real
    signs = pauli_signs(circuit.n_qubits)
    np.testing.assert_allclose(z, diagonal @ signs, atol=1e-10)
    np.testing.assert_allclose(zz, np.einsum("bk,ki,kj->bij", diagonal, signs, signs), atol=1e-10)


@pytest.mark.parametrize("p", [0.0, 0.01, 0.3, 0.75])
def test_depolarizing_shrinks_one_qubit_paulis(p):
    circuit = Circuit(1, (Gate("ry", (0,), angle=0.8),))
    noise = KrausNoise(_depolarizing(1, p))
    z = BACKEND.moments_density(circuit, torch.zeros(0, dtype=torch.float64), noise=noise).z
    assert z.item() == pytest.approx((1 - 4 * p / 3) * math.cos(0.8), abs=1e-12)


@pytest.mark.parametrize("p", [0.0, 0.01, 0.3, 15 / 16])
def test_depolarizing_shrinks_two_qubit_paulis(p):
    circuit = Circuit(2, (Gate("ry", (0,), angle=0.8), Gate("ry", (1,), angle=-0.5), Gate("cz", (0, 1))))
    noise = KrausNoise(None, _depolarizing(2, p))
    moments = BACKEND.moments_density(circuit, torch.zeros(0, dtype=torch.float64), noise=noise)
    shrink = 1 - 16 * p / 15
    cosines = math.cos(0.8), math.cos(0.5)
    assert moments.z[0].tolist() == pytest.approx([shrink * value for value in cosines], abs=1e-12)
    assert moments.zz[0, 0, 1].item() == pytest.approx(shrink * math.prod(cosines), abs=1e-12)


def test_pauli_channels_leave_real_circuits_real():
    circuit = build_pqc(3, 1, 1)
    noise = KrausNoise(_depolarizing(1, 0.1), _depolarizing(2, 0.2))
    weights = torch.linspace(-1, 1, circuit.num_parameters)
    assert BACKEND.density(circuit, weights, noise=noise).dtype == torch.float32
    assert BACKEND.density(circuit, weights, noise=KrausNoise(_random_kraus(1, 0))).dtype == torch.complex64


def test_everything_is_computed_on_the_device_of_the_weights():
    circuit = build_reuploading(2, 1, 1, 1, 1)
    noise = KrausNoise(_random_kraus(1, 0), _depolarizing(2, 0.2))
    weights = torch.zeros(circuit.num_parameters, device="meta")
    moments = BACKEND.moments_density(circuit, weights, torch.zeros(3, 2), torch.zeros(3, 3), noise=noise)
    assert [tensor.device.type for tensor in moments] == ["meta", "meta"]


def test_over_rotation_changes_rotations_alone():
    gates = (Gate("h", (0,)), Gate("ry", (0,), weight=0), Gate("ry", (1,), feature=0), Gate("cry", (0, 1), angle=0.4))
    circuit = Circuit(2, gates)
    weights, features = torch.tensor([0.3], dtype=torch.float64), torch.tensor([[0.9]], dtype=torch.float64)
    noisy = BACKEND.moments_density(circuit, weights, features, noise=KrausNoise(rotation=(1.1, 0.05)))
    changed = Circuit(2, (*gates[:3], Gate("cry", (0, 1), angle=0.4 * 1.1 + 0.05)))
    exact = BACKEND.moments(changed, weights * 1.1 + 0.05, features * 1.1 + 0.05)
    torch.testing.assert_close(noisy.z, exact.z)
    torch.testing.assert_close(noisy.zz, exact.zz)


def test_density_gradients_match_finite_differences():
    circuit = Circuit(2, (*build_reuploading(2, 1, 1, 1, 1).gates[:6], Gate("rx", (0,), weight=1)))
    noise = KrausNoise(_depolarizing(1, 0.1), _random_kraus(2, 1), rotation=(1.1, 0.05))
    rng = torch.Generator().manual_seed(1)
    shapes = ((circuit.num_parameters,), (2, 2), (2, 3))
    leaves = [torch.rand(shape, generator=rng, dtype=torch.float64).requires_grad_() for shape in shapes]

    def function(*tensors):
        return BACKEND.moments_density(circuit, *tensors, noise=noise)

    assert torch.autograd.gradcheck(function, leaves)


def test_too_many_qubits_for_a_density_matrix():
    # 4**9 entries of 8 bytes.
    with pytest.raises(BackendError, match=r"at most 8 qubits, but got 9 .* 2,097,152 bytes"):
        BACKEND.moments_density(Circuit(9), torch.zeros(0), noise=KrausNoise())


def test_channels_must_fit_the_circuit():
    circuit = Circuit(2, (Gate("cx", (0, 1)), Gate("cx", (1, 0))))
    noise = KrausNoise(two=_depolarizing(1, 0.1))
    with pytest.raises(ValueError, match=r"wires \(0, 1\) must have shape \(K, 4, 4\), but got \(4, 2, 2\)"):
        BACKEND.moments_density(circuit, torch.zeros(0), noise=noise)
    noise.kraus_channels = lambda circuit: [[]]
    with pytest.raises(ValueError, match="a list for each of 2 gates, but gave 1"):
        BACKEND.moments_density(circuit, torch.zeros(0), noise=noise)
