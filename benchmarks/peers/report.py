"""The comparison as Markdown."""

from __future__ import annotations

from typing import Any

from timing import format_table

from peers.cases import TASKS, Case
from peers.engines import OURS

_TITLES = {"train": "Training step (forward, backward, Adam)", "infer": "Inference (forward)"}


def build_report(record: dict[str, Any]) -> str:
    """All tables of a result file."""
    cases = [(Case(**one["case"]), one["engines"]) for one in record["cases"]]
    base = [one for one in cases if one[0].is_base]
    others = [one for one in cases if not one[0].is_base]
    settings, machine = record["settings"], record["machine"]
    parts = [
        "# This package's CPU engine beside others",
        f"{machine['processor']}, {settings['threads']} threads, load average at the start "
        f"{machine['load_average_at_start']}. Milliseconds are medians; in brackets how many times as long as ours. "
        "`~`: fewer samples than the batch were run, and the time scaled to the batch. Single precision where the "
        "library has it. All were compared with ours on the same weights before they were timed.",
        "## Batch 16, one encoder, exact",
    ]
    for task in TASKS:
        parts += [f"### {_TITLES[task]}", _table_by_size(base, task)]
    parts += ["### Details of the training steps", _details(base)]
    if others:
        parts.append("## Other batches, two encoders, noise, shots")
        for task in TASKS:
            parts += [f"### {_TITLES[task]}", _table_by_case(others, task)]
    parts += ["## What was not measured, and why", _omissions(cases)]
    parts += ["## How each was used", _how(record)]
    parts += ["## The machine's limits", _limits(record["limits"]), "## Shares of the floor", _shares(record["shares"])]
    parts += ["## Float32 beside float64", _accuracy(record["accuracy"])]
    return "\n\n".join(parts) + "\n"


def _cell(entry: dict[str, Any], ours: dict[str, Any], task: str) -> str:
    if task not in entry:
        return "-"
    median = entry[task]["median"]
    mark = "~" if entry[task]["samples"] < entry[task]["batch"] else ""
    return f"{mark}{1e3 * median:.4g} ({median / ours[task]['median']:.3g})"


def _table_by_size(cases: list[Any], task: str) -> str:
    names = list(cases[0][1])
    header = ["engine", *(f"{case.qubits} qubits" for case, _ in cases)]
    rows = [[name, *(_cell(entries[name], entries[OURS], task) for _, entries in cases)] for name in names]
    return format_table(header, [row for row in rows if set(row[1:]) != {"-"}])


def _table_by_case(cases: list[Any], task: str) -> str:
    names = list(cases[0][1])
    rows = [
        [case.label, *(_cell(entries[name], entries[OURS], task) for name in names)]
        for case, entries in sorted(cases, key=lambda one: (one[0].condition, one[0].encoders, one[0].batch))
    ]
    return format_table(["case", *names], rows)


def _details(cases: list[Any]) -> str:
    rows = []
    for case, entries in cases:
        for name, entry in entries.items():
            if "train" in entry:
                found = entry["train"]
                rows.append(
                    [
                        str(case.qubits),
                        name,
                        f"{1e3 * found['median']:.4g}",
                        f"{1e3 * found['q1']:.4g} - {1e3 * found['q3']:.4g}",
                        str(found["runs"]),
                        f"{found['samples']} / {found['chunk']}",
                        f"{entry['first_train_s'] + entry['first_infer_s']:.2f}",
                        f"{found['peak_bytes_above_start'] / 2**20:.0f}",
                        f"{entry['difference']:.0e}" if "difference" in entry else "",
                        f"{entry['gradient_error']:.0e}" if "gradient_error" in entry else "",
                        str(entry.get("torch_threads", "")),
                    ]
                )
    header = ["qubits", "engine", "median ms", "quartiles ms", "runs", "samples run / at once", "first calls s"]
    return format_table([*header, "peak MiB", "difference", "gradient error", "PyTorch threads"], rows)


def _omissions(cases: list[Any]) -> str:
    """One line for each engine and reason, with the cases that it concerns."""
    found: dict[tuple[str, str], list[str]] = {}
    for case, entries in cases:
        for name, entry in entries.items():
            for key, word in (("left_out", ""), ("failed", "failed: "), ("disagrees", "")):
                if key in entry:
                    found.setdefault((name, word + entry[key]), []).append(case.label)
            for task, why in entry.get("refused", {}).items():
                found.setdefault((name, f"{task}: {why}"), []).append(case.label)
    lines = [f"- {name}: {reason} ({'; '.join(labels)})" for (name, reason), labels in sorted(found.items())]
    return "\n".join(lines) or "Nothing."


