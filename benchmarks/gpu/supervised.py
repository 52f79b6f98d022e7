"""Measures cases in worker processes: a case that crashes, hangs or takes too long costs only itself its result.

A worker takes its cases one after the other, so that torch is imported and data are read once. If it dies, a new one
goes on with the next case. If a section's time is over, the worker is killed and a new one begins the next section.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

#: What the lines of a worker begin with that the supervisor reads.
MARK = "@case "
#: Seconds between two looks at the clock.
POLL = 0.5
#: Section and case.
Name = tuple[str, str]
#: Is given section, case and what is known of the result.
Keep = Callable[[str, str, dict[str, Any]], None]


def tell(section: str, case: str, **result: Any) -> None:
    """Tell the supervisor of this worker about a case."""
    print(MARK + json.dumps({"section": section, "case": case, **result}), flush=True)


def cases_to_measure() -> list[Name]:
    """Return the cases that the supervisor gave to this worker, which ends, with its children, when that one does."""
    cases = [(section, case) for section, case in json.loads(sys.stdin.readline())]

    def end_with_supervisor() -> None:
        while os.read(0, 1):  # it holds our stdin open as long as it lives
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=end_with_supervisor, daemon=True).start()
    return cases


def supervise(
    command: Sequence[str],
    cases: Sequence[Name],
    ends: Mapping[str, float],
    keep: Keep,
    log: Callable[[str], None],
    folder: str | None = None,
) -> None:
    """Measure cases in workers, and keep each result as soon as it is known.

    The result of a case has a ``status``: ``done``, ``not measured``, ``failed`` with an ``error``, or ``out of time``.

    Args:
        command: Starts a worker, which calls :func:`cases_to_measure` and then :func:`tell`.
        cases: The cases in their order; those of a section are together.
        ends: When each section ends, by the clock of ``time.monotonic``; whoever sets all to 0 stops the workers.
        keep: Is called for every result, and also for parts of one.
        log: Is given a line for people.
        folder: Where the workers run, and may leave files.
    """
    waiting = list(cases)
    while waiting:
        waiting = [name for name in waiting if not _is_over(name, ends, keep)]
        if not waiting:
            return
        with _worker(command, waiting, folder) as (lines, errors):
            _follow(lines, errors, waiting, ends, keep, log)


def _is_over(name: Name, ends: Mapping[str, float], keep: Keep) -> bool:
    if time.monotonic() < ends[name[0]]:
        return False
    keep(*name, {"status": "out of time"})
    return True


def _follow(
    lines: queue.Queue[str | None],
    errors: Callable[[], str],
    waiting: list[Name],
    ends: Mapping[str, float],
    keep: Keep,
    log: Callable[[str], None],
) -> None:
    """Keep the results of a worker until it ends or a section's time is over; take finished cases off the list."""
    has_begun = False
    while waiting:
        section, case = waiting[0]
        try:
            line = lines.get(timeout=POLL)
        except queue.Empty:
            if time.monotonic() < ends[section]:
                continue
            log(f"{section}: {case}: out of time")
            keep(section, case, {"status": "out of time"})
            del waiting[0]
            return
        if line is None:  # it ended, and the first case that waits is the one that it was at
            error = errors()
            log(f"{section}: {case}: failed: {error.splitlines()[-1]}")
            for name in waiting[: 1 if has_begun else None]:  # a worker that cannot begin fails in the same way again
                keep(*name, {"status": "failed", "error": error})
                waiting.remove(name)
            return
        if line.startswith(MARK):
            has_begun = True
            result = json.loads(line[len(MARK) :])
            name = (result.pop("section"), result.pop("case"))
            keep(*name, result)
            if result.get("status") in ("done", "not measured"):
                log(f"{name[0]}: {name[1]}: {_short(result)}")
                waiting.remove(name)


def _short(result: dict[str, Any]) -> str:
    pairs = [(key, value) for key, value in result.items() if isinstance(value, (int, float)) or key == "status"]
    return ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in pairs)


@contextlib.contextmanager
def _worker(
    command: Sequence[str], cases: Sequence[Name], folder: str | None
) -> Iterator[tuple[queue.Queue, Callable[[], str]]]:
    """Start a worker; give its lines, None at their end, and its last error; kill it and its children at the end."""
    with tempfile.TemporaryFile() as messages:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": messages, "text": True}
        found = os.pathsep.join(os.path.abspath(each) for each in sys.path if each)  # what we can import, it can
        environment = {**os.environ, "PYTHONPATH": found}
        process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it died at once; its error is read below
            process.stdin.write(json.dumps(cases) + "\n")
            process.stdin.flush()
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()

        def last_error() -> str:
            code = process.wait()
            messages.seek(0)
            text = messages.read().decode("utf-8", errors="replace").strip()
            return text[-3000:] or f"exit code {code} without a message"

        try:
            yield lines, last_error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join(10)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()


def _read(stream: Any, lines: queue.Queue) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
