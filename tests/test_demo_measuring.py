"""What the demo measures: the head's own answer, shot noise and gate noise."""

import numpy as np
import pytest

from bodies import TEXTS
from demo_engine import PERFECT, make_engine
from setfit_quantum import QuantumHead
from setfit_quantum.demo.limits import RequestError
from setfit_quantum.demo.measuring import DEVICES, Device, read_texts
from setfit_quantum.noise import NOISE_PRESETS


@pytest.mark.parametrize(
    "settings",
    [{}, {"n_readout": 2}, {"final_linear": False}, {"one_logit": True}, {"temperature": 2.5}, {"encoder": "linear"}],
)
def test_exact_answer_is_the_heads_own(settings):
    engine = make_engine(**settings)
    x = engine.embed(TEXTS[:3])
    readings = read_texts(engine.bundled, TEXTS[:3], x, PERFECT, 0)
    expected = engine.bundled.head.predict_proba(x).numpy()
    np.testing.assert_allclose([reading.exact_probabilities for reading in readings], expected, atol=1e-5)
    np.testing.assert_allclose(readings[1].exact, engine.bundled.head.expectations(x)[1].detach().numpy(), atol=1e-5)


def test_shot_noise_has_the_variance_of_shots():
    engine = make_engine()
    x = engine.embed(TEXTS[:1])
    (reading,) = read_texts(engine.bundled, TEXTS[:1], x, Device(50, 0.0, "ionq-forte"), 1, repeats=4000)
    expected = (1 - reading.exact**2) / 50
    np.testing.assert_allclose(reading.measured.var(axis=0), expected, rtol=0.12)
    np.testing.assert_allclose(reading.measured.mean(axis=0), reading.exact, atol=5 * np.sqrt(expected.max() / 4000))


def test_gate_noise_agrees_with_the_heads_density_matrix():
    engine = make_engine()
    x = engine.embed(TEXTS[:1])
    device = Device(100_000, 3.0, "ionq-forte-enterprise")
    (reading,) = read_texts(engine.bundled, TEXTS[:1], x, device, 2)
    head = QuantumHead.from_config(engine.bundled.head.config, noise=device.noise, backend="torch")
    head.load_state_dict(engine.bundled.head.state_dict())
    expected = head.eval().expectations(x)[0].detach().numpy()
    assert np.abs(expected - reading.exact).max() > 0.05
    # 1,024 error patterns stand for all of them.
    np.testing.assert_allclose(reading.measured.mean(axis=0), expected, atol=0.02)


def test_more_noise_and_fewer_shots_scatter_more():
    engine = make_engine()
    x = engine.embed(TEXTS[:1])

    def spread(shots, level):
        (reading,) = read_texts(engine.bundled, TEXTS[:1], x, Device(shots, level, "ionq-forte-enterprise"), 3)
        return reading.probabilities.std(axis=0).max(), np.abs(reading.measured.mean(axis=0)).mean()

    assert spread(10, 0)[0] > 3 * spread(1000, 0)[0]
    assert spread(1000, 10)[1] < 0.7 * spread(1000, 0)[1]


def test_a_seed_gives_the_same_measurement():
    engine = make_engine()
    x = engine.embed(TEXTS[:2])
    device = Device(10, 1.0, "paper-high")
    first, again, other = (read_texts(engine.bundled, TEXTS[:2], x, device, seed)[0].measured for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_votes_add_up_to_the_answer():
    engine = make_engine(n_classes=3)
    (reading,) = read_texts(engine.bundled, TEXTS[:1], engine.embed(TEXTS[:1]), PERFECT, 0)
    first, second = np.sort(reading.probabilities[0])[::-1][:2]
    assert reading.votes.sum() == pytest.approx(np.log(first / second), abs=1e-4)


def test_every_preset_has_a_name_and_a_scaled_model():
    assert set(DEVICES) == set(NOISE_PRESETS)
    for preset in DEVICES:
        assert Device(1, 0.0, preset).noise is None
        half, ten = Device(1, 0.5, preset).noise, Device(1, 10.0, preset).noise
        assert ten.p2 == pytest.approx(20 * half.p2)
    with pytest.raises(RequestError, match="The device must be one of"):
        Device(1, 1.0, "sycamore")
