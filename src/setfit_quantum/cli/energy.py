"""`setfit-quantum energy`: joules per inference on a quantum processor and on a GPU, and where the two meet."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.console import build_table, emit_json, results
from setfit_quantum.cli.errors import checking_input


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(energy)


def energy(
    gate_times: Annotated[
        str, typer.Option(metavar="NAME", help="forte-enterprise (63 and 650 us) or forte (130 and 970 us).")
    ] = "forte-enterprise",
    shots: Annotated[int, typer.Option(help="Shots per inference on the quantum processor.", min=1)] = 8000,
    preset: Annotated[
        str, typer.Option(help="Whose circuit: paper-single, paper-multi or paper-single-qm1.")
    ] = "paper-single",
    watts_per_qubit: Annotated[float, typer.Option(help="Power of the quantum processor per qubit.")] = 300.0,
    gpu_watts: Annotated[float, typer.Option(help="Power of the GPU.")] = 700.0,
    gpu_flops: Annotated[float, typer.Option(help="Rate of the GPU in double precision, FLOP/s.")] = 34e12,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Estimate the energy of one inference: quantum processor against a GPU that simulates it."""
    from setfit_quantum import energy as model

    with checking_input():
        settings = model.EnergySettings(
            gate_times=gate_times,
            shots=shots,
            watts_per_qubit=watts_per_qubit,
            gpu_watts=gpu_watts,
            gpu_flops_per_second=gpu_flops,
        )
        model.build_paper_circuit(2, preset)

    def build(n_qubits: int) -> Any:
        return model.build_paper_circuit(n_qubits, preset)

    crossover = model.find_crossover(build, settings)
    meeting = model.find_meeting_point(build, settings)
    shown = sorted({10, 20, 30, 40, 50} | ({crossover - 1, crossover} if crossover and crossover > 2 else set()))
    curve = model.energy_curve(shown, build, settings)
    if as_json:
        emit_json(
            {
                "crossover_qubits": crossover,
                "curves_meet_at": meeting,
                "preset": preset,
                "settings": asdict(settings),
                "gate_times_source": model.GATE_TIMES[gate_times].source,
                "curve": [asdict(estimate) for estimate in curve],
            }
        )
        return
    table = build_table("Energy of one inference", "qubits", "gates 1Q / 2Q", "QPU, J", "GPU, J", "less")
    for estimate in curve:
        table.add_row(
            str(estimate.n_qubits),
            f"{estimate.one_qubit_gates} / {estimate.two_qubit_gates}",
            f"{estimate.qpu_joules:.3g}",
            f"{estimate.gpu_joules:.3g}",
            "QPU" if estimate.gpu_needs_more else "GPU",
        )
    results.print(table)
    if crossover is None or meeting is None:
        results.print(f"The GPU needs less up to {model.DEFAULT_MAX_QUBITS} qubits.", markup=False)
    else:
        results.print(
            f"The GPU needs more from {crossover} qubits on (the curves meet at {meeting:.2f}).", markup=False
        )
