"""What a training epoch costs, side by side in one run: our batchings, the released step, and RecBole's SASRec alone.

    python benchmarks/speed.py --dataset amazon-beauty --data_path DIR --peers GRU4Rec,Mamba4Rec --out FOLDER

Every way runs in a process of its own, in turns, as often as --repetitions says; figures are medians over these.
A step of the slow ways is the median over --steps after --warm_up, an epoch of theirs that times its number of steps;
bucket and user run a whole epoch, the latter with Mamba4Rec also with compile_scan. Parts are measured in a pass of
their own. Memory needs Linux; needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from ways import ALONE, AS_IT_COMES, OURS, PARTS, RELEASED, measure, names

from recbole_mdcns.records.environment import git_state, machine, versions
from recbole_mdcns.report.figure import require_matplotlib, saved_figure


def main() -> None:
    """Measure every way, then write the tables and the figure."""
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
    parser.add_argument("--steps", type=int, default=5, help="measured steps of the slow ways")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, help="folder of the results; without, the table is only printed")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "PEER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(options.threads)
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")  # RecBole's own
        print(json.dumps(measure(options, *options.one)))
        return
    if options.out:
        require_matplotlib()
    peers = options.peers.split(",")
    ways = [(way, peer) for peer in peers for way in names(options.model, peer)] + [(ALONE, ""), (AS_IT_COMES, "")]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {way: [] for way in ways}
    for repetition in range(options.repetitions):
        for way in ways:
            command = [sys.executable, __file__, *sys.argv[1:], "--one", *way]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
            found[way].append(json.loads(output.splitlines()[-1]))
            print(f"{repetition + 1}: {', '.join(filter(None, way))}: {found[way][-1]['s per epoch']:.1f} s per epoch")
    report(options, [_median(results) for results in found.values()])


def _median(results: Sequence[Any]) -> Any:
    """Return the median of numbers, of each entry where they are in dictionaries, and what is the same otherwise."""
    first = results[0]
    if isinstance(first, dict):
        return {key: _median([result[key] for result in results]) for key in first}
    return first if first is None or isinstance(first, str) else statistics.median(results)


def report(options: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    """Print the tables; with ``--out``, write them with the figure and the JSON they come from."""
    described = {"machine": machine(torch.device("cuda" if options.gpu else "cpu")), "versions": versions()}
    about = {**described, "git": git_state(), "command": ["python", *sys.argv]}
    machine_name = about["machine"].get("gpu", f"{about['machine']['processor']}, {options.threads} thread(s)")
    name = f"{options.dataset}-{options.threads}-threads" + ("-gpu" if options.gpu else "")
    text = "\n".join([
        f"# What a training epoch costs on {options.dataset}", "", overview(results), "",
        "Seconds of an epoch by part (choosing negatives is under scoring and losses):", "",
        of_parts(results), "",
        f"* {options.model} with the named peer, N = {options.candidates}, batch {options.batch_size}, protocol "
        f"`paper`; medians of {options.repetitions} processes.",
        "* MiB of a step: highest resident memory while training less that before, weights' gradients and optimiser "
        "states included; MiB of the process: with data and libraries.",
        f"* {machine_name}; "
        + ", ".join(f"{key} {about['versions'][key]}" for key in ("python", "torch", "numpy", "recbole"))
        + f"; commit {about['git']['commit'][:10] if about['git'] else 'none'}",
        "", f"![seconds per epoch]({name}.png)", "",
    ])  # fmt: skip
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"results": results, **about}, indent=1)
        (options.out / f"{name}.json").write_text(content + "\n", encoding="utf-8")
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


def of_parts(results: list[dict[str, Any]]) -> str:
    """Return a table of the seconds of an epoch in each part, and of evaluating the validation part."""
    rows = []
    for r in results:
        seconds = [r["s of parts"].get(part) for part in PARTS] + [r["s of evaluation"]]
        rows.append([_label(r), *("" if value is None else f"{value:.2f}" for value in seconds)])
    return tabulate(rows, headers=["way", *PARTS, "evaluation"], tablefmt="github", disable_numparse=True)


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
