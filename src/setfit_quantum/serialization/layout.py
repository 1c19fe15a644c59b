"""The names of all files of a saved model. They are frozen: renaming one would orphan every saved model."""

from __future__ import annotations

from typing import Final

SETFIT_CONFIG: Final = "config_setfit.json"
"""Labels and settings of the SetFit model, as SetFit writes them."""

HEAD_CONFIG: Final = "quantum_head_config.json"
"""All settings of a quantum head, with a schema version."""

HEAD_WEIGHTS: Final = "quantum_head.safetensors"
"""The trained parameters of a quantum head."""

CIRCUIT: Final = "circuit.qasm"
"""OpenQASM 3 of the second module with its trained angles; for people and other tools, never read back."""

CARD: Final = "README.md"
"""The model card."""

CARD_PLACEHOLDER: Final = "PATH_OR_ID"
"""What a card says in place of the model's id; a push puts the repository's id there."""

CARD_PLACE_NOTE: Final = f", write the folder of this card in place of `{CARD_PLACEHOLDER}`"
"""What a card says beside the placeholder; a push takes it away."""

CARD_FACTS: Final = "model_card.json"
"""What the card says beyond the head itself: base model, training, measured figures."""

CIRCUIT_PICTURE: Final = "circuit.png"
"""The circuit drawn, where matplotlib is installed."""

SKLEARN_HEAD: Final = "model_head.skops"
"""A scikit-learn head."""

DENSE_HEAD_CONFIG: Final = "setfit_head_config.json"
"""Settings of SetFit's own differentiable head."""

DENSE_HEAD_WEIGHTS: Final = "setfit_head.safetensors"
"""The trained parameters of SetFit's own differentiable head."""

CLASSICAL_HEAD_CONFIG: Final = "classical_head_config.json"
"""Settings of a linear or MLP head of ours."""

CLASSICAL_HEAD_WEIGHTS: Final = "classical_head.safetensors"
"""The trained parameters of such a head."""

PICKLED_HEAD: Final = "model_head.pkl"
"""Where plain SetFit keeps its head. Never written here; read only on request."""

MANIFEST: Final = "setfit_quantum_manifest.json"
"""Sizes and SHA-256 of all files, written last: a folder without it was not saved to the end."""

STAGING_FOLDER: Final = ".save-in-progress"
"""Where a save collects the new version before it replaces the former one."""

REMOVALS: Final = ".removals.json"
"""In the staging folder: the files of the former version that the new one does not have."""

HEAD_FILES: Final = frozenset(
    {
        *(HEAD_CONFIG, HEAD_WEIGHTS, CIRCUIT, CIRCUIT_PICTURE, SKLEARN_HEAD),
        *(DENSE_HEAD_CONFIG, DENSE_HEAD_WEIGHTS, CLASSICAL_HEAD_CONFIG, CLASSICAL_HEAD_WEIGHTS, PICKLED_HEAD),
    }
)
"""Files of which a model has only those of its present head."""

HEAD_MARKS: Final = frozenset({HEAD_CONFIG, SKLEARN_HEAD, DENSE_HEAD_CONFIG, CLASSICAL_HEAD_CONFIG, PICKLED_HEAD})
"""Files by which a reader knows what head a model has."""

EDITABLE_FILES: Final = frozenset({CARD})
"""Files that people edit by hand, so that a changed hash is no damage."""

SCHEMA_VERSION: Final = 3
"""Version of all JSON files written here. A reader refuses newer ones, and `migrations` reads older ones."""
