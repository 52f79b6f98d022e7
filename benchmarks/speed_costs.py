"""What a training step costs against N, L, V and the batch size, and what its special kernels gain.

    python benchmarks/speed_costs.py --out benchmarks/results/speed

Synthetic users, SASRec with GRU4Rec, one of the four changed at a time. Every figure is the median of the steps after
warm-up; kernels are measured in turns with their plain forms. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from figure import saved_figure
from recbole.model.layers import FeedForward
from released_step import draw_candidates
from tabulate import tabulate
from torch import Tensor
from ways import ours

from recbole_mdcns import compat
from recbole_mdcns.config import MDCNSConfig
from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.load import load_splits
from recbole_mdcns.full_softmax import mean_cross_entropy
from recbole_mdcns.listwise import cross_entropy
from recbole_mdcns.model.fused import fuse_layers
from recbole_mdcns.quick_start import build_model
from recbole_mdcns.record import git_state, machine, versions
from recbole_mdcns.sampler.candidates import CandidateSampler
from recbole_mdcns.scoring import pool_scores

#: The usual size of each, and the sizes measured.
USUAL = {"N": 100, "L": 50, "V": 12_000, "batch": 1024}
SIZES = {
    "N": [10, 30, 100, 300, 1000],
    "L": [10, 20, 50, 100, 200],
    "V": [12_000, 100_000, 1_000_000],
    "batch": [256, 1024, 4096],
}


def main() -> None:
    """Measure the steps and the kernels, then write the tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--warm_up", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    steps = [
        {"changed": name, "size": size, "lazy": lazy, "ms": step_ms(options, {**USUAL, name: size}, lazy)}
        for name, sizes in SIZES.items()
        for size in sizes
        for lazy in ((False, True) if name == "V" else (False,))
    ]
    for step in steps:
        print(step)
    kernels = [kernel(options) for kernel in (sampling_ms, scoring_ms, cross_entropy_ms, activation_ms)]
    kernels += [last_block_ms(options, name) for name in ("FMLP4Rec", "LinRec")]
    report(options, steps, kernels)


def step_ms(options: argparse.Namespace, size: dict[str, int], lazy: bool) -> float:
    """Return the milliseconds of a step in mode ``user``."""
    with made(options, size) as keys:
        sizes = {"candidates": size["N"], "batch_size": size["batch"], "data_path": keys["data_path"]}
        asked = argparse.Namespace(model="SASRec", dataset="made", gpu=False, **sizes)
        way = ours(asked, "GRU4Rec", "user", lazy_items=lazy, **keys)
    with compat.no_anomaly_mode():
        return 1000 * statistics.median(way.run(options.warm_up + options.steps)[options.warm_up :])


