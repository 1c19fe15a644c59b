"""IonQ's devices through the real qiskit-ionq client, against a stand-in of the service."""

import json

import numpy as np
import pytest
import torch
from qiskit.primitives import BackendSamplerV2
from qiskit.providers import JobStatus
from qiskit.providers.fake_provider import GenericBackendV2

from ionq_access import backend_on, make_sampler, server
from ionq_run import CIRCUIT, angles, build_device
from setfit_quantum import Circuit, Gate, NoiseModel, QuantumHead
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.ionq import IonQSampler
from setfit_quantum.backends.ionq.service import IonQServiceError
from setfit_quantum.backends.pricing import QpuRates, estimate_qpu
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.head import dry_run, estimate_circuits

__all__ = ["server"]  # the fixture

TORCH = get_backend("torch")


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


@pytest.mark.parametrize(("name", "entangler"), [("qpu.forte-1", "zz"), ("qpu.aria-1", "ms")])
def test_native_gates_mean_the_same_there(server, name, entangler):
    device = build_device(server.url, name, gateset="native")
    sampler = IonQSampler(device, poll_seconds=0.01)
    found = QiskitBackend(sampler, shots=4000).expectations(CIRCUIT, *angles())
    sent = server.submissions[0]["input"]
    names = {gate["gate"] for item in sent["circuits"] for gate in item["circuit"]}
    assert (sent["gateset"], names) == ("native", {"gpi", "gpi2", entangler})
    torch.testing.assert_close(found, TORCH.expectations(CIRCUIT, *angles()), atol=0.08, rtol=0)


def test_wires_are_told_apart_where_few_are_measured(server):
    circuit = build_reuploading(9, 1, 1, 1, 1)
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(circuit.num_parameters, generator=generator, dtype=torch.float64)
    features = torch.randn(3, 9, generator=generator, dtype=torch.float64)
    for n_readout in (2, 9):
        found = backend_on(server, shots=4000).expectations(circuit, weights, features, n_readout=n_readout)
        exact = TORCH.expectations(circuit, weights, features, n_readout=n_readout)
        torch.testing.assert_close(found, exact, atol=0.08, rtol=0)


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


def test_a_broken_answer_leaves_open_whether_the_job_was_taken(server, tmp_path):
    """Status 500 of a submission is no refusal: the job is looked for, and stays in the journal."""
    server.faults = ["break"]
    backend_on(server, journal=tmp_path / "one.json").expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1
    server.faults, server.query_faults = ["break"], [500] * 3  # the search fails as well
    with pytest.raises(IonQServiceError, match=r"did not answer list of jobs in 3 attempts: later \(status 500\)"):
        backend_on(server, journal=tmp_path / "two.json").expectations(CIRCUIT, *angles())
    backend_on(server, journal=tmp_path / "two.json").expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 2


def test_all_jobs_are_looked_through(server):
    server.faults = ["drop"]
    server.page = 1
    others = {f"other-{number}": {"status": "completed", "body": {"metadata": {}}} for number in range(50)}
    submit = server.submit

    def submit_among_others(body):
        answer = submit(body)
        server.jobs.update(others)  # later ones, which are listed first
        return answer

    server.submit = submit_among_others
    backend_on(server).expectations(CIRCUIT, *angles())
    assert len(server.submissions) == 1
    assert sum(call == ("GET", "/v0.4/jobs") for call in server.requests) == 51


def test_a_service_that_stays_away_is_an_error(server):
    server.faults = [503] * 10
    with pytest.raises(IonQServiceError, match="could not be given a job in 3 attempts"):
        backend_on(server).expectations(CIRCUIT, *angles())
    assert len(server.faults) == 7


def test_queries_are_repeated(server):
    server.query_faults = [502, 409, 500]
    backend_on(server, retries=3).expectations(CIRCUIT, *angles())
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


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("simulator", {"debiasing": True}, "`debiasing` must be False on IonQ's simulators"),
        ("qpu.forte-1", {"sharpen": True}, "`sharpen` must be None without debiasing, but got True"),
        ("qpu.forte-1", {"max_circuits": 0}, "`max_circuits` must be at least 1"),
    ],
)
def test_settings_without_effect_are_refused(server, name, options, message):
    with pytest.raises(ValueError, match=message):
        make_sampler(server, name, **options)


def test_the_noisy_simulator_counts_shots_as_a_machine_does(server):
    device = build_device(server.url, "simulator")
    device.set_options(noise_model="aria-1")
    sampler = IonQSampler(device, poll_seconds=0.01)
    found = QiskitBackend(sampler, shots=10_001).expectations(CIRCUIT, *angles())
    assert [body["shots"] for body in server.submissions] == [5001, 5000]
    assert {body["noise"]["model"] for body in server.submissions} == {"aria-1"}
    torch.testing.assert_close(found, TORCH.expectations(CIRCUIT, *angles()), atol=0.05, rtol=0)


def test_progress_is_logged(server, caplog):
    with caplog.at_level("INFO", logger="setfit_quantum"):
        backend_on(server).expectations(CIRCUIT, *angles())
    (job_id,) = server.jobs
    assert [record.getMessage() for record in caplog.records] == [
        f"Submitted job {job_id} of 6 circuits to ionq_qpu.forte-1.",
        f"Job {job_id} on ionq_qpu.forte-1 is started.",
        f"Job {job_id} on ionq_qpu.forte-1 is completed.",
    ]


