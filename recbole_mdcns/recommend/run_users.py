"""The sequences of the users that a model was trained with, from the data of its run."""

from __future__ import annotations

from collections.abc import Iterable
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.saved_config import saved_config
from recbole_mdcns.data.ids import as_text
from recbole_mdcns.data.load import load_dataset
from recbole_mdcns.data.names import Numbering
from recbole_mdcns.errors import DataError
from recbole_mdcns.recommend.arguments import list_of
from recbole_mdcns.recommend.sequences import ItemSequences, check_on_unknown


def sequences_of_users(
    path: str | Path,
    users: Iterable[Any] | None = None,
    data_path: str | Path | None = None,
    trust_code: bool = False,
    model_class: type | None = None,
    on_unknown: str = "error",
) -> ItemSequences:
    """Return the whole histories of a run's users: what was trained on, and the items of validation and test.

    Args:
        path: The file of a saved model; items get the numbers that they have in it.
        users: Their ids, texts or integers; None for all.
        data_path: Where the data is now; by default where it was in training.
        trust_code: Import the user's classes that the file names.
        model_class: The class of a user's own model; then none is imported for it.
        on_unknown: ``skip`` leaves out users that the data do not have, and logs how many; ``error`` refuses them.

    Raises:
        CheckpointError: The file cannot be used, or the data has other items than the model.
        DataError: The data is missing or malformed, or has no such user.
    """
    check_on_unknown(on_unknown)
    content = checkpoint.load(path, "model")
    moved: dict[str, Any] = {} if data_path is None else {"data_path": str(data_path)}
    config = saved_config(content, path, trust_code, model_class, moved)
    dataset = load_dataset(config, Numbering(checkpoint.names(content, path), f"checkpoint {path}"))
    lines = dataset.inter_feat
    lines = lines.iloc[np.lexsort((lines[dataset.time_field], lines[dataset.uid_field]))]  # as in training
    user, item = (lines[field].to_numpy() for field in (dataset.uid_field, dataset.iid_field))
    names = np.asarray(dataset.field2id_token[dataset.uid_field], dtype=object)
    ends = np.flatnonzero(np.diff(user, append=-1)) + 1
    every = ItemSequences(names[user[ends - 1]], item.astype(np.int64), ends)
    if users is None:
        return every
    asked = list(dict.fromkeys(as_text(list_of(users, "users"), "user").tolist()))
    place = {name: number for number, name in enumerate(every.names)}
    unknown = [name for name in asked if name not in place]
    if unknown:
        known = ", ".join(map(repr, every.names[:3]))
        said = (
            f"user {unknown[0]!r} is not among the {len(every)} of {config['dataset']}, such as {known} "
            f"({len(unknown)} of {len(asked)} are unknown)"
        )
        if on_unknown == "error":
            raise DataError(f"{said}; on_unknown=skip leaves them out")
        getLogger().warning(f"{said}; they get no recommendations")
        asked = [name for name in asked if name in place]
    chosen = [every.part(place[name], place[name] + 1) for name in asked]
    lengths = np.array([len(each.items) for each in chosen], dtype=np.int64)
    items = np.concatenate([each.items for each in chosen]) if chosen else every.items[:0]
    return ItemSequences(every.names[[place[name] for name in asked]], items, np.cumsum(lengths))
