"""Classical heads on the same embeddings: what a quantum head is compared with."""

from setfit_quantum.baselines.classical_head import ClassicalHead
from setfit_quantum.baselines.logistic import (
    LOGISTIC_C,
    TunedLogisticRegression,
    count_parameters,
    fit_logistic_regression,
    tune_logistic_regression,
)

__all__ = [
    "LOGISTIC_C",
    "ClassicalHead",
    "TunedLogisticRegression",
    "count_parameters",
    "fit_logistic_regression",
    "tune_logistic_regression",
]
