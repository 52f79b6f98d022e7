"""The user's own classes by import path: ``package.module:Class``."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError, UserError
from recbole_mdcns.support.foreign_code import INSTALLED, is_foreign


def import_own(path: str, key: str) -> Any:
    """Return the object at an import path.

    Args:
        path: ``package.module:Class``.
        key: The key whose value the path is, for the message.

    Raises:
        ConfigError: The module cannot be imported, for any reason that is not an error of our own code, or has nothing
            of that name.
    """
    module_name, _, name = path.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigError(f"{key} = {path!r} is not allowed: write package.module:Class")
    try:
        module = importlib.import_module(module_name)
    # The module is the user's, and it may raise anything while it runs; it may also call sys.exit.
    except (Exception, SystemExit) as error:
        if not isinstance(error, UserError) and not is_foreign(error):
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        if isinstance(error, ModuleNotFoundError) and error.name == module_name.partition(".")[0]:
            reason += "; Python looks for it in the current folder and those of PYTHONPATH"
        raise ConfigError(
            f"{key} = {path!r}: module {module_name!r} cannot be imported{line_of(error)}: {reason}"
        ) from error
    if not hasattr(module, name):
        classes = sorted(
            each for each, value in vars(module).items() if getattr(value, "__module__", "") == module_name
        )
        path_of_module = getattr(module, "__file__", None)  # modules that are part of Python have none
        file = Path(path_of_module).name if path_of_module else module_name
        raise ConfigError(f"{key} = {path!r}: {file} has no class {name!r}; found {', '.join(classes) or 'none'}")
    return getattr(module, name)


def line_of(error: BaseException) -> str:
    """Return ``' (mine.py, line 3)'``, the last line of the user's own code, or an empty text if none has run."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)[1:] if not frame.filename.startswith("<")]
    frames = [frame for frame in frames if not frame.filename.endswith("importlib/__init__.py")]
    own = [frame for frame in frames if not frame.filename.startswith(INSTALLED)] or frames
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
