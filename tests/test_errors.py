"""Drawn Pauli errors: their rates, kinds, conditional laws and reproducibility."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from setfit_quantum import Circuit, Gate, NoiseModel
from setfit_quantum.circuit.ansatz import build_reuploading
from setfit_quantum.noise import PauliErrors, clean_probability, draw_errors, draw_faulty_errors, draw_shot_errors
from setfit_quantum.noise.channels import pauli_probabilities

CIRCUIT = Circuit(2, (Gate("ry", (0,), weight=0), Gate("cx", (0, 1)), Gate("ry", (1,), feature=0)))
NOISE = NoiseModel(p1=0.06, p2=0.3)
DEPHASING = NoiseModel(p1=0.06, p2=0.3, t2=4.0, gate_time_1q=1.0, gate_time_2q=2.0)


def _assert_frequencies(counts, probabilities, total):
    """Counts within 5 standard deviations of their expectation."""
    expected = np.asarray(probabilities) * total
    spread = np.sqrt(expected * (1 - np.asarray(probabilities)))
    assert np.all(np.abs(np.asarray(counts) - expected) <= 5 * spread + 1e-9)


@pytest.mark.parametrize("noise", [NOISE, DEPHASING, NoiseModel(p1=1.0, p2=0.9)])
def test_each_pauli_comes_at_its_rate(noise):
    samples = 200_000
    codes = draw_errors(CIRCUIT, noise, samples, np.random.default_rng(1)).codes
    assert codes.shape == (3, samples)
    assert codes.dtype == np.uint8
    for row, probabilities in zip(codes, pauli_probabilities(CIRCUIT, noise), strict=True):
        _assert_frequencies(np.bincount(row, minlength=16), probabilities, samples)


@pytest.mark.parametrize(("p", "position", "n_paulis"), [(0.06, 0, 3), (0.3, 1, 15)])
def test_the_total_rate_is_p_and_not_three_quarters_of_it(p, position, n_paulis):
    samples = 200_000
    codes = draw_errors(CIRCUIT, NOISE, samples, np.random.default_rng(2)).codes[position]
    rate, spread = np.mean(codes > 0), np.sqrt(p * (1 - p) / samples)
    assert abs(rate - p) < 5 * spread
    # The test has the power to tell the conventions apart.
    assert abs(rate - p * 3 / 4) > 20 * spread
    assert abs(rate - p * (n_paulis + 1) / n_paulis) > 10 * spread
    assert set(np.unique(codes)) == set(range(n_paulis + 1))


def test_errors_of_gates_and_samples_are_independent():
    codes = draw_errors(CIRCUIT, NOISE, 200_000, np.random.default_rng(3)).codes > 0
    rates = [0.06, 0.3, 0.06]
    pattern = Counter(map(tuple, codes.T.tolist()))
    for outcome in product([False, True], repeat=3):
        p = np.prod([rate if hit else 1 - rate for rate, hit in zip(rates, outcome, strict=True)])
        _assert_frequencies([pattern[outcome]], [p], 200_000)
    neighbours = (codes[1, 0::2] & codes[1, 1::2]).sum()
    _assert_frequencies([neighbours], [0.09], 100_000)


def test_small_batches_are_drawn_at_the_same_rate_as_large_ones():
    rng = np.random.default_rng(4)
    circuit = build_reuploading(4, 1, 1, 1, 1)
    noise = NoiseModel.paper("high")
    batches = 20_000
    hits = sum(int((draw_errors(circuit, noise, 16, rng).codes > 0).sum()) for _ in range(batches))
    ops = circuit.count_ops()
    expected = batches * 16 * (ops["ry"] * 2e-4 + ops["cx"] * 2e-3)
    assert abs(hits - expected) < 5 * np.sqrt(expected)


def test_perfect_encoding_draws_no_errors_there():
    noise = NoiseModel(p1=0.5, p2=0.5, noisy_encoding=False)
    codes = draw_errors(CIRCUIT, noise, 1000, np.random.default_rng(0)).codes
    assert not codes[2].any()
    assert codes[0].any()


def test_a_shared_draw_is_the_same_for_the_whole_batch():
    rng = np.random.default_rng(5)
    drawn = [draw_errors(CIRCUIT, NOISE, 7, rng, shared=True).codes for _ in range(4000)]
    assert all(np.array_equal(codes, codes[:, :1].repeat(7, axis=1)) for codes in drawn)
    _assert_frequencies([sum(codes[1, 0] > 0 for codes in drawn)], [0.3], 4000)


def test_draws_depend_on_the_generator_alone():
    first, second = (draw_errors(CIRCUIT, NOISE, 500, np.random.default_rng(6)).codes for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, draw_errors(CIRCUIT, NOISE, 500, np.random.default_rng(7)).codes)


def test_equal_circuits_with_different_noise_are_not_confused():
    for p in (0.1, 0.9):
        codes = draw_errors(CIRCUIT, NoiseModel(p1=p), 2000, np.random.default_rng(0)).codes
        assert abs(np.mean(codes[0] > 0) - p) < 0.05


def test_clean_probability():
    assert clean_probability(CIRCUIT, NOISE) == pytest.approx(0.94 * 0.7 * 0.94)
    assert clean_probability(CIRCUIT, NoiseModel()) == 1
    assert clean_probability(CIRCUIT, NoiseModel(p2=1.0)) == 0
    assert clean_probability(Circuit(1), NOISE) == 1


@pytest.mark.parametrize("noise", [NOISE, DEPHASING, NoiseModel(p1=0.001, p2=0.002)])
def test_the_conditioned_draw_follows_the_exact_conditional_law(noise):
    samples = 200_000
    codes = draw_faulty_errors(CIRCUIT, noise, samples, np.random.default_rng(8)).codes
    assert codes.any(axis=0).all()
    probabilities = pauli_probabilities(CIRCUIT, noise)
    found = Counter(map(tuple, codes.T.tolist()))
    total = 0.0
    for pattern in product(range(4), range(16), range(4)):
        if any(pattern):
            p = np.prod([row[code] for row, code in zip(probabilities, pattern, strict=True)])
            p /= 1 - clean_probability(CIRCUIT, noise)
            total += p
            expected = p * samples
            assert abs(found[pattern] - expected) < 5.5 * np.sqrt(expected) + 3
    assert total == pytest.approx(1)


def test_a_noiseless_model_has_no_faulty_runs():
    with pytest.raises(ValueError, match="causes no errors"):
        draw_faulty_errors(CIRCUIT, NoiseModel(), 3, np.random.default_rng(0))
    assert draw_faulty_errors(CIRCUIT, NoiseModel(), 0, np.random.default_rng(0)).batch == 0


def test_shot_errors_are_those_of_independent_shots():
    rng = np.random.default_rng(9)
    shots, repeats = 50, 4000
    patterns = Counter()
    clean = np.empty(repeats)
    for repeat in range(repeats):
        drawn = draw_shot_errors(CIRCUIT, NOISE, shots, rng)
        assert drawn.clean + drawn.shots.sum() == shots
        columns = list(map(tuple, drawn.errors.codes.T.tolist()))
        assert len(set(columns)) == len(columns) == len(drawn.shots)
        assert drawn.errors.codes.any(axis=0).all()
        clean[repeat] = drawn.clean
        for column, count in zip(columns, drawn.shots, strict=True):
            patterns[column] += int(count)
    p = clean_probability(CIRCUIT, NOISE)
    assert clean.mean() == pytest.approx(p * shots, abs=5 * np.sqrt(shots * p * (1 - p) / repeats))
    assert clean.var() == pytest.approx(shots * p * (1 - p), rel=0.15)
    for first, second in ((0, 1), (1, 0), (2, 0)):
        one_error = (first, second, 0)
        rate = (0.02 if first else 0.94) * (0.02 if second else 0.7) * 0.94
        _assert_frequencies([patterns[one_error]], [rate], shots * repeats)


def test_shots_without_noise_are_all_clean():
    drawn = draw_shot_errors(CIRCUIT, NoiseModel(), 100, np.random.default_rng(0))
    assert (drawn.clean, drawn.errors.batch, len(drawn.shots)) == (100, 0, 0)
    with pytest.raises(ValueError, match="`shots` must be at least 1, but got 0"):
        draw_shot_errors(CIRCUIT, NOISE, 0, np.random.default_rng(0))


def test_codes_must_be_a_table_of_bytes():
    with pytest.raises(TypeError, match="uint8 array of shape"):
        PauliErrors(np.zeros((3, 2), dtype=np.int64))
    with pytest.raises(TypeError, match="uint8 array of shape"):
        PauliErrors(np.zeros(3, dtype=np.uint8))
    assert (PauliErrors(np.zeros((3, 2), np.uint8)).n_gates, PauliErrors(np.zeros((3, 2), np.uint8)).batch) == (3, 2)
