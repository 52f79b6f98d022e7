"""The time of a training epoch by several processes on one machine, as a ratio to one process, in one run.

    python benchmarks/speed/processes.py --out benchmarks/results/processes.md

MDCNS, SASRec with GRU4Rec, gloo on CPUs, one thread in each process. Without ``--dataset`` the data are synthetic and
of the size of Amazon Beauty. Every case runs in separate processes, which ``torchrun`` starts; an epoch is timed after
some steps of warm-up, from the moment at which all processes are ready to the moment at which all are done. The cases
take turns, and the fastest epoch of each counts. The seconds of a core are what one process computes, without waiting
for other processes and for other work of the machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
import torch.distributed as dist
from own_process import measure_apart
from provenance import Provenance, show_page
from synthetic import write_power_law
from tabulate import tabulate

from recbole_mdcns import compat
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.processes import met, started
from recbole_mdcns.quick_start import build_trainer

#: Interactions, users and items of Amazon Beauty.
SIZE = "198502,22363,12101"
HEADERS = ("train_batch_size", "processes", "s of an epoch", "of one process's", "s of a core", "of one process's core")


def main() -> None:
    """Measure every case, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", help="instead of synthetic data")
    parser.add_argument("--data_path", default="dataset")
    parser.add_argument("--size", default=SIZE, help="interactions, users and items of the synthetic data, by commas")
    parser.add_argument("--processes", default="1,2", help="by commas, 1 first")
    parser.add_argument("--batch_sizes", default="1024,4096", help="by commas")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--warm_up", type=int, default=3, help="steps")
    parser.add_argument("--rounds", type=int, default=2, help="epochs of each case")
    parser.add_argument("--out", type=Path, help="file of the page; without, it is only printed")
    parser.add_argument("--note", default="", help="a line for the page, such as what else the machine was doing")
    parser.add_argument("--same_process", action="store_true", help="measure one process in this one")
    parser.add_argument("--case", type=int, metavar="BATCH_SIZE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    if options.case is not None:
        with met() as store:
            group = started(store, "gloo", "cpu")
            result = measure(options, options.case, group)
            if group.is_first:
                print(json.dumps(result))
        return
    numbers = options.processes.split(",")
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started
    with tempfile.TemporaryDirectory() as folder:
        if options.dataset is None:
            path = write_power_law(Path(folder), *map(int, options.size.split(",")))
            options.dataset, options.data_path = path.stem, folder
        cases = [(int(size), int(number)) for size in options.batch_sizes.split(",") for number in numbers]
        rounds = [[measured_apart(options, *case) for case in cases] for _ in range(options.rounds)]
    results = [min(of_case, key=lambda each: each["s"]) for of_case in zip(*rounds)]
    provenance = Provenance.here()
    show_page(page(results, provenance, options), results, options.out, provenance)


def measured_apart(options: argparse.Namespace, batch_size: int, process_num: int) -> dict[str, Any]:
    """Measure a case in processes of its own."""
    names = ("dataset", "data_path", "candidates", "warm_up")
    arguments = [f"--{name}={getattr(options, name)}" for name in names] + [f"--case={batch_size}"]
    result: dict[str, Any] = {"batch_size": batch_size, "processes": process_num}
    if options.same_process and process_num == 1:
        return {**result, **measure(options, batch_size, Group())}
    result |= measure_apart(__file__, arguments, process_num=process_num)
    print(json.dumps(result), flush=True)
    return result


def measure(options: argparse.Namespace, batch_size: int, group: Group) -> dict[str, Any]:
    """Return the seconds of an epoch by the clock, those of the core of the busiest process, and the targets."""
    keys = {"data_path": options.data_path, "use_gpu": False, "protocol": "paper", "peer_model": "GRU4Rec", "seed": 1}
    keys |= {"train_batch_size": batch_size, "neg_candidate_num": options.candidates}
    config = MDCNSConfig("SASRec", options.dataset, config_dict=keys)
    _, splits = load_splits(config)
    trainer = build_trainer(config, dataset_of(splits["train"]))
    trainer.prepare(splits["train"])
    with compat.no_anomaly_mode():
        for _, batch in zip(range(options.warm_up), trainer.batches):
            trainer.train_step(batch)
        _wait(group)
        began, of_core = perf_counter(), process_time()
        targets = trainer.loop.train_epoch(0)["targets"]
        own = process_time() - of_core
        _wait(group)
        spent = perf_counter() - began
    busiest = torch.tensor(own, dtype=torch.float64)
    if group.size > 1:
        dist.all_reduce(busiest, dist.ReduceOp.MAX)
    return {"s": spent, "core s": float(busiest), "targets": targets}


def _wait(group: Group) -> None:
    """Wait until all processes are here."""
    if group.size > 1:
        dist.barrier()


def page(results: list[dict[str, Any]], provenance: Provenance, options: argparse.Namespace) -> str:
    """Return the page."""
    alone = {each["batch_size"]: each for each in results if each["processes"] == 1}
    rows = []
    for each in results:
        of_one = alone[each["batch_size"]]
        ratios = [[f"{each[name]:.1f}", f"{each[name] / of_one[name]:.2f}"] for name in ("s", "core s")]
        rows.append([each["batch_size"], each["processes"], *ratios[0], *ratios[1]])
    lines = [
        "# An epoch by several processes", "",
        f"SASRec with GRU4Rec, {options.candidates} candidates, `{options.dataset}`, protocol `paper`; gloo, one "
        f"thread in each process, {os.cpu_count()} cores. `train_batch_size` is that of all processes together.", "",
        tabulate(rows, headers=HEADERS, tablefmt="github", disable_numparse=True), "",
        *([f"* {options.note}"] if options.note else []),
        f"* `{provenance.command_line}`", f"* {provenance.line('torch', 'recbole')}", "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
