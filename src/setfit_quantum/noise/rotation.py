"""Coherent over-rotation, written into a circuit's constant angles."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from setfit_quantum.circuit.circuit import Circuit
from setfit_quantum.noise.identity import ById

if TYPE_CHECKING:
    from setfit_quantum.noise.model import NoiseModel


def rotate_constants(circuit: Circuit, noise: NoiseModel) -> Circuit:
    """The circuit whose gates with a constant `angle` turn by `scale * angle + offset`.

    Angles that come from weights and features are left to the caller, who has them. The result is remembered, and
    is `circuit` itself where nothing changes, so that what backends remember of a circuit stays valid.
    """
    if not noise.has_rotation_error or all(gate.angle is None for gate in circuit.gates):
        return circuit
    return _rotated(ById(circuit), noise)


@lru_cache(maxsize=64)
def _rotated(key: ById, noise: NoiseModel) -> Circuit:
    gates = []
    for gate in key.circuit.gates:
        if gate.angle is None:
            gates.append(gate)
        else:
            scale, offset = noise.rotation_error(gate)
            gates.append(replace(gate, angle=scale * gate.angle + offset))
    return Circuit(key.circuit.n_qubits, tuple(gates))
