"""Tiny vision models with random weights, saved as `transformers` saves them, and pictures drawn on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SIZE = 32
WIDTH = 16


def draw_picture(kind: str, number: int) -> Image.Image:
    """A disc or a stripe of random place and colour on a noisy ground."""
    rng = np.random.default_rng([number, len(kind)])
    pixels = rng.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE]
    cy, cx, size = (*rng.integers(10, 22, 2).tolist(), int(rng.integers(5, 9)))
    inside = (y - cy) ** 2 + (x - cx) ** 2 < size**2 if kind == "disc" else abs(y - cy) < 2
    pixels[inside] = rng.integers(150, 255, 3, dtype=np.uint8)
    return Image.fromarray(pixels)


KINDS = ["disc", "stripe"] * 8
PICTURES = [draw_picture(kind, number) for number, kind in enumerate(KINDS)]


def write_pictures(folder: Path, n: int = 16, start: int = 0) -> Path:
    """Write pictures into one subfolder per class."""
    for number in range(start, start + n):
        kind = KINDS[number % len(KINDS)]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        draw_picture(kind, number).save(folder / kind / f"{number:03}.png")
    return folder


def build_resnet(folder: Path) -> Path:
    """Two stages of a real ResNet, 16 channels at the end."""
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ResNetConfig(embedding_size=8, hidden_sizes=[8, WIDTH], depths=[1, 1], layer_type="basic")
        ResNetModel(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": SIZE}, crop_pct=1.0).save_pretrained(folder)
    return folder


def build_vit(folder: Path) -> Path:
    """A ViT of two layers on patches of 8 x 8."""
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, image_size=SIZE,
            patch_size=8, initializer_range=0.3,
        )  # fmt: skip
        ViTModel(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return folder


def build_clip(folder: Path) -> Path:
    """A CLIP of two small towers, saved as a sentence transformer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *(f"{letter}</w>" for letter in "abc"), *"abc"]
    source = folder / "source"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tower = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        text = {**tower, "vocab_size": len(words), "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 1,
                "pad_token_id": 1}  # fmt: skip
        config = CLIPConfig(
            text_config=text, vision_config={**tower, "image_size": SIZE, "patch_size": 8}, projection_dim=12
        )
        CLIPModel(config).save_pretrained(source)
    tokenizer = CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
    images = CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})
    CLIPProcessor(images, tokenizer).save_pretrained(source)
    body = SentenceTransformer(modules=[Transformer(str(source))], device="cpu")
    body.save(str(folder / "body"), create_model_card=False)
    return folder / "body"


@pytest.fixture(scope="session")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny ResNet."""
    return build_resnet(tmp_path_factory.mktemp("resnet"))


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny ViT."""
    return build_vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny CLIP, a sentence transformer."""
    return build_clip(tmp_path_factory.mktemp("clip"))
