"""The reference backend against Qiskit, analytic cases and finite differences."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qiskit_reference import final_state, pauli_signs
from setfit_quantum import Circuit, Gate
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.torch_reference import TorchBackend
from setfit_quantum.circuit import GATE_TYPES
from setfit_quantum.circuit.ansatz import build_pqc, build_reuploading
from strategies import REAL_GATES, random_circuits, random_error_codes, random_inputs

BACKEND = TorchBackend()
DTYPES = {torch.float32: 1e-5, torch.float64: 1e-10}


def _reference_states(circuit, inputs, codes=None):
    """Qiskit's final states, shape (batch, 2**n)."""
    states = []
    for index in range(inputs.batch):
        column = None if codes is None else codes[:, index]
        states.append(final_state(circuit, *inputs.row(index), codes=column))
    return np.stack(states)


def _reference_moments(states, n_readout):
    probabilities = np.abs(states) ** 2
    signs = pauli_signs(int(math.log2(states.shape[1])))[:, :n_readout]
    return probabilities @ signs, np.einsum("bk,ki,kj->bij", probabilities, signs, signs)


# ---------------------------------------------------------------- against Qiskit


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_state_matches_qiskit(dtype, data):
    circuit = data.draw(random_circuits(5))
    inputs = data.draw(random_inputs(circuit))
    state = BACKEND.state(circuit, *inputs.to(dtype))
    assert state.is_complex() == (not circuit.is_real)
    assert state.real.dtype == dtype
    np.testing.assert_allclose(state.numpy(), _reference_states(circuit, inputs), atol=DTYPES[dtype], rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_measurements_match_qiskit(dtype, data):
    circuit = data.draw(random_circuits(5, max_gates=12))
    inputs = data.draw(random_inputs(circuit))
    n_readout = data.draw(st.integers(1, circuit.n_qubits))
    states = _reference_states(circuit, inputs)
    z, zz = _reference_moments(states, n_readout)
    tolerance = {"atol": DTYPES[dtype], "rtol": 0}
    arguments = inputs.to(dtype)
    np.testing.assert_allclose(BACKEND.expectations(circuit, *arguments, n_readout=n_readout), z, **tolerance)
    moments = BACKEND.moments(circuit, *arguments, n_readout=n_readout)
    np.testing.assert_allclose(moments.z, z, **tolerance)
    np.testing.assert_allclose(moments.zz, zz, **tolerance)
    assert (moments.zz.diagonal(dim1=1, dim2=2) == 1).all()
    marginal = (np.abs(states) ** 2).reshape(inputs.batch, 2**n_readout, -1).sum(-1)
    probabilities = BACKEND.probabilities(circuit, *arguments, n_readout=n_readout)
    assert probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities, marginal, **tolerance)


@pytest.mark.parametrize("gates", [REAL_GATES, tuple(GATE_TYPES)], ids=["real", "all"])
@given(data=st.data())
def test_errors_are_paulis_after_their_gates(gates, data):
    circuit = data.draw(random_circuits(4, gates))
    inputs = data.draw(random_inputs(circuit))
    codes = data.draw(random_error_codes(circuit, inputs.batch))
    state = BACKEND.state(circuit, *inputs, errors=SimpleNamespace(codes=codes)).numpy()
    expected = _reference_states(circuit, inputs, codes)
    # Equal up to a global phase: the overlap of normalised states has modulus 1.
    np.testing.assert_allclose(np.abs(np.sum(state.conj() * expected, axis=1)), 1.0, atol=1e-10)
    assert np.iscomplexobj(state) == (not circuit.is_real)
    moments = BACKEND.moments(circuit, *inputs, errors=SimpleNamespace(codes=codes))
    z, zz = _reference_moments(expected, circuit.n_qubits)
    np.testing.assert_allclose(moments.z, z, atol=1e-10)
    np.testing.assert_allclose(moments.zz, zz, atol=1e-10)


def test_every_error_code_is_the_right_pauli():
    # Wires in reverse order; the rotations around it tell all 16 Paulis apart by their outcomes.
    before = [Gate(name, (q,), angle=0.3 + q) for q in (0, 1) for name in ("ry", "rx")]
    after = [Gate("crx", (0, 1), angle=0.9), Gate("ry", (0,), angle=1.1), Gate("rx", (1,), angle=0.4)]
    circuit = Circuit(2, (*before, Gate("cx", (1, 0)), *after))
    codes = np.zeros((len(circuit.gates), 16), np.uint8)
    codes[len(before)] = np.arange(16)
    weights = torch.zeros(16, 0, dtype=torch.float64)
    result = BACKEND.probabilities(circuit, weights, errors=SimpleNamespace(codes=codes)).numpy()
    expected = [np.abs(final_state(circuit, codes=codes[:, code])) ** 2 for code in range(16)]
    np.testing.assert_allclose(result, expected, atol=1e-12)
    assert len(np.unique(np.round(result, 6), axis=0)) == 16


