"""The statistics of a dataset, as the paper's Table 2 has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from tabulate import tabulate

from recbole_mdcns.data.files.atomic import read_inter
from recbole_mdcns.data.files.validate import Layout, check_header


def statistics(users: np.ndarray, items: np.ndarray) -> dict[str, float]:
    """Count users, items and interactions.

    Args:
        users: User of each interaction, any array that ``np.unique`` accepts, shape [n], n >= 1.
        items: Item of each interaction, shape [n].

    Returns:
        ``users``, ``items`` and ``interactions`` as numbers; ``length``, the average number of interactions of a
        user; ``sparsity``, the percentage of user-item pairs without interaction, 100 (1 - n / (users x items)).
    """
    user_num, item_num, n = len(np.unique(users)), len(np.unique(items)), len(users)
    return {
        "users": user_num,
        "items": item_num,
        "interactions": n,
        "length": n / user_num,
        "sparsity": 100 * (1 - n / (user_num * item_num)),
    }


def statistics_table(datasets: Mapping[str, Mapping[str, float]]) -> str:
    """Return a Markdown table with one row for each dataset: its name and what ``statistics`` says."""
    headers = ["dataset", "users", "items", "interactions", "avg. length", "sparsity"]
    rows = []
    for name, numbers in datasets.items():
        counts = [f"{numbers[key]:,}" for key in ("users", "items", "interactions")]
        rows.append([name, *counts, f"{numbers['length']:.1f}", f"{numbers['sparsity']:.2f}%"])
    align = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(rows, headers=headers, tablefmt="github", colalign=align, disable_numparse=True)


def file_statistics(path: Path, user_field: str = "user_id", item_field: str = "item_id") -> dict[str, float]:
    """Return the :func:`statistics` of an atomic ``.inter`` file, tab-separated UTF-8.

    Args:
        path: The file.
        user_field: Name of its user column.
        item_field: Name of its item column.

    Raises:
        DataError: The file is missing or has no interaction, lacks a column, or has a malformed line.
    """
    layout = Layout({user_field: "token", item_field: "token"}, named_by="--user_field and --item_field")
    frame = read_inter(path, layout, check_header(path, layout), {user_field, item_field})
    return statistics(*(pd.factorize(frame[field])[0] for field in (user_field, item_field)))
