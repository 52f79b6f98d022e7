"""The form of a checkpoint of this package; a file with wrong entries is refused with one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rule:
    """A condition on a value, and its description in words."""

    what: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Each:
    """A list, or a dict with names as keys; all of its values have the same form."""

    kind: type[Any]
    form: Any


def _is_int(value: Any, least: float = -math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_int(value)


def _vector(what: str, dtype: torch.dtype) -> Rule:
    return Rule(what, lambda value: isinstance(value, Tensor) and value.dtype == dtype and value.dim() == 1)


def bytes_like(example: Tensor) -> Rule:
    """Return the rule for the state of a random generator on a GPU: its length is that of an example."""
    return Rule(
        f"{len(example)} bytes",
        lambda value: isinstance(value, Tensor) and value.dtype == torch.uint8 and value.shape == example.shape,
    )


def _is_generator_state(value: Any) -> bool:
    try:
        torch.Generator().set_state(value.cpu())
    except (RuntimeError, TypeError, AttributeError):
        return False
    return True


#: The state of a random generator of torch on a CPU.
GENERATOR = Rule("the state of a random generator", _is_generator_state)
TEXT = Rule("a text", lambda value: isinstance(value, str))
ANY_DICT = Rule("a dict", lambda value: isinstance(value, dict))
COUNT = Rule("an integer >= 0", lambda value: _is_int(value, 0))
NUMBER = Rule("a number", _is_number)
SCORE = Rule("a number or None", lambda value: value is None or _is_number(value))
WEIGHTS = Each(dict, Rule("a tensor", lambda value: isinstance(value, Tensor)))
METRICS = Each(dict, NUMBER)
_BY_ROLE = Each(dict, METRICS)
KEYS = {"model": TEXT, "dataset": TEXT}

_NUMPY_STATE = Rule(
    "the state of numpy's random generator",
    lambda value: (
        isinstance(value, list)
        and len(value) == 5
        and value[0] == "MT19937"
        and isinstance(value[1], Tensor)
        and value[1].shape == (624,)
        and value[1].dtype == torch.int64
        and _is_int(value[2], 0)
        and value[2] <= 624
        and _is_int(value[3])
        and _is_number(value[4])
    ),
)
_PYTHON_STATE = Rule(
    "the state of Python's random generator",
    lambda value: (
        isinstance(value, list)
        and len(value) == 3
        and value[0] == 3
        and isinstance(value[1], list)
        and len(value[1]) == 625
        and all(_is_int(word, 0) and word < 2**32 for word in value[1])
        and value[1][-1] <= 624
        and (value[2] is None or _is_number(value[2]))
    ),
)
_NAMES = Each(dict, {"text": _vector("bytes", torch.uint8), "ends": _vector("integers", torch.int64)})
_COMMON = {
    "version": TEXT,
    "config": KEYS,
    "names": _NAMES,
    "fingerprints": {"sequences": TEXT, "split": TEXT, "order": TEXT},
    "cur_step": COUNT,
    "best_valid_score": SCORE,
}
FORMS: dict[str, dict[str, Any]] = {
    "model": {
        **_COMMON,
        "role": TEXT,
        "valid": Rule("metrics by role or None", lambda value: value is None or not first_fault(value, _BY_ROLE)),
        "epoch": Rule("an integer >= -1", lambda value: _is_int(value, -1)),
        "state_dict": WEIGHTS,
        "other_parameter": ANY_DICT,
    },
    "training": {
        **_COMMON,
        "device": TEXT,
        "epoch": COUNT,
        "best_valid_result": Rule(
            "metrics or None",
            lambda value: value is None or (isinstance(value, dict) and all(map(_is_number, value.values()))),
        ),
        "epoch_log": Each(
            list, {"epoch": COUNT, "loss": NUMBER, "parts": METRICS, "targets": COUNT, "train_seconds": NUMBER}
        ),
        "models": Each(dict, WEIGHTS),
        "other_parameters": Each(dict, ANY_DICT),
        "optimizers": Each(dict, {"state": ANY_DICT, "param_groups": Each(list, ANY_DICT)}),
        "scaler": ANY_DICT,
        "random": {
            "python": _PYTHON_STATE,
            "numpy": _NUMPY_STATE,
            "torch": GENERATOR,
            "cuda": Rule("bytes or None", lambda value: value is None or isinstance(value, Tensor)),
        },
        "loader": GENERATOR,
        "objective": ANY_DICT,
    },
}


def first_fault(value: Any, form: Any, where: str = "") -> str:
    """Return the first fault of a value, such as ``epoch is 'x', expected an integer >= 0``, or an empty text.

    Args:
        value: Anything.
        form: A :class:`Rule`, an :class:`Each`, or a dict of required keys and their forms.
        where: The path of keys to the value, for the text.
    """
    name = where or "the content"
    if isinstance(form, Rule):
        return "" if form.holds(value) else f"{name} is {described(value)}, expected {form.what}"
    if isinstance(form, Each):
        if not isinstance(value, (dict, list)) or not isinstance(value, form.kind):
            return f"{name} is {described(value)}, expected a {form.kind.__name__}"
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            return f"{name} has keys that are not text"
        items: Any = value.items() if isinstance(value, dict) else enumerate(value)
        faults = (first_fault(each, form.form, _join(where, key)) for key, each in items)
        return next(filter(None, faults), "")
    if not isinstance(value, dict):
        return f"{name} is {described(value)}, expected a dict"
    if not all(isinstance(key, str) for key in value):
        return f"{name} has keys that are not text"
    for key, inner in form.items():
        if key not in value:
            return f"{_join(where, key)} is missing"
        fault = first_fault(value[key], inner, _join(where, key))
        if fault:
            return fault
    return ""


def described(value: Any) -> str:
    """Return a value in a few words."""
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).replace('torch.', '')}, shape {list(value.shape)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _join(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)
