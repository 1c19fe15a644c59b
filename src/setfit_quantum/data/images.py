"""Images in any common form, read the same way everywhere; and folders with one subfolder per class."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from setfit_quantum.data.examples import DataError, Examples

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
SPLITS = ("train", "val", "valid", "validation", "dev", "test")
"""Names of folders that are taken for splits, not for classes."""


def is_single_image(value: Any) -> bool:
    """Whether `value` is one image (a path, a PIL image, an array of one image) and not several."""
    if isinstance(value, str | Path | bytes | Mapping):
        return True
    if hasattr(value, "convert") and hasattr(value, "size"):  # PIL, without importing it
        return True
    return getattr(value, "ndim", 0) in (2, 3)


def read_image(value: Any, place: str = "image") -> Image:
    """An image as PIL's, in RGB and upright.

    Args:
        value: A path; a PIL image; an array or tensor of shape (height, width), (height, width, 1, 3 or 4) or
            (1, 3 or 4, height, width), of bytes or of numbers in [0, 1]; encoded bytes; or the dictionary with `path`
            and `bytes` that an image column of `datasets` holds undecoded.
        place: What errors call it.

    Raises:
        ImportError: Pillow is not installed.
        TypeError, ValueError: Anything else; naming the place.
        DataError: A file that is missing or no image.
    """
    pillow = _import_pillow()
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        value = io.BytesIO(value)
    if isinstance(value, str | Path | io.BytesIO):
        shown = "its bytes" if isinstance(value, io.BytesIO) else repr(str(value))
        try:
            with pillow.Image.open(value) as opened:
                opened.load()
                return _to_rgb(pillow, opened)
        except FileNotFoundError:
            raise DataError(f"{place}: there is no file {shown}.") from None
        except IsADirectoryError:
            raise DataError(f"{place}: {shown} is a folder, not an image.") from None
        except (OSError, ValueError, SyntaxError, pillow.Image.DecompressionBombError) as error:
            raise DataError(f"{place}: {shown} cannot be read as an image ({error}).") from error
    if isinstance(value, pillow.Image.Image):
        return _to_rgb(pillow, value)
    if hasattr(value, "ndim") and hasattr(value, "shape"):
        return _to_rgb(pillow, pillow.Image.fromarray(_to_bytes(value, place)))
    raise TypeError(
        f"{place} must be a path, a PIL image, an array of shape (height, width, 3) or a dictionary with `bytes` or "
        f"`path`, but is a {type(value).__name__}."
    )


def _to_rgb(pillow: Any, image: Any) -> Image:
    upright = pillow.ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        # Transparent parts have any colour at all below them: white, as a page would show them.
        upright = upright.convert("RGBA")
        page = pillow.Image.new("RGBA", upright.size, "white")
        upright = pillow.Image.alpha_composite(page, upright)
    if upright.mode in ("I;16", "I", "F"):
        values = np.asarray(upright, dtype=np.float64)
        upright = pillow.Image.fromarray(_scaled(values))
    rgb: Image = upright.convert("RGB")
    return rgb


def _scaled(values: Any) -> np.ndarray:
    """Grey values of more than 8 bits, spread over 0 to 255."""
    least, greatest = values.min(), values.max()
    spread = greatest - least
    return ((values - least) * (255.0 / spread if spread else 0.0)).round().astype(np.uint8)  # type: ignore[no-any-return]


def _to_bytes(value: Any, place: str) -> np.ndarray:
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or array.size == 0:
        raise ValueError(
            f"{place} must have shape (height, width), (height, width, 3) or (3, height, width), but has {array.shape}."
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind == "f":
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise ValueError(f"{place} must hold numbers between 0 and 1 where they are floats, or bytes.")
        return (array * 255).round().astype(np.uint8)
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    raise ValueError(f"{place} must hold numbers between 0 and 255, but is of type {array.dtype}.")


def describe_image(value: Any) -> str:
    """A text by which the same image is known again: its path, or a hash of what it shows."""
    if isinstance(value, str | Path):
        return str(value)
    image = read_image(value)
    return f"{image.size} {hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()}"


def image_splits(folder: str | Path) -> list[str]:
    """Names of the splits of a folder: its subfolders, where all have the names of splits; else none."""
    names = [path.name for path in _subfolders(Path(folder))]
    return names if names and all(name.lower() in SPLITS for name in names) else []


def load_images(folder: str | Path, split: str | None = None, *, limit: int | None = None) -> Examples:
    """The images of a folder with one subfolder per class, or per split and in it per class.

    Args:
        folder: The folder.
        split: Its split, where it has splits; None: `train`, or the only one.
        limit: Keep only so many images, evenly over the classes.

    Returns:
        Examples whose `texts` are the paths of the images, sorted.

    Raises:
        DataError: There is no such folder or split, or no image in it.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError(f"Folder {str(path)!r} does not exist.")
    splits = image_splits(path)
    if splits:
        if split is None:
            split = "train" if "train" in splits else splits[0] if len(splits) == 1 else None
        if split not in splits:
            raise DataError(f"Folder {str(path)!r} has the splits {', '.join(splits)}, but got {split!r}.")
        path = path / split
    elif split is not None:
        raise DataError(f"Folder {str(path)!r} has no splits, but got {split!r}.")
    found = {
        classes.name: sorted(file for file in classes.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        for classes in _subfolders(path)
    }
    empty = [name for name, files in found.items() if not files]
    if not found or empty:
        what = f"class folder {empty[0]!r} has no image" if empty else "there is no class folder in it"
        raise DataError(f"Folder {str(path)!r}: {what}; images end in {', '.join(SUFFIXES)}.")
    rows = [(str(file), name, number) for name, files in found.items() for number, file in enumerate(files)]
    if limit is not None:
        rows = sorted(sorted(rows, key=lambda row: (row[2], row[1]))[:limit])
    return Examples([row[0] for row in rows], [row[1] for row in rows], str(path))


def _subfolders(path: Path) -> Sequence[Path]:
    if not path.is_dir():
        return []
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


def _import_pillow() -> Any:
    try:
        import PIL.Image
        import PIL.ImageOps
    except ImportError as error:
        raise ImportError('Images need Pillow and torchvision: pip install "setfit-quantum[vision]"') from error
    return PIL
