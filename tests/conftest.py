"""Settings shared by all tests."""

import logging
import os

# Before anything imports huggingface_hub: no test may reach for the Hub. Those that talk to the stand-in run clients in
# processes of their own.
os.environ["HF_HUB_OFFLINE"] = "1"


import pytest
from hypothesis import HealthCheck, settings

from bodies import tiny_body  # noqa: F401 (a fixture)
from image_bodies import clip, resnet, vit  # noqa: F401 (fixtures)

# Derandomized: the same examples on every run and machine. No deadline: shared machines stall now and then.
settings.register_profile(
    "reproducible",
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("reproducible")


@pytest.fixture(autouse=True)
def _loggers_are_heard():
    """Libraries that configure logging (Optuna's migrations do) disable the loggers of everybody else.

    A test that changes the package's log level and leaves it so fails, or the log of every later test would be lost.
    """
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.startswith("setfit_quantum") and isinstance(logger, logging.Logger):
            logger.disabled = False
    package = logging.getLogger("setfit_quantum")
    level = package.level
    yield
    left = package.level
    package.setLevel(level)
    assert left == level, f"The test left the package's log level at {logging.getLevelName(left)}."
