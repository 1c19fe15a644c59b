"""What a card says about the circuit: drawing, settings, counts, noise, shots, energy."""

from __future__ import annotations

from typing import Any

from setfit_quantum.card.markdown import block, table

MAX_DRAWN_GATES = 600
"""Larger circuits would fill a card with lines that nobody reads."""


def circuit_sections(head: Any, picture: str | None = None) -> list[str]:
    """Sections about a quantum head.

    Args:
        head: The head, its width known.
        picture: File name of a picture of the circuit beside the card, or None.
    """
    sizes = table(
        ("part", "trained parameters", "gates on one qubit", "gates on two", "depth"),
        _sizes(head),
        numbers=(1, 2, 3, 4),
    )
    settings = table(("setting", "value"), _settings(head))
    if head.config.classifier != "quantum":
        return ["## The head", _explanation(head), "### Settings", settings, "### Size", sizes]
    return [
        "## The circuit",
        _explanation(head),
        _drawing(head, picture),
        "### Settings",
        settings,
        "### Size",
        sizes,
        "Depth is the longest chain of gates that share a qubit. The encoders run once per text, classically; only the "
        "second module would run on a quantum processor.",
        "### Noise and shots",
        noise_and_shots(head),
        "### Energy",
        _energy(head),
    ]  # fmt: skip


def _explanation(head: Any) -> str:
    config = head.config
    encoders = {
        "quantum": f"{_count(config.n_encoders, 'simulated quantum encoder')} compress{_es(config.n_encoders)} it",
        "linear": "a linear layer compresses it",
        "mlp": "a small neural network compresses it",
    }[config.encoder]
    if config.classifier != "quantum":
        layer = "a linear layer" if config.classifier == "linear" else "a small neural network"
        return (
            f"The body turns a text into {config.in_features:,} numbers; {encoders} into {config.n_qubits} numbers; "
            f"{layer} turns these into one score per class."
        )
    logits = "a linear layer turns these into one score per class." if config.final_linear else (
        "these are the scores of the classes."
    )  # fmt: skip
    return (
        f"The body turns a text into {config.in_features:,} numbers; {encoders} into {config.n_qubits} angles. The "
        f"circuit below (the second module) takes these angles {_times(config.n_reuploads)} as rotations, between "
        f"{_gates_between(config)}; the mean of Pauli Z (+1 for outcome 0, -1 for outcome 1) on "
        f"{'every qubit' if config.n_measured == config.n_qubits else _count(config.n_measured, 'qubit')} is measured, "
        f"and {logits}"
    )


def _gates_between(config: Any) -> str:
    return (
        "rotations with trained angles and controlled-NOT gates" if config.ansatz is None else "runs of an own ansatz"
    )


def _drawing(head: Any, picture: str | None) -> str:
    circuit = head.circuit
    parts = [] if picture is None else [f"![The circuit]({picture})"]
    if len(circuit.gates) > MAX_DRAWN_GATES:
        parts.append(f"The circuit has {len(circuit.gates):,} gates, too many to draw; `circuit.qasm` has all of them.")
    else:
        parts.append(
            "<details><summary>The circuit as text (θ: trained angles, x: angles from the text)</summary>\n\n"
            f"{block(circuit.draw(max_width=100), 'text')}\n\n</details>"
        )
    parts.append("`circuit.qasm` holds it with its trained angles as OpenQASM 3.")
    return "\n\n".join(parts)


def _settings(head: Any) -> list[tuple[str, Any]]:
    config = head.config
    quantum = config.encoder == "quantum"
    qubits = config.resolve_encoder_qubits(config.in_features) if quantum else None
    layers = [
        ("layers after each encoding (R)", config.reupload_layers),
        ("layers at the end (L)", config.n_layers),
        ("connectivity of a layer (C)", config.connectivity),
    ]
    second_module: list[tuple[str, Any]] = [
        ("qubits", config.n_qubits),
        ("qubits measured", config.n_measured),
        ("times the angles are encoded (N)", config.n_reuploads),
        *(layers if config.ansatz is None else [("PQC1 and PQC2", "an own ansatz")]),
    ]
    rows: list[tuple[str, Any]] = [
        *(second_module if config.classifier == "quantum" else [("numbers of the latent", config.n_qubits)]),
        ("encoders", f"{config.n_encoders}, {config.encoder}"),
        *([("frozen", ", ".join(config.frozen))] if config.frozen else []),
    ]
    if quantum:
        rows += [
            ("qubits of each encoder", qubits),
            ("layers of each encoder", config.encoder_layers),
            ("connectivity of each encoder", config.resolve_encoder_connectivity(qubits)),
            ("amplitude bias", float(config.amplitude_bias)),
        ]
    elif config.encoder_hidden_dim is not None:
        rows.append(("hidden width of the encoder", config.encoder_hidden_dim))
    if config.classifier != "quantum":
        hidden = config.classifier_hidden_dim
        rows.append(("classifier", config.classifier if hidden is None else f"mlp, {hidden} hidden"))
    rows += [
        ("linear layer at the end", config.final_linear),
        ("outputs", config.out_features),
        ("several labels per text", config.multitarget),
        ("temperature", float(config.temperature)),
        ("initial angles", config.chosen_initialization),
        ("seed", "none" if config.seed is None else str(config.seed)),
        ("simulator", config.backend),
    ]
    return rows


