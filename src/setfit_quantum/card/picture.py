"""The circuit as a picture beside the card, where matplotlib is installed."""

from __future__ import annotations

import importlib.util
import io
from functools import lru_cache
from pathlib import Path
from typing import Any

from setfit_quantum.card.circuit_section import MAX_DRAWN_GATES
from setfit_quantum.circuit import Circuit

_WIDTH = 160
"""Where rows are folded, in characters: wider than text, since a picture is scaled to its page."""


def draw_circuit(head: Any, path: Path) -> bool:
    """Draw a quantum head's circuit into a PNG file.

    Args:
        head: Any head.
        path: The file.

    Returns:
        Whether it was drawn: not for other heads, without matplotlib, or with more than `MAX_DRAWN_GATES` gates.
    """
    circuit = getattr(head, "circuit", None)
    if circuit is None or not 0 < len(circuit.gates) <= MAX_DRAWN_GATES:
        return False
    if importlib.util.find_spec("matplotlib") is None:
        return False
    path.write_bytes(_render(circuit))
    return True


@lru_cache(maxsize=16)  # drawing is most of what saving a model takes, and most saves are of the same circuit
def _render(circuit: Circuit) -> bytes:
    """The PNG file's content."""
    file = io.BytesIO()
    # Neither the time nor matplotlib's version: the same circuit gives the same file.
    circuit.draw("mpl", max_width=_WIDTH).savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
