"""Runs on the stand-in of IonQ's service that end early, and go on without buying anything twice."""

import json
import signal

import pytest
import torch

from ionq_access import backend_on, make_sampler, server, start_process, wait_until
from ionq_run import CIRCUIT, angles, evaluate
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.ionq.journal import JobJournal

__all__ = ["server"]  # the fixture

TORCH = get_backend("torch")


def is_waiting(server):
    return any(path.startswith("/v0.4/jobs/") for _, path in server.requests)


def states_in(journal):
    return [entry["state"] for entry in JobJournal(journal).jobs().values()]


# --- killed -----------------------------------------------------------------------------------------------------


def test_a_killed_run_resumes_without_submitting_again(server, tmp_path):
    """Killed by SIGKILL while jobs wait in the queue; the second process fetches them by id."""
    journal = tmp_path / "jobs.json"
    server.hold = True
    process = start_process(server, journal)
    wait_until(lambda: is_waiting(server))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(server.submissions) == 3  # six circuits, two a job
    assert states_in(journal) == ["submitted"] * 3
    server.hold = False
    resumed = evaluate(server.url, journal)
    assert len(server.submissions) == 3
    torch.testing.assert_close(resumed, TORCH.expectations(CIRCUIT, *angles()), atol=0.25, rtol=0)


def test_a_run_killed_before_it_heard_of_its_job_finds_it(server, tmp_path):
    """The journal says "submitting": the job is found at the service by its key."""
    journal = tmp_path / "jobs.json"
    evaluate(server.url, journal)
    content = json.loads(journal.read_text())
    for entry in content["jobs"].values():
        entry.update(state="submitting", job_id=None)
    journal.write_text(json.dumps(content))
    evaluate(server.url, journal)
    assert len(server.submissions) == 3


def test_a_finished_run_costs_nothing_again_and_gives_the_same(server, tmp_path):
    journal = tmp_path / "jobs.json"
    first = backend_on(server, "simulator", journal=journal, seed=0).expectations(CIRCUIT, *angles())
    again = backend_on(server, "simulator", journal=journal, seed=0).expectations(CIRCUIT, *angles())
    assert torch.equal(first, again)
    assert len(server.submissions) == 1


def test_the_same_request_twice_in_a_run_is_two_jobs(server, tmp_path):
    backend = backend_on(server, journal=tmp_path / "jobs.json")
    backend.expectations(CIRCUIT, *angles())
    backend.expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 2


def test_another_run_does_not_take_over_jobs(server, tmp_path):
    backend_on(server, journal=tmp_path / "one.json").expectations(CIRCUIT, *angles())
    server.faults = ["lose"]  # makes it search
    backend_on(server, journal=tmp_path / "two.json").expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 2


def test_a_run_killed_while_it_submits_finds_what_was_accepted(server, tmp_path):
    """The service has the second job, but its answer never arrives: the journal says "submitting"."""
    journal = tmp_path / "jobs.json"
    server.hold = True
    server.faults = [None, "hang"]
    process = start_process(server, journal)
    wait_until(lambda: len(server.submissions) == 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert states_in(journal) == ["submitted", "submitting"]
    server.hold = False
    resumed = evaluate(server.url, journal)
    assert len(server.submissions) == 3  # the third job is new, the second was found
    torch.testing.assert_close(resumed, TORCH.expectations(CIRCUIT, *angles()), atol=0.25, rtol=0)
    assert states_in(journal) == ["finished"] * 3


def test_an_interrupt_ends_the_waiting_at_once(server, tmp_path):
    """Ctrl-C: nothing waits or submits in the background."""
    server.hold = True
    process = start_process(server, tmp_path / "jobs.json")
    wait_until(lambda: is_waiting(server))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
    server.hold = False
    evaluate(server.url, tmp_path / "jobs.json")
    assert len(server.submissions) == 3


# --- another request ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["angles", "last bit", "readout", "shots", "device", "debiasing", "settings"])
def test_only_the_very_same_request_is_resumed(server, tmp_path, change):
    """Other circuits, angles, shots or settings are another run: refused before anything is bought."""
    journal = tmp_path / "jobs.json"
    weights, features = angles()
    backend_on(server, journal=journal, shots=600).expectations(CIRCUIT, weights, features)
    name = "qpu.aria-1" if change == "device" else "qpu.forte-1"
    options = {"debiasing": True} if change == "debiasing" else {}
    other = backend_on(server, name, journal=journal, shots=601 if change == "shots" else 600, **options)
    if change == "angles":
        features = features + 1
    if change == "last bit":
        weights = weights * (1 + 2e-16)
    if change == "settings":
        other.engine.sampler.backend.options.update_options(job_settings={"some": "setting"})
    with pytest.raises(ValueError, match=r"`journal` must be that of this run, but the 1 jobs of .*Nothing was sent"):
        other.expectations(CIRCUIT, weights, features, n_readout=2 if change == "readout" else None)
    assert len(server.submissions) == 1


def test_a_run_that_went_on_may_ask_for_more(server, tmp_path):
    journal = tmp_path / "jobs.json"
    weights, features = angles()
    backend_on(server, journal=journal).expectations(CIRCUIT, weights, features)
    resumed = backend_on(server, journal=journal)
    resumed.expectations(CIRCUIT, weights, features)
    resumed.expectations(CIRCUIT, weights, features + 1)
    assert len(server.submissions) == 2
    assert len(JobJournal(journal).jobs()) == 2


# --- the file ---------------------------------------------------------------------------------------------------


def test_two_runs_at_once_are_noticed_before_the_second_buys(server, tmp_path):
    journal = tmp_path / "jobs.json"
    first, second = backend_on(server, journal=journal), backend_on(server, journal=journal)
    first.expectations(CIRCUIT, *angles())
    with pytest.raises(ValueError, match=r"`journal` must be used by one run at a time, but .* was changed by another"):
        second.expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "is no JSON"),
        ("", "is no JSON"),
        ('{"version": 1, "run": "a", "jobs": {"k": ', "is no JSON"),
        ("[]", "has no version, run and jobs"),
        ({"version": 99, "run": "a", "jobs": {}}, r"version 1, but .* of version 99"),
        ({"version": 1, "run": 3, "jobs": {}}, "has no name of a run"),
        ({"version": 1, "run": "a", "jobs": []}, "or no jobs"),
        ({"version": 1, "run": "a", "jobs": {"k": {}}}, "job 'k' is {}"),
        ({"version": 1, "run": "a", "jobs": {"k": "submitted"}}, "job 'k' is 'submitted'"),
        ({"version": 1, "run": "a", "jobs": {"k": {"state": "lost"}}}, "job 'k' is {'state': 'lost'}"),
        ({"version": 1, "run": "a", "jobs": {"k": {"state": "submitted", "job_id": 3}}}, "job 'k' is"),
    ],
)
def test_journals_refuse_what_is_none(server, tmp_path, content, message):
    path = tmp_path / "jobs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"Argument `journal` must be .*{message}"):
        make_sampler(server, journal=path)
    assert path.read_bytes() == before
