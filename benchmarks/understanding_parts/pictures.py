"""Pictures of the page; the same numbers give the same files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Numbers = Mapping[str, Any]

_DEPTHS = ("#9ecae1", "#6baed6", "#3455a4", "#1b2a52")
_STARTS = {"uniform": "-", "small": "--", "identity": ":"}
_ROLES = {
    "reference": "#000000",
    "classical": "#7a7a7a",
    "matched": "#b0863c",
    "quantum": "#3455a4",
    "ablation": "#b24a4a",
}


def draw_pictures(numbers: Numbers, folder: Path) -> list[Path]:
    """Write `understanding_*.svg` into `folder`; the one of the gap only where its numbers are.

    Args:
        numbers: Of the page.
        folder: Made where it is missing.

    Returns:
        The files.
    """
    drawn = {
        "gradients": _draw_gradients(numbers),
        "spectrum": _draw_spectrum(numbers["spectrum"]),
        "linear": _draw_linear(numbers["linear_share"]),
    }
    if numbers["gap"] is not None:
        drawn["gap"] = _draw_gap(numbers["gap"])
    return [_save(figure, folder / f"understanding_{name}.svg") for name, figure in drawn.items()]


def _save(figure: Any, path: Path) -> Path:
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the date and with fixed ids, the same numbers give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "understanding"}):
        figure.savefig(path, metadata={"Date": None})
    return path


def _figure(width: float, height: float, n_panels: int = 1, **options: Any) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, n_panels, squeeze=False, **options)[0]


def _draw_gradients(numbers: Numbers) -> Any:
    qubits = numbers["settings"]["qubits"]
    figure, panels = _figure(9.5, 4.2, 2, sharey=True)
    kinds = {
        "second module": [
            (f"{row['n_layers']} layers" + (f", {row['n_reuploads']} re-uploads" * (row["n_reuploads"] > 1)), row)
            for row in numbers["second_module"]
        ],
        "encoder, the part linear in the embedding": [
            (f"{row['n_layers']} layers", row | row["linear"]) for row in numbers["encoder"]
        ],
    }
    for panel, (title, rows) in zip(panels, kinds.items(), strict=True):
        depths = sorted({label for label, row in rows}, key=lambda label: (len(label), label))
        shown = dict(zip(depths, [*_DEPTHS, "#b24a4a"], strict=False))
        for label, row in rows:
            style = _STARTS[row["initialization"]]
            name = f"{label}, {row['initialization']}".replace("1 layers", "1 layer")
            panel.semilogy(qubits, row["variance"], style, color=shown[label], marker="o", markersize=3, label=name)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("qubits", fontsize=9)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7, loc="lower left")
    panels[0].set_ylabel("variance of the gradient", fontsize=9)
    return figure


def _draw_spectrum(rows: Sequence[Numbers]) -> Any:
    starts = list(dict.fromkeys(row["initialization"] for row in rows))
    figure, panels = _figure(4.5 * len(starts), 3.2, len(starts), sharey=True)
    for panel, start in zip(panels, starts, strict=True):
        found = [row for row in rows if row["initialization"] == start]
        for place, row in enumerate(found):
            amplitudes = row["amplitude"]
            shifted = [k + 0.25 * (place - (len(found) - 1) / 2) for k in range(len(amplitudes))]
            name = f"{row['n_reuploads']} re-upload" + "s" * (row["n_reuploads"] > 1)
            panel.bar(shifted, amplitudes, width=0.23, color=_DEPTHS[place], label=name)
        panel.set_title(f"{start} angles", fontsize=10)
        panel.set_xlabel("frequency in one latent", fontsize=9)
        panel.grid(axis="y", alpha=0.3)
    panels[0].set_ylabel("mean amplitude", fontsize=9)
    panels[0].legend(fontsize=8)
    return figure


def _draw_linear(rows: Sequence[Numbers]) -> Any:
    biases = [row["bias"] for row in rows]
    curve = [5 * step / 100 for step in range(101)]
    figure, panels = _figure(5.5, 3.4)
    panel = panels[0]
    panel.plot(curve, [200 * b**2 / (2 * b**2 + 1) for b in curve], color="#7a7a7a", label="2b²/(2b²+1)")
    for start, colour in (("uniform", "#3455a4"), ("small", "#b24a4a")):
        shares = [100 * row[start]["share"] for row in rows]
        panel.plot(biases, shares, "o", color=colour, label=f"{start} angles")
    panel.set_xlabel("constant amplitude b", fontsize=9)
    panel.set_ylabel("variance that is linear, %", fontsize=9)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    return figure


def _draw_gap(columns: Mapping[str, Sequence[Numbers]]) -> Any:
    figure, panels = _figure(4.8 * len(columns), 3.8, len(columns), sharey=True)
    for panel, (column, rows) in zip(panels, columns.items(), strict=True):
        for role, colour in _ROLES.items():
            found = [row for row in rows if row["role"] == role]
            if found:
                middles = [sum(row["parameters"]) / 2 for row in found]
                panel.semilogx(middles, [100 * row["gap"] for row in found], "o", color=colour, label=role)
        panel.set_title(f"body {column}", fontsize=10)
        panel.set_xlabel("trained parameters", fontsize=9)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("training minus test accuracy, points", fontsize=9)
    panels[0].legend(fontsize=8)
    return figure
