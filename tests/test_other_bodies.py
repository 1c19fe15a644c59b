"""Bodies with instructions, with truncated embeddings, and of other languages."""

from __future__ import annotations

import json

import pytest
import torch

from bodies import NAMES, TEXTS, WIDTH
from setfit_quantum import QuantumHead, SetFitModel

FIT = {"num_epochs": 2, "show_progress_bar": False}


def load(body, **options):
    return SetFitModel.from_pretrained(body, head=QuantumHead(n_qubits=3, seed=0), device="cpu", **options)


def test_an_instruction_is_put_before_every_text_and_kept(tiny_body, tmp_path):
    model, plain = load(tiny_body, prompt="good "), load(tiny_body)
    assert torch.allclose(model.encode(["film"]), plain.encode(["good film"]), atol=1e-6)
    assert not torch.allclose(model.encode(["film"]), plain.encode(["film"]), atol=1e-3)
    model.fit(TEXTS, NAMES, **FIT)
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")
    assert torch.equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert json.loads((tmp_path / "config_sentence_transformers.json").read_text())["default_prompt_name"]
    without = SetFitModel.from_pretrained(tmp_path, prompt="", device="cpu")
    assert torch.allclose(without.encode(["film"]), plain.encode(["film"]), atol=1e-6)


def test_truncated_embeddings_fit_fewer_qubits(tiny_body, tmp_path):
    model, plain = load(tiny_body, truncate_dim=7), load(tiny_body)
    assert torch.equal(model.encode(TEXTS), plain.encode(TEXTS)[:, :7])
    assert (model.model_head.in_features, plain.model_head.in_features) == (7, WIDTH)
    assert model.model_head.encoder_circuit().n_qubits == 3  # seven numbers and the bias
    assert plain.model_head.encoder_circuit().n_qubits == 6
    model.fit(TEXTS, NAMES, **FIT)
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")
    assert loaded.model_head.in_features == 7
    assert torch.equal(loaded.predict_proba(TEXTS), model.predict_proba(TEXTS))
    for value, error in ((0, "must be at least 1"), (33, "must be at most 32, the embedding's width, but got 33")):
        with pytest.raises(ValueError, match=f"Argument `truncate_dim` {error}"):
            load(tiny_body, truncate_dim=value)


def test_body_and_head_train_on_what_they_will_predict_from(tiny_body):
    from setfit_quantum.model.inputs import embed

    model = load(tiny_body, truncate_dim=7, prompt="good ")
    model.model_body.eval()
    embedded = embed(model.model_body, TEXTS, "text", normalize=True)
    assert embedded.requires_grad
    model.normalize_embeddings = True
    assert torch.allclose(embedded.detach(), model.encode(TEXTS), atol=1e-6)
    result = model.fit(TEXTS, NAMES, end_to_end=True, **FIT)
    assert result.epochs_run == 2


def test_a_multilingual_body(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

    letters = "▁abcdefghijklmnopqrstuvwxyzéñüжизньхорошоплкм好坏"
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(letter, -5.0) for letter in dict.fromkeys(letters)] + [("<mask>", 0.0)]
    XLMRobertaTokenizer(vocab=pieces).save_pretrained(tmp_path / "source")
    config = XLMRobertaConfig(
        vocab_size=len(pieces), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=34, initializer_range=0.3,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(tmp_path / "source")
    modules = [Transformer(str(tmp_path / "source"), max_seq_length=32), Pooling(16)]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "body"), create_model_card=False)
    texts = ["good film", "bad film", "film bueño", "mal film", "хорошо", "плохо", "好", "坏"]
    model = load(tmp_path / "body")
    assert len({tuple(row.tolist()) for row in model.encode(texts)}) == len(texts)
    model.fit(texts, ["positive", "negative"] * 4, **FIT)
    model.save_pretrained(tmp_path / "model")
    loaded = SetFitModel.from_pretrained(tmp_path / "model", device="cpu")
    assert torch.equal(loaded.predict_proba(texts), model.predict_proba(texts))
