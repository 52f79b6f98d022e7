"""Methods side by side: a page with a table and curves, from records alone.

    recbole-mdcns sweep benchmarks/sweeps/every_method.yaml --set data_path=DIR
    recbole-mdcns report side_by_side --records sweeps/every_method --out benchmarks/results/every_method

Takes folders of sweeps or of records, and packed records; of each method the setting that validation chose is shown, or
every one that was tried. The records shown are packed beside the page.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.files import pack_records
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.cells import chosen_cells
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.escape import text
from recbole_mdcns.report.figure import colours_of, draw_run, name_ends, plain, saved_figure
from recbole_mdcns.report.lines import shown_budget
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import file_of_records, make_folder, sources, spread, values_of, write_page

#: A short patience, for comparison: in validations that are worse than the best one.
PATIENCE = 10
#: The records of a method, or of one of its settings, by the name shown; a table of a page.
Methods = dict[str, list[Record]]
#: Columns of the table: a split, and who is evaluated on it.
COLUMNS = (("valid", "self"), ("valid", "peer"), ("valid", "teacher"), ("test", "self"), ("test", "teacher"))


def write_side_by_side(page: Description, records: Sequence[Record], out: Path) -> None:
    """Write the page, the figure and the packed records.

    Raises:
        UserError: No record has validation metrics, or one lacks the metric, or other records lie beside the page.
    """
    groups = grouped(records, page.settings == "all")
    if not groups:
        raise UserError("no record has validation metrics: there is nothing to compare")
    shown = [record for methods in groups.values() for chosen in methods.values() for record in chosen]
    packed = file_of_records(out, shown)
    lines = [f"# {page.title}", ""]
    for title, methods in groups.items():
        lines += [f"## {text(title)}", "", table(methods), ""]
    lines += sources(shown, page.note)
    make_folder(out)
    lines += ["* MiB: highest resident memory of the process, data and libraries included"]
    lines += ["", "![curves](curves.png)", ""]
    write_page(out / "README.md", "\n".join(lines))
    pack_records(shown, packed)
    draw(groups, out / "curves.png")
    print("\n".join(lines))


def grouped(records: Sequence[Record], every_setting: bool = False) -> dict[str, Methods]:
    """Return the records by model, dataset and budget, then by method: of the chosen setting, or of each by its own.

    Raises:
        UserError: One lacks the metric that its epoch was chosen by, or that of the methods beside it.
    """
    groups: dict[str, list[list[Record]]] = defaultdict(list)
    for record in records:
        if record.best_epoch is not None:
            need_metrics(record, [record.valid_metric.lower()], splits=("valid",))
    for of_budget, settings, chosen in chosen_cells(records):
        cell = chosen[0].cell
        where = f"{cell.model} on {cell.dataset}, {cell.protocol}, epochs / patience"
        groups[f"{where} {shown_budget(of_budget)}"] += settings.values() if every_setting else [chosen]
    titled = {title: named(shown, every_setting) for title, shown in groups.items()}
    for methods in titled.values():
        for record in (record for runs in methods.values() for record in runs):
            need_metrics(record, [_metric(methods)], splits=("valid",))
    return titled


def named(shown: Sequence[list[Record]], with_setting: bool = False) -> Methods:
    """Return records by the name of their method and loss, the peer where there are two, and the setting if wanted."""
    peers = {runs[0].cell.peer for runs in shown} - {None}
    methods = {}
    for runs in shown:
        cell, setting = runs[0].cell, _setting(runs[0])
        peer = f", {cell.peer}" if cell.peer and len(peers) > 1 else ""
        methods[cell.shown_method + peer + (f", {setting}" if with_setting and setting else "")] = runs
    return methods


def table(methods: Methods) -> str:
    """Return the table of one model and dataset, the best on validation first."""
    metric = _metric(methods)
    shown = [column for column in COLUMNS if any(values_of(runs, *column, metric) for runs in methods.values())]
    tells = any(len(run.epochs) > PATIENCE + 1 for runs in methods.values() for run in runs)
    rows = []
    for name in ranked(methods):
        runs = methods[name]
        short = [spread([stopped_early(run, metric) for run in runs])] if tells else []
        setting = _setting(runs[0])
        rows.append(
            [
                text(name.removesuffix(f", {setting}")),
                text(setting),
                *(spread(values_of(runs, *column, metric)) for column in shown),
                *short,
                ", ".join(f"{(run.best_epoch or 0) + 1} of {len(run.epochs)}" for run in runs),
                f"{statistics.median(run.seconds_per_epoch for run in runs):.1f}",
                _memory(runs),
            ]
        )
    headers = ["method", "setting", *(f"{split} {role}" for split, role in shown)]
    headers += [*([f"valid self, patience {PATIENCE}"] if tells else []), "best epoch", "s/epoch", "MiB"]
    return f"{text(metric)}\n\n" + tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def ranked(methods: Methods) -> list[str]:
    """Return the methods, the best on validation first."""
    metric = _metric(methods)
    means = {name: statistics.mean(values_of(runs, "valid", "self", metric)) for name, runs in methods.items()}
    return sorted(means, key=lambda name: means[name] * (1 if methods[name][0].is_smaller_better(metric) else -1))


def stopped_early(run: Record, metric: str) -> float:
    """Return the best validation score of the self model that a run with a short patience would have had.

    As in RecBole's ``fit``, an equal score counts as the best one, and the patience begins anew.
    """
    sign = -1 if run.is_smaller_better(metric) else 1
    best, since = -float("inf"), 0
    for value in run.curve(metric).values():
        best, since = (sign * value, 0) if sign * value >= best else (best, since + 1)
        if since > PATIENCE:
            break
    return sign * best


def draw(groups: dict[str, Methods], path: Path) -> None:
    """Draw the validation metric of every run against epoch and against training time, a row per model and dataset.

    The best methods are coloured, and named where their curves end; the others are grey.
    """
    size = (9.5, 3.4 * len(groups))
    with saved_figure(path, nrows=len(groups), ncols=2, figsize=size, squeeze=False, sharey="row") as axes:
        for (title, methods), (by_epoch, by_time) in zip(groups.items(), axes):
            metric = _metric(methods)
            colours = colours_of(ranked(methods))
            for name, runs in methods.items():
                for run in runs:
                    draw_run(by_epoch, by_time, run, metric, color=colours[name])
            by_epoch.set(title=plain(title), xlabel="epoch", ylabel=plain(f"validation {metric}"))
            by_time.set(xlabel="training time, s", xscale="log")
            ends = {name: max(max(run.curve(metric).items()) for run in runs) for name, runs in methods.items()}
            name_ends(by_epoch, ends, colours)


def _metric(methods: Methods) -> str:
    return next(iter(methods.values()))[0].valid_metric.lower()


def _setting(run: Record) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(run.trial.setting.items()))


def _memory(runs: Sequence[Record]) -> str:
    """Return the highest resident memory in MiB, of those records that have it."""
    known = [run.environment.peak_memory["resident"] for run in runs if "resident" in run.environment.peak_memory]
    return f"{max(known) / 2**20:.0f}" if known else ""
