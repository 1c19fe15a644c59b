"""A circuit as the GPU runs it: launches of the kernel, operations on three wires, and steps done in registers.

A thread block holds the amplitudes of up to `shared_qubits` wires of one sample in shared memory. A circuit of no more
wires is one launch. A wider one is a few: each launch takes every gate that it can reach with that many wires, and its
thread blocks share out the rest of the index. Inside a launch, an operation is a run of gates on three wires, which a
thread does on eight amplitudes in registers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from setfit_quantum.backends.numba_engine.program import (
    BEFORE,
    CONSTANT,
    FEATURE,
    KIND,
    PATTERNS,
    ROTATION,
    SHIFT,
    Block,
    Program,
    compile_program,
)

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit

REGISTER_WIRES = 3
"""Wires of an operation: 8 amplitudes of the state, and backward 8 of the cotangent, stay in registers."""
LOW_WIRES = 3
"""Wires that every launch of a wide circuit includes: eight neighbouring numbers are one sector of memory."""
MAX_LAUNCH_ROTATIONS = 512
"""Their cosines and sines lie in shared memory too (4 KiB)."""
MAX_OPERATION_ROTATIONS = 8
"""The least number of sums that a thread block keeps before it adds them up (see `kernels`)."""

# Codes of the steps of an operation: the wire rotated, or N_ROTATIONS + the place in PAIRS of (control, target).
N_ROTATIONS = REGISTER_WIRES
PAIRS = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
# Columns of `Plan.operations`: steps, first rotation within the launch, and the shifts of the three wires, ascending.
FIRST_STEP, LAST_STEP, FIRST_ROTATION, SHIFTS = 0, 1, 2, 3


class Launch(NamedTuple):
    """One launch: its operations, its rotations, and which bits of the index its thread blocks hold."""

    first_operation: int
    last_operation: int
    first_rotation: int
    n_rotations: int
    inner: tuple[int, ...]
    """Shifts of the wires held in shared memory, ascending; a thread block's own index numbers these bits."""
    outer: tuple[int, ...]
    """Shifts of the other wires, ascending; the thread block's number gives these bits."""

    @property
    def n_low(self) -> int:
        """How many of the inner shifts are 0, 1, 2, ..: those bits need no moving."""
        return sum(shift == place for place, shift in enumerate(self.inner))


@dataclass(frozen=True, eq=False)  # looked up by identity
class Plan:
    """A circuit as launches and as the arrays that the kernels read (int32; shifts in place of wires).

    Rotations are numbered in the order in which they are done. `rotation_first` (n_rotations + 1) and `sources`
    (n_angles, 3) say for each rotation where the angles that it adds up come from (kind, index, number of the RY);
    `column_first` and `column_sources` (n, 2) list for each weight and then each feature the (rotation, number of the
    RY) that use it. `gates` (n_gates, 3) is what errors are propagated through: (shift, second shift or -1, number of
    the RY or -1).
    """

    n_qubits: int
    width: int
    """Qubits of the stored state; small circuits get idle ones, so that there are three wires."""
    n_weights: int
    n_features: int
    n_rotations: int
    n_angles: int
    launches: tuple[Launch, ...]
    operations: np.ndarray
    codes: np.ndarray
    rotation_first: np.ndarray
    sources: np.ndarray
    column_first: np.ndarray
    column_sources: np.ndarray
    gates: np.ndarray
    constants: np.ndarray


@lru_cache(maxsize=256)
def build_plan(circuit: Circuit, shared_qubits: int) -> Plan:
    """Arrange `circuit` for thread blocks that hold `shared_qubits` wires (cached: circuits are immutable)."""
    program = compile_program(circuit)
    width = max(circuit.n_qubits, REGISTER_WIRES)
    blocks = delay_rotations(read_blocks(program))
    order: list[int] = []  # rotations of the program, as the GPU does them
    launches: list[Launch] = []
    operations: list[list[int]] = []
    codes: list[int] = []
    if width <= shared_qubits:
        groups = _group(blocks, width, frozenset(range(width)), MAX_LAUNCH_ROTATIONS)
    else:
        groups = _group(blocks, shared_qubits, frozenset(range(LOW_WIRES)), MAX_LAUNCH_ROTATIONS)
    for used, members in groups or [(frozenset(range(min(width, shared_qubits))), [])]:
        inner = _fill(used, min(width, shared_qubits), range(width))
        place = {shift: number for number, shift in enumerate(inner)}
        first_operation, first_rotation = len(operations), len(order)
        for wires, run in _group(members, REGISTER_WIRES, frozenset(), MAX_OPERATION_ROTATIONS):
            shifts = _fill(frozenset(place[wire] for wire in wires), REGISTER_WIRES, range(len(inner)))
            first_step, rotations_before = len(codes), len(order) - first_rotation
            for block in run:
                control, target = (
                    -1 if shift < 0 else shifts.index(place[shift]) for shift in (block.control, block.target)
                )
                if control >= 0:
                    codes.append(N_ROTATIONS + PAIRS.index((control, target)))
                if block.rotation >= 0:
                    codes.append(target)
                    order.append(block.rotation)
            operations.append([first_step, len(codes), rotations_before, *shifts])
        outer = tuple(shift for shift in range(width) if shift not in inner)
        launches.append(
            Launch(first_operation, len(operations), first_rotation, len(order) - first_rotation, inner, outer)
        )
    return Plan(
        n_qubits=circuit.n_qubits,
        width=width,
        n_weights=program.n_weights,
        n_features=program.n_features,
        n_rotations=len(order),
        n_angles=len(program.sources),
        launches=tuple(launches),
        operations=_table(operations, SHIFTS + REGISTER_WIRES),
        codes=_table(codes),
        **_list_sources(program, order),
        gates=_shift_gates(program),
        constants=np.append(program.constants, 0.0),
    )


