"""The cost of a training step of each objective against the size of the catalogue, with its optimiser and without.

    python benchmarks/speed/pool_costs.py --out benchmarks/results/speed/pools.md

SASRec with GRU4Rec where an objective trains two models, synthetic users. The objectives take turns: every round times
a few steps of each, and the medians count. The optimiser's share grows with the catalogue in every objective, because
Adam moves the whole table; an average of the weights (``ema_decay``) counts as a part of it.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from typing import Any

from provenance import Provenance, show_page
from step_phases import PhaseSeconds, now
from tabulate import tabulate
from usual_step import DATASET, parse_step, step_parser, synthetic_users

from recbole_mdcns import compat
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.quick_start import build_trainer
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml

#: Names of methods in ``properties/methods.yaml``; the first one is the measure of the others.
METHODS = ("mdcns", "mdcns_softmax", "ce", "mutual_ce")
SIZES = "12000,100000,1000000"
HEADERS = ("V", "method", "ms", "of mdcns", "ms without the optimiser", "of mdcns", "of its smallest V")


def main() -> None:
    """Measure the steps, and write the page."""
    parser = step_parser(__doc__)
    parser.add_argument("--sizes", default=SIZES, help="numbers of items, by commas")
    parser.add_argument("--methods", default=",".join(METHODS), help="by commas; the first is the measure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", default="", help="a line for the page, such as what else the machine was doing")
    options = parse_step(parser)
    known = {"mdcns": {}, **read_yaml(properties_dir() / "methods.yaml")}
    results = []
    for size in map(int, options.sizes.split(",")):
        with synthetic_users(options, {**options.usual, "V": size}) as keys:
            steps = {name: Steps({**known[name], **keys}, options) for name in options.methods.split(",")}
        for _ in range(options.rounds):
            for each in steps.values():
                each.take(options.steps)
        results += [{"V": size, "method": name, **each.medians()} for name, each in steps.items()]
        print(results[-len(steps) :], flush=True)
    provenance = Provenance.here()
    show_page(page(results, provenance, options), results, options.out, provenance)


class Steps:
    """The steps of one objective.

    Args:
        keys: The keys of its run.
        options: ``usual``, ``warm_up``.
    """

    def __init__(self, keys: dict[str, Any], options: argparse.Namespace):
        shared = {"use_gpu": False, "seed": 1, "peer_model": "GRU4Rec", "train_batch_size": options.usual["batch"]}
        config = MDCNSConfig("SASRec", DATASET, config_dict={**shared, **keys})
        _, splits = load_splits(config)
        self.trainer = build_trainer(config, dataset_of(splits["train"]))
        self.trainer.prepare(splits["train"])
        self.batches = self._batches()
        self.phases = PhaseSeconds()
        for optimizer in self.trainer.optimizers:
            self.phases.watch(optimizer, "step", "optimiser")
        self.phases.watch(self.trainer.loop.average, "update", "optimiser")
        self.ms: list[tuple[float, float]] = []  # of a step, and of its optimiser
        self.take(options.warm_up)
        self.ms.clear()

    def _batches(self) -> Iterator[Any]:
        while True:
            yield from self.trainer.batches

    def take(self, number: int) -> None:
        """Take and time some steps."""
        with compat.no_anomaly_mode():
            for each in self.trainer.scoring_models:
                each.model.train()
            for _ in range(number):
                before, began = self.phases.seconds["optimiser"], now()
                self.trainer.train_step(next(self.batches))
                spent = now() - began
                self.ms.append((1000 * spent, 1000 * (self.phases.seconds["optimiser"] - before)))

    def medians(self) -> dict[str, float]:
        """Return the median milliseconds of a step, and of a step without its optimiser."""
        return {
            "ms": statistics.median(whole for whole, _ in self.ms),
            "ms without": statistics.median(whole - optimiser for whole, optimiser in self.ms),
        }


def page(results: list[dict[str, Any]], provenance: Provenance, options: argparse.Namespace) -> str:
    """Return the page."""
    first = {each["V"]: each for each in reversed(results)}  # the first method of each size
    smallest = {each["method"]: each for each in reversed(results)}
    rows = []
    for each in results:
        measure = first[each["V"]]
        ratios = [f"{each[name] / measure[name]:.2f}" for name in ("ms", "ms without")]
        grown = f"{each['ms without'] / smallest[each['method']]['ms without']:.2f}"
        columns = [f"{each['ms']:.0f}", ratios[0], f"{each['ms without']:.0f}", ratios[1], grown]
        rows.append([f"{each['V']:,}", each["method"], *columns])
    lines = [
        "# What a step of each objective costs", "",
        f"SASRec, with GRU4Rec where an objective trains two models; synthetic users, {options.usual['batch']:,} "
        "targets a step. Keys of the methods: [methods.yaml](../../../properties/methods.yaml).", "",
        tabulate(rows, headers=HEADERS, tablefmt="github", disable_numparse=True), "",
        *([f"* {options.note}"] if options.note else []),
        f"* `{provenance.command_line}`", f"* {provenance.line('torch', 'recbole')}", "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