def _sizes(head: Any) -> list[tuple[Any, ...]]:
    config = head.config
    layers = [layer for layer in (head.hidden, head.linear) if layer is not None]
    linear = sum(parameter.numel() for layer in layers for parameter in layer.parameters())
    encoders = sum(parameter.numel() for parameter in head.encoder.parameters())
    rows: list[tuple[Any, ...]] = []
    if config.encoder == "quantum":
        name = "encoder" if config.n_encoders == 1 else f"{config.n_encoders} encoders, each"
        rows.append((name, encoders // config.n_encoders, *_counts(head.encoder_circuit(0))))
    else:
        rows.append((f"{config.encoder} encoder", encoders, "", "", ""))
    if config.classifier == "quantum":
        rows.append(("second module", head.circuit.num_parameters, *_counts(head.circuit)))
    rows.append(("linear layer" if len(layers) < 2 else "linear layers", linear, "", "", ""))
    everything = sum(parameter.numel() for parameter in head.parameters())
    rows.append(("**all**", everything, "", "", ""))
    if config.frozen:
        rows.append(("of these trained last", head.num_parameters(), "", "", ""))
    return rows


def _counts(circuit: Any) -> tuple[int, int, int]:
    from setfit_quantum.energy import count_gates

    return (*count_gates(circuit), circuit.depth())


def noise_and_shots(head: Any) -> str:
    """Sentences about what the loaded model's measurements are like."""
    config, noise = head.config, head.noise
    if config.shots is None:
        shots = "Expectations are exact: no shots (repetitions of the circuit) are drawn."
    else:
        sampler = config.sampler or "multinomial at inference, gaussian in training"
        shots = (
            f"Every expectation is estimated from {config.shots:,} shots, as from so many repetitions of the circuit "
            f"on a device (sampler: {sampler}). So answers that are close to even may change with the draw."
        )
    described = "There is no noise." if noise is None else noise.describe()
    points = [
        shots,
        described,
        "The loaded model predicts as the saved one did; `model.model_head.shots` and `model.model_head.noise` may be "
        "changed after loading.",
    ]
    return "\n".join(f"- {point}" for point in points)


def _energy(head: Any) -> str:
    from setfit_quantum.energy import GATE_TIMES, EnergySettings, estimate_energy

    settings = EnergySettings() if head.config.shots is None else EnergySettings(shots=head.config.shots)
    estimate = estimate_energy(head.circuit, settings)
    assert isinstance(settings.gate_times, str)
    times = GATE_TIMES[settings.gate_times]
    less = "less" if not estimate.gpu_needs_more else "more"
    return (
        f"An estimate, not a measurement, for one text and the second module only: {_joules(estimate.qpu_joules)} on a "
        f"trapped-ion quantum processor ({settings.watts_per_qubit:g} W per qubit, {settings.shots:,} shots, gates of "
        f"{1e6 * times.one_qubit:g} and {1e6 * times.two_qubit:g} microseconds: {times.source}), and "
        f"{_joules(estimate.gpu_joules)} for simulating it once, exactly, on a GPU ({settings.gpu_watts:g} W, "
        f"{settings.gpu_flops_per_second / 1e12:g} TFLOP/s in double precision): simulating takes {less}. The formulas "
        "are those of arXiv 2504.08732, Sec. III-E; `setfit-quantum energy` has all constants as options."
    )


def _joules(value: float) -> str:
    for factor, unit in ((1e6, "MJ"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.2e} J"


def _count(number: int, noun: str) -> str:
    return f"one {noun}" if number == 1 else f"{number} {noun}s"


def _es(number: int) -> str:
    return "es" if number == 1 else ""


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
