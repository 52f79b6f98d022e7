"""The gain of the special kernels of a step and of a validation over their plain forms.

    python benchmarks/speed/speed_kernels.py --out benchmarks/results/speed

Both forms run in turns in one process; figures are medians of the rounds after warm-up. ``selective_scan.py`` measures
the selective scan.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from provenance import Provenance, write_results
from recbole.evaluator import Collector
from recbole.model.layers import FeedForward
from released_step import draw_candidates
from tabulate import tabulate
from torch import Tensor, nn
from usual_step import DATASET, parse_step, step_parser, synthetic_users

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.evaluation.collector import RankCollector
from recbole_mdcns.kernels.causal_conv import causal_convolution
from recbole_mdcns.kernels.full_softmax import mean_cross_entropy
from recbole_mdcns.kernels.layers import fuse_layers
from recbole_mdcns.kernels.pool_scores import pool_scores
from recbole_mdcns.losses.full_softmax import cross_entropy
from recbole_mdcns.negatives.draws.pool import CandidateSampler
from recbole_mdcns.quick_start import build_model


def main() -> None:
    """Measure the kernels, then write the table."""
    options = parse_step(step_parser(__doc__))
    of_entropy = [cross_entropy_ms, *([chunked_cross_entropy_ms] if hasattr(F, "linear_cross_entropy") else [])]
    measured = [sampling_ms, scoring_ms, *of_entropy, activation_ms, dropout_ms, convolution_ms, ranking_ms]
    kernels = [kernel(options) for kernel in measured]
    kernels += [last_block_ms(options, name) for name in ("FMLP4Rec", "LinRec")]
    provenance = Provenance.here()
    text = "\n".join([
        "# What special kernels gain", "", tabulate(kernels, headers="keys", tablefmt="github", floatfmt=".1f"), "",
        f"* `{provenance.command_line}`; medians of {options.steps} rounds",
        f"* {provenance.line('torch', 'numpy', 'recbole')}", "",
    ])  # fmt: skip
    print(text)
    write_results(options.out / "kernels.json", {"kernels": kernels}, provenance)
    (options.out / "kernels.md").write_text(text, encoding="utf-8")


def sampling_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Draw the pools of a batch with histories of 8 on average: all rows at once, and row by row as released."""
    size = {**options.usual, "L": 8}
    with synthetic_users(options, size) as keys:
        _, splits = load_splits(MDCNSConfig("SASRec", DATASET, config_dict={**keys, "protocol": "paper"}))
    data = dataset_of(splits["train"])
    sampler = CandidateSampler(data, size["N"], 0, torch.device("cpu"))
    loader = TargetLoader(data, size["batch"], "row", False, torch.Generator().manual_seed(0), torch.device("cpu"))
    batch = next(iter(loader))
    ranges = zip(batch.history_start.tolist(), batch.history_end.tolist(), batch.target.tolist())
    rows = [(data.history.items[start:end].tolist(), target) for start, end, target in ranges]

    def plain() -> None:
        for seen, target in rows:
            draw_candidates(data.item_num, seen, target, size["N"])

    name = f"sampling {size['batch']} pools of {size['N']} from {size['V']:,} items"
    return _in_turns(options, name, lambda: sampler.sample(batch), plain)


def scoring_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Score the pools of a usual batch and go back to both gradients: ours, and the broadcast product."""
    rows, columns, items = options.usual["batch"], 1 + options.usual["N"], options.usual["V"]
    torch.manual_seed(0)
    table, encoding = (torch.randn(number, 64, requires_grad=True) for number in (items + 1, rows))
    pools, grad = torch.randint(1, items, (rows, columns)), torch.randn(rows, columns)

    def both_ways(scores: Callable[[], Tensor]) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(scores(), (encoding, table), grad)

    ours_form = both_ways(lambda: pool_scores(encoding, table, pools))
    plain_form = both_ways(lambda: (encoding[:, None] * F.embedding(pools, table)).sum(-1))
    return _in_turns(options, f"scoring {rows} x {columns}, H 64, forward and backward", ours_form, plain_form)


def cross_entropy_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Take the cross-entropy over all items and its gradients: some rows at a time, and from the matrix of scores."""
    return _cross_entropy_ms(
        options, "", lambda encoding, table, target: cross_entropy(encoding @ table.T, target).mean()
    )


def chunked_cross_entropy_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Take the cross-entropy over all items and its gradients: ours, and torch's own without the matrix of scores."""
    chunks = torch.nn.LinearCrossEntropyOptions()
    return _cross_entropy_ms(
        options,
        ", against torch's linear_cross_entropy in chunks",
        lambda encoding, table, target: F.linear_cross_entropy(encoding, table[1:], target - 1, options=chunks),
    )


