"""`ModelFiles`: saving, publishing and describing a `SetFitModel`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setfit_quantum.card import CardFacts, CardResult, render_card
from setfit_quantum.card.facts import Scalar
from setfit_quantum.hub import PushOptions, push_saved
from setfit_quantum.model.body import embedding_width
from setfit_quantum.model.describing import describe_training, gather_facts, library_versions
from setfit_quantum.model.heads import fit_to_body
from setfit_quantum.model.plain_export import export_plain_setfit
from setfit_quantum.model.saving import save_card, save_model
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingResult
from setfit_quantum.training.data import count_held_out

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo


class ModelFiles:
    """What `SetFitModel` has beyond SetFit for files, the Hub and the card."""

    model_body: Any
    model_head: Any
    labels: Sequence[Any] | None
    modality: str

    head_training: HeadTrainingResult | None = None
    """The outcome of the last training of a module head."""

    absa_part: str | None = None
    """Which half of an `AbsaModel` this is: `"aspect"`, `"polarity"`, or None."""

    card_facts: CardFacts = CardFacts()
    """What the card says beside the head: training, measured figures. Assign a changed copy."""

    def record_training(
        self,
        arguments: HeadTrainingArguments,
        result: HeadTrainingResult,
        *,
        n_train: int | None = None,
        n_validation: int | None = None,
        body: str | None = None,
    ) -> None:
        """Keep, for the card, how the head was trained; `fit` does so itself.

        Figures that were measured before belong to another head from now on, and are dropped.

        Args:
            arguments: Settings of the training.
            result: Its outcome, also kept as `head_training`.
            n_train: Number of training texts, those that `validation_split` holds out included.
            n_validation: Number of further validation texts.
            body: What was done to the body; None: nothing since it was loaded.
        """
        self.head_training = result
        body = body or self._body_so_far()
        if n_validation is None and n_train is not None and arguments.validation_split is not None:
            n_validation = count_held_out(arguments.validation_split, n_train)
            n_train -= n_validation
        self._begin_facts(describe_training(arguments, result, n_train=n_train, n_validation=n_validation, body=body))

    def record_fit(self, *, n_train: int) -> None:
        """Keep, for the card, that scikit-learn fitted the head; `fit` does so itself.

        Args:
            n_train: Number of training texts.
        """
        head = type(self.model_head).__name__
        self._begin_facts({"training texts": n_train, "body": self._body_so_far(), "head": f"{head}, by scikit-learn"})

    def _body_so_far(self) -> str:
        former = self.card_facts.training.get("body")
        return former if isinstance(former, str) else "frozen"

    def _begin_facts(self, training: Mapping[str, Scalar]) -> None:
        """Facts of a newly trained head, of which nothing was measured yet."""
        self.card_facts = self.card_facts.with_changes(
            training=training, versions=library_versions(), results=(), comparisons=()
        )

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        config: None = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Save into a folder: a killed save leaves the former version or the new one, never a mixture.

        Args:
            save_directory: The folder; other files in it are kept.
            config: Not used; it must be None.
            repo_id: Id of the repository with `push_to_hub`; None: the folder's name.
            push_to_hub: Whether to push the model to the Hub afterwards.
            model_card_kwargs: Not used; it must be None.
            **push_to_hub_kwargs: Handed on to `push_to_hub`.

        Returns:
            The address of the commit, with `push_to_hub`.
        """
        for name, value in (("config", config), ("model_card_kwargs", model_card_kwargs)):
            if value is not None:
                raise ValueError(f"Argument `{name}` must be None: it would be ignored, but got {value!r}.")
        if push_to_hub_kwargs and not push_to_hub:
            raise TypeError(f"Arguments {sorted(push_to_hub_kwargs)} need push_to_hub=True.")
        folder = Path(save_directory)
        self._save_pretrained(folder)
        if not push_to_hub:
            return None
        return self.push_to_hub(repo_id or folder.resolve().name, **push_to_hub_kwargs)

    def _save_pretrained(self, save_directory: Path | str) -> None:
        save_model(self, Path(save_directory))

    def save_card(self, save_directory: str | Path) -> None:
        """Write the card anew into the folder that the model was saved in, for example after it was measured."""
        save_card(self, Path(save_directory))

    def export_plain_setfit(self, folder: str | Path) -> None:
        """Write the model for plain SetFit, which pickles its head; only heads that plain SetFit computes exactly.

        Args:
            folder: A new or empty folder.

        Raises:
            TypeError: A quantum head, or another that plain SetFit does not have.
            ValueError: The folder is not empty.
        """
        export_plain_setfit(self, Path(folder))

    def record_results(self, results: Iterable[CardResult], *, compared: bool = False) -> None:
        """Keep measured figures for the card; `save_pretrained` or `save_card` writes them.

        Args:
            results: The figures.
            compared: Whether they are another head's, measured on the same embeddings.
        """
        for result in results:
            self.card_facts = self.card_facts.with_result(result, compared=compared)

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
        """Push the model to the Hub as one commit; transient errors are tried again.

        Files of a former version that this one has not are removed in the same commit; other files stay.

        Args:
            repo_id: `"name"` or `"namespace/name"`; made where it does not exist.
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
        options = PushOptions(private, branch, commit_message, commit_description, create_pr, token)
        with tempfile.TemporaryDirectory(prefix="setfit-quantum-") as folder:
            self._save_pretrained(folder)
            return push_saved(folder, repo_id, options, source="the model in memory").info

    def generate_model_card(self, picture: str | None = None) -> str:
        """The text of README.md, of the model as it is now.

        Args:
            picture: File name of a picture of the circuit beside the card, or None.
        """
        if self.model_body is not None:
            fit_to_body(self.model_head, embedding_width(self.model_body), None)
        limit = None if self.model_body is None or self.modality != "text" else self.model_body.get_max_seq_length()
        return render_card(
            gather_facts(self),
            self.model_head,
            labels=self.labels,
            max_length=limit,
            picture=picture,
            modality=self.modality,
            part=self.absa_part,
        )
