"""The cost of a training epoch, side by side in one run: our batchings, the released step, and RecBole's SASRec alone.

    python benchmarks/speed/speed.py --dataset amazon-beauty --data_path DIR --peers GRU4Rec,Mamba4Rec --out FOLDER

Every variant runs in a separate process, and the variants take turns, --repetitions times; figures are medians over the
repetitions. For the slow variants a step is the median over --steps steps after --warm_up, and an epoch is this median
times the number of steps. The variants bucket and user run a whole epoch; with Mamba4Rec user also runs with
compile_scan. Phases are measured in a separate pass. Memory needs Linux; needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from own_process import measure_apart
from provenance import Provenance, write_results
from step_phases import STEP_PHASES, PhaseSeconds, now, peak, reset_peak
from tabulate import tabulate
from training_variants import (
    ALONE,
    ALONE_WITH_ANOMALY_DETECTION,
    OURS,
    RELEASED,
    build_variant,
    names_of_variants,
)

from recbole_mdcns.report.figure import require_matplotlib, saved_figure


def main() -> None:
    """Measure every variant, then write the tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="amazon-beauty")
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--model", default="SASRec", help="the self model")
    parser.add_argument("--peers", default="GRU4Rec", help="peers, by commas")
    parser.add_argument("--candidates", type=int, default=100, help="N")
    parser.add_argument("--batch_size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=0, help="processes of the released data loader")
    parser.add_argument("--gpu", action="store_true", help="train on the GPU")
    parser.add_argument("--warm_up", type=int, default=3, help="steps before any is measured")
    parser.add_argument("--steps", type=int, default=5, help="measured steps of the slow variants")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--same_process", action="store_true", help="quick, for a look: memory is then of all so far")
    parser.add_argument("--out", type=Path, help="folder of the results; without, the table is only printed")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "PEER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one or options.same_process:
        torch.set_num_threads(options.threads)
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")  # RecBole's own
    if options.one:
        print(json.dumps(measure(options, *options.one)))
        return
    if options.out:
        require_matplotlib()
    variants = names_of_variants(options.model, options.peers.split(","))
    results: dict[tuple[str, str], list[dict[str, Any]]] = {variant: [] for variant in variants}
    for repetition in range(options.repetitions):
        for variant in variants:
            if options.same_process:
                result = measure(options, *variant)
            else:
                result = measure_apart(__file__, [*sys.argv[1:], "--one", *variant])
            results[variant].append(result)
            print(f"{repetition + 1}: {', '.join(filter(None, variant))}: {result['s per epoch']:.1f} s per epoch")
    report(options, [_median(repeated) for repeated in results.values()])


def measure(options: argparse.Namespace, name: str, peer: str) -> dict[str, Any]:
    """Measure a variant in this process: warm-up, time, then phases, evaluation and memory."""
    with torch.autograd.set_detect_anomaly(name == ALONE_WITH_ANOMALY_DETECTION):
        variant = build_variant(options, name, peer)
        whole = variant.needs_whole_epoch
        limit = None if whole else options.warm_up + options.steps
        before = reset_peak()
        variant.run(options.warm_up)
        seconds = variant.run(limit)
        memory = peak() - before
        step = statistics.median(seconds if whole else seconds[options.warm_up :])
        epoch = sum(seconds) if whole else step * variant.step_num
        phases = PhaseSeconds()
        variant.watch(phases)
        watched = variant.run(limit)
        scale = variant.step_num / len(watched)
        by_phase = {phase: phases.seconds[phase] * scale for phase in STEP_PHASES if phase in phases.seconds}
        # RecBole has no separate method for the backward pass.
        rest = "backward" if name in (ALONE, ALONE_WITH_ANOMALY_DETECTION) else "batches"
        by_phase[rest] = sum(watched) * scale - sum(by_phase.values())
        evaluation = None
        if variant.evaluate:
            variant.evaluate()
            started = now()
            variant.evaluate()
            evaluation = now() - started
    return {
        "way": name, "peer": peer, "steps": variant.step_num, "targets": variant.target_num,
        "ms per step": 1000 * step, "s per epoch": epoch, "targets per s": variant.target_num / epoch,
        "MiB of a step": memory / 2**20, "MiB of the process": peak() / 2**20,
        "s of parts": by_phase, "s of evaluation": evaluation,
    }  # fmt: skip


def _median(results: Sequence[Any]) -> Any:
    """Return the median of numbers, of each entry where they are in dictionaries, and what is the same otherwise."""
    first = results[0]
    if isinstance(first, dict):
        return {key: _median([result[key] for result in results]) for key in first}
    return first if first is None or isinstance(first, str) else statistics.median(results)


def report(options: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    """Print the tables; with ``--out``, write them with the figure and the JSON they come from."""
    torch.set_num_threads(options.threads)  # what is described, and what was measured
    provenance = Provenance.here("cuda" if options.gpu else "cpu")
    name = f"{options.dataset}-{options.threads}-threads" + ("-gpu" if options.gpu else "")
    text = "\n".join([
        f"# What a training epoch costs on {options.dataset}", "", overview(results), "",
        "Seconds of an epoch by part (choosing negatives is under scoring and losses):", "",
        table_of_phases(results), "",
        f"* {options.model} with the named peer, N = {options.candidates}, batch {options.batch_size}, protocol "
        f"`paper`; medians of {options.repetitions} processes.",
        "* MiB of a step: highest resident memory while training less that before, weights' gradients and optimiser "
        "states included; MiB of the process: with data and libraries.",
        f"* {provenance.line('torch', 'numpy', 'recbole')}",
        "", f"![seconds per epoch]({name}.png)", "",
    ])  # fmt: skip
    print(text)
    if options.out:
        write_results(options.out / f"{name}.json", {"results": results}, provenance)
        (options.out / f"{name}.md").write_text(text, encoding="utf-8")
        draw(results, options.out / f"{name}.png")


def overview(results: list[dict[str, Any]]) -> str:
    """Return a table of seconds, targets per second, ratios and memory."""
    alone = next(r["targets per s"] for r in results if r["way"] == ALONE)
    yardstick = {r["peer"]: r["s per epoch"] for r in results if r["way"] == RELEASED}
    rows = []
    for r in results:
        base = yardstick.get(r["peer"])
        rows.append([
            _label(r), f"{r['ms per step']:.0f}", f"{r['s per epoch']:.1f}", f"{r['targets per s']:,.0f}",
            f"{base / r['s per epoch']:.1f} x" if base else "", f"{r['targets per s'] / alone:.1f} x",
            f"{r['MiB of a step']:.0f}", f"{r['MiB of the process']:.0f}",
        ])  # fmt: skip
    headers = ["way", "ms/step", "s/epoch", "targets/s", "faster than released", "targets/s of RecBole's SASRec",
               "MiB of a step", "MiB of the process"]  # fmt: skip
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def table_of_phases(results: list[dict[str, Any]]) -> str:
    """Return a table of the seconds of an epoch in each phase, and of evaluating the validation part."""
    rows = []
    for r in results:
        seconds = [r["s of parts"].get(phase) for phase in STEP_PHASES] + [r["s of evaluation"]]
        rows.append([_label(r), *("" if value is None else f"{value:.2f}" for value in seconds)])
    return tabulate(rows, headers=["way", *STEP_PHASES, "evaluation"], tablefmt="github", disable_numparse=True)


def _label(result: dict[str, Any]) -> str:
    ours = f"ours, {result['way']}" if result["way"] in OURS else result["way"]
    return f"{ours}, peer {result['peer']}" if result["peer"] else ours


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the seconds per epoch as bars on a logarithmic axis."""
    labels, seconds = [_label(r) for r in results], [r["s per epoch"] for r in results]
    with saved_figure(path, figsize=(8, 0.4 * len(results) + 1)) as axis:
        bars = axis.barh(labels, seconds, color=["C0" if label.startswith("ours") else "C7" for label in labels])
        axis.bar_label(bars, [f"{value:.1f}" for value in seconds], padding=3)
        axis.set(xscale="log", xlabel="seconds per epoch")
        axis.invert_yaxis()


if __name__ == "__main__":
    main()
