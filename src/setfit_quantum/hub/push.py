"""Pushing files to a repository on the Hub as one commit.

A commit is made whole or not at all, so whoever loads sees the former version or the new one. Every step may be
repeated: files that the Hub already has are not sent again, and a commit whose answer was lost is recognised.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from setfit_quantum.card import render_head_card
from setfit_quantum.hub.errors import IncompletePushError, PushError, PushInterrupted
from setfit_quantum.hub.retries import RetryPolicy, retry_transient
from setfit_quantum.serialization.atomic import whole_version
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.head_files import read_head_files, save_head
from setfit_quantum.serialization.hub_errors import explained
from setfit_quantum.serialization.layout import (
    CARD,
    CARD_PLACE_NOTE,
    CARD_PLACEHOLDER,
    HEAD_CONFIG,
    HEAD_FILES,
    MANIFEST,
    STAGING_FOLDER,
)
from setfit_quantum.serialization.manifest import read_manifest, verify_files

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo, HfApi

    from setfit_quantum.head import SetFitQuantumHead

logger = logging.getLogger(__name__)

Content = Path | bytes
BODY_MARK = "modules.json"
"""What every saved sentence transformer has."""

Files = Mapping[str, Content] | Callable[[str, str], Mapping[str, Content]]
"""Contents, or files on this machine, by name; or a function of the repository's full id and the Hub's address."""


@dataclass(frozen=True)
class PushOptions:
    """Where to push, and how.

    Args:
        private: Whether a repository made here is private; None: as the account's settings say. True for a
            repository that exists and is public is an error: nothing is published by mistake.
        branch: Branch to commit to, made where it is missing; None: `main`.
        commit_message: Title of the commit.
        commit_description: Text below the title.
        create_pr: Whether to open a pull request instead of committing to the branch.
        token: Token of the Hub, or whether to use the stored one; None: HF_TOKEN, or that of `hf auth login`.
        retries: How often to try again.
    """

    private: bool | None = None
    branch: str | None = None
    commit_message: str | None = None
    commit_description: str | None = None
    create_pr: bool = False
    token: str | bool | None = None
    retries: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class PushResult:
    """What a push made.

    Args:
        repo_id: The repository, with its namespace.
        url: Address of the pull request, or of the commit.
        commit: Id of the commit that now holds the files.
        pull_request: Number of the pull request, where one was opened.
        changed: Whether there was anything to commit; if not, `commit` is the one that already has the files.
        info: The same as `huggingface_hub` gives it: a text, the commit's address, with attributes.
    """

    repo_id: str
    url: str
    commit: str
    pull_request: int | None
    changed: bool
    info: CommitInfo


def push_saved(
    folder: str | Path, repo_id: str, options: PushOptions | None = None, *, source: str | None = None
) -> PushResult:
    """Push a saved model, or a head saved alone, to the Hub.

    What is pushed are the files of the manifest and the card (a head alone gets one). Files that the former version
    on the Hub had and this one has not are removed in the same commit, others stay. The folder is only read.

    Args:
        folder: The folder, as `save_pretrained` wrote it.
        repo_id: `"name"` or `"namespace/name"`; made where it does not exist.
        options: Where to push, and how.
        source: What is pushed, for messages; None: the folder.

    Raises:
        ModelFileError: The folder holds no saved model, or a damaged one.
        PushError: The Hub refused, or could not be reached; the message says how to go on.
        PushInterrupted: Ctrl-C.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"Argument `folder` must be the folder of a saved model, but there is no {folder}.")
    if not (folder / MANIFEST).is_file() and not (folder / STAGING_FOLDER / MANIFEST).is_file():
        raise ModelFileError(
            folder / MANIFEST,
            "is missing: the folder holds no model that setfit-quantum saved, or the save was not finished.",
        )
    with whole_version(folder):  # a save to the folder waits until its files are on the Hub
        verify_files(folder)
        files: dict[str, Content] = {name: folder / name for name in (*read_manifest(folder / MANIFEST), MANIFEST)}
        if (folder / CARD).is_file():
            files[CARD] = folder / CARD
        elif HEAD_CONFIG in files:
            files[CARD] = render_head_card(read_head_files(folder)).encode()
        return push_folder(files, repo_id, options, source=source or str(folder))


