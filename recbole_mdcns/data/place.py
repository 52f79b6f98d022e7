"""The folder of a dataset: below ``data_path``, or RecBole's own folder for ml-100k."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import recbole

#: RecBole ships ml-100k here, and ignores ``data_path`` for it.
_SHIPPED = Path(recbole.__file__).resolve().parent / "dataset_example"


def dataset_folder(data_path: str, values: Mapping[str, Any]) -> str:
    """Return the folder of a run's dataset: the user's own where it has the interactions, else RecBole's choice.

    Args:
        data_path: As the user gave it.
        values: The resolved keys, RecBole's choice among them: ``<data_path>/<dataset>``, or its copy of ml-100k.
    """
    own = os.path.join(os.path.expanduser(data_path), values["dataset"])
    is_there = os.path.lexists(os.path.join(own, f"{values['dataset']}.inter"))
    return own if is_there or not _is_shipped(values["data_path"]) else values["data_path"]


def described_source(config: Any) -> str:
    """Return a line for the log: which file the interactions come from."""
    folder = config["data_path"]
    name = f"{config['dataset']}.inter"
    line = f"Interactions: {os.path.normpath(os.path.join(folder, name))}"
    if _is_shipped(folder):
        line += f" (the copy that RecBole ships, as there is no {config['dataset']}/{name} in data_path)"
    return line


def _is_shipped(folder: str) -> bool:
    return Path(folder).resolve().parent == _SHIPPED
