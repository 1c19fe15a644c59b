"""Tuning the body on several devices, then training the head: the script that `accelerate launch` starts.

accelerate launch --num_processes 2 examples/several_devices.py [BODY [FOLDER]]

Each process gets its share of the pairs that tune the body; the head is trained in every one alike, on the same
embeddings with the same seed, so that the model is the same in all of them, and the first one saves it.
"""

import sys

import torch
from accelerate import PartialState
from datasets import Dataset

from setfit_quantum import QuantumHead, SetFitModel, Trainer, TrainingArguments
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body


def main(body: str | None = None, folder: str = "reviews-model", max_steps: int = 10, num_epochs: int = 20) -> float:
    state = PartialState()
    train, test = load_examples("bundled:reviews"), load_examples("bundled:reviews", split="test")
    model = SetFitModel.from_pretrained(body or resolve_body(), head=QuantumHead(n_qubits=6, seed=0))
    arguments = TrainingArguments(
        num_epochs=(1, num_epochs), max_steps=max_steps, show_progress_bar=False, report_to="none", seed=42
    )
    data = Dataset.from_dict({"text": train.texts, "label": train.labels})
    Trainer(model=model, args=arguments, train_dataset=data).train()
    right = sum(a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True)) / len(test)
    checksum = sum(float(weight.detach().double().sum()) for weight in model.model_head.parameters())
    if state.num_processes > 1:
        sums = [torch.zeros(1, dtype=torch.float64) for _ in range(state.num_processes)]
        torch.distributed.all_gather(sums, torch.tensor([checksum], dtype=torch.float64))
        print(f"process {state.process_index} of {state.num_processes}: heads {[round(float(one), 6) for one in sums]}")
    if state.is_main_process:
        model.save_pretrained(folder)
        print(f"{100 * right:.1f} % of {len(test)} test reviews are right; saved to {folder}")
    return right


if __name__ == "__main__":
    main(*sys.argv[1:3])
