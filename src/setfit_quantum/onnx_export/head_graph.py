"""A trained head as an ONNX graph that computes exactly what the head computes without shots and noise."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from setfit_quantum import __version__
from setfit_quantum.head import ClassicalHead, SetFitQuantumHead
from setfit_quantum.head.encoders import QuantumEncoders
from setfit_quantum.onnx_export.circuits import (
    Floats,
    add_circuit,
    add_rotations,
    check_real,
    run_circuit,
    signs,
)
from setfit_quantum.onnx_export.graph import GraphBuilder

MAX_QUBITS = 16
_ROWS = 64


def build_head_graph(head: nn.Module, *, labels: Sequence[Any] | None = None) -> Any:
    """The head as an `onnx.ModelProto`.

    Input `embeddings` of shape (batch, in_features); outputs `logits` and `probabilities` of shape (batch, classes),
    and of a quantum head `latents` and, where it measures, `expectations`. A row of zeros, which the head refuses
    without an amplitude bias, gives latents of 0 then.

    Args:
        head: A trained `QuantumHead` or `ClassicalHead`.
        labels: Names of the classes, kept in the file.

    Raises:
        ImportError: ONNX is not installed.
        TypeError: Another head.
        ValueError: Shots or noise, whose results are random; gates with complex matrices; too many qubits.
    """
    if not isinstance(head, SetFitQuantumHead | ClassicalHead):
        raise TypeError(f"Argument `head` must be a QuantumHead or a ClassicalHead, but got {type(head).__name__}.")
    graph = GraphBuilder()
    width = head.in_features
    if width is None:
        raise ValueError("Argument `head` must know the width of its embeddings before it is exported: train it.")
    was_training = head.training
    head.eval()
    outputs: dict[str, Sequence[Any]] = {}
    if isinstance(head, SetFitQuantumHead):
        values = _add_quantum_head(graph, head, outputs)
    else:
        assert head.layers is not None
        values = _add_layers(graph, head.layers, "embeddings")
    head.train(was_training)
    logits = graph.node("Div", values, graph.constant(head.temperature), output="logits")
    if head.multitarget:
        graph.node("Sigmoid", logits, output="probabilities")
    else:
        graph.node("Softmax", logits, output="probabilities", axis=1)
    for name in ("logits", "probabilities"):
        outputs[name] = ("batch", head.out_features)
    return graph.build({"embeddings": ("batch", width)}, outputs, _metadata(head, labels))


def _metadata(head: Any, labels: Sequence[Any] | None) -> dict[str, str]:
    return {
        "setfit_quantum_version": __version__,
        "labels": json.dumps(None if labels is None else [str(label) for label in labels]),
        "multitarget": json.dumps(bool(head.multitarget)),
    }


def _add_quantum_head(graph: GraphBuilder, head: SetFitQuantumHead, outputs: dict[str, Sequence[Any]]) -> str:
    config = head.config
    if head.noise is not None or head.shots is not None:
        raise ValueError(
            "Argument `head` must be exact to be exported (set head.shots = None and head.noise = None), but has "
            f"shots={head.shots} and noise={head.noise}."
        )
    latents = _add_encoder(graph, head)
    outputs["latents"] = ("batch", config.n_qubits)
    values = latents
    if config.classifier == "quantum":
        check_real(head.circuit)
        if config.n_qubits > MAX_QUBITS:
            raise ValueError(f"Argument `n_qubits` must be at most {MAX_QUBITS} to export, but is {config.n_qubits}.")
        rotations = add_rotations(graph, latents, config.n_qubits)
        circuit = head.circuit.bind(weights=head.circuit_weights.detach().double().tolist())
        state = add_circuit(graph, circuit, rotations)
        values = _add_expectations(graph, state, config.n_qubits, config.n_measured, output="expectations")
        outputs["expectations"] = ("batch", config.n_measured)
    if head.hidden is not None:
        values = graph.node("Relu", _add_linear(graph, head.hidden, values))
    if head.linear is not None:
        values = _add_linear(graph, head.linear, values)
    if config.one_logit or (head.linear is None and config.out_features == 2 and not config.multitarget):
        return graph.node("MatMul", _first(graph, values, 1), graph.constant([[-1.0, 1.0]]))
    return values if head.linear is not None else _first(graph, values, config.out_features)


def _add_encoder(graph: GraphBuilder, head: SetFitQuantumHead) -> str:
    encoder = head.encoder
    features, width = _add_preprocessing(graph, head)
    if not isinstance(encoder, QuantumEncoders):
        return graph.node("Identity", _add_layers(graph, encoder.layers, features), output="latents")
    assert encoder.circuit is not None
    amplitudes = _add_amplitudes(graph, features, head.config.amplitude_bias)
    width += int(head.config.amplitude_bias > 0)
    parts = []
    for number, share in enumerate(encoder.shares):
        circuit = encoder.circuit.bind(weights=encoder.weights[number].detach().double().tolist())
        columns = _columns(circuit.n_qubits, width, circuit)
        if share * width < 2**circuit.n_qubits:
            measured = _add_quadratic_forms(graph, amplitudes, columns, circuit.n_qubits, share)
        else:
            state = graph.node("MatMul", amplitudes, graph.constant(columns))
            measured = _add_expectations(graph, state, circuit.n_qubits, share)
        parts.append(graph.node("Mul", measured, graph.constant(float(encoder.scale[number].detach()))))
    return graph.node("Concat", *parts, axis=1, output="latents")


def _columns(n_qubits: int, width: int, circuit: Any) -> Floats:
    """What the circuit makes of each of the first basis states, shape (width, 2**n_qubits)."""
    rows = []
    for start in range(0, width, _ROWS):
        basis = np.zeros((min(_ROWS, width - start), 2**n_qubits))
        basis[np.arange(len(basis)), start + np.arange(len(basis))] = 1
        rows.append(run_circuit(circuit, basis))
    return np.concatenate(rows)


def _add_preprocessing(graph: GraphBuilder, head: SetFitQuantumHead) -> tuple[str, int]:
    """Nodes for the head's preprocessing, where it has one, and the width of what they give."""
    width = int(head.in_features or 0)
    preprocessor: Any = getattr(head, "preprocessor", None)
    if preprocessor is None:
        return "embeddings", width
    value, _ = _add_unit_norm(graph, "embeddings")
    if preprocessor.kind != "random":
        value = graph.node("Sub", value, graph.constant(preprocessor.mean.cpu().numpy()))
    if preprocessor.projected_features is None:
        return value, width
    matrix = graph.constant(preprocessor.matrix.cpu().numpy())
    return graph.node("MatMul", value, matrix), int(preprocessor.projected_features)


