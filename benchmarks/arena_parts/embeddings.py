"""Embeddings of the arena's sentences, computed once and kept in a folder, from which workers read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arena_parts.sentences import Sentences
from setfit_quantum.experiments.bodies import body_identity, encode_texts, load_sentence_transformer, tune_and_encode
from setfit_quantum.experiments.embedding_cache import hash_texts, read_embeddings, write_embeddings
from setfit_quantum.experiments.result_file import hash_settings
from setfit_quantum.experiments.run_settings import FROZEN, TUNED

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddingFolder:
    """Where embeddings are.

    Args:
        folder: The folder.
        body: Id or folder of the sentence transformer; None: the default body.
        tuning: `max_steps`, `batch_size` and `learning_rate` of the contrastive phase.
    """

    folder: Path
    body: str | None
    tuning: Mapping[str, Any]

    def identity(self, column: str) -> dict[str, Any]:
        """What decides embeddings besides sentences and seed."""
        return body_identity(self.body, column, self.tuning)

    def frozen(self, sentences: Sentences, say: Callable[[str], object] | None = None) -> Embeddings:
        """Embeddings of all sentences to draw from, then of the test sentences, shape (n, d)."""
        texts = [*sentences.train, *sentences.test]

        def compute() -> Embeddings:
            return encode_texts(load_sentence_transformer(self.body), texts)

        return self._find({"column": FROZEN}, texts, compute, f"encoding {sentences.name}", say)

    def tuned(
        self,
        sentences: Sentences,
        rows: NDArray[np.int64],
        size: int,
        seed: int,
        say: Callable[[str], object] | None = None,
    ) -> Embeddings:
        """Embeddings of drawn and test sentences by a body that SetFit tuned on the drawn ones.

        Args:
            sentences: The data set.
            rows: All drawn rows, sorted.
            size: Sentences of a class.
            seed: Of the draw, and of the tuning.
            say: Told before it is computed, which takes a minute or two.
        """
        texts = [sentences.train[row] for row in rows] + list(sentences.test)
        targets = np.concatenate([sentences.train_targets[rows], sentences.test_targets])

        def compute() -> Embeddings:
            # Of the test sentences only the texts are encoded: the split gives the tuning the drawn ones alone.
            split = SimpleNamespace(train=np.arange(len(rows)))
            pool: Any = SimpleNamespace(texts=texts, targets=targets, split=lambda _: split)
            return tune_and_encode(pool, self.body, seed, self.tuning)

        labels = targets[: len(rows)].tolist()
        place = {"column": TUNED, "seed": seed, "labels": labels}
        return self._find(place, texts, compute, f"tuning on {sentences.name}, {size} per class, seed {seed}", say)

    def _find(
        self,
        place: Mapping[str, Any],
        texts: Sequence[str],
        compute: Callable[[], Embeddings],
        what: str,
        say: Callable[[str], object] | None,
    ) -> Embeddings:
        digest = hash_texts(texts)
        key = hash_settings({"body": _identity(self, str(place["column"])), "texts": digest, **place})
        path = self.folder / f"{key[:20]}.npz"
        found = read_embeddings(path, digest)
        if found is None:
            if say is not None:
                say(what)
            found = compute()
            write_embeddings(path, digest, found)
        return found


_identities: dict[tuple[str | None, str, str], dict[str, Any]] = {}


def _identity(folder: EmbeddingFolder, column: str) -> dict[str, Any]:
    # A body in a folder counts by its contents: read once in a process.
    key = (folder.body, column, str(sorted(folder.tuning.items())))
    if key not in _identities:
        _identities[key] = folder.identity(column)
    return _identities[key]
