"""The time of a training epoch by several processes on one machine, as a ratio to one process, in one run.

    python benchmarks/speed/processes.py --out benchmarks/results/processes.md

MDCNS, SASRec with GRU4Rec, gloo on CPUs, one thread in each process. Without ``--dataset`` the data are synthetic and
of the size of Amazon Beauty. Every case runs in separate processes, which ``torchrun`` starts; an epoch is timed after
some steps of warm-up, from the moment at which all processes are ready to the moment at which all are done.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import torch.distributed as dist
from own_process import measure_apart
from provenance import Provenance, write_results
from synthetic import write_power_law
from tabulate import tabulate

from recbole_mdcns import compat
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.parallel.group import Group, started
from recbole_mdcns.quick_start import build_trainer

#: Interactions, users and items of Amazon Beauty.
SIZE = "198502,22363,12101"
HEADERS = ("train_batch_size", "processes", "s of an epoch", "targets/s", "of one process's time")


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
    parser.add_argument("--epochs", type=int, default=1, help="the fastest one counts")
    parser.add_argument("--out", type=Path, help="file of the page; without, it is only printed")
    parser.add_argument("--note", default="", help="a line for the page, such as what else the machine was doing")
    parser.add_argument("--same_process", action="store_true", help="measure one process in this one")
    parser.add_argument("--case", type=int, metavar="BATCH_SIZE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    if options.case is not None:
        with started("gloo", "cpu") as group:
            result = measure(options, options.case, group)
            if group.is_first:
                print(json.dumps(result))
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started
    with tempfile.TemporaryDirectory() as folder:
        if options.dataset is None:
            path = write_power_law(Path(folder), *map(int, options.size.split(",")))
            options.dataset, options.data_path = path.stem, folder
        results = [
            measured_apart(options, int(batch_size), int(process_num))
            for batch_size in options.batch_sizes.split(",")
            for process_num in options.processes.split(",")
        ]
    provenance = Provenance.here()
    text = page(results, provenance, options)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
        write_results(options.out.with_suffix(".json"), {"results": results}, provenance)


def measured_apart(options: argparse.Namespace, batch_size: int, process_num: int) -> dict[str, Any]:
    """Measure a case in processes of its own."""
    names = ("dataset", "data_path", "candidates", "warm_up", "epochs")
    arguments = [f"--{name}={getattr(options, name)}" for name in names] + [f"--case={batch_size}"]
    result: dict[str, Any] = {"batch_size": batch_size, "processes": process_num}
    if options.same_process and process_num == 1:
        return {**result, **measure(options, batch_size, Group())}
    result |= measure_apart(__file__, arguments, process_num=process_num)
    print(json.dumps(result), flush=True)
    return result


def measure(options: argparse.Namespace, batch_size: int, group: Group) -> dict[str, Any]:
    """Return the seconds of the fastest epoch, and its targets."""
    keys = {"data_path": options.data_path, "use_gpu": False, "protocol": "paper", "peer_model": "GRU4Rec", "seed": 1}
    keys |= {"train_batch_size": batch_size, "neg_candidate_num": options.candidates}
    config = MDCNSConfig("SASRec", options.dataset, config_dict=keys)
    _, splits = load_splits(config)
    trainer = build_trainer(config, dataset_of(splits["train"]))
    trainer.prepare(splits["train"])
    spent = []
    with compat.no_anomaly_mode():
        for _, batch in zip(range(options.warm_up), trainer.batches):
            trainer.train_step(batch)
        for epoch in range(options.epochs):
            _wait(group)
            began = perf_counter()
            targets = trainer.loop.train_epoch(epoch)["targets"]
            _wait(group)
            spent.append(perf_counter() - began)
    return {"s": min(spent), "targets": targets}


def _wait(group: Group) -> None:
    """Wait until all processes are here."""
    if group.size > 1:
        dist.barrier()


def page(results: list[dict[str, Any]], provenance: Provenance, options: argparse.Namespace) -> str:
    """Return the page."""
    alone = {each["batch_size"]: each["s"] for each in reversed(results) if each["processes"] == 1}
    rows = [
        [
            each["batch_size"],
            each["processes"],
            f"{each['s']:.1f}",
            f"{each['targets'] / each['s']:.0f}",
            f"{each['s'] / alone[each['batch_size']]:.2f}",
        ]
        for each in results
    ]
    lines = [
        "# An epoch by several processes", "",
        f"SASRec with GRU4Rec, {options.candidates} candidates, `{options.dataset}`, protocol `paper`; gloo, one thread in each "
        f"process, {os.cpu_count()} cores. `train_batch_size` is that of all processes together.", "",
        tabulate(rows, headers=HEADERS, tablefmt="github", disable_numparse=True), "",
        *([f"* {options.note}"] if options.note else []),
        f"* `{provenance.command_line}`", f"* {provenance.line('torch', 'recbole')}", "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
