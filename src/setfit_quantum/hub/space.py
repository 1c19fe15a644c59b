"""Pushing the demo as a Space: the app, and beside it the package's own wheel."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import setfit_quantum
from setfit_quantum.hub.push import Content, PushOptions, PushResult, push_folder
from setfit_quantum.hub.wheel import DISTRIBUTION, build_wheel

logger = logging.getLogger(__name__)

REQUIREMENTS = "requirements.txt"
_NEEDED = ("app.py", "README.md", REQUIREMENTS)
_OWN_LINE = re.compile(rf"{DISTRIBUTION}\s*(\[[^\]]*\])?\s*(==.*|@.*)?", re.IGNORECASE)


def find_space_folder() -> Path:
    """The folder `spaces` of the source tree that this package is installed from.

    Raises:
        FileNotFoundError: The package was installed without its source tree.
    """
    folder = Path(setfit_quantum.__file__).parents[2] / "spaces"
    if not (folder / "app.py").is_file():
        raise FileNotFoundError(
            "Argument `folder` must be the folder with the Space's app.py: this installation has no source tree, so "
            "name it (it is `spaces` in a clone of setfit-quantum)."
        )
    return folder


def push_space(repo_id: str, folder: str | Path | None = None, options: PushOptions | None = None) -> PushResult:
    """Push the demo as a Gradio Space; its wheel travels beside it.

    Args:
        repo_id: `"name"` or `"namespace/name"`; made where it does not exist.
        folder: Folder with `app.py`, `README.md` and `requirements.txt`; None: `spaces` of the source tree.
        options: Where to push, and how.

    Raises:
        FileNotFoundError: A file of the Space is missing.
        ValueError: `requirements.txt` does not name the package.
        WheelError: The wheel cannot be made.
        PushError: The Hub refused or could not be reached.
    """
    options = options or PushOptions()
    folder = find_space_folder() if folder is None else Path(folder)
    for name in _NEEDED:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"Argument `folder` must hold the file {name!r}, but {folder} does not.")
    wheel, content = build_wheel()
    files: dict[str, Content] = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)
    }
    files[wheel] = content
    requirements = (folder / REQUIREMENTS).read_text(encoding="utf-8")
    address_requirements(requirements, "")  # what is wrong with it is told before anything is made
    if options.private:
        logger.warning(
            "The builder of a private Space cannot download the wheel from it: make the Space public to run it."
        )
    if options.commit_message is None:
        options = replace(options, commit_message=f"Push {DISTRIBUTION} {setfit_quantum.__version__}")

    def finish(full_id: str, endpoint: str) -> dict[str, Content]:
        # The Space's builder sees requirements.txt alone, not the files beside it: a relative path would not be found.
        url = f"{endpoint}/spaces/{full_id}/resolve/{options.branch or 'main'}/{wheel}"
        return files | {REQUIREMENTS: address_requirements(requirements, url).encode()}

    return push_folder(
        finish,
        repo_id,
        options,
        repo_type="space",
        space_sdk="gradio",
        outdated=("setfit_quantum-*.whl",),
        source="the Space's folder",
    )


def address_requirements(text: str, url: str) -> str:
    """`requirements.txt` with the package taken from the wheel at `url`; extras are kept.

    Raises:
        ValueError: No line, or more than one, names the package.
    """
    lines = text.splitlines()
    own = [number for number, line in enumerate(lines) if _OWN_LINE.fullmatch(line.strip())]
    if len(own) != 1:
        raise ValueError(f"The file {REQUIREMENTS} must name {DISTRIBUTION} on one line, but {len(own)} lines do.")
    match = _OWN_LINE.fullmatch(lines[own[0]].strip())
    assert match is not None
    lines[own[0]] = f"{DISTRIBUTION}{match[1] or ''} @ {url}"
    return "\n".join(lines) + "\n"
