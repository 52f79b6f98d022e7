"""The page of ``gpu_check.py``: targets, a table per section, kernels, what failed, and where it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_cases import Section
from gpu_targets import Results, judge_all
from provenance import Provenance
from tabulate import tabulate

#: Entries of a result that have a place of their own on the page.
_ELSEWHERE = {"status", "error", "log", "curve", "longest", "rows", "s of epochs"}

#: What the figures mean.
READING = (
    "* `captured`: static batches and one CUDA graph; the median of whole epochs after the first one, each of at most "
    "150 steps. All others: the mean of 30 plain steps (6 of the released one) after 3 others. An epoch is the time of "
    "a step times its number of steps.",
    "* RecBole's SASRec alone has one uniform negative, leave-one-out rows and no anomaly detection. Its epoch has "
    "other targets than ours, therefore targets per second are compared.",
    "* MiB: the highest memory of tensors on the GPU above what the process had before; on a CPU resident memory.",
    "* losses and weights: the largest relative difference of the losses, and the difference of the weights relative "
    "to the way that they came. `equal` allows 1e-4 and 1e-2, or three times what two trainings differ that should be "
    "equal: the same one twice, or one whose first weights are off by one rounding.",
    "* busy: the time of all kernels of a step, as a part of the time of a step without the profiler. What is left are "
    "the gaps between kernels.",
    "* Equality, resume and quality ran side by side; everything that is timed ran alone.",
)


def page(
    results: Results, sections: Mapping[str, Section], provenance: Provenance, notes: Sequence[str], seconds: float
) -> str:
    """Return the page.

    Args:
        results: The results so far, by section and case.
        sections: The sections by name.
        provenance: Where they were measured.
        notes: Lines on the data and the machine.
        seconds: What the check took so far.
    """
    lines = ["# Training on a GPU, measured", "", f"* {provenance.line('torch', 'recbole', 'numpy', 'pandas')}"]
    lines += [f"* {provenance.machine['processor']}, {provenance.machine['cores']} cores", *(f"* {n}" for n in notes)]
    lines += [f"* command: `{provenance.command_line}`, {seconds:.0f} s", ""]
    lines += ["## Targets", "", "The targets are of one H100.", "", table(judge_all(results)), ""]
    for name, section in sections.items():
        if name in results:
            lines += [f"## {section.title}", "", *_section(results[name])]
    lines += [*_failures(results), *_log(results), *_reading()]
    return "\n".join(lines).rstrip() + "\n"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table with every column that one of them has."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    return tabulate(cells, headers=columns, tablefmt="github", disable_numparse=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def _section(cases: Mapping[str, dict[str, Any]]) -> list[str]:
    rows = []
    for case, result in cases.items():
        status = "" if result.get("status") == "done" else result.get("status")
        shown = {key: value for key, value in result.items() if key not in _ELSEWHERE}
        rows.append({"case": case, **({"status": status} if status else {}), **shown})
    lines = [table(rows), ""]
    for case, result in cases.items():
        if "rows" in result:
            lines += [table(result["rows"]), ""]
        if "curve" in result:
            lines += [f"* {case}: {', '.join(f'{value:.4f}' for value in result['curve'])}", ""]
        if "longest" in result:
            lines += [f"### {case}", "", table(_shortened(result["longest"])), ""]
    return lines


def _shortened(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a kernel table with names that fit on a page and break no table."""
    return [{**row, "kernel": f"`{row['kernel'].replace('|', '/').replace('`', '')[:90]}`"} for row in rows]


def _failures(results: Results) -> list[str]:
    lines = []
    for section, cases in results.items():
        for case, result in cases.items():
            if "error" in result:
                error = "\n".join(result["error"].splitlines()[-15:])
                lines += [f"### {section}: {case}", "", "```", error, "```", ""]
    return ["## What failed", "", *lines] if lines else []


def _log(results: Results) -> list[str]:
    """Return what the log said, each line once, with the cases that said it."""
    said: dict[str, list[str]] = {}
    for section, cases in results.items():
        for case, result in cases.items():
            for line in result.get("log", ()):
                said.setdefault(line, []).append(f"{section}: {case}")
    lines = []
    for line, where in said.items():
        more = f" and {len(where) - 1} more" if where[1:] else ""
        lines.append(f"* {line} ({where[0]}{more})")
    return ["## What the log said", "", *lines, ""] if lines else []


def _reading() -> list[str]:
    return ["## How to read this", "", *READING]
