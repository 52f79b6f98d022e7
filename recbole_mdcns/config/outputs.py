"""Checks of all outputs before a run begins: nobody should train for hours and then fail to write the result."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import DISK_FULL, ConfigError, WriteError, reason_of
from recbole_mdcns.support.safe_write import remove_abandoned, try_replacing


def check_outputs(config: MDCNSConfig) -> None:
    """Try every place that a run writes to, and remove temporary files of killed runs there.

    Raises:
        ConfigError: A place cannot be written to, or has a file of another kind; names its key.
        WriteError: The disk is full.
    """
    if config["result_file"]:
        check_writable(config["result_file"])
        result = Path(config["result_file"])
        remove_abandoned(result.parent, result.name)
    check_folder(config["checkpoint_dir"], "checkpoint_dir")
    for name in ("*.pth", "*-split.tsv"):
        remove_abandoned(Path(config["checkpoint_dir"]), name)
    for key in ("log_dir", "tensorboard_dir"):
        if config[key] is not None:
            check_folder(config[key], key, ", or None for none")


def is_result(path: Path) -> bool:
    """Tell whether a file holds a record of a run, which a new one may replace."""
    return "schema" in _entries(path)


def is_evaluation(path: Path) -> bool:
    """Tell whether a file holds the result of ``--evaluate``, which a new one may replace."""
    return _entries(path) >= {"model_file", "metrics"}


def _entries(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return set()
    return set(content) if isinstance(content, dict) else set()


def check_writable(path: str | Path, key: str = "result_file", replaces: Callable[[Path], bool] = is_result) -> None:
    """Check before training that a file can be written, and that it only replaces an older file of its kind.

    Args:
        path: The file.
        key: The key that names it.
        replaces: Tells whether the new file may replace an existing one.

    Raises:
        ConfigError: It cannot be written, or would replace something else, such as the data or a configuration.
        WriteError: The disk is full.
    """
    path = Path(path)
    try:
        if path.is_dir():
            reason = "it is a folder"
        elif not path.parent.is_dir():
            reason = f"{path.parent} is not a folder"
        else:
            try_replacing(path)
            if not path.exists() or _may_go(path, replaces):
                return
            reason = "it exists, and is not an earlier file of this kind"
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in DISK_FULL:
            raise WriteError(path, reason_of(error)) from None
        reason = reason_of(error)
    raise ConfigError(
        f"{key} = {str(path)!r} cannot be written ({reason}): give a new file in an existing, writable folder"
    )


def check_folder(path: Any, key: str, otherwise: str = "") -> None:
    """Check before training that a folder can be written to, and make it.

    Args:
        path: The folder.
        key: The key that names it.
        otherwise: Other allowed values of the key, for the message.

    Raises:
        ConfigError: The path, or a part of it, is not a writable folder.
        WriteError: The disk is full.
    """
    reason = "it is not a path"
    if isinstance(path, (str, Path)) and str(path):
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path) as file:
                file.write(b"tried")
            return
        except (OSError, ValueError) as error:
            if getattr(error, "errno", None) in DISK_FULL:
                raise WriteError(path, reason_of(error)) from None
            reason = reason_of(error)
    raise ConfigError(
        f"{key} = {path!r} cannot be written to ({reason}): give a writable folder, or one that can be made{otherwise}"
    )


def _may_go(path: Path, replaces: Callable[[Path], bool]) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file() and (path.stat().st_size == 0 or replaces(path))
    return False


def keep_quiet(config: MDCNSConfig) -> None:
    """Let a process show only errors and write no files: another process of the same training does both."""
    for key in ("result_file", "log_dir", "tensorboard_dir"):
        config[key] = None
    config["show_progress"] = config["log_wandb"] = False
    config["state"] = "error"
