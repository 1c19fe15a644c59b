"""Several labels, distillation, probabilities, aspects and images with quantum heads, beside classical heads.

Everything goes through the public classes, as a user would, on a frozen body; the test data are looked at once, at the
end. Prints tables of docs/transfer.md.

    python benchmarks/setfit_surface.py --data FOLDER --seeds 3

FOLDER holds `go_emotions_ekman` (labels joined by |), `subj` and `sst2`, each with train.csv and test.csv, and
`hymenoptera` with train and val, each with one folder of images per class.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from seed_tables import format_over_seeds
from surface_tasks import TASKS, Bench

import setfit_quantum

OUTPUT = Path(__file__).parent / "results" / "setfit_surface.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--n-train", type=int, default=2000, help="rows read of each training file")
    parser.add_argument("--n-test", type=int, default=1000, help="rows read of each test file")
    parser.add_argument("--cache", type=Path, help="folder to keep embeddings in")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    bench = Bench(arguments.data, arguments.cache, arguments.epochs, arguments.n_train, arguments.n_test)
    runs: dict[str, list[dict]] = {title: [] for title in TASKS}
    for title, task in TASKS.items():
        for seed in range(arguments.seeds):
            started = time.perf_counter()
            runs[title].append(task(bench, seed))
            print(f"{title}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    report = {
        "version": setfit_quantum.__version__,
        "body": "all-MiniLM-L6-v2, frozen",
        "settings": {name: getattr(arguments, name) for name in ("seeds", "epochs", "n_train", "n_test")},
        "runs": runs,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1) + "\n")
    arguments.output.with_suffix(".md").write_text(format_report(report))
    print(f"\n{format_report(report)}")


def format_report(report: dict) -> str:
    """The tables, one per task."""
    return "\n".join(format_over_seeds(title, of_seeds) for title, of_seeds in report["runs"].items())


if __name__ == "__main__":
    main()
