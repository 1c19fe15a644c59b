"""`SetFitModel`: a sentence transformer body and a head, quantum or classical."""

from setfit_quantum.model.setfit_model import SetFitModel

__all__ = ["SetFitModel"]
