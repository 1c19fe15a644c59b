"""Training a head on cached embeddings."""

from setfit_quantum.training.arguments import HeadTrainingArguments
from setfit_quantum.training.callbacks import HeadTrainingCallback, HeadTrainingState
from setfit_quantum.training.checkpoint import CheckpointError
from setfit_quantum.training.loop import train_head
from setfit_quantum.training.result import HeadTrainingResult, TrainingDivergedError, TrainingInterrupted

__all__ = [
    "CheckpointError",
    "HeadTrainingArguments",
    "HeadTrainingCallback",
    "HeadTrainingResult",
    "HeadTrainingState",
    "TrainingDivergedError",
    "TrainingInterrupted",
    "train_head",
]
