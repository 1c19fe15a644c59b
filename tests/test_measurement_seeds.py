"""`measure` is reproducible: a seed decides, whatever the pieces, the batch size and the number of threads."""

import numpy as np
import pytest
import torch

from measuring import NOISE, RELAXING, example_angles, run_measure
from setfit_quantum.backends import get_backend
from setfit_quantum.measurement import device, trajectories

RANDOM = [
    {"noise": NOISE, "n_trajectories": 7},
    {"noise": NOISE, "shots": 40},
    {"noise": NOISE, "shots": 40, "share_trajectories_among_shots": True, "n_trajectories": 7},
    {"shots": 40},
    {"shots": 40, "sampler": "gaussian"},
    {"noise": NOISE, "shots": 40, "sampler": "gaussian", "n_trajectories": 1},
    {"noise": RELAXING, "shots": 40},
]


@pytest.mark.parametrize("options", RANDOM)
def test_a_seed_gives_the_same_result_whatever_the_pieces(options, monkeypatch):
    whole = run_measure(seed=5, **options)
    torch.testing.assert_close(run_measure(seed=5, **options), whole, rtol=0, atol=0)
    assert not torch.equal(run_measure(seed=6, **options), whole)
    monkeypatch.setattr(trajectories, "MAX_AMPLITUDES", 32)
    monkeypatch.setattr(device, "MAX_RANDOM_NUMBERS", 100)
    torch.testing.assert_close(run_measure(seed=5, **options), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{"noise": NOISE, "n_trajectories": 7}, {"noise": NOISE, "shots": 40}, {"shots": 9}]
)
def test_a_seed_gives_the_same_result_whatever_the_batch_size(options):
    weights, features = example_angles(batch=6)
    whole = run_measure(seed=5, angles=(weights, features), **options)
    rng = np.random.default_rng(5)
    parts = [run_measure(seed=rng, angles=(weights, features[rows]), **options) for rows in (slice(0, 4), slice(4, 6))]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-12)


def test_results_do_not_depend_on_the_number_of_threads():
    threads = torch.get_num_threads()
    numba, angles = get_backend("numba"), example_angles(batch=100, dtype=torch.float32)
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(
                [run_measure(seed=5, backend=numba, angles=angles, noise=NOISE, shots=s) for s in (None, 20)]
            )
    finally:
        torch.set_num_threads(threads)
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


def test_training_continues_the_generator():
    rng = np.random.default_rng(1)
    assert not torch.equal(*(run_measure(seed=rng, training=True, noise=NOISE, shots=10) for _ in range(2)))
