"""Files that are written whole or not at all, and the removal of files that killed processes left."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from recbole_mdcns.errors import DISK_FULL, WriteError, reason_of

try:
    import fcntl
except ImportError:  # Windows: what killed processes leave stays there
    fcntl = None  # type: ignore[assignment]

_TEMPORARY = re.compile(r".+\.[0-9a-f]{8}\.tmp")


@contextlib.contextmanager
def replacing(path: Path, make_folder: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces ``path`` as soon as it is complete and on disk.

    After a crash or an error the old file is unchanged. The new file has the mode of the old one, or the mode that
    ``open`` would give it under the process's umask. A symbolic link stays, and the file that it names is replaced.

    Args:
        path: The file.
        make_folder: Make its folder if that is missing.

    Raises:
        WriteError: It cannot be written, for example on a full disk; names the file and the reason.
    """
    target = Path(os.path.realpath(path))
    with _write_errors(path):
        if make_folder:
            target.parent.mkdir(parents=True, exist_ok=True)
        file, temporary, held = _temporary(target)
    try:
        with _write_errors(path):
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    finally:
        if held is not None:
            os.close(held)


def make_folder(folder: str | Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        WriteError: The disk is full.
        OSError: It cannot be made for another reason, which is the user's.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise WriteError(folder, reason_of(error)) from None
        raise


def try_replacing(path: Path) -> None:
    """Try whether a file could be written at ``path``, without touching it.

    Raises:
        OSError: It could not.
        ValueError: Its name cannot be one.
    """
    file, temporary, held = _temporary(Path(os.path.realpath(path)))
    file.close()
    temporary.unlink()
    if held is not None:
        os.close(held)


def remove_abandoned(folder: Path, name: str = "*") -> None:
    """Remove the temporary files of :func:`replacing` that killed processes left; files of living ones are locked.

    Args:
        folder: Where to look.
        name: Name of the files that the temporary ones would replace; may have wildcards.
    """
    if fcntl is None:
        return
    for temporary in folder.glob(f"{name}.*.tmp"):
        if _TEMPORARY.fullmatch(temporary.name):
            with contextlib.suppress(OSError), open(temporary, "rb+") as file:  # locked, or gone by now
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                temporary.unlink()


def _temporary(path: Path) -> tuple[BinaryIO, Path, int | None]:
    """Return a new file beside ``path``, its name, and a handle that keeps it locked until that is closed."""
    while True:
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            file = open(temporary, "xb")  # noqa: SIM115
        except FileExistsError:
            continue
        held = None
        if fcntl is not None:
            with contextlib.suppress(OSError):  # some file systems know no locks
                fcntl.flock(file, fcntl.LOCK_EX)
                held = os.dup(file.fileno())
            if os.fstat(file.fileno()).st_nlink == 0:  # taken for abandoned before it was locked
                file.close()
                if held is not None:
                    os.close(held)
                continue
        return cast(BinaryIO, file), temporary, held


@contextlib.contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into one sentence; torch wraps it, and Ctrl-C as well, in an error of its own."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, (OSError, KeyboardInterrupt)):
            cause = cause.__context__
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        if cause is None:
            raise
        raise WriteError(path, reason_of(cause)) from None
