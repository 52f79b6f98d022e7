"""The folder of a dataset: below ``data_path``, or RecBole's own folder for ml-100k."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import recbole

from recbole_mdcns.data.files.validate import check_is_file, inter_file
from recbole_mdcns.errors import DataError, nearest
from recbole_mdcns.support.yaml_files import read_yaml, recbole_properties_dir

#: RecBole ships ml-100k here, and ignores ``data_path`` for it.
_SHIPPED = Path(recbole.__file__).resolve().parent / "dataset_example"
#: The most datasets of ``data_path`` that a message names.
_SHOWN = 10


def dataset_folder(data_path: str | Path, dataset: str) -> str:
    """Return the folder of a dataset: the user's own where it has the interactions, else RecBole's copy of ml-100k.

    Args:
        data_path: As the user gave it.
        dataset: Its name.
    """
    own = os.path.join(os.path.expanduser(data_path), dataset)
    shipped = _SHIPPED / dataset
    is_there = os.path.lexists(os.path.join(own, f"{dataset}.inter"))
    return own if is_there or not (shipped / f"{dataset}.inter").is_file() else str(shipped)


def check_dataset(config: Any) -> None:
    """Refuse a dataset that is not on the disk, unless RecBole can download it by its name.

    Args:
        config: The run.

    Raises:
        DataError: Names the folder, what lies beside it, and the datasets that are known by name.
    """
    folder, name = Path(config["data_path"]), config["dataset"]
    if os.path.lexists(folder):
        check_is_file(inter_file(config))
        return
    missing = f"dataset {name!r} is not in {folder}"
    if config["raw_data"]:
        raise DataError(f"{missing}: {config['raw_data']}")
    downloads = read_yaml(recbole_properties_dir() / "dataset" / "url.yaml")
    if name in downloads:
        return
    parent = folder.parent
    files = parent.glob("*/*.inter") if os.path.isdir(parent) else ()
    beside = sorted(path.stem for path in files if path.stem == path.parent.name)
    if beside:
        found = f"data_path {parent} holds {', '.join(beside[:_SHOWN])}{', ...' if len(beside) > _SHOWN else ''}"
    elif os.path.isdir(parent):
        found = f"data_path {parent} holds no dataset"
    else:
        folders = [path.name for path in parent.absolute().parent.glob("*") if path.is_dir()]
        found = f"there is no folder {parent}{nearest(parent.name, folders)} for data_path"
    raise DataError(
        f"{missing}{nearest(name, [*downloads, *beside])}: {found}; put its interactions into "
        f"{inter_file(config)}, or name one of RecBole's: ml-100k, which it brings, and {len(downloads) - 1} that it "
        "downloads, such as amazon-beauty and ml-1m"
    )


def described_source(config: Any) -> str:
    """Return a line for the log: which file the interactions come from."""
    folder = config["data_path"]
    name = f"{config['dataset']}.inter"
    line = f"Interactions: {os.path.normpath(os.path.join(folder, name))}"
    if Path(folder).resolve().parent == _SHIPPED:
        line += f" (the copy that RecBole ships, as there is no {config['dataset']}/{name} in data_path)"
    return line
