"""Expected calibration error, as a module of the `evaluate` library."""

import datasets
import evaluate

from setfit_quantum.calibration import expected_calibration_error

_DESCRIPTION = "Mean distance of confidence and accuracy over bins of confidence, weighted by their predictions."
_CITATION = """@inproceedings{guo2017calibration,
  title  = {On Calibration of Modern Neural Networks},
  author = {Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.},
  year   = {2017},
  note   = {arXiv:1706.04599}
}"""
_INPUTS = """
Args:
    predictions: Probabilities of the classes, one row per example.
    references: Class numbers.
    n_bins: Bins of equal width between 0 and 1.
Returns:
    expected_calibration_error: Between 0 (calibrated) and 1.
"""


class ExpectedCalibrationError(evaluate.Metric):
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

    def _compute(self, predictions, references, n_bins=15):
        return {"expected_calibration_error": expected_calibration_error(predictions, references, n_bins=n_bins)}
