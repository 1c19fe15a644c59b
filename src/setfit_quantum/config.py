"""`QuantumHeadConfig`: every setting of a quantum head, validated on construction, with a JSON round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Integral
from typing import Any

from setfit_quantum.checks import check_bool, check_choice, check_float, check_int

ENCODERS = ("quantum", "linear", "mlp")
CLASSIFIERS = ("quantum", "linear", "mlp")
PARTS = ("encoder", "classifier")
"""The two parts of a head that can be frozen."""
SECOND_MODULE = (
    "n_reuploads", "reupload_layers", "n_layers", "connectivity", "ansatz", "n_readout", "final_linear", "one_logit",
    "noise", "shots", "sampler", "n_trajectories", "shared_trajectories", "share_trajectories_among_shots",
    "renormalise",
)  # fmt: skip
"""Settings of the second module, which a classical classifier has not."""
SAMPLERS = ("gaussian", "paper", "multinomial")
INITIALIZATIONS = ("uniform", "small", "identity")
PREPROCESSING = ("center", "pca", "whiten", "random")
AUTO = "auto"
BACKENDS = ("auto", "numba", "torch", "cuda", "torchquantum", "qiskit")
CUSTOM_BACKEND = "custom:"
"""Begins the recorded name of a backend that is none of ours; a head saved with it runs on `"auto"` when loaded."""
MAX_COUNT = 10**9
FORMER_DEFAULTS = {"n_reuploads": 4, "n_layers": 2, "latent_scale": 7.0}
"""What files of older versions, and presets, hold where a head has no part for the setting."""
DEFAULT_ENCODERS = 5
"""Encoders of a head that is told nothing else, as far as it has qubits for them."""
MAX_CONNECTIVITY = 9
"""Default encoder connectivity: three layers of it give the L*C = 27 implied by the paper's counts."""


