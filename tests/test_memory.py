"""Requests that cannot fit are refused before anything is allocated; those that fit take what was reckoned."""

import subprocess
import sys

import pytest
import torch

from setfit_quantum import QuantumHead
from setfit_quantum.backends import BackendError, get_backend, get_backend_class, memory, statevector
from setfit_quantum.backends.memory import InsufficientMemoryError, available_bytes, check_memory
from setfit_quantum.circuit import Circuit, Gate
from setfit_quantum.circuit.ansatz import build_layer, build_reuploading

CPU = torch.device("cpu")
MIB = 2**20


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 100 * MIB)


# --- what is available --------------------------------------------------------------------------------------------


def build_system(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return available_bytes(CPU, root)


MEMINFO = "MemTotal:       8000 kB\nMemAvailable:   4000 kB\nSwapFree:   9000 kB\n"


def test_without_limits_it_is_what_the_system_has(tmp_path):
    assert build_system(tmp_path, {"proc/meminfo": MEMINFO}) == 4000 * 1024


def test_a_control_group_limits_it(tmp_path):
    group = "sys/fs/cgroup/jobs"
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "0::/jobs/mine\n",
        f"{group}/mine/memory.max": "max\n",
        f"{group}/mine/memory.current": "1000\n",
        f"{group}/memory.max": "2000000\n",
        f"{group}/memory.current": "500000\n",
        f"{group}/memory.stat": "anon 400000\ninactive_file 70000\nactive_file 1\n",
    }
    assert build_system(tmp_path, files) == 2_000_000 - 500_000 + 70_000


def test_so_does_one_of_the_first_version(tmp_path):
    group = "sys/fs/cgroup/memory"  # inside a container its own group is the root
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "5:devices:/\n4:cpu,memory:/docker/abc\n0::/\n",
        f"{group}/memory.limit_in_bytes": "3000000\n",
        f"{group}/memory.usage_in_bytes": "3100000\n",
        f"{group}/memory.stat": "total_inactive_file 0\n",
    }
    assert build_system(tmp_path, files) == 0
    assert build_system(tmp_path, {f"{group}/memory.usage_in_bytes": "2900000\n"}) == 100_000


def test_elsewhere_nothing_is_known_and_nothing_refused(tmp_path, monkeypatch):
    assert available_bytes(CPU, tmp_path) is None
    monkeypatch.setattr(memory, "available_bytes", lambda device: None)
    check_memory("numba", lambda batch: 2**60, n_qubits=50, batch=1, training=False)


def test_of_a_gpu_it_is_what_is_free_or_kept_by_torch(monkeypatch):
    for name, value in (("mem_get_info", (500, 1000)), ("memory_reserved", 300), ("memory_allocated", 100)):
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert available_bytes(torch.device("cuda")) == 500 + 300 - 100


def test_here_it_is_plausible():
    assert 2**26 < available_bytes(CPU) < 2**50


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_refusal_says_what_is_needed_what_there_is_and_what_fits(little_memory):
    with pytest.raises(InsufficientMemoryError) as refusal:
        check_memory("numba", lambda batch: batch * 30 * MIB, n_qubits=20, batch=16, training=True)
    assert str(refusal.value) == (
        "Backend 'numba' needs at least 503,316,480 bytes to train 20 qubits with a batch of 16, but 104,857,600 bytes "
        "are available on cpu; a batch of 2 fits."
    )
    with pytest.raises(MemoryError, match=r"evaluate 30 qubits .* not even one sample fits, so lower `n_qubits`"):
        check_memory("numba", lambda batch: 2**30 * batch, n_qubits=30, batch=4, training=False)
    check_memory("numba", lambda batch: 100 * MIB, n_qubits=20, batch=1, training=False)
    assert issubclass(InsufficientMemoryError, BackendError)


@pytest.mark.parametrize("name", ["numba", "torch", "torchquantum"])
@pytest.mark.parametrize("quantity", ["expectations", "moments", "probabilities"])
@pytest.mark.parametrize("training", [False, True])
def test_every_simulator_refuses(name, quantity, training):
    backend, circuit = get_backend(name), build_layer(44, 1)
    weights = torch.zeros(circuit.num_parameters, requires_grad=training)
    # 16 TiB of float32 for one state: this machine refuses it as it is.
    with pytest.raises(InsufficientMemoryError, match=rf"Backend '{name}' needs .* 44 qubits with a batch of 1, but"):
        getattr(backend, quantity)(circuit, weights)


