"""`Circuit`: an immutable list of gates. It knows nothing of how it is run.

Qubit order, stated once: qubit 0 is the most significant bit of a basis state's index, so for two
qubits the amplitudes stand in the order |00>, |01>, |10>, |11> with qubit 0 on the left (TorchQuantum,
PennyLane). `RY(theta) = exp(-i theta Y / 2)`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

from setfit_quantum.checks import check_choice, check_int
from setfit_quantum.circuit.gates import GATE_TYPES, Gate

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from qiskit import QuantumCircuit

    from setfit_quantum.circuit.svg import CircuitPicture

MAX_DISPLAYED_GATES = 3000
"""Longer circuits are not drawn by a notebook unasked."""


@dataclass(frozen=True)
class Circuit:
    """Gates on `n_qubits` wires, with references to weights (trained) and features (data).

    Args:
        n_qubits: Number of wires.
        gates: Gates in the order of their execution.

    Raises:
        ValueError: A gate acts on a wire outside the circuit.

    Example:
        >>> bell = Circuit(2, (Gate("h", (0,)), Gate("cx", (0, 1))))
        >>> bell.count_ops()
        {'h': 1, 'cx': 1}
    """

    n_qubits: int
    gates: tuple[Gate, ...] = ()

    def __post_init__(self) -> None:
        check_int("n_qubits", self.n_qubits, minimum=1)
        object.__setattr__(self, "gates", tuple(self.gates))
        for position, gate in enumerate(self.gates):
            if max(gate.wires) >= self.n_qubits:
                raise ValueError(f"Gate {position} ({gate}) must act on wires below {self.n_qubits}.")

    # Immutable, so a copy may be itself; and the cached hash, which differs between processes, must not travel.
    def __copy__(self) -> Circuit:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Circuit:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Circuit, (self.n_qubits, self.gates)

    def __hash__(self) -> int:
        return self._hash  # backends look circuits up in every step

    @cached_property
    def _hash(self) -> int:
        return hash((self.n_qubits, self.gates))

    @cached_property
    def num_parameters(self) -> int:
        """Number of trainable weights that the gates refer to (one past the largest index)."""
        return 1 + max((gate.weight for gate in self.gates if gate.weight is not None), default=-1)

    @cached_property
    def n_features(self) -> int:
        """Number of input features that the gates refer to (one past the largest index)."""
        return 1 + max((gate.feature for gate in self.gates if gate.feature is not None), default=-1)

    @cached_property
    def gate_names(self) -> frozenset[str]:
        """Names of the gates that occur."""
        return frozenset(gate.name for gate in self.gates)

    @cached_property
    def is_real(self) -> bool:
        """Whether every gate's matrix is real."""
        return all(GATE_TYPES[gate.name].is_real for gate in self.gates)

    def __add__(self, other: Circuit) -> Circuit:
        """Run `other` after this circuit; both keep their weight and feature numbers."""
        if self.n_qubits != other.n_qubits:
            raise ValueError(f"Circuits of {self.n_qubits} and {other.n_qubits} qubits cannot be joined.")
        return Circuit(self.n_qubits, self.gates + other.gates)

    def shift_weights(self, offset: int) -> Circuit:
        """Return the circuit with every weight number raised by `offset`."""
        return Circuit(
            self.n_qubits,
            tuple(gate if gate.weight is None else replace(gate, weight=gate.weight + offset) for gate in self.gates),
        )

    def bind(self, weights: Sequence[float] | None = None, features: Sequence[float] | None = None) -> Circuit:
        """Return the circuit with weights and/or features replaced by fixed angles.

        Args:
            weights: Angles in radians, `num_parameters` of them; None leaves the weights free.
            features: Angles in radians, `n_features` of them; None leaves the features free.

        Raises:
            ValueError: The number of values is not what the circuit refers to.
        """
        for name, values, needed in (
            ("weights", weights, self.num_parameters),
            ("features", features, self.n_features),
        ):
            if values is not None and len(values) != needed:
                raise ValueError(f"Argument `{name}` must have {needed} values, but got {len(values)}.")

        def bound(gate: Gate) -> Gate:
            if gate.weight is not None and weights is not None:
                return replace(gate, weight=None, angle=float(weights[gate.weight]))
            if gate.feature is not None and features is not None:
                return replace(gate, feature=None, angle=float(features[gate.feature]))
            return gate

        return Circuit(self.n_qubits, tuple(bound(gate) for gate in self.gates))

    def count_ops(self) -> dict[str, int]:
        """Number of gates of each name, in the order of first use."""
        return dict(Counter(gate.name for gate in self.gates))

    def depth(self, two_qubit_only: bool = False) -> int:
        """Length of the longest chain of gates that share wires.

        Args:
            two_qubit_only: Count two-qubit gates alone (the usual measure of hardware cost).
        """
        levels = [0] * self.n_qubits
        for gate in self.gates:
            step = int(len(gate.wires) == 2 or not two_qubit_only)
            level = max(levels[wire] for wire in gate.wires) + step
            for wire in gate.wires:
                levels[wire] = level
        return max(levels)

    def to_qasm3(self) -> str:
        """OpenQASM 3 text; weights and features become `input` parameters `theta_i` and `x_i`."""
        from setfit_quantum.circuit.qasm import write_qasm3

        return write_qasm3(self)

    def to_qiskit(self) -> QuantumCircuit:
        """A Qiskit circuit with the same wire numbers and parameters `theta_i` and `x_i`.

        Qiskit prints qubit 0 as the *rightmost* character of a bitstring; here it is the leftmost.

        Raises:
            ImportError: Qiskit is not installed; the message names the pip command.
        """
        from setfit_quantum.circuit.qiskit_export import build_qiskit_circuit

        return build_qiskit_circuit(self)

    @classmethod
    def from_qasm3(cls, text: str) -> Circuit:
        """Read an OpenQASM 3 program: one that `to_qasm3` wrote, or by Qiskit any other (see `from_qiskit`).

        Raises:
            ImportError: A program of others needs Qiskit or its OpenQASM 3 importer, which is not installed; the
                message names the pip command.
            ValueError: Not OpenQASM 3, or what a circuit cannot hold.
        """
        from setfit_quantum.circuit.qasm import QasmError, read_qasm3
        from setfit_quantum.circuit.qiskit_import import read_foreign_qasm3

        try:
            return read_qasm3(text)
        except QasmError:  # not written here
            return read_foreign_qasm3(text)

    @classmethod
    def from_qiskit(cls, source: QuantumCircuit) -> Circuit:
        """Read a Qiskit circuit: parameters `theta_i` are weight i, `x_i` feature i, others further weights.

        Raises:
            ValueError: Angles that are expressions, gates that cannot be expanded, measurements before the end.
        """
        from setfit_quantum.circuit.qiskit_import import read_qiskit

        return read_qiskit(source)

    @overload
    def draw(self, output: Literal["text"] = "text", *, max_width: int = 100) -> str: ...
    @overload
    def draw(self, output: Literal["mpl"], *, max_width: int = 100) -> Figure: ...
    @overload
    def draw(self, output: Literal["notebook"], *, max_width: int = 100) -> CircuitPicture: ...
    @overload
    def draw(self, output: str, *, max_width: int = 100) -> str | Figure | CircuitPicture: ...
    def draw(self, output: str = "text", *, max_width: int = 100) -> str | Figure | CircuitPicture:
        """Draw the circuit.

        Args:
            output: `"text"`; `"mpl"`, a matplotlib figure (`figure.savefig("circuit.png")`); or `"notebook"`, an SVG
                picture that notebooks display.
            max_width: Characters after which the drawing goes on below; in pictures they are 9 points wide.

        Raises:
            ImportError: `"mpl"` without matplotlib; the message names the pip command.
            ValueError: Another `output`, or a `max_width` below 20.
        """
        check_choice("output", output, ("text", "mpl", "notebook"))
        check_int("max_width", max_width, minimum=20)
        if output == "mpl":
            from setfit_quantum.circuit.figure import draw_figure

            return draw_figure(self, max_width)
        if output == "notebook":
            from setfit_quantum.circuit.svg import CircuitPicture, draw_svg

            return CircuitPicture(draw_svg(self, max_width))
        from setfit_quantum.circuit.drawing import draw_text

        return draw_text(self, max_width=max_width)

    def _repr_svg_(self) -> str | None:
        """What a notebook shows in place of the `repr`; very long circuits keep that."""
        return self.draw("notebook").svg if len(self.gates) <= MAX_DISPLAYED_GATES else None
