"""Gates and circuits as data: validation, counting, binding, joining."""

import doctest
import math
from dataclasses import FrozenInstanceError

import pytest

from setfit_quantum import Circuit, Gate
from setfit_quantum.circuit import GATE_TYPES, circuit, drawing, gates, qasm

MIXED = Circuit(
    3,
    (
        Gate("ry", (0,), feature=1),
        Gate("cx", (0, 1)),
        Gate("ry", (1,), weight=2),
        Gate("ry", (2,), angle=0.5),
        Gate("cz", (1, 2)),
    ),
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "foo", "wires": (0,)}, "must be one of ry, rx"),
        ({"name": "h", "wires": (0, 1)}, "needs 1 different wires"),
        ({"name": "cx", "wires": (1, 1)}, "needs 2 different wires"),
        ({"name": "cx", "wires": (0, -1)}, "needs 2 different wires"),
        ({"name": "ry", "wires": (0,)}, "takes exactly one of"),
        ({"name": "ry", "wires": (0,), "weight": 0, "angle": 0.1}, "but got 2"),
        ({"name": "h", "wires": (0,), "angle": 0.1}, "takes no angle"),
        ({"name": "ry", "wires": (0,), "weight": -1}, "`weight` must be at least 0, but got -1"),
        ({"name": "ry", "wires": (0,), "feature": -2}, "`feature` must be at least 0, but got -2"),
        ({"name": "ry", "wires": (0,), "angle": math.nan}, "`angle` must be finite"),
    ],
)
def test_gate_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Gate(**arguments)


def test_gate_and_circuit_are_immutable_and_hashable():
    gate = Gate("ry", (0,), weight=0)
    with pytest.raises(FrozenInstanceError):
        gate.weight = 1
    with pytest.raises(FrozenInstanceError):
        MIXED.n_qubits = 4
    assert hash(MIXED) == hash(Circuit(3, list(MIXED.gates)))


def test_is_parametric():
    assert [gate.is_parametric for gate in MIXED.gates] == [True, False, True, False, False]


def test_circuit_refuses_wires_outside():
    with pytest.raises(ValueError, match=r"Gate 1 .* must act on wires below 2"):
        Circuit(2, (Gate("h", (0,)), Gate("cx", (1, 2))))
    with pytest.raises(ValueError, match="`n_qubits` must be at least 1, but got 0"):
        Circuit(0)


def test_counts():
    assert MIXED.num_parameters == 3  # one past the largest index
    assert MIXED.n_features == 2
    assert MIXED.count_ops() == {"ry": 3, "cx": 1, "cz": 1}
    assert Circuit(2).num_parameters == Circuit(2).n_features == 0


def test_is_real():
    assert MIXED.is_real
    for name, kind in GATE_TYPES.items():
        gate = Gate(name, tuple(range(kind.n_wires)), angle=0.1 if kind.has_angle else None)
        assert Circuit(2, (gate,)).is_real == (name in {"ry", "h", "x", "z", "cx", "cz", "swap", "cry"})


def test_depth():
    # ry(0) - cx(0,1) - ry(1) - cz(1,2) is the longest chain; ry(2) runs beside it.
    assert MIXED.depth() == 4
    assert MIXED.depth(two_qubit_only=True) == 2
    assert Circuit(3).depth() == 0


def test_join():
    joined = MIXED + Circuit(3, (Gate("h", (2,)),))
    assert joined.gates == (*MIXED.gates, Gate("h", (2,)))
    with pytest.raises(ValueError, match="3 and 2 qubits cannot be joined"):
        MIXED + Circuit(2)


def test_shift_weights_leaves_features_and_constants():
    shifted = MIXED.shift_weights(5)
    assert [gate.weight for gate in shifted.gates] == [None, None, 7, None, None]
    assert [gate.feature for gate in shifted.gates] == [gate.feature for gate in MIXED.gates]
    assert [gate.angle for gate in shifted.gates] == [gate.angle for gate in MIXED.gates]


def test_bind():
    weights_only = MIXED.bind(weights=[0.1, 0.2, 0.3])
    assert weights_only.gates[2] == Gate("ry", (1,), angle=0.3)
    assert weights_only.num_parameters == 0
    assert weights_only.n_features == 2
    both = MIXED.bind([0.1, 0.2, 0.3], [0.4, 0.6])
    assert both.gates[0] == Gate("ry", (0,), angle=0.6)
    assert not any(gate.is_parametric for gate in both.gates)
    assert MIXED.bind() == MIXED


@pytest.mark.parametrize("arguments", [{"weights": [0.1]}, {"features": [0.1, 0.2, 0.3]}])
def test_bind_refuses_wrong_numbers(arguments):
    ((name, values),) = arguments.items()
    with pytest.raises(ValueError, match=rf"`{name}` must have \d values, but got {len(values)}"):
        MIXED.bind(**arguments)


@pytest.mark.parametrize("module", [gates, circuit, qasm, drawing], ids=lambda module: module.__name__)
def test_docstring_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
