"""From a configuration to the loaders of train, valid and test; odd data are reported on the way."""

from __future__ import annotations

from logging import getLogger

import torch
from recbole.config import Config
from recbole.data import get_dataloader
from recbole.data.dataloader import AbstractDataLoader

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START
from recbole_mdcns.data.names import Numbering
from recbole_mdcns.data.place import check_dataset, described_source
from recbole_mdcns.data.split import SPLITS


def load_splits(
    config: Config, numbering: Numbering | None = None
) -> tuple[HistoryDataset, dict[str, AbstractDataLoader]]:
    """Check, load, filter and split the dataset of a configuration.

    Args:
        config: The run.
        numbering: Numbers that names must have.

    Returns:
        The whole dataset, and RecBole's loaders by name: ``train``, ``valid``, ``test``.

    Raises:
        DataError: It is missing, malformed, or too little is left of it after the filters.
        CheckpointError: It has other names than those that are numbered.
    """
    dataset = load_dataset(config, numbering)
    return dataset, split_dataset(config, dataset)


def load_dataset(config: Config, numbering: Numbering | None = None) -> HistoryDataset:
    """Check, load and filter the dataset of a configuration; see :func:`load_splits`.

    Raises:
        DataError: It is missing or malformed.
        CheckpointError: It has other names than those that are numbered.
    """
    check_dataset(config)
    getLogger().info(described_source(config))
    dataset = HistoryDataset(config, numbering)
    getLogger().info(dataset)
    return dataset


def split_dataset(config: Config, dataset: HistoryDataset) -> dict[str, AbstractDataLoader]:
    """Split a dataset as a configuration says, and report what is odd about it.

    Args:
        config: The run. The dataset may have been loaded with another configuration that has the same keys of the data.
        dataset: A loaded dataset; the split consumes it.

    Returns:
        RecBole's loaders by name: ``train``, ``valid``, ``test``.

    Raises:
        DataError: A part has no rows.
    """
    dataset.config = config
    train, valid, test = dataset.build()
    splits: dict[str, AbstractDataLoader] = {  # RecBole's data_preparation would run a pickle of the checkpoint folder
        name: get_dataloader(config, name)(config, part, None, shuffle=config["shuffle"] and name == "train")
        for name, part in zip(SPLITS, (train, valid, test))
    }
    dataset.report(_unexpected(dataset) + _only_evaluated(train, valid, test) + _repeated(valid, test))
    return splits


def dataset_of(loader: AbstractDataLoader) -> HistoryDataset:
    """Return the dataset behind a loader of :func:`load_splits`, for which RecBole has no public name."""
    dataset = loader._dataset
    assert isinstance(dataset, HistoryDataset), type(dataset)
    return dataset


def _unexpected(dataset: HistoryDataset) -> list[str]:
    counts, expected = dataset.statistics(), dataset.config["expected_statistics"] or {}
    differ = [
        f"{counts.get(name)} {name}, expected {count}" for name, count in expected.items() if counts.get(name) != count
    ]
    return [f"after the filters: {'; '.join(differ)} (expected_statistics)"] if differ else []


def _only_evaluated(train: HistoryDataset, valid: HistoryDataset, test: HistoryDataset) -> list[str]:
    is_learned = torch.zeros(train.item_num, dtype=torch.bool)
    is_learned[train.inter_feat[train.iid_field]] = True
    is_learned[train.history.items[train.inter_feat[HISTORY_START]]] = True  # a sequence's first item is not a target
    targets = torch.cat([part.inter_feat[part.iid_field] for part in (valid, test)]).unique()
    unseen = targets[~is_learned[targets]]
    if not len(unseen):
        return []
    name = str(train.id2token(train.iid_field, int(unseen[0])))
    return [f"{train.iid_field} {name!r} is evaluated and never trained on ({len(unseen)} such items)"]


def _repeated(valid: HistoryDataset, test: HistoryDataset) -> list[str]:
    """Count the targets that are in their own history; without ``mask_history`` nothing is special about them."""
    counts = {}
    for name, part in (("valid", valid), ("test", test)):
        rows = part.inter_feat
        targets = rows[part.iid_field][:, None]
        counts[name] = int(part.history.contains(rows[HISTORY_START], rows[HISTORY_END], targets).sum())
    if not valid.config["mask_history"] or not any(counts.values()):
        return []
    again = " and ".join(f"{counts[name]} of {len(part)} {name}" for name, part in (("valid", valid), ("test", test)))
    return [
        f"{again} targets are in their own history: if repeat purchases count, set mask_history = False, which ranks "
        "all items; mask_history = True, as now, leaves out the other items of the history"
    ]
