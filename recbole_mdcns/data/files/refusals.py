"""RecBole's steps of loading a dataset, with one-sentence errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from recbole.data.dataset import SequentialDataset

from recbole_mdcns.errors import DataError
from recbole_mdcns.support.foreign_code import ForeignCall

#: RecBole's steps of loading that refuse keys and data.
_STEPS = (
    "_get_field_from_config", "_get_load_and_unload_col", "_init_alias", "_filter_nan_user_or_item",
    "_remove_duplication", "_filter_by_field_value", "_filter_inter_by_user_or_item", "_filter_by_inter_num",
    "_parse_intervals_str", "_reset_index", "_remap", "_user_item_feat_preparation", "_set_label_by_threshold",
    "_normalize", "_discretization", "_preload_weight_matrix", "_check_field", "_get_remap_list",
)  # fmt: skip


class RefusingDataset(SequentialDataset):
    """RecBole's dataset; its steps raise DataError if RecBole refuses a key or the data.

    Errors of other code, including ours, are not caught.
    """


def _refusing(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def refusing(self: Any, *args: Any, **kwargs: Any) -> Any:
        with ForeignCall(lambda error: _not_loaded(self.dataset_name, error)):
            return step(self, *args, **kwargs)

    return refusing


def _not_loaded(name: str, error: Exception) -> DataError:
    reason = f"there is no column {error.args[0]}" if isinstance(error, KeyError) and error.args else error
    return DataError(f"dataset {name!r} cannot be loaded: {reason}")


for _name in _STEPS:
    setattr(RefusingDataset, _name, _refusing(getattr(SequentialDataset, _name)))