def _how(record: dict[str, Any]) -> str:
    lines = []
    for name, engine in record["engines"].items():
        remarks = "".join(f"; {remark}" for remark in engine["remarks"])
        lines.append(f"- {name}: {engine['how']}; {engine['precision']}{remarks}")
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return "\n".join([*lines, "", f"Versions: {versions}."])


def _limits(limits: dict[str, Any]) -> str:
    rows = [[level, f"{rate / 1e9:.0f} GB/s read and written"] for level, rate in limits["bandwidth"].items()]
    rows.append(["multiply-adds", f"{limits['flops'] / 1e9:.0f} GFLOP/s"])
    text = format_table(["limit", f"{limits['threads']} threads together"], rows)
    if "c_reference" in limits:
        text += f"\n\nThe same multiply-adds in C: {limits['c_reference']['flops'] / 1e9:.0f} GFLOP/s."
    return text


def _accuracy(rows: list[dict[str, Any]]) -> str:
    header = ["qubits", "gradient, relative in norm", "expectations, at most"]
    cells = [[str(row["qubits"]), f"{row['gradient_error']:.1e}", f"{row['largest_difference']:.1e}"] for row in rows]
    return format_table(header, cells)


_KERNEL_HEADER = ("kernel ms", "kernel's share", "kernel's share with columns")
_SHARES_NOTE = (
    "`ms` is the median of the backend's calls, with what PyTorch and Python add; backward is forward and backward "
    "together less forward. `kernel ms` is the median of the compiled kernels alone: the prepared arrays of one call, "
    "carried out again and again on the engine's own threads, forward and backward in turns."
)


def _kernel(row: dict[str, Any]) -> list[str]:
    if "kernel_seconds" not in row:
        return [""] * len(_KERNEL_HEADER)
    shares = (f"{100 * row[name]:.0f} %" for name in ("kernel_share", "kernel_share_with_columns"))
    return [f"{1e3 * row['kernel_seconds']:.3g}", *shares]


def _shares(rows: list[dict[str, Any]]) -> str:
    parts = [
        [
            str(row["qubits"]),
            row["part"],
            row["direction"],
            f"{1e3 * row['seconds']:.3g}",
            f"{row['bytes'] / 1e6:.4g}",
            f"{row['operations'] / 1e6:.4g}",
            f"{row['bytes_per_second'] / 1e9:.0f}",
            f"{row['operations_per_second'] / 1e9:.0f}",
            row["level"],
            f"{1e3 * row['floor']['bytes']:.3g} / {1e3 * row['floor']['operations']:.3g}",
            f"{100 * row['share']:.0f} %",
            f"{100 * row['share_with_columns']:.0f} %",
            f"{100 * row['share_from_memory']:.0f} %" if "share_from_memory" in row else "",
            *_kernel(row),
        ]
        for row in rows
        if "direction" in row
    ]
    header = [
        "qubits",
        "part",
        "direction",
        "ms",
        "MB",
        "MFLOP",
        "GB/s",
        "GFLOP/s",
        "lives in",
        "floor ms: bytes / FLOP",
    ]
    steps = [
        [
            str(row["qubits"]),
            f"{1e3 * row['seconds']:.3g}",
            f"{1e3 * row['floors']['bytes']:.3g}",
            f"{1e3 * row['floors']['bytes_from_memory']:.3g}",
            f"{1e3 * row['floors']['floor']:.3g}",
            f"{row['times_the_floor_in_bytes']:.2f}",
            f"{row['times_the_floor_in_bytes_from_memory']:.2f}",
            f"{100 * row['share']:.0f} %",
        ]
        for row in rows
        if "direction" not in row
    ]
    step_header = [
        "qubits",
        "step ms",
        "floor in bytes ms",
        "the same from memory",
        "floor ms",
        "step / floor in bytes",
    ]
    return (
        format_table([*header, "share", "share with columns", "share from memory", *_KERNEL_HEADER], parts)
        + "\n\n"
        + _SHARES_NOTE
        + "\n\nWhole training steps:\n\n"
        + format_table([*step_header, "step / the same from memory", "share of the floor"], steps)
    )