def _add_unit_norm(graph: GraphBuilder, value: str) -> tuple[str, str]:
    """Rows of norm 1 (scaled first, so that no square over- or underflows), and which of them are not 0."""
    zero, one = graph.constant(0.0), graph.constant(1.0)
    greatest = graph.node("ReduceMax", graph.node("Abs", value), axes=[1], keepdims=1)
    positive = graph.node("Greater", greatest, zero)
    scaled = graph.node("Div", value, graph.node("Where", positive, greatest, one))
    norms = graph.node("ReduceL2", scaled, axes=[1], keepdims=1)
    return graph.node("Div", scaled, graph.node("Where", positive, norms, one)), positive


def _add_amplitudes(graph: GraphBuilder, features: str, bias: float) -> str:
    """Nodes for `prepare_amplitudes`."""
    unit, positive = _add_unit_norm(graph, features)
    if bias == 0:
        return unit
    length = math.hypot(1.0, bias)
    constant = graph.node("Where", positive, graph.constant(bias / length), graph.constant(1.0))
    return graph.node("Concat", graph.node("Div", unit, graph.constant(length)), constant, axis=1)


def _add_quadratic_forms(graph: GraphBuilder, amplitudes: str, columns: Floats, n_qubits: int, share: int) -> str:
    """Expectations a^T A_q a: smaller than the state where the register is much wider than the embedding."""
    width = len(columns)
    forms = np.stack([(columns * signs(n_qubits, share)[:, q]) @ columns.T for q in range(share)], axis=1)
    product = graph.node("MatMul", amplitudes, graph.constant(forms.reshape(width, share * width)))
    folded = graph.reshape(product, -1, share, width)
    weighted = graph.node("Mul", folded, graph.reshape(amplitudes, -1, 1, width))
    return graph.node("ReduceSum", weighted, graph.constant([2], np.int64), keepdims=0)


def _add_expectations(graph: GraphBuilder, state: str, n_qubits: int, n_readout: int, output: str | None = None) -> str:
    shares = graph.node("Mul", state, state)
    return graph.node("MatMul", shares, graph.constant(signs(n_qubits, n_readout)), output=output)


def _add_linear(graph: GraphBuilder, layer: nn.Linear, value: str) -> str:
    bias = None if layer.bias is None else layer.bias.detach().cpu().numpy()
    return graph.linear(value, layer.weight.detach().cpu().numpy(), bias)


def _add_layers(graph: GraphBuilder, layers: nn.Sequential, value: str) -> str:
    for layer in layers:
        if isinstance(layer, nn.Linear):
            value = _add_linear(graph, layer, value)
        elif isinstance(layer, nn.BatchNorm1d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            spread = (layer.running_var.double() + layer.eps).sqrt()
            factor = layer.weight.detach().double() / spread
            shift = layer.bias.detach().double() - layer.running_mean.double() * factor
            value = graph.node("Add", graph.node("Mul", value, graph.constant(factor)), graph.constant(shift))
        elif isinstance(layer, nn.ReLU):
            value = graph.node("Relu", value)
        else:
            raise TypeError(f"A layer of type {type(layer).__name__} cannot be exported.")
    return value


def _first(graph: GraphBuilder, value: str, count: int) -> str:
    return graph.node("Gather", value, graph.constant(np.arange(count), np.int64), axis=1)
