"""The cost of Ray per trial, and the gain from concurrent trials.

    python benchmarks/speed/sweep_overhead.py properties/sweep/smoke_grid.yaml --out FILE.md

The same sweep runs three times: trial after trial in this process, with Ray one at a time, and with Ray one trial per
core; each trial has one thread.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from provenance import Provenance
from tabulate import tabulate

from recbole_mdcns.records.store import Store
from recbole_mdcns.tuning.driver import run_sweeps
from recbole_mdcns.tuning.grid import trials
from recbole_mdcns.tuning.selection import chosen_records
from recbole_mdcns.tuning.sweep import Sweep
from recbole_mdcns.tuning.sweep_file import read_sweep
from recbole_mdcns.tuning.trial import add_test, run_trial


def main() -> None:
    """Measure the sweep each way and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path)
    parser.add_argument("--epochs", type=int, help="instead of those of the grid")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="trials of Ray at once; 1: only that")
    parser.add_argument("--out", type=Path, help="file of the page; without, it is only printed")
    options = parser.parse_args()
    sweep = read_sweep(options.grid, {"epochs": options.epochs} if options.epochs else None)
    logging.disable(logging.WARNING)
    import ray

    trial_num, cores = len(list(trials(sweep))), options.cores
    ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            alone = in_this_process(sweep, Store(Path(folder) / "alone"))
            one = by_ray(replace(sweep, max_concurrent=1), Store(Path(folder) / "one"))
            many = by_ray(sweep, Store(Path(folder) / "many")) if cores > 1 else None
    finally:
        ray.shutdown()
    rows = [
        ["one after the other, in one process", alone, "", ""],
        ["Ray, one at a time", one, (one - alone) / trial_num, 1.0],
        *([[f"Ray, {cores} at once", many, "", one / many]] if many else []),
    ]
    table = tabulate(rows, headers=["", "s", "s of Ray per trial", "speed-up"], tablefmt="github", floatfmt=".2f")
    provenance = Provenance.here()
    text = "\n".join([
        f"# A sweep of {trial_num} trials, {cores} cores", "", table, "",
        f"* `{provenance.command_line}`; Ray itself runs already; test metrics of the chosen settings included",
        f"* {provenance.line('ray', 'torch')}", "",
    ])  # fmt: skip
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def in_this_process(sweep: Sweep, store: Store) -> float:
    """Run every trial here and return the seconds."""
    started = time.perf_counter()
    plan = {trial.id.key: trial for trial in trials(sweep)}
    for trial in plan.values():
        run_trial(trial, store)
    for record in chosen_records(store.all_records(), sweep.choice_seeds):
        add_test(plan[record.trial.key], store)
    return time.perf_counter() - started


def by_ray(sweep: Sweep, store: Store) -> float:
    """Run every trial on Ray and return the seconds."""
    started = time.perf_counter()
    run_sweeps([sweep], store)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
