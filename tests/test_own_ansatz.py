"""A user's own ansatz in the head: what it builds, refuses, trains, saves and loads."""

import json
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone

from setfit_quantum import Circuit, Gate, QuantumHead, QuantumHeadClassifier, QuantumHeadConfig
from setfit_quantum.backends import BackendError, get_backend
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.circuit.ansatz import build_angle_encoding, build_pqc
from setfit_quantum.serialization import ModelFileError, load_head
from setfit_quantum.serialization.layout import HEAD_CONFIG
from training_heads import make_blobs

N, WIDTH = 3, 6
FIRST = Circuit(N, (Gate("rx", (0,), weight=1), Gate("cz", (0, 1)), Gate("cry", (1, 2), weight=0)))
SECOND = Circuit(N, (Gate("h", (1,)), Gate("rz", (2,), weight=0), Gate("ry", (1,), weight=0), Gate("swap", (0, 2))))
REAL = Circuit(N, (Gate("cx", (2, 0)), Gate("ry", (0,), weight=0), Gate("ry", (2,), angle=0.3)))
X = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0))


def make_head(ansatz=(FIRST, SECOND), **settings):
    return QuantumHead(
        WIDTH, **({"n_qubits": N, "encoder_layers": 1, "n_reuploads": 4, "seed": 1, "ansatz": ansatz} | settings)
    )


def test_the_second_module():
    head = make_head(n_reuploads=2)
    encoding = build_angle_encoding(N)
    assert head.circuit == encoding + FIRST + encoding + FIRST + SECOND.shift_weights(2)
    assert head.circuit_weights.shape == (3,)  # PQC1's two are shared by both re-uploads
    assert head.ansatz == (FIRST, SECOND)
    encoder = head.config.n_encoders * (head.encoder_circuit().num_parameters + 1)
    assert head.num_parameters() == encoder + 3 + 2 * N + 2


def test_the_papers_layers_as_an_ansatz_are_the_papers_head():
    own = make_head((build_pqc(N, 1, 1), build_pqc(N, 2, 1)))
    usual = make_head(None, n_layers=2)
    assert own.circuit == usual.circuit
    assert usual.ansatz is None
    assert torch.equal(own(X)[0], usual(X)[0])


def test_circuits_without_weights_are_allowed():
    head = make_head((Circuit(N, (Gate("cz", (0, 1)),)), Circuit(N)))
    assert head.circuit_weights.shape == (0,)
    head(X)[0].sum().backward()
    assert head.encoder.weights.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("ansatz", "name"), [((FIRST, SECOND), "torch"), ((REAL, FIRST), "torch"), ((REAL, REAL), "numba")]
)
def test_auto_takes_the_fast_engine_only_for_its_gates(monkeypatch, ansatz, name):
    head = make_head(ansatz)
    assert head.backend is get_backend(name)
    assert head._encoder_backend is get_backend("numba")  # encoders are always its gates
    called = []
    real = head.backend.expectations
    monkeypatch.setattr(
        head.backend, "expectations", lambda circuit, *a, **k: called.append(circuit) or real(circuit, *a, **k)
    )
    head.eval()(X)  # in training the fast engine runs both modules in one call
    assert head.circuit in called
    assert head.double().backend is get_backend("torch")


def test_other_backends_give_the_same():
    head = make_head().eval()
    with torch.no_grad():
        expected = head.expectations(X)
        for backend in ("torchquantum", "qiskit", QiskitBackend("statevector")):
            head.backend = backend
            torch.testing.assert_close(head.expectations(X), expected, atol=1e-5, rtol=0)


def test_gradients_are_those_of_double_precision():
    gradients = []
    for head in (make_head(), make_head().double(), make_head(backend="qiskit")):
        head(X.to(head.circuit_weights.dtype))[0][:, 0].sum().backward()
        gradients.append(torch.cat([parameter.grad.double().flatten() for parameter in head.parameters()]))
    for single in (gradients[0], gradients[2]):
        assert (single - gradients[1]).norm() < 1e-4 * gradients[1].norm()


