"""Heads and models as ONNX graphs: a runtime without this package computes what the head computes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from bodies import NAMES, TEXTS
from setfit_quantum import Circuit, ClassicalHead, Gate, QuantumHead, SetFitModel
from setfit_quantum.onnx_export import build_head_graph, export_head, export_model
from setfit_quantum.onnx_export.circuits import run_circuit
from setfit_quantum.training import HeadTrainingArguments, train_head

X = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
SMALL = {"n_qubits": 3, "encoder_layers": 1, "seed": 0}

OWN = (
    Circuit(3, (Gate("h", (0,)), Gate("cry", (0, 2), weight=0), Gate("cz", (1, 2)), Gate("x", (1,)))),
    Circuit(3, (Gate("swap", (0, 2)), Gate("ry", (1,), weight=0), Gate("z", (1,)), Gate("cx", (2, 0)))),
)


def run(model, x):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"embeddings": x.numpy()}), strict=True))


def check(head, x=X, tolerance=1e-5):
    found = run(build_head_graph(head), x)
    head.eval()
    with torch.no_grad():
        logits, probs = head(x)
    # Logits of a closed-form layer reach tens: there float32 keeps five digits, not 1e-5.
    np.testing.assert_allclose(found["logits"], logits.numpy(), atol=tolerance, rtol=1e-5)
    np.testing.assert_allclose(found["probabilities"], probs.numpy(), atol=tolerance)
    if hasattr(head, "latents") and "latents" in found:
        np.testing.assert_allclose(found["latents"], head.latents(x).detach().numpy(), atol=tolerance)
    if "expectations" in found:
        np.testing.assert_allclose(found["expectations"], head.expectations(x).detach().numpy(), atol=tolerance)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"out_features": 4},
        {"amplitude_bias": 0.0},
        {"n_encoders": 2},
        {"n_encoders": 2, "encoder_qubits": 6},  # as quadratic forms
        {"n_readout": 2},
        {"n_readout": 1, "one_logit": True},
        {"final_linear": False},
        {"final_linear": False, "out_features": 3},
        {"multitarget": True, "out_features": 3},
        {"temperature": 2.5},
        {"n_reuploads": 1, "reupload_layers": 2, "n_layers": 3, "connectivity": 2},
        {"encoder": "linear"},
        {"encoder": "mlp", "encoder_hidden_dim": 5, "encoder_batch_norm": True},
        {"classifier": "linear", "out_features": 3},
        {"classifier": "mlp", "classifier_hidden_dim": 4},
        {"ansatz": OWN},
        {"preprocessing": "center"},
        {"preprocessing": "pca", "projected_features": 3},
        {"preprocessing": "whiten", "projected_features": 3, "encoder": "linear"},
        {"preprocessing": "random", "projected_features": 2},
        {"latent_scale": 2.0, "amplitude_noise": 0.1, "initialization": "identity", "n_reuploads": 1, "n_layers": 1},
    ],
    ids=lambda arguments: ", ".join(map(str, arguments)) or "default",
)
def test_every_head_is_reproduced(arguments):
    head = QuantumHead(6, **(SMALL | arguments))
    if arguments.get("encoder_batch_norm") or arguments.get("preprocessing"):
        train_head(head, X, [0, 1, 0, 1, 0, 1, 0], HeadTrainingArguments(num_epochs=2, show_progress_bar=False))
    with torch.no_grad():
        for parameter in head.encoder.parameters():
            if parameter.ndim == 1 and head.config.encoder == "quantum":
                parameter.mul_(1.7)  # scales other than 1
    found = check(head)
    assert ("expectations" in found) == (head.config.classifier == "quantum")


def test_the_default_head_on_embeddings_of_a_real_width():
    x = torch.randn(5, 384, generator=torch.Generator().manual_seed(1))
    head = QuantumHead(384, seed=1)
    check(head, x)
    # Not by chance: another head gives other numbers.
    other = run(build_head_graph(QuantumHead(384, seed=2)), x)["logits"]
    assert np.abs(other - head(x)[0].detach().numpy()).max() > 0.01


@pytest.mark.parametrize(
    "arguments", [{}, {"hidden_dim": 4, "batch_norm": True}, {"hidden_dim": 4, "multitarget": True}]
)
def test_classical_heads_are_reproduced(arguments):
    check(ClassicalHead(6, 3, seed=0, **arguments))


def test_embeddings_of_any_size_are_taken():
    head = QuantumHead(6, **SMALL)
    rows = torch.cat([X * 1e-20, X * 1e18, torch.zeros(1, 6)])
    check(head, rows)


def test_circuits_are_run_exactly():
    from setfit_quantum.backends import get_backend

    circuit = OWN[0] + OWN[1]
    bound = circuit.bind(weights=[0.7])
    states = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    shares = run_circuit(bound, states) ** 2
    signs = 1 - 2 * ((np.arange(8)[:, None] >> (2 - np.arange(3))) & 1)
    expected = get_backend("torch").expectations(
        bound, torch.zeros(0, dtype=torch.float64), None, torch.from_numpy(states), n_readout=3
    )
    np.testing.assert_allclose(shares @ signs, expected.numpy(), atol=1e-12)


def test_the_file_says_what_it_is(tmp_path):
    path = export_head(ClassicalHead(6, 2, seed=0), tmp_path / "deep" / "head.onnx", labels=["no", "yes"])
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(properties["labels"]) == ["no", "yes"]
    assert properties["multitarget"] == "false"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: QuantumHead(6, shots=10, **SMALL), ValueError, "must be exact to be exported .* shots=10"),
        (lambda: QuantumHead(6, noise="paper-low", **SMALL), ValueError, "must be exact to be exported"),
        (lambda: QuantumHead(**SMALL), ValueError, "must know the width"),
        (lambda: torch.nn.Linear(2, 2), TypeError, "must be a QuantumHead or a ClassicalHead, but got Linear"),
        (
            lambda: QuantumHead(6, ansatz=(Circuit(3, (Gate("s", (0,)),)), OWN[1]), **SMALL),
            ValueError,
            "must have real gates only to be exported",
        ),
    ],
)
def test_what_no_graph_computes_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        build_head_graph(make())


@pytest.mark.parametrize("options", [{}, {"normalize_embeddings": True}, {"truncate_dim": 9, "prompt": "good "}])
def test_a_whole_model_is_reproduced(tiny_body, tmp_path, options):
    from test_examples import load

    model = SetFitModel.from_pretrained(tiny_body, head=QuantumHead(**SMALL), device="cpu", **options)
    model.fit(TEXTS, NAMES, num_epochs=2, show_progress_bar=False)
    model.model_body.train()
    export_model(model, tmp_path)
    assert model.model_body.training
    assert json.loads((tmp_path / "onnx_model.json").read_text())["labels"] == ["negative", "positive"]
    texts = [*TEXTS[:5], "good " * 30]  # of other lengths and numbers than the tracer saw, and one that is cut
    shares = load("onnx_model").classify(tmp_path, texts)
    np.testing.assert_allclose(shares, model.predict_proba(texts).numpy(), atol=1e-5)


def test_models_of_images_are_not_exported(resnet, tmp_path):
    model = SetFitModel.from_image_backbone(resnet, head=QuantumHead(**SMALL), device="cpu")
    with pytest.raises(ValueError, match="must classify texts to be exported"):
        export_model(model, tmp_path)
