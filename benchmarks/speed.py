"""Seconds per training epoch, side by side in one run: our batchings, RecBole's SASRec, and the released step.

    python benchmarks/speed.py --dataset amazon-beauty --data_path DIR --peers GRU4Rec,Mamba4Rec --out FOLDER

A step's time is the median over the measured steps after warm-up. An epoch of the slow ways is that times its number
of steps; bucket and user run a whole epoch. RecBole trains SASRec alone, on one uniform negative, in its own trainer.
Needs matplotlib.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from figure import saved_figure
from recbole.data import data_preparation
from recbole.data.dataset import SequentialDataset
from recbole.model.sequential_recommender.sasrec import SASRec
from recbole.trainer import Trainer
from recbole.utils import InputType
from released_step import ReleasedTraining
from tabulate import tabulate

from recbole_mdcns import compat
from recbole_mdcns.config import MDCNSConfig
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.quick_start import build_model, build_trainer
from recbole_mdcns.record import git_state, machine, versions


def main() -> None:
    """Measure every way, then write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="amazon-beauty")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--peers", default="GRU4Rec", help="peers of SASRec, by commas")
    parser.add_argument("--candidates", type=int, default=100, help="N")
    parser.add_argument("--batch_size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=0, help="processes of the released data loader")
    parser.add_argument("--steps", type=int, default=7, help="measured steps of the slow ways")
    parser.add_argument("--warm_up", type=int, default=3, help="steps before")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    results = []

    def note(way: str, peer: str, clock: Clock, step_num: int) -> None:
        step = statistics.median(clock.seconds()[options.warm_up :])
        total = sum(clock.seconds()) if clock.limit is None else step * step_num
        results.append({"way": way, "peer": peer, "steps": step_num, "ms per step": 1000 * step, "s per epoch": total})
        print(json.dumps(results[-1]), flush=True)

    some = options.warm_up + options.steps
    with compat.no_anomaly_mode():
        for peer in options.peers.split(","):
            for mode in ("row", "bucket", "user"):
                trainer, config, data = ours(options, peer, mode)
                clock = Clock(trainer.batches, some if mode == "row" else None)
                for batch in clock:
                    trainer.train_step(batch)
                note(f"ours, {mode}", peer, clock, len(trainer.batches))
            models = [build_model(c, data) for c in (config, config.peer_config())]
            released = ReleasedTraining(data, models, options.candidates, options.batch_size, options.workers)
            clock = Clock(released, some)
            for batch in clock:
                released.step(batch)
            note("released step", peer, clock, len(released.loader))
    for way, anomaly in (("RecBole, SASRec alone", False), ("RecBole, SASRec alone, as it comes", True)):
        with torch.autograd.set_detect_anomaly(anomaly):  # importing RecBole's models turns it on
            loader, recbole_trainer = recboles(options)
            clock = Clock(loader, some)
            recbole_trainer._train_epoch(clock, 0)
            note(way, "", clock, -(-len(data) // options.batch_size))
    report(options, results)


class Clock:
    """Hands batches on and notes when: a step lasts from one batch to the next, the making of that one included.

    Args:
        batches: The batches.
        limit: How many to hand on; all when None.
    """

    def __init__(self, batches: Iterable, limit: int | None):
        self.batches, self.limit = batches, limit
        self.marks: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        for batch in itertools.islice(self.batches, self.limit):
            self.marks.append(perf_counter())
            yield batch
        self.marks.append(perf_counter())

    def seconds(self) -> list[float]:
        """Return the seconds of each step."""
        return [after - before for before, after in zip(self.marks, self.marks[1:])]


def ours(options: argparse.Namespace, peer: str, mode: str) -> tuple[Any, MDCNSConfig, Any]:
    """Return a prepared trainer of ours, its configuration and its training part."""
    keys = {
        "protocol": "paper", "data_path": options.data_path, "peer_model": peer, "batching": mode, "use_gpu": False,
        "neg_candidate_num": options.candidates, "train_batch_size": options.batch_size,
    }  # fmt: skip
    config = MDCNSConfig("SASRec", options.dataset, config_dict=keys)
    _, splits = load_splits(config)
    trainer = build_trainer(config, splits["train"]._dataset)
    trainer.prepare(splits["train"])
    for encoder in trainer.encoders:
        encoder.model.train()
    return trainer, config, splits["train"]._dataset


def recboles(options: argparse.Namespace) -> tuple[Any, Trainer]:
    """Return RecBole's own loader and trainer of SASRec on one uniform negative per row (leave-one-out rows)."""
    keys = {"data_path": options.data_path, "use_gpu": False, "train_batch_size": options.batch_size}
    config = MDCNSConfig("SASRec", options.dataset, config_dict=keys)
    uniform = {"distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
    config["train_neg_sample_args"] = uniform
    config["loss_type"], config["MODEL_INPUT_TYPE"] = "BPR", InputType.PAIRWISE
    dataset = SequentialDataset(config)
    train, _, _ = data_preparation(config, dataset)
    return train, Trainer(config, SASRec(config, train._dataset))


def report(options: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    """Write the results as JSON, table and figure."""
    about = {"machine": machine(torch.device("cpu")), "versions": versions(), "git": git_state()}
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"{options.dataset}-{options.threads}-threads"
    content = {"options": {key: str(value) for key, value in vars(options).items()}, "results": results, **about}
    (options.out / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    alone = next(r["s per epoch"] for r in results if r["way"] == "RecBole, SASRec alone")
    yardstick = {r["peer"]: r["s per epoch"] for r in results if r["way"] == "released step"}
    rows = []
    for r in results:
        base = yardstick.get(r["peer"])
        of_released = f"{base / r['s per epoch']:.1f} x" if base else ""
        rows.append([r["way"], r["peer"], f"{r['ms per step']:.0f}", f"{r['s per epoch']:.1f}", of_released,
                     f"{alone / r['s per epoch']:.1f} x"])  # fmt: skip
    headers = ["way", "peer", "ms/step", "s/epoch", "faster than released", "faster than RecBole's SASRec"]
    table = tabulate(rows, headers=headers, tablefmt="github")
    lines = [
        f"# Seconds per training epoch on {options.dataset}",
        "",
        table,
        "",
        f"* SASRec with the named peer, N = {options.candidates}, batch {options.batch_size}, protocol `paper`.",
        f"* {about['machine']['processor']}, {options.threads} thread(s); "
        + ", ".join(f"{key} {about['versions'][key]}" for key in ("python", "torch", "numpy", "recbole"))
        + f"; commit {about['git']['commit'][:10] if about['git'] else 'none'}",
        "",
        f"![seconds per epoch]({name}.png)",
        "",
    ]
    (options.out / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
    print(table)
    draw(results, options.out / f"{name}.png")


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the seconds per epoch as bars on a logarithmic axis."""
    labels = [f"{r['way']}{', peer ' + r['peer'] if r['peer'] else ''}" for r in results]
    seconds = [r["s per epoch"] for r in results]
    with saved_figure(path, figsize=(8, 0.4 * len(results) + 1)) as axis:
        bars = axis.barh(labels, seconds, color=["C0" if label.startswith("ours") else "C7" for label in labels])
        axis.bar_label(bars, [f"{value:.1f}" for value in seconds], padding=3)
        axis.set(xscale="log", xlabel="seconds per epoch")
        axis.invert_yaxis()


if __name__ == "__main__":
    main()
