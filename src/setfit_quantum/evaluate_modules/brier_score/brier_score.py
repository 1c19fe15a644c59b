"""Brier score of several classes, as a module of the `evaluate` library."""

import datasets
import evaluate

from setfit_quantum.calibration import evaluate_probabilities

_DESCRIPTION = "Mean squared distance of the probabilities from the truth, summed over the classes."
_CITATION = """@article{brier1950verification,
  title   = {Verification of Forecasts Expressed in Terms of Probability},
  author  = {Brier, Glenn W.},
  journal = {Monthly Weather Review},
  volume  = {78},
  year    = {1950}
}"""
_INPUTS = """
Args:
    predictions: Probabilities of the classes, one row per example.
    references: Class numbers.
Returns:
    brier_score: Between 0 (certain and right) and 2 (certain and wrong).
"""


class BrierScore(evaluate.Metric):
    """The metric."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Sequence(datasets.Value("float64")), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions, references):
        return {"brier_score": evaluate_probabilities(predictions, references).brier}
