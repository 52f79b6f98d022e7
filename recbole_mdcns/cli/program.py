"""The frame of every command: exit codes, one sentence for every error, and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from recbole_mdcns.errors import DISK_ERRORS, FAILURE, INTERRUPTED, PIPE_CLOSED, TERMINATED, UserError, reason_of


def run_program(
    program: str, work: Callable[[], int | None], advice: str, debug: bool = False, is_process: bool = False
) -> int:
    """Do the work of a command and return its exit code; see ``errors.py`` for the codes.

    SIGTERM, which clusters send, is handled like Ctrl-C. A second signal ends the process at once and without a
    traceback. This is safe: every file is written whole or not at all.

    Args:
        program: Name of the command in its messages.
        work: Returns the exit code, or None for success.
        advice: Advice in the message after an interrupt.
        debug: Show the traceback of a mistake of the user.
        is_process: The process ends with this call; signals stay handled until its end.
    """
    _open_closed_streams()
    signals = _Signals(f"{program}: {advice}")
    with signals.caught(is_process), _quiet_writers():
        try:
            code = work() or 0
            sys.stdout.flush()
            return code
        except UserError as error:
            if debug:
                raise
            if not _is_said(error):
                print(f"{program}: {error}", file=sys.stderr)
            return error.exit_code
        except BrokenPipeError:  # the reader has seen enough, as in --help | head
            _close_pipes()
            return PIPE_CLOSED
        except OSError as error:
            if debug or error.errno not in DISK_ERRORS:
                raise
            print(f"{program}: {error.filename or 'output'} cannot be written ({reason_of(error)})", file=sys.stderr)
            return FAILURE
        except KeyboardInterrupt as error:
            if not _is_said(error):
                signals.say()
            return TERMINATED if signals.received == signal.SIGTERM else INTERRUPTED


def _is_said(error: BaseException) -> bool:
    """Tell whether another process of the same training says it: the first of the machine, if they did not agree."""
    agreed = getattr(error, "is_said", None)
    if agreed is not None:
        return agreed
    return os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("LOCAL_RANK", "0") != "0"


class _Signals:
    """Ctrl-C and SIGTERM while a command runs.

    Attributes:
        received: The first signal that arrived.
    """

    def __init__(self, message: str):
        self.message = message
        self.received: int | None = None
        self._is_said = False

    @contextlib.contextmanager
    def caught(self, is_process: bool) -> Iterator[None]:
        before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in map(int, (signal.SIGINT, signal.SIGTERM)):
                if signal.getsignal(number) is not signal.SIG_IGN:  # as for a command in the background
                    before[number] = signal.signal(number, self._handle)
        try:
            yield
        finally:
            if not (is_process and self.received):
                for number, handler in before.items():
                    signal.signal(number, handler)

    def say(self) -> None:
        """Print the message, once."""
        if not self._is_said:
            self._is_said = True
            print(self.message, file=sys.stderr, flush=True)

    def _handle(self, number: int, frame: Any) -> None:
        if self.received is not None:
            if not self._is_said:
                with contextlib.suppress(OSError):
                    os.write(2, f"{self.message}\n".encode())  # print may be what the signal came into
            os._exit(TERMINATED if self.received == signal.SIGTERM else INTERRUPTED)
        self.received = number
        other = signal.getsignal(signal.SIGINT)
        if number == signal.SIGTERM and callable(other) and other != self._handle:
            signal.raise_signal(signal.SIGINT)  # Ray Tune's, which stops its trials in order
        else:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _quiet_writers() -> Iterator[None]:
    """Drop the traceback of TensorBoard's thread on a full disk; the run itself reports this in one line."""
    before = threading.excepthook

    def show(arguments: Any) -> None:
        is_writer = type(arguments.thread).__module__.startswith("tensorboard.")
        if not (is_writer and isinstance(arguments.exc_value, OSError)):
            before(arguments)

    threading.excepthook = show
    try:
        yield
    finally:
        threading.excepthook = before


def _open_closed_streams() -> None:
    """Open streams for a process that was started without output."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _close_pipes() -> None:
    """Discard buffered output: Python would complain about the closed pipe at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