# ---------------------------------------------------------------- analytic cases


def test_qubit_0_is_the_most_significant_bit():
    state = BACKEND.state(Circuit(3, (Gate("x", (0,)),)), torch.zeros(0))
    assert state.tolist() == [[0, 0, 0, 0, 1, 0, 0, 0]]


def test_ry_turns_by_its_angle():
    angles = torch.linspace(-7, 7, 9, dtype=torch.float64)
    circuit = Circuit(1, (Gate("ry", (0,), feature=0),))
    state = BACKEND.state(circuit, torch.zeros(0, dtype=torch.float64), angles[:, None])
    torch.testing.assert_close(state, torch.stack((torch.cos(angles / 2), torch.sin(angles / 2)), 1))
    z = BACKEND.expectations(circuit, torch.zeros(0, dtype=torch.float64), angles[:, None])
    torch.testing.assert_close(z, torch.cos(angles)[:, None])


def test_bell_state_is_correlated():
    moments = BACKEND.moments(Circuit(2, (Gate("h", (0,)), Gate("cx", (0, 1)))), torch.zeros(0, dtype=torch.float64))
    torch.testing.assert_close(moments.z, torch.zeros(1, 2, dtype=torch.float64))
    torch.testing.assert_close(moments.zz, torch.ones(1, 2, 2, dtype=torch.float64))


def test_short_initial_state_is_filled_up_with_zeros():
    circuit = Circuit(3, (Gate("cx", (2, 1)),))
    amplitudes = torch.tensor([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]])
    state = BACKEND.state(circuit, torch.zeros(0), initial_state=amplitudes)
    # |000> and |010> stay; |001> becomes |011>.
    expected = torch.zeros(2, 8)
    expected[0, 0], expected[0, 2], expected[1, 3] = 0.6, 0.8, 1.0
    torch.testing.assert_close(state, expected)


def test_initial_state_is_not_normalised():
    probabilities = BACKEND.probabilities(Circuit(1), torch.zeros(0), initial_state=torch.tensor([[3.0, 4.0]]))
    assert probabilities.tolist() == [[9.0, 16.0]]


