"""The datasets of a sweep that are not on the disk, and that RecBole cannot download by name."""

from __future__ import annotations

from collections.abc import Iterable

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.place import check_dataset
from recbole_mdcns.errors import DataError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.tuning.grid import first_setting, make_trial
from recbole_mdcns.tuning.sweep import Sweep


def absent_datasets(sweep: Sweep, left: Iterable[Cell]) -> dict[str, DataError]:
    """Return what a training would say about each dataset that it cannot have.

    Args:
        sweep: The sweep.
        left: The cells with trials to run; the data of others are not needed.
    """
    absent = {}
    for dataset, cell in {cell.dataset: cell for cell in left}.items():
        trial = make_trial(sweep, cell, first_setting(sweep, cell), sweep.seeds[0])
        try:
            check_dataset(MDCNSConfig.from_plain(trial.values))
        except DataError as error:
            absent[dataset] = error
    return absent


def check_datasets(sweep: Sweep, left: Iterable[Cell]) -> None:
    """Refuse a sweep with a dataset that its trials cannot have; see :func:`absent_datasets`.

    Raises:
        DataError: Names the dataset, the folder, what lies beside it, and the datasets that are known by name.
    """
    for error in absent_datasets(sweep, left).values():
        raise error
