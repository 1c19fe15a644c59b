"""The installed package as a wheel, made without build tools and without network.

The package is pure Python, so its wheel is its files and its installed metadata in a zip file (PEP 427).
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import setfit_quantum

DISTRIBUTION = "setfit-quantum"
_SKIPPED_SUFFIXES = (".pyc", ".pyo", ".nbi", ".nbc")
_KEPT_METADATA = ("METADATA", "entry_points.txt")
_DATE = (2020, 1, 1, 0, 0, 0)
"""Of every entry: the same files give the same wheel."""


class WheelError(RuntimeError):
    """The package is not installed in a way that a wheel can be made of."""


def build_wheel() -> tuple[str, bytes]:
    """Name and content of the wheel of the installed package.

    Raises:
        WheelError: The package runs from a folder without being installed, or its metadata is of another version.
    """
    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise WheelError(
            f"No metadata of {DISTRIBUTION} is installed, so its wheel cannot be made: install the package first "
            "(`pip install -e .` in its source folder will do)."
        ) from error
    version = setfit_quantum.__version__
    if installed.version != version:
        raise WheelError(
            f"The metadata of {DISTRIBUTION} is of version {installed.version}, but the package is {version}: "
            "install it again."
        )
    stem = f"setfit_quantum-{version}"
    files = _package_files() | _metadata_files(installed, f"{stem}.dist-info")
    record = f"{stem}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date_time=_DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return f"{stem}-py3-none-any.whl", archive.getvalue()


def _package_files() -> dict[str, bytes]:
    package = Path(setfit_quantum.__file__).parent
    files = {}
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package.parent).as_posix()
        hidden = any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(package).parts)
        if path.is_file() and not hidden and path.suffix not in _SKIPPED_SUFFIXES:
            files[name] = path.read_bytes()
    return files


def _metadata_files(installed: Distribution, folder: str) -> dict[str, bytes]:
    files = {}
    for name in _KEPT_METADATA:
        text = installed.read_text(name)
        if text is None:
            raise WheelError(f"The installed metadata of {DISTRIBUTION} lacks {name}: install the package again.")
        files[f"{folder}/{name}"] = text.encode()
    for path in installed.files or ():
        if "licenses" in path.parts and ".dist-info" in path.parts[0]:
            files[f"{folder}/{'/'.join(path.parts[1:])}"] = path.read_binary()
    wheel = "Wheel-Version: 1.0\nGenerator: setfit-quantum\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{folder}/WHEEL"] = wheel.encode()
    return files


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
