"""Flattening a circuit into the small integer arrays that the compiled kernels interpret.

A circuit of `ry` and `cx` becomes *blocks* (an RY, a CNOT, or a CNOT followed by an RY on its target), blocks
become *operations* (up to two blocks on up to three wires, done while the rows are in registers), and
operations become *passes*. In wide circuits a pass touches few enough wires that the rows it needs fit into the cache:
they are neighbours, or the kernel gathers them, applies every operation of the pass, and scatters them back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from setfit_quantum.backends.base import BackendError
from setfit_quantum.backends.numba_engine.order import pack_program
from setfit_quantum.circuit import Circuit

ONE_PASS_QUBITS = 16
"""Up to this width one pass over all wires. Beyond it, passes over the last wires take turns with passes over all."""
NEAR_QUBITS = 13
"""Those last wires: their rows are neighbours, and so many of state and cotangent fit into a second-level cache."""
DIRECT_QUBITS = 18
"""Up to this width state and cotangent of a tile (16 MiB at 18 qubits) stay in the last-level cache, and passes that
need no gathering are faster than others."""
PASS_QUBITS = 15
"""Wires of a pass in wider circuits: more wires mean fewer passes, until the buffers (2 MiB at 15) leave the cache."""

# Kinds of operation; the kernels hold one routine per kind and direction. Those of CHAIN are followed by the wires (of
# its three) that are rotated first: a column of rotations before a ring takes no sweep of its own.
ROTATE, ROTATE_TWO, CNOT, BLOCK, REVERSE_CHAIN, CHAIN, CHAIN_AFTER_1, CHAIN_AFTER_12, CHAIN_AFTER_012 = range(9)
PATTERNS = {
    ROTATE: (1, ((-1, 0, 0),), ()),
    ROTATE_TWO: (2, ((-1, 0, 0), (-1, 1, 1)), ()),
    CNOT: (2, ((0, 1, -1),), ()),
    BLOCK: (2, ((0, 1, 0),), ()),
    REVERSE_CHAIN: (3, ((1, 2, 0), (0, 1, 1)), ()),
    CHAIN: (3, ((0, 1, 0), (1, 2, 1)), ()),
    CHAIN_AFTER_1: (3, ((0, 1, 0), (1, 2, 1)), (1,)),
    CHAIN_AFTER_12: (3, ((0, 1, 0), (1, 2, 1)), (1, 2)),
    CHAIN_AFTER_012: (3, ((0, 1, 0), (1, 2, 1)), (0, 1, 2)),
}
"""Of each kind: wires, blocks (control or -1, target, number of the rotation or -1), and the wires rotated before."""
_CHAINS = {before: kind for kind, (_, blocks, before) in PATTERNS.items() if blocks == PATTERNS[CHAIN][1]}
# Columns of an operation: kind, two rotations, rotations before the blocks on each of three wires, three shifts
# (2**shift rows lie between a wire's two values), and the same shifts in ascending order. -1: none.
KIND, ROTATION, BEFORE, SHIFT, SORTED = 0, 1, 3, 6, 9
OPERATION_COLUMNS = 12

# Where a rotation takes its angle from.
WEIGHT, FEATURE, CONSTANT = range(3)


class Block(NamedTuple):
    """CNOT(control, target) if there is a control, then RY on the target if there is a rotation."""

    control: int  # -1: none
    target: int
    rotation: int  # -1: none

    @property
    def wires(self) -> frozenset[int]:
        """The wires it touches."""
        return frozenset((self.target,) if self.control < 0 else (self.control, self.target))


@dataclass(frozen=True)
class Program:
    """A circuit as arrays.

    Neighbouring RY gates on a wire are one rotation by the sum of their angles. `sources` (n_angles, 3) says for each
    RY gate where its angle comes from, its index there, and which of the `n_rotations` rotations it belongs to;
    `constants` holds fixed angles. `gates` (n_gates, 3) lists every gate in the circuit's order as (wire, second wire
    or -1, row of `sources` or -1), which is what errors are propagated through. `passes` (n_passes, 4) holds first and
    last operation, first entry in `pass_shifts` and number of wires; `operations` uses wires local to the pass.
    """

    n_qubits: int
    n_weights: int
    n_features: int
    n_rotations: int
    sources: np.ndarray
    constants: np.ndarray
    gates: np.ndarray
    passes: np.ndarray
    pass_shifts: np.ndarray
    operations: np.ndarray

    @cached_property
    def packed(self) -> np.ndarray:
        """The program as arguments of an order."""
        return np.asarray(
            pack_program(
                self.n_rotations,
                self.sources,
                self.gates,
                self.passes,
                self.pass_shifts,
                self.operations,
                2**self.n_qubits,
            )
        )

    @cached_property
    def constant_tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Cosines and sines of half the fixed angles."""
        return half_angles(self.constants)