def read_blocks(program: Program) -> list[Block]:
    """The blocks of a compiled program in an order in which they may be done, with shifts in place of wires."""
    blocks = []
    for first, last, first_shift, n_wires in program.passes:
        shifts = program.pass_shifts[first_shift : first_shift + n_wires]
        for operation in program.operations[first:last]:
            n_own, gates, before = PATTERNS[int(operation[KIND])]
            own = [int(shifts[operation[SHIFT + wire]]) for wire in range(n_own)]
            blocks += [Block(-1, own[wire], int(operation[BEFORE + wire])) for wire in before]
            for control, target, number in gates:
                rotation = -1 if number < 0 else int(operation[ROTATION + number])
                blocks.append(Block(-1 if control < 0 else own[control], own[target], rotation))
    return blocks


def delay_rotations(blocks: Iterable[Block]) -> list[Block]:
    """Move lone rotations to where their wire is needed next, so that they take no operation of their own."""
    waiting: dict[int, Block] = {}
    result = []
    for block in blocks:
        result += [waiting.pop(wire) for wire in sorted(block.wires) if wire in waiting]
        if block.control < 0:
            waiting[block.target] = block
        else:
            result.append(block)
    return result + list(waiting.values())


def _group(
    blocks: list[Block], max_wires: int, given: frozenset[int], max_rotations: int
) -> list[tuple[frozenset[int], list[Block]]]:
    """Greedy cover: each group starts with the wires `given` and takes every block that it can reach.

    A block may overtake earlier ones only if it shares no wire with those left behind.
    """
    remaining = blocks
    groups = []
    while remaining:
        wires = given
        waiting: set[int] = set()
        taken: list[Block] = []
        left: list[Block] = []
        n_rotations = 0
        for block in remaining:
            fits = len(wires | block.wires) <= max_wires and n_rotations + (block.rotation >= 0) <= max_rotations
            if fits and waiting.isdisjoint(block.wires):
                wires |= block.wires
                n_rotations += block.rotation >= 0
                taken.append(block)
            else:
                waiting |= block.wires
                left.append(block)
        groups.append((wires, taken))
        remaining = left
    return groups


def _fill(wires: frozenset[int], count: int, candidates: Iterable[int]) -> tuple[int, ...]:
    """`wires` with the first of `candidates` that are missing, `count` in all, ascending."""
    spare = [wire for wire in candidates if wire not in wires]
    return tuple(sorted([*wires, *spare[: count - len(wires)]]))


def _list_sources(program: Program, order: Sequence[int]) -> dict[str, np.ndarray]:
    by_rotation: list[list[tuple[int, int, int]]] = [[] for _ in order]
    columns: list[list[tuple[int, int]]] = [[] for _ in range(program.n_weights + program.n_features)]
    number_of = {rotation: number for number, rotation in enumerate(order)}
    for angle, (kind, index, rotation) in enumerate(program.sources.tolist()):
        by_rotation[number_of[rotation]].append((kind, index, angle))
        if kind != CONSTANT:
            columns[index + (program.n_weights if kind == FEATURE else 0)].append((number_of[rotation], angle))
    return {
        "rotation_first": _table(np.cumsum([0, *map(len, by_rotation)])),
        "sources": _table([source for sources in by_rotation for source in sources], 3),
        "column_first": _table(np.cumsum([0, *map(len, columns)])),
        "column_sources": _table([source for sources in columns for source in sources], 2),
    }


def _shift_gates(program: Program) -> np.ndarray:
    gates = program.gates.copy()
    wires = gates[:, :2]
    wires[wires >= 0] = program.n_qubits - 1 - wires[wires >= 0]
    return _table(gates, 3)


def _table(rows: Sequence[object] | np.ndarray, columns: int = 0) -> np.ndarray:
    """An int32 array, one row longer than `rows`: a kernel's argument must not be empty."""
    values = np.array(rows, np.int32).reshape((-1, columns) if columns else -1)
    return np.concatenate([values, np.zeros_like(values, shape=(1, *values.shape[1:]))])
