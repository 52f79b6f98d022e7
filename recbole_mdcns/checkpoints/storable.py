"""Values that a checkpoint can hold: tensors and plain values, and numpy arrays as marked tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor

from recbole_mdcns.errors import ConfigError

#: Marks a tensor that was a numpy array.
_ARRAY = "numpy"


def storable(value: Any, where: str) -> Any:
    """Return a value in the form that a checkpoint can hold, with arrays as marked tensors.

    Args:
        value: Anything.
        where: Its name, for the error.

    Raises:
        ConfigError: The value, or a part of it, cannot be stored.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufc":
        array = np.array(value)  # a copy that torch may write to
        return {_ARRAY: torch.from_numpy(array), "dtype": array.dtype.str}
    if type(value) in (list, tuple):
        return type(value)([storable(each, f"{where}[{place}]") for place, each in enumerate(value)])
    if isinstance(value, dict) and all(type(key) in (str, int) for key in value):
        return {key: storable(each, f"{where}[{key!r}]") for key, each in value.items()}
    raise ConfigError(
        f"{where} is a {type(value).__name__}, which a checkpoint cannot hold; allowed are tensors, numpy arrays of "
        "numbers, numbers, texts, None, and lists, tuples and dicts of them"
    )


def restored(value: Any) -> Any:
    """Return the value from which :func:`storable` made this one."""
    if isinstance(value, dict):
        if set(value) == {_ARRAY, "dtype"} and isinstance(value[_ARRAY], Tensor):
            array = value[_ARRAY].cpu().numpy()
            return array[()] if array.ndim == 0 else array
        return {key: restored(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)([restored(each) for each in value])
    return value


def other_parameters(model: SequentialRecommender) -> dict[str, Any]:
    """Return the attributes that RecBole's ``other_parameter_name`` of a model lists, except its weights and layers.

    Raises:
        ConfigError: A checkpoint cannot hold one of them.
    """
    kept = {id(each) for each in (*model.modules(), *model.parameters())}
    return {
        name: storable(value, f"{type(model).__name__}.{name} (of other_parameter_name)")
        for name, value in model.other_parameter().items()
        if id(value) not in kept
    }


def check_weights(model: SequentialRecommender) -> None:
    """Refuse a model whose ``state_dict`` holds anything except tensors.

    Raises:
        ConfigError: Names the entry.
    """
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise ConfigError(
                f"model {type(model).__name__} cannot be saved: {name} in its state_dict is a {type(value).__name__}, "
                "expected a tensor"
            )


def load_other_parameters(model: SequentialRecommender, stored: dict[str, Any]) -> None:
    """Set the attributes of a model that :func:`other_parameters` returned.

    Raises:
        ValueError: There is an attribute that the model does not list.
    """
    unknown = sorted(set(stored) - set(getattr(model, "other_parameter_name", ())))
    if unknown:
        raise ValueError(f"other_parameter holds {', '.join(unknown)}, which {type(model).__name__} does not list")
    model.load_other_parameter({name: restored(value) for name, value in stored.items()})
