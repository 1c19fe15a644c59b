"""A trained model as ONNX files, and classifying with them without PyTorch and without this package.

python examples/onnx_model.py [FOLDER]
"""

import json
import sys
from pathlib import Path

import numpy as np


def main(folder: str = "reviews-onnx", num_epochs: int = 30, n_qubits: int = 6) -> float:
    from setfit_quantum import QuantumHead, SetFitModel
    from setfit_quantum.data import load_examples
    from setfit_quantum.default_body import resolve_body
    from setfit_quantum.onnx_export import export_model

    train, test = load_examples("bundled:reviews"), load_examples("bundled:reviews", split="test")
    model = SetFitModel.from_pretrained(resolve_body(), head=QuantumHead(n_qubits=n_qubits, seed=0))
    model.fit(train.texts, train.labels, num_epochs=num_epochs, show_progress_bar=False)
    export_model(model, folder)

    texts = test.texts[:32]
    shares = classify(Path(folder), texts)
    difference = float(np.abs(shares - np.asarray(model.predict_proba(texts))).max())
    labels = json.loads((Path(folder) / "onnx_model.json").read_text())["labels"]
    print(f"{texts[0]!r}: {labels[int(shares[0].argmax())]}")
    print(f"Largest difference from PyTorch over {len(texts)} texts: {difference:.1e}")
    return difference


def classify(folder: Path, texts: list[str]) -> np.ndarray:
    """Probabilities of the classes: all that is needed are the files, `tokenizers` and `onnxruntime`."""
    import onnxruntime
    from tokenizers import Tokenizer

    settings = json.loads((folder / "onnx_model.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(settings["max_length"])
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch([settings["prompt"] + text for text in texts])
    columns = {
        "input_ids": [one.ids for one in encoded],
        "attention_mask": [one.attention_mask for one in encoded],
        "token_type_ids": [one.type_ids for one in encoded],
    }
    body, head = (onnxruntime.InferenceSession(str(folder / f"{part}.onnx")) for part in ("body", "head"))
    inputs = {name: np.array(columns[name], dtype=np.int64) for name in settings["inputs"]}
    embeddings = body.run(["embeddings"], inputs)[0]
    probabilities: np.ndarray = head.run(["probabilities"], {"embeddings": embeddings})[0]
    return probabilities


if __name__ == "__main__":
    main(*sys.argv[1:2])
