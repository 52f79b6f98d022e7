"""The run of ``gpu_check.py``: its options, its workers, and the page and the JSON that grow with each result."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import re
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from built_run import Lines, NotHereError, Setting, release
from gpu_cases import SECONDS, STAGES, Section, sections
from gpu_page import page
from gpu_targets import judge_all
from packed_trainings import train_when_told
from provenance import Provenance
from stand_in_data import find_data
from supervised import cases_to_measure, supervise, tell

from recbole_mdcns.support.safe_write import replacing


def main(about: str | None, script: Path) -> None:
    """Run the check, or be one of its workers.

    Args:
        about: What ``--help`` says.
        script: The script that calls this; workers run it.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_path", type=Path, default=Path("dataset"), help="folder of the datasets' folders")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu.md"), help="the page; JSON beside it")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny data and models: does it run?")
    parser.add_argument("--sections", default="", help="only these, by commas: " + ", ".join(sections([])))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of the whole check; each section has a share")
    parser.add_argument("--note", default="", help="a line for the page, such as the machine's name")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--packed", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker or options.packed:
        work(options, script)
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU here; --device cpu --quick checks everything but the capture")
    known = sections([])
    chosen = [name for name in options.sections.split(",") if name] or list(known)
    if unknown := sorted(set(chosen) - set(known)):
        parser.error(f"--sections {','.join(unknown)} is not allowed: choose of {', '.join(known)}")
    with tempfile.TemporaryDirectory() as made:
        check = Check(options, script, Path(made), chosen)
        check.run()
    sys.exit(1 if check.has_failed() else 0)


class Check:
    """One run of the check; its results are on disk after each of them.

    Args:
        options: The command line.
        script: What workers run.
        made: Folder for made data.
        chosen: Names of the sections that run.
    """

    def __init__(self, options: argparse.Namespace, script: Path, made: Path, chosen: list[str]):
        self.options, self.script, self.chosen, self.made = options, script, chosen, str(made)
        folders, self.notes = find_data(options.data_path.resolve(), made, options.quick)
        self.notes += [options.note] if options.note else []
        self.setting = json.dumps(asdict(Setting(options.device, folders, options.quick)))
        self.sections: dict[str, Section] = sections([])
        self.provenance = Provenance.here(options.device)
        self.results: dict[str, dict[str, Any]] = {}
        self.started = time.monotonic()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Run the stages one after the other, and the workers of a stage side by side."""
        share = self.options.seconds / SECONDS
        ends = {name: self.started + share * section.ends for name, section in self.sections.items()}
        command = [sys.executable, str(self.script), "--worker", self.setting]
        for stage in ((tuple(self.sections),),) if self.options.quick else STAGES:  # tiny: torch is what takes time
            workers = [[n for n in names if n in self.chosen] for names in stage]
            with ThreadPoolExecutor(len(stage)) as pool, stopping(ends):
                running = [
                    pool.submit(supervise, command, self._cases(names), ends, self.keep, self.say, self.made)
                    for names in workers
                    if names
                ]
                for each in running:
                    each.result()
        print(self.options.out.read_text(encoding="utf-8"))

    def _cases(self, names: list[str]) -> list[tuple[str, str]]:
        return [(name, case) for name in names for case in self.sections[name].cases]

    def say(self, line: str) -> None:
        """Print progress."""
        print(f"{time.monotonic() - self.started:6.1f} s  {line}", flush=True)

    def keep(self, section: str, case: str, result: dict[str, Any]) -> None:
        """Add to the result of a case, and write page and JSON."""
        if "error" in result:
            result = {**result, "error": without_folders(result["error"])}
        with self._lock:
            self.results.setdefault(section, {}).setdefault(case, {}).update(result)
            if result.get("status") == "started":
                return
            seconds = time.monotonic() - self.started
            judged = judge_all(self.results)
            content = {"results": self.results, "targets": judged, "notes": self.notes, "seconds": seconds}
            text = page(self.results, self.sections, self.provenance, self.notes, seconds)
            for path, written in (
                (self.options.out.with_suffix(".json"), json.dumps({**content, **vars(self.provenance)}, indent=1)),
                (self.options.out, text),
            ):
                with replacing(path, make_folder=True) as file:
                    file.write(f"{written.rstrip()}\n".encode())

    def has_failed(self) -> bool:
        """Tell whether a case failed, had no time left, or found trainings that are not equal."""
        rows = [row for cases in self.results.values() for row in cases.values()]
        return any(row["status"] not in ("done", "not measured") or row.get("equal") is False for row in rows)


@contextlib.contextmanager
def stopping(ends: dict[str, float]) -> Iterator[None]:
    """If a block ends by an error or Ctrl-C, end the time of all sections, and with it the workers."""
    try:
        yield
    except BaseException:
        ends.update(dict.fromkeys(ends, 0.0))
        raise


def without_folders(error: str) -> str:
    """Return a traceback without the names of this machine's folders."""
    error = error.replace(f"{Path(__file__).resolve().parents[2]}/", "")
    return re.sub(r'File "/[^"]*/(?=(site-packages|lib/python[\d.]+)/)', 'File "', error)


def work(options: argparse.Namespace, script: Path) -> None:
    """Measure the cases that stdin names, or train when stdin says so."""
    warnings.simplefilter("ignore")  # RecBole's own
    setting = Setting(**json.loads(options.worker or options.packed))
    lines = Lines()
    logging.getLogger().addHandler(lines)
    logging.getLogger().setLevel(logging.INFO)
    if setting.on_gpu:
        torch.zeros(1, device="cuda")  # memory is read from now on
    if options.packed:
        train_when_told(setting)
        return
    packed = [sys.executable, str(script), "--packed", options.worker]
    known = sections(packed)
    for section, case in cases_to_measure():
        tell(section, case, status="started")

        def report(part: dict[str, Any], section: str = section, case: str = case) -> None:
            tell(section, case, **part)

        try:
            result = known[section].cases[case](setting, report)
        except NotHereError as reason:
            tell(section, case, status="not measured", note=str(reason))
        else:
            tell(section, case, status="done", log=lines.found, **result)
        lines.take()
        release(setting.device)
