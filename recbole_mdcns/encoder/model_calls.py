"""Calls of a model's own code in measurements: an error of that code is an answer, an error of ours is a bug."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

#: Packages whose functions raise on behalf of whoever calls them.
_TOOLS = ("torch", "numpy")
#: Functions of ours that do: this one's call itself, and :class:`PlacesInside`.
_ON_BEHALF = ("call_model", "__torch_dispatch__")
#: Our backbones are models as RecBole's are.
_OUR_MODELS = "recbole_mdcns.model."


class ModelCallError(Exception):
    """A model's own code raised an error, which is the cause of this one."""


def call_model(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a model's method, or a function of ours that only calls the model.

    Raises:
        ModelCallError: The model's code raised, RecBole's included. Errors of this package are raised as they are.
    """
    try:
        return function(*arguments)
    except Exception as error:  # a model may raise anything
        if _is_ours(error):
            raise
        raise ModelCallError(f"{type(error).__name__}: {error}") from error


def _is_ours(error: Exception) -> bool:
    """Tell whether an error comes from this package's code: the last line that ran outside of tools is in it."""
    lines = [
        (frame.f_globals.get("__name__", ""), frame.f_code.co_name)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    owners = [module for module, function in lines if module.split(".")[0] not in _TOOLS and function not in _ON_BEHALF]
    return bool(owners) and owners[-1].startswith("recbole_mdcns.") and not owners[-1].startswith(_OUR_MODELS)
