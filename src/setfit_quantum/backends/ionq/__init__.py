"""IonQ's machines and cloud simulator as a primitives-V2 sampler, without paying twice."""

from setfit_quantum.backends.ionq.sampler import IonQSampler
from setfit_quantum.backends.pricing import QpuEstimate, QpuRates, estimate_qpu

__all__ = ["IonQSampler", "QpuEstimate", "QpuRates", "estimate_qpu"]
