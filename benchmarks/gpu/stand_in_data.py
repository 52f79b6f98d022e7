"""The data of the check: real atomic files where they are, and made ones of the same size where they are missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from synthetic import write_interactions, write_power_law

#: Users, items and interactions of Amazon Beauty, 5-core.
BEAUTY = (22_363, 12_101, 198_502)
#: The same of the data of ``--quick``.
TINY = (150, 200, 1500)
#: Interactions, users and items of the large catalogue, and of its stand-in under ``--quick``.
LARGE, LARGE_TINY = (1_500_000, 14_000, 1_000_000), (3000, 150, 1000)
#: Users of MovieLens-1M whom RecBole reads: it needs half a minute for all 6,040, and a step costs the same.
PART = 1000


def find_data(data_path: Path, made: Path, quick: bool) -> tuple[dict[str, str], list[str]]:
    """Return the folder of each dataset that is there or can be made, and a line on each that is made.

    Args:
        data_path: Folder with the folders of real datasets.
        made: Folder for made ones.
        quick: Make tiny ones and read no real ones.
    """
    folders, notes = {}, []
    for name, sizes in {"amazon-beauty": BEAUTY, "ml-1m": None}.items():
        if quick:
            write_walks(made, name, *TINY)
            folders[name] = folders[f"{name}, part"] = str(made)
        elif (data_path / name / f"{name}.inter").is_file():
            folders[name] = str(data_path)
            if name == "ml-1m":
                folders["ml-1m, part"] = write_part(data_path / name / f"{name}.inter", made / "part", PART)
                notes.append(f"RecBole's SASRec alone read the first {PART:,} users of {name}")
        elif sizes is not None:
            write_walks(made, name, *sizes)
            folders[name] = str(made)
            notes.append(f"{name} is a made stand-in of the same size, because {name}/{name}.inter was not found")
        else:
            notes.append(f"{name} was not measured, because {name}/{name}.inter was not found")
    if quick:
        notes.append("all data are made and tiny (`--quick`): no figure of this page says anything about speed")
    folders["catalogue"] = str(made)
    return folders, notes


def write_walks(out: Path, name: str, users: int, items: int, interactions: int) -> Path:
    """Write users of at least five items, who half of the time take the item after their last one.

    Every item occurs at least five times, and the other items are drawn by a power law.

    Args:
        out: Folder that takes the dataset's folder.
        name: Name of the dataset.
        users: Number of users.
        items: Number of items V; the interactions are at least five times the users and five times the items.
        interactions: Number of interactions.
    """
    random = np.random.default_rng(0)
    activity = (random.exponential(size=users) ** 2).cumsum()  # some users have more than a window of items
    others = np.searchsorted(activity, random.random(interactions - 5 * users) * activity[-1]).clip(max=users - 1)
    by = np.sort(np.concatenate([np.repeat(np.arange(users), 5), others]))
    weight = (np.arange(1, items + 1.0) ** -0.7).cumsum()
    drawn = np.searchsorted(weight, random.random(interactions) * weight[-1]).clip(max=items - 1)
    what = drawn.tolist()
    goes_on = random.random(interactions) < 0.5
    for place in np.flatnonzero(goes_on[1:] & (by[1:] == by[:-1])) + 1:
        what[place] = (what[place - 1] + 1) % items
    chosen = random.permutation(interactions)[: 5 * items]
    taken = np.asarray(what)
    taken[chosen] = np.tile(np.arange(items), 5)
    return write_interactions(out / name / f"{name}.inter", by, taken)


def write_part(source: Path, out: Path, users: int) -> str:
    """Write the lines of the first users of an atomic file whose lines begin with the user; return ``out``."""
    path = out / source.parent.name / source.name
    path.parent.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    with source.open(encoding="utf-8") as lines, path.open("w", encoding="utf-8") as part:
        part.write(next(lines))
        for line in lines:
            user = line.partition("\t")[0]
            if user in seen or len(seen) < users:
                seen.add(user)
                part.write(line)
    return str(out)


def write_catalogue(made: Path, quick: bool) -> str:
    """Write the data of the large catalogue if they are missing, and return their name."""
    interactions, users, items = LARGE_TINY if quick else LARGE
    name = f"synthetic-{interactions}"
    if not (made / name / f"{name}.inter").is_file():
        write_power_law(made, interactions, users, items)
    return name