@lru_cache(maxsize=256)
def compile_program(circuit: Circuit) -> Program:
    """Flatten `circuit` (cached: circuits are immutable).

    Raises:
        BackendError: Gates other than `ry` and `cx`.
    """
    sources: list[tuple[int, int, int]] = []
    n_rotations = 0
    last_block: dict[int, int] = {}  # by wire
    constants: list[float] = []
    gates: list[tuple[int, int, int]] = []
    blocks: list[Block] = []
    for gate in circuit.gates:
        if gate.name == "cx":
            gates.append((gate.wires[0], gate.wires[1], -1))
            last_block[gate.wires[0]] = last_block[gate.wires[1]] = len(blocks)
            blocks.append(Block(gate.wires[0], gate.wires[1], -1))
            continue
        if gate.name != "ry":
            raise BackendError(f"Backend 'numba' runs the gates ry and cx, but the circuit has {gate.name!r}.")
        wire = gate.wires[0]
        gates.append((wire, -1, len(sources)))
        # An RY that follows another RY, or a CNOT's target, on its wire joins it.
        joined = last_block.get(wire, -1)
        if joined < 0 or blocks[joined].target != wire:
            joined = last_block[wire] = len(blocks)
            blocks.append(Block(-1, wire, -1))
        if blocks[joined].rotation < 0:
            blocks[joined] = blocks[joined]._replace(rotation=n_rotations)
            n_rotations += 1
        if gate.weight is not None:
            source = (WEIGHT, gate.weight)
        elif gate.feature is not None:
            source = (FEATURE, gate.feature)
        else:
            assert gate.angle is not None
            source = (CONSTANT, len(constants))
            constants.append(gate.angle)
        sources.append((*source, blocks[joined].rotation))
    passes, pass_shifts, operations = _arrange(blocks, circuit.n_qubits)
    return Program(
        n_qubits=circuit.n_qubits,
        n_weights=circuit.num_parameters,
        n_features=circuit.n_features,
        n_rotations=n_rotations,
        sources=np.array(sources, dtype=np.int64).reshape(-1, 3),
        constants=np.array(constants, dtype=np.float64),
        gates=np.array(gates, dtype=np.int64).reshape(-1, 3),
        passes=passes,
        pass_shifts=pass_shifts,
        operations=operations,
    )


