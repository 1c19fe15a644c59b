"""Embeddings of a study's sentences: by the frozen body, and by one that SetFit tuned on a seed's training data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from setfit_quantum.default_body import DEFAULT_BODY, resolve_body
from setfit_quantum.experiments.embedding_cache import cached_embeddings, hash_texts, read_embeddings, write_embeddings
from setfit_quantum.experiments.pools import Pool
from setfit_quantum.experiments.result_file import hash_settings
from setfit_quantum.experiments.run_settings import FROZEN, TUNED

TUNING: dict[str, Any] = {"max_steps": 200, "batch_size": 16, "learning_rate": 2e-5}
"""Contrastive tuning: SetFit's settings, but this many steps instead of an epoch over all pairs."""

Embeddings = NDArray[np.float32]
OnProgress = Callable[[str], object]


def body_identity(name: str | None, column: str, tuning: Mapping[str, Any]) -> dict[str, Any]:
    """What decides embeddings besides the sentences and, for a tuned body, the seed.

    Args:
        name: Hub id or folder; None: the default body. A folder counts by its contents.
        column: `"frozen"` or `"tuned"`.
        tuning: Settings of the tuning.
    """
    known: str = name or DEFAULT_BODY
    if Path(known).is_dir():
        digest = hashlib.sha256()
        for path in sorted(Path(known).rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(known)).encode())
                digest.update(path.read_bytes())
        known = f"folder:{digest.hexdigest()[:32]}"
    return {"name": known, "tuning": dict(tuning) if column == TUNED else None}


class EmbeddingStore:
    """Embeddings of a pool under each body column and, where a body is tuned, each seed.

    Args:
        pool: The sentences.
        body: Hub id or folder; None: the default body.
        folder: Where embeddings are kept; None: in memory only.
        tuning: Settings of the tuning; None: `TUNING`.
        say: Told what takes long.
    """

    def __init__(
        self,
        pool: Pool,
        body: str | None,
        folder: Path | None = None,
        tuning: Mapping[str, Any] | None = None,
        say: OnProgress | None = None,
    ) -> None:
        self.pool, self.body, self.tuning = pool, body, TUNING | dict(tuning or {})
        self._folder, self._say = folder, say or (lambda _: None)
        self._identities: dict[str, dict[str, Any]] = {}
        self._found: dict[tuple[str, int | None], Embeddings] = {}

    def identity(self, column: str) -> dict[str, Any]:
        """See `body_identity`."""
        if column not in self._identities:
            self._identities[column] = body_identity(self.body, column, self.tuning)
        return self._identities[column]

    def prepare(self, column: str, seed: int) -> None:
        """Compute or read the embeddings of a column and seed."""
        place = (column, seed if column == TUNED else None)
        if place not in self._found:
            self._found[place] = self._tuned(seed) if column == TUNED else self._frozen()

    def get(self, column: str, seed: int) -> Embeddings:
        """Embeddings, shape (n_sentences, d), that `prepare` made."""
        return self._found[(column, seed if column == TUNED else None)]

    @property
    def in_features(self) -> int:
        """Width of the embeddings."""
        return int(next(iter(self._found.values())).shape[1])

    def release(self, wanted: Sequence[tuple[str, int]]) -> EmbeddingStore:
        """Itself without what none of the (column, seed) needs: what travels to workers."""
        keep = {(column, seed if column == TUNED else None) for column, seed in wanted}
        self._found = {place: values for place, values in self._found.items() if place in keep}
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Progress is told by the process that was asked to.
        return self.__dict__ | {"_say": _silent}

    def _path(self, column: str, seed: int | None) -> Path | None:
        if self._folder is None:
            return None
        key = hash_settings({"body": self.identity(column), "pool": self.pool.identity(), "seed": seed})
        return self._folder / f"{key[:16]}.npz"

    def _frozen(self) -> Embeddings:
        path = self._path(FROZEN, None)
        model: list[Any] = []

        def encode(texts: Sequence[str]) -> Embeddings:
            if not model:
                model.append(load_sentence_transformer(self.body))
            if len(texts) == len(self.pool.texts):
                self._say(f"Encoding {len(texts)} sentences ...")
            return encode_texts(model[0], texts)

        return encode(self.pool.texts) if path is None else cached_embeddings(path, self.pool.texts, encode)

    def _tuned(self, seed: int) -> Embeddings:
        path, digest = self._path(TUNED, seed), hash_texts(self.pool.texts)
        found = None if path is None else read_embeddings(path, digest)
        if found is None:
            self._say(f"Tuning the body for seed {seed} ({self.tuning['max_steps']} steps), then encoding ...")
            found = tune_and_encode(self.pool, self.body, seed, self.tuning)
            if path is not None:
                write_embeddings(path, digest, found)
        return found


def load_sentence_transformer(body: str | None) -> Any:
    """The body on the CPU, in evaluation mode."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(resolve_body(body), device="cpu").eval()


def encode_texts(model: Any, texts: Sequence[str]) -> Embeddings:
    """Embeddings of texts, shape (n, d)."""
    found = model.encode(list(texts), batch_size=64, convert_to_numpy=True, show_progress_bar=False)
    return np.asarray(found, dtype=np.float32)


def tune_and_encode(pool: Pool, body: str | None, seed: int, tuning: Mapping[str, Any]) -> Embeddings:
    """Tune the body contrastively on a seed's training sentences, as SetFit does, and encode the whole pool."""
    import datasets
    import torch

    from setfit_quantum.model import SetFitModel
    from setfit_quantum.training.setfit_arguments import TrainingArguments
    from setfit_quantum.training.setfit_trainer import Trainer

    rows = pool.split(seed).train
    train = datasets.Dataset.from_dict(
        {"text": [pool.texts[row] for row in rows], "label": [int(pool.targets[row]) for row in rows]}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SetFitModel.from_pretrained(resolve_body(body), device="cpu")
        arguments = TrainingArguments(
            max_steps=int(tuning["max_steps"]),
            batch_size=(int(tuning["batch_size"]), 16),
            body_learning_rate=(float(tuning["learning_rate"]), 1e-5),
            seed=seed,
            report_to="none",
            save_strategy="no",
            eval_strategy="no",
            show_progress_bar=False,
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=train)
        trainer.train_embeddings(list(train["text"]), list(train["label"]), args=arguments)
        return encode_texts(model.model_body.eval(), pool.texts)


def _silent(_: str) -> None:
    return None
