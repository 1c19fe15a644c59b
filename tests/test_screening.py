"""Screening: designs that fill the space, effects against statsmodels, and the command."""

import csv
import json

import numpy as np
import pandas
import pytest
from matplotlib.image import imread
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from bodies import NAMES, TEXTS
from setfit_quantum.cli.app import app
from setfit_quantum.experiments import study_work
from setfit_quantum.experiments.screening import (
    DESIGNS,
    count_coefficients,
    draw_design,
    estimate_effects,
)
from setfit_quantum.experiments.screening_report import format_effects, plot_main_effects
from setfit_quantum.experiments.search_space import parse_space

SPACE = parse_space(
    {
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
        "head.n_qubits": {"low": 3, "high": 6},
        "batch_size": [8, 16, 32],
        "head.encoder": ["quantum", "linear", "mlp"],
        "head.preprocessing": [None, "center"],
    }
)


@pytest.mark.parametrize("design", DESIGNS)
def test_designs_fill_the_space(design):
    settings = draw_design(SPACE, 16, design, seed=3)
    assert settings == draw_design(SPACE, 16, design, seed=3)
    assert settings != draw_design(SPACE, 16, design, seed=4)
    # Each sixteenth of the learning rate's range, in the logarithm, has one setting.
    places = sorted((SPACE[0].coordinate(one["learning_rate"]) + 1) / 2 * 16 for one in settings)
    assert [int(place) for place in places] == list(range(16))
    assert sorted(one["head.n_qubits"] for one in settings) == sorted([3, 4, 5, 6] * 4)
    assert {one["head.encoder"] for one in settings} == {"quantum", "linear", "mlp"}
    assert sum(one["head.preprocessing"] is None for one in settings) == 8


def test_too_few_settings():
    assert count_coefficients(SPACE) == 7
    with pytest.raises(ValueError, match="`n_settings` must be at least 8 to tell the effects of 5 settings"):
        draw_design(SPACE, 7)
    with pytest.raises(ValueError, match="must be a power of 2 with 'sobol', but got 12"):
        draw_design(SPACE, 12, "sobol")
    with pytest.raises(ValueError, match="`design` must be one of"):
        draw_design(SPACE, 12, "grid")


def build_responses(settings, seed=0, noise=0.02):
    rng = np.random.default_rng(seed)
    kinds = {"quantum": 0.0, "linear": 0.06, "mlp": -0.06}
    return [
        0.8 + 0.05 * SPACE[0].coordinate(one["learning_rate"]) + kinds[one["head.encoder"]] + noise * rng.normal()
        for one in settings
    ]


def test_effects_are_those_of_statsmodels():
    settings = draw_design(SPACE, 24)
    responses = build_responses(settings)
    effects = estimate_effects(SPACE, settings, responses)
    table = {
        "y": responses,
        "rate": [SPACE[0].coordinate(one["learning_rate"]) for one in settings],
        "qubits": [one["head.n_qubits"] for one in settings],
        "size": [[8, 16, 32].index(one["batch_size"]) - 1 for one in settings],
        "kind": [["quantum", "linear", "mlp"].index(one["head.encoder"]) for one in settings],
        "prep": [str(one["head.preprocessing"]) for one in settings],
    }
    theirs = ols("y ~ rate + qubits + size + C(kind, Sum) + C(prep, Treatment('None'))", pandas.DataFrame(table)).fit()
    by_label = {(one.factor.name, one.label): one for one in effects}
    pairs = [
        (("learning_rate", "0.001 to 0.1"), "rate", 2),
        (("head.n_qubits", "3 to 6"), "qubits", 3),
        (("batch_size", "8 to 32"), "size", 2),
        (("head.preprocessing", "none to center"), "C(prep, Treatment('None'))[T.center]", 1),
        (("head.encoder", "quantum, not the average"), "C(kind, Sum)[S.0]", 1),
        (("head.encoder", "linear, not the average"), "C(kind, Sum)[S.1]", 1),
    ]
    for place, name, factor in pairs:
        found = by_label[place]
        assert found.size == pytest.approx(factor * theirs.params[name])
        assert [found.low, found.high] == pytest.approx(factor * theirs.conf_int().loc[name].to_numpy())
        if place[0] != "head.encoder":
            assert found.p == pytest.approx(theirs.pvalues[name])
    kind = theirs.f_test("C(kind, Sum)[S.0] = 0, C(kind, Sum)[S.1] = 0")
    encoders = [one for one in effects if one.factor.name == "head.encoder"]
    assert [one.p for one in encoders] == pytest.approx([float(kind.pvalue)] * 3)
    assert sum(one.size for one in encoders) == pytest.approx(0)
    p_values = {one.factor.name: one.p for one in effects}
    corrected = {one.factor.name: one.p_corrected for one in effects}
    expected = multipletests(list(p_values.values()), method="holm")[1]
    assert list(corrected.values()) == pytest.approx(expected)
    # What was planted is found.
    assert corrected["learning_rate"] < 0.01
    assert corrected["head.encoder"] < 0.01
    assert by_label["learning_rate", "0.001 to 0.1"].size == pytest.approx(0.1, abs=0.03)
    assert format_effects(effects)[0][0] == "learning_rate"


