"""Hypothesis strategies for random circuits and their inputs, for the tests of every backend."""

import math
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st

from setfit_quantum.circuit import GATE_TYPES, Circuit, Gate

REAL_GATES = tuple(name for name, kind in GATE_TYPES.items() if kind.is_real)


class Inputs(NamedTuple):
    """Arguments of a backend's methods, as float64 tensors.

    `weights` is (P,) or (batch, P), `features` (batch, n_features) or None, `initial_state` (batch, D) of norm 1
    with D <= 2**n_qubits, or None.
    """

    weights: torch.Tensor
    features: torch.Tensor | None
    initial_state: torch.Tensor | None

    @property
    def batch(self):
        if self.weights.ndim == 2:
            return self.weights.shape[0]
        given = self.features if self.features is not None else self.initial_state
        return 1 if given is None else given.shape[0]

    def to(self, dtype):
        """The same numbers in another precision."""
        return Inputs(*(None if tensor is None else tensor.to(dtype) for tensor in self))

    def row(self, index):
        """Weights, features and initial state of one sample, as numpy arrays or None."""
        weights = self.weights if self.weights.ndim == 1 else self.weights[index]
        features, state = (None if tensor is None else tensor[index].numpy() for tensor in self[1:])
        return weights.numpy(), features, state


@st.composite
def random_gates(draw, n_qubits, gates=tuple(GATE_TYPES), n_weights=6, n_features=4):
    """One gate of `gates` (two-wire gates only where there are two wires).

    Angles come from few weights and features, so that most are used several times, and from constants.
    """
    names = [name for name in gates if GATE_TYPES[name].n_wires <= n_qubits]
    name = draw(st.sampled_from(names))
    kind = GATE_TYPES[name]
    wires = tuple(draw(st.permutations(range(n_qubits)))[: kind.n_wires])
    if not kind.has_angle:
        return Gate(name, wires)
    source = draw(st.sampled_from(("weight", "feature", "angle") if n_features else ("weight", "angle")))
    if source == "angle":
        return Gate(name, wires, angle=draw(st.floats(-2 * math.pi, 2 * math.pi, allow_subnormal=False)))
    limit = n_weights if source == "weight" else n_features
    return Gate(name, wires, **{source: draw(st.integers(0, limit - 1))})


@st.composite
def random_circuits(
    draw, max_qubits=5, gates=tuple(GATE_TYPES), *, min_qubits=1, min_gates=1, max_gates=20, n_weights=6, n_features=4
):
    """A circuit of random gates. `n_features=0` leaves features out."""
    n_qubits = draw(st.integers(min_qubits, max_qubits))
    gate = random_gates(n_qubits, gates, n_weights, n_features)
    return Circuit(n_qubits, tuple(draw(st.lists(gate, min_size=min_gates, max_size=max_gates))))


@st.composite
def random_inputs(draw, circuit, *, max_batch=4, batched_weights=None, with_state=None):
    """Weights, features and initial state for a circuit.

    `batched_weights` and `with_state` may be fixed to True or False; None draws them. An initial state may be
    shorter than 2**n_qubits.
    """
    batch = draw(st.integers(1, max_batch))
    own_weights = draw(st.booleans()) if batched_weights is None else batched_weights
    has_state = draw(st.booleans()) if with_state is None else with_state
    length = draw(st.integers(1, 2**circuit.n_qubits))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.uniform(-math.pi, math.pi, (batch, circuit.num_parameters) if own_weights else circuit.num_parameters)
    features = rng.uniform(-math.pi, math.pi, (batch, circuit.n_features)) if circuit.n_features else None
    state = None
    if has_state:
        state = rng.normal(size=(batch, length))
        state /= np.linalg.norm(state, axis=1, keepdims=True)
    return Inputs(*(None if array is None else torch.from_numpy(array) for array in (weights, features, state)))


@st.composite
def random_error_codes(draw, circuit, batch, rate=0.5):
    """Pauli codes, uint8 of shape (gates, batch): 0 is no error; one-wire codes are below 4, two-wire below 16."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    limits = np.array([4 ** len(gate.wires) for gate in circuit.gates])[:, None]
    codes = rng.integers(1, np.broadcast_to(limits, (len(circuit.gates), batch)))
    return np.where(rng.random(codes.shape) < rate, codes, 0).astype(np.uint8)
