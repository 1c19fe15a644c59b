"""Files of saved models: strict to read, safe to write, without pickle."""

from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.head_files import load_head, save_head

__all__ = ["ModelFileError", "load_head", "save_head"]
