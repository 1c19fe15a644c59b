"""The way from a sentence to its label on one line: which steps are quantum, and which are not."""

from __future__ import annotations

from html import escape

from setfit_quantum.head import SetFitQuantumHead

QUANTUM, CLASSICAL = "simulated quantum", "classical"


def pipeline_steps(head: SetFitQuantumHead) -> list[tuple[str, str, bool]]:
    """`(name, what it gives, whether it is quantum)` of each step."""
    config = head.config
    is_quantum = config.encoder == "quantum"
    encoder = {"quantum": "Encoder", "linear": "Linear layer", "mlp": "Small network"}[config.encoder]
    if config.n_encoders > 1:
        encoder = f"Encoder × {config.n_encoders}"  # a number comes before it
    steps = [
        ("Sentence transformer", f"{head.in_features} numbers", False),
        (encoder, f"{config.n_qubits} angles", is_quantum),
        (f"Circuit of {config.n_qubits} qubits", f"{config.n_measured} readings", True),
    ]
    if head.linear is not None:
        steps.append(("Linear layer", "votes by label", False))
    return steps


def draw_pipeline(head: SetFitQuantumHead) -> str:
    """The steps as a numbered row; the numbers are those of the stages below an answer."""
    items = "".join(
        f'<li class="{"sq-quantum" if is_quantum else "sq-classical"}"><b>{number} {escape(name)}</b>'
        f"<span>{QUANTUM if is_quantum else CLASSICAL}<i> → {escape(gives)}</i></span></li>"
        for number, (name, gives, is_quantum) in enumerate(pipeline_steps(head), start=1)
    )
    return f'<ol class="sq-pipeline" aria-label="From the sentence to its label">{items}</ol>'
