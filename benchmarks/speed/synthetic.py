"""Write a large synthetic dataset: users of a geometric length, items of a power-law popularity, times that grow.

    python benchmarks/speed/synthetic.py --out DIR --interactions 20000000 --users 140000 --items 1000000

Leaves DIR/synthetic-<interactions>/synthetic-<interactions>.inter, an atomic file whose lines are in the order of time.
Every item and every user occurs. Other scripts of this folder use the functions of this one for their data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_mdcns.support.safe_write import replacing

BLOCK = 1_000_000


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder that takes the dataset's folder")
    parser.add_argument("--interactions", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=140_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--exponent", type=float, default=1.0, help="of the items' popularity")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.interactions < max(options.users, options.items):
        parser.error("interactions must be at least as many as users and as items")
    path = write_power_law(
        options.out, options.interactions, options.users, options.items, options.exponent, options.seed
    )
    print(f"{path}, {path.stat().st_size / 2**20:.0f} MiB")


def draw_power_law(
    interactions: int, users: int, items: int, exponent: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw who takes what.

    Args:
        interactions: Number of interactions n, at least as many as users and as items.
        users: Number of users.
        items: Number of items V; item number r (from 0) has weight (r + 1) ** -exponent.
        exponent: Exponent of the power law.
        seed: Seed.

    Returns:
        Users and items of the interactions in the order of time, each of shape [n].
    """
    random = np.random.default_rng(seed)
    activity = random.exponential(size=users).cumsum()
    popularity = (np.arange(1, items + 1.0) ** -exponent).cumsum()
    by = np.searchsorted(activity, random.random(interactions) * activity[-1]).clip(max=users - 1)
    what = np.searchsorted(popularity, random.random(interactions) * popularity[-1]).clip(max=items - 1)
    by[random.permutation(interactions)[:users]] = np.arange(users)
    what[random.permutation(interactions)[:items]] = np.arange(items)
    return by, what


def write_power_law(out: Path, interactions: int, users: int, items: int, exponent: float = 1.0, seed: int = 1) -> Path:
    """Write a dataset of :func:`draw_power_law` and return its file."""
    name = f"synthetic-{interactions}"
    by, what = draw_power_law(interactions, users, items, exponent, seed)
    return write_interactions(out / name / f"{name}.inter", by, what)


def write_equal_users(out: Path, name: str, user_num: int, length: int, item_num: int) -> Path:
    """Write users of one length and uniform items, every item at least once, and return the file.

    Args:
        out: Folder that takes the dataset's folder.
        name: Name of the dataset.
        user_num: The fewest users; there are more where V items would not occur otherwise.
        length: Interactions of a user.
        item_num: Number of items V.
    """
    users = max(user_num, -(-item_num // length))
    items = np.random.default_rng(0).integers(item_num, size=users * length)
    items[:item_num] = np.arange(item_num)
    return write_interactions(out / name / f"{name}.inter", np.repeat(np.arange(users), length), items)


def write_interactions(path: Path, by: np.ndarray, what: np.ndarray) -> Path:
    """Write users and items, both of shape [n] and in the order of time, as an atomic file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(b"user_id:token\titem_id:token\ttimestamp:float\n")
        for start in range(0, len(by), BLOCK):
            stop = min(start + BLOCK, len(by))
            times = np.arange(start, stop) + 1_600_000_000
            block = pd.DataFrame({"user": by[start:stop], "item": what[start:stop], "time": times})
            file.write(block.to_csv(sep="\t", header=False, index=False, lineterminator="\n").encode())
    return path


if __name__ == "__main__":
    main()
