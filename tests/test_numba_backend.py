"""The fast CPU engine against the readable reference, Qiskit, finite differences, and its own promises."""

import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qiskit_reference import final_state, pauli_signs
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.numba_engine import NumbaBackend
from setfit_quantum.backends.numba_engine import program as program_module
from setfit_quantum.backends.numba_engine.program import compile_program
from setfit_quantum.circuit import Circuit, Gate
from setfit_quantum.circuit.ansatz import build_encoder, build_pqc, build_reuploading
from setfit_quantum.noise import PauliErrors
from strategies import random_circuits, random_error_codes, random_inputs

GATES = ("ry", "cx")


@pytest.fixture(scope="module")
def fast():
    return NumbaBackend()


@pytest.fixture(scope="module")
def reference():
    return get_backend("torch")


@st.composite
def cases(draw, max_qubits=6, min_qubits=1):
    circuit = draw(random_circuits(max_qubits, GATES, min_qubits=min_qubits, max_gates=30))
    inputs = draw(random_inputs(circuit, max_batch=19))
    n_readout = draw(st.integers(1, circuit.n_qubits))
    codes = draw(random_error_codes(circuit, inputs.batch)) if draw(st.booleans()) else None
    return circuit, inputs, n_readout, None if codes is None else PauliErrors(codes)


def relative(a, b):
    return float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-3))


def check_against_float64(fast, reference, circuit, batch):
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(circuit.num_parameters, generator=generator, dtype=torch.float64, requires_grad=True)
    features = torch.randn(batch, circuit.n_features, generator=generator, dtype=torch.float64)
    features = features.requires_grad_() if circuit.n_features else None
    state = None
    if features is None:
        state = torch.nn.functional.normalize(
            torch.randn(batch, min(769, 2**circuit.n_qubits), generator=generator, dtype=torch.float64)
        )
    cotangent = torch.randn(batch, circuit.n_qubits, generator=generator, dtype=torch.float64)
    expected = reference.expectations(circuit, weights, features, state)
    expected.backward(cotangent)
    single = [None if t is None else t.detach().float().requires_grad_() for t in (weights, features, state)]
    actual = fast.expectations(circuit, *single)
    actual.backward(cotangent.float())
    assert (actual - expected).abs().max() < 1e-5
    assert relative(single[0].grad, weights.grad) < 2e-5
    if features is not None:
        assert relative(single[1].grad, features.grad) < 2e-5


def gradients(output, tensors, cotangent):
    given_tensors = [tensor for tensor in tensors if tensor is not None]
    return torch.autograd.grad(output, given_tensors, cotangent.to(output.dtype), allow_unused=True)


@given(cases())
def test_agrees_with_reference_in_all_outputs(fast, reference, case):
    circuit, inputs, n_readout, errors = case
    single = inputs.to(torch.float32)
    options = {"n_readout": n_readout, "errors": errors}
    z = fast.expectations(circuit, *single, **options)
    assert (z - reference.expectations(circuit, *inputs, **options)).abs().max() < 1e-5
    moments, expected = fast.moments(circuit, *single, **options), reference.moments(circuit, *inputs, **options)
    assert (moments.z - expected.z).abs().max() < 1e-5
    assert (moments.zz - expected.zz).abs().max() < 1e-5
    probabilities = fast.probabilities(circuit, *single, **options)
    assert (probabilities - reference.probabilities(circuit, *inputs, **options)).abs().max() < 1e-5


@contextmanager
def programs_with(monkeypatch, **sizes):
    """Compile programs as if these limits on qubits were others."""
    for name, qubits in sizes.items():
        monkeypatch.setattr(program_module, name, qubits)
    compile_program.cache_clear()
    yield
    compile_program.cache_clear()


several_passes = pytest.mark.parametrize(
    "build", [lambda: build_encoder(7, 2, 6), lambda: build_reuploading(6, 2, 1, 2, 3)]
)


@pytest.fixture
def narrow_passes(monkeypatch):
    """Make small circuits take the gathering path of wide ones."""
    with programs_with(monkeypatch, DIRECT_QUBITS=3, PASS_QUBITS=3):
        yield


