"""Named noise models: the paper's two levels, and two machines by their published figures.

| name | one-qubit gates | two-qubit gates | readout | source |
|---|---|---|---|---|
| `paper-low` | p = 1e-4 | p = 1e-3 | none | arXiv 2504.08732, Sec. III: depolarizing, Pauli convention |
| `paper-high` | p = 2e-4 | p = 2e-3 | none | the same |
| `ionq-forte` | F = 0.9998 | F = 0.9941 | 0.9962 | IonQ, published system figures of Forte |
| `ionq-forte-enterprise` | F = 0.9999 | F = 0.9899 (mean) | 0.9957 | IonQ, published figures of Forte Enterprise |
| `ionq-forte-enterprise-median` | F = 0.9999 | F = 0.9943 (median) | 0.9957 | the same |

The machines quote *average gate fidelities* F, so `p1 = 1.5 (1 - F1)` and `p2 = 1.25 (1 - F2)`. They quote one figure
for state preparation and measurement together; all of its error is charged to the readout, in equal parts to both
outcomes. T1 and T2 are left out: their effect during a gate is part of the gate's measured fidelity.
"""

from __future__ import annotations

from typing import NamedTuple


class NoisePreset(NamedTuple):
    """What a source publishes, in the source's own convention."""

    rate_1q: float
    rate_2q: float
    convention: str
    readout_error: float
    source: str


_PAPER = "arXiv 2504.08732, Sec. III"
_FORTE = "IonQ's published system figures of Forte (average gate fidelities, SPAM fidelity)"
_ENTERPRISE = "IonQ's published system figures of Forte Enterprise (average gate fidelities, SPAM fidelity)"

NOISE_PRESETS: dict[str, NoisePreset] = {
    "paper-low": NoisePreset(1e-4, 1e-3, "pauli", 0.0, _PAPER),
    "paper-high": NoisePreset(2e-4, 2e-3, "pauli", 0.0, _PAPER),
    # Infidelities are written as decimals: 1 - 0.9998 is not 2e-4 in floating point.
    "ionq-forte": NoisePreset(2e-4, 5.9e-3, "average_infidelity", 3.8e-3, _FORTE),
    "ionq-forte-enterprise": NoisePreset(1e-4, 1.01e-2, "average_infidelity", 4.3e-3, _ENTERPRISE + ", mean"),
    "ionq-forte-enterprise-median": NoisePreset(1e-4, 5.7e-3, "average_infidelity", 4.3e-3, _ENTERPRISE + ", median"),
}
