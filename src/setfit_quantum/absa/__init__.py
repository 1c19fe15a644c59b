"""Aspect based sentiment analysis: SetFit's two models, of aspects and of polarities, with any head of this package."""

from setfit_quantum.absa.models import AbsaModel, AspectModel, PolarityModel
from setfit_quantum.absa.trainer import AbsaTrainer

__all__ = ["AbsaModel", "AbsaTrainer", "AspectModel", "PolarityModel"]
