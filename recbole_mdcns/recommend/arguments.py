"""Checks of single arguments."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import torch

from recbole_mdcns.errors import ConfigError, DataError


def count_of(name: str, value: Any) -> int:
    """Return a whole number >= 1, also one of numpy.

    Raises:
        ConfigError: Names the argument and its value.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{name} = {value!r} is not allowed: give a whole number >= 1")
    return int(value)


def list_of(ids: Any, what: str) -> list[Any]:
    """Return ids as a list; a text is one id, and no list of its characters.

    Raises:
        DataError: They are none; names the argument.
    """
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        raise DataError(f"{what} = {ids!r} is not allowed: give a list of ids")
    return list(ids)


def usable_device(device: Any) -> torch.device:
    """Return a device that models can run on here.

    Raises:
        ConfigError: It is not a device, or this machine has none.
    """
    allowed = "give cpu, cuda, or cuda:0 and so on"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        raise ConfigError(f"device = {device!r} is not allowed: {allowed}") from None
    if found.type not in ("cpu", "cuda"):
        raise ConfigError(f"device = {str(device)!r} is not allowed: {allowed}")
    gpu_num = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found.type == "cuda" and (found.index or 0) >= gpu_num:
        raise ConfigError(f"device = {str(device)!r} is not allowed: {gpu_num} GPUs are visible; {allowed}")
    return found
