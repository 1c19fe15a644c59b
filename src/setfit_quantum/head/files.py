"""Saving, loading and publishing a head alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

    from setfit_quantum.head.head import SetFitQuantumHead


class HeadFiles:
    """The head's methods for files and the Hub."""

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> None:
        """Write the head alone (settings, weights, circuit) into a folder, atomically."""
        from setfit_quantum.serialization import save_head

        save_head(cast("SetFitQuantumHead", self), save_directory, **kwargs)

    def push_to_hub(self, repo_id: str, **options: Any) -> CommitInfo:
        """Push the head alone to the Hub as one commit, with a card; transient errors are tried again.

        Args:
            repo_id: `"name"` or `"namespace/name"`; made where it does not exist.
            **options: `commit_message`, `commit_description`, `private`, `token`, `branch`, `create_pr` (see
                `SetFitModel.push_to_hub`).

        Returns:
            Address of the commit: a text with the attributes `oid`, `repo_url` and `pr_url`.

        Raises:
            PushError: The Hub refused or could not be reached; the message says how to go on.
        """
        from setfit_quantum.hub import PushOptions, push_head

        return push_head(cast("SetFitQuantumHead", self), repo_id, PushOptions(**options)).info

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> SetFitQuantumHead:
        """Load a head from a folder or a Hub repository that `save_pretrained` or SetFit saving wrote."""
        from setfit_quantum.serialization import load_head

        return load_head(pretrained_model_name_or_path, **kwargs)
