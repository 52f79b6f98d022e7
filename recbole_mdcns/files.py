"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write to that takes the place of ``path`` once it is complete and on disk.

    A crash or an error leaves the old file as it was. Who may read the file is as ``open`` would have it: the mode of
    the old file, and without one what the process's umask leaves.
    """
    temporary = path.with_name(f"{path.name}{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("xb") as file:  # the system applies the umask; reading it first would be a race of threads
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
