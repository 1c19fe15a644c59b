"""Embeddings of a study's texts, kept in its folder: encoding is the part that a second run would repeat."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.experiments.result_file import write_bytes

N_PROBES = 4
"""Texts that are encoded again to see whether the body is still the same."""
TOLERANCE = 1e-3

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def cached_embeddings(path: Path, texts: Sequence[str], encode: Encode) -> NDArray[np.float32]:
    """Embeddings of `texts`: those in the file if they are of these texts and this body, else new ones.

    Args:
        path: An .npz file; (re)written where its embeddings are others.
        texts: The texts.
        encode: Gives embeddings of shape (n_texts, d).

    Returns:
        Shape (n_texts, d), to the bit the same in every run that finds the file.
    """
    probes = np.asarray(encode(texts[:N_PROBES]), dtype=np.float32)
    digest = hash_texts(texts)
    found = read_embeddings(path, digest)
    if found is not None and found.shape == (len(texts), probes.shape[1]):
        scale = float(np.abs(probes).max())
        if np.allclose(found[:N_PROBES], probes, rtol=0, atol=TOLERANCE * scale):
            return found
    embeddings = np.asarray(encode(texts), dtype=np.float32)
    write_embeddings(path, digest, embeddings)
    return embeddings


def hash_texts(texts: Sequence[str]) -> str:
    """SHA-256 of the texts in their order."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode(errors="surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()


def read_embeddings(path: Path, digest: str) -> NDArray[np.float32] | None:
    """The file's embeddings if it is readable and of the texts with this hash."""
    try:
        with np.load(path, allow_pickle=False) as content:
            if str(content["texts"]) == digest:
                return np.asarray(content["embeddings"], dtype=np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # it can be made again
    return None


def write_embeddings(path: Path, digest: str, embeddings: NDArray[np.float32]) -> None:
    """Write the file so that it holds all of it or what it held before."""
    content = io.BytesIO()
    np.savez(content, texts=np.array(digest), embeddings=embeddings)
    write_bytes(path, content.getvalue())
