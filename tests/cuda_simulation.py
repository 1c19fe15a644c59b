"""The GPU engine in numba's simulator of a GPU; test_cuda_backend runs this file in a process that simulates one."""

import numpy as np
import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.cuda_engine import CudaBackend, call
from setfit_quantum.circuit.ansatz import build_encoder, build_layer, build_reuploading
from setfit_quantum.noise import PauliErrors

REFERENCE = get_backend("torch")


def draw_errors(circuit, batch):
    rng = np.random.default_rng(3)
    limits = np.array([4 ** len(gate.wires) for gate in circuit.gates])[:, None]
    codes = rng.integers(0, np.broadcast_to(limits, (len(circuit.gates), batch)))
    return PauliErrors(np.where(rng.random(codes.shape) < 0.3, codes, 0).astype(np.uint8))


def run(backend, dtype, quantity, circuit, inputs, **options):
    """All outputs, and the gradients of a random combination of them by all inputs."""
    leaves = [None if tensor is None else tensor.to(dtype).requires_grad_() for tensor in inputs]
    outputs = getattr(backend, quantity)(circuit, *leaves, **options)
    outputs = (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)
    generator = torch.Generator().manual_seed(5)
    loss = sum(
        (output * torch.randn(output.shape, generator=generator, dtype=torch.float64).to(dtype)).sum()
        for output in outputs
    )
    return outputs, torch.autograd.grad(loss, [leaf for leaf in leaves if leaf is not None])


def check(backend, quantity, circuit, *, batch=2, n_amplitudes=0, own_weights=False, errors=False, n_readout=None):
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weights = draw(batch, circuit.num_parameters) if own_weights else draw(circuit.num_parameters)
    features = draw(batch, circuit.n_features + 1) if circuit.n_features else None
    state = torch.nn.functional.normalize(draw(batch, n_amplitudes)) if n_amplitudes else None
    options = {"errors": draw_errors(circuit, batch) if errors else None, "n_readout": n_readout}
    inputs = (weights, features, state)
    found, gradients = run(backend, torch.float32, quantity, circuit, inputs, **options)
    expected, true_gradients = run(REFERENCE, torch.float64, quantity, circuit, inputs, **options)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=1e-6, rtol=0)
    for ours, theirs in zip(gradients, true_gradients, strict=True):
        assert (ours.double() - theirs).norm() <= 2e-6 * theirs.norm()


@pytest.mark.parametrize("quantity", ["expectations", "moments", "probabilities"])
def test_a_second_module_under_errors_in_one_launch(quantity):
    check(CudaBackend(), quantity, build_reuploading(3, 2, 1, 1, 2), errors=True, n_readout=2)


def test_an_encoder_whose_blocks_have_several_threads():
    # 5 qubits: four threads share a block, and its sums.
    backend = CudaBackend()
    check(backend, "expectations", build_encoder(5, 1, 1), n_amplitudes=19, batch=1)
    assert backend.launches == 2  # one forward, one backward
    check(backend, "moments", build_layer(5, 1), own_weights=True, n_readout=4)


def test_threads_that_take_several_groups_in_turn(monkeypatch):
    monkeypatch.setattr(call, "MAX_THREADS", 2)
    check(CudaBackend(), "moments", build_layer(5, 1), batch=1, n_amplitudes=32)


@pytest.mark.parametrize(
    ("quantity", "errors"), [("expectations", False), ("expectations", True), ("probabilities", False)]
)
def test_circuits_wider_than_shared_memory_take_several_launches(quantity, errors):
    backend = CudaBackend(shared_qubits=5)
    check(backend, quantity, build_layer(6, 1), batch=1, n_amplitudes=50, errors=errors, n_readout=5)
    assert backend.launches >= 4


def test_two_backward_passes_through_one_graph():
    backend, circuit = CudaBackend(shared_qubits=5), build_layer(6, 1)
    weights = torch.randn(circuit.num_parameters, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = backend.expectations(circuit, weights).sum()
    first, second = (torch.autograd.grad(loss, weights, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert first.abs().max() > 0.1


def test_empty_batches():
    circuit = build_reuploading(3, 1, 1, 1, 1)
    weights = torch.zeros(circuit.num_parameters, requires_grad=True)
    z = get_backend("cuda").expectations(circuit, weights, torch.empty(0, 3))
    assert z.shape == (0, 3)
    (gradient,) = torch.autograd.grad(z.sum(), weights)
    assert torch.equal(gradient, torch.zeros_like(weights))


def test_a_head_trains():
    points = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    losses = {}
    for backend in ("cuda", "torch"):
        head = QuantumHead(6, n_qubits=3, n_encoders=2, n_reuploads=1, n_layers=1, encoder_layers=1, seed=0)
        head.backend = backend
        optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
        losses[backend] = []
        for _ in range(2):
            optimizer.zero_grad()
            loss = head.get_loss_fn()(head(points)[0], (points[:, 0] > 0).long())
            loss.backward()
            optimizer.step()
            losses[backend].append(loss.item())
    assert losses["cuda"] == pytest.approx(losses["torch"], abs=1e-5)