@several_passes
@pytest.mark.usefixtures("narrow_passes")
def test_gathered_passes_agree_with_float64(fast, reference, build):
    circuit = build()
    assert len(compile_program(circuit).passes) > 3
    check_against_float64(fast, reference, circuit, batch=11)


@pytest.fixture
def near_passes(monkeypatch):
    """Make small circuits take turns between neighbouring rows and all rows, as wide ones do."""
    with programs_with(monkeypatch, ONE_PASS_QUBITS=3, NEAR_QUBITS=4):
        yield


@several_passes
@pytest.mark.usefixtures("near_passes")
def test_passes_over_neighbouring_rows_agree_with_float64(fast, reference, build):
    circuit = build()
    program = compile_program(circuit)
    widths = program.passes[:, 3].tolist()
    assert set(widths) == {4, circuit.n_qubits}
    assert len(widths) > 3
    rotations = sorted(int(rotation) for row in program.operations for rotation in row[1:6] if rotation >= 0)
    assert rotations == list(range(program.n_rotations))
    check_against_float64(fast, reference, circuit, batch=11)


@given(cases(min_qubits=4))
@pytest.mark.usefixtures("near_passes")
def test_any_circuit_agrees_in_passes_over_neighbouring_rows(fast, reference, case):
    circuit, inputs, n_readout, errors = case
    options = {"n_readout": n_readout, "errors": errors}
    z = fast.expectations(circuit, *inputs.to(torch.float32), **options)
    assert (z - reference.expectations(circuit, *inputs, **options)).abs().max() < 1e-5


def test_wide_circuits_do_most_in_neighbouring_rows():
    """At 18 qubits a sweep over all rows is one over more than a second-level cache."""
    program = compile_program(build_encoder(18))
    near = [last - first for first, last, _, width in program.passes if width < 18]
    sweeps = len(program.operations) - sum(near) + len(near)
    assert sum(near) > len(program.operations) / 2
    assert sweeps < 180  # 267 operations are needed without such passes


