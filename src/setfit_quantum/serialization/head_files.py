"""A quantum head as files: settings (JSON), parameters (safetensors), circuit (OpenQASM 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from setfit_quantum.config import QuantumHeadConfig
from setfit_quantum.serialization.atomic import staged_save
from setfit_quantum.serialization.errors import ModelFileError
from setfit_quantum.serialization.json_files import read_json, write_json
from setfit_quantum.serialization.layout import CIRCUIT, HEAD_CONFIG, HEAD_WEIGHTS
from setfit_quantum.serialization.sources import HubOptions, opened
from setfit_quantum.serialization.tensor_files import check_weight_count, load_tensors, write_tensors

if TYPE_CHECKING:
    from setfit_quantum.head import SetFitQuantumHead

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_ARGUMENT = re.compile(r"Argument `(\w+)")

# Far beyond what can be simulated, and far below what would exhaust the memory of whoever opens a hostile file.
_MAX_GATES = 2**14
_LIMITS = {
    "in_features": 2**22,
    "out_features": 2**16,
    "projected_features": 2**22,
    "n_qubits": 64,
    "encoder_qubits": 64,
    "encoder_layers": 1024,
    "encoder_hidden_dim": 2**16,
    "classifier_hidden_dim": 2**16,
    "n_reuploads": 1024,
    "reupload_layers": 64,
    "n_layers": 1024,
}


def save_head(head: SetFitQuantumHead, folder: str | Path) -> None:
    """Write a head alone into a folder, atomically; other files there, such as a body's, are kept.

    Raises:
        ValueError: The width of the embedding is not known yet, or a parameter is NaN.
    """
    with staged_save(Path(folder), keep_others=True) as staging:
        write_head_files(head, staging)


def load_head(
    source: str | Path,
    *,
    device: torch.device | str | None = None,
    verify: bool = True,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> SetFitQuantumHead:
    """Load a head from a folder or a Hub repository.

    Args:
        source: Folder, or id of a repository on the Hub; of a head alone or of a whole model.
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
    options = HubOptions(revision, cache_dir, force_download, local_files_only, token)
    with opened(source, (HEAD_CONFIG, HEAD_WEIGHTS), options, verify=verify) as folder:
        return read_head_files(folder, device=device)


def write_head_files(head: SetFitQuantumHead, folder: Path) -> None:
    """Write the files of a head into a folder (no manifest)."""
    if not head.is_built:
        raise ValueError(
            "Argument `head` must know the width of its embeddings before it is saved: give `in_features`, or train it."
        )
    dtype = str(head.circuit_weights.dtype).removeprefix("torch.")
    if dtype not in _DTYPES:
        raise ValueError(
            f"Argument `head` must have parameters of {' or '.join(_DTYPES)} to be saved, but has {dtype}."
        )
    write_tensors(folder / HEAD_WEIGHTS, head)
    write_json(folder / HEAD_CONFIG, {"dtype": dtype, "head": head.config.to_dict()})
    if head.config.classifier == "quantum":
        (folder / CIRCUIT).write_text(head.to_qasm3(), encoding="utf-8")


def read_head_files(folder: Path, *, device: torch.device | str | None = None) -> SetFitQuantumHead:
    """Build a head from the files in a folder, as they are, in evaluation mode.

    Raises:
        ModelFileError: Naming the file and the field.
    """
    path = folder / HEAD_CONFIG
    values = read_json(path, required=("dtype", "head"))
    dtype = values["dtype"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ModelFileError(path, f"must be one of {', '.join(_DTYPES)}, but is {dtype!r}.", "dtype")
    head = _build_head(path, values["head"])
    head.to(_DTYPES[dtype])
    load_tensors(folder / HEAD_WEIGHTS, head)
    head.mark_trained()
    if device is not None:
        head.to(device)
    return head.eval()


def _build_head(path: Path, values: Any) -> SetFitQuantumHead:
    from setfit_quantum.head import SetFitQuantumHead

    if not isinstance(values, Mapping):
        raise ModelFileError(path, f"must be an object, but is {values!r:.100}.", "head")
    known = set(QuantumHeadConfig().to_dict())
    for key in sorted(set(values) ^ known):
        raise ModelFileError(path, "is unknown." if key in values else "is missing.", f"head.{key}")
    if values["in_features"] is None:
        raise ModelFileError(path, "must be a whole number, but is None.", "head.in_features")
    for key, limit in _LIMITS.items():
        value = values.get(key)
        if isinstance(value, int) and value > limit:
            raise ModelFileError(path, f"must be at most {limit}, but is {value}.", f"head.{key}")
    if values["noise"] is not None:
        _check_noise(path, values["noise"])
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn, and then replaced
        try:
            config = QuantumHeadConfig.from_dict(values)
            _check_size(path, config)
            return SetFitQuantumHead.from_config(config)
        except ModelFileError:
            raise
        except (TypeError, ValueError) as error:
            match = _ARGUMENT.search(str(error))
            field = f"head.{match[1]}" if match and match[1] in known else "head"
            raise ModelFileError(path, f"is not valid: {error}", field) from error


def _check_size(path: Path, config: QuantumHeadConfig) -> None:
    """Refuse settings whose circuits or matrices would fill the memory before the weights are even looked at."""
    assert config.in_features is not None
    weights = (config.classifier_hidden_dim or 0) * (config.n_qubits + config.out_features)
    if config.preprocessing is not None:
        weights += config.in_features * (1 + (config.projected_features or 0))
    if config.classifier != "quantum":
        gates = 0
    elif config.ansatz is None:
        gates = config.n_qubits * config.connectivity * (config.n_reuploads * config.reupload_layers + config.n_layers)
    else:
        first, second = (part.count(";") for part in config.ansatz)  # a gate has one; nothing is parsed yet
        gates = config.n_reuploads * (config.n_qubits + first) + second
    if config.encoder == "quantum":
        qubits = config.resolve_encoder_qubits(config.in_features)
        gates += config.encoder_layers * qubits * config.resolve_encoder_connectivity(qubits)  # shared by all encoders
    else:
        weights += (config.encoded_features or 0) * (config.encoder_hidden_dim or config.n_qubits)
    if weights:
        check_weight_count(path, weights, path.parent / HEAD_WEIGHTS, "head.in_features")
    if gates > _MAX_GATES:
        raise ModelFileError(path, f"asks for {gates} blocks of gates; at most {_MAX_GATES} are built.", "head")


def _check_noise(path: Path, values: Any) -> None:
    from setfit_quantum.noise import NoiseModel

    try:
        known = set(NoiseModel.from_dict(values).to_dict())
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelFileError(path, f"is not valid: {error}", "head.noise") from error
    for key in sorted(known - set(values)):
        raise ModelFileError(path, "is missing.", f"head.noise.{key}")
