"""`setfit-quantum draw`: a circuit as text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.errors import BadInput, checking_input


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(draw)


def draw(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="Folder of a saved model or head, or its id on the Hub.", show_default=False
        ),
    ] = None,
    qubits: Annotated[
        int | None, typer.Option(help="Without MODEL: qubits of a new head.", show_default="10", min=2)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Without MODEL: paper-single, paper-multi or paper-single-qm1.", show_default=False),
    ] = None,
    features: Annotated[
        int | None, typer.Option(help="Without MODEL: width of the embedding.", show_default="384", min=1)
    ] = None,
    encoder: Annotated[bool, typer.Option("--encoder", help="The encoder instead of the second module.")] = False,
    qasm: Annotated[bool, typer.Option("--qasm", help="OpenQASM 3 of the second module instead of a drawing.")] = False,
    width: Annotated[int, typer.Option(help="Characters per line.", min=40)] = 100,
    debug: options.Debug = False,
) -> None:
    """Draw the circuit of MODEL, or of a new head."""
    if encoder and qasm:
        raise BadInput("Argument `--qasm` writes the second module: it excludes --encoder.")
    head = _new_head(qubits, preset, features) if model is None else _load_head(model, qubits, preset, features)
    with checking_input():
        circuit = head.encoder_circuit(0) if encoder else head.circuit
        drawing = head.to_qasm3() if qasm else circuit.draw(max_width=width)
    sys.stdout.write(f"{drawing.rstrip()}\n")
    print(f"{circuit.n_qubits} qubits, {len(circuit.gates)} gates, {circuit.num_parameters} angles", file=sys.stderr)


def _new_head(qubits: int | None, preset: str | None, features: int | None) -> Any:
    from setfit_quantum.head import SetFitQuantumHead

    sizes: dict[str, Any] = {} if qubits is None else {"n_qubits": qubits}
    sizes["in_features"] = features or 384
    with checking_input():
        if preset is not None:
            return SetFitQuantumHead.from_preset(preset, **sizes)
        return SetFitQuantumHead(**sizes)


def _load_head(model: str, qubits: int | None, preset: str | None, features: int | None) -> Any:
    if qubits is not None or preset is not None or features is not None:
        raise BadInput("Give MODEL, or --qubits, --preset and --features for a new head, not both.")
    from setfit_quantum.head import SetFitQuantumHead

    if Path(model).is_file():
        raise BadInput(f"Model {model!r} is a file, not a folder.")
    try:
        with checking_input():
            return SetFitQuantumHead.from_pretrained(model)
    except OSError as error:
        raise BadInput(f"Model {model!r} is neither a folder nor could it be loaded from the Hub.") from error