def test_wrong_devices_and_tokens_are_named(server):
    with pytest.raises(TypeError, match="`device` must be a backend of qiskit-ionq, but got 'qpu'"):
        IonQSampler("qpu")
    device = build_device(server.url)
    with pytest.raises(TypeError, match=r"`sampler` must be .*backend.*; setfit_quantum\.backends\.ionq\.IonQSampler"):
        QiskitBackend(device)
    device.client._token = "wrong"
    with pytest.raises(IonQServiceError, match=r"status 401"):
        QiskitBackend(IonQSampler(device, retry_seconds=0.01), shots=10).expectations(CIRCUIT, *angles())


# --- the job's handle -------------------------------------------------------------------------------------------


def measured_circuit():
    circuit = CIRCUIT.to_qiskit()
    circuit.measure_all()
    return circuit, np.zeros((2, len(circuit.parameters)))


def test_a_job_tells_its_status_and_waits_only_for_its_result(server):
    server.hold = True
    job = make_sampler(server).run([measured_circuit()] * 2, shots=100)
    assert len(server.submissions) == 2  # both before anything is awaited
    assert list(server.jobs) == list(job.job_ids)
    assert job.status() is JobStatus.QUEUED
    assert not any((job.in_final_state(), job.done(), job.running(), job.cancelled()))
    server.hold = False
    for entry in server.jobs.values():
        entry["asked"] = 0
    assert job.running()
    assert [result.data.meas.num_shots for result in job.result()] == [100, 100]
    assert job.done()


def test_a_job_can_be_cancelled(server):
    server.hold = True
    job = make_sampler(server).run([measured_circuit()] * 2, shots=100)
    server.jobs[job.job_ids[0]]["status"] = "completed"
    job.cancel()
    assert [server.jobs[job_id]["status"] for job_id in job.job_ids] == ["completed", "canceled"]
    assert job.cancelled()
    with pytest.raises(IonQServiceError, match="is canceled"):
        job.result()


def test_results_of_other_circuits_are_an_error(server):
    server.children = False  # then they come in the order of the circuits
    server.results = lambda job_id: {"a": {"0": 1.0}, "b": {"7": 1.0}}
    with pytest.raises(IonQServiceError, match="has 6 circuits, but results of"):
        backend_on(server).expectations(CIRCUIT, *angles())
    server.results = lambda job_id: {str(number): {str(number): 1.0} for number in range(6)}
    found = backend_on(server).expectations(CIRCUIT, *angles())
    assert found.tolist() == [[1 - 2 * (number >> wire & 1) for wire in range(3)] for number in range(6)]
    server.children = True
    with pytest.raises(IonQServiceError, match=r"but results of \['0', '1'"):
        backend_on(server).expectations(CIRCUIT, *angles())
    server.results = lambda job_id: {}
    with pytest.raises(IonQServiceError, match="returned probabilities that are none"):
        backend_on(server).expectations(CIRCUIT, angles()[0], angles()[1][:1])


# --- dry runs of heads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shots", "debiasing"), [(500, False), (20_001, True)])
def test_a_heads_dry_run_is_what_is_sent(server, shots, debiasing):
    sampler = make_sampler(server, max_circuits=4, debiasing=debiasing)
    head = QuantumHead(6, n_qubits=3, n_reuploads=1, n_layers=1, seed=0, shots=shots, backend=QiskitBackend(sampler))
    x = torch.randn(10, 6, generator=torch.Generator().manual_seed(0))
    asked = len(server.requests)
    estimate = dry_run(head, x)
    assert len(server.requests) == asked
    head.eval().predict(x)
    circuits = [(body["shots"], item["circuit"]) for body in server.submissions for item in body["input"]["circuits"]]
    assert estimate.jobs == len(server.submissions)
    assert estimate.circuits == len(circuits)
    assert estimate.shots == sum(count for count, _ in circuits) == 10 * shots
    two = [(count, sum("controls" in gate for gate in gates)) for count, gates in circuits]
    assert estimate.gate_shots_2q == sum(count * gates for count, gates in two) > 0
    assert estimate.gate_shots_1q == sum(count * len(gates) for count, gates in circuits) - estimate.gate_shots_2q
    rates = QpuRates(usd_1q=0.0, usd_2q=0.0, minimum_usd=1.0, minimum_usd_debiased=2.0)
    assert dry_run(head, x, rates=rates).usd == len(circuits) * (2.0 if debiasing else 1.0)


def test_dry_runs_need_shots_and_a_machine(server):
    x = torch.ones(1, 6)
    head = QuantumHead(6, n_qubits=3, seed=0)
    with pytest.raises(BackendError, match="'numba' sends nothing to a machine"):
        dry_run(head, x)
    head.backend = QiskitBackend(make_sampler(server))
    with pytest.raises(BackendError, match="`shots` must be given"):
        dry_run(head, x)
    classical = QuantumHead(6, n_qubits=3, classifier="linear")
    for estimate in (dry_run, estimate_circuits):
        with pytest.raises(ValueError, match="`head` must have a quantum classifier, but has classifier='linear'"):
            estimate(classical, x)
    for backend in ("qiskit", QiskitBackend(BackendSamplerV2(backend=GenericBackendV2(3)), shots=10)):
        head.backend = backend
        with pytest.raises(BackendError, match=r"knows prices of `IonQSampler` only; `setfit_quantum.head.estimate_"):
            dry_run(head, x)
