"""``recbole-mdcns stats``: count the users, items and interactions of datasets, as the paper's Table 2 does."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_mdcns.cli.arguments import Parser
from recbole_mdcns.support.path_names import expanded


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="datasets")
    parser.add_argument(
        "--data_path", type=expanded, default=Path("dataset"), metavar="DIR", help="folder of the datasets"
    )
    parser.add_argument("--user_field", default="user_id", help="name of the user column (user_id)")
    parser.add_argument("--item_field", default="item_id", help="name of the item column (item_id)")


def run(options: argparse.Namespace) -> None:
    """Print the table; ml-100k is RecBole's copy where ``data_path`` has none, as in a training.

    Raises:
        DataError: A dataset is missing or malformed.
    """
    from recbole_mdcns.data.place import dataset_folder
    from recbole_mdcns.data.prepare.table2 import file_statistics, statistics_table
    from recbole_mdcns.support.path_names import checked_name

    statistics = {}
    for name in options.names:
        path = Path(dataset_folder(options.data_path, checked_name(name, "dataset"))) / f"{name}.inter"
        statistics[name] = file_statistics(path, options.user_field, options.item_field)
    print(statistics_table(statistics))
