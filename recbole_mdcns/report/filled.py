"""How much of the tables is filled, and what each gap costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.compare import blocks
from recbole_mdcns.report.description import Description, Row
from recbole_mdcns.report.lines import Line, budget
from recbole_mdcns.support.yaml_files import read_yaml
from recbole_mdcns.tuning.prices import Prices

Tables = Sequence[tuple[Description, Sequence[Line]]]


@dataclass(frozen=True)
class Gap:
    """Lines of one table, dataset and backbone without a record.

    Attributes:
        place: Table, dataset and backbone.
        methods: Their names.
        cells: The number of their cells.
        hours: The hours to train them all with one seed, one after the other; None where nothing similar was timed.
    """

    place: str
    methods: list[str]
    cells: int
    hours: float | None

    @property
    def an_hour_fills(self) -> float:
        """The cells that one hour fills; 0 where the hours are not known."""
        return self.cells / self.hours if self.hours else 0.0


def filled(tables: Tables, records: Sequence[Record]) -> list[str]:
    """Return the count of filled cells and the gaps, as lines of Markdown; those that cost least come first.

    A cell is a metric of a line above the rule. Where a table has a reference, only cells with a value there count.

    Args:
        tables: Descriptions and their lines.
        records: Records of all trials, whose epochs give the times.
    """
    counted = [(page, line) for page, lines in tables if page.page == "table" for line in lines if _counts(page, line)]
    if not counted:
        return []
    every = sum(_cells(page, line) for page, line in counted)
    ours = sum(_cells(page, line) for page, line in counted if line.runs)
    with_records = sum(bool(line.runs) for _, line in counted)
    names = [f"{page.reference_name}'s" for page, _ in counted if page.reference_name]
    told = f"{ours} of {(*names, 'the')[0]} {every} cells have a value of ours: {with_records} of {len(counted)} lines"
    text = ["## How much is filled", "", f"{told}, a line being one method on one backbone and dataset."]
    gaps = sorted(find_gaps(tables, records), key=lambda gap: gap.an_hour_fills, reverse=True)
    if gaps:
        usual = _usual_epochs(tables)
        text += [
            "What is missing, what costs least first. Hours are of one training at a time, one seed, and all settings",
            f"that are tried, at the epochs of the lines beside them, else at {usual}; estimated from the",
            "records. Tables share lines.", "",
        ]  # fmt: skip
        heads = ["missing", "methods", "cells", "hours", "cells an hour"]
        text += tabulate(map(_shown, gaps), heads, tablefmt="github", disable_numparse=True).splitlines()
    return [*text, ""]


def find_gaps(tables: Tables, records: Sequence[Record]) -> list[Gap]:
    """Return the gaps of all tables; see :func:`filled`.

    A gap has the epochs of the lines of its block, as the command that fills it; in a block without records those that
    most runs of all tables have.
    """
    gaps, prices, usual = [], Prices(records), _usual_epochs(tables)
    for page, lines in tables:
        if page.page != "table":
            continue
        space = read_yaml(page.grid).get("space", {}) if page.grid else {}
        for block in blocks([line for line in lines if _counts(page, line)]):
            empty = [line for line in block if not line.runs]
            if empty:
                epochs = (block[0].block_budget or (usual,))[0]
                seconds = [_seconds(line.row, epochs, prices, space) for line in empty]
                hours = None if None in seconds else sum(filter(None, seconds)) / 3600
                row, cells = block[0].row, sum(_cells(page, line) for line in empty)
                place = f"{page.title.split(':')[0]}, {row.dataset}, {row.model}"
                gaps.append(Gap(place, [line.name for line in empty], cells, hours))
    return gaps


def _usual_epochs(tables: Tables) -> int:
    """Return the most epochs that most runs had; without runs those of the first budget of the first table."""
    epochs = Counter(budget(run)[0] for _, lines in tables for line in lines for run in line.runs.values())
    return epochs.most_common(1)[0][0] if epochs else next(iter(tables[0][0].budgets.values()), (1, 1))[0]


def _shown(gap: Gap) -> list[str]:
    price = ["not timed", ""] if gap.hours is None else [f"{gap.hours:.1f}", f"{gap.an_hour_fills:.0f}"]
    return [gap.place, ", ".join(gap.methods), str(gap.cells), *price]


def _counts(page: Description, line: Line) -> bool:
    return not line.row.method.is_extra and (page.reference is None or bool(line.reference))


def _cells(page: Description, line: Line) -> int:
    return len(line.reference) if page.reference else len(page.metrics)


def _seconds(row: Row, epochs: int, prices: Prices, space: dict[str, Any]) -> float | None:
    """Return what a line costs with one seed: its epochs, times the settings that a reproduction tries."""
    method = row.method
    cell = Cell(row.dataset_name, row.protocol, row.model, row.peer, method.method, method.loss or row.loss)
    of_method = {**space.get("all", {}), **space.get(method.method, {})}
    settings = math.prod(len(choices) for choices in of_method.values() if isinstance(choices, list))
    seconds = prices.seconds((cell, epochs))
    return None if seconds is None else seconds * settings
