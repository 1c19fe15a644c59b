"""SetFit itself, imported without the changes that its import makes to the process."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from functools import cache
from types import FrameType
from typing import Any

_LOGGER = "setfit"
_VARIABLE = "CODECARBON_LOG_LEVEL"


@cache
def import_setfit() -> Any:
    """Import `setfit`, and undo what its import sets: INFO verbosity, a warning filter, an environment variable.

    Where the user imported it before, their settings stay as they are.
    """
    if "setfit" in sys.modules:
        return sys.modules["setfit"]
    variable = os.environ.get(_VARIABLE)
    level = logging.getLogger(_LOGGER).level
    with warnings.catch_warnings():
        setfit = importlib.import_module("setfit")
    # SetFit's own default, which its modules raise to INFO while they are imported.
    default = setfit.logging._get_default_logging_level()
    logging.getLogger(_LOGGER).setLevel(default if level == logging.NOTSET else level)
    if variable is None:
        os.environ.pop(_VARIABLE, None)
    return setfit


def is_evaluate_with_names(frame: FrameType | None) -> bool:
    """Whether `frame` is SetFit's `Trainer.evaluate`, about to compare predictions with labels that are names.

    It asks for predictions with `use_labels=False` and compares them with whatever the data set holds, so that class
    numbers meet names and an error from scikit-learn follows. Nothing but the caller tells the two cases apart.
    """
    if frame is None or frame.f_code.co_name != "evaluate" or frame.f_globals.get("__name__") != "setfit.trainer":
        return False
    labels: Any = frame.f_locals.get("y_test")
    return bool(labels) and isinstance(labels[0], str)