def _arrange(blocks: list[Block], n_qubits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if n_qubits > DIRECT_QUBITS:
        groups = _split_into_passes(blocks, PASS_QUBITS)
    elif n_qubits > ONE_PASS_QUBITS:
        groups = _split_off_near_wires(blocks, n_qubits)
    else:
        groups = [(list(range(n_qubits)), blocks)]
    passes: list[tuple[int, int, int, int]] = []
    shifts: list[int] = []
    operations: list[list[int]] = []
    for wires, members in groups:
        first_operation, first_shift = len(operations), len(shifts)
        # The pass keeps the order of significance: its last wire has local shift 0.
        local_shift = {wire: len(wires) - 1 - position for position, wire in enumerate(wires)}
        shifts.extend(n_qubits - 1 - wire for wire in reversed(wires))
        operations.extend(_pair_blocks(members, local_shift))
        passes.append((first_operation, len(operations), first_shift, len(wires)))
    return (
        np.array(passes, dtype=np.int64).reshape(-1, 4),
        np.array(shifts, dtype=np.int64),
        np.array(operations, dtype=np.int64).reshape(-1, OPERATION_COLUMNS),
    )


def _split_into_passes(blocks: list[Block], max_wires: int) -> list[tuple[list[int], list[Block]]]:
    """Greedy cover: each pass takes every block that it can reach with at most `max_wires` wires.

    A block may overtake earlier ones only if it shares no wire with those left behind.
    """
    remaining = blocks
    groups = []
    while remaining:
        wires: frozenset[int] = frozenset()
        waiting: set[int] = set()
        taken, left = [], []
        for block in remaining:
            if waiting.isdisjoint(block.wires) and len(wires | block.wires) <= max_wires:
                wires |= block.wires
                taken.append(block)
            else:
                waiting |= block.wires
                left.append(block)
        # A column of rotations is done with the ring behind it: it waits for the pass that has that ring.
        waits = _find_last_rotations(taken)
        if left and len(waits) < len(taken):
            postponed = {id(block) for block in (*waits, *left)}
            taken = [block for block in taken if id(block) not in postponed]
            left = [block for block in remaining if id(block) in postponed]
            wires = frozenset().union(*(block.wires for block in taken))
        groups.append((sorted(wires), taken))
        remaining = left
    return groups


def _split_off_near_wires(blocks: list[Block], n_qubits: int) -> list[tuple[list[int], list[Block]]]:
    """Passes over the last wires, with every block that can be done there, in turns with passes over all wires."""
    wires = list(range(n_qubits))
    near = wires[-NEAR_QUBITS:]
    remaining = blocks
    groups = []
    while remaining:
        before = len(remaining)
        for chosen in (near, wires):
            taken, left = _take_blocks(remaining, frozenset(near), chosen is near)
            if taken:
                groups.append((chosen, taken))
                remaining = left
        if len(remaining) == before:
            groups.append((wires, remaining))
            break
    return groups


def _take_blocks(blocks: list[Block], near: frozenset[int], inside: bool) -> tuple[list[Block], list[Block]]:
    """Take what lies inside the near wires, or what does not, and need not overtake what it shares a wire with.

    Returns:
        Blocks taken and blocks left, in their order.
    """
    waiting: set[int] = set()
    taken = []
    for block in blocks:
        chosen = block.wires <= near if inside else block.control < 0 or not block.wires <= near
        if chosen and waiting.isdisjoint(block.wires):
            taken.append(block)
        else:
            waiting |= block.wires
    done = {id(block) for block in taken}
    if len(taken) < len(blocks):
        done -= {id(block) for block in _find_last_rotations(taken)}  # they wait for the ring behind them
    return [block for block in taken if id(block) in done], [block for block in blocks if id(block) not in done]


def _find_last_rotations(blocks: list[Block]) -> list[Block]:
    """Lone rotations with nothing behind them on their wire."""
    last_on_wire = {wire: block for block in blocks for wire in block.wires}
    return [block for block in blocks if block.control < 0 and last_on_wire[block.target] is block]


class _Operation(NamedTuple):
    """Up to two blocks done in one sweep, and the lone rotations that it does before them."""

    kind: int
    wires: tuple[int, ...]
    rotations: tuple[int, int]
    before: tuple[int, int, int]


def _pair_blocks(blocks: list[Block], local_shift: dict[int, int]) -> list[list[int]]:
    """Join pairs of blocks into one operation where a later block can be moved next to an earlier one."""
    operations: list[_Operation] = []
    done = [False] * len(blocks)
    for index, block in enumerate(blocks):
        if done[index]:
            continue
        kind, wires, partner = _find_partner(blocks, done, index)
        rotations = (block.rotation, blocks[partner].rotation if partner is not None else -1)
        if partner is not None:
            done[partner] = True
        operations.append(_Operation(kind, wires, rotations, (-1, -1, -1)))
    rows = []
    for operation in _absorb_rotations(operations):
        shifts = [local_shift[wire] for wire in operation.wires]
        padded = [-1] * (3 - len(shifts))
        rows.append(
            [operation.kind, *operation.rotations, *operation.before, *shifts, *padded, *sorted(shifts), *padded]
        )
    return rows


def _absorb_rotations(operations: list[_Operation]) -> list[_Operation]:
    """Let chains do the rotations that stand before them."""
    waiting: dict[int, int] = {}  # lone rotations by wire that nothing has touched since
    result: list[_Operation] = []
    for operation in operations:
        lone = operation.kind in (ROTATE, ROTATE_TWO)
        if lone:
            for wire, rotation in zip(operation.wires, operation.rotations, strict=False):
                if wire in waiting:
                    result.append(_rotate([wire], [waiting.pop(wire)]))
                waiting[wire] = rotation
            continue
        ready = tuple(place for place, wire in enumerate(operation.wires) if wire in waiting)
        absorbed = ready if operation.kind == CHAIN and ready in _CHAINS else ()
        others = [operation.wires[place] for place in ready if place not in absorbed]
        for first in range(0, len(others), 2):
            pair = others[first : first + 2]
            result.append(_rotate(pair, [waiting.pop(wire) for wire in pair]))
        before = [waiting.pop(operation.wires[place]) if place in absorbed else -1 for place in range(3)]
        kind = _CHAINS[absorbed] if operation.kind == CHAIN else operation.kind
        result.append(operation._replace(kind=kind, before=(before[0], before[1], before[2])))
    left = list(waiting)
    for first in range(0, len(left), 2):
        pair = left[first : first + 2]
        result.append(_rotate(pair, [waiting[wire] for wire in pair]))
    return result


def _rotate(wires: list[int], rotations: list[int]) -> _Operation:
    if len(wires) == 1:
        return _Operation(ROTATE, (wires[0],), (rotations[0], -1), (-1, -1, -1))
    return _Operation(ROTATE_TWO, (wires[0], wires[1]), (rotations[0], rotations[1]), (-1, -1, -1))


def _find_partner(blocks: list[Block], done: list[bool], index: int) -> tuple[int, tuple[int, ...], int | None]:
    first = blocks[index]
    passed: set[int] = set()
    joinable = first.rotation >= 0
    for later in range(index + 1, len(blocks)):
        if not joinable:
            break
        second = blocks[later]
        if done[later]:
            continue
        if passed.isdisjoint(second.wires) and second.rotation >= 0:
            if first.control < 0 and second.control < 0 and second.target != first.target:
                return ROTATE_TWO, (first.target, second.target), later
            if first.control >= 0 and second.control >= 0 and len(first.wires | second.wires) == 3:
                if second.control == first.target:
                    return CHAIN, (first.control, first.target, second.target), later
                if second.target == first.control:
                    return REVERSE_CHAIN, (second.control, first.control, first.target), later
        # The partner may overtake what shares no wire with it; beyond a blocked first block nothing can join.
        passed |= second.wires
        if first.wires <= passed:
            break
    if first.control < 0:
        return ROTATE, (first.target,), None
    return (BLOCK if first.rotation >= 0 else CNOT), (first.control, first.target), None


def half_angles(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of half of `angles`, as float32."""
    # In double precision: the error of an angle in float32 would otherwise add to that of its cosine.
    # C order always, since the kernels are compiled for one layout.
    half = np.multiply(angles, 0.5, dtype=np.float64, order="C")
    return np.cos(half).astype(np.float32), np.sin(half).astype(np.float32)
