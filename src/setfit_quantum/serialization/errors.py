"""The error that every unreadable file of a saved model raises."""

from __future__ import annotations

from pathlib import Path


class ModelFileError(ValueError):
    """A file of a saved model is missing, damaged or not understood.

    Args:
        file: The file.
        problem: What is wrong, as the rest of a sentence.
        field: The key, or the name of the tensor, that is wrong.
    """

    def __init__(self, file: str | Path, problem: str, field: str | None = None) -> None:
        self.file = Path(file)
        self.field = field
        self.problem = problem
        where = "" if field is None else f"field `{field}` "
        super().__init__(f"{self.file}: {where}{problem}")

    def __reduce__(self) -> tuple[type[ModelFileError], tuple[Path, str, str | None]]:
        return type(self), (self.file, self.problem, self.field)
