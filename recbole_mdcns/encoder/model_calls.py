"""Calls of a model's own code while it is measured: what that code raises is an answer, what ours raises is a bug."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from recbole_mdcns.encoder.measuring import PlacesInside

#: Packages whose functions raise on behalf of whoever calls them.
_TOOLS = ("torch", "numpy")
#: Our backbones are models as RecBole's are.
_OUR_MODELS = "recbole_mdcns.model."


class ModelCallError(Exception):
    """A model's own code raised; the cause is what it raised."""


def call_model(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a model's method, or one of ours that calls nothing else of its own.

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
    owners = [
        frame.f_globals.get("__name__", "")
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code is not PlacesInside.__torch_dispatch__.__code__ and frame.f_code is not call_model.__code__
    ]
    owners = [name for name in owners if name.split(".")[0] not in _TOOLS]
    return bool(owners) and owners[-1].startswith("recbole_mdcns.") and not owners[-1].startswith(_OUR_MODELS)