def test_weights_may_differ_per_sample():
    circuit = build_reuploading(3, 2, 1, 1, 1)
    rng = torch.Generator().manual_seed(0)
    weights = torch.rand(4, circuit.num_parameters, generator=rng)
    features = torch.rand(4, 3, generator=rng)
    together = BACKEND.expectations(circuit, weights, features)
    apart = [BACKEND.expectations(circuit, weights[i], features[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(apart))


def test_empty_batch():
    circuit = build_reuploading(3, 1, 1, 1, 1)
    errors = SimpleNamespace(codes=np.zeros((len(circuit.gates), 0), np.uint8))
    arguments = torch.zeros(circuit.num_parameters), torch.zeros(0, 3)
    moments = BACKEND.moments(circuit, *arguments, n_readout=2, errors=errors)
    assert [tuple(tensor.shape) for tensor in moments] == [(0, 2), (0, 2, 2)]
    assert BACKEND.probabilities(circuit, *arguments, n_readout=1).shape == (0, 2)


def test_everything_is_computed_on_the_device_of_the_weights():
    # "meta" tensors have a device of their own and refuse to meet those of another.
    gates = [
        Gate(name, (0, 1)[: kind.n_wires], angle=0.5 if kind.has_angle else None) for name, kind in GATE_TYPES.items()
    ]
    circuit = Circuit(2, (*gates, *build_reuploading(2, 1, 1, 1, 1).gates))
    errors = SimpleNamespace(codes=np.ones((len(circuit.gates), 3), np.uint8))
    weights = torch.zeros(circuit.num_parameters, device="meta")
    moments = BACKEND.moments(circuit, weights, torch.zeros(3, 2), torch.zeros(3, 3), errors=errors)
    assert [tensor.device.type for tensor in moments] == ["meta", "meta"]


# ---------------------------------------------------------------- gradients


def _check_gradients(check, circuit, inputs, measure):
    """Run torch's finite-difference `check` over those inputs that exist and are not empty."""
    given_inputs = {name: tensor for name, tensor in inputs._asdict().items() if tensor is not None}
    names = [name for name, tensor in given_inputs.items() if tensor.numel()]
    assume(names)

    def function(*tensors):
        return measure(circuit, **(given_inputs | dict(zip(names, tensors, strict=True))))

    assert check(function, [given_inputs[name].clone().requires_grad_() for name in names], atol=1e-6)


@settings(max_examples=15)
@pytest.mark.parametrize("measure", ["expectations", "probabilities", "moments"])
@given(data=st.data())
def test_gradients_match_finite_differences(measure, data):
    circuit = data.draw(random_circuits(3, max_gates=8, n_weights=3, n_features=2))
    inputs = data.draw(random_inputs(circuit, max_batch=2))
    _check_gradients(torch.autograd.gradcheck, circuit, inputs, getattr(BACKEND, measure))


@settings(max_examples=8)
@given(data=st.data())
def test_second_derivatives_match_finite_differences(data):
    circuit = data.draw(random_circuits(2, max_gates=5, n_weights=2, n_features=2))
    inputs = data.draw(random_inputs(circuit, max_batch=2))
    _check_gradients(torch.autograd.gradgradcheck, circuit, inputs, BACKEND.expectations)


def test_gradients_through_errors_and_a_shared_weight():
    circuit = build_pqc(3, 2, 1)
    codes = np.random.default_rng(0).integers(0, 4, (len(circuit.gates), 2)).astype(np.uint8)
    weights = torch.linspace(-2, 2, circuit.num_parameters, dtype=torch.float64, requires_grad=True)
    states = torch.eye(2, 5, dtype=torch.float64)

    def function(weights):
        return BACKEND.expectations(circuit, weights, None, states, errors=SimpleNamespace(codes=codes))

    assert torch.autograd.gradcheck(function, (weights,))


def test_third_derivative_of_a_cosine():
    circuit = Circuit(1, (Gate("ry", (0,), weight=0),))
    derivative = angle = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    derivative = BACKEND.expectations(circuit, angle).sum()
    for _ in range(3):
        (gradient,) = torch.autograd.grad(derivative, angle, create_graph=True)
        derivative = gradient.sum()
    assert derivative.item() == pytest.approx(math.sin(0.7))


# ---------------------------------------------------------------- refusals and registration


def test_registered_and_runs_every_gate():
    assert isinstance(get_backend("torch"), TorchBackend)
    assert BACKEND.capabilities.gates == set(GATE_TYPES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": torch.zeros(3)}, r"`weights` must have 2 angles .* got shape \(3,\)"),
        ({"features": None}, "`features` must be given"),
        ({"features": torch.zeros(2, 2)}, r"`features` must have shape \(batch, 3\)"),
        ({"initial_state": torch.zeros(2, 5)}, r"`initial_state` must have shape \(batch, at most 4\)"),
        ({"initial_state": torch.zeros(3, 4)}, r"different batch sizes: \[2, 3\]"),
        ({"initial_state": torch.zeros(2, 4, dtype=torch.complex64)}, "`initial_state` must hold real"),
        ({"features": torch.zeros(2, 3, dtype=torch.int64)}, "`features` must hold real"),
        ({"n_readout": 3}, "`n_readout` must be between 1 and 2, but got 3"),
        ({"weights": torch.zeros(2, dtype=torch.float16)}, "float32 or float64, but `weights` has torch.float16"),
        ({"errors": np.zeros((2, 1))}, r"codes of shape \(gates, batch\) = \(2, 2\), but got \(2, 1\)"),
        ({"errors": np.array([[0, 4], [0, 0]])}, r"codes below 4 after gate 0 \(ry\), but got 4"),
    ],
)
@pytest.mark.parametrize("method", ["expectations", "moments", "probabilities"])
def test_refuses(method, arguments, message):
    circuit = Circuit(2, (Gate("ry", (0,), weight=1), Gate("ry", (1,), feature=2)))
    defaults = {"weights": torch.zeros(2), "features": torch.zeros(2, 3)}
    if "errors" in arguments:
        arguments = {"errors": SimpleNamespace(codes=arguments["errors"].astype(np.uint8))}
    with pytest.raises(ValueError, match=message):
        getattr(BACKEND, method)(circuit, **(defaults | arguments))