@contextlib.contextmanager
def made(options: argparse.Namespace, size: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Write users of 2 L items each, and give the keys to read them."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "made"
        data.mkdir()
        users = max(options.users, -(-size["V"] // (2 * size["L"])))
        items = np.random.default_rng(0).integers(size["V"], size=(users, 2 * size["L"]))
        items.flat[: size["V"]] = np.arange(size["V"])  # every item occurs
        table = ["user_id:token\titem_id:token\ttimestamp:float"]
        table += [f"{user}\t{item}\t{t}" for user, row in enumerate(items.tolist()) for t, item in enumerate(row)]
        (data / "made.inter").write_text("\n".join(table) + "\n")
        yield {"data_path": folder, "MAX_ITEM_LIST_LENGTH": size["L"]}


def sampling_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Draw the pools of a batch with histories of 8 on average: all rows at once, and row by row as released."""
    with made(options, {**USUAL, "L": 8}) as keys:
        _, splits = load_splits(MDCNSConfig("SASRec", "made", config_dict={**keys, "protocol": "paper"}))
    data = splits["train"]._dataset
    sampler = CandidateSampler(data, USUAL["N"], 0, torch.device("cpu"))
    loader = TargetLoader(data, USUAL["batch"], "row", False, torch.Generator().manual_seed(0), torch.device("cpu"))
    batch = next(iter(loader))
    ranges = zip(batch.history_start.tolist(), batch.history_end.tolist(), batch.target.tolist())
    rows = [(data.history.items[start:end].tolist(), target) for start, end, target in ranges]

    def plain() -> None:
        for seen, target in rows:
            draw_candidates(data.item_num, seen, target, USUAL["N"])

    return _in_turns(options, "sampling 1024 pools of 100 from 12,000 items", lambda: sampler.sample(batch), plain)


def scoring_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Score the pools of a usual batch and go back to both gradients: ours, and the broadcast product."""
    shape = (USUAL["batch"], 1 + USUAL["N"])
    torch.manual_seed(0)
    table, encoding = (torch.randn(number, 64, requires_grad=True) for number in (USUAL["V"] + 1, shape[0]))
    items, grad = torch.randint(1, USUAL["V"], shape), torch.randn(shape)

    def both_ways(scores: Callable[[], Tensor]) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(scores(), (encoding, table), grad)

    ours_form = both_ways(lambda: pool_scores(encoding, table, items))
    plain_form = both_ways(lambda: (encoding[:, None] * F.embedding(items, table)).sum(-1))
    return _in_turns(options, "scoring 1024 x 101, H 64, forward and backward", ours_form, plain_form)


def cross_entropy_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Take the cross-entropy over all items and its gradients: some rows at a time, and from the matrix of scores."""
    torch.manual_seed(0)
    table, encoding = (torch.randn(number, 64, requires_grad=True) for number in (USUAL["V"] + 1, USUAL["batch"]))
    target = torch.randint(1, USUAL["V"], (USUAL["batch"],))

    def both_ways(loss: Callable[[], Tensor]) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(loss(), (encoding, table))

    ours_form = both_ways(lambda: mean_cross_entropy(encoding, table, target))
    plain_form = both_ways(lambda: cross_entropy(encoding @ table.T, target).mean())
    return _in_turns(options, "cross-entropy of 1024 over 12,000 items, forward and backward", ours_form, plain_form)


def activation_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Run a feed-forward layer forward and backward: with torch's GELU, and with RecBole's own."""
    plain = FeedForward(64, 256, 0.5, "gelu", 1e-12)
    ours_form = copy.deepcopy(plain)
    fuse_layers(ours_form)
    states = torch.randn(USUAL["batch"], USUAL["L"], 64, requires_grad=True)
    name = "feed-forward of 1024 x 50 states, H 64, inner 256, forward and backward"
    return _in_turns(
        options, name, *(lambda layer=layer: layer(states).sum().backward() for layer in (ours_form, plain))
    )


def last_block_ms(options: argparse.Namespace, model: str) -> dict[str, Any]:
    """Encode a batch of rows forward and backward: the last block at one position, and at all."""
    with made(options, USUAL) as keys:
        config = MDCNSConfig(model, "made", config_dict={**keys, "protocol": "paper"})
        _, splits = load_splits(config)
    network = build_model(config, splits["train"]._dataset)
    items = torch.randint(1, USUAL["V"], (USUAL["batch"], USUAL["L"]))
    length = torch.randint(1, USUAL["L"] + 1, (USUAL["batch"],))

    def plain() -> None:
        states = network.embedded(items)
        for mixer, feed_forward in zip(network.mixers, network.feed_forwards):
            states = feed_forward(mixer(states))
        network.gather_indexes(states, length - 1).sum().backward()

    return _in_turns(
        options, f"{model} of 1024 rows, forward and backward", lambda: network(items, length).sum().backward(), plain
    )


def _in_turns(options: argparse.Namespace, name: str, *forms: Callable[[], Any]) -> dict[str, Any]:
    seconds: list[list[float]] = [[] for _ in forms]
    for _ in range(options.warm_up + options.steps):
        for form, found in zip(forms, seconds):
            started = time.perf_counter()
            form()
            found.append(time.perf_counter() - started)
    fast, plain = (1000 * statistics.median(found[options.warm_up :]) for found in seconds)
    return {"kernel": name, "ours ms": fast, "plain ms": plain, "ratio": plain / fast}


def report(options: argparse.Namespace, steps: list[dict[str, Any]], kernels: list[dict[str, Any]]) -> None:
    """Write JSON, tables and figure."""
    about = {"machine": machine(torch.device("cpu")), "versions": versions(), "git": git_state()}
    usual = {name: next(s["ms"] for s in steps if s["changed"] == name and s["size"] == USUAL[name]) for name in SIZES}
    rows = [
        [s["changed"], f"{s['size']:,}", "yes" if s["lazy"] else "", f"{s['ms']:.0f}",
         f"{s['ms'] / usual[s['changed']]:.2f}"]
        for s in steps
    ]  # fmt: skip
    headers = ["changed", "size", "lazy_items", "ms/step", "of the usual"]
    table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
    of_kernels = tabulate(kernels, headers="keys", tablefmt="github", floatfmt=".1f")
    text = "\n".join([
        "# What a step costs", "",
        "SASRec with GRU4Rec, batching `user`, synthetic users of 2 L items; usually "
        + ", ".join(f"{name} = {size:,}" for name, size in USUAL.items()) + ".", "",
        table, "", of_kernels, "",
        f"* `python {' '.join(sys.argv)}`; medians of {options.steps} steps",
        f"* {about['machine']['processor']}, {options.threads} thread(s); "
        + ", ".join(f"{key} {about['versions'][key]}" for key in ("python", "torch", "numpy", "recbole"))
        + f"; commit {about['git']['commit'][:10] if about['git'] else 'none'}",
        "", "![cost of a step](costs.png)", "",
    ])  # fmt: skip
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"steps": steps, "kernels": kernels, **about}, indent=1)
    (options.out / "costs.json").write_text(content + "\n", encoding="utf-8")
    (options.out / "costs.md").write_text(text, encoding="utf-8")
    with saved_figure(options.out / "costs.png", ncols=len(SIZES), figsize=(12, 3)) as axes:
        for axis, name in zip(axes, SIZES):
            for lazy in (False, True):
                line = [(s["size"], s["ms"]) for s in steps if s["changed"] == name and s["lazy"] == lazy]
                if line:
                    axis.plot(*zip(*line), "o-", label="lazy_items" if lazy else "usual")
            axis.set(xscale="log", yscale="log", xlabel=name, ylabel="ms per step" if axis is axes[0] else "")
            axis.grid(alpha=0.3)
        axes[2].legend(fontsize=7)


if __name__ == "__main__":
    main()
