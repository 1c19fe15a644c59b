"""Before a quantum processor is paid for: what a run would take, and how it would probably go.

Trains a small head exactly, counts circuits, gates, QPU seconds and US dollars of running it on 100 sentences and of
training it on the machine, and rehearses the run on Aer with the machine's published error rates. Nothing is sent.

python examples/hardware_dry_run.py [SENTENCES] [SHOTS]
"""

import sys

import numpy as np

from setfit_quantum import QuantumHead, SetFitModel
from setfit_quantum.backends.qiskit_backend import QiskitBackend
from setfit_quantum.circuit import native_gate_counts
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body
from setfit_quantum.evaluation import wilson_interval
from setfit_quantum.head import estimate_circuits

BATCH_SIZE = 16


def main(n_sentences: int = 100, shots: int = 1000, num_epochs: int = 40, n_qubits: int = 4) -> dict[str, float]:
    train, test = load_examples("bundled:reviews"), load_examples("bundled:reviews", split="test")
    texts, labels = test.texts[:n_sentences], test.labels[:n_sentences]
    head = QuantumHead(n_qubits=n_qubits, seed=0)
    model = SetFitModel.from_pretrained(resolve_body(), head=head)
    model.fit(train.texts, train.labels, num_epochs=num_epochs, batch_size=BATCH_SIZE, show_progress_bar=False)

    latents = head.latents(model.encode(texts[:1]))
    bound = head.bound_circuit(latents[0])
    native = ", ".join(f"{number} {gate}" for gate, number in native_gate_counts(bound).items())
    print(
        f"One circuit: {len(bound.gates)} gates ({native} on a trapped-ion machine), two-qubit depth "
        f"{bound.depth(two_qubit_only=True)}"
    )
    inference = estimate_circuits(head, len(texts), shots=shots)
    print(f"Inference on {len(texts)} sentences: {inference.price()}")
    print(f"  with error mitigation: {inference.price(debiasing=True).usd:,.2f} USD")

    n_steps = num_epochs * -(-len(train) // BATCH_SIZE)
    for gradients in ("parameter-shift", "spsa"):
        training = estimate_circuits(head, BATCH_SIZE, n_steps, gradients=gradients, shots=shots)
        print(f"Training for {num_epochs} epochs with {gradients}: {training.price()}")

    accuracies = {"exact": accuracy(model, texts, labels)}
    head.backend, head.noise, head.shots = QiskitBackend("aer"), "ionq-forte-enterprise", shots
    accuracies["rehearsal"] = accuracy(model, texts, labels)
    for name, share in accuracies.items():
        low, high = wilson_interval(round(share * len(texts)), len(texts))
        print(f"Accuracy, {name}: {100 * share:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f})")
    return accuracies | {"usd": inference.price().usd, "circuits": inference.circuits}


def accuracy(model: SetFitModel, texts: list[str], labels: list[str]) -> float:
    return float(np.mean([predicted == label for predicted, label in zip(model.predict(texts), labels, strict=True)]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
