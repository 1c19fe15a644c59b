"""`setfit-quantum energy`: joules per inference on a quantum processor and on a GPU, and where the two meet."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli.console import build_table, emit_json, note, results, working
from setfit_quantum.cli.errors import BadInput, Failure, checking_input


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
    measure: Annotated[
        bool, typer.Option("--measure", help="Also measure this package's own engine, on one core of this machine.")
    ] = False,
    watts: Annotated[
        float | None,
        typer.Option(
            help="With --measure: power of one core.",
            show_default="what the processor counts (RAPL) where it can be read, else 3.75 W",
        ),
    ] = None,
    measure_up_to: Annotated[
        int, typer.Option(metavar="QUBITS", help="With --measure: qubits to go up to, in steps of 2.", min=4, max=24)
    ] = 16,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="STEM", help="With --measure: write STEM.png and STEM.svg, all curves together.", show_default=False
        ),
    ] = None,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Estimate the energy of one inference: quantum processor against a GPU that simulates it."""
    from setfit_quantum import energy as model

    for name, value in (("--watts", watts), ("--figure", figure)):
        if value is not None and not measure:
            raise BadInput(f"Argument `{name}` needs --measure.")
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
    measured = _measure_engine(range(4, measure_up_to + 1, 2), watts, preset) if measure else []
    if figure is not None:
        _draw(figure, measured, model.energy_curve(range(2, max(crossover or 0, 50) + 1), build, settings))
    if as_json:
        emit_json(
            {
                "crossover_qubits": crossover,
                "curves_meet_at": meeting,
                "preset": preset,
                "settings": asdict(settings),
                "gate_times_source": model.GATE_TIMES[gate_times].source,
                "curve": [asdict(estimate) for estimate in curve],
                **({"engine": [_beside(one, build, settings) for one in measured]} if measure else {}),
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
    if measured:
        table = build_table(
            "This engine, measured on one core", "qubits", "ms", "J", "GPU, J", "QPU, J", "whole head, J"
        )
        for one in measured:
            beside = _beside(one, build, settings)
            figures = (one.circuit_joules, beside["gpu_joules"], beside["qpu_joules"], one.head_joules)
            table.add_row(str(one.n_qubits), f"{1e3 * one.circuit_seconds:.3g}", *(f"{value:.2g}" for value in figures))
        results.print(table)
        results.print(
            "Measured: the second module on a batch, per inference, and the whole head. Power: "
            f"{measured[-1].watts:.3g} W ({measured[-1].source}).\n"
            "GPU and QPU: by the formulas above, the GPU at its full rate.",
            markup=False,
        )


def _measure_engine(qubits: range, watts: float | None, preset: str) -> list[Any]:
    from setfit_quantum.experiments.engine_energy import measure_engine_energy

    note(f"Measuring circuits of {qubits[0]} to {qubits[-1]} qubits on one core ...")
    with checking_input(), working():
        return list(measure_engine_energy(list(qubits), watts, preset=preset))


def _draw(stem: Path, measured: list[Any], curve: list[Any]) -> None:
    from setfit_quantum.experiments.engine_energy import plot_engine_energy
    from setfit_quantum.experiments.noise_plot import save_figure

    try:
        paths = save_figure(plot_engine_energy(measured, curve), stem)
    except ImportError as error:
        raise Failure(str(error)) from error
    note("Wrote " + ", ".join(str(path) for path in paths) + ".")


def _beside(one: Any, build: Any, settings: Any) -> dict[str, Any]:
    """A measurement beside what the formulas say of its number of qubits."""
    from setfit_quantum.energy import estimate_energy

    estimate = estimate_energy(build(one.n_qubits), settings)
    return asdict(one) | {"gpu_joules": estimate.gpu_joules, "qpu_joules": estimate.qpu_joules}
