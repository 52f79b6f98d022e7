"""One command for a table: run what has no record, then write the page.

    recbole-mdcns reproduce table3 --datasets beauty,toys --seeds 1,2,3 --budget cpu --data_path DIR

Trials are those of a sweep (docs/sweeps.md): the command continues after a crash, and tables share their cells.
A budget is the most epochs and the patience, as the page names it: for the paper's tables paper 300 / 30, cpu 80 / 80,
smoke 2 / 2. --grid takes a sweep's yaml for all that the page and the options do not say, such as its ``space``,
``keys`` and ``samples``: all settings are tried with the first seed, or with --tune_seeds, and the one that validation
chooses is trained with the others. Without --grid the page says which one; that of the paper's tables tunes M of DNS+
and MixGCF+ (properties/sweep/paper_tables.yaml). --set takes a key for all runs.
The pages are those of all tables that have records: those of this budget's sweeps, and those packed next to the pages
that the sweeps do not have. --reuse counts records of another machine, packed or not, as done.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from recbole_mdcns.config.identity import FREE_KEYS
from recbole_mdcns.config.values import parse_settings
from recbole_mdcns.errors import FAILURE, UserError
from recbole_mdcns.metrics import reported_names
from recbole_mdcns.records.files import read_records
from recbole_mdcns.records.parts import TrialId
from recbole_mdcns.records.record import AnyRecord, Failure, Record
from recbole_mdcns.records.store import Store
from recbole_mdcns.report.cells import unique
from recbole_mdcns.report.description import Description, Row, read_description, shipped
from recbole_mdcns.report.description_file import TABLES
from recbole_mdcns.report.figure import require_matplotlib
from recbole_mdcns.report.lines import budget
from recbole_mdcns.report.report import with_packed, write_report
from recbole_mdcns.report.sources import make_folder
from recbole_mdcns.support.yaml_files import read_yaml
from recbole_mdcns.tuning.datasets import check_datasets
from recbole_mdcns.tuning.driver import run_sweeps
from recbole_mdcns.tuning.engine_options import engine_of
from recbole_mdcns.tuning.grid import Trial, first_trials, trials, unread_keys
from recbole_mdcns.tuning.one_data import check_one_data
from recbole_mdcns.tuning.progress import measured
from recbole_mdcns.tuning.sweep import ADAPTIVE, Sweep
from recbole_mdcns.tuning.sweep_file import make_sweep, names_of


def run(options: argparse.Namespace) -> int:
    """Run the trials of every line that was asked for, write the pages, and return 1 where trials failed.

    Raises:
        UserError: A name is unknown, a configuration cannot be used, or records differ in data; before any trial
            starts, and before any record is taken over.
    """
    require_matplotlib()
    page = read_description(options.page)
    if page.page not in TABLES:
        raise UserError(f"{page.source} is a page of {page.page}, which has no lines to run: give a table")
    sweeps = planned_sweeps(page, options)
    store = Store(options.storage / sweeps[0].name)
    engine = engine_of(options, sweeps, store)
    reused = [record for path in options.reuse for record in read_records(path)]
    known, packed = [*store.all_records(), *reused], with_packed([], options.out)
    check_plan(page, sweeps, known, packed)
    check_one_data(unique([*known, *packed]))
    for place in unread_keys(sweeps):
        print(f"{place} is given and not read: no line that was asked for uses it", file=sys.stderr)
    make_folder(options.out)  # all is checked: what is refused leaves no folder
    with store.locked():
        import_finished(store, reused)
    failed = [record for record in run_sweeps(sweeps, store, engine) if isinstance(record, Failure)]
    for failure in failed:
        print(f"reproduce: {failure.trial} failed: {failure.reason}", file=sys.stderr)
    records = with_packed(store.all_records(), options.out)
    if not unique(records):
        return FAILURE
    pages = [each for each in together(page) if each.name == page.name or has_records(each, records)]
    write_report(pages, records, options.out, timed=measured(options.storage))
    return FAILURE if failed else 0


def planned_sweeps(page: Description, options: argparse.Namespace) -> list[Sweep]:
    """Return the sweeps that have the lines that were asked for.

    Raises:
        UserError: A name is not in the table, or a budget or key cannot be used.
    """
    keys = {"data_path": options.data_path, **_budget(page, options.budget), **parse_settings(options.set)}
    grid = options.grid or page.grid
    content = {} if grid is None else read_yaml(grid)
    if content.get("search") in ADAPTIVE:
        raise UserError(f"{grid}: search = {content['search']!r} is not allowed for tables: choose grid or random")
    # what the sweeps leave to each other is no mistake of the file
    known = {"datasets": page.datasets.values(), "methods": [method.method for method in page.methods.values()]}
    listed = {key: [*names, *names_of(content.get(key))] for key, names in known.items()}
    name = f"reproduction-{options.budget or next(iter(page.budgets))}" if page.budgets else page.name
    return [
        make_sweep(
            {**content, **listed},
            grid or page.source,
            keys,
            name=name,
            datasets=datasets,
            models=[model],
            peers=[peer],
            losses=[loss],
            methods=methods,
            protocols=[page.protocol],
            seeds=_numbers(options.seeds),
            tune_seeds=_numbers(options.tune_seeds or options.seeds.split(",")[0]),
            gpus=options.gpus,
            cpus=options.cpus,
        )
        for model, peer, loss, methods, datasets in groups(asked_rows(page, options))
    ]


def together(page: Description) -> list[Description]:
    """Return the tables that share a page with a table: all that the package brings, or only the user's own."""
    if page.source not in shipped():
        return [page]
    pages = [read_description(name) for name in shipped()]
    tables = [each for each in pages if each.page in TABLES]
    return sorted(tables, key=lambda each: (each.page == "losses", each.name))


