"""Noise that does not fit a head is refused when it is given, not when the head runs; amplitude damping finds torch."""

import pytest
import torch

from setfit_quantum import Circuit, Gate, NoiseModel, QuantumHead
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.measurement import check_noise

TWO_PAIRS = NoiseModel(readout=((0.1, 0.02), (0.03, 0.2)))
DAMPING = NoiseModel(p1=1e-3, t1=1e-4, gate_time_1q=1e-6, gate_time_2q=4e-6)
X = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


def make_head(n_qubits=3, **settings):
    return QuantumHead(6, **({"n_qubits": n_qubits, "n_reuploads": 1, "n_layers": 1, "seed": 0} | settings))


@pytest.mark.parametrize("backend", ["auto", "numba", "torch", "torchquantum", "qiskit"])
def test_readout_pairs_must_be_as_many_as_qubits(backend):
    message = "`readout` must have one pair for each of the circuit's 3 qubits, but got 2"
    with pytest.raises(ValueError, match=message):
        make_head(noise=TWO_PAIRS, backend=backend)
    head = make_head(backend=backend)
    with pytest.raises(ValueError, match=message):
        head.noise = TWO_PAIRS
    assert head.noise is None
    assert head.config.noise is None
    with pytest.raises(ValueError, match=message):
        head.replace_classifier("quantum", noise=TWO_PAIRS)
    make_head(2, noise=TWO_PAIRS, backend=backend)


@pytest.mark.parametrize("backend", ["numba", "torchquantum"])
def test_amplitude_damping_needs_a_density_matrix(backend):
    message = (
        f"'{backend}' cannot simulate amplitude damping .* of 3 qubits.*'torch' does, for up to 8 .*'qiskit' for more"
    )
    with pytest.raises(BackendError, match=message):
        make_head(noise=DAMPING, backend=backend)
    head = make_head(backend=backend)
    with pytest.raises(BackendError, match=message):
        head.noise = DAMPING
    assert head.noise is None
    head.backend = "torch"
    head.noise = DAMPING


@pytest.mark.parametrize("backend", ["auto", "torch"])
def test_density_matrices_end_at_eight_qubits(backend):
    make_head(8, noise=DAMPING, backend=backend)
    with pytest.raises(BackendError, match=r"'torch' cannot simulate .* of 9 qubits.*of at most 8 qubits"):
        make_head(9, noise=DAMPING, backend=backend)
    make_head(9, noise=DAMPING, backend="qiskit")
    make_head(9, noise=DAMPING, backend=QiskitBackend("aer"))


def test_auto_takes_torch_for_amplitude_damping():
    head = make_head().eval()
    assert head.backend is get_backend("numba")
    with torch.no_grad():
        exact = head.expectations(X)
        head.noise = DAMPING
        assert head.backend is get_backend("torch")
        assert head._encoder_backend is get_backend("numba")
        damped = head.expectations(X)
        head.backend = "qiskit"
        torch.testing.assert_close(head.expectations(X), damped, atol=1e-5, rtol=0)
    assert (damped - exact).abs().max() > 1e-3
    head.backend, head.noise = "auto", "paper-low"
    assert head.backend is get_backend("numba")


def test_what_a_backend_can_do_is_asked_of_its_class():
    check_noise(type(get_backend("torch")), DAMPING, 8)
    check_noise(QiskitBackend, DAMPING, 12)
    with pytest.raises(ValueError, match="circuit's 4 qubits"):
        check_noise(QiskitBackend, TWO_PAIRS, 4)


def test_shots_of_the_backend_itself_repeat_too():
    """A head with a seed repeats its results at inference, wherever shots are set, and training goes on as before."""
    head = make_head(backend=QiskitBackend("aer", shots=50)).eval()
    state = head.rng_state()
    with torch.no_grad():
        first = head.expectations(X)
        assert torch.equal(head.expectations(X), first)
        assert not torch.equal(head.expectations(X[:2]), first[:2])
    assert head.rng_state() == state


def test_only_one_wire_can_be_misread():
    """Pairs are those of the head's wires, in their order."""
    flips = NoiseModel(readout=((0.0, 0.0), (1.0, 1.0), (0.0, 0.0)))
    idle = Circuit(3, (Gate("ry", (0,), weight=0),))
    for backend in ("auto", "torch", "torchquantum", "qiskit"):
        head = make_head(ansatz=(idle, idle), encoder="linear", backend=backend).eval()
        with torch.no_grad():
            clean = head.expectations(X)
            head.noise = flips
            signs = torch.tensor([1.0, -1.0, 1.0])
            torch.testing.assert_close(head.expectations(X), clean * signs, atol=1e-6, rtol=0)
