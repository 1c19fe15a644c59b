"""Image models, aspect models and classical heads on the test Hub: pushed by one process, loaded by another."""

import json
from pathlib import Path
from typing import Any

import spacy

from bodies import NAMES, TEXTS
from hub_fixtures import hub, run_client
from hub_server import HubServer
from image_bodies import KINDS, write_pictures

__all__ = ["hub"]  # the fixture

START = """
    import json
    from datasets import Dataset
    from setfit_quantum import AbsaModel, AbsaTrainer, ClassicalHead, QuantumHead, SetFitModel, TrainingArguments

    def head(**settings):
        return QuantumHead(n_qubits=3, encoder_layers=1, seed=1, **settings)
    def probabilities(model, inputs):
        return model.predict_proba(inputs).double().tolist()
    """

PUSH = """
    images = SetFitModel.from_image_backbone(resnet, head=head(), device="cpu")
    images.fit(pictures, kinds, num_epochs=2, show_progress_bar=False)
    images.push_to_hub("tester/images")
    mlp = SetFitModel.from_pretrained(body, head=ClassicalHead(hidden_dim=4, seed=0), device="cpu")
    mlp.fit(texts, names, num_epochs=2, show_progress_bar=False)
    mlp.abstain_below = 0.4
    mlp.push_to_hub("tester/mlp")
    absa = AbsaModel.from_pretrained(body, head=head(), spacy_model=pipeline, device="cpu")
    data = Dataset.from_dict({"text": ["good film great fun", "bad plot", "awful story"],
        "span": ["film", "plot", "story"], "label": ["positive", "negative", "negative"], "ordinal": [0, 0, 0]})
    arguments = TrainingArguments(num_epochs=(0, 2), show_progress_bar=False, report_to="none")
    AbsaTrainer(absa, args=arguments, train_dataset=data).train()
    first, second = absa.push_to_hub("tester/absa")
    print(json.dumps([probabilities(images, pictures), probabilities(mlp, texts), absa.predict(texts), first.oid]))
    """

READ = """
    images = SetFitModel.from_pretrained("tester/images", device="cpu")
    mlp = SetFitModel.from_pretrained("tester/mlp", device="cpu")
    absa = AbsaModel.from_pretrained("tester/absa-aspect@" + oid, "tester/absa-polarity", device="cpu")
    alone = ClassicalHead.from_pretrained("tester/mlp")
    print(json.dumps({
        "found": [probabilities(images, pictures), probabilities(mlp, texts), absa.predict(texts)],
        "alone": alone.settings(),
        "settings": [images.modality, mlp.abstain_below, absa.polarity_model.span_context],
    }))
    """


def test_every_kind_of_model_travels_whole(hub: HubServer, tmp_path: Path, tiny_body: Path, resnet: Path) -> None:
    pipeline = spacy.blank("en")
    pipeline.add_pipe("attribute_ruler").add([[{"LOWER": {"IN": ["film", "fun", "plot", "story"]}}]], {"POS": "NOUN"})
    pipeline.to_disk(tmp_path / "pipeline")
    pictures = [str(path) for path in sorted(write_pictures(tmp_path / "pictures", 4).rglob("*.png"))]
    inputs: dict[str, Any] = {"body": tiny_body, "resnet": resnet, "texts": TEXTS, "names": NAMES}
    inputs |= {"pictures": pictures, "kinds": sorted(KINDS[:4]), "pipeline": str(tmp_path / "pipeline"), "oid": ""}
    *expected, oid = run_client(START + PUSH, hub, tmp_path / "writer", inputs=inputs).value
    read = run_client(START + READ, hub, tmp_path / "reader", inputs=inputs | {"oid": oid}).value
    assert read["found"] == expected
    assert read["settings"] == ["image", 0.4, 3]
    assert read["alone"]["hidden_dim"] == 4
    for name in ("images", "mlp", "absa-aspect", "absa-polarity"):
        files = hub.files(f"tester/{name}")
        assert not [file for file in files if file.endswith((".pkl", ".bin", ".py"))]
    assert "pipeline_tag: image-classification" in hub.files("tester/images")["README.md"].decode()
    card = hub.files("tester/absa-polarity")["README.md"].decode()
    assert 'AbsaModel.from_pretrained("ASPECT_MODEL", "tester/absa-polarity")' in card
    assert "with its extra `absa`, then (with the folder or id of the other half in place of `ASPECT_MODEL`):" in card
    assert json.loads(hub.files("tester/absa-polarity")["config_setfit.json"])["spacy_model"] == str(
        tmp_path / "pipeline"
    )
