"""Images: how they are read, and models that classify them, through training, files, the Hub's cards and commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from bodies import TEXTS
from image_bodies import KINDS, PICTURES, SIZE, WIDTH, write_pictures
from setfit_quantum import ClassicalHead, QuantumHead, SetFitModel
from setfit_quantum.cli.app import app
from setfit_quantum.data import DataError, image_splits, load_images, read_image
from setfit_quantum.data.images import describe_image, is_single_image

PIXELS = np.asarray(PICTURES[0])


def head(**changes):
    return QuantumHead(**({"n_qubits": 3, "seed": 0} | changes))


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path,
        str,
        lambda path: path.read_bytes(),
        lambda path: {"path": str(path), "bytes": None},
        lambda path: {"path": None, "bytes": path.read_bytes()},
        Image.open,
        lambda path: np.asarray(Image.open(path)),
        lambda path: torch.from_numpy(np.asarray(Image.open(path)).transpose(2, 0, 1).copy()),
        lambda path: np.asarray(Image.open(path)) / 255,
        lambda path: np.asarray(Image.open(path)).astype(np.int64),
    ],
    ids=["Path", "str", "bytes", "dict path", "dict bytes", "PIL", "array", "tensor", "floats", "ints"],
)
def test_every_form_of_an_image_is_read_alike(make, tmp_path):
    PICTURES[0].save(tmp_path / "one.png")
    value = make(tmp_path / "one.png")
    assert is_single_image(value)
    image = read_image(value)
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), PIXELS)


def test_other_modes_become_rgb(tmp_path):
    grey = np.asarray(read_image(PIXELS[:, :, 0]))
    assert np.array_equal(grey, np.repeat(PIXELS[:, :, :1], 3, axis=2))
    assert np.array_equal(np.asarray(read_image(PIXELS[:, :, :1])), grey)
    clear = np.concatenate([PIXELS, np.zeros((SIZE, SIZE, 1), np.uint8)], axis=2)
    assert np.array_equal(np.asarray(read_image(clear)), np.full((SIZE, SIZE, 3), 255))  # the page below it
    deep = Image.fromarray(np.arange(4, dtype=np.uint16).reshape(2, 2) * 1000)
    assert np.asarray(read_image(deep))[:, :, 0].tolist() == [[0, 85], [170, 255]]
    turned = Image.fromarray(PIXELS)
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(np.asarray(read_image(tmp_path / "turned.png")), PIXELS[::-1, ::-1])


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (3, TypeError, "image must be a path, a PIL image, an array"),
        (np.zeros((5, 5, 7)), ValueError, r"image must have shape .* but has \(5, 5, 7\)"),
        (np.full((4, 4, 3), 7.0), ValueError, "numbers between 0 and 1"),
        (np.full((4, 4, 3), np.nan), ValueError, "numbers between 0 and 1"),
        (np.full((4, 4, 3), 300), ValueError, "numbers between 0 and 255"),
        ("nowhere.png", DataError, "there is no file 'nowhere.png'"),
        (b"no image", DataError, "its bytes cannot be read as an image"),
        ({}, TypeError, "is a NoneType"),
    ],
)
def test_what_is_no_image_is_refused(value, error, message):
    with pytest.raises(error, match=message):
        read_image(value)


def test_the_same_image_is_known_again():
    assert describe_image("a/b.png") == "a/b.png"
    assert describe_image(PICTURES[0]) == describe_image(PIXELS)
    assert describe_image(PICTURES[0]) != describe_image(PICTURES[1])


def test_folders_give_classes_and_splits(tmp_path):
    write_pictures(tmp_path / "plain")
    plain = load_images(tmp_path / "plain")
    assert plain.classes == ["disc", "stripe"]
    assert len(plain) == 16
    assert all(path.endswith(".png") for path in plain.texts)
    assert load_images(tmp_path / "plain", limit=4).labels == ["disc", "disc", "stripe", "stripe"]
    write_pictures(tmp_path / "split" / "train", 4)
    write_pictures(tmp_path / "split" / "val", 2, start=4)
    assert image_splits(tmp_path / "split") == ["train", "val"]
    assert (len(load_images(tmp_path / "split")), len(load_images(tmp_path / "split", "val"))) == (4, 2)
    for folder, split, message in (
        (tmp_path / "none", None, "does not exist"),
        (tmp_path / "split", "test", "has the splits train, val, but got 'test'"),
        (tmp_path / "plain", "test", "has no splits, but got 'test'"),
        (tmp_path / "plain" / "disc", None, "there is no class folder in it"),
    ):
        with pytest.raises(DataError, match=message):
            load_images(folder, split)
    (tmp_path / "plain" / "empty").mkdir()
    with pytest.raises(DataError, match="class folder 'empty' has no image"):
        load_images(tmp_path / "plain")


def test_a_resnet_gives_the_features_of_its_own_last_pooling(resnet):
    from transformers import AutoImageProcessor, AutoModel

    model = SetFitModel.from_image_backbone(resnet, head=head(), device="cpu")
    assert model.model_head.in_features == WIDTH
    processor, backbone = AutoImageProcessor.from_pretrained(resnet), AutoModel.from_pretrained(resnet).eval()
    with torch.no_grad():
        pooled = backbone(**processor(PICTURES, return_tensors="pt")).pooler_output.flatten(1)
    assert torch.allclose(model.encode(PICTURES), pooled, atol=1e-5)


@pytest.mark.parametrize("backbone", ["resnet", "vit", "clip"])
def test_images_are_learned_saved_and_loaded(backbone, request, tmp_path):
    model = SetFitModel.from_image_backbone(request.getfixturevalue(backbone), head=head(), device="cpu")
    result = model.fit(PICTURES, KINDS, num_epochs=25, learning_rate=0.05, show_progress_bar=False)
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert model.labels == ["disc", "stripe"]
    predictions = model.predict(PICTURES)
    assert sum(a == b for a, b in zip(predictions, KINDS, strict=True)) >= 10
    assert model.predict(PICTURES[3]) == predictions[3]
    assert model.predict_proba(PIXELS).shape == (2,)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config_setfit.json").read_text())["modality"] == "image"
    assert not list(tmp_path.rglob("*.pkl")) + list(tmp_path.rglob("*.py"))
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")  # no code of the folder's own is needed
    assert loaded.modality == "image"
    assert torch.equal(loaded.predict_proba(PICTURES), model.predict_proba(PICTURES))
    card = (tmp_path / "README.md").read_text()
    assert "pipeline_tag: image-classification" in card
    assert "This model classifies images as `disc` and `stripe`" in card
    assert 'model.predict(["one.jpg", "another.png"])' in card
    assert " text " not in card.split("## Noise")[0].split("## Results")[0].replace("as text (", "")


def test_paths_arrays_and_columns_predict_alike(resnet, tmp_path):
    from datasets import ClassLabel, Dataset, Features
    from datasets import Image as ImageFeature

    model = SetFitModel.from_image_backbone(resnet, head=head(), device="cpu")
    rows = {"image": PICTURES, "label": KINDS}
    data = Dataset.from_dict(
        {"image": rows["image"], "label": [0, 1] * 8},
        features=Features({"image": ImageFeature(), "label": ClassLabel(names=["disc", "stripe"])}),
    )
    model.fit(data["image"], data["label"], num_epochs=3, eval_dataset=data.select(range(4)), show_progress_bar=False)
    expected = model.predict_proba(PICTURES)
    folder = write_pictures(tmp_path)
    paths = sorted(folder.rglob("*.png"), key=lambda path: path.name)
    assert torch.equal(model.predict_proba(paths), expected)
    assert torch.equal(model.predict_proba(np.stack([np.asarray(picture) for picture in PICTURES])), expected)
    assert torch.equal(model.predict_proba(data["image"]), expected)
    assert torch.equal(model.predict_proba(data.cast_column("image", ImageFeature(decode=False))["image"]), expected)
    assert torch.allclose(model.predict_proba(PICTURES, batch_size=3), expected, atol=1e-5)
    assert model.predict([]).shape == (0,)
    with pytest.raises(DataError, match=r"Input number 1: there is no file 'gone\.png'"):
        model.predict([paths[0], "gone.png"])
    with pytest.raises(ValueError, match="must have the columns 'image' and 'label'"):
        model.fit(PICTURES, KINDS, eval_dataset=Dataset.from_dict({"text": ["a"], "label": [0]}))


def test_body_and_head_train_together(resnet, tmp_path):
    pictures, kinds = PICTURES[:8], KINDS[:8]
    model = SetFitModel.from_image_backbone(resnet, head=head(), device="cpu")
    before = [parameter.detach().clone() for parameter in model.model_body.parameters()]
    settings = {"end_to_end": True, "body_learning_rate": 1e-3, "show_progress_bar": False, "checkpoint_dir": tmp_path}
    result = model.fit(pictures, kinds, num_epochs=2, **settings)
    assert result.epochs_run == 2
    after = list(model.model_body.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))
    # Arrays of the same pictures are the same data to a checkpoint.
    again = SetFitModel.from_image_backbone(resnet, head=head(), device="cpu")
    resumed = again.fit([np.asarray(picture) for picture in pictures], kinds, num_epochs=2, **settings)
    assert resumed.resumed_from is not None


@pytest.mark.parametrize("make", [lambda: ClassicalHead(seed=0), LogisticRegression], ids=["linear", "scikit-learn"])
def test_classical_heads_classify_images_too(make, resnet, tmp_path):
    model = SetFitModel.from_image_backbone(resnet, head=make(), device="cpu")
    folder = write_pictures(tmp_path / "data")
    examples = load_images(folder)
    model.fit(examples.texts, examples.labels, num_epochs=2)
    model.save_pretrained(tmp_path / "model")
    loaded = SetFitModel.from_pretrained(tmp_path / "model", device="cpu")
    assert list(loaded.predict(examples.texts)) == list(model.predict(examples.texts))
    assert loaded.predict(examples.texts[0]) in ("disc", "stripe")


def test_pooling_can_be_chosen(vit, resnet, clip, tmp_path):
    model = SetFitModel.from_image_backbone(vit, head=head(), pooling="cls", device="cpu")
    mean = SetFitModel.from_image_backbone(vit, head=head(), device="cpu")
    assert not torch.allclose(model.encode(PICTURES), mean.encode(PICTURES))
    model.fit(PICTURES, KINDS, num_epochs=1, show_progress_bar=False)
    model.save_pretrained(tmp_path)
    loaded = SetFitModel.from_pretrained(tmp_path, device="cpu")
    assert torch.equal(loaded.encode(PICTURES), model.encode(PICTURES))
    with pytest.raises(ValueError, match="Argument `pooling` must be one of 'cls'"):
        SetFitModel.from_image_backbone(resnet, head=head(), pooling="median", device="cpu")
    with pytest.raises(ValueError, match="needs a body that pools"):
        SetFitModel.from_image_backbone(clip, head=head(), pooling="cls", device="cpu")


def test_a_body_of_texts_takes_no_images(tiny_body):
    with pytest.raises(ValueError, match="needs a body that takes images"):
        SetFitModel.from_image_backbone(tiny_body, head=head(), device="cpu")
    with pytest.raises(ValueError, match="Argument `modality` must be one of 'text', 'image'"):
        SetFitModel.from_pretrained(tiny_body, head=head(), modality="sound", device="cpu")
    assert SetFitModel.from_pretrained(tiny_body, head=head(), device="cpu").encode(TEXTS[:2]).shape == (2, 32)


def test_without_the_extra_the_error_names_it(resnet, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torchvision" else found(name))
    with pytest.raises(ImportError, match=r'torchvision: pip install "setfit-quantum\[vision\]"'):
        SetFitModel.from_image_backbone(resnet)


def test_setfits_trainer_is_for_texts(resnet):
    from setfit_quantum import Trainer

    model = SetFitModel.from_image_backbone(resnet, head=head(), device="cpu")
    with pytest.raises(ValueError, match=r"must classify texts.*model\.fit\(\.\.\., end_to_end=True\)"):
        Trainer(model=model)


def test_commands_train_evaluate_and_predict_images(resnet, tmp_path):
    write_pictures(tmp_path / "data" / "train", 12)
    write_pictures(tmp_path / "data" / "val", 4, start=12)
    output = tmp_path / "model"
    result = run(
        "train", "--images", tmp_path / "data", "--body", resnet, "-o", output, "--epochs", 5, "--qubits", 3,
        "--test-split", "val", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    trained = json.loads(result.stdout)
    assert (trained["n_train"], trained["test"]["n_examples"], trained["modality"]) == (12, 4, "image")
    assert trained["classes"] == ["disc", "stripe"]
    result = run("evaluate", output, tmp_path / "data", "--split", "val", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["accuracy"] == trained["test"]["accuracy"]
    # There is no test split, so it is the one to validate on; the output says so.
    assert "data/val" in run("evaluate", output, tmp_path / "data", "--json").stdout
    path = tmp_path / "data" / "val" / "disc" / "012.png"
    result = run("predict", output, path)
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["image"] == str(path)
    assert record["label"] in ("disc", "stripe")
    (tmp_path / "text.png").write_text("no image")
    for wrong, message in (
        (path.parent, "is a folder, not an image"),
        (tmp_path / "absent.png", "there is no file"),
        (tmp_path / "text.png", "cannot be read as an image"),
    ):
        result = run("predict", output, wrong)
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "DATA", "bundled:reviews"], "Give DATA (texts) or --images FOLDER, one of them."),
        ([], "Give DATA (texts) or --images FOLDER, one of them."),
        (["--images", "DATA", "--multilabel"], "needs texts"),
        (["--images", "NOWHERE"], "does not exist"),
        (["--images", "DATA", "--test-split", "val"], "has no splits"),
    ],
)
def test_commands_refuse_what_fits_no_images(words, message, tmp_path):
    folder = write_pictures(tmp_path / "data", 2)
    places = {"DATA": folder, "NOWHERE": tmp_path / "nowhere"}
    result = run("train", *[places.get(word, word) for word in words], "-o", tmp_path / "model")
    assert result.exit_code == 2
    assert message in result.stderr
