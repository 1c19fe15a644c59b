"""The table of what each backend supports, made from the backends' own declarations."""

from __future__ import annotations

from setfit_quantum.backends.base import Backend
from setfit_quantum.circuit import GATE_TYPES

_COLUMNS = ("backend", "gates", "precision", "devices", "gradients", "Pauli trajectories", "exact noise", "shots")


def render_table(classes: dict[str, type[Backend]]) -> str:
    """A Markdown table with one row per backend, ending in a newline."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS)]
    rows += [_describe(name, cls) for name, cls in classes.items()]  # type: ignore[misc]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _describe(name: str, cls: type[Backend]) -> tuple[str, ...]:
    can = cls.capabilities
    gates = "all" if can.gates >= set(GATE_TYPES) else ", ".join(f"`{gate}`" for gate in sorted(can.gates))
    gradients = can.gradients or "none"
    noise = f"density matrix up to {can.density_matrix} qubits" if can.density_matrix else "no"
    shots = "sampled from its probabilities" if can.probabilities else "no"
    if can.hardware_shots:
        noise, shots = "its device's, or Aer's", "its own"
    return (
        f'`"{name}"`{" (experimental)" if can.experimental else ""}',
        gates,
        ", ".join(str(dtype).removeprefix("torch.") for dtype in can.dtypes),
        ", ".join(can.devices),
        f"{gradients}, of any order" if can.higher_order else gradients,
        "yes" if can.trajectories else "no",
        noise,
        shots,
    )
