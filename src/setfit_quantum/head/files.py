"""Saving, loading and publishing a head alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import torch
    from huggingface_hub import CommitInfo

    from setfit_quantum.head.head import SetFitQuantumHead


class HeadFiles:
    """The head's methods for files and the Hub."""

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the head alone (settings, weights, circuit) into a folder, atomically; other files there are kept.

        Raises:
            ValueError: The width of the embedding is not known yet, or a parameter is NaN.
        """
        from setfit_quantum.serialization import save_head

        save_head(cast("SetFitQuantumHead", self), save_directory)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        commit_description: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool = False,
    ) -> CommitInfo:
        """Push the head alone to the Hub as one commit, with a card; transient errors are tried again.

        Args:
            repo_id: `"name"` or `"namespace/name"`; made where it does not exist. One that holds a whole model is
                refused: its body would be gone.
            commit_message: Title of the commit.
            commit_description: Text below the title.
            private: Whether a repository made here is private; True for one that exists and is public is an error.
            token: Token of the Hub, or whether to use the stored one; None: HF_TOKEN, or that of `hf auth login`.
            branch: Branch to commit to, made where it is missing; None: `main`.
            create_pr: Whether to open a pull request instead of committing.

        Returns:
            Address of the commit: a text with the attributes `oid`, `repo_url` and `pr_url`.

        Raises:
            PushError: The Hub refused or could not be reached; the message says how to go on.
        """
        from setfit_quantum.hub import PushOptions, push_head

        options = PushOptions(private, branch, commit_message, commit_description, create_pr, token)
        return push_head(cast("SetFitQuantumHead", self), repo_id, options).info

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        device: torch.device | str | None = None,
        verify: bool = True,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
    ) -> SetFitQuantumHead:
        """Load a head from a folder or a Hub repository, of a head alone or of a whole model.

        Args:
            pretrained_model_name_or_path: Folder, or id of a repository on the Hub.
            device: Where to put the head.
            verify: Whether to check the files against the manifest.
            revision: Branch, tag or commit on the Hub.
            cache_dir: Folder of the Hub's cache.
            force_download: Whether to download files that are in the cache.
            local_files_only: Whether to stay offline.
            token: Token of the Hub, or whether to use the stored one.

        Raises:
            ModelFileError: A file is missing, damaged, or not understood; naming the file and the field.
            FileNotFoundError: There is no such folder.
            HubError: The Hub refused, or it could not be asked and the files are not in the cache.
        """
        from setfit_quantum.serialization import load_head

        return load_head(
            pretrained_model_name_or_path,
            device=device,
            verify=verify,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
        )