def test_nothing_is_found_where_nothing_is():
    """The share of screenings of pure noise that call any factor an effect is near the level of 5 %."""
    settings = draw_design(SPACE, 16)
    found = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        effects = estimate_effects(SPACE, settings, list(0.8 + 0.03 * rng.normal(size=16)))
        found.append(min(one.p_corrected for one in effects) < 0.05)
    assert 0.02 < np.mean(found) < 0.08


def test_settings_that_cannot_be_told_apart():
    settings = [dict(one, batch_size=8) for one in draw_design(SPACE, 16)]
    with pytest.raises(ValueError, match="cannot be told apart"):
        estimate_effects(SPACE, settings, [0.5] * 16)


def test_plot_has_a_panel_for_each_setting():
    settings = draw_design(SPACE, 16)
    responses = build_responses(settings)
    figure = plot_main_effects(estimate_effects(SPACE, settings, responses), settings, responses, "a title")
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == [factor.name.removeprefix("head.") for factor in SPACE]
    for axis in shown:
        assert len(axis.lines[0].get_xdata()) == 16


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="setfit-quantum")


@pytest.fixture(scope="module")
def command(tmp_path_factory, tiny_body):
    folder = tmp_path_factory.mktemp("screen")
    rows = [f"{text} {number},{name}" for number in range(3) for text, name in zip(TEXTS, NAMES, strict=True)]
    (folder / "films.csv").write_text("\n".join(["text,label", *rows]))
    space = {"head.n_qubits": [2, 3], "learning_rate": {"low": 0.001, "high": 0.3, "log": True}}
    (folder / "space.json").write_text(json.dumps(space))
    options = ("--space", folder / "space.json", "--body", tiny_body, "--epochs", 2)
    return ("screen", folder / "films.csv", *options, "--settings", 8, "-o", folder / "out")


def test_command_writes_and_resumes(command, monkeypatch):
    result = run(*command, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert [one["setting"] for one in report["effects"]] == ["head.n_qubits", "learning_rate"]
    for one in report["effects"]:
        assert one["interval"][0] <= one["effect"] <= one["interval"][1]
    folder = command[-1] / "screen-validation"
    assert {path.name for path in folder.iterdir()} == {
        "effects.md", "effects.csv", "design.csv", "main-effects.png", "main-effects.svg"
    }  # fmt: skip
    assert imread(folder / "main-effects.png").std() > 0.005
    with (folder / "design.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == [one["accuracy"] for one in report["design"]]
    assert len((command[-1] / "runs.jsonl").read_text().splitlines()) == 8
    # More seeds train what is missing only.
    trained = []
    fit = study_work.fit_head
    monkeypatch.setattr(study_work, "fit_head", lambda run, data: trained.append(run.seed) or fit(run, data))
    again = run(*command, "--seeds", 2, "--response", "test")
    assert again.exit_code == 0, again.output
    assert trained == [1] * 8
    assert "Main effects on the test accuracy: films.csv" in again.stdout
    assert (command[-1] / "screen-test" / "effects.md").read_text().startswith("# Main effects on the test accuracy")
    assert "8 settings, 2 seeds each, 12 training texts; accuracy on 24 test texts" in again.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--settings", 3], "`n_settings` must be at least 4"),
        (["--response", "train"], "`response` must be one of"),
        (["--qubits", 3], "which options fix"),
        (["--ray-address", "127.0.0.1:1"], "`--ray-address` needs --backend ray"),
    ],
)
def test_bad_input(command, options, message):
    result = run(*command, *options)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
