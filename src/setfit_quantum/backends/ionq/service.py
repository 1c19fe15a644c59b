"""Single requests to IonQ's service through qiskit-ionq's client, with retries that end.

The client's own retries are not used. Those of a submission repeat it after errors that leave open whether the job was
accepted, which may buy it twice; those of a query never end. `inspect.unwrap` gives the methods without them.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import time
from types import ModuleType
from typing import Any

from setfit_quantum.backends.ionq.journal import JobJournal

logger = logging.getLogger(__name__)

KEY = "setfit_quantum_key"
"""Name of the metadata in which a job carries its key."""
_PAGE = 100
_FINAL = ("completed", "failed", "canceled")


class IonQServiceError(RuntimeError):
    """The service failed, refused a job, or took longer than allowed."""


def import_ionq(module: str = "qiskit_ionq") -> ModuleType:
    """A module of qiskit-ionq.

    Raises:
        ImportError: It is not installed; the message names the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f'IonQ needs qiskit-ionq: pip install "setfit-quantum[ionq]" ({error})') from error


class Service:
    """Submits, finds, awaits and fetches jobs of one device.

    Args:
        device: A backend of qiskit-ionq.
        journal: Where jobs are noted.
        timeout: Seconds after which waiting for a job ends; None: never.
        poll_seconds: First pause between two looks at a job; later ones grow to ten times that.
        retries: How often a request that failed for a passing reason is repeated.
        retry_seconds: First pause before that; each later one is twice as long.
    """

    def __init__(
        self,
        device: Any,
        journal: JobJournal,
        *,
        timeout: float | None,
        poll_seconds: float,
        retries: int,
        retry_seconds: float,
    ) -> None:
        self.device, self.journal = device, journal
        self.timeout, self.poll_seconds = timeout, poll_seconds
        self.retries, self.retry_seconds = retries, retry_seconds
        self._errors = import_ionq("qiskit_ionq.exceptions")
        http = importlib.import_module("requests")
        self._passing = (self._errors.IonQAPIError, self._errors.IonQRetriableError, http.exceptions.RequestException)

    def submit_once(self, key: str, circuits: list[Any], options: dict[str, Any]) -> str:
        """The id of the job for `key`: the one already submitted, or a new one.

        Raises:
            IonQServiceError: The service refuses the job, or cannot be reached.
        """
        known = self.journal.get(key)
        if known is not None and known["state"] != "failed":
            job_id = known.get("job_id") or self._find(key)
            if job_id is not None:
                self.journal.set(key, "submitted", job_id=job_id)
                logger.info("Resumed job %s on %s.", job_id, self.device.name)
                return str(job_id)
        self.journal.set(key, "submitting", circuits=len(circuits), shots=options["shots"], job_id=None)
        job_id = self._submit(key, circuits, options)
        self.journal.set(key, "submitted", job_id=job_id, submitted_at=time.time())
        logger.info("Submitted job %s of %d circuits to %s.", job_id, len(circuits), self.device.name)
        return job_id

    def wait(self, key: str, job_id: str) -> dict[str, Any]:
        """The finished job as the service describes it.

        Raises:
            IonQServiceError: It failed, was canceled, or took longer than `timeout`.
        """
        start, pause = time.monotonic(), self.poll_seconds
        before = None
        while True:
            job: dict[str, Any] = self._ask("retrieve_job", job_id)
            status = job.get("status")
            if status != before:
                logger.info("Job %s on %s is %s.", job_id, self.device.name, status)
                before = status
            if status == "completed":
                self.journal.set(key, "finished")
                return job
            if status in _FINAL:
                self.journal.set(key, "failed")
                failure = (job.get("failure") or {}).get("error") or "no reason given"
                raise IonQServiceError(f"Job {job_id} on {self.device.name} is {status}: {failure}")
            waited = time.monotonic() - start
            if self.timeout is not None and waited + pause > self.timeout:
                note = "the journal has it, so a later run waits for it again"
                if self.journal.path is None:
                    note = "with a `journal` a later run could wait for it again"
                raise IonQServiceError(
                    f"Job {job_id} on {self.device.name} is still {status!r} after {waited:.0f} s; {note}."
                )
            time.sleep(pause)
            pause = min(1.5 * pause, 10 * self.poll_seconds)

    def ask_status(self, job_id: str) -> str:
        """What the service says of a job: `"ready"`, `"started"`, `"completed"`, `"failed"`, `"canceled"`, .."""
        return str(self._ask("retrieve_job", job_id).get("status"))

    def cancel(self, job_id: str) -> None:
        """Ask the service to cancel a job."""
        self._ask("cancel_job", job_id)

    def fetch(self, job: dict[str, Any], n_circuits: int, sharpen: bool | None) -> list[dict[str, float]]:
        """Outcome number -> probability, for each circuit of a finished job, in the order of submission.

        Raises:
            IonQServiceError: The results are not those of the circuits.
        """
        url = ((job.get("results") or {}).get("probabilities") or {}).get("url")
        if not url:
            raise IonQServiceError(f"Job {job.get('id')} on {self.device.name} has no probabilities among its results.")
        found = self._ask("get_results", url, sharpen=sharpen)
        if n_circuits == 1 and not any(isinstance(value, dict) for value in found.values()):
            return [dict(found)]
        children = job.get("child_job_ids") or job.get("children") or list(found)
        if len(found) != n_circuits or sorted(children) != sorted(found):
            raise IonQServiceError(
                f"Job {job.get('id')} on {self.device.name} has {n_circuits} circuits, but results of {sorted(found)} "
                f"for {sorted(children)}."
            )
        return [dict(found[child]) for child in children]

    def _submit(self, key: str, circuits: list[Any], options: dict[str, Any]) -> str:
        """Send a job; after an error that leaves open whether it arrived, look before sending it again."""
        client = self.device.client
        job_class = import_ionq("qiskit_ionq.ionq_job").IonQJob
        send = inspect.unwrap(type(client).submit_job)
        pause = self.retry_seconds
        for attempt in range(self.retries + 1):
            settings = {**self.device.options.__dict__, **options}
            settings["extra_metadata"] = {**(settings.get("extra_metadata") or {}), KEY: self._tag(key)}
            # One circuit alone makes a plain job.
            job = job_class(
                backend=self.device,
                client=client,
                circuit=circuits if len(circuits) > 1 else circuits[0],
                passed_args=settings,
            )
            try:
                return str(send(client, job)["id"])
            except self._passing as error:
                if self._is_refusal(error):
                    self.journal.remove(key)
                    raise IonQServiceError(
                        f"{self.device.name} refused a job of {len(circuits)} circuits: {_reason(error)}"
                    ) from error
                time.sleep(pause)
                pause *= 2
                found = self._find(key)
                if found is not None:
                    return found
                if attempt == self.retries:
                    raise IonQServiceError(
                        f"{self.device.name} could not be given a job in {self.retries + 1} attempts: {_reason(error)}"
                    ) from error
        raise AssertionError("unreachable")

    def _is_refusal(self, error: Exception) -> bool:
        """Whether the service says that it did not take the request, and never will."""
        return isinstance(error, self._errors.IonQAPIError) and 400 <= error.status_code < 500

    def _find(self, key: str) -> str | None:
        """Id of the job that carries this key, if the service has one; all its jobs are looked at, latest first."""
        parameters: dict[str, Any] = {"limit": _PAGE}
        seen: set[str] = set()
        while True:
            page = self._ask_list(parameters)
            for entry in page.get("jobs") or []:
                if (entry.get("metadata") or {}).get(KEY) == self._tag(key) and entry.get("status") not in _FINAL[1:]:
                    return str(entry["id"])
            following = page.get("next")
            if not following:
                return None
            if following in seen:
                raise IonQServiceError(f"{self.device.name} lists its jobs in a circle, so {key} cannot be looked for.")
            seen.add(following)
            parameters["next"] = following

    def _tag(self, key: str) -> str:
        return f"{self.journal.run}-{key}"

    def _ask_list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        client = self.device.client

        def ask() -> dict[str, Any]:
            response = client.get_with_retry(client.make_path("jobs"), params=parameters, headers=client.api_headers)
            self._errors.IonQAPIError.raise_for_status(response)
            return dict(response.json())

        return self._repeat("list of jobs", ask)

    def _ask(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        client = self.device.client
        call = inspect.unwrap(getattr(type(client), method))
        return self._repeat(method, lambda: dict(call(client, *arguments, **options)))

    def _repeat(self, what: str, ask: Any) -> dict[str, Any]:
        """Ask, and again after passing errors; queries cost nothing."""
        pause = self.retry_seconds
        for attempt in range(self.retries + 1):
            try:
                answer: dict[str, Any] = ask()
                return answer
            except self._passing as error:
                if self._is_refusal(error):
                    raise IonQServiceError(f"{self.device.name} refused {what}: {_reason(error)}") from error
                if attempt == self.retries:
                    raise IonQServiceError(
                        f"{self.device.name} did not answer {what} in {self.retries + 1} attempts: {_reason(error)}"
                    ) from error
                time.sleep(pause)
                pause *= 2
        raise AssertionError("unreachable")


def _reason(error: Any) -> str:
    cause = getattr(error, "_cause", error)
    status = getattr(cause, "status_code", None)
    return str(cause) if status is None else f"{cause.message} (status {status})"