def push_head(head: SetFitQuantumHead, repo_id: str, options: PushOptions | None = None) -> PushResult:
    """Push a head alone, with a card; arguments and errors as for `push_saved`."""
    with tempfile.TemporaryDirectory(prefix="setfit-quantum-") as folder:
        save_head(head, folder)
        return push_saved(folder, repo_id, options, source="the head in memory")


def push_folder(
    files: Files,
    repo_id: str,
    options: PushOptions | None = None,
    *,
    repo_type: str = "model",
    space_sdk: str | None = None,
    outdated: Collection[str] = (),
    source: str = "the model",
) -> PushResult:
    """Push files as one commit, and remove those of a former version.

    Args:
        files: What to push.
        repo_id: `"name"` or `"namespace/name"`; made where it does not exist.
        options: Where to push, and how.
        repo_type: `"model"` or `"space"`.
        space_sdk: What a new Space runs.
        outdated: Patterns (`fnmatch`) of further files to remove.
        source: What is pushed, for messages.

    Raises:
        PushError: The Hub refused, or could not be reached.
        PushInterrupted: Ctrl-C.
    """
    options = options or PushOptions()
    push = _Push(files, repo_id, options, repo_type, space_sdk, tuple(outdated))
    again = (
        f"{source} is whole, and the Hub has its former version or the new one, never a mixture. "
        "Push again with the same arguments to go on: what was uploaded is not sent twice."
    )
    try:
        with explained(repo_id, PushError):
            return push.run()
    except IncompletePushError:
        raise
    except PushError as error:
        raise PushError(f"{error}\nNothing is lost: {again}") from error.__cause__
    except KeyboardInterrupt as error:
        raise PushInterrupted(f"Pushing to {repo_id} was interrupted. {again}") from error


