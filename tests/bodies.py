"""A tiny sentence transformer made on the spot, so that tests need neither the Hub nor seconds per model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

POSITIVE = ["good film", "great fun", "a lovely story", "what a great cast", "good and warm", "lovely music", "great",
            "a warm and good film"]  # fmt: skip
NEGATIVE = ["bad film", "awful plot", "a dull story", "what a bad cast", "dull and cold", "awful music", "bad",
            "a cold and dull film"]  # fmt: skip
TEXTS = [text for pair in zip(POSITIVE, NEGATIVE, strict=True) for text in pair]
NAMES = ["positive", "negative"] * len(POSITIVE)
NUMBERS = [1, 0] * len(POSITIVE)
WIDTH = 32


def build_tiny_body(folder: Path, seed: int = 0) -> Path:
    """Save a random two-layer BERT with pooling and normalisation (32 dimensions, dropout 0.1) into `folder`."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = sorted({word for text in TEXTS for word in text.split()})
    source = folder / "source"
    source.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    BertTokenizerFast(vocab={word: number for number, word in enumerate(vocabulary)}).save_pretrained(source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            max_position_embeddings=32,
            initializer_range=0.3,
        )
        BertModel(config).save_pretrained(source)
    body = SentenceTransformer(
        modules=[Transformer(str(source), max_seq_length=16), Pooling(WIDTH, pooling_mode="mean"), Normalize()],
        device="cpu",
    )
    body.save(str(folder / "body"), create_model_card=False)
    return folder / "body"


@pytest.fixture(scope="session")
def tiny_body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny sentence transformer."""
    return build_tiny_body(tmp_path_factory.mktemp("tiny"))
