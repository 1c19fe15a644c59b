"""`setfit-quantum reproduce`: a table or figure of the paper, its values beside ours with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from setfit_quantum.cli import options
from setfit_quantum.cli import training_options as training
from setfit_quantum.cli.console import emit_json, note, results, working
from setfit_quantum.cli.errors import BadInput, checking_input

STUDY = "Study"
DEFAULT_OUTPUT = Path("setfit-quantum-studies")

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for results; studies that share it share their runs.")
]
Tuned = Annotated[
    bool,
    typer.Option(
        "--tuned",
        help="Also with a body that SetFit tunes on each seed's training sentences, in columns of its own.",
        rich_help_panel=STUDY,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes, each on one core; 1: in this process.",
        show_default="1; with ray all cores of the cluster",
        min=1,
        rich_help_panel=STUDY,
    ),
]
Executor = Annotated[
    str, typer.Option("--backend", help="Where runs are worked on: local, or ray (a cluster).", rich_help_panel=STUDY)
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The Ray cluster; auto: the one that runs on this machine.",
        show_default="$RAY_ADDRESS, else a cluster of this machine alone",
        rich_help_panel=STUDY,
    ),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try runs again that failed before.", rich_help_panel=STUDY)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reproduce)


def reproduce(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="table2, fig8a, ... (--list shows all), or a specification's file.", show_default=False),
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="Show what can be reproduced.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="In seconds, on bundled data: shows that it runs.", rich_help_panel=STUDY)
    ] = False,
    small: Annotated[
        bool,
        typer.Option(
            "--small",
            help="In minutes, on the paper's data: few seeds and epochs, few circuits.",
            rich_help_panel=STUDY,
        ),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The paper's whole grid and body.", rich_help_panel=STUDY)
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Other data: a file, a folder with a file per part, or an id on the Hub.",
            show_default="the specification's; a copy below $SETFIT_QUANTUM_DATA, else from the Hub",
            rich_help_panel=options.DATA,
        ),
    ] = None,
    body: training.Body = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Seeds of every row.", show_default="as specified", min=1, rich_help_panel=STUDY),
    ] = None,
    tuned: Tuned = False,
    output: Output = DEFAULT_OUTPUT,
    workers: Workers = None,
    backend: Executor = "local",
    ray_address: RayAddress = None,
    retry_failed: RetryFailed = False,
    no_run: Annotated[
        bool,
        typer.Option("--no-run", help="Report the results that are there; run nothing.", rich_help_panel=STUDY),
    ] = False,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Reproduce a table or figure of arXiv 2504.08732.

    Prints the paper's values beside ours with 95 % intervals, and writes the table (Markdown, CSV), the figure (PNG,
    SVG) and the result (JSON). A study that was interrupted goes on where it was when the same command is given again.
    """
    from setfit_quantum.experiments.specification import list_specifications, load_specification

    if show_list or name is None:
        if name is None and not show_list:
            raise BadInput(f"Argument `NAME` must be one of {', '.join(list_specifications())}.")
        _show_list(as_json)
        return
    levels = [level for level, chosen in (("quick", quick), ("small", small), ("full", full)) if chosen]
    if len(levels) > 1:
        raise BadInput(f"Argument `--{levels[0]}` excludes --{levels[1]}.")
    level = levels[0] if levels else "default"
    with checking_input():
        specification = load_specification(name)
    if specification.kind == "energy":
        _reproduce_energy(specification, output, level, as_json)
        return
    note("Loading ...")
    with working():
        from setfit_quantum.cli import study_work as work
        from setfit_quantum.cli.models import check_body
        from setfit_quantum.experiments.planning import plan_study

        work.check_plots()
        work.check_output(output)
        check_body(body)
        with checking_input():
            plan = plan_study(
                specification,
                level,
                data=data,
                body=body,
                n_seeds=seeds,
                columns=["frozen", "tuned"] if tuned else None,
                folder=output,
                say=note,
            )
        with work.interruptible(ctx, output):
            result = work.run_plan(
                plan,
                output,
                backend=backend,
                workers=workers,
                address=ray_address,
                retry_failed=retry_failed,
                only_found=no_run,
            )
        rows, files = work.write_files(result, output / f"{specification.name}-{level}")
    if as_json:
        emit_json(
            {
                "name": result.name,
                "level": level,
                "rows": work.rows_to_json(rows),
                "runs": result.n_runs,
                "hours": result.hours,
                "failures": list(result.failures),
                "files": [str(path) for path in files],
            }
        )
        return
    from setfit_quantum.experiments.study_report import describe, format_claims

    work.show_rows(result, rows)
    results.print("\n".join([*describe(result), *format_claims(result)]).replace("**", ""), markup=False)
    if result.failures:
        results.print("Failed: " + "; ".join(result.failures[:3]), markup=False)
    results.print("Wrote " + ", ".join(str(path) for path in files) + ".", markup=False)


def _show_list(as_json: bool) -> None:
    from setfit_quantum.experiments.specification import list_specifications, load_specification

    found = {name: load_specification(name).title for name in list_specifications()}
    if as_json:
        emit_json(found)
        return
    for name, title in found.items():
        results.print(f"{name:<12} {title}", markup=False)


def _reproduce_energy(specification: Any, output: Path, level: str, as_json: bool) -> None:
    from setfit_quantum.cli import study_work as work
    from setfit_quantum.experiments import energy_study
    from setfit_quantum.experiments.noise_plot import save_figure
    from setfit_quantum.experiments.result_file import write_text

    work.check_plots()
    work.check_output(output)
    values = specification.at_level(level)
    rows = energy_study.study_energy(values["energy"])
    folder = output / f"{specification.name}-{level}"
    write_text(folder / "table.md", energy_study.format_markdown(rows, values))
    write_text(folder / "table.csv", energy_study.format_csv(rows))
    figures = save_figure(energy_study.plot_energy(rows, values), folder / "figure")
    files = [str(path) for path in (folder / "table.md", folder / "table.csv", *figures)]
    if as_json:
        crossings = [{"curves": row.name, "crossover_qubits": row.crossover, "meet_at": row.meeting} for row in rows]
        paper = values["energy"]["paper_crossing"]
        emit_json({"name": specification.name, "paper": paper, "rows": crossings, "files": files})
        return
    table = work.narrow_table(specification.title, *energy_study.HEADER)
    for row in rows:
        table.add_row(*energy_study.row_cells(row, values["energy"]))
    results.print(table)
    results.print("Wrote " + ", ".join(files) + ".", markup=False)
