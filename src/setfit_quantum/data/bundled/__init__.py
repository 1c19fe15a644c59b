"""The data sets that come with the package, written for it: `bundled:reviews` and `bundled:support`."""

from __future__ import annotations

from pathlib import Path

BUNDLED = {
    "reviews": "short product and service reviews, positive or negative",
    "support": "support requests: account, billing, delivery, returns or technical",
}
"""Name and contents of each bundled set; each has a `train` and a `test` split."""

BUNDLED_SPLITS = ("train", "test")


def bundled_path(name: str, split: str) -> Path:
    """The CSV file (columns text, label) of one split of a bundled set.

    Raises:
        ValueError: Unknown name or split.
    """
    if name not in BUNDLED:
        raise ValueError(f"Argument `name` must be one of {sorted(BUNDLED)}, but got {name!r}.")
    if split not in BUNDLED_SPLITS:
        raise ValueError(f"Argument `split` must be one of {list(BUNDLED_SPLITS)}, but got {split!r}.")
    return Path(__file__).parent / name / f"{split}.csv"
