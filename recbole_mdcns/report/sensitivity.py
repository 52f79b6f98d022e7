"""The effect of each hyperparameter, one changed at a time, from the records of a sweep.

    recbole-mdcns sweep benchmarks/sweeps/sensitivity.yaml --set data_path=DIR
    recbole-mdcns report sensitivity --records sweeps/sensitivity --out benchmarks/results/sensitivity

The description of the page lists the varied keys. Every method of that sweep is a separate cell: the test part is
evaluated for all of them, and nothing is chosen by it.
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
from recbole_mdcns.report.alike import check_keys, check_seeds
from recbole_mdcns.report.description import Description
from recbole_mdcns.report.escape import text
from recbole_mdcns.report.figure import plain, saved_figure
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import file_of_records, make_folder, sources, spread, values_of, write_page

#: By value of a key, the records that have it.
ByValue = dict[float, list[Record]]


def write_sensitivity(page: Description, records: Sequence[Record], out: Path) -> None:
    """Write the page, the figure and the packed records.

    Raises:
        UserError: No record has test metrics, or one lacks a number for a key, or they differ in other keys, or other
            records lie beside the page.
    """
    tested = [record for record in records if record.test]
    if not tested:
        raise UserError("no record has test metrics: let the sweep finish")
    first = tested[0]
    metric = first.valid_metric.lower()
    for record in tested:
        need_metrics(record, [metric], splits=("valid", "test"))
        missing = [key for key in page.keys if not isinstance(record.config.get(key), (int, float))]
        if missing:
            raise UserError(f"record {record.trial.key} has no number for {', '.join(missing)} in its config")
    check_keys(tested, apart_from=page.keys)
    packed = file_of_records(out, tested)
    varied = {key: one_changed(tested, key, list(page.keys)) for key in page.keys}
    for by_value in varied.values():
        for runs in by_value.values():
            check_seeds(runs)
    make_folder(out)
    names = f"{first.cell.model} with {first.peer_model} on {first.dataset}, {metric}"
    lines = [f"# {page.title}: {text(names)}", ""]
    for key, by_value in varied.items():
        rows = [
            [f"{value:g}", *(spread(values_of(runs, split, "self", metric)) for split in ("valid", "test"))]
            for value, runs in by_value.items()
        ]
        heads = [f"{page.keys[key]} (`{key}`)", "validation", "test"]
        lines += [tabulate(rows, heads, "github", disable_numparse=True), ""]
    lines += [*sources(tested, page.note), "", "![sensitivity](sensitivity.png)", ""]
    write_page(out / "README.md", "\n".join(lines))
    pack_records(tested, packed)
    draw(page, varied, metric, out / "sensitivity.png")
    print("\n".join(lines))


def one_changed(records: Sequence[Record], key: str, keys: Sequence[str]) -> ByValue:
    """Return the runs by the value of a key in which the other keys have their usual values."""
    usual = {other: statistics.mode(record.config[other] for record in records) for other in keys if other != key}
    by_value: ByValue = defaultdict(list)
    for record in records:
        if all(record.config[other] == value for other, value in usual.items()):
            by_value[record.config[key]].append(record)
    return dict(sorted(by_value.items()))


def draw(page: Description, varied: dict[str, ByValue], metric: str, path: Path) -> None:
    """Draw validation and test against the value of each key."""
    with saved_figure(path, ncols=len(varied), figsize=(4 * len(varied), 3.6), sharey=True, squeeze=False) as axes:
        for axis, (key, by_value) in zip(axes[0], varied.items()):
            for split in ("valid", "test"):
                means = [statistics.mean(values_of(runs, split, "self", metric)) for runs in by_value.values()]
                axis.plot(list(by_value), means, marker="o", label=split)
            axis.set(xlabel=plain(page.keys[key]), ylabel=plain(metric))
            if min(by_value) > 0:
                axis.set_xscale("log")
            else:  # a logarithm would put all values but 0 at one place
                axis.set_xscale("symlog", linthresh=min((abs(value) for value in by_value if value), default=1.0))
            axis.set_xticks(list(by_value), [f"{value:g}" for value in by_value])
            axis.minorticks_off()
            axis.legend()
