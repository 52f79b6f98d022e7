"""Paths as the user writes them, and names that become part of a path: of datasets, sweeps, methods and records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError

#: File systems take 255 bytes, and our files add settings, time and ending to the name of a dataset.
_MOST_BYTES = 150


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder for ``~``, which shells leave in ``--option=~/folder`` as it is.

    ``~name`` stays where the system knows no such user.
    """
    return Path(os.path.expanduser(path))


def checked_name(value: Any, where: str) -> str:
    """Return a name that stays in the folder where it is used.

    Args:
        value: What the user, or a file, gives as the name.
        where: What is named, for the message: a key, with its file where it has one.

    Raises:
        ConfigError: It is not text, is empty, hidden, too long or unprintable, or leads to another folder.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{where} = {value!r} is not allowed: give a name; in yaml, numbers and dates need quotes")
    is_one_part = value.strip(" .") and value[0] != "." and not set(value) & set("/\\:") and value.isprintable()
    if not is_one_part or len(value.encode(errors="replace")) > _MOST_BYTES:
        raise ConfigError(
            f"{where} = {value[:200]!r} is not allowed: give a name of at most {_MOST_BYTES} bytes, without / and \\ "
            "and :, and no dot as its first character"
        )
    return value
