"""Accuracy and coverage of a classifier that abstains, as a module of the `evaluate` library."""

import datasets
import evaluate

from setfit_quantum.calibration import abstention

_DESCRIPTION = "Share of the examples whose confidence reaches a threshold, and accuracy among them."
_CITATION = """@inproceedings{geifman2017selective,
  title  = {Selective Classification for Deep Neural Networks},
  author = {Geifman, Yonatan and El-Yaniv, Ran},
  year   = {2017},
  note   = {arXiv:1705.08500}
}"""
_INPUTS = """
Args:
    predictions: Probabilities of the classes, one row per example.
    references: Class numbers.
    threshold: Least confidence for an answer.
Returns:
    coverage: Share of the examples that get an answer.
    selective_accuracy: Share of the answers that is right; None without answers.
"""


class SelectiveAccuracy(evaluate.Metric):
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

    def _compute(self, predictions, references, threshold=0.5):
        found = abstention(predictions, references, threshold)
        return {"coverage": found.coverage, "selective_accuracy": found.accuracy}
