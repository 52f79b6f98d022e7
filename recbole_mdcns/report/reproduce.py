"""One command for a table of the paper: run what has no record, then write the page.

    recbole-mdcns reproduce table3 --datasets beauty,toys --seeds 1,2,3 --budget cpu --data_path DIR

Trials are those of a sweep (docs/sweeps.md), so that it goes on where it was killed and shares cells between tables.
Budgets are the most epochs and the patience: paper 300 / 30, cpu 80 / 80, smoke 2 / 2. --grid takes a sweep's yaml for
its ``space`` and its ``keys``: all settings are tried with the first seed, or with --tune_seeds, and the one that
validation chooses is trained with the others. Without, M of DNS+ and MixGCF+ is tuned so (sweeps/paper_tables.yaml).
--set takes a key for all runs.
The pages are those of all tables that have records: those of this budget's sweeps, and those packed beside the pages,
where they are not the same. --reuse takes records of another machine, packed or not, for done.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recbole_mdcns.config.identity import FREE_KEYS
from recbole_mdcns.config.values import parse_settings
from recbole_mdcns.errors import FAILURE, UserError
from recbole_mdcns.records.packed import read_records
from recbole_mdcns.records.store import FAILED, Store
from recbole_mdcns.report import paper as layout
from recbole_mdcns.report.figure import require_matplotlib
from recbole_mdcns.report.report import with_packed, write_report
from recbole_mdcns.report.sources import make_folder
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml
from recbole_mdcns.tuning.driver import run_sweeps
from recbole_mdcns.tuning.grid import Cell, Trial, trials
from recbole_mdcns.tuning.sweep_file import read_sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("table", choices=[*layout.TITLES])
    parser.add_argument("--datasets", help="by commas, by our names or the paper's; all of the table without")
    parser.add_argument("--models", help="by commas")
    parser.add_argument("--methods", help="by commas, as the table names them")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--tune_seeds", help="of those, the seeds that all settings are tried with; the first without")
    parser.add_argument("--budget", choices=list(layout.BUDGETS), default="paper")
    parser.add_argument("--grid", type=Path, default=properties_dir() / "sweep" / "paper_tables.yaml")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a fixed key for all runs")
    parser.add_argument("--reuse", nargs="+", type=Path, default=[], help="records, packed or a folder: they are done")
    parser.add_argument("--storage", type=Path, default=Path("sweeps"))
    parser.add_argument("--address", help="of a running Ray cluster, or auto")
    parser.add_argument("--gpus", type=float, default=0, help="of one trial")
    parser.add_argument("--cpus", type=float, default=1, help="of one trial")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/paper"))


def run(options: argparse.Namespace) -> int:
    """Run the trials of every line that was asked for; the exit code is 1 where some failed.

    Raises:
        UserError: A name is unknown, or a configuration cannot be used; before any trial starts.
    """
    require_matplotlib()
    rows = asked_rows(options)
    epochs, patience = layout.BUDGETS[options.budget]
    keys = {"epochs": epochs, "stopping_step": patience, "data_path": options.data_path, **parse_settings(options.set)}
    store = Store(options.storage / f"reproduction-{options.budget}")
    make_folder(options.out)
    sweeps = [
        read_sweep(
            options.grid,
            keys,
            name=store.folder.name,
            datasets=[layout.DATASETS[name] for name in datasets],
            models=[model],
            peers=[peer],
            losses=[loss],
            samplers=[layout.METHODS[name] for name in methods],
            protocols=["paper"],
            seeds=_numbers(options.seeds),
            tune_seeds=_numbers(options.tune_seeds or options.seeds.split(",")[0]),
            gpus=options.gpus,
            cpus=options.cpus,
            space=read_yaml(options.grid).get("space", {}),
        )
        for model, peer, loss, methods, datasets in groups(rows)
    ]
    reused = [record for path in options.reuse for record in read_records(path)]
    before = with_packed(records_of(store), options.out)
    refuse_clashes((trial for sweep in sweeps for trial in trials(sweep)), [*before, *reused])
    take_over(store, reused)
    found = run_sweeps(sweeps, store, options.address)
    failed = [record for record in found if record["status"] == FAILED]
    for record in failed:
        where = f"{Cell(**record['trial']['cell'])}, seed {record['trial']['seed']}"
        print(f"reproduce: {where} failed: {record['error'].strip().splitlines()[-1]}", file=sys.stderr)
    records = with_packed(records_of(store), options.out)
    tables = [table for table in layout.TITLES if table == options.table or has_records(table, records)]
    write_report(tables, records, options.out)
    return FAILURE if failed else 0


def records_of(store: Store) -> list[dict[str, Any]]:
    """Return the records of a store, each checked for what a page shows.

    Raises:
        UserError: One is damaged or incomplete.
    """
    return read_records(store.folder) if any(store.records.glob("*.json")) else []


def refuse_clashes(planned: Iterable[Trial], records: Iterable[dict[str, Any]]) -> None:
    """Refuse to train what would stand in the same cell of a page as a record that was trained with other keys.

    Raises:
        UserError: Names the trial and the keys.
    """

    def place(trial: dict[str, Any], config: dict[str, Any]) -> str:
        where = [trial["cell"], trial["setting"], trial["seed"], config["epochs"], config["stopping_step"]]
        return json.dumps(where, sort_keys=True)

    known = {place(record["trial"], record["config"]): record for record in records if record["status"] != FAILED}
    for trial in planned:
        other = known.get(place(asdict(trial), trial.values))
        if other and other["trial"]["key"] != trial.key:
            pairs = {key: (other["config"].get(key), v) for key, v in trial.values.items() if key not in FREE_KEYS}
            apart = [f"{key} {there} there, {here} here" for key, (there, here) in pairs.items() if there != here]
            raise UserError(
                f"{trial.cell}, seed {trial.seed}, has a record with other keys ({'; '.join(apart)}): give another "
                "--storage and another --out"
            )


def take_over(store: Store, records: Sequence[dict[str, Any]]) -> None:
    """Put records into a store that lacks them, of cells whose choice was made: the weights of all are elsewhere."""
    records = [record for record in records if record["status"] != FAILED]
    tested = [record["trial"]["cell"] for record in records if record["test"]]
    for record in records:
        if record["trial"]["cell"] in tested and store.record(record["trial"]["key"]) is None:
            store.write(record)


def has_records(table: str, records: Sequence[dict[str, Any]]) -> bool:
    """Tell whether some line of a table has a record with test metrics."""
    cells = [Cell(**record["trial"]["cell"]) for record in records if record.get("test")]
    return any(row.is_cell(cell) for row in layout.rows(table) for cell in cells)


def asked_rows(options: argparse.Namespace) -> list[layout.Row]:
    """Return the lines of the table that the options leave.

    Raises:
        UserError: A name is not in the table.
    """
    rows = layout.rows(options.table)
    names_of = {
        "datasets": lambda row: {row.dataset, layout.DATASETS[row.dataset]},
        "models": lambda row: {row.backbone},
        "methods": lambda row: {row.method},
    }
    for option, names in names_of.items():
        allowed = set().union(*map(names, rows))
        wanted = set(getattr(options, option).split(",")) if getattr(options, option) else allowed
        if wanted - allowed:
            unknown, known = sorted(wanted - allowed)[0], ", ".join(sorted(allowed))
            raise UserError(f"--{option}: {options.table} has no {unknown}; it has {known}")
        rows = [row for row in rows if names(row) & wanted]
    return rows


def _numbers(text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise UserError(f"seeds {text!r} are not allowed: give whole numbers by commas") from None


def groups(rows: list[layout.Row]) -> list[tuple[str, str | None, str, list[str], list[str]]]:
    """Return lines as few products: model, peer, loss, methods, datasets; with a peer, the longest, first."""
    found: dict[tuple[str, str | None, str], tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        methods, datasets = found.setdefault((row.backbone, row.peer, row.loss), ({}, {}))
        methods[row.method] = None
        datasets[row.dataset] = None
    products = [(*key, list(methods), list(datasets)) for key, (methods, datasets) in found.items()]
    return sorted(products, key=lambda product: product[1] is None)
