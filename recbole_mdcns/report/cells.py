"""From records to the lines of a table: which records count, at which budget, and which setting validation chose."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.record import AnyRecord, Failure, Record
from recbole_mdcns.report.alike import check_alike
from recbole_mdcns.report.description import Budget, Description, Row
from recbole_mdcns.report.gains import set_gains
from recbole_mdcns.report.lines import Line, budget, set_other_rows
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.tuning.selection import Settings, by_cell, choose, common_seeds


def chosen_cells(records: Sequence[Record]) -> Iterator[tuple[Budget, dict[str, list[Record]], list[Record]]]:
    """Yield, by budget and cell, the records of the settings that validation chose from, and of the chosen one.

    Raises:
        UserError: Records of a setting are not seeds of one training.
    """
    for of_budget in sorted({budget(record) for record in records}):
        settings_of = by_cell(record for record in records if budget(record) == of_budget)
        for cell in sorted(settings_of, key=_order):
            settings = settings_of[cell]
            for of_setting in settings.values():
                check_alike(of_setting)
            compared, chosen, _ = _choice(settings)
            yield of_budget, compared, sorted(chosen, key=lambda record: record.seed)


def unique(records: Iterable[AnyRecord]) -> list[Record]:
    """Return each trial once, without failed trials.

    Raises:
        UserError: Two records of the same trial have different results.
    """
    by_key: dict[str, Record] = {}
    for record in records:
        if isinstance(record, Failure):
            continue
        key = record.trial.key
        other = by_key.setdefault(key, record)
        if other.valid != record.valid or (other.test and record.test and other.test != record.test):
            raise UserError(f"two records of trial {key} ({record.trial}) have different results: remove one")
        if not other.test and record.test:
            by_key[key] = record
    return list(by_key.values())


def fill(page: Description, records: Sequence[Record], datasets: list[str] | None = None) -> list[Line]:
    """Return the lines of a table.

    The lines of a block are compared at one budget, that of most of them; a line without that budget shows what it has,
    and is not compared. Of a line's settings only the one that validation chose counts.

    Args:
        page: The table.
        records: Records of all trials, each once; see :func:`unique`.
        datasets: The datasets shown; None for all of the table.

    Raises:
        UserError: Records of a line, setting and budget are not seeds of one training, or one lacks a metric.
    """
    budgets_of = {row: _by_budget(row, records) for row in page.lines(datasets)}
    common: dict[tuple[str, str, str], Counter[Budget]] = defaultdict(Counter)
    for row, budgets in budgets_of.items():
        common[row.block].update(list(budgets))
    lines = []
    for row, budgets in budgets_of.items():
        line = Line(row)
        if page.reference:
            line.reference = page.reference.values.get((row.dataset, row.model, row.method.name), {})
        if page.ranges and row.method.is_ours:
            line.ranges = page.ranges.values.get((row.dataset, row.model, row.peer or "", row.loss), {})
        if common[row.block]:
            line.block_budget = max(common[row.block].items(), key=lambda item: (item[1], item[0]))[0]
            if budgets:
                own = line.block_budget if line.block_budget in budgets else max(budgets)
                line.runs, line.tried, line.tried_with = _chosen(budgets[own])
        lines.append(line)
        for run in line.runs.values():
            need_metrics(run, page.metrics, row.method.role)
    set_other_rows(lines)
    for line in lines:
        block = [other for other in lines if other.row.block == line.row.block and other.is_compared]
        line.block_seeds = sorted({seed for other in block for seed in other.runs})
    set_gains(lines, page.metrics, page.tests)
    return lines


def _order(cell: Cell) -> tuple[str | bool, ...]:
    """Return what cells are sorted by; those without peer come last."""
    return cell.dataset, cell.loss, cell.model, cell.peer is None, cell.peer or "", cell.protocol, cell.method


def _by_budget(row: Row, records: Sequence[Record]) -> dict[Budget, list[Record]]:
    mine: dict[Budget, list[Record]] = defaultdict(list)
    for record in records:
        if row.is_cell(record.cell):
            mine[budget(record)].append(record)
    return {key: of_budget for key, of_budget in mine.items() if any(record.test for record in of_budget)}


def _chosen(records: Sequence[Record]) -> tuple[dict[int, Record], int, list[int]]:
    """Return the records with test metrics of the setting that validation chose, by seed, of how many, by which seeds.

    Raises:
        UserError: Records of a setting are not seeds of one training.
    """
    settings = {
        f"{cell} {setting}": of_setting
        for cell, by_setting in by_cell(records).items()
        for setting, of_setting in by_setting.items()
    }
    for of_setting in settings.values():
        check_alike(of_setting)
    if not settings:
        return {}, 0, []
    settings, chosen, seeds = _choice(settings)
    with_seed = {record.seed for record in chosen}
    read = sorted((record for record in chosen if record.test), key=lambda record: record.seed)
    return {record.seed: record for record in read}, len(settings), [seed for seed in seeds if seed in with_seed]


def _choice(settings: Settings) -> tuple[Settings, list[Record], list[int]]:
    """Return the settings that validation chose from, the records of the chosen one, and the seeds that chose it.

    Where the best setting has no test metrics and others have, it is the best of those: their sweep chose by seeds that
    a failed trial lacks, or it still trains the others.
    """
    seeds = common_seeds(settings)
    chosen = choose(settings, seeds)
    tested = {text: mine for text, mine in settings.items() if any(record.test for record in mine)}
    if tested and not any(record.test for record in chosen):
        return _choice(tested)
    return settings, chosen, seeds
