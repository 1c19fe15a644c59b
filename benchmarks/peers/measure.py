"""One case on all engines: prepare each, then time them in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from timing import summarize

from peers.cases import TASKS, Case
from peers.client import Client, EngineError
from peers.engines import ENGINES, OURS
from peers.history import History, Known
from peers.prepare import METHODS, DisagreementError, Limits, Prepared, Reference, prepare
from peers.problem import build_head, build_problem

BURST_SECONDS = 0.1
"""An engine runs for about so long before the next has its turn, if one run is not longer."""
LONGEST_BURST = 20


class Comparison:
    """Measures cases one after another.

    Args:
        engines: Names in `ENGINES`; ours is among them.
        limits: How long each may take.
        threads: Threads of each.
        rounds: Turns of each engine; slow ones have fewer, as their budget allows.
        deadline: Moment of `time.monotonic` from which on only ours is measured.
        seed: Of weights and batches.
        report: Called with lines of progress.
    """

    def __init__(
        self,
        engines: Iterable[str],
        limits: Limits,
        threads: int,
        rounds: int,
        deadline: float,
        seed: int,
        report: Callable[[str], None],
    ) -> None:
        self.limits, self.threads, self.rounds, self.deadline, self.seed = limits, threads, rounds, deadline, seed
        self.report, self.history = report, History()
        self.clients = {name: Client(name, threads, limits.memory) for name in engines}

    def close(self) -> None:
        """End all processes."""
        for client in self.clients.values():
            client.stop()

    def measure(self, case: Case) -> dict[str, Any]:
        """All engines on one case: checks, times, memory, and what could not be done and why."""
        problem = build_problem(build_head(case, self.seed), case, self.seed)
        reference = Reference(self.clients[OURS], problem)
        entries: dict[str, dict[str, Any]] = {name: {} for name in self.clients}
        ready: dict[str, Prepared] = {}
        # Ours last: until then the others are compared with it.
        for name in [*(name for name in self.clients if name != OURS), OURS]:
            reason = self._reason_to_leave_out(name, case)
            if reason is not None:
                entries[name]["left_out"] = reason
                continue
            start = time.monotonic()
            try:
                ready[name] = prepare(ENGINES[name], self.clients[name], problem, reference, self.limits, self.threads)
                entries[name] = ready[name].record
                self._note(name, case, ready[name])
            except DisagreementError as error:
                if name == OURS:
                    raise
                entries[name]["disagrees"] = str(error)
            except EngineError as error:
                if name == OURS:
                    raise
                entries[name]["failed"] = str(error)
                self.history.note(name, case, Known(failure=str(error)))
            found = entries[name].get("failed") or entries[name].get("disagrees") or "ready"
            self.report(f"  {name}: {found} after {time.monotonic() - start:.1f} s")
        for task in TASKS:
            self._time(task, case, ready, entries)
        return {"case": case.to_dict(), "engines": entries}

    def _reason_to_leave_out(self, name: str, case: Case) -> str | None:
        if name == OURS:
            return None
        if time.monotonic() > self.deadline:
            return "the time of the whole run was spent"
        return self.history.reason_to_leave_out(name, ENGINES[name].compiles, case, self.limits)

    def _note(self, name: str, case: Case, ready: Prepared) -> None:
        seconds = max(ready.tasks.values()) * case.batch / ready.samples
        first = ready.record["first_infer_s"] + ready.record.get("first_train_s", 0.0)
        self.history.note(name, case, Known(seconds / ENGINES[name].patience, first))

    def _time(self, task: str, case: Case, ready: dict[str, Prepared], entries: dict[str, dict[str, Any]]) -> None:
        """Time one task on all engines that do it, in turns, and write the results into `entries`."""
        plans = {
            name: plan_turns(one.tasks[task], self.limits.seconds(case), self.rounds)
            for name, one in ready.items()
            if task in one.tasks
        }
        # A run that leaves no time for another counts as it was taken while the engine was prepared.
        times = {name: [ready[name].tasks[task]] if plan == (1, 1) else [] for name, plan in plans.items()}
        plans = {name: plan for name, plan in plans.items() if plan != (1, 1)}
        order = list(plans)
        for turn in range(max((turns for turns, _ in plans.values()), default=0)):
            for name in order:
                turns, burst = plans[name]
                if turn < turns:
                    seconds = self._run(name, task, burst, entries)
                    times[name] += seconds
                    if not seconds:
                        plans[name] = (0, 0)
            order.reverse()
        for name, seconds in times.items():
            if seconds:
                entries[name][task] = self._describe(seconds, case, ready[name])

    def _run(self, name: str, task: str, burst: int, entries: dict[str, dict[str, Any]]) -> list[float]:
        limit = self.limits.compile_budget + burst * self.limits.base_budget
        try:
            seconds: list[float] = self.clients[name].ask("run", METHODS[task], burst, seconds=limit)
        except EngineError as error:
            if name == OURS:
                raise
            entries[name]["failed"] = str(error)
            return []
        return seconds

    def _describe(self, seconds: list[float], case: Case, ready: Prepared) -> dict[str, Any]:
        """Summary in seconds of the whole batch, the runs themselves, and the memory."""
        factor = case.batch / ready.samples
        memory = ready.client.ask("peak", seconds=self.limits.compile_budget)
        return summarize([factor * one for one in seconds]) | {
            "batch": case.batch,
            "samples": ready.samples,
            "chunk": ready.chunk,
            "times": seconds,
            "peak_bytes": memory["peak"],
            "peak_bytes_above_start": memory["peak"] - ready.resident_before,
        }


def plan_turns(estimate: float, budget: float, rounds: int) -> tuple[int, int]:
    """Turns, and runs in each, of an engine whose run takes about `estimate` seconds."""
    burst = min(LONGEST_BURST, max(1, int(BURST_SECONDS / estimate)))
    return min(rounds, max(1, int(budget / (burst * estimate)))), burst