class _Push:
    """One push, step by step; every step may be repeated."""

    def __init__(
        self,
        files: Files,
        repo_id: str,
        options: PushOptions,
        repo_type: str,
        space_sdk: str | None,
        outdated: tuple[str, ...],
    ) -> None:
        from huggingface_hub import HfApi

        self.api: HfApi = HfApi(token=options.token)
        self.source_files, self.repo_id, self.options = files, repo_id, options
        self.files: dict[str, Content] = {}
        self.repo_type, self.space_sdk, self.outdated = repo_type, space_sdk, outdated
        self.title = options.commit_message or f"Push {repo_type} with setfit-quantum"
        self.pulls_before: set[int] | None = None

    def run(self) -> PushResult:
        self.repo_id = self._retry(self._create_repository, "Creating the repository")
        files = self.source_files
        self.files = dict(files(self.repo_id, self.api.endpoint) if callable(files) else files)
        options = self.options
        if options.private:
            self._retry(self._check_private, "Checking the repository")
        branch = options.branch
        if branch is not None and not options.create_pr and not branch.startswith("refs/"):
            self._retry(
                lambda: self.api.create_branch(self.repo_id, branch=branch, repo_type=self.repo_type, exist_ok=True),
                "Creating the branch",
            )
        if CARD in self.files and self.repo_type == "model":
            self.files[CARD] = _address_card(self.files[CARD], self.repo_id)
        if options.create_pr:
            self.pulls_before = self._retry(lambda: set(self._pull_requests()), "Listing the pull requests")
        result: PushResult = self._retry(self._commit, "Committing")
        return result

    def _retry(self, action: Any, what: str) -> Any:
        return retry_transient(action, f"{what} ({self.repo_id})", self.options.retries)

    def _create_repository(self) -> str:
        made = self.api.create_repo(
            self.repo_id,
            private=self.options.private,
            repo_type=self.repo_type,
            space_sdk=self.space_sdk,
            exist_ok=True,
        )
        return str(made.repo_id)

    def _check_private(self) -> None:
        if not self.api.repo_info(self.repo_id, repo_type=self.repo_type).private:
            raise PushError(
                f"{self.repo_id}: the repository exists and is public, but private=True was asked for. "
                "Make it private in its settings, or push without it."
            )

    def _commit(self) -> PushResult:
        """Commit what the Hub does not have yet, on what it has now."""
        from huggingface_hub import CommitInfo, CommitOperationAdd, CommitOperationDelete

        revision, create_pr, pull = self.options.branch, self.options.create_pr, None
        if create_pr and (pull := self._pull_request_of_lost_answer()) is not None:
            revision, create_pr = f"refs/pr/{pull}", False
        parent = str(self.api.repo_info(self.repo_id, repo_type=self.repo_type, revision=revision).sha)
        present = set(self.api.list_repo_files(self.repo_id, repo_type=self.repo_type, revision=parent))
        operations: list[Any] = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=cast(str | Path | bytes | BinaryIO, content))
            for name, content in sorted(self.files.items())
        ]
        operations += [CommitOperationDelete(path_in_repo=name) for name in self._removals(present, parent)]
        made: Any = self.api.create_commit(
            self.repo_id,
            operations,
            commit_message=self.title,
            commit_description=self.options.commit_description,
            repo_type=self.repo_type,
            revision=revision,
            create_pr=create_pr,
            parent_commit=parent,
        )
        commit = str(made.oid)
        pull = made.pr_num if create_pr else pull
        self._check_complete(commit)
        if pull is None and self.options.create_pr:
            logger.warning("%s already has these files: no pull request was opened.", self.repo_id)
        if pull is None:
            return PushResult(self.repo_id, str(made.commit_url), commit, None, commit != parent, made)
        url = f"{self._repository_url()}/discussions/{pull}"
        info = CommitInfo(
            commit_url=str(made.commit_url),
            commit_message=self.title,
            commit_description=self.options.commit_description or "",
            oid=commit,
            pr_url=url,
        )
        return PushResult(self.repo_id, url, commit, pull, True, info)

    def _repository_url(self) -> str:
        prefix = "" if self.repo_type == "model" else f"{self.repo_type}s/"
        return f"{self.api.endpoint}/{prefix}{self.repo_id}"

    def _removals(self, present: set[str], revision: str) -> list[str]:
        """Files of the former version, and of other heads, that the new one has not."""
        from fnmatch import fnmatch

        doomed = {name for name in present if any(fnmatch(name, pattern) for pattern in self.outdated)}
        if self.repo_type == "model":
            doomed |= HEAD_FILES
            if MANIFEST in present:
                former = self._former_files(revision)
                self._check_same_kind(former)
                doomed |= former
        return sorted((doomed & present) - set(self.files))

    def _former_files(self, revision: str) -> set[str]:
        with tempfile.TemporaryDirectory() as folder:
            path = self.api.hf_hub_download(self.repo_id, MANIFEST, revision=revision, local_dir=folder)
            try:
                return set(read_manifest(Path(path)))
            except ModelFileError as error:
                logger.warning("The manifest of the former version cannot be read, so its files stay: %s", error)
                return set()

    def _check_same_kind(self, former: set[str]) -> None:
        """Refuse to take the body away from a model by pushing a head alone over it."""
        if BODY_MARK in former and BODY_MARK not in self.files and HEAD_CONFIG in self.files:
            raise PushError(
                f"{self.repo_id}: the repository holds a whole model, whose sentence transformer a head alone would "
                "remove. Push the model (`SetFitModel.push_to_hub`), or push the head to another repository."
            )

    def _check_complete(self, commit: str) -> None:
        """Refuse a commit that lacks a file: a `.gitignore` on the Hub can leave some out."""
        there = set(self.api.list_repo_files(self.repo_id, repo_type=self.repo_type, revision=commit))
        missing = sorted(set(self.files) - there)
        if missing:
            raise IncompletePushError(
                f"{self.repo_id}: the Hub left out {', '.join(missing)}, so what is there now cannot be loaded. "
                "Remove the pattern from the repository's .gitignore, and push again."
            )

    def _pull_requests(self) -> dict[int, str]:
        found = self.api.get_repo_discussions(
            self.repo_id, repo_type=self.repo_type, discussion_type="pull_request", discussion_status="open"
        )
        return {pull.num: pull.title for pull in found}

    def _pull_request_of_lost_answer(self) -> int | None:
        """The pull request that an earlier attempt opened although its answer never came."""
        assert self.pulls_before is not None
        ours = [num for num, title in self._pull_requests().items() if title == self.title]
        return max((num for num in ours if num not in self.pulls_before), default=None)


def _address_card(content: Content, repo_id: str) -> bytes:
    """The card with the repository's id where it says how to load the model."""
    text = content if isinstance(content, bytes) else content.read_bytes()
    return text.replace(CARD_PLACE_NOTE.encode(), b"").replace(CARD_PLACEHOLDER.encode(), repo_id.encode())
