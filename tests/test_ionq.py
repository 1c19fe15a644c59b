"""IonQ's devices through the real qiskit-ionq client, against a stand-in of the service."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ionq_run import CIRCUIT, angles, build_device, evaluate
from ionq_server import IonQServer
from setfit_quantum import Circuit, Gate, NoiseModel
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.ionq import IonQSampler
from setfit_quantum.backends.ionq.journal import JobJournal
from setfit_quantum.backends.ionq.service import IonQServiceError
from setfit_quantum.backends.pricing import QpuRates, estimate_qpu
from setfit_quantum.backends.qiskit_backend import QiskitBackend

TORCH = get_backend("torch")
RUN = Path(__file__).with_name("ionq_run.py")


@pytest.fixture
def server(monkeypatch):
    with IonQServer() as running:
        # qiskit-ionq asks this address for the number of qubits, whatever the provider was given.
        monkeypatch.setenv("IONQ_API_URL", running.url)
        yield running


def make_sampler(server, name="qpu.forte-1", **options):
    settings = {"poll_seconds": 0.01, "retries": 2, "retry_seconds": 0.01} | options
    return IonQSampler(build_device(server.url, name), **settings)


def backend_on(server, name="qpu.forte-1", shots=500, **options):
    return QiskitBackend(make_sampler(server, name, **options), shots=shots)


def start_process(server, journal):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(RUN.parent)}
    return subprocess.Popen(
        [sys.executable, str(RUN), server.url, str(journal)], env=environment, stdout=subprocess.PIPE, text=True
    )


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.02)


# --- results ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["simulator", "qpu.forte-1"])
def test_expectations_are_the_simulators_within_their_error(server, name):
    backend = backend_on(server, name, shots=4000, **({"seed": 1} if name == "simulator" else {}))
    found = backend.expectations(CIRCUIT, *angles())
    exact = TORCH.expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1  # six circuits are one job
    assert server.submissions[0]["backend"] == name
    assert len(server.submissions[0]["input"]["circuits"]) == 6
    error = ((1 - exact**2).clamp_min(1e-3) / 4000).sqrt()
    assert ((found - exact).abs() / error).max() < 5


def test_every_gate_means_the_same_there(server):
    gates = [Gate("ry", (wire,), angle=0.3 + wire) for wire in range(3)]
    gates += [Gate(name, (0,)) for name in ("h", "s", "t", "sdg", "tdg", "x", "y", "z")]
    gates += [Gate(name, (1, 2)) for name in ("cx", "cy", "cz", "swap")]
    gates += [Gate(name, (2, 0), angle=0.7) for name in ("crx", "cry", "crz")]
    gates += [Gate("rx", (1,), angle=0.4), Gate("rz", (1,), angle=0.9), Gate("h", (1,))]
    circuit = Circuit(3, tuple(gates))
    sampler = make_sampler(server, "simulator", seed=0)
    found = QiskitBackend(sampler, shots=200_000).expectations(circuit, torch.empty(0, dtype=torch.float64))
    exact = TORCH.expectations(circuit, torch.empty(0, dtype=torch.float64))
    assert server.submissions[0]["type"] == "ionq.circuit.v1"  # one circuit alone
    torch.testing.assert_close(found, exact, atol=0.015, rtol=0)


def test_samples_of_one_job_have_shots_of_their_own(server):
    backend = backend_on(server, "simulator", shots=50, seed=0)
    weights, features = angles()
    found = backend.expectations(CIRCUIT, weights, features[:1].repeat(6, 1))
    assert len(set(map(tuple, found.tolist()))) > 1


def test_a_seed_repeats_the_ideal_simulators_shots(server):
    first, second = (backend_on(server, "simulator", seed=3).expectations(CIRCUIT, *angles()) for _ in range(2))
    assert torch.equal(first, second)


# --- limits of the machine --------------------------------------------------------------------------------------


def test_many_shots_are_spread_over_jobs(server):
    sampler = make_sampler(server)
    assert sampler.split_shots(25_000) == [8334, 8333, 8333]
    found = QiskitBackend(sampler, shots=25_000).expectations(CIRCUIT, *angles())
    assert [body["shots"] for body in server.submissions] == [8334, 8333, 8333]
    torch.testing.assert_close(found, TORCH.expectations(CIRCUIT, *angles()), atol=0.04, rtol=0)


def test_debiasing_is_asked_for_and_needs_500_shots(server):
    backend_on(server, shots=500, debiasing=True).expectations(CIRCUIT, *angles())
    assert server.submissions[0]["settings"]["error_mitigation"] == {"debiasing": True}
    with pytest.raises(ValueError, match="`shots` must be at least 500 with debiasing=True, but got 499"):
        backend_on(server, shots=499, debiasing=True).expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1
    backend_on(server, shots=100).expectations(CIRCUIT, *angles())
    assert server.submissions[1]["settings"]["error_mitigation"] == {"debiasing": False}


def test_mitigated_probabilities_become_whole_shots(server):
    sampler = make_sampler(server)
    drawn = sampler._draw({"0": 0.3333, "1": 0.3334, "5": 0.3333}, 500)
    assert len(drawn) == 500
    assert np.bincount(drawn).max() == 167


def test_no_noise_and_no_exact_values_on_a_machine(server):
    backend = backend_on(server)
    with pytest.raises(BackendError, match="noise of their own device"):
        backend.device_expectations(CIRCUIT, *angles(), noise=NoiseModel.paper("low"))
    with pytest.raises(BackendError, match="set `shots`"):
        QiskitBackend(make_sampler(server)).expectations(CIRCUIT, *angles())
    assert not server.submissions


# --- faults -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [429, 503, 504, "lose"])
def test_a_passing_fault_of_a_submission_is_repeated_once(server, fault):
    server.faults = [fault]
    backend_on(server).expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1


def test_a_job_whose_answer_is_lost_is_not_bought_again(server):
    server.faults = ["drop"]
    server.page = 1  # the search goes through several pages
    backend = backend_on(server)
    backend.expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1
    assert [method for method, path in server.requests if path == "/v0.4/jobs"] == ["POST", "GET"]


def test_a_service_that_stays_away_is_an_error(server):
    server.faults = [503] * 10
    with pytest.raises(IonQServiceError, match="could not be given a job in 3 attempts"):
        backend_on(server).expectations(CIRCUIT, *angles())
    assert len(server.faults) == 7


def test_queries_are_repeated(server):
    server.query_faults = [502, 409]
    backend_on(server).expectations(CIRCUIT, *angles())
    server.query_faults = [502] * 3
    with pytest.raises(IonQServiceError, match="did not answer retrieve_job in 3 attempts"):
        backend_on(server).expectations(CIRCUIT, *angles())


def test_a_refusal_is_not_repeated(server, tmp_path):
    server.faults = [422]
    with pytest.raises(IonQServiceError, match=r"refused a job of 6 circuits: later \(status 422\)"):
        backend_on(server, journal=tmp_path / "jobs.json").expectations(CIRCUIT, *angles())
    assert json.loads((tmp_path / "jobs.json").read_text())["jobs"] == {}


def test_waiting_ends_and_goes_on_later(server, tmp_path):
    server.hold = True
    journal = tmp_path / "jobs.json"
    with pytest.raises(IonQServiceError, match=r"is still 'ready' after .*the journal has it"):
        backend_on(server, journal=journal, timeout=0.05).expectations(CIRCUIT, *angles())
    server.hold = False
    backend_on(server, journal=journal).expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1


def test_a_failed_job_is_an_error_and_is_sent_anew_later(server, tmp_path):
    server.fail_next = True
    journal = tmp_path / "jobs.json"
    with pytest.raises(IonQServiceError, match="is failed: the machine went dark"):
        backend_on(server, journal=journal).expectations(CIRCUIT, *angles())
    backend_on(server, journal=journal).expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 2


# --- resuming ---------------------------------------------------------------------------------------------------


def test_a_killed_run_resumes_without_submitting_again(server, tmp_path):
    """Killed by SIGKILL while jobs wait in the queue; the second process fetches them by id."""
    journal = tmp_path / "jobs.json"
    server.hold = True
    process = start_process(server, journal)
    wait_until(lambda: any(path.startswith("/v0.4/jobs/") for _, path in server.requests))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(server.submissions) == 3  # six circuits, two a job
    states = [entry["state"] for entry in JobJournal(journal).jobs().values()]
    assert states == ["submitted"] * 3
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


def test_journals_refuse_what_is_none(tmp_path):
    path = tmp_path / "jobs.json"
    path.write_text("not json")
    with pytest.raises(ValueError, match="`journal` must be a journal of jobs"):
        JobJournal(path)
    path.write_text(json.dumps({"version": 99, "run": "a", "jobs": {}}))
    with pytest.raises(ValueError, match=r"version 1, but .* of version 99"):
        JobJournal(path)


# --- what it costs ----------------------------------------------------------------------------------------------


def test_dry_run_sends_nothing(server):
    sampler = make_sampler(server, max_circuits=4)
    circuit = CIRCUIT.to_qiskit()
    circuit.measure_all()
    values = np.zeros((6, len(circuit.parameters)))
    asked = len(server.requests)
    estimate = sampler.dry_run([(circuit, values)], shots=20_000, rates=QpuRates(minimum_usd=0.0))
    assert len(server.requests) == asked
    one, two = CIRCUIT.count_ops()["ry"], CIRCUIT.count_ops()["cx"]
    assert (estimate.circuits, estimate.jobs, estimate.shots) == (12, 4, 120_000)  # two jobs' worth of shots
    assert estimate.usd == pytest.approx(120_000 * (one * 0.000220 + two * 0.000975))
    assert estimate.qpu_seconds == pytest.approx(120_000 * (one * 63e-6 + two * 650e-6 + 350e-6))


def test_prices_have_a_minimum_and_are_arguments():
    assert estimate_qpu([(1, 0)] * 3, 10).usd == pytest.approx(3 * 12.4166)
    assert estimate_qpu([(1, 0)] * 3, 500, debiasing=True).usd == pytest.approx(3 * 97.5)
    rates = QpuRates(usd_1q=1.0, usd_2q=2.0, minimum_usd=0.0, time_1q=3.0, time_2q=4.0, time_per_shot=5.0)
    estimate = estimate_qpu([(2, 3)], 10, copies=2, rates=rates)
    assert estimate.usd == 2 * 10 * (2 + 6)
    assert estimate.qpu_seconds == 2 * 10 * (6 + 12 + 5)
    assert (estimate.gate_shots_1q, estimate.gate_shots_2q) == (40, 60)


def test_wrong_devices_and_tokens_are_named(server):
    with pytest.raises(TypeError, match="`device` must be a backend of qiskit-ionq, but got 'qpu'"):
        IonQSampler("qpu")
    device = build_device(server.url)
    device.client._token = "wrong"
    with pytest.raises(IonQServiceError, match=r"status 401"):
        QiskitBackend(IonQSampler(device, retry_seconds=0.01), shots=10).expectations(CIRCUIT, *angles())
