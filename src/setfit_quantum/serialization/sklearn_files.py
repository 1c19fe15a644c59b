"""scikit-learn heads with skops: no pickle is written, and none is read unless the caller insists."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import is_regular_file

logger = logging.getLogger(__name__)

_FREE_BYTES, _MAX_RATIO = 2**24, 20

OWN_TYPES = ("setfit_quantum.classifier.QuantumHeadClassifier",)
"""Estimators of this package: they restore themselves from plain arrays, which are checked as files are."""


def write_sklearn_head(path: Path, head: Any) -> None:
    """Write an estimator, and read it back to be sure that it can be loaded.

    Raises:
        TypeError: It holds something that cannot be saved without pickle.
    """
    import skops.io

    try:
        skops.io.dump(head, path)
        types = _untrusted_types(path)
        skops.io.load(path, trusted=[*types, *OWN_TYPES])  # whatever it is, it is in this process already
    except Exception as error:  # skops raises whatever its node readers and writers stumble over
        raise TypeError(
            f"Argument `model_head` must be an estimator that skops can save, but this {type(head).__name__} cannot be "
            f"saved without pickle ({type(error).__name__}: {error})."
        ) from error
    if types:
        logger.warning(
            "The %s holds types that skops does not take for safe: whoever loads the model must pass trusted=%r.",
            type(head).__name__,
            types,
        )


def read_sklearn_head(path: Path, trusted: Sequence[str] = ()) -> Any:
    """Read an estimator.

    Args:
        path: A file that `write_sklearn_head` wrote.
        trusted: Names of types that the caller trusts, beyond those that skops knows to be safe.

    Raises:
        ModelFileError: Damaged, or with types that are not trusted; the message names them.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    if not is_regular_file(path):
        raise ModelFileError(path, "is missing.")
    try:
        _check_archive(path)
        untrusted = sorted(set(_untrusted_types(path)) - set(trusted))
        if untrusted:
            raise ModelFileError(
                path,
                f"holds the types {untrusted}, which could run code. Pass trusted={untrusted!r} if you trust them.",
            )
        head = skops.io.load(path, trusted=[*trusted, *OWN_TYPES])
    except ModelFileError:
        raise
    # skops raises whatever its node readers stumble over; each means that the file is not what it should be.
    except (
        zipfile.BadZipFile, UntrustedTypesFoundException, ValueError, KeyError, TypeError, AttributeError, EOFError,
        OSError, ImportError, IndexError, NotImplementedError, MemoryError, RecursionError, zlib.error, RuntimeError,
    ) as error:  # fmt: skip
        raise ModelFileError(path, f"is not a whole skops file ({type(error).__name__}: {error}).") from error
    if isinstance(head, type) or not all(callable(getattr(head, name, None)) for name in ("fit", "predict")):
        raise ModelFileError(path, f"holds a {type(head).__name__}, which is no estimator with `fit` and `predict`.")
    return head


def _untrusted_types(path: Path) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(file=path)) - set(OWN_TYPES))


def _check_archive(path: Path) -> None:
    """Refuse a small archive that unpacks to a huge one."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _FREE_BYTES + _MAX_RATIO * path.stat().st_size:
        raise ModelFileError(path, f"unpacks to {size} bytes, far more than an estimator's file of its size does.")


def read_pickled_head(path: Path) -> Any:
    """Read a head that plain SetFit wrote with joblib. This runs whatever code the file contains."""
    import joblib  # type: ignore[import-untyped]

    return joblib.load(path)
