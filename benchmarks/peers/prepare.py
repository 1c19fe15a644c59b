"""Before an engine is timed on a case: does it compute the same, how long does it take, how much memory?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from peers.cases import TASKS, Case
from peers.client import Client
from peers.engines import OURS, EngineInfo
from peers.problem import Problem

MAX_DIFFERENCE = 1e-5
"""Largest absolute difference allowed between expectations."""
MAX_GRADIENT_ERROR = 1e-3
"""Largest difference allowed between gradients, relative in norm."""
MAX_SCATTER = 2.0
"""Largest mean square allowed of the deviations of sampled expectations, in their standard errors."""
PROBE_SAMPLES = 2
"""Samples on which an engine is checked, and timed for the first time."""
METHODS = {"train": "step", "infer": "infer"}
"""What an engine calls each task."""
OUR_SECONDS = 900.0
"""Patience with our own engine, which compiles its kernels once."""
MEMORY_SHARE = 0.7
"""Of the memory at hand, what a step is planned to need."""
_QUICK = 0.5
"""Seconds of a step below which both numbers of PyTorch threads are tried."""


class DisagreementError(RuntimeError):
    """An engine computes something else."""


@dataclass(frozen=True)
class Limits:
    """How long an engine may take.

    Args:
        budget: Seconds for one engine's runs of one task of one case.
        base_budget: The same for base cases.
        compile_budget: Seconds for a first call, and for whatever an engine is asked while it is prepared; for an
            engine that compiles every shape, a quarter of it where the case is not a base case.
        memory: Bytes that an engine's process may hold.
    """

    budget: float
    base_budget: float
    compile_budget: float
    memory: int

    def seconds(self, case: Case) -> float:
        """The budget of a case."""
        return self.base_budget if case.is_base else self.budget

    def compile_seconds(self, case: Case) -> float:
        """What compiling may take in a case."""
        return self.compile_budget if case.is_base else self.compile_budget / 4


@dataclass
class Prepared:
    """An engine that holds a problem, ready to be timed.

    Args:
        client: Its process.
        samples: Samples that it runs, at most the batch; times are scaled to the batch.
        chunk: Samples that it holds at once.
        tasks: Tasks that it does, with an estimate of the seconds of one run of its samples.
        resident_before: Bytes that its process held before it was given the problem.
        record: What was found, for the results.
    """

    client: Client
    samples: int
    chunk: int
    tasks: dict[str, float]
    resident_before: int
    record: dict[str, Any] = field(default_factory=dict)


class Reference:
    """What our engine returns for a problem's first samples; its process computes it when first asked.

    Args:
        client: Our engine's process.
        problem: The problem.
    """

    def __init__(self, client: Client, problem: Problem) -> None:
        self.client, self.problem = client, problem
        self.first: dict[str, float] = {}
        """Seconds of our engine's first calls on the problem, which compile what was not compiled before."""
        self._found: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def __call__(self, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Expectations, expectations under the fixed errors, and the gradient."""
        if samples not in self._found:
            self.client.start()
            self.client.ask("build", self.problem, samples, samples, seconds=OUR_SECONDS)
            first_infer, values = self._ask("values")
            _, under_errors = self._ask("values", self.problem.codes)
            first_train, gradient = self._ask("gradient")
            self.first = self.first or {"first_infer_s": first_infer, "first_train_s": first_train}
            self._found[samples] = values, under_errors, gradient
        return self._found[samples]

    def _ask(self, method: str, *arguments: Any) -> tuple[float, np.ndarray]:
        answer: tuple[float, np.ndarray] = self.client.ask("call", method, *arguments, seconds=OUR_SECONDS)
        return answer


def prepare(
    info: EngineInfo, client: Client, problem: Problem, reference: Reference, limits: Limits, n_threads: int
) -> Prepared:
    """Check an engine on few samples, then give it as many as its budget and the memory allow.

    Raises:
        EngineError: The process failed, ended or took too long.
        DisagreementError: It computes something else.
    """
    case, budget = problem.case, limits.seconds(problem.case) * info.patience
    seconds = OUR_SECONDS if info.name == OURS else max(limits.compile_budget, 2 * budget)
    client.start()
    refusals = {task: info.refuses(case, task) for task in TASKS}
    tasks = [task for task in TASKS if refusals[task] is None]
    record: dict[str, Any] = {"refused": {task: reason for task, reason in refusals.items() if reason is not None}}
    samples = case.batch if info.compiles else min(PROBE_SAMPLES, case.batch)
    expected = None if info.name == OURS else reference(samples)
    chunk = samples
    built = client.ask("build", problem, samples, chunk, seconds=seconds)
    record |= check(client, problem, expected, samples, tasks, seconds)
    if info.name == OURS:
        record |= reference.first
    while True:
        times = {task: _time_once(client, task, seconds) for task in tasks}
        needed = max(1, client.ask("peak", seconds=seconds)["peak"] - built["resident_before"])
        affordable = _affordable(info, samples, case.batch, max(times.values()), budget)
        if affordable <= samples:
            break
        fitting = max(1, int(chunk * limits.memory * MEMORY_SHARE / needed))
        samples, chunk = affordable, affordable if info.name == OURS else min(affordable, fitting)
        built = client.ask("build", problem, samples, chunk, seconds=seconds)
    if info.torch_threads:
        record["torch_threads"] = _choose_torch_threads(client, tasks[0], times[tasks[0]], n_threads, seconds)
    return Prepared(client, samples, chunk, times, built["resident_before"], record)


def _affordable(info: EngineInfo, samples: int, batch: int, seconds: float, budget: float) -> int:
    """Samples to run, when `samples` took `seconds`: the batch where that fits the budget, else as many as do."""
    if info.compiles or samples == batch:
        return samples
    if info.name == OURS:
        return batch
    affordable = int(samples * budget / seconds)
    if info.one_by_one:  # fewer samples tell as much
        return batch if affordable >= batch else samples
    return min(batch, max(samples, affordable))


def check(
    client: Client,
    problem: Problem,
    expected: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    samples: int,
    tasks: list[str],
    seconds: float,
) -> dict[str, Any]:
    """Compare expectations and gradients with ours; what was found, with the seconds of the first calls.

    Raises:
        EngineError: The process failed, ended or took too long.
        DisagreementError: A difference is larger than allowed.
    """
    found: dict[str, Any] = {"checked_samples": samples}
    found["first_infer_s"], values = client.ask("call", "values", seconds=seconds)
    if "train" in tasks:
        found["first_train_s"], gradient = client.ask("call", "gradient", seconds=seconds)
    if expected is not None:
        found["difference"] = _compare("expectations", values, expected[0])
        if problem.case.condition == "noisy":
            under_errors = client.ask("call", "values", problem.codes, seconds=seconds)[1]
            found["difference_under_errors"] = _compare("expectations under errors", under_errors, expected[1])
        if "train" in tasks:
            error = float(np.linalg.norm(gradient - expected[2]) / np.linalg.norm(expected[2]))
            found["gradient_error"] = error
            if not error <= MAX_GRADIENT_ERROR:
                raise DisagreementError(
                    f"its gradient differs from ours by {error:.1e} in relative norm (allowed {MAX_GRADIENT_ERROR:.0e})"
                )
    if problem.shots is not None:
        sampled = client.ask("call", "sampled", seconds=seconds)[1]
        found["scatter_of_shots"] = scatter = measure_scatter(sampled, values, problem.shots)
        # A mean of `size` squares that is 1 within sqrt(2 / size) by chance; few samples scatter more.
        if not scatter <= MAX_SCATTER + 6 * (2 / values.size) ** 0.5:
            raise DisagreementError(f"its shots scatter {scatter:.1f} times as much as they should (mean square)")
    return found


def measure_scatter(sampled: np.ndarray, exact: np.ndarray, shots: int) -> float:
    """Mean square of the deviations of sampled expectations, in their standard errors; 1 is right."""
    variances = np.maximum(1 - exact**2, 1e-6) / shots
    return float(np.mean((sampled - exact) ** 2 / variances))


def _compare(what: str, values: np.ndarray, expected: np.ndarray) -> float:
    difference = float(np.abs(values - expected).max())
    if not difference <= MAX_DIFFERENCE:
        raise DisagreementError(f"its {what} differ from ours by {difference:.1e} (allowed {MAX_DIFFERENCE:.0e})")
    return difference


def _time_once(client: Client, task: str, seconds: float) -> float:
    """Seconds of one run of a task; where that was quick, of a second one, which finds everything warm."""
    (first,) = client.ask("run", METHODS[task], 1, seconds=seconds)
    if first > _QUICK:
        return float(first)
    return float(min(first, *client.ask("run", METHODS[task], 1, seconds=seconds)))


def _choose_torch_threads(client: Client, task: str, estimate: float, n_threads: int, seconds: float) -> int:
    """PyTorch's threads, 1 or all, whichever is faster; all where trying would take long."""
    best = {n_threads: 0.0}
    if n_threads > 1 and estimate <= _QUICK:
        for count in (1, n_threads):
            client.ask("use_torch_threads", count, seconds=seconds)
            best[count] = min(client.ask("run", METHODS[task], 3, seconds=seconds))
    chosen = min(best, key=best.__getitem__)
    client.ask("use_torch_threads", chosen, seconds=seconds)
    return chosen
