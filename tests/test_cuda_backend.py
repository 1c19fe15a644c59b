"""The GPU engine without a GPU: its plans, its arithmetic in numba's simulator, and that its kernels compile."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from setfit_quantum import QuantumHead
from setfit_quantum.backends import BackendError, get_backend, get_backend_class
from setfit_quantum.backends.cuda_engine.call import count_floats, shape_block
from setfit_quantum.backends.cuda_engine.plan import (
    FIRST_STEP,
    LAST_STEP,
    MAX_OPERATION_ROTATIONS,
    N_ROTATIONS,
    PAIRS,
    SHIFTS,
    build_plan,
)
from setfit_quantum.backends.numba_engine.program import CONSTANT, FEATURE
from setfit_quantum.circuit.ansatz import build_encoder, build_reuploading
from strategies import random_circuits, random_inputs

TESTS = Path(__file__).parent
SHARED_MEMORY = 48 * 1024
"""Bytes that a thread block gets on every GPU without asking for more."""


def test_in_the_simulator():
    """The engine's own cases, and the suite that every backend passes."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "cuda_simulation.py"]
    # Shots are drawn after the backend is done; hundreds of trajectories would take the simulator minutes.
    command += ["test_backend_suite.py", "-k", "cuda and not within_their_error"]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "28 passed" in result.stdout


# --- plans --------------------------------------------------------------------------------------------------------


def follow(plan, weights, features, state):
    """The plan's final state, step by step in numpy."""
    state = np.concatenate([state, np.zeros(2**plan.width - len(state))])
    index = np.arange(len(state))
    rotation = 0
    for launch in plan.launches:
        assert sorted(launch.inner + launch.outer) == list(range(plan.width))
        assert rotation == launch.first_rotation
        for operation in plan.operations[launch.first_operation : launch.last_operation]:
            shifts = [launch.inner[shift] for shift in operation[SHIFTS:]]
            for code in plan.codes[operation[FIRST_STEP] : operation[LAST_STEP]]:
                if code >= N_ROTATIONS:
                    control, target = (shifts[place] for place in PAIRS[code - N_ROTATIONS])
                    state = state[np.where(index >> control & 1, index ^ (1 << target), index)]
                    continue
                angle = 0.0
                for kind, number, _ in plan.sources[plan.rotation_first[rotation] : plan.rotation_first[rotation + 1]]:
                    table = plan.constants if kind == CONSTANT else features if kind == FEATURE else weights
                    angle += table[number]
                bit = index >> shifts[code] & 1
                state = np.cos(angle / 2) * state + np.where(bit, 1, -1) * np.sin(angle / 2) * state[
                    index ^ (1 << shifts[code])
                ]  # fmt: skip
                rotation += 1
    assert rotation == plan.n_rotations
    return state


@given(data=st.data())
def test_plans_do_what_their_circuits_do(data):
    circuit = data.draw(random_circuits(8, ("ry", "cx"), max_gates=40))
    inputs = data.draw(random_inputs(circuit, max_batch=1, with_state=True))
    plan = build_plan(circuit, data.draw(st.integers(5, 8)))
    weights, features, state = inputs.row(0)
    found = follow(plan, weights, features, state)
    expected = get_backend("torch").state(circuit, *inputs)[0].numpy()
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-12)
    assert not found[len(expected) :].any()


@pytest.mark.parametrize("n_qubits", [2, 5, 10, 12, 16, 20])
def test_what_a_launch_needs(n_qubits):
    plan = build_plan(build_encoder(n_qubits, 3, min(9, n_qubits - 1)), 12)
    assert (len(plan.launches) == 1) == (n_qubits <= 12)
    for launch in plan.launches:
        threads, slots = shape_block(launch)
        assert 4 * count_floats(launch, threads, slots, backward=True) <= SHARED_MEMORY
        assert slots >= MAX_OPERATION_ROTATIONS
        assert launch.inner[:3] == (0, 1, 2)  # neighbours in memory are read together
    longest = build_plan(build_reuploading(12, 40, 1, 1, 1), 12).launches
    assert len(longest) > 1  # hundreds of angles do not fit beside the state
    for launch in longest:
        assert 4 * count_floats(launch, *shape_block(launch), backward=True) <= SHARED_MEMORY


# --- the kernels' code --------------------------------------------------------------------------------------------


def test_kernels_compile_and_keep_amplitudes_in_registers(monkeypatch):
    from numba import cuda, types
    from numba.cuda import dispatcher

    from setfit_quantum.backends.cuda_engine import kernels

    # Without a GPU nobody says for which one; 9.0 is an H100.
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    rows, integers, table = types.float32[:, ::1], types.int32[::1], types.int32[:, ::1]
    number, flag = types.int64, types.boolean
    program = (table, integers, integers, table, types.float64[::1], integers, *[number] * 6)
    program += (rows, number, rows, rows, flag)
    signatures = {
        kernels.run_forward: (*program, rows, number, number, rows, flag, table, number, integers, rows, number),
        kernels.run_backward: (
            *program, rows, rows, flag, flag, number, table, number, integers, rows, rows, number,
        ),
        kernels.propagate_errors: (table, number, types.uint8[:, ::1], rows, number, integers),
        kernels.collect_gradients: (integers, table, rows, rows, flag, rows),
    }  # fmt: skip
    for kernel, arguments in signatures.items():
        ptx, _ = cuda.compile_ptx(kernel.py_func, arguments, cc=(9, 0))
        assert ".entry" in ptx
        uses_trigonometry = kernel in (kernels.run_forward, kernels.run_backward)
        if uses_trigonometry:
            assert "ld.shared.f32" in ptx
        # Memory of a thread's own is used by the reduction of huge angles alone.
        assert ("__local_depot" in ptx) == uses_trigonometry
        calls = {line.split("(")[0] for line in ptx.splitlines() if line.strip().startswith("call")}
        assert not calls or uses_trigonometry


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_missing_gpu_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendError, match="'cuda' needs an NVIDIA GPU, but PyTorch finds none"):
        get_backend_class("cuda")()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("numba.cuda.is_available", lambda: False)
    with pytest.raises(BackendError, match=r"numba-cuda can use.*setfit-quantum\[cuda\].*backend='torch'"):
        get_backend_class("cuda")()


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'`backend` = .cuda. needs numba-cuda: pip install "setfit-quantum\[cuda\]"'):
        get_backend_class("cuda")()


def test_the_head_takes_it_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    head = QuantumHead(5, n_qubits=3, backend="cuda", seed=0)
    assert head.config.backend == "cuda"
    with pytest.raises(BackendError, match="needs an NVIDIA GPU"):
        head(torch.ones(2, 5))


def test_tensors_elsewhere_are_refused(monkeypatch):
    monkeypatch.setattr("setfit_quantum.backends.cuda_engine.backend.check_available", lambda: None)
    backend = get_backend_class("cuda")()
    circuit = build_encoder(3, 1, 1)
    with pytest.raises(BackendError, match=r"`weights` is torch.float32 on cpu; move the head with head.to\('cuda'\)"):
        backend.expectations(circuit, torch.zeros(circuit.num_parameters))


@pytest.mark.parametrize("shared_qubits", [4, 13])
def test_shared_qubits_are_checked(shared_qubits):
    with pytest.raises(ValueError, match=f"`shared_qubits` must be between 5 and 12, but got {shared_qubits}"):
        get_backend_class("cuda")(shared_qubits)
