"""The memory that large item tables need in training, with and without ``lazy_items``, by one and by two processes.

    python benchmarks/speed/large_tables.py --out benchmarks/results/large_tables.md

SASRec with GRU4Rec, Adam, synthetic users. Every case runs in separate processes. The peak is what one process needs
above its loaded data: models, gradients, moments, buffers between processes, and the step itself. A case that does not
fit into the memory is measured with fewer dimensions; the page says so, and computes the usual number from the formula.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock

import psutil
import torch.distributed as dist
from own_process import measure_apart
from peak_above import peak_above
from provenance import Provenance, show_page
from synthetic import write_equal_users
from tabulate import tabulate

from recbole_mdcns import compat
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.parallel.group import Group
from recbole_mdcns.parallel.processes import met, started
from recbole_mdcns.quick_start import build_trainer

DATASET, MODEL_NUM = "made", 2
#: Items that occur in histories; pools are drawn from all items.
TAKEN = 2000
HEADERS = ("items", "processes", "lazy_items", "tables", "dimensions", "measured GiB", "computed GiB", "s of a step",
           "computed GiB, usual dimensions")  # fmt: skip


def tables_of(is_lazy: bool, process_num: int) -> float:
    """Return how many copies of its item table each of the two models needs at the peak.

    Always the weights and Adam's two moments. Without ``lazy_items`` also the dense gradient; it is the sum of two
    parts, from histories and from pools, of which the second is there for one model at a time. Several processes have
    a buffer in which DistributedDataParallel adds their gradients.
    """
    return 3 if is_lazy else 4.5 + (process_num > 1)


def gib(item_num: int, dimensions: int, table_num: float) -> float:
    """Return the GiB of item tables of all models."""
    return item_num * dimensions * 4 * table_num * MODEL_NUM / 2**30


def main() -> None:
    """Measure every case, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", default="1000000,10000000", help="by commas")
    parser.add_argument("--processes", default="1,2", help="by commas")
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=1024)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--limit", type=float, help="GiB that a case may take; the default is half of what is free")
    parser.add_argument("--out", type=Path, help="file of the page; without, it is only printed")
    parser.add_argument("--note", default="", help="a line for the page")
    parser.add_argument("--same_process", action="store_true", help="measure in this process, for one process only")
    parser.add_argument("--case", nargs=4, metavar=("DATA", "ITEMS", "DIMENSIONS", "LAZY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(map(int, options.items.split(","))) < TAKEN:
        parser.error(f"--items are at least {TAKEN} each")
    logging.disable(logging.WARNING)
    if options.case:
        data, items, dimensions, lazy = options.case
        with met() as store:
            group = started(store, "gloo", "cpu")
            result = measure(options, data, int(items), int(dimensions), lazy == "True", group)
            if group.is_first:
                print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as data:
        write_equal_users(Path(data), DATASET, 2000, 20, TAKEN)
        results = [
            measured_apart(options, data, int(items), int(processes), lazy)
            for items in options.items.split(",")
            for processes in options.processes.split(",")
            for lazy in (False, True)
        ]
    provenance = Provenance.here()
    show_page(page(results, provenance, options), results, options.out, provenance)


def measured_apart(
    options: argparse.Namespace, data: str, item_num: int, process_num: int, is_lazy: bool
) -> dict[str, Any]:
    """Measure a case in processes of its own, with the most dimensions that fit."""
    limit = options.limit or psutil.virtual_memory().available / 2**30 / 2
    dimensions, tables = options.dimensions, tables_of(is_lazy, process_num)
    while dimensions > 4 and gib(item_num, dimensions, tables) * process_num > limit:
        dimensions //= 2
    case: dict[str, Any] = {"items": item_num, "processes": process_num, "lazy": is_lazy, "dimensions": dimensions}
    if options.same_process:
        return {**case, **measure(options, data, item_num, dimensions, is_lazy, Group())}
    arguments = [f"--{key}={getattr(options, key)}" for key in ("batch_size", "candidates", "steps")]
    arguments += ["--case", data, str(item_num), str(dimensions), str(is_lazy)]
    result = {**case, **measure_apart(__file__, arguments, process_num=process_num)}
    print(json.dumps(result), flush=True)
    return result


def measure(
    options: argparse.Namespace, data: str, item_num: int, dimensions: int, is_lazy: bool, group: Group
) -> dict[str, float]:
    """Return the peak MiB of the process that needs the most, and the seconds of the last step."""
    keys = {"data_path": data, "use_gpu": False, "peer_model": "GRU4Rec", "lazy_items": is_lazy, "seed": 1}
    keys |= {"train_batch_size": options.batch_size, "neg_candidate_num": options.candidates}
    sizes = {"hidden_size": dimensions, "embedding_size": dimensions, "inner_size": 4 * dimensions}
    config = MDCNSConfig("SASRec", DATASET, config_dict={**keys, **sizes})
    _, splits = load_splits(config)
    spent = []

    def train() -> None:
        trainer = build_trainer(config, dataset_of(splits["train"]))
        trainer.prepare(splits["train"])
        for _, batch in zip(range(options.steps), trainer.batches):
            began = perf_counter()
            trainer.train_step(batch)
            spent.append(perf_counter() - began)

    usual = HistoryDataset.num

    def num(dataset: HistoryDataset, field: str) -> int:
        return item_num + 1 if field == dataset.iid_field else usual(dataset, field)

    with mock.patch.object(HistoryDataset, "num", num), compat.no_anomaly_mode():
        own = peak_above(train)["MiB"]
    everyone = [own]
    if group.size > 1:
        everyone = [0.0] * group.size
        dist.all_gather_object(everyone, own)
    return {"MiB": max(everyone), "s": spent[-1]}


def page(results: list[dict[str, Any]], provenance: Provenance, options: argparse.Namespace) -> str:
    """Return the page."""
    rows = []
    for each in results:
        items, dimensions = each["items"], each["dimensions"]
        tables = tables_of(each["lazy"], each["processes"])
        whole = gib(items, options.dimensions, tables)
        row = [f"{items:,}", each["processes"], "yes" if each["lazy"] else "", f"{tables:g}", dimensions]
        rows.append(
            [
                *row,
                f"{each['MiB'] / 1024:.2f}",
                f"{gib(items, dimensions, tables):.2f}",
                f"{each['s']:.2f}",
                f"{whole:.1f}",
            ]
        )
    lines = [
        "# The memory of large item tables", "",
        f"SASRec with GRU4Rec, Adam, batches of {options.batch_size}, {options.candidates} candidates; gloo on CPUs. "
        f"The peak of a process above its loaded data, and what the tables alone need: items x dimensions x 4 bytes x "
        f"tables x {MODEL_NUM} models. The usual dimensions are {options.dimensions}; a case that would not fit into "
        "the memory was measured with fewer, and its last column is computed, not measured.", "",
        tabulate(rows, headers=HEADERS, tablefmt="github", disable_numparse=True), "",
        "* Tables of a model at the peak: weights and two moments; without `lazy_items` a dense gradient, and half of "
        "another one (it is a sum of two parts, for one of the two models at a time); with several processes the "
        "buffer that DistributedDataParallel adds gradients in. The rest of the measured figure is the step itself.",
        f"* Histories hold the first {TAKEN:,} items, and pools are drawn from all. Names of items, which real data "
        "add, are not counted.",
        *([f"* {options.note}"] if options.note else []),
        f"* `{provenance.command_line}`", f"* {provenance.line('torch', 'recbole')}", "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
