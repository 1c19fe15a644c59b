"""`SetFitModel`: SetFit's model with the head, training and files that a quantum head needs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from setfit_quantum.model.body import check_texts, require_vision
from setfit_quantum.model.describing import restore_card_data
from setfit_quantum.model.files import ModelFiles
from setfit_quantum.model.fitting import (
    build_arguments,
    fit_module_head,
    read_estimator_labels,
    read_validation,
    refuse_module_settings,
)
from setfit_quantum.model.heads import HeadSpec, resolve_strategy
from setfit_quantum.model.inputs import check_modality, encode_inputs, is_single, load_images_of
from setfit_quantum.model.loading import LoadOptions, load_parts
from setfit_quantum.model.mistakes import ModelMistakes, naming
from setfit_quantum.model.pipeline import ClassificationPipeline
from setfit_quantum.model.transfer import ModelTransfer
from setfit_quantum.model.trust import ModelTrust
from setfit_quantum.serialization.setfit_config import SetFitConfig
from setfit_quantum.serialization.sources import HubOptions
from setfit_quantum.training import HeadTrainingArguments, HeadTrainingResult
from setfit_quantum.training.setfit_arguments import head_settings_in
from setfit_quantum.training.setfit_defaults import replace_untouched, trainer_fields
from setfit_quantum.vanilla import import_setfit, is_evaluate_with_names

_PlainSetFitModel: Any = import_setfit().SetFitModel


class SetFitModel(ModelMistakes, ModelFiles, ModelTransfer, ModelTrust, _PlainSetFitModel):
    """A sentence transformer and a head, with SetFit's interface.

    Args:
        model_body: The `SentenceTransformer`.
        model_head: A `QuantumHead`, another module with SetFit's head interface, or a scikit-learn estimator. An
            instance given to two models is shared by them.
        multi_target_strategy: SetFit's name of how several labels per text are handled; for a module head made
            with `multitarget=True` it may be left out.
        normalize_embeddings: Whether embeddings are scaled to norm 1.
        labels: Names of the classes by number.
        model_card_data: SetFit's data for the card.
        sentence_transformers_kwargs: Kept for SetFit.
        modality: What is classified: `"text"` or `"image"`.

    Example:
        >>> model = SetFitModel.from_pretrained(body, head=QuantumHead(n_qubits=8))  # doctest: +SKIP
        >>> model.fit(texts, labels, num_epochs=60)  # doctest: +SKIP
        >>> model.predict(["A joy from start to finish."])  # doctest: +SKIP
        ['positive']
    """

    def __init__(
        self,
        model_body: Any = None,
        model_head: Any = None,
        multi_target_strategy: str | None = None,
        normalize_embeddings: bool = False,
        labels: Sequence[Any] | None = None,
        model_card_data: Any = None,
        sentence_transformers_kwargs: Mapping[str, Any] | None = None,
        modality: str = "text",
    ) -> None:
        self.modality = check_modality(model_body, modality)
        super().__init__(
            model_body=model_body,
            model_head=model_head,
            multi_target_strategy=resolve_strategy(model_head, multi_target_strategy),
            normalize_embeddings=normalize_embeddings,
            labels=None if labels is None else list(labels),
            model_card_data=model_card_data,
            sentence_transformers_kwargs=dict(sentence_transformers_kwargs or {}),
        )

    @property
    def head_history(self) -> list[dict[str, Any]]:
        """One entry per epoch of the last training of a module head (see `HeadTrainingResult`)."""
        return [] if self.head_training is None else self.head_training.history

    # ---- loading --------------------------------------------------------------------------------------------

    # SetFit binds its own `from_pretrained` to its own class, so that a subclass would get a plain SetFitModel.
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        head: HeadSpec | None = None,
        *,
        labels: Sequence[Any] | None = None,
        multi_target_strategy: str | None = None,
        normalize_embeddings: bool | None = None,
        use_differentiable_head: bool = False,
        head_params: Mapping[str, Any] | None = None,
        device: torch.device | str | None = None,
        model_card_data: Any = None,
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
        trusted: Sequence[str] = (),
        verify: bool = True,
        modality: str | None = None,
        prompt: str | None = None,
        truncate_dim: int | None = None,
        pooling: str | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
    ) -> SetFitModel:
        """Load a saved model, or a sentence transformer to which a head is added.

        Args:
            pretrained_model_name_or_path: Folder, or id of a repository on the Hub: of a model saved by this
                package, of a sentence transformer, or of a plain SetFit model.
            head: A head instance (used as it is, not copied), a class, or a function `in_features -> head`. It is
                used instead of a saved head. None: the saved head, or a new `QuantumHead()` where there is none.
            labels: Names of the classes by number.
            multi_target_strategy: SetFit's `"one-vs-rest"`, `"multi-output"` or `"classifier-chain"`.
            normalize_embeddings: Whether embeddings are scaled to norm 1; None: as saved, else no.
            use_differentiable_head: Make SetFit's own differentiable head.
            head_params: Arguments for a head made here.
            device: Where to put the model; None: a GPU where there is one.
            model_card_data: SetFit's data for the card.
            trust_remote_code: Whether the body's modules defined in the repository may run.
            allow_pickle: Whether a plain SetFit model's `model_head.pkl` may be loaded, which can run any code.
            trusted: Types that a saved scikit-learn head may contain, beyond those that skops knows to be safe.
            verify: Whether to check the files against their hashes.
            modality: What is classified: `"text"` or `"image"`; None: as saved, else texts.
            prompt: Instruction that the body gets before every text, for bodies trained with instructions
                (`"query: "` for example); saved with the body. None: as saved.
            truncate_dim: Keep only the first so many numbers of each embedding: enough for bodies trained so
                (Matryoshka), and fewer qubits. Saved with the body. None: as saved.
            pooling: How the body's tokens or patches become one embedding; None: as it has it.
            revision: Branch, tag or commit on the Hub, for body and head alike.
            cache_dir: Folder of the Hub's cache.
            force_download: Whether to download files that are in the cache.
            local_files_only: Whether to stay offline.
            token: Token of the Hub, or whether to use the stored one.

        Raises:
            ModelFileError: A file is missing, damaged or not understood, or a pickled head is not allowed.
            FileNotFoundError: There is no such folder.
            HubError: The Hub refused, or it could not be asked and the cache does not hold the model.
        """
        options = LoadOptions(
            hub=HubOptions(revision, cache_dir, force_download, local_files_only, token),
            device=device,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
            trusted=trusted,
            verify=verify,
            prompt=prompt,
            truncate_dim=truncate_dim,
            pooling=pooling,
        )
        parts = load_parts(
            pretrained_model_name_or_path,
            options,
            head=head,
            labels=labels,
            normalize_embeddings=normalize_embeddings,
            multi_target_strategy=multi_target_strategy,
            use_differentiable_head=use_differentiable_head,
            head_params=head_params,
            modality=modality,
        )
        data = import_setfit().SetFitModelCardData() if model_card_data is None else model_card_data
        restore_card_data(data, parts.facts)
        if data.st_id is None:
            data.st_id = parts.base_model
        model = cls(
            model_body=parts.body,
            model_head=parts.head,
            multi_target_strategy=parts.config.multi_target_strategy,
            normalize_embeddings=parts.config.normalize_embeddings,
            labels=parts.config.labels,
            model_card_data=data,
            modality=parts.config.modality,
        )
        model.card_facts = parts.facts
        model.restore_settings(parts.config)
        return model

    def restore_settings(self, config: SetFitConfig) -> None:
        """Take over what was saved beside body and head; for classes that save more."""
        self.abstain_below = config.abstain_below

    @classmethod
    def from_image_backbone(cls, id_or_path: str | Path, head: HeadSpec | None = None, **options: Any) -> SetFitModel:
        """A model that classifies images, on a pre-trained vision model.

        Args:
            id_or_path: Folder or Hub id of a vision model of `transformers` (ResNet, ViT, DINOv2, ConvNeXT, ...: what
                `AutoModel` and `AutoImageProcessor` load), or of a sentence transformer that takes images (CLIP).
            head: As for `from_pretrained`.
            **options: Other arguments of `from_pretrained`. `pooling` says how a `transformers` model's map or patches
                become one embedding: `"mean"` (the default for a new body, and for a ResNet what its own last pooling
                does), `"cls"`, `"max"` ...

        Raises:
            ImportError: The extra `vision` is not installed.
            ValueError: The body takes no images, or it has no such pooling.
            HubError: The Hub refused, or it could not be asked and the cache does not hold the model.
        """
        require_vision()
        return cls.from_pretrained(id_or_path, head=head, modality="image", **options)

    # ---- training -------------------------------------------------------------------------------------------

    def fit(
        self,
        x_train: Any,
        y_train: Any,
        num_epochs: int | None = None,
        batch_size: int | None = None,
        body_learning_rate: float | None = None,
        head_learning_rate: float | None = None,
        end_to_end: bool = False,
        l2_weight: float | None = None,
        max_length: int | None = None,
        show_progress_bar: bool | None = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        eval_dataset: Any = None,
        arguments: HeadTrainingArguments | None = None,
        callbacks: Iterable[Any] = (),
        label_names: Sequence[Any] | None = None,
        **head_arguments: Any,
    ) -> HeadTrainingResult | None:
        """Train the head on texts and labels; the body stays as it is, unless `end_to_end`.

        A module head is trained on embeddings that the body computes once, in evaluation mode. None means the
        default of `HeadTrainingArguments`; a weight decay of 0 stays 0. A scikit-learn head is fitted as plain
        SetFit does.

        Args:
            x_train: Texts.
            y_train: One label per text: numbers or strings (they become `labels`); for a multi-label head a list of
                names, or a row of 0/1, per text.
            num_epochs: Epochs.
            batch_size: Texts per step.
            body_learning_rate: The body's learning rate with `end_to_end`.
            head_learning_rate: The head's learning rate.
            end_to_end: Whether to train the body too.
            l2_weight: Weight decay.
            max_length: Tokens after which texts are cut while training.
            show_progress_bar: Whether to show progress; None: as `arguments` say.
            validation_data: `(texts, labels)` for validation and the choice of the best epoch.
            eval_dataset: The same as a data set with the columns `text` and `label`.
            arguments: Settings to start from.
            callbacks: Instances of `HeadTrainingCallback`.
            label_names: Names of the classes by number, which become `labels`; None: `labels`, or where there are
                none the sorted strings in `y_train`.
            **head_arguments: Any other setting of `HeadTrainingArguments`: `validation_split`, `metric`,
                `early_stopping_patience`, `class_weights`, `lr_decay`, `checkpoint_dir`, `resume` and so on.

        Returns:
            The outcome with its history (also kept as `head_training`), or None for a scikit-learn head.

        Raises:
            TypeError, ValueError: Naming the argument, before anything is computed.
        """
        validation = read_validation(validation_data, eval_dataset, self.modality)
        if not self.has_differentiable_head:
            refuse_module_settings(
                self.model_head,
                head_arguments,
                arguments=arguments,
                callbacks=callbacks or None,
                validation_data=validation_data,
                eval_dataset=eval_dataset,
                label_names=label_names,
                end_to_end=end_to_end or None,
            )
            inputs = check_texts("x_train", x_train)
            if self.modality == "image":
                inputs = load_images_of(inputs, 0, len(inputs))
            super().fit(inputs, read_estimator_labels(self, y_train), num_epochs=num_epochs or 1)
            self.record_fit(n_train=len(inputs))
            return None
        fields = trainer_fields(self.model_card_data, head_learning_rate)
        batch_size, l2_weight = replace_untouched(fields, batch_size, l2_weight)
        values = {
            "num_epochs": num_epochs,
            "batch_size": batch_size,
            "learning_rate": head_learning_rate,
            "weight_decay": l2_weight,
            "show_progress_bar": show_progress_bar,
        }
        settings = build_arguments(arguments, values, head_settings_in(fields) | head_arguments)
        self.head_training = fit_module_head(
            self,
            x_train,
            y_train,
            settings,
            validation=validation,
            end_to_end=end_to_end,
            body_learning_rate=body_learning_rate,
            max_length=max_length,
            callbacks=callbacks,
            label_names=label_names,
        )
        body = "trained with the head" if end_to_end else "tuned by setfit.Trainer" if fields else None
        n_validation = None if validation is None else len(validation[0])
        self.record_training(settings, self.head_training, n_train=len(x_train), n_validation=n_validation, body=body)
        return self.head_training

    # ---- inference ------------------------------------------------------------------------------------------

    def encode(self, inputs: Any, batch_size: int = 32, show_progress_bar: bool | None = None) -> Tensor | np.ndarray:
        """Embeddings of texts, shape (n, d): a tensor for a module head (autograd may use it), else an array."""
        if self.has_differentiable_head or self.modality == "image":
            embeddings = encode_inputs(
                self.model_body,
                inputs,
                self.modality,
                normalize=self.normalize_embeddings,
                batch_size=batch_size,
                show_progress_bar=show_progress_bar,
            )
            return embeddings if self.has_differentiable_head else embeddings.cpu().numpy()
        return super().encode(inputs, batch_size=batch_size, show_progress_bar=show_progress_bar)  # type: ignore[no-any-return]

    def predict_proba(
        self, inputs: Any, batch_size: int = 32, as_numpy: bool = False, show_progress_bar: bool | None = None
    ) -> Tensor | np.ndarray:
        """Class probabilities, shape (n, classes); for a single text or image, shape (classes,)."""
        if self.modality == "image" and is_single(inputs, "image"):
            return self.predict_proba([inputs], batch_size, as_numpy, show_progress_bar)[0]
        texts = inputs if isinstance(inputs, str) else list(inputs)
        if len(texts) == 0 and not isinstance(texts, str) and self.has_differentiable_head:
            empty = torch.empty(0, self.model_head.out_features)
            return empty.numpy() if as_numpy else empty
        return super().predict_proba(  # type: ignore[no-any-return]
            texts, batch_size=batch_size, as_numpy=as_numpy, show_progress_bar=show_progress_bar
        )

    def predict(
        self,
        inputs: Any,
        batch_size: int = 32,
        as_numpy: bool = False,
        use_labels: bool = True,
        show_progress_bar: bool | None = None,
    ) -> Any:
        """Labels of texts: names where they are known (and `use_labels`), else class numbers or rows of 0/1.

        Below `abstain_below` the answer is None, or the number -1.
        """
        if self.modality == "image" and is_single(inputs, "image"):
            return self.predict([inputs], batch_size, as_numpy, use_labels, show_progress_bar)[0]
        texts = inputs if isinstance(inputs, str) else list(inputs)
        if len(texts) == 0 and not isinstance(texts, str) and self.has_differentiable_head:
            several = bool(getattr(self.model_head, "multitarget", False))
            if use_labels and self.labels and not several:
                return []
            shape = (0, self.model_head.out_features) if several else (0,)
            empty = torch.empty(shape, dtype=torch.long)
            return empty.numpy() if as_numpy else empty
        if self.abstain_below is not None:
            with naming(self.model_head, self.labels):
                return self._predict_or_abstain(texts, batch_size, as_numpy, use_labels, show_progress_bar)
        if not use_labels and self.labels and self.has_differentiable_head:
            use_labels = is_evaluate_with_names(sys._getframe(1))
        with naming(self.model_head, self.labels):
            return super().predict(
                texts,
                batch_size=batch_size,
                as_numpy=as_numpy,
                use_labels=use_labels,
                show_progress_bar=show_progress_bar,
            )

    def as_pipeline(self) -> ClassificationPipeline:
        """The model as libraries call pipelines: texts in, `{"label", "score"}` out; for `evaluate`, for example.

        Raises:
            ValueError: A model of several labels per text.
        """
        return ClassificationPipeline(self)
