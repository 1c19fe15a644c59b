"""A small engine for tests of the demo: a stub for a body, and an untrained head."""

import numpy as np
import torch

from bodies import NAMES, TEXTS
from setfit_quantum import QuantumHead
from setfit_quantum.baselines import fit_logistic_regression
from setfit_quantum.demo.engine import DemoModel, Engine
from setfit_quantum.demo.measuring import Device

PERFECT = Device(100, 0.0, "ionq-forte")
PAIRS = [[text, name] for text, name in zip(TEXTS, NAMES, strict=True)]


class Body:
    """Embeds texts by a fixed random projection of their letters: fast, and similar texts are similar."""

    device = torch.device("cpu")

    def parameters(self):
        return iter([torch.zeros(250_000)])

    def encode(self, texts, **_):
        matrix = torch.randn(128, 16, generator=torch.Generator().manual_seed(0))
        counts = torch.zeros(len(texts), 128)
        for row, text in enumerate(texts):
            for letter in text:
                counts[row, ord(letter) % 128] += 1
        return torch.nn.functional.normalize(counts @ matrix, dim=1)


def make_engine(n_qubits=4, n_classes=2, **settings):
    labels = tuple(f"label {number}" for number in range(n_classes))
    head = QuantumHead(in_features=16, out_features=n_classes, n_qubits=n_qubits, seed=3, **settings).eval()
    x = Body().encode(TEXTS)
    classical = fit_logistic_regression(x.numpy(), np.arange(len(TEXTS)) % n_classes)
    return Engine(Body(), DemoModel("test", head, labels, classical, "Made for a test."), body_name="none")
