"""The examples run, and do what they say."""

import importlib.util
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_support_requests(tmp_path, capsys):
    accuracy = load("support_requests").main(str(tmp_path / "model"))
    assert accuracy > 0.6  # five classes: guessing gives 0.2
    assert f"{round(accuracy * 95)} of 95 test requests are right" in capsys.readouterr().out
    assert (tmp_path / "model" / "quantum_head.safetensors").is_file()


def test_sklearn_head():
    scores = load("sklearn_head").main(num_epochs=20, n_qubits=4)
    assert set(scores) == {"quantum head", "three quantum heads", "logistic regression"}
    assert min(scores.values()) > 0.6  # two balanced classes: guessing gives 0.5


def test_hardware_dry_run(capsys):
    figures = load("hardware_dry_run").main(n_sentences=40, shots=200, num_epochs=10)
    printed = capsys.readouterr().out
    assert "Inference on 40 sentences: 40 circuits in 1 jobs, 8,000 shots: about" in printed
    assert f"{figures['usd']:,.2f} USD" in printed
    assert "0 gpi, 38 gpi2, 8 zz" in printed
    assert "Training for 10 epochs with parameter-shift: 118,080 circuits" in printed
    assert "Training for 10 epochs with spsa: 8,640 circuits" in printed
    assert figures["usd"] > 40 * 12  # the least price of a circuit
    assert min(figures["exact"], figures["rehearsal"]) > 0.6  # two classes: guessing gives 0.5
    assert abs(figures["exact"] - figures["rehearsal"]) < 0.2


def test_transfer_kinds(capsys):
    accuracies = load("transfer_kinds").main(num_epochs=8, n_qubits=4)
    assert set(accuracies) == {"CC", "CQ", "QC", "QQ", "linear"}
    assert accuracies["linear"] > 0.6  # five classes: guessing gives 0.2
    assert min(accuracies.values()) > 0.15
    assert "QQ: a quantum network, pre-trained, feeds a quantum one" in capsys.readouterr().out


def test_ants_or_bees(resnet, capsys):
    accuracies = load("ants_or_bees").main(backbone=str(resnet), num_epochs=40)
    assert set(accuracies) == {"quantum", "linear"}
    assert min(accuracies.values()) > 0.7  # two balanced classes: guessing gives 0.5
    assert "of 40 images (95 % interval" in capsys.readouterr().out


def test_fewer_qubits():
    accuracies = load("fewer_qubits").main(widths=(None, 63), num_epochs=10)
    assert [name.split(", ")[1] for name in accuracies] == ["9 encoder qubits", "9 encoder qubits", "6 encoder qubits"]
    assert max(accuracies.values()) > 0.6  # two balanced classes: guessing gives 0.5


def test_onnx_model(tmp_path, capsys):
    assert load("onnx_model").main(str(tmp_path / "model"), num_epochs=3, n_qubits=4) < 1e-4
    assert "Largest difference from PyTorch over 32 texts" in capsys.readouterr().out


def test_aspects(capsys):
    found = load("aspects").main(num_epochs=20, n_qubits=4)
    assert set(found) == {"quantum", "linear"}
    assert min(found["quantum"]["polarity"], found["linear"]["polarity"]) > 0.4
    assert found["linear"]["polarity"] > 0.7  # two classes, seven of twelve positive
    assert "Tasty noodles, horrible tea. [" in capsys.readouterr().out


def test_probabilities(capsys):
    figures = load("probabilities").main(num_epochs=15, n_qubits=5)
    assert set(figures) == {"before", "after", "coverage", "accuracy of answers"}
    assert all(0 <= value <= 1 for value in figures.values())
    printed = capsys.readouterr().out
    assert "temperature: " in printed
    assert "'brier_score': " in printed


def test_several_labels(capsys):
    accuracies = load("several_labels").main(num_epochs=3, n_qubits=2, strategies=(None, "classifier-chain"))
    assert list(accuracies) == ["one head for all", "classifier-chain"]
    assert min(accuracies.values()) > 0.6  # saying no to every label gives about 0.8
    assert "saved and loaded: classifier-chain, the same predictions: True" in capsys.readouterr().out


def test_distillation():
    accuracies = load("distillation").main(num_epochs=15, n_qubits=4)
    assert len(accuracies) == 4
    assert min(accuracies.values()) > 0.5  # two balanced classes: guessing gives 0.5


def test_search_settings(capsys):
    assert load("search_settings").main(n_trials=2, num_epochs=8) > 0.5
    assert "best on held-out data: {'n_qubits': " in capsys.readouterr().out


def test_end_to_end(tiny_body, capsys):
    accuracies = load("end_to_end").main(num_epochs=2, n_qubits=3, n_train=16, body=str(tiny_body))
    assert list(accuracies) == ["frozen body", "body and head together"]
    assert "body and head together, 2 epochs on 16 reviews: " in capsys.readouterr().out


def test_data_of_ones_own(tmp_path, capsys):
    texts = ["good film", "bad film", "good and sad", "bad and sad"] * 5
    for split in ("train", "test"):
        rows = [f"{text},{'|'.join(word for word in ('good', 'bad', 'sad') if word in text)}" for text in texts]
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *rows]))
    accuracies = load("several_labels").main(str(tmp_path), num_epochs=10, n_qubits=2, strategies=(None,), limit=12)
    assert accuracies["one head for all"] > 0.5
    rows = [f"{text},{text.split()[0]}" for text in texts]
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *rows]))
    data = str(tmp_path)
    assert len(load("distillation").main(data, num_epochs=5, n_qubits=2, per_class=4, limit=12)) == 4
    assert len(load("transfer_kinds").main(data, data, num_epochs=2, n_qubits=2, limit=12)) == 5
    assert "QQ: a quantum network" in capsys.readouterr().out
