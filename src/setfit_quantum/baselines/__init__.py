"""Classical heads on the same embeddings: what a quantum head is compared with."""

from setfit_quantum.baselines.logistic import (
    LOGISTIC_C,
    TunedLogisticRegression,
    count_parameters,
    fit_logistic_regression,
    tune_logistic_regression,
)
from setfit_quantum.baselines.neural_heads import MLPBaseline, SetFitHeadBaseline, TorchBaseline
from setfit_quantum.baselines.selecting import Baseline
from setfit_quantum.baselines.sklearn_heads import LogisticRegressionBaseline, SVCBaseline
from setfit_quantum.head.classical import ClassicalHead

__all__ = [
    "LOGISTIC_C",
    "Baseline",
    "ClassicalHead",
    "LogisticRegressionBaseline",
    "MLPBaseline",
    "SVCBaseline",
    "SetFitHeadBaseline",
    "TorchBaseline",
    "TunedLogisticRegression",
    "count_parameters",
    "fit_logistic_regression",
    "tune_logistic_regression",
]
