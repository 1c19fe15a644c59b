"""How long whole jobs take: importing, compiling, embedding, training, evaluating, saving and loading.

Training is that of the paper's single-encoder head on the paper's number of sentences (435) for its number of epochs
(800); evaluation is on 9,101 embeddings, the paper's test set. Neither depends on what the numbers are, so they are
drawn at random. Sentences are those that come with the package, over and over.

    python benchmarks/whole_job.py
    python benchmarks/whole_job.py --profile train evaluate
"""

from __future__ import annotations

import argparse
import cProfile
import json
import logging
import os
import pstats
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from timing import describe_machine, describe_versions, format_table, pin_threads, time_call, write_json

IMPORTS = {
    "python": "pass",
    "torch": "import torch",
    "setfit_quantum": "import setfit_quantum",
    "QuantumHead": "from setfit_quantum import QuantumHead",
    "QuantumHeadClassifier": "from setfit_quantum import QuantumHeadClassifier",
    "SetFitModel": "from setfit_quantum import SetFitModel",
    "setfit": "import setfit",
    "command line, --help": "from setfit_quantum.cli import main; main()",
}
FIRST_CALLS = """
import json, sys, time
start = time.perf_counter()
import torch
from setfit_quantum import QuantumHead
imported = time.perf_counter()
torch.set_num_threads(int(sys.argv[1]))
head = QuantumHead.from_preset("paper-single", int(sys.argv[2]), int(sys.argv[3]), seed=0)
x, labels = torch.randn(16, int(sys.argv[3])), torch.arange(16) % 2
def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
def step():
    torch.nn.functional.cross_entropy(head.train()(x)[0], labels).backward()
def noisy():
    head.noise, head.shots = "paper-low", 128
    head.predict(x)
found = {"import": imported - start, "first step": timed(step), "second step": timed(step)}
found |= {"first prediction": timed(lambda: head.predict(x)), "second prediction": timed(lambda: head.predict(x))}
found |= {"first with noise and shots": timed(noisy), "second with noise and shots": timed(noisy)}
print(json.dumps(found))
"""
CONDITIONS: dict[str, dict[str, Any]] = {
    "exact": {},
    "8192 shots": {"shots": 8192},
    "noise": {"noise": "paper-low"},
    "noise and 128 shots": {"noise": "paper-low", "shots": 128},
    "noise and 8192 shots": {"noise": "paper-low", "shots": 8192},
}
JOBS = ("import", "first_call", "train", "evaluate", "embed", "files")


def measure_imports(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a fresh process that imports, in turns, and the slowest modules of the package's own import."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(options.repeats):
        for name, statement in IMPORTS.items():
            arguments = ["--help"] if "--help" in name else []
            times[name].append(time_call(lambda run=[statement, *arguments]: _python("-c", *run)))
    found = {name: statistics.median(seconds) for name, seconds in times.items()}
    trace = _python("-X", "importtime", "-c", IMPORTS["SetFitModel"]).stderr
    return {"seconds": found, "slowest_of_SetFitModel": read_import_times(trace)[:15]}


def read_import_times(trace: str) -> list[dict[str, Any]]:
    """Modules of `python -X importtime` by their own milliseconds, the slowest first."""
    rows = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)", trace)
    modules = [{"module": name, "own_ms": int(own) / 1e3, "total_ms": int(total) / 1e3} for own, total, name in rows]
    return sorted(modules, key=lambda module: -module["own_ms"])


def measure_first_calls(options: argparse.Namespace) -> dict[str, Any]:
    """A fresh process with an empty cache of compiled kernels, and two that find it filled."""
    sizes = [str(options.threads), str(options.qubits), str(options.in_features)]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as cache:
        for start in ("nothing compiled", "compiled before", "compiled before, again"):
            output = _python("-c", FIRST_CALLS, *sizes, environment={"NUMBA_CACHE_DIR": cache}).stdout
            found[start] = json.loads(output.splitlines()[-1])
    return found


