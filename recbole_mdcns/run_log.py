"""The log of a run: the console, a file below ``log_dir``, and TensorBoard's files below ``tensorboard_dir``.

RecBole's own log has fixed folders, and two runs in the same second share a file.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import uuid
from logging import getLogger
from pathlib import Path
from typing import Any

from colorama import AnsiToWin32
from colorlog import ColoredFormatter
from recbole.utils import get_local_time
from recbole.utils.logger import RemoveColorFilter, log_colors_config

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.errors import WriteError, reason_of

_LINE = "%(asctime)-15s %(levelname)s  %(message)s"
#: The log handlers of the last run of this process.
_handlers: list[logging.Handler] = []


def start_log(config: MDCNSConfig) -> None:
    """Log to the console and to a new file; the log of the last run of this process ends.

    As with RecBole's ``init_logger``, a program that has set up logging itself keeps its own handlers and gets no
    others.

    Raises:
        WriteError: The file cannot be made.
    """
    root = getLogger()
    for handler in _handlers:
        root.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()
    _handlers.clear()
    if root.handlers:
        return
    _handlers.append(_console())
    if config["log_dir"]:
        _handlers.append(_file(config))
    level = getattr(logging, (config["state"] or "info").upper())
    for handler in _handlers:
        handler.setLevel(level)
        root.addHandler(handler)
    root.setLevel(level)


def tensorboard(config: MDCNSConfig, run: str) -> TensorBoard:
    """Return TensorBoard's writer; its folder has the name of the log file, or of the ``run`` if there is none."""
    names = [Path(handler.baseFilename).stem for handler in _handlers if isinstance(handler, LogFile)]
    return TensorBoard(Path(config["tensorboard_dir"]) / (*names, run)[0] if config["tensorboard_dir"] else None)


class LogFile(logging.FileHandler):
    """A new log file. If it can no longer be written, for example on a full disk, it ends with a warning."""

    def __init__(self, path: Path):
        super().__init__(path, mode="x", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """Continue without the file if the system refuses it."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        getLogger().removeHandler(self)
        with contextlib.suppress(OSError):
            self.close()
        getLogger().warning(f"log {self.baseFilename} cannot be written ({reason_of(error)}): the run continues")


class TensorBoard:
    """TensorBoard's writer, opened with the first value: without a folder, or in an evaluation, there are no files."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self._writer: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return a method of torch's ``SummaryWriter``; it writes nothing more once the system refuses its files."""
        if not name.startswith("add_"):
            raise AttributeError(name)

        def add(*arguments: Any, **named: Any) -> None:
            if self.folder is None:
                return
            try:
                if self._writer is None:
                    from torch.utils.tensorboard import SummaryWriter

                    self._writer = SummaryWriter(str(self.folder))
                getattr(self._writer, name)(*arguments, **named)
            except OSError as error:
                self._give_up(error)

        return add

    def close(self) -> None:
        """Write buffered values and end the writer's thread; a further value opens it again."""
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        getLogger().warning(
            f"{self.folder} cannot be written ({reason_of(error)}): the run continues without TensorBoard"
        )
        self.folder = self._writer = None


def _console() -> logging.Handler:
    # As RecBole's: without colours where the output is not a terminal.
    handler = logging.StreamHandler(AnsiToWin32(sys.stderr, autoreset=True).stream)
    handler.setFormatter(ColoredFormatter(f"%(log_color)s{_LINE}", "%d %b %H:%M", log_colors=log_colors_config))
    return handler


def _file(config: MDCNSConfig) -> logging.Handler:
    folder = Path(config["log_dir"]) / config["model"]
    while True:
        name = f"{config['model']}-{config['dataset']}-{get_local_time()}-{uuid.uuid4().hex[:6]}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handler = LogFile(folder / name)
        except FileExistsError:
            if folder.is_dir():
                continue  # of a run that started in the same second and drew the same digits
            raise WriteError(folder, "it is a file", _ADVICE) from None
        except OSError as error:
            raise WriteError(folder / name, reason_of(error), _ADVICE) from None
        handler.setFormatter(logging.Formatter(_LINE, "%a %d %b %Y %H:%M:%S"))
        handler.addFilter(RemoveColorFilter())
        return handler


_ADVICE = "set log_dir to a writable folder, or to None for no log file"