def check_plan(
    page: Description, sweeps: Sequence[Sweep], known: Sequence[AnyRecord], packed: Sequence[AnyRecord]
) -> None:
    """Refuse what cannot be trained, or could not be shown.

    Args:
        page: The table.
        sweeps: What is asked for.
        known: Records of trials that do not run again.
        packed: Those beside the pages.

    Raises:
        UserError: A trial has a record with other keys, reports no metric of the page or has no model of its role, or
            its dataset is missing.
    """
    refuse_clashes((trial for sweep in sweeps for trial in trials(sweep)), [*known, *packed])
    finished = {record.trial.key for record in unique(known)}
    for sweep in sweeps:
        first = list(first_trials(sweep))
        for trial in first:
            check_shown(page, trial)
        check_datasets(sweep, [trial.id.cell for trial in first if trial.id.key not in finished])


def check_shown(page: Description, trial: Trial) -> None:
    """Refuse a page that could not show a trial.

    Raises:
        UserError: The trial reports no such metric, or has no model of the role that the page shows.
    """
    reported = reported_names(trial.values["metrics"], trial.values["topk"])
    for metric in page.metrics:
        if metric not in reported:
            raise UserError(
                f"{page.source}: metrics: {metric} is not reported by {trial.id}, which has {', '.join(reported)}: "
                "change the page, or give --set metrics=[...] and --set topk=[...]"
            )
    roles = {row.method.role for row in page.lines() if row.is_cell(trial.id.cell)}
    if trial.id.cell.peer is None and roles - {"self"}:
        raise UserError(f"{page.source}: methods: role = {max(roles)!r} is not allowed: {trial.id} has no peer")


def refuse_clashes(planned: Iterable[Trial], records: Iterable[AnyRecord]) -> None:
    """Refuse to train a trial whose cell of the page already has a record with other keys.

    Raises:
        UserError: Names the trial and the keys.
    """

    def place(trial: TrialId, config: dict[str, Any]) -> str:
        where = [str(trial), trial.setting, config["epochs"], config["stopping_step"]]
        return json.dumps(where, sort_keys=True)

    known: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if isinstance(record, Record):
            known[place(record.trial, record.config)].append(record)
    for trial in planned:
        others = (each for each in known[place(trial.id, trial.values)] if each.trial.key != trial.id.key)
        other = next(others, None)
        if other:
            pairs = {key: (other.config.get(key), v) for key, v in trial.values.items() if key not in FREE_KEYS}
            differing = [f"{key} {there} there, {here} here" for key, (there, here) in pairs.items() if there != here]
            if not differing:  # they have keys of their own
                raise UserError(
                    f"{trial.id} has a record of a single run; a table counts those of sweeps: leave it out"
                )
            raise UserError(
                f"{trial.id} has a record with other keys ({'; '.join(differing)}): give another --storage and "
                "another --out"
            )


def import_finished(store: Store, records: Sequence[AnyRecord]) -> None:
    """Import finished records, also in place of failures.

    Cells that have no test metrics at a budget are skipped there: their weights are on another machine.
    """
    finished = unique(records)
    tested = {(record.cell, budget(record)) for record in finished if record.test}
    for record in finished:
        is_tested = (record.cell, budget(record)) in tested
        if is_tested and not isinstance(store.record(record.trial.key), Record):
            store.write(record)


def has_records(page: Description, records: Sequence[AnyRecord]) -> bool:
    """Tell whether some line of a table has a record with test metrics."""
    cells = {record.cell for record in records if isinstance(record, Record) and record.test}
    return any(row.is_cell(cell) for row in page.lines() for cell in cells)


def asked_rows(page: Description, options: argparse.Namespace) -> list[Row]:
    """Return the lines of the table that the options select.

    Raises:
        UserError: A name is not in the table.
    """
    rows = page.lines()
    names_of = {
        "datasets": lambda row: {row.dataset, row.dataset_name},
        "models": lambda row: {row.model},
        "methods": lambda row: {row.method.name},
    }
    for option, names in names_of.items():
        allowed: set[str] = set().union(*map(names, rows))
        asked = getattr(options, option)
        wanted = allowed if not asked else {asked} if asked in allowed else set(asked.split(","))
        if wanted - allowed:
            unknown, known = sorted(wanted - allowed)[0], ", ".join(sorted(allowed))
            raise UserError(f"--{option}: {page.source} has no {unknown}; it has {known}")
        rows = [row for row in rows if names(row) & wanted]
    return rows


def groups(rows: Sequence[Row]) -> list[tuple[str, str | None, str, list[str], list[str]]]:
    """Group lines into few products of model, peer, loss, methods and datasets; those with a peer first."""
    products: dict[tuple[str, str | None, str], tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        methods, datasets = products.setdefault((row.model, row.peer, row.method.loss or row.loss), ({}, {}))
        methods[row.method.method] = None
        datasets[row.dataset_name] = None
    listed = [(*key, list(methods), list(datasets)) for key, (methods, datasets) in products.items()]
    return sorted(listed, key=lambda product: product[1] is None)


def _budget(page: Description, name: str | None) -> dict[str, int]:
    """Return the keys of a budget of the page; of its first one if the name is None.

    Raises:
        UserError: The page has no such budget.
    """
    if name is not None and name not in page.budgets:
        known = ", ".join(page.budgets) or "none: use --set epochs=N and --set stopping_step=N"
        raise UserError(f"--budget: {page.source} has no {name}; it has {known}")
    if not page.budgets:
        return {}
    epochs, patience = page.budgets[name or next(iter(page.budgets))]
    return {"epochs": epochs, "stopping_step": patience}


def _numbers(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise UserError(f"seeds {text!r} are not allowed: give whole numbers separated by commas") from None
