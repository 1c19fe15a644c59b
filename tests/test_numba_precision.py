"""Precision of the CPU engine: scaled states, angles near half a turn, outcomes folded in blocks."""

import math

import pytest
import torch

from setfit_quantum.backends import get_backend
from setfit_quantum.backends.numba_engine import NumbaBackend
from setfit_quantum.circuit.ansatz import build_encoder, build_pqc, build_reuploading
from setfit_quantum.noise import PauliErrors


@pytest.fixture(scope="module")
def fast():
    return NumbaBackend()


@pytest.fixture(scope="module")
def reference():
    return get_backend("torch")


def relative(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm())


@pytest.mark.parametrize("angle", [math.pi, math.pi - 1e-6, 1.999 * math.pi, 3.0])
@pytest.mark.parametrize("n_qubits", [2, 5, 9])
def test_angles_with_huge_tangents(fast, angle, n_qubits):
    """A state grows by 1 / cos of half of each angle; near half a turn that alone would leave float32."""
    circuit = build_reuploading(n_qubits, 3, 2, 2, 1)
    generator = torch.Generator().manual_seed(1)
    weights = 0.3 * torch.randn(circuit.num_parameters, generator=generator)
    weights[torch.rand(weights.shape, generator=generator) < 0.6] = angle
    features = torch.full((11, n_qubits), angle)
    features[3:] = torch.randn(8, n_qubits, generator=generator)
    results = []
    for backend, dtype in ((fast, torch.float32), (get_backend("torch"), torch.float64)):
        inputs = [tensor.to(dtype).requires_grad_() for tensor in (weights, features)]
        z = backend.expectations(circuit, *inputs)
        slopes = torch.arange(1, n_qubits + 1, dtype=dtype)
        results.append((z.detach(), *torch.autograd.grad((z * slopes).sum(), inputs)))
    for found, expected in zip(*results, strict=True):
        assert float((found - expected).norm()) < 2e-6 * max(1.0, float(expected.norm()))


@pytest.mark.parametrize(("scale", "offset"), [(math.pi, 0.0), (1e-3, math.pi), (1e-3, -math.pi), (1e-4, 0.0)])
def test_deep_circuits_neither_overflow_nor_lose_precision(fast, reference, scale, offset):
    """Twelve layers of nine rings: unscaled, angles drawn from a full turn would make the state grow by 2**1000."""
    circuit = build_encoder(10, 12, 9)
    generator = torch.Generator().manual_seed(3)
    weights = offset + scale * (2 * torch.rand(circuit.num_parameters, generator=generator, dtype=torch.float64) - 1)
    state = torch.nn.functional.normalize(torch.randn(3, 768, generator=generator, dtype=torch.float64))
    weights = weights.float().double()  # both start from what float32 can hold
    results = []
    for backend, dtype in ((fast, torch.float32), (reference, torch.float64)):
        leaf = weights.to(dtype).requires_grad_()
        z = backend.expectations(circuit, leaf, None, state.to(dtype))
        slopes = torch.arange(1, 11, dtype=dtype)
        results.append((z.detach(), torch.autograd.grad((z * slopes).sum(), leaf)[0]))
    (z, gradient), (expected_z, expected) = results
    assert (z - expected_z).abs().max() < 1e-5
    assert relative(gradient, expected) < 2e-5


@pytest.mark.parametrize("size", [1e-12, 1e6])
def test_gradients_of_any_size_keep_their_precision(fast, size):
    """The sums are products of two scaled states: neither tiny nor huge slopes of the loss leave float32."""
    circuit = build_encoder(10)
    generator = torch.Generator().manual_seed(4)
    weights = math.pi * (2 * torch.rand(circuit.num_parameters, generator=generator) - 1)
    state = torch.nn.functional.normalize(torch.randn(8, 768, generator=generator))
    gradients = []
    for factor in (1.0, size):
        leaf = weights.clone().requires_grad_()
        (fast.expectations(circuit, leaf, None, state).sum() * factor).backward()
        gradients.append(leaf.grad.double() / factor)
    assert relative(gradients[1], gradients[0]) < 1e-5


@pytest.mark.parametrize("n_readout", [9, 10, 12])
def test_expectations_folded_in_blocks(fast, reference, n_readout):
    """More measured qubits than a block has, all of them or some, with errors that flip outcomes."""
    circuit = build_pqc(12, 1, 1)
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(circuit.num_parameters, generator=generator)
    codes = torch.randint(0, 4, (len(circuit.gates), 11), generator=generator, dtype=torch.uint8).numpy()
    options = {"n_readout": n_readout, "errors": PauliErrors(codes)}
    state = torch.nn.functional.normalize(torch.randn(11, 2**12, generator=generator))
    z = fast.expectations(circuit, weights, None, state, **options)
    expected = reference.expectations(circuit, weights.double(), None, state.double(), **options)
    assert z.shape == (11, n_readout)
    assert (z - expected).abs().max() < 1e-6
    assert torch.equal(fast.moments(circuit, weights, None, state, **options).z.sign(), z.sign())


def test_long_sums_keep_their_digits(fast, reference):
    """A gradient is a sum over all amplitudes: in float32, added one after the other, they lose digits."""
    circuit = build_encoder(14, 1, 9)
    generator = torch.Generator().manual_seed(2)
    weights = math.pi * (2 * torch.rand(circuit.num_parameters, generator=generator) - 1)
    state = torch.nn.functional.normalize(torch.randn(1, 768, generator=generator))
    gradients = []
    for backend, dtype in ((fast, torch.float32), (reference, torch.float64)):
        leaf = weights.to(dtype).requires_grad_()
        z = backend.expectations(circuit, leaf, None, state.to(dtype))
        gradients.append(torch.autograd.grad((z * torch.linspace(-1, 1, 14, dtype=dtype)).sum(), leaf)[0])
    assert relative(*gradients) < 1.2e-6  # 1.6e-6 without sums of sums
