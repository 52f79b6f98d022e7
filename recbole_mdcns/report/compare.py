"""Shared by all renderings of a table: blocks, places, marks, notes, comparisons, and the command of a line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby

from tabulate import tabulate

from recbole_mdcns.evaluation.significance import LEVEL
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.lines import Gain, Line, is_smaller_better


def legend(page: Description) -> str:
    """Return what the cells of a table mean, in Markdown."""
    name, ours = page.reference_name, " or ".join(row for row in page.rows if page.methods[row].is_ours)
    text = ["Ours: mean" if name else "Mean", "± standard deviation over seeds, test; the epoch, and the setting where"]
    text += ["several were tried, chosen on validation. **Best** and <u>second</u> of a block, among the lines with"]
    text += ["the budget (epochs / patience) of most of them."]
    if name:
        text += [f"In brackets {name}'s value and how far ours is from it;"]
        text += [f"lines below the rule are not in {name}."]
    if ours and "users" in page.tests:
        text += [f"`*` {ours} differs from the best of {baselines(page)} over users (paired t-test over test users,"]
        text += ["seeds averaged, at least two; two-sided, p < 0.05 after Holm's correction over all tests over users"]
        text += ["that are printed with the table: every metric, block and rival);"]
    if ours and "seeds" in page.tests:
        text += ["`†` over seeds (paired t-test, two-sided, p < 0.05, not corrected)."]
    if ours and "users" in page.tests:
        text += ["A user with several rows counts with their sum."]
    return " ".join(text)


def baselines(page: Description) -> str:
    """Return the name of the lines above the rule; the best of them is compared with ours."""
    return f"{page.reference_name}'s baselines" if page.reference_name else "the baselines"


def blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """Return the lines of a table by dataset and backbone."""
    return [list(block) for _, block in groupby(lines, key=lambda line: (line.row.dataset, line.row.model))]


def begins_extra(block: Sequence[Line], index: int) -> bool:
    """Tell whether a line is the first below the rule."""
    return block[index].row.method.is_extra and not block[index - 1].row.method.is_extra


def notes(page: Description, block: Sequence[Line]) -> list[str]:
    """Return what the names of a block's dataset and methods do not tell a reader."""
    text = [f"{line.name}: {line.row.method.note}." for line in block if line.row.method.note]
    for line in block:
        for metric, (low, median, high) in line.ranges.items():
            known = page.ranges.text if page.ranges else ""
            text.append(f"{line.name}, {metric}: {known} {number(low)} to {number(high)}, median {number(median)}.")
    dataset = page.dataset_notes.get(block[0].row.dataset)
    return [*([dataset] if dataset else []), *text]


def comparison_rows(page: Description, block: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Return our method against the best baseline on every metric, and every line on the last, with the tests.

    Returns:
        The heads of the columns, and the rows; no row where nothing is compared.
    """
    best = f"best of {page.reference_name}'s" if page.reference_name else "best of the baselines"
    rows = []
    for line in block:
        for gain in line.gains.values():
            rows.append([line.name, gain.metric, f"{gain.baseline.name}, {best}", *_tests(gain)])
        for method, gain in line.against.items():
            rows.append([line.name, gain.metric, method, *_tests(gain)])
    return ["", "metric", "against", "difference", "seeds", "p seeds", "p users", "p users, Holm", "95 %"], rows


def comparisons(page: Description, block: Sequence[Line], form: str) -> list[str]:
    """Return :func:`comparison_rows` as the lines of a table in ``form``: ``github`` or ``latex_booktabs``."""
    heads, rows = comparison_rows(page, block)
    return tabulate(rows, heads, tablefmt=form, disable_numparse=True).splitlines() if rows else []


def places(lines: Sequence[Line], metric: str) -> dict[int, int]:
    """Return which lines of a block are first and second by our mean as printed: index of the line, then 1 or 2."""
    known = {index: number(line.mean(metric) or 0.0) for index, line in enumerate(lines) if line.is_compared}
    ranked = sorted(set(known.values()), key=float, reverse=not is_smaller_better(lines, metric))[:2]
    return {index: ranked.index(value) + 1 for index, value in known.items() if value in ranked}


def marks(line: Line, metric: str) -> str:
    """Return the marks of significance of a cell."""
    gain = line.gains.get(metric)
    if gain is None:
        return ""
    over_users = gain.seeds > 1 and gain.corrected is not None and gain.corrected < LEVEL
    over_seeds = gain.p_seeds is not None and gain.p_seeds < LEVEL
    return ("*" if over_users else "") + ("†" if over_seeds else "")


def number(value: float) -> str:
    """Return a metric with four digits."""
    return f"{value:.4f}"


def away(line: Line, metric: str) -> str:
    """Return the value of the reference and the relative difference of ours; empty where there is none."""
    if metric not in line.reference:
        return ""
    mean, there = line.mean(metric), line.reference[metric]
    return f"({number(there)})" if mean is None or not there else f"({number(there)}, {mean / there - 1:+.1%})"


def missing(lines: Sequence[Line]) -> list[Line]:
    """Return the lines without records, or without some of the seeds of their block."""
    return [line for line in lines if not line.runs or set(line.runs) < set(line.block_seeds)]


def command(page: Description, line: Line) -> str:
    """Return the command that fills a line, at the budget and with the seeds of its block."""
    named = [name for name, budget in page.budgets.items() if line.block_budget in (budget, None)]
    if named:
        at = f"--budget {shlex.quote(named[0])}"
    elif line.block_budget:
        at = "--set epochs={} --set stopping_step={}".format(*line.block_budget)
    else:
        at = ""
    seeds = ",".join(map(str, line.block_seeds or (1, 2, 3)))
    source, dataset, model = map(shlex.quote, (page.source, line.row.dataset, line.row.model))
    method = shlex.quote(line.name) if set(line.name) & set('"$`\\') else f'"{line.name}"'
    return (
        f"recbole-mdcns reproduce {source} --datasets {dataset} --models {model} "
        f"--methods {method} --seeds {seeds} {at} --data_path DIR"
    ).replace("  ", " ")


def _tests(gain: Gain) -> list[str]:
    p_values = ["" if p is None else f"{p:.2g}" for p in (gain.p_seeds, gain.p_users, gain.corrected)]
    p_values[1] = p_values[1] or gain.unpaired
    interval = "{:+.4f} to {:+.4f}".format(*gain.interval) if gain.interval else ""
    return [f"{gain.relative:+.1%}", str(gain.seeds), *p_values, interval]
