"""Mistakes of the user's input and failures of the disk: shown as one sentence, never as a traceback."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

#: Exit codes of every command: a failure that the user did not cause, a mistake of the user, Ctrl-C, SIGTERM, and a
#: closed output pipe.
FAILURE, USER_ERROR, INTERRUPTED, TERMINATED, PIPE_CLOSED = 1, 2, 130, 143, 141
#: Error numbers of the system for a full disk, an exceeded quota, or a file at its limit.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: Error numbers that no input causes: a disk is full, broken or read-only.
DISK_ERRORS = (*DISK_FULL, errno.EIO, errno.EROFS)

#: How like two names are (difflib) that may be meant for each other: in names of a few letters a slip changes more.
_LIKE, _LIKE_SHORT, _SHORT = 0.7, 0.6, 5


class UserError(Exception):
    """A mistake in the user's input; the message says what was found and what is allowed.

    Attributes:
        exit_code: Exit code of a command that ends with this error.
        is_said: Whether another of several processes reports it; None if the processes were not asked.
    """

    exit_code = USER_ERROR
    is_said: bool | None = None


class ConfigError(UserError):
    """A key, a model name or a configuration file is wrong."""


class DataError(UserError):
    """A dataset is missing or malformed."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged or belongs to another run."""


class TrainingError(UserError):
    """Training cannot continue, for a reason that the user can remove."""


class LostProcess(UserError):
    """Another process of the same training has ended, or cannot be reached."""

    exit_code = FAILURE


class WriteError(UserError):
    """A file cannot be written, for example on a full disk; an older file at its place is unchanged."""

    exit_code = FAILURE

    def __init__(self, path: str | Path, reason: str, advice: str = "make room there, or name another place"):
        super().__init__(path, reason, advice)

    def __str__(self) -> str:
        """Return the sentence."""
        path, reason, advice = self.args
        return f"{path} cannot be written ({reason}): {advice}"

    def advising(self, advice: str) -> WriteError:
        """Return the same error with another advice."""
        path, reason, _ = self.args
        return WriteError(path, reason, advice)


def reason_of(error: Exception) -> str:
    """Return the system's reason without its number and path."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def nearest(name: str, known: Iterable[str], cutoff: float | None = None) -> str:
    """Return ``' (did you mean X?)'`` for the known name closest to ``name``, or an empty text if none is close.

    Args:
        name: As the user wrote it; upper and lower case count alike.
        known: The names to choose from.
        cutoff: Least likeness, from 0 to 1. By default a long name must be closer than a short one, and a name that is
            a whole part of only one known name, as beauty is of amazon-beauty, is close to it.
    """
    close = closest(name, known, cutoff)
    return did_you_mean([close] if close else [])


def closest(name: str, known: Iterable[str], cutoff: float | None = None) -> str | None:
    """Return the known name closest to ``name``, or None if none is close; see :func:`nearest`."""
    wanted, lower = name.lower(), {candidate.lower(): candidate for candidate in known}
    least = cutoff or (_LIKE_SHORT if len(name) <= _SHORT else _LIKE)
    close = difflib.get_close_matches(wanted, list(lower), n=1, cutoff=least)
    if not close and cutoff is None:
        close = [candidate for candidate in lower if wanted in re.split(r"[-_.]", candidate)]
    return lower[close[0]] if len(close) == 1 else None


def missing_columns(names: Sequence[str]) -> str:
    """Return ``'column A is missing'``, or ``'columns A, B and C are missing'``."""
    if len(names) == 1:
        return f"column {names[0]} is missing"
    return f"columns {', '.join(names[:-1])} and {names[-1]} are missing"


def did_you_mean(names: Sequence[str]) -> str:
    """Return ``' (did you mean X or Y?)'``, or an empty text for no name."""
    return f" (did you mean {' or '.join(names)}?)" if names else ""
