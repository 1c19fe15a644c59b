"""`QuantumHeadConfig`: validation that names the argument, and the JSON round trip."""

import json

import numpy as np
import pytest

from setfit_quantum.config import QuantumHeadConfig


def test_json_round_trip():
    config = QuantumHeadConfig(in_features=384, n_qubits=6, n_encoders=2, shots=100, sampler="gaussian", seed=3)
    assert QuantumHeadConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_keys_are_refused():
    with pytest.raises(ValueError, match=r"Unknown settings \['n_qbits'\]; allowed are \['amplitude_bias'"):
        QuantumHeadConfig.from_dict({"n_qbits": 4})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_qubits": 1}, ValueError, "`n_qubits` must be at least 2, but got 1"),
        ({"n_qubits": 4.0}, TypeError, "`n_qubits` must be an integer, but got 4.0"),
        ({"n_qubits": True}, TypeError, "`n_qubits` must be an integer, but got True"),
        ({"out_features": 1}, ValueError, "`out_features` must be at least 2, but got 1"),
        ({"connectivity": 4, "n_qubits": 4}, ValueError, "`connectivity` must be less than n_qubits = 4, but got 4"),
        ({"encoder": "quantom"}, ValueError, "`encoder` must be one of 'quantum', 'linear', 'mlp', but got 'quantom'"),
        ({"backend": "qulacs"}, ValueError, "`backend` must be one of 'auto', 'numba', .* but got 'qulacs'"),
        ({"sampler": "normal"}, ValueError, "`sampler` must be one of 'gaussian'"),
        ({"shots": 0}, ValueError, "`shots` must be between 1 and"),
        ({"amplitude_bias": -1.0}, ValueError, "`amplitude_bias` must be at least 0"),
        ({"amplitude_bias": float("nan")}, ValueError, "`amplitude_bias` must be finite"),
        ({"temperature": 0.0}, ValueError, "`temperature` must be greater than 0"),
        ({"n_readout": 11}, ValueError, "`n_readout` must be at most n_qubits = 10, but got 11"),
        ({"n_encoders": 11}, ValueError, "`n_encoders` must be at most n_qubits = 10"),
        ({"n_encoders": 2, "encoder": "linear"}, ValueError, "`n_encoders` must be 1 with encoder='linear'"),
        ({"encoder": "mlp"}, ValueError, "`encoder_hidden_dim` must be given with encoder='mlp'"),
        ({"encoder_hidden_dim": 48}, ValueError, "`encoder_hidden_dim` needs encoder='mlp'"),
        ({"final_linear": False, "out_features": 5, "n_qubits": 4}, ValueError, "needs 5 measured qubits"),
        ({"one_logit": True, "out_features": 3}, ValueError, "`one_logit` needs two exclusive classes"),
        ({"encoder_qubits": 8, "n_qubits": 10, "n_encoders": 1}, ValueError, "`encoder_qubits` must be at least 10"),
        ({"encoder_qubits": 10, "encoder_connectivity": 10}, ValueError, "`encoder_connectivity` must be less than"),
        ({"noise": "low"}, TypeError, "`noise` must be a mapping"),
    ],
)
def test_bad_settings_name_the_argument(settings, error, message):
    with pytest.raises(error, match=message):
        QuantumHeadConfig(**settings)


@pytest.mark.parametrize(
    ("in_features", "bias", "n_qubits", "expected"),
    [
        (384, 0.0, 4, 9),
        (384, 1.0, 4, 9),
        (512, 0.0, 4, 9),
        (512, 1.0, 4, 10),  # 513 amplitudes
        (768, 1.0, 4, 10),
        (1024, 0.0, 4, 10),
        (1024, 1.0, 4, 11),
        (384, 1.0, 12, 12),
    ],
)
def test_encoder_gets_the_qubits_that_the_embedding_needs(in_features, bias, n_qubits, expected):
    config = QuantumHeadConfig(n_qubits=n_qubits, amplitude_bias=bias)
    assert config.resolve_encoder_qubits(in_features) == expected


def test_explicit_encoder_qubits_that_are_too_few():
    with pytest.raises(ValueError, match=r"`encoder_qubits` must be at least 10 to hold 768 features .* but got 9"):
        QuantumHeadConfig(in_features=768, n_qubits=4, encoder_qubits=9)


def test_encoder_connectivity_default():
    config = QuantumHeadConfig(n_qubits=4)
    assert [config.resolve_encoder_connectivity(qubits) for qubits in (4, 9, 10, 14)] == [3, 8, 9, 9]


def test_shares_where_encoders_do_not_divide_the_qubits():
    assert QuantumHeadConfig(n_qubits=10, n_encoders=3).encoder_shares == (4, 3, 3)


def test_numbers_of_numpy_are_numbers():
    config = QuantumHeadConfig(n_qubits=np.int64(8))
    assert (config.n_qubits, config.n_encoders) == (8, 5)


def test_fewer_qubits_take_fewer_of_the_usual_encoders():
    assert QuantumHeadConfig().n_encoders == 5
    assert QuantumHeadConfig().with_changes(n_qubits=4).n_encoders == 4
    assert QuantumHeadConfig().with_changes(n_qubits=12).n_encoders == 5
    assert QuantumHeadConfig(n_encoders=1).with_changes(n_qubits=4).n_encoders == 1
    with pytest.raises(ValueError, match="Argument `n_encoders` must be at most n_qubits = 4"):
        QuantumHeadConfig(n_qubits=8, n_encoders=8).with_changes(n_qubits=4)


def test_a_former_latent_scale_is_read_where_there_are_no_quantum_encoders():
    config = QuantumHeadConfig(encoder="linear", latent_scale=7.0)
    assert config == QuantumHeadConfig(encoder="linear")
