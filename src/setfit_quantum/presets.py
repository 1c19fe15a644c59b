"""`PRESETS`: the paper's heads as settings."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # Values implied or chosen as documented in the README ("What the paper leaves open"); never changed later.
    "paper-single": {
        "n_encoders": 1,
        "encoder": "quantum",
        "encoder_layers": 3,
        "encoder_connectivity": None,  # 9, as the paper has it, wherever the encoder has 10 qubits or more
        "preprocessing": None,
        "projected_features": None,
        "amplitude_bias": 0.0,
        "amplitude_noise": 0.0,
        "latent_scale": 1.0,
        "n_reuploads": 4,
        "reupload_layers": 1,
        "n_layers": 2,
        "connectivity": 1,
        "final_linear": True,
        "one_logit": False,
        "encoder_qubits": None,
        "encoder_hidden_dim": None,
        "encoder_batch_norm": False,
        "classifier": "quantum",
        "classifier_hidden_dim": None,
        "frozen": (),
        "n_readout": None,
        "sampler": None,
        "n_trajectories": None,
        "shared_trajectories": False,
        "share_trajectories_among_shots": False,
        "renormalise": True,
        "multitarget": False,
        "temperature": 1.0,
        "initialization": "uniform",
        "noise": None,
        "shots": None,
    },
}
PRESETS["paper-multi"] = PRESETS["paper-single"] | {"n_encoders": 2, "encoder_qubits": 14}
PRESETS["paper-single-qm1"] = PRESETS["paper-single"] | {
    "reupload_layers": 2,
    "n_layers": 3,
    "n_readout": 1,
    "one_logit": True,
}
"""The paper's heads: one encoder, two encoders, and the rival reading with one measured qubit."""
