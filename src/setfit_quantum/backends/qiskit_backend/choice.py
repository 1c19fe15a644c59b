"""Which engine runs what the user named or brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from setfit_quantum.backends.base import BackendError
from setfit_quantum.backends.qiskit_backend.engines import AerEngine, Engine, PrimitivesEngine, StatevectorEngine
from setfit_quantum.backends.qiskit_backend.imports import import_qiskit
from setfit_quantum.checks import check_choice

SIMULATORS = ("aer", "statevector")


def build_engine(
    sampler: Any, estimator: Any, level: int, aer_options: Mapping[str, Any] | None, transpile_for: Any
) -> Engine:
    """The engine for what the user named or brought.

    Raises:
        BackendError: Options that would have no effect, or two different simulators.
        TypeError: Not a primitive.
    """
    names = {value for value in (sampler, estimator) if isinstance(value, str)}
    for value in names:
        check_choice("sampler", value, SIMULATORS)
    if sampler is None and estimator is None:
        names = {"aer"}
    if names and (len(names) > 1 or not all(value is None or isinstance(value, str) for value in (sampler, estimator))):
        raise BackendError(
            "Arguments `sampler` and `estimator` must both be primitives, or name one simulator, "
            f"but got {sampler!r} and {estimator!r}."
        )
    if aer_options and names != {"aer"}:
        raise BackendError("Argument `aer_options` needs the simulator 'aer', which is not used here.")
    if "noise_model" in (aer_options or {}):
        raise BackendError(
            "Argument `aer_options` must not have 'noise_model', part of which exact values would miss: give a "
            "NoiseModel as `noise`, or Aer's own sampler on a noisy simulator as `sampler`."
        )
    if transpile_for is not None and names:
        raise BackendError("Argument `transpile_for` needs primitives; simulators by name run every gate.")
    if names == {"aer"}:
        return AerEngine(level, aer_options)
    if names:
        return StatevectorEngine(level)
    _check_primitive("sampler", sampler)
    _check_primitive("estimator", estimator)
    return PrimitivesEngine(level, sampler, estimator, transpile_for)


def _check_primitive(name: str, value: Any) -> None:
    """Refuse what is no primitive, a backend of Qiskit, and an estimator for a sampler.

    Raises:
        TypeError: Naming the argument, and what makes a primitive of a backend.
    """
    if value is None:
        return
    wanted = f"Argument `{name}` must be a primitives-V2 {name}"
    if isinstance(value, import_qiskit("qiskit.providers").Backend):
        wrapper = f"qiskit.primitives.Backend{name.title()}V2(backend=...)"
        if type(value).__module__.startswith("qiskit_ionq"):
            wrapper = "setfit_quantum.backends.ionq.IonQSampler(...)"
        raise TypeError(f"{wanted}, but got the backend {value!r}; {wrapper} makes one of it.")
    primitives = import_qiskit("qiskit.primitives")
    other = primitives.BaseEstimatorV2 if name == "sampler" else primitives.BaseSamplerV2
    if isinstance(value, other) or not callable(getattr(value, "run", None)):
        raise TypeError(f"{wanted}, but got {value!r}.")
