"""``recbole-mdcns export``: the records of a sweep as a table, or packed into one file; migration of old records."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.cli.sweep_options import add_sweep_arguments, records_of, sweep_and_store
from recbole_mdcns.errors import UserError
from recbole_mdcns.support.path_names import expanded


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_sweep_arguments(parser, nargs="?")
    parser.add_argument(
        "files", nargs="*", type=expanded, metavar="FILE", help="such as all.csv, all.parquet or records.jsonl.xz"
    )
    parser.add_argument(
        "--migrate", type=expanded, metavar="FOLDER", help="rewrite the records of a folder in the current form"
    )


def run(options: argparse.Namespace) -> None:
    """Write the files, or migrate a folder of records to the current form.

    Raises:
        UserError: The sweep or an option cannot be used, there is no record or a damaged one, or a file cannot be
            written.
    """
    if options.migrate:
        if options.grid:
            raise UserError(f"--migrate takes only a folder of records, but {options.grid} is also given")
        from recbole_mdcns.records.migrate import migrate_folder

        migrated = migrate_folder(options.migrate)
        for path, record_num in migrated.items():
            print(f"{path}: {record_num} records")
        if not migrated:
            print(f"{options.migrate}: no record has an older form")
        return
    if not options.files:
        missing = "FILE" if options.grid else "grid, FILE"
        raise UserError(f"the following arguments are required: {missing}")
    _export(options)


def _export(options: argparse.Namespace) -> None:
    sweep, store = sweep_and_store(options)
    import pandas as pd

    from recbole_mdcns.config.outputs import check_writable
    from recbole_mdcns.recommend.writers import arrow
    from recbole_mdcns.records.files import SUFFIX, pack_records
    from recbole_mdcns.support.safe_write import replacing
    from recbole_mdcns.tuning.selection import flat_rows

    for path in options.files:
        if path.suffix not in (".csv", ".parquet") and not path.name.endswith(SUFFIX):
            raise UserError(f"{path} cannot be written: its name must end in .csv, .parquet or {SUFFIX}")
        if path.suffix == ".parquet":
            arrow()  # pandas would end with a traceback
        check_writable(path, "FILE", replaces=Path.is_file)
    records = records_of(sweep, store)
    frame = pd.DataFrame(flat_rows(records, sweep.choice_seeds))
    for path in options.files:
        if path.name.endswith(SUFFIX):
            pack_records(records, path)
        else:
            with replacing(path) as file:
                frame.to_csv(file, index=False) if path.suffix == ".csv" else frame.to_parquet(file, index=False)
        print(f"{path}: {len(records)} records")