@given(cases(), st.sampled_from(("expectations", "moments", "probabilities")))
def test_gradients_agree_with_float64_autograd(fast, reference, case, method):
    circuit, inputs, n_readout, errors = case
    single = inputs.to(torch.float32)
    for group in (single, inputs):
        for tensor in group:
            if tensor is not None:
                tensor.requires_grad_()
    ours = getattr(fast, method)(circuit, *single, n_readout=n_readout, errors=errors)
    theirs = getattr(reference, method)(circuit, *inputs, n_readout=n_readout, errors=errors)
    if method == "moments":
        ours, theirs = (torch.cat([moments.z, moments.zz.flatten(1)], dim=1) for moments in (ours, theirs))
    cotangent = torch.randn(theirs.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    if not theirs.requires_grad:
        return
    for mine, yours in zip(gradients(ours, single, cotangent), gradients(theirs, inputs, cotangent), strict=True):
        assert mine is not None
        expected = torch.zeros_like(mine, dtype=torch.float64) if yours is None else yours
        assert torch.linalg.vector_norm(mine - expected) < 2e-5 * max(1.0, float(cotangent.norm()))


@given(cases(max_qubits=4))
def test_agrees_with_qiskit(fast, case):
    circuit, inputs, _, _ = case
    z = fast.expectations(circuit, *inputs.to(torch.float32))
    for row in range(inputs.batch):
        amplitudes = final_state(circuit, *inputs.row(row))
        np.testing.assert_allclose(z[row], np.abs(amplitudes) ** 2 @ pauli_signs(circuit.n_qubits), atol=1e-5)


@pytest.mark.parametrize(
    ("circuit", "batch"),
    [
        (build_encoder(10), 16),
        (build_reuploading(10, 4, 1, 2, 1), 16),
        (build_encoder(12), 9),
        (build_pqc(15, 1, 2), 3),
        (build_pqc(17, 1, 2), 2),  # wider than one pass
    ],
)
def test_paper_circuits_agree_with_float64(fast, reference, circuit, batch):
    check_against_float64(fast, reference, circuit, batch)


def test_gradient_matches_finite_differences(fast):
    circuit = build_reuploading(3, 2, 1, 2, 1)
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(circuit.num_parameters, generator=generator, requires_grad=True)
    features = torch.randn(2, 3, generator=generator, requires_grad=True)
    fast.expectations(circuit, weights, features).sum().backward()
    step = 1e-2

    def value(w, f):
        with torch.no_grad():
            return fast.expectations(circuit, w, f).double().sum()

    for tensor, gradient in ((weights, weights.grad), (features, features.grad)):
        for index in np.ndindex(*tensor.shape):
            shift = torch.zeros_like(tensor)
            shift[index] = step
            pair = [(tensor + shift, features) if tensor is weights else (weights, tensor + shift)]
            pair.append((tensor - shift, features) if tensor is weights else (weights, tensor - shift))
            slope = (value(*pair[0]) - value(*pair[1])) / (2 * step)
            assert abs(slope - gradient[index]) < 2e-3


def test_the_compiled_kernel_did_the_work(fast, monkeypatch):
    """The kernels count the rows they sweep; nothing else can raise the counter."""
    circuit = build_pqc(5, 2, 2)
    weights = torch.zeros(circuit.num_parameters, requires_grad=True)
    monkeypatch.setattr(
        "setfit_quantum.backends.torch_reference.TorchBackend.expectations",
        lambda *args, **kwargs: pytest.fail("the reference backend was called"),
    )
    before = fast.rows_swept
    output = fast.expectations(circuit, weights, None, torch.eye(32)[:9])
    operations = len(compile_program(circuit).operations)
    assert fast.rows_swept - before == 2 * 32 * operations  # two tiles for nine samples
    output.sum().backward()
    assert fast.rows_swept - before == (1 + 2) * 2 * 32 * operations


def test_operations_join_blocks():
    """A ring of Q blocks needs fewer than Q sweeps, and no block is lost."""
    program = compile_program(build_encoder(10))
    rotations = [int(rotation) for row in program.operations for rotation in row[1:6] if rotation >= 0]
    assert sorted(rotations) == list(range(program.n_rotations))
    assert len(program.sources) == 280
    assert len(program.operations) <= 160


def test_chains_do_the_rotations_before_them():
    """A column of rotations before a ring takes no sweep of its own."""
    both = compile_program(build_reuploading(10, 1, 1, 1, 1))
    chains, last_column = both.operations[:10], both.operations[10:]
    assert (chains[:, program_module.KIND] > program_module.CHAIN).all()
    assert (last_column[:, program_module.KIND] < program_module.CNOT).all()
    rotations = sorted(int(rotation) for row in both.operations for rotation in row[1:6] if rotation >= 0)
    assert rotations == list(range(both.n_rotations))


def test_neighbouring_rotations_become_one():
    """The column that ends PQC1 and the next encoding are one rotation per wire."""
    circuit = build_reuploading(10, 4, 1, 2, 1)
    program = compile_program(circuit)
    assert len(program.sources) == circuit.count_ops()["ry"] == 150
    assert program.n_rotations <= 150 - 3 * 10


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")  # or the peak depends on whether two threads' buffers overlap in time
def test_memory_does_not_grow_with_depth(fast):
    def peak(n_layers):
        circuit = build_pqc(14, n_layers, 1)
        weights = torch.zeros(circuit.num_parameters, requires_grad=True)
        state = torch.ones(16, 2**14) / 128
        fast.expectations(circuit, weights, None, state).sum().backward()  # compile outside the measurement
        tracemalloc.start()
        fast.expectations(circuit, weights, None, state).sum().backward()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    shallow, deep = peak(2), peak(40)
    states = 16 * 2**14 * 4
    assert shallow > states / 2  # numpy reports to tracemalloc, so the states were seen
    assert deep - shallow < states / 4


def test_backward_twice_gives_the_same_gradient(fast):
    circuit = build_pqc(4, 2, 1)
    weights = torch.linspace(-1, 1, circuit.num_parameters, requires_grad=True)
    output = fast.expectations(circuit, weights).sum()
    first = torch.autograd.grad(output, weights, retain_graph=True)[0]
    second = torch.autograd.grad(output, weights)[0]
    assert torch.equal(first, second)


def test_many_threads_at_once(fast, monkeypatch):
    """Concurrent callers get what they would get alone, bit for bit."""
    monkeypatch.setattr("setfit_quantum.backends.numba_engine.threads.MIN_ROWS_PER_THREAD", 1)
    circuit = build_reuploading(6, 2, 1, 2, 1)

    def run(seed):
        generator = torch.Generator().manual_seed(seed)
        weights = torch.randn(circuit.num_parameters, generator=generator, requires_grad=True)
        features = torch.randn(1 + 5 * seed, 6, generator=generator)
        output = fast.expectations(circuit, weights, features)
        output.sum().backward()
        return output.detach(), weights.grad

    alone = [run(seed) for seed in range(12)]
    with ThreadPoolExecutor(12) as pool:
        for _ in range(5):
            for (output, gradient), (expected, expected_gradient) in zip(pool.map(run, range(12)), alone, strict=True):
                assert torch.equal(output, expected)
                assert torch.equal(gradient, expected_gradient)


def test_thread_count_does_not_change_results(fast, monkeypatch):
    monkeypatch.setattr("setfit_quantum.backends.numba_engine.threads.MIN_ROWS_PER_THREAD", 1)
    circuit = build_encoder(8, 3, 5)
    weights = torch.linspace(-3, 3, circuit.num_parameters, requires_grad=True)
    state = torch.nn.functional.normalize(torch.randn(40, 200, generator=torch.Generator().manual_seed(0)))
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            output = fast.expectations(circuit, weights, None, state)
            results.append((output, torch.autograd.grad(output.sum(), weights)[0]))
    finally:
        torch.set_num_threads(threads)
    for output, gradient in results[1:]:
        assert torch.equal(output, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_engine_works_in_a_forked_child(fast):
    """The parent's worker threads do not exist there."""
    script = (
        "import os, torch\n"
        "from setfit_quantum.backends.numba_engine import NumbaBackend, threads\n"
        "from setfit_quantum.circuit.ansatz import build_pqc\n"
        "threads.MIN_ROWS_PER_THREAD = 1\n"
        "circuit, weights, state = build_pqc(4, 2, 1), torch.linspace(-1, 1, 12), torch.eye(16)[:16]\n"
        "run = lambda: NumbaBackend().expectations(circuit, weights, None, state)\n"
        "expected = run()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if torch.equal(run(), expected) else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert torch.equal(run(), expected)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_compiled_code_is_cached_on_disk(tmp_path):
    """A second process loads the kernels instead of compiling them."""
    script = (
        "import torch\n"
        "from setfit_quantum.backends.numba_engine import NumbaBackend\n"
        "from setfit_quantum.backends.numba_engine.work import work\n"
        "from setfit_quantum.circuit.ansatz import build_pqc\n"
        "circuit = build_pqc(2, 1, 1)\n"
        "NumbaBackend().expectations(circuit, torch.zeros(4, requires_grad=True)).sum().backward()\n"
        "print(sum(work.stats.cache_hits.values()))\n"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    hits = [
        subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in hits] == ["0", "1"]
    assert "Compiling the simulator" in hits[0].stderr
    assert "Compiling the simulator" not in hits[1].stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": torch.zeros(4, dtype=torch.float64)}, "float32 on the CPU, but `weights` is torch.float64"),
        ({"weights": torch.zeros(4, device="meta")}, "`weights` is torch.float32 on meta"),
        ({"initial_state": torch.zeros(2, 5)}, "`initial_state` must have shape"),
        ({"n_readout": 3}, "`n_readout` must be between 1 and 2"),
        ({"errors": PauliErrors(np.zeros((3, 1), np.uint8))}, r"`errors` must have codes of shape \(6, 1\)"),
    ],
)
def test_bad_input(fast, arguments, message):
    circuit = build_pqc(2, 1, 1)
    with pytest.raises(ValueError, match=message):
        fast.expectations(circuit, **({"weights": torch.zeros(4)} | arguments))


def test_other_gates_are_refused_by_name(fast):
    with pytest.raises(BackendError, match="'numba' does not run the gates h, rz; backend='torch' does"):
        fast.expectations(Circuit(1, (Gate("h", (0,)), Gate("rz", (0,), angle=0.1))), torch.zeros(0))


def test_density_matrices_are_refused_by_name(fast):
    with pytest.raises(BackendError, match="'numba' does not evolve density matrices"):
        fast.moments_density(build_pqc(2, 1, 1), torch.zeros(4), noise=None)
