"""The handle of what `IonQSampler.run` submitted."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from qiskit.primitives import BasePrimitiveJob, PrimitiveResult
from qiskit.providers import JobStatus

from setfit_quantum.backends.ionq.service import Service

_STATUS = {
    "completed": JobStatus.DONE,
    "failed": JobStatus.ERROR,
    "canceled": JobStatus.CANCELLED,
    "started": JobStatus.RUNNING,
}
_BY_URGENCY = (JobStatus.ERROR, JobStatus.CANCELLED, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.DONE)


class IonQSamplerJob(BasePrimitiveJob[PrimitiveResult, JobStatus]):
    """All jobs at the service that one call of `IonQSampler.run` takes.

    Nothing runs in the background: `result` waits on the caller's thread, so that Ctrl-C ends the waiting.

    Args:
        service: Where the jobs are.
        job_ids: Their ids, in the order of submission.
        collect: Waits for them and gives the result.
    """

    def __init__(self, service: Service, job_ids: Sequence[str], collect: Callable[[], PrimitiveResult[Any]]) -> None:
        super().__init__(str(uuid.uuid4()), job_ids=tuple(job_ids))
        self.job_ids = tuple(job_ids)
        self._service, self._collect = service, collect
        self._result: PrimitiveResult[Any] | None = None

    def result(self) -> PrimitiveResult[Any]:
        """Wait for all jobs; see `Service.wait` for the errors."""
        if self._result is None:
            self._result = self._collect()
        return self._result

    def status(self) -> JobStatus:
        """The status of the job that is furthest from done."""
        if self._result is not None:
            return JobStatus.DONE
        found = {_STATUS.get(self._service.ask_status(job_id), JobStatus.QUEUED) for job_id in self.job_ids}
        return next((status for status in _BY_URGENCY if status in found), JobStatus.DONE)

    def done(self) -> bool:
        """Whether all jobs are completed."""
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        """Whether a job runs, and none waits."""
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        """Whether a job was canceled."""
        return self.status() is JobStatus.CANCELLED

    def in_final_state(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.status() not in (JobStatus.QUEUED, JobStatus.RUNNING)

    def cancel(self) -> None:
        """Cancel what is not completed; queued jobs then cost nothing."""
        for job_id in self.job_ids:
            if self._service.ask_status(job_id) not in ("completed", "failed", "canceled"):
                self._service.cancel(job_id)
