"""Circuits as cache keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from setfit_quantum.circuit import Circuit


class ById:
    """A circuit as a cache key, compared by identity.

    Hashing hundreds of gates in each training step would cost more than drawing their errors. The key holds the
    circuit, so its id is not given to another object while the key lives.
    """

    __slots__ = ("circuit",)

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit

    def __hash__(self) -> int:
        return id(self.circuit)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and self.circuit is other.circuit
