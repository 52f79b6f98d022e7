"""The identity of the data of a checkpoint: stored when it is written, compared when it is read."""

from __future__ import annotations

from functools import cached_property
from logging import getLogger
from pathlib import Path
from typing import Any

from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.data.fingerprint import fingerprints
from recbole_mdcns.data.names import check_same_numbers, names_of, pack
from recbole_mdcns.errors import CheckpointError


class DataIdentity:
    """The identity of a training part in checkpoints; computed once per training.

    Args:
        dataset: The training part of a split dataset.
    """

    def __init__(self, dataset: Any):
        self.dataset = dataset

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """See :func:`recbole_mdcns.data.fingerprint.fingerprints`."""
        return fingerprints(self.dataset)

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """By column, the names in the order of their numbers, from number 1 on."""
        return names_of(self.dataset)

    @cached_property
    def _packed(self) -> dict[str, dict[str, Tensor]]:
        return {field: pack(names) for field, names in self.names.items()}

    def entries(self, *models: SequentialRecommender) -> dict[str, Any]:
        """Return the entries ``names`` and ``fingerprints`` of a checkpoint of some models."""
        users = self.dataset.uid_field
        with_users = any(embeds_users(model, self.dataset) for model in models)
        names = {field: packed for field, packed in self._packed.items() if with_users or field != users}
        return {"names": names, "fingerprints": self.fingerprints}


def embeds_users(model: SequentialRecommender, dataset: Any) -> bool:
    """Tell whether a model may have a row per user: it asked for their number, or a weight has as many rows."""
    counted: frozenset[str] = getattr(model, "counted_columns", frozenset())
    number = len(dataset.field2id_token[dataset.uid_field])
    return dataset.uid_field in counted or any(number in tensor.shape for tensor in model.state_dict().values())


def check_same_data(state: dict[str, Any], identity: DataIdentity, path: str | Path) -> None:
    """Refuse to continue a training on other data.

    Raises:
        CheckpointError: Says what differs: names, their order, the sequences, or the split.
    """
    check_numbers(state, identity, path)
    saved = state["fingerprints"]
    for entry, what in (
        ("sequences", "the same names but other sequences, times or features"),
        ("split", "the same sequences but another split: other users or rows are trained on or evaluated"),
        ("order", "the same sequences in another order of lines, so that users or features have other numbers"),
    ):
        if saved[entry] != identity.fingerprints[entry]:
            raise CheckpointError(f"checkpoint {path} belongs to other data: this data has {what}; train from scratch")


def warn_of_other_data(content: dict[str, Any], identity: DataIdentity) -> None:
    """Log that a model is loaded with other data than those of its training; the names are the same."""
    saved, here = content["fingerprints"], identity.fingerprints
    if saved["sequences"] != here["sequences"]:
        getLogger().warning("The data differs from what the model was trained on, although the names are the same")
    elif saved["split"] != here["split"]:
        getLogger().warning("The split differs from that of the training: evaluated rows may have been trained on")


def check_numbers(content: dict[str, Any], identity: DataIdentity, path: str | Path) -> None:
    """Refuse a checkpoint whose names have other numbers than those of the data.

    Raises:
        CheckpointError: Counts what is missing or new, or says that the order differs.
    """
    check_same_numbers(checkpoint.names(content, path), identity.names, f"checkpoint {path}")
