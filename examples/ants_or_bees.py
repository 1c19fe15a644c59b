"""Ants or bees: a frozen ResNet-18 turns images into features, a quantum circuit decides.

python examples/ants_or_bees.py [FOLDER [BACKBONE]]

FOLDER holds `train` and `val`, each with one subfolder per class (the Hymenoptera images of the transfer-learning
tutorials are such a folder); without it small pictures of two kinds are drawn. BACKBONE is a vision model's folder or
Hub id; `random` makes a ResNet-18 with random weights, for trying things out where the Hub cannot be reached.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from setfit_quantum import ClassicalHead, QuantumHead, SetFitModel
from setfit_quantum.data import load_images
from setfit_quantum.evaluation import wilson_interval


def main(
    folder: str | None = None, backbone: str = "microsoft/resnet-18", num_epochs: int = 60, n_drawn: int = 40
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        if folder is None:
            folder = draw_insects(Path(scratch) / "insects", n_drawn)
        if backbone == "random":
            backbone = save_random_resnet(Path(scratch) / "resnet")
        train, test = load_images(folder, "train"), load_images(folder, "val")
        accuracies = {}
        for name, head in (("quantum", QuantumHead(n_qubits=4, seed=0)), ("linear", ClassicalHead(seed=0))):
            model = SetFitModel.from_image_backbone(backbone, head=head)
            model.fit(train.texts, train.labels, num_epochs=num_epochs, validation_split=0.15, show_progress_bar=False)
            right = sum(a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True))
            low, high = wilson_interval(right, len(test))
            accuracies[name] = right / len(test)
            print(
                f"{name} head, {head.num_parameters()} parameters: {100 * accuracies[name]:.1f} % of {len(test)} "
                f"images (95 % interval {100 * low:.1f} to {100 * high:.1f})"
            )
    return accuracies


def draw_insects(folder: Path, n: int) -> str:
    """Dark dots in a row (ants), and stripes of yellow and black (bees), on leaves."""
    rng = np.random.default_rng(0)
    for split, count in (("train", n), ("val", n)):
        for number in range(count):
            kind = ("ants", "bees")[number % 2]
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(rng.integers(60, 180, (64, 64, 3), dtype=np.uint8))
            draw = ImageDraw.Draw(image)
            x, y = rng.integers(8, 28, 2).tolist()
            if kind == "ants":
                for part in range(3):
                    draw.ellipse((x + 9 * part, y, x + 8 + 9 * part, y + 7), fill=(40, 20, 10))
            else:
                for part in range(5):
                    draw.rectangle(
                        (x + 5 * part, y, x + 4 + 5 * part, y + 14), fill=((240, 190, 20), (20, 20, 20))[part % 2]
                    )
            image.save(folder / split / kind / f"{number}.png")
    return str(folder)


def save_random_resnet(folder: Path) -> str:
    """A ResNet-18 as it is before any training."""
    import torch
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetModel

    torch.manual_seed(0)
    config = ResNetConfig(layer_type="basic", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2])
    ResNetModel(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 224}).save_pretrained(folder)
    return str(folder)


if __name__ == "__main__":
    main(*sys.argv[1:3])
