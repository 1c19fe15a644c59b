"""SetFit itself, imported without the changes that its import makes to the process."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from functools import cache
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