def _cross_entropy_ms(options: argparse.Namespace, against: str, plain: Callable[..., Tensor]) -> dict[str, Any]:
    rows, items = options.usual["batch"], options.usual["V"]
    torch.manual_seed(0)
    table, encoding = (torch.randn(number, 64, requires_grad=True) for number in (items + 1, rows))
    target = torch.randint(1, items, (rows,))

    def both_ways(loss: Callable[..., Tensor]) -> Callable[[], Any]:
        return lambda: torch.autograd.grad(loss(encoding, table, target), (encoding, table))

    name = f"cross-entropy of {rows} over {items:,} items, forward and backward{against}"
    return _in_turns(options, name, both_ways(mean_cross_entropy), both_ways(plain))


def activation_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Run a feed-forward layer forward and backward: with torch's GELU, and with RecBole's own."""
    plain = FeedForward(64, 256, 0.5, "gelu", 1e-12)
    ours_form = copy.deepcopy(plain)
    fuse_layers(ours_form)
    rows, length = options.usual["batch"], options.usual["L"]
    states = torch.randn(rows, length, 64, requires_grad=True)
    name = f"feed-forward of {rows} x {length} states, H 64, inner 256, forward and backward"
    return _in_turns(
        options, name, *(lambda layer=layer: layer(states).sum().backward() for layer in (ours_form, plain))
    )


def dropout_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Drop half of the states of a step by user forward and backward: four decisions a random number, and one."""
    plain = nn.Dropout(0.5)
    quick = nn.Sequential(copy.deepcopy(plain))
    fuse_layers(quick)
    states = torch.randn(options.usual["batch"], 64, requires_grad=True)
    forms = (lambda layer=layer: layer(states).sum().backward() for layer in (quick, plain))
    return _in_turns(options, f"dropout of {len(states)} states, H 64, forward and backward", *forms)


def convolution_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Convolve the channels of Mamba4Rec forward and backward: tap by tap, and by torch's Conv1d."""
    conv = nn.Conv1d(128, 128, 4, groups=128, padding=3)
    assert conv.bias is not None
    bias, x = conv.bias, torch.randn(50, 20, 128, requires_grad=True)

    def plain() -> Tensor:
        return conv(x.transpose(1, 2))[..., : x.size(1)].transpose(1, 2)

    return _in_turns(
        options,
        "convolution of 50 x 20 positions, 128 channels, forward and backward",
        lambda: causal_convolution(x, conv.weight, bias).sum().backward(),
        lambda: plain().sum().backward(),
    )


def ranking_ms(options: argparse.Namespace) -> dict[str, Any]:
    """Find the places of the targets of a batch: by counting higher scores, and by RecBole's collector."""
    rows, items = options.usual["batch"], options.usual["V"]
    torch.manual_seed(0)
    scores, target = torch.randn(rows, items + 1), torch.randint(1, items, (rows,))
    row_numbers, config = torch.arange(rows), MDCNSConfig("SASRec", "ml-100k")

    def ranked(collector: Collector) -> Callable[[], Any]:
        return lambda: collector.eval_batch_collect(scores, None, row_numbers, target)

    ours_form, plain_form = ranked(RankCollector(config)), ranked(Collector(config))
    return _in_turns(options, f"ranking {rows} targets among {items:,} items", ours_form, plain_form)


def last_block_ms(options: argparse.Namespace, model: str) -> dict[str, Any]:
    """Encode a batch of rows forward and backward: the last block at one position, and at all."""
    size = options.usual
    with synthetic_users(options, size) as keys:
        config = MDCNSConfig(model, DATASET, config_dict={**keys, "protocol": "paper"})
        _, splits = load_splits(config)
    network: Any = build_model(config, dataset_of(splits["train"]))
    items = torch.randint(1, size["V"], (size["batch"], size["L"]))
    length = torch.randint(1, size["L"] + 1, (size["batch"],))

    def plain() -> None:
        states = network.embedded(items)
        for mixer, feed_forward in zip(network.mixers, network.feed_forwards):
            states = feed_forward(mixer(states))
        network.gather_indexes(states, length - 1).sum().backward()

    name = f"{model} of {size['batch']} rows, forward and backward"
    return _in_turns(options, name, lambda: network(items, length).sum().backward(), plain)


def _in_turns(options: argparse.Namespace, name: str, *forms: Callable[[], Any]) -> dict[str, Any]:
    seconds: list[list[float]] = [[] for _ in forms]
    for _ in range(options.warm_up + options.steps):
        for form, of_form in zip(forms, seconds):
            started = time.perf_counter()
            form()
            of_form.append(time.perf_counter() - started)
    fast, plain = (1000 * statistics.median(of_form[options.warm_up :]) for of_form in seconds)
    return {"kernel": name, "ours ms": fast, "plain ms": plain, "ratio": plain / fast}


if __name__ == "__main__":
    main()