def test_a_backend_without_its_gates_is_refused_before_training():
    with pytest.raises(BackendError, match=r"Backend 'numba' does not run the gates .*cz.*; backend='torch' does"):
        make_head(backend="numba")
    head = make_head()
    with pytest.raises(BackendError, match="Backend 'numba' does not run the gates"):
        head.backend = "numba"
    assert head.config.backend == "auto"
    assert make_head((REAL, REAL), backend="numba").backend.name == "numba"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"ansatz": FIRST}, TypeError, r"`ansatz` must be two circuits, \(PQC1, PQC2\), or None, but got Circuit"),
        ({"ansatz": (FIRST,)}, TypeError, "`ansatz` must be two circuits.*a tuple of 1"),
        ({"ansatz": "both"}, TypeError, "`ansatz` must be two circuits"),
        ({"ansatz": (FIRST, 3)}, TypeError, r"`ansatz\[1\]` must be a Circuit .*but got int"),
        ({"ansatz": (Circuit(2), SECOND)}, ValueError, r"`ansatz\[0\]` must have n_qubits = 3 qubits, but got 2"),
        ({"ansatz": (FIRST, build_angle_encoding(N))}, ValueError, r"`ansatz\[1\]` must have no features.*got 3 gates"),
        (
            {"ansatz": (FIRST.shift_weights(1), SECOND)},
            ValueError,
            r"`ansatz\[0\]` must have weights numbered from 0 without gaps, but got 2 weights up to number 2",
        ),
        ({"ansatz": (FIRST, "h q[0];")}, ValueError, r"`ansatz\[1\]` must be OpenQASM 3 as .*: Line 1"),
        ({"n_layers": 3}, ValueError, "`n_layers` must keep its default 1 with `ansatz`.*but got 3"),
        ({"reupload_layers": 2}, ValueError, "`reupload_layers` must keep its default 1"),
        ({"connectivity": 2}, ValueError, "`connectivity` must keep its default 1"),
    ],
)
def test_mistakes_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        make_head(**settings)


def test_presets_take_one_and_stay_as_they_are():
    head = QuantumHead.from_preset("paper-single", n_qubits=N, in_features=WIDTH, ansatz=(FIRST, SECOND))
    assert head.ansatz == (FIRST, SECOND)
    assert QuantumHead.from_preset("paper-single").num_parameters() == 353
    with pytest.raises(ValueError, match="`reupload_layers` must keep its default"):
        QuantumHead.from_preset("paper-single-qm1", n_qubits=N, in_features=WIDTH, ansatz=(FIRST, SECOND))


def test_configuration_round_trip():
    config = make_head().config
    assert config.ansatz == (FIRST.to_qasm3(), SECOND.to_qasm3())
    assert QuantumHeadConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(TypeError, match="`ansatz` must be two strings of OpenQASM 3 or None, but got 3"):
        QuantumHeadConfig(ansatz=3)


def test_saving_and_loading_without_qiskit(tmp_path, monkeypatch):
    head = make_head().eval()
    with torch.no_grad():
        head.circuit_weights += 0.2
    head.save_pretrained(tmp_path)
    for name in ("qiskit", "qiskit_qasm3_import"):
        monkeypatch.setitem(sys.modules, name, None)
    loaded = QuantumHead.from_pretrained(tmp_path)
    assert (loaded.ansatz, loaded.circuit, loaded.config) == (head.ansatz, head.circuit, head.config)
    assert torch.equal(loaded.predict_proba(X), head.predict_proba(X))


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(ansatz=3),
        lambda values: values.update(ansatz=["", ""]),
        lambda values: values["ansatz"].pop(),
        lambda values: values.update(ansatz=[values["ansatz"][0], values["ansatz"][1].replace("h q", "reset q")]),
        lambda values: values.update(ansatz=[values["ansatz"][0].replace("theta_1", "theta_999999999"), "x"]),
        lambda values: values.update(ansatz=[values["ansatz"][0] + "h q[0];\n" * 300_000, values["ansatz"][1]]),
        lambda values: values.update(ansatz=[values["ansatz"][0] + "h q[0];\n" * 3000, ""], n_reuploads=1000),
        lambda values: values.update(backend="numba"),
    ],
)
def test_changed_files_are_refused_by_field(tmp_path, change):
    make_head().save_pretrained(tmp_path)
    content = json.loads((tmp_path / HEAD_CONFIG).read_text())
    change(content["head"])
    (tmp_path / HEAD_CONFIG).write_text(json.dumps(content))
    with pytest.raises(ModelFileError) as caught:
        load_head(tmp_path, verify=False)
    assert caught.value.field in ("head.ansatz", "head")
    assert HEAD_CONFIG in str(caught.value)


def test_the_estimator_takes_it():
    embeddings, labels = make_blobs(60, 2)
    classifier = QuantumHeadClassifier(
        N, encoder_layers=1, num_epochs=12, learning_rate=0.05, random_state=0, ansatz=(FIRST, SECOND)
    )
    classifier = clone(classifier).fit(embeddings.numpy(), labels.numpy())
    assert classifier.head_.ansatz == (FIRST, SECOND)
    assert classifier.head_.circuit_weights.shape == (3,)
    assert classifier.score(embeddings.numpy(), labels.numpy()) > 0.8


def test_qiskits_library_as_an_ansatz():
    from qiskit.circuit.library import efficient_su2, real_amplitudes

    parts = Circuit.from_qiskit(real_amplitudes(N, reps=1)), Circuit.from_qiskit(efficient_su2(N, reps=1))
    head = make_head(parts, shots=100, noise="paper-low")
    assert head.circuit_weights.shape == (6 + 12,)
    assert np.isfinite(head.eval()(X)[0].detach().numpy()).all()