def measure_training(options: argparse.Namespace) -> dict[str, Any]:
    """The head's training on embeddings, as `SetFitModel.fit` and `Trainer` call it."""
    import torch

    from setfit_quantum import QuantumHead
    from setfit_quantum.training import HeadTrainingArguments, train_head

    generator = torch.Generator().manual_seed(options.seed)
    x = torch.randn(options.sentences, options.in_features, generator=generator)
    labels = torch.arange(options.sentences) % 2
    head = QuantumHead.from_preset("paper-single", options.qubits, options.in_features, seed=options.seed)
    head.train()(x[:16])[0].sum().backward()  # compiles
    arguments = HeadTrainingArguments(num_epochs=options.epochs, show_progress_bar=False)
    seconds = time_call(lambda: train_head(head, x, labels, arguments))
    steps = options.epochs * -(-options.sentences // arguments.batch_size)
    return {"seconds": seconds, "epochs": options.epochs, "steps": steps, "ms_per_step": 1e3 * seconds / steps}


def measure_evaluation(options: argparse.Namespace) -> dict[str, Any]:
    """Predictions for many embeddings under each condition; the best of a few where that is quick."""
    import torch

    from setfit_quantum import QuantumHead

    generator = torch.Generator().manual_seed(options.seed)
    x = torch.randn(options.test_sentences, options.in_features, generator=generator)
    found = {}
    for name, settings in CONDITIONS.items():
        head = QuantumHead.from_preset(
            "paper-single", options.qubits, options.in_features, seed=options.seed, **settings
        )
        with errors_only():  # it says that these heads are not trained
            head.predict(x[:16])  # compiles
            seconds = [time_call(lambda head=head: head.predict(x))]
            if seconds[0] < 2:
                seconds += [time_call(lambda head=head: head.predict(x)) for _ in range(options.repeats)]
        found[name] = {"seconds": min(seconds), "sentences_per_second": options.test_sentences / min(seconds)}
    return found


@contextmanager
def errors_only() -> Iterator[None]:
    """The package's log says nothing but errors inside; its level is restored."""
    logger = logging.getLogger("setfit_quantum")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def measure_embedding(options: argparse.Namespace) -> dict[str, Any]:
    """Embedding by the default body: through the model, and by the body alone."""
    model = build_model(options)
    texts = list_texts(options.embedded_sentences)
    model.encode(texts[:64])
    own = time_call(lambda: model.encode(texts))
    alone = time_call(lambda: model.model_body.encode(texts, batch_size=32, convert_to_tensor=True))
    return {
        "sentences": len(texts),
        "seconds": own,
        "sentences_per_second": len(texts) / own,
        "body_alone_seconds": alone,
    }


def measure_files(options: argparse.Namespace) -> dict[str, Any]:
    """Saving and loading a model and a head; medians."""
    from setfit_quantum import QuantumHead, SetFitModel

    model = build_model(options)
    model.fit(*list_examples(64), num_epochs=1, show_progress_bar=False)
    with tempfile.TemporaryDirectory() as folder:
        whole, alone = Path(folder) / "model", Path(folder) / "head"
        calls: dict[str, Callable[[], object]] = {
            "save model": lambda: model.save_pretrained(whole),
            "load model": lambda: SetFitModel.from_pretrained(str(whole)),
            "save head": lambda: model.model_head.save_pretrained(alone),
            "load head": lambda: QuantumHead.from_pretrained(alone),
        }
        found: dict[str, Any] = {
            name: statistics.median(time_call(call) for _ in range(options.repeats)) for name, call in calls.items()
        }
        found["model_bytes"] = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    return found


def build_model(options: argparse.Namespace) -> Any:
    """The default body with a head of the asked size."""
    from setfit_quantum import QuantumHead, SetFitModel
    from setfit_quantum.default_body import resolve_body

    head = QuantumHead(n_qubits=options.qubits, seed=options.seed)
    return SetFitModel.from_pretrained(resolve_body(), head=head, device="cpu")


def list_examples(count: int) -> tuple[list[str], list[str]]:
    """The package's own labelled sentences, again from the start where they run out."""
    from setfit_quantum.data import load_examples

    examples = load_examples("bundled:reviews")
    times = -(-count // len(examples.texts))
    texts, labels = list(examples.texts) * times, [str(label) for label in examples.labels] * times
    return texts[:count], labels[:count]


def list_texts(count: int) -> list[str]:
    """Sentences without their labels, told apart by a number, so that none is embedded twice."""
    return [f"{text} {number}" for number, text in enumerate(list_examples(count)[0])]


MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = dict(
    zip(
        JOBS,
        (
            measure_imports,
            measure_first_calls,
            measure_training,
            measure_evaluation,
            measure_embedding,
            measure_files,
        ),
        strict=True,
    )
)


def _python(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run this interpreter.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | (environment or {}))
    if result.returncode:
        raise RuntimeError(f"{arguments[0]} failed: {result.stderr.strip()[-500:]}")
    return result


def list_rows(jobs: dict[str, Any]) -> list[list[str]]:
    """Every figure of seconds, with where it was found."""

    def visit(path: list[str], value: Any) -> list[list[str]]:
        if isinstance(value, dict):
            return [row for key, inner in value.items() for row in visit([*path, key], inner)]
        return [[": ".join(path), f"{value:.4g}"]] if isinstance(value, int | float) else []

    return visit([], jobs)


def main(arguments: list[str] | None = None) -> None:
    """Measure the jobs, print their times and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--profile", nargs="+", choices=JOBS, help="print where these jobs spend their time; no JSON")
    parser.add_argument("--qubits", type=int, default=10)
    parser.add_argument("--in-features", type=int, default=768)
    parser.add_argument("--epochs", type=int, default=800)
    parser.add_argument("--sentences", type=int, default=435)
    parser.add_argument("--test-sentences", type=int, default=9101)
    parser.add_argument("--embedded-sentences", type=int, default=435)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, help="threads; all cores by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "whole_job.json")
    options = parser.parse_args(arguments)
    machine = describe_machine()
    options.threads = pin_threads(options.threads)
    if options.profile:
        for job in options.profile:
            profile = cProfile.Profile()
            profile.runcall(MEASURES[job], options)
            for order in ("tottime", "cumulative"):
                pstats.Stats(profile).sort_stats(order).print_stats(25)
        return
    found = {}
    for job in options.jobs:
        found[job] = MEASURES[job](options)
        print(format_table([job, "seconds, unless named otherwise"], list_rows(found[job])) + "\n", flush=True)
    write_json(
        options.output,
        {
            "benchmark": "whole_job",
            "machine": machine,
            "versions": describe_versions(
                "setfit-quantum", "torch", "numba", "numpy", "setfit", "sentence-transformers"
            ),
            "settings": {key: value for key, value in vars(options).items() if key not in ("output", "profile")},
            "jobs": found,
        },
    )


if __name__ == "__main__":
    main()
