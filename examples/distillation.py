"""A student learns what a teacher says of texts without labels: a quantum student, and a quantum teacher.

python examples/distillation.py [DATA]

DATA is a data set as `load_examples` takes it, with a split `test`: a folder of csv files, or an id on the Hub (such as
SetFit/subj); without it the bundled ones are used.
"""

import sys

from datasets import Dataset

from setfit_quantum import ClassicalHead, DistillationTrainer, QuantumHead, SetFitModel, TrainingArguments
from setfit_quantum.data import draw_few_shot, load_examples
from setfit_quantum.default_body import resolve_body


def main(
    data: str = "bundled:reviews", num_epochs: int = 40, n_qubits: int = 6, per_class: int = 16, limit: int = 1000
) -> dict[str, float]:
    train, test = load_examples(data, limit=limit), load_examples(data, split="test", limit=limit)
    labelled = train.subset(draw_few_shot(train.labels, per_class, seed=0))
    unlabelled = Dataset.from_dict({"text": train.texts})
    heads = {"quantum": lambda: QuantumHead(n_qubits=n_qubits, seed=0), "linear": lambda: ClassicalHead(seed=0)}
    accuracies = {}

    def score(name: str, model: SetFitModel) -> None:
        right = sum(a == b for a, b in zip(model.predict(test.texts), test.labels, strict=True))
        accuracies[name] = right / len(test)
        print(f"{name}: {100 * accuracies[name]:.1f} %")

    for teaching, learning in (("linear", "quantum"), ("quantum", "linear")):
        teacher = SetFitModel.from_pretrained(resolve_body(), head=heads[teaching]())
        teacher.fit(labelled.texts, labelled.labels, num_epochs=num_epochs, show_progress_bar=False)
        score(f"{teaching} teacher, {len(labelled)} labelled texts", teacher)
        student = SetFitModel(teacher.model_body, heads[learning]())
        # No epochs for the body, which both share here: (1, ...) would tune the student's to the teacher's.
        arguments = TrainingArguments(num_epochs=(0, num_epochs), show_progress_bar=False, report_to="none")
        DistillationTrainer(teacher, student, args=arguments, train_dataset=unlabelled).train()
        score(f"{learning} student, {len(unlabelled)} texts without labels", student)
    return accuracies


if __name__ == "__main__":
    main(*sys.argv[1:2])