@dataclass(frozen=True)
class QuantumHeadConfig:
    """All settings of a `QuantumHead`. Immutable; `replace(config, n_qubits=8)` makes a changed copy.

    Args:
        in_features: Width of the embedding; None until the first batch is seen.
        out_features: Number of classes (or labels, with `multitarget`).
        n_qubits: Qubits Q of the second module.
        n_encoders: Number E of quantum encoders; each hands on Q/E expectations. None stands for 5 (fewer with fewer
            qubits, 1 with a classical encoder), and is replaced by that number.
        encoder: First module: `"quantum"`, or `"linear"` or `"mlp"` (the paper's ablation).
        encoder_qubits: Qubits of each encoder; None: the larger of `n_qubits` and what the embedding needs.
        encoder_layers: Layers of the encoder's PQC.
        encoder_connectivity: Connectivity of the encoder's PQC; None: 9, or encoder_qubits - 1 where less.
        encoder_hidden_dim: Hidden width of the MLP encoder.
        encoder_batch_norm: Whether the MLP encoder normalises its hidden layer by batch.
        classifier: What decides on the latents: `"quantum"`, the second module, or a classical `"linear"` layer or
            `"mlp"`, directly on the latents.
        classifier_hidden_dim: Hidden width of the MLP classifier.
        frozen: Parts that do not train: `"encoder"`, `"classifier"`.
        preprocessing: What happens to embeddings first, fitted once on those of the training data and saved: `"center"`
            (norm 1, minus the mean), `"pca"` (then the principal axes), `"whiten"` (those, scaled to equal variance),
            `"random"` (a random projection, which fits nothing); None: nothing. `"auto"` is replaced by `"center"`
            for quantum encoders and by None for others.
        projected_features: Numbers that `"pca"`, `"whiten"` and `"random"` project onto.
        amplitude_bias: Constant amplitude appended to the unit-norm embedding, before normalising again.
        amplitude_noise: Length of the Gaussian noise that `train_head`, and so `fit` and `Trainer`, adds to the
            unit-norm embedding in every step, and when a simulated head's last layer is fitted in closed form
            (`final_layer="lda"`); 0: none. Nothing else adds it: a head called in training mode does not.
        latent_scale: First value of the trained factor that turns an encoder's expectations into angles.
        n_reuploads: N, how often the latent is encoded.
        reupload_layers: R, layers of the shared PQC1.
        n_layers: L, layers of PQC2.
        connectivity: Connectivity of PQC1 and PQC2.
        ansatz: OpenQASM 3 of another PQC1 and PQC2, as `Circuit.to_qasm3` writes it; None: the paper's layers.
        n_readout: Number of measured qubits (the first ones); None: all.
        final_linear: Whether a linear layer maps expectations to logits.
        one_logit: With two classes, let the linear layer give one value l and use the logits (-l, l).
        noise: `NoiseModel.to_dict()` of the second module's noise, or None.
        shots: Shots per expectation, or None for exact values.
        sampler: How shots are drawn; None: `"gaussian"` in training, `"multinomial"` at inference.
        n_trajectories: Noise trajectories per sample; None: one in training, the default of inference else.
        shared_trajectories: Whether one draw of gate errors serves the whole batch, as in the paper's published code;
            by default each sample has its own.
        share_trajectories_among_shots: With noise and shots at inference, spread the shots over `n_trajectories`
            trajectories instead of drawing fresh errors in every shot: faster, but the variance is larger than a
            device's (see `measurement.measure`).
        renormalise: Whether `sampler="paper"` scales its rectified probabilities to add up to 1.
        backend: Name of the backend that runs the circuits.
        multitarget: Whether labels are independent (sigmoid) instead of exclusive (softmax).
        temperature: Divides the logits.
        initialization: How the angles start: `"uniform"` in [-pi, pi] (TorchQuantum's default); `"small"`, normal with
            standard deviation 0.1; or `"identity"`: small in the encoders, and in a second module of one encoding and
            one layer such that qubit q gives minus the sine of latent q, in spite of the entangling gates. None:
            `"identity"` for such a second module, `"uniform"` for others.
        seed: Seed of the initial weights and of shots and noise; None draws one.

    Raises:
        TypeError, ValueError: Naming the argument, its value and what is allowed.
    """

    in_features: int | None = None
    out_features: int = 2
    n_qubits: int = 10
    n_encoders: int = None  # type: ignore[assignment]  # replaced when constructed
    encoder: str = "quantum"
    encoder_qubits: int | None = None
    encoder_layers: int = 6
    encoder_connectivity: int | None = None
    encoder_hidden_dim: int | None = None
    encoder_batch_norm: bool = False
    classifier: str = "quantum"
    classifier_hidden_dim: int | None = None
    frozen: tuple[str, ...] = ()
    preprocessing: str | None = AUTO
    projected_features: int | None = None
    amplitude_bias: float = 3.0
    amplitude_noise: float = 1.0
    latent_scale: float = 2.0
    n_reuploads: int = 1
    reupload_layers: int = 1
    n_layers: int = 1
    connectivity: int = 1
    ansatz: tuple[str, str] | None = None
    n_readout: int | None = None
    final_linear: bool = True
    one_logit: bool = False
    noise: Mapping[str, Any] | None = None
    shots: int | None = None
    sampler: str | None = None
    n_trajectories: int | None = None
    shared_trajectories: bool = False
    share_trajectories_among_shots: bool = False
    renormalise: bool = True
    backend: str = "auto"
    multitarget: bool = False
    temperature: float = 1.0
    initialization: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.n_encoders is None:
            several = self.encoder == "quantum" and isinstance(self.n_qubits, Integral)
            self._store("n_encoders", max(1, min(DEFAULT_ENCODERS, int(self.n_qubits))) if several else 1)
        if self.preprocessing == AUTO:
            object.__setattr__(self, "preprocessing", "center" if self.encoder == "quantum" else None)
        for name in ("n_encoders", "encoder_layers", "n_reuploads", "reupload_layers", "n_layers", "connectivity"):
            self._store(name, check_int(name, getattr(self, name), minimum=1))
        for name in ("in_features", "encoder_qubits", "encoder_connectivity", "n_readout", "shots", "n_trajectories"):
            if getattr(self, name) is not None:
                self._store(name, check_int(name, getattr(self, name), minimum=1, maximum=MAX_COUNT))
        for name in (
            "encoder_batch_norm",
            "final_linear",
            "one_logit",
            "shared_trajectories",
            "share_trajectories_among_shots",
            "renormalise",
            "multitarget",
        ):
            check_bool(name, getattr(self, name))
        self._store("n_qubits", check_int("n_qubits", self.n_qubits, minimum=2))
        least = 1 if self.multitarget else 2
        self._store("out_features", check_int("out_features", self.out_features, minimum=least))
        if self.seed is not None:
            self._store("seed", check_int("seed", self.seed, minimum=0, maximum=2**63 - 1))
        for name in ("amplitude_bias", "amplitude_noise", "latent_scale"):
            self._store(name, check_float(name, getattr(self, name), minimum=0.0))
        self._store("temperature", check_float("temperature", self.temperature))
        if self.temperature <= 0:
            raise ValueError(f"Argument `temperature` must be greater than 0, but got {self.temperature!r}.")
        check_choice("encoder", self.encoder, ENCODERS)
        check_choice("classifier", self.classifier, CLASSIFIERS)
        if self.initialization is not None:
            check_choice("initialization", self.initialization, INITIALIZATIONS)
        if not str(self.backend).startswith(CUSTOM_BACKEND):
            check_choice("backend", self.backend, BACKENDS)
        if self.sampler is not None:
            check_choice("sampler", self.sampler, SAMPLERS)
        if self.noise is not None and not isinstance(self.noise, Mapping):
            raise TypeError(f"Argument `noise` must be a mapping (NoiseModel.to_dict()), but got {self.noise!r}.")
        self._check_preprocessing()
        self._check_circuit()
        self._check_ansatz()
        self._check_encoder()
        self._check_classifier()
        self._check_readout()

    def _store(self, name: str, value: int | float) -> None:
        # As checked: numpy's numbers become Python's, which JSON can hold.
        object.__setattr__(self, name, value)

    def _settle(self, name: str) -> Any:
        """A setting that only its default can be; a former default becomes the present one."""
        if name in FORMER_DEFAULTS and getattr(self, name) == FORMER_DEFAULTS[name]:
            self._store(name, getattr(QuantumHeadConfig, name))
        return getattr(self, name)

    def _check_preprocessing(self) -> None:
        if self.preprocessing is not None:
            check_choice("preprocessing", self.preprocessing, PREPROCESSING)
        projects = self.preprocessing not in (None, "center")
        if not projects and self.projected_features is not None:
            raise ValueError(
                "Argument `projected_features` needs preprocessing='pca', 'whiten' or 'random', but preprocessing is "
                f"{self.preprocessing!r}."
            )
        if projects:
            most = MAX_COUNT if self.in_features is None else self.in_features
            self._store(
                "projected_features", check_int("projected_features", self.projected_features, minimum=1, maximum=most)
            )

    def _check_circuit(self) -> None:
        if self.connectivity >= self.n_qubits:
            raise ValueError(
                f"Argument `connectivity` must be less than n_qubits = {self.n_qubits}, but got {self.connectivity}."
            )
        if self.initialization == "identity" and not self._passes_latents_on:
            raise ValueError(
                "Argument `initialization='identity'` needs n_reuploads, reupload_layers, n_layers and connectivity of "
                f"1 and no `ansatz`, but got {self.n_reuploads}, {self.reupload_layers}, {self.n_layers}, "
                f"{self.connectivity}{'' if self.ansatz is None else ' and an ansatz'}."
            )

    def _check_ansatz(self) -> None:
        if self.ansatz is None:
            return
        parts = self.ansatz
        if not isinstance(parts, list | tuple) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            raise TypeError(f"Argument `ansatz` must be two strings of OpenQASM 3 or None, but got {parts!r:.200}.")
        object.__setattr__(self, "ansatz", tuple(parts))  # JSON has lists only
        for name in ("reupload_layers", "n_layers", "connectivity"):
            value, default = self._settle(name), getattr(QuantumHeadConfig, name)
            if value != default:
                raise ValueError(
                    f"Argument `{name}` must keep its default {default} with `ansatz`, which stands in place of the "
                    f"layers, but got {value}."
                )

    def _check_encoder(self) -> None:
        if self.n_encoders > self.n_qubits:
            raise ValueError(
                f"Argument `n_encoders` must be at most n_qubits = {self.n_qubits}, but got {self.n_encoders}."
            )
        if self.encoder != "quantum" and self.n_encoders != 1:
            raise ValueError(
                f"Argument `n_encoders` must be 1 with encoder={self.encoder!r}, but got {self.n_encoders}."
            )
        if self.encoder == "mlp":
            if self.encoder_hidden_dim is None:
                raise ValueError("Argument `encoder_hidden_dim` must be given with encoder='mlp', but got None.")
            check_int("encoder_hidden_dim", self.encoder_hidden_dim, minimum=1)
        elif self.encoder_hidden_dim is not None:
            raise ValueError(f"Argument `encoder_hidden_dim` needs encoder='mlp', but encoder is {self.encoder!r}.")
        elif self.encoder_batch_norm:
            raise ValueError(f"Argument `encoder_batch_norm` needs encoder='mlp', but encoder is {self.encoder!r}.")
        if self.encoder != "quantum":
            for name, neutral in (("amplitude_noise", 0.0), ("latent_scale", 1.0)):
                value, default = self._settle(name), getattr(QuantumHeadConfig, name)
                if value not in (default, neutral):
                    raise ValueError(
                        f"Argument `{name}` must keep its default {default} (or be {neutral}) with "
                        f"encoder={self.encoder!r}, which encodes no amplitudes, but got {value}."
                    )
            return
        # Without in_features only an explicit number of encoder qubits can be checked.
        if self.encoded_features is not None or self.encoder_qubits is not None:
            self.resolve_encoder_qubits(self.in_features)

    def _check_classifier(self) -> None:
        if isinstance(self.frozen, str) or not all(part in PARTS for part in self.frozen):
            raise ValueError(f"Argument `frozen` must hold none or some of {PARTS}, but got {self.frozen!r}.")
        object.__setattr__(self, "frozen", tuple(part for part in PARTS if part in self.frozen))
        if self.classifier == "mlp":
            if self.classifier_hidden_dim is None:
                raise ValueError("Argument `classifier_hidden_dim` must be given with classifier='mlp', but got None.")
            check_int("classifier_hidden_dim", self.classifier_hidden_dim, minimum=1)
        elif self.classifier_hidden_dim is not None:
            raise ValueError(
                f"Argument `classifier_hidden_dim` needs classifier='mlp', but classifier is {self.classifier!r}."
            )
        if self.classifier == "quantum":
            return
        for name in SECOND_MODULE:
            value, default = self._settle(name), getattr(QuantumHeadConfig, name)
            if value != default:
                raise ValueError(
                    f"Argument `{name}` must keep its default {default!r} with classifier={self.classifier!r}, which "
                    f"has no second module, but got {value!r}."
                )

    def _check_readout(self) -> None:
        if self.n_readout is not None and self.n_readout > self.n_qubits:
            raise ValueError(
                f"Argument `n_readout` must be at most n_qubits = {self.n_qubits}, but got {self.n_readout}."
            )
        if self.one_logit and (self.out_features != 2 or self.multitarget or not self.final_linear):
            raise ValueError(
                "Argument `one_logit` needs two exclusive classes and final_linear=True, but got "
                f"out_features={self.out_features}, multitarget={self.multitarget}, final_linear={self.final_linear}."
            )
        if not self.final_linear:
            needed = 1 if self.out_features == 2 and not self.multitarget else self.out_features
            if self.n_measured < needed:
                raise ValueError(
                    f"Argument `final_linear=False` needs {needed} measured qubits for out_features="
                    f"{self.out_features}, but n_readout or n_qubits gives {self.n_measured}."
                )

    @property
    def _passes_latents_on(self) -> bool:
        sizes = {self.n_reuploads, self.reupload_layers, self.n_layers, self.connectivity}
        return self.classifier == "quantum" and self.ansatz is None and sizes == {1}

    @property
    def chosen_initialization(self) -> str:
        """`initialization`, or what None stands for."""
        if self.initialization is not None:
            return self.initialization
        return "identity" if self._passes_latents_on else "uniform"

    @property
    def encoded_features(self) -> int | None:
        """Width of what the encoder takes: that of the embedding, or `projected_features` numbers; None until known."""
        return self.in_features if self.projected_features is None else self.projected_features

    @property
    def n_measured(self) -> int:
        """Number of measured qubits Qm."""
        return self.n_qubits if self.n_readout is None else self.n_readout

    def resolve_encoder_qubits(self, in_features: int | None) -> int:
        """Qubits of each encoder for an embedding of `in_features` numbers.

        Raises:
            ValueError: An explicit `encoder_qubits` that is too small for the embedding, for the number of
                expectations to hand on, or for `encoder_connectivity`.
        """
        if self.projected_features is not None:
            in_features = self.projected_features
        amplitudes = (in_features or 1) + int(self.amplitude_bias > 0)
        needed = max(1, (amplitudes - 1).bit_length())
        qubits = max(self.n_qubits, needed) if self.encoder_qubits is None else self.encoder_qubits
        if in_features is not None and qubits < needed:
            bias = " and its bias amplitude" if self.amplitude_bias > 0 else ""
            raise ValueError(
                f"Argument `encoder_qubits` must be at least {needed} to hold {in_features} features{bias} "
                f"({amplitudes} amplitudes > 2**{qubits}), but got {qubits}."
            )
        share = -(-self.n_qubits // self.n_encoders)
        if qubits < max(2, share):
            raise ValueError(
                f"Argument `encoder_qubits` must be at least {max(2, share)}, since each encoder hands on up to "
                f"{share} expectations, but got {qubits}."
            )
        if self.encoder_connectivity is not None and self.encoder_connectivity >= qubits:
            raise ValueError(
                f"Argument `encoder_connectivity` must be less than the encoder's {qubits} qubits, "
                f"but got {self.encoder_connectivity}."
            )
        return qubits

    def resolve_encoder_connectivity(self, encoder_qubits: int) -> int:
        """The encoder's connectivity: as given, else 9, or `encoder_qubits - 1` where that is less."""
        if self.encoder_connectivity is not None:
            return self.encoder_connectivity
        return min(MAX_CONNECTIVITY, encoder_qubits - 1)

    @property
    def encoder_shares(self) -> tuple[int, ...]:
        """How many expectations each encoder hands on; the first ones hand on one more where E does not divide Q."""
        base, extra = divmod(self.n_qubits, self.n_encoders)
        return tuple(base + int(index < extra) for index in range(self.n_encoders))

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        values = asdict(self)
        values["noise"] = None if self.noise is None else dict(self.noise)
        values["ansatz"] = None if self.ansatz is None else list(self.ansatz)
        values["frozen"] = list(self.frozen)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> QuantumHeadConfig:
        """Rebuild a configuration; unknown keys are an error.

        Raises:
            ValueError: Unknown keys, or values out of range.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"Unknown settings {unknown}; allowed are {sorted(known)}.")
        return cls(**values)

    def with_changes(self, **changes: Any) -> QuantumHeadConfig:
        """A validated copy with some settings changed; fewer qubits take fewer of the usual encoders."""
        n_qubits = changes.get("n_qubits", self.n_qubits)
        if self.n_encoders == DEFAULT_ENCODERS and isinstance(n_qubits, Integral) and n_qubits < DEFAULT_ENCODERS:
            changes = {"n_encoders": None} | changes
        return replace(self, **changes)