def test_the_gpu_engine_refuses(monkeypatch, little_memory):
    monkeypatch.setattr("setfit_quantum.backends.cuda_engine.backend.check_available", lambda: None)
    monkeypatch.setattr("setfit_quantum.backends.cuda_engine.backend.device_type", lambda: "cpu")
    backend, circuit = get_backend_class("cuda")(), build_layer(20, 1)
    weights = torch.zeros(64, circuit.num_parameters)
    with pytest.raises(InsufficientMemoryError, match=r"'cuda' needs at least 268,435,456 bytes .* a batch of 16 fits"):
        backend.expectations(circuit, weights)
    with pytest.raises(InsufficientMemoryError, match=r"at least 536,870,912 bytes to train .* a batch of 8 fits"):
        backend.expectations(circuit, weights.requires_grad_())


def test_training_a_head_is_refused_in_one_piece(little_memory):
    head = QuantumHead(8, n_qubits=20, seed=0)
    head.train()
    with pytest.raises(InsufficientMemoryError, match="to train 20 qubits with a batch of 16, but 104,857,600 bytes"):
        head(torch.ones(16, 8))


def test_a_wide_encoder_counts_too(little_memory):
    head = QuantumHead(2**20, n_qubits=3, encoder_layers=1, encoder_connectivity=1, seed=0).train()
    assert head.config.resolve_encoder_qubits(2**20) == 21  # one amplitude more is the bias
    with pytest.raises(InsufficientMemoryError, match="to train 21 qubits with a batch of 9"):
        head(torch.ones(9, 2**20))


def test_density_matrices_count_too(little_memory):
    from setfit_quantum import NoiseModel

    circuit = build_layer(8, 1)
    weights = torch.zeros(100, circuit.num_parameters)
    with pytest.raises(InsufficientMemoryError, match=r"'torch' needs .* 8 qubits with a batch of 100"):
        get_backend("torch").moments_density(circuit, weights, noise=NoiseModel.depolarizing(0.01, 0.02))


# --- what is reckoned is what is taken ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["torch", "torchquantum"])
@pytest.mark.parametrize("with_features", [False, True])
def test_autograd_keeps_the_states_that_were_counted(monkeypatch, name, with_features):
    reckoned = []
    monkeypatch.setattr(statevector, "check_memory", lambda name, required, **rest: reckoned.append(required(4)))
    circuit = build_reuploading(8, 2, 1, 1, 1) + Circuit(8, (Gate("ry", (0,), angle=0.1),))
    weights = torch.randn(circuit.num_parameters, requires_grad=True)
    features = torch.randn(4, 8, requires_grad=with_features)
    storages = {}

    def keep(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor  # kept, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        get_backend(name).expectations(circuit, weights, features)
    kept = sum(tensor.untyped_storage().nbytes() for tensor in storages.values())
    state = 4 * 2**8 * (8 if name == "torchquantum" else 4)
    assert 0 < reckoned[0] - kept <= 5 * state  # what a backward pass works with beside them


MEASURE = """
import torch
from setfit_quantum.backends import get_backend
from setfit_quantum.backends.numba_engine.measure import EXPECTATIONS
from setfit_quantum.backends.numba_engine.needs import required_bytes
from setfit_quantum.circuit.ansatz import build_reuploading

def read(name):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))

def run(n_qubits, batch, training):
    circuit = build_reuploading(n_qubits, 4, 1, 2, 1)
    weights = torch.randn(circuit.num_parameters, requires_grad=training)
    z = get_backend("numba").expectations(circuit, weights, torch.randn(batch, n_qubits))
    if training:
        z.sum().backward()

run(4, 16, True)  # compiles
for n_qubits, batch, training in ((20, 16, True), (20, 1, False)):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is what is taken from here on
    before = read("VmRSS")
    run(n_qubits, batch, training)
    print(read("VmHWM") - before, required_bytes(n_qubits, n_qubits, EXPECTATIONS, training, (0, 0), batch))
"""


def test_twenty_qubits_take_what_was_reckoned_and_train_within_three_states():
    result = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=300)
    (training, reckoned), (evaluating, reckoned_too) = (map(int, line.split()) for line in result.stdout.splitlines())
    assert training <= 3 * 16 * 2**20 * 4
    # Of one tile of eight samples: amplitudes, and a block of probabilities with a sum of each block.
    assert reckoned_too == (2**20 + 2**9 + 2**11) * 8 * 4
    for found, expected in ((training, reckoned), (evaluating, reckoned_too)):
        assert 0.7 * expected < found < 1.1 * expected + 16 * MIB
