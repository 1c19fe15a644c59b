"""What the quantum head can learn, and how well: the numbers, tables and pictures of docs/understanding.md.

Gradient variance against qubits and depth, the Fourier spectrum of the second module, the linear share of what an
encoder says, and the train-test gap of the arena's heads. Everything runs on this package's CPU engine.

    python benchmarks/understanding.py              # everything, and into the page: a minute or two
    python benchmarks/understanding.py --only gap   # after the arena has been run; the rest stays
    python benchmarks/understanding.py --quick      # seconds; prints, and writes nothing unless told where
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from understanding_parts.gap import read_gaps
from understanding_parts.gradients import scan_encoder, scan_second_module
from understanding_parts.linear_share import scan_biases
from understanding_parts.pictures import draw_pictures
from understanding_parts.spectrum import scan_reuploads
from understanding_parts.tables import insert_tables, write_tables

HERE = Path(__file__).parent
ROOT = HERE.parent
TOPICS = ("second_module", "encoder", "spectrum", "linear_share", "gap")

SETTINGS: dict[str, Any] = {
    "qubits": [2, 4, 6, 8, 10, 12],
    "gradient_draws": 2000,
    "encoder_bias": 3.0,
    "spectrum_qubits": 10,
    "spectrum_layers": 2,
    "spectrum_draws": 500,
    "biases": [0, 0.5, 1, 2, 3, 5],
    "in_features": 384,
    "encoder_qubits": 10,
    "encoder_layers": 6,
    "inputs": 1000,
    "encoder_draws": 20,
}
QUICK = {
    "qubits": [2, 4],
    "gradient_draws": 50,
    "spectrum_qubits": 3,
    "spectrum_draws": 10,
    "in_features": 15,
    "encoder_qubits": 4,
    "inputs": 50,
    "encoder_draws": 2,
}
SECOND_MODULE = [
    *((1, n_layers, "uniform") for n_layers in (1, 2, 4, 8)),
    *((1, n_layers, "small") for n_layers in (1, 2, 4, 8)),
    (1, 1, "identity"),
    (4, 2, "uniform"),
    (4, 2, "small"),
]
"""Re-uploads, layers, start; the last but one is the paper's."""
ENCODER = [(n_layers, how) for how in ("uniform", "small") for n_layers in (1, 3, 6)]


def main(given: list[str] | None = None) -> int:
    arguments = _parse(given)
    settings = SETTINGS | (QUICK if arguments.quick else {})
    numbers: dict[str, Any] = {}
    if arguments.only:
        numbers = json.loads(arguments.output.read_text())
        if numbers["settings"] != settings:
            raise SystemExit(f"{arguments.output} holds numbers of other settings: run without --only.")
    numbers["settings"] = settings
    for topic in arguments.only or TOPICS:
        print(f"computing {topic}", file=sys.stderr, flush=True)
        numbers[topic] = _compute(settings, arguments)[topic]()
    tables = write_tables(numbers)
    for name, table in tables.items():
        print(f"{name}\n\n{table}")
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(numbers, indent=1) + "\n")
    if arguments.images is not None:
        draw_pictures(numbers, arguments.images)
    if arguments.page is not None:
        arguments.page.write_text(insert_tables(arguments.page.read_text(), tables))
    return 0


def _compute(settings: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    qubits, n_draws = settings["qubits"], settings["gradient_draws"]
    return {
        "second_module": lambda: scan_second_module(SECOND_MODULE, qubits, n_draws),
        "encoder": lambda: scan_encoder(ENCODER, settings["encoder_bias"], qubits, n_draws),
        "spectrum": lambda: scan_reuploads(
            (1, 2, 4),
            settings["spectrum_qubits"],
            settings["spectrum_layers"],
            settings["spectrum_draws"],
            ("uniform", "small"),
        ),
        "linear_share": lambda: scan_biases(
            settings["biases"],
            settings["in_features"],
            settings["encoder_qubits"],
            settings["encoder_layers"],
            settings["inputs"],
            settings["encoder_draws"],
        ),
        "gap": lambda: read_gaps(arguments.arena, HERE / "arena.json"),
    }


def _parse(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small circuits and few draws")
    parser.add_argument("--only", nargs="+", choices=TOPICS, help="compute these anew; the rest is taken from --output")
    parser.add_argument("--arena", type=Path, default=HERE / "results" / "arena.json", help="numbers of the arena")
    parser.add_argument("--output", type=Path, help="JSON file of the numbers (benchmarks/results/understanding.json)")
    parser.add_argument("--images", type=Path, help="folder of the pictures (docs/images)")
    parser.add_argument("--page", type=Path, help="page whose tables are replaced (docs/understanding.md)")
    arguments = parser.parse_args(given)
    if not arguments.quick:
        arguments.output = arguments.output or HERE / "results" / "understanding.json"
        arguments.images = arguments.images or ROOT / "docs" / "images"
        arguments.page = arguments.page or ROOT / "docs" / "understanding.md"
    if arguments.only and (arguments.output is None or not arguments.output.is_file()):
        parser.error("--only needs the numbers of an earlier run in --output")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
