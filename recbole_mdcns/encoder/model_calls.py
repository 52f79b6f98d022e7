"""Calls of a model's own code in measurements: an error of that code is an answer, an error of ours is a bug."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recbole_mdcns.support.foreign_code import is_foreign

#: Where ``PlacesInside`` repeats the operators of a model on the CPU.
_TOOLS = ("recbole_mdcns.encoder.measuring",)


class ModelCallError(Exception):
    """A model's own code raised an error, which is the cause of this one."""


def call_model(function: Callable[..., Any], *arguments: Any, modules: tuple[str, ...] = ()) -> Any:
    """Call a model's method, or a function of ours that only calls the model.

    Args:
        function: The method.
        *arguments: Its arguments.
        modules: Modules of ours whose errors are answers as well.

    Raises:
        ModelCallError: The model's code raised, RecBole's included. Errors of this package are raised as they are.
    """
    try:
        return function(*arguments)
    except Exception as error:  # a model may raise anything
        if not is_foreign(error, *modules, tools=_TOOLS):
            raise
        raise ModelCallError(f"{type(error).__name__}: {error}") from error
