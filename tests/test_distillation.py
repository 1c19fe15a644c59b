"""Students and teachers: quantum of classical, classical of quantum, with and without names of labels."""

from __future__ import annotations

import pytest
import setfit
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression

from bodies import NAMES, NUMBERS, TEXTS
from setfit_quantum import ClassicalHead, DistillationTrainer, QuantumHead, SetFitModel, TrainingArguments

UNLABELLED = Dataset.from_dict({"text": TEXTS})
HEADS = {
    "quantum": lambda: QuantumHead(n_qubits=3, encoder_layers=1, amplitude_noise=0.0, seed=0),
    "linear": lambda: ClassicalHead(seed=0),
    "logistic": lambda: LogisticRegression(C=100),
}


def model_of(body, kind):
    return SetFitModel.from_pretrained(body, head=HEADS[kind](), device="cpu")


def settings(**changes):
    values = {"num_epochs": (0, 30), "head_learning_rate": 0.05, "show_progress_bar": False, "report_to": "none"}
    return TrainingArguments(**(values | changes))


def taught(body, kind, labels=NAMES):
    teacher = model_of(body, kind)
    teacher.fit(TEXTS, labels, **({} if kind == "logistic" else {"num_epochs": 30, "show_progress_bar": False}))
    return teacher


def agreement(teacher, student):
    return sum(a == b for a, b in zip(teacher.predict(TEXTS), student.predict(TEXTS), strict=True)) / len(TEXTS)


@pytest.mark.parametrize(
    ("teacher", "student"),
    [("linear", "quantum"), ("logistic", "quantum"), ("quantum", "linear"), ("quantum", "logistic")],
)
def test_a_student_learns_what_its_teacher_says(teacher, student, tiny_body):
    teacher = taught(tiny_body, teacher)
    student = model_of(tiny_body, student)
    DistillationTrainer(teacher, student, args=settings(), train_dataset=UNLABELLED).train()
    assert list(student.labels) == ["negative", "positive"]
    assert agreement(teacher, student) >= 0.8


def test_the_students_body_is_tuned_to_the_teachers_similarities(tiny_body):
    teacher, student = taught(tiny_body, "linear"), model_of(tiny_body, "quantum")
    before = student.encode(TEXTS)
    arguments = settings(num_epochs=(1, 2), max_steps=2, batch_size=4)
    DistillationTrainer(teacher, student, args=arguments, train_dataset=UNLABELLED).train()
    assert not torch.allclose(student.encode(TEXTS), before)
    assert torch.equal(teacher.encode(TEXTS), before)  # the teacher's own body stays


def test_numbers_as_labels(tiny_body):
    teacher, student = taught(tiny_body, "linear", NUMBERS), model_of(tiny_body, "quantum")
    DistillationTrainer(teacher, student, args=settings(), train_dataset=UNLABELLED).train()
    assert student.labels is None
    assert agreement(teacher, student) >= 0.8


def test_several_labels_per_text(tiny_body):
    rows = [[number, 1 - number] for number in NUMBERS]
    models = []
    for head in (ClassicalHead(multitarget=True, seed=0), QuantumHead(n_qubits=3, multitarget=True, seed=0)):
        models.append(SetFitModel.from_pretrained(tiny_body, head=head, device="cpu"))
    teacher, student = models
    teacher.fit(TEXTS, rows, num_epochs=30, show_progress_bar=False)
    DistillationTrainer(teacher, student, args=settings(), train_dataset=UNLABELLED).train()
    same = (torch.as_tensor(student.predict(TEXTS)) == torch.as_tensor(teacher.predict(TEXTS))).float().mean()
    assert same >= 0.8


def test_validation_data_may_have_labels_of_its_own(tiny_body):
    teacher, student = taught(tiny_body, "linear"), model_of(tiny_body, "quantum")
    labelled = Dataset.from_dict({"text": TEXTS[:6], "label": NAMES[:6]})
    trainer = DistillationTrainer(
        teacher, student, args=settings(num_epochs=(0, 3)), train_dataset=UNLABELLED, eval_dataset=labelled
    )
    trainer.train()
    assert student.head_training.best_epoch is not None
    assert trainer.evaluate(labelled)["accuracy"] >= 0
    assert trainer.student_model is student
    other = model_of(tiny_body, "quantum")
    DistillationTrainer(
        teacher, other, args=settings(num_epochs=(0, 3)), train_dataset=UNLABELLED, eval_dataset=UNLABELLED
    ).train()
    assert other.head_training.best_epoch is not None


def test_setfits_own_trainer_teaches_our_students_too(tiny_body):
    teacher, student = taught(tiny_body, "logistic"), model_of(tiny_body, "quantum")
    arguments = setfit.TrainingArguments(
        max_steps=1, batch_size=(4, 8), num_epochs=(1, 20), head_learning_rate=0.05, show_progress_bar=False,
        report_to="none",
    )  # fmt: skip
    setfit.DistillationTrainer(teacher, student, args=arguments, train_dataset=UNLABELLED).train()
    assert set(student.predict(TEXTS)) <= {"negative", "positive"}


def test_teachers_that_say_nothing_are_refused(tiny_body):
    teacher, student = taught(tiny_body, "linear"), model_of(tiny_body, "quantum")
    teacher.abstain_below = 1.0
    with pytest.raises(ValueError, match="must answer every text, but it abstains from row 0"):
        DistillationTrainer(teacher, student, args=settings(), train_dataset=UNLABELLED).train()
    with pytest.raises(TypeError, match="Argument `teacher_model` must be a SetFitModel, but got str"):
        DistillationTrainer("teacher", student, train_dataset=UNLABELLED)


def test_answers_that_teach_nothing_are_refused(tiny_body):
    teacher, student = taught(tiny_body, "linear"), model_of(tiny_body, "quantum")
    one = [text for text, name in zip(TEXTS, teacher.predict(TEXTS), strict=True) if name == "positive"]
    with pytest.raises(ValueError, match=f"must tell the texts apart, but it gives all {len(one)} texts .*'positive'"):
        DistillationTrainer(teacher, student, args=settings(), train_dataset=Dataset.from_dict({"text": one})).train()
    other = SetFitModel.from_pretrained(tiny_body, head=HEADS["quantum"](), labels=["bad", "positive"], device="cpu")
    with pytest.raises(ValueError, match=r"teacher's labels, but has .'bad', 'positive'. and not 'negative'"):
        DistillationTrainer(teacher, other, args=settings(), train_dataset=UNLABELLED).train()
