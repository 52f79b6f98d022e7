"""The cost of a training step by N, L, V and the batch size.

    python benchmarks/speed/speed_costs.py --out benchmarks/results/speed

Synthetic users, SASRec with GRU4Rec, one of the four changed at a time. Every figure is the median of the steps after
warm-up. ``speed_kernels.py`` measures the gain of the special kernels. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from provenance import Provenance, write_results
from tabulate import tabulate
from training_variants import build_ours
from usual_step import DATASET, parse_step, step_parser, synthetic_users

from recbole_mdcns import compat
from recbole_mdcns.report.figure import require_matplotlib, saved_figure

#: The sizes measured.
SIZES = {
    "N": [10, 30, 100, 300, 1000],
    "L": [10, 20, 50, 100, 200],
    "V": [12_000, 100_000, 1_000_000],
    "batch": [256, 1024, 4096],
}


def main() -> None:
    """Measure the steps, then write the table and the figure."""
    parser = step_parser(__doc__)
    parser.add_argument("--changed", default=",".join(SIZES), help="which of them, by commas")
    parser.add_argument("--factors", help="instead of the usual sizes: multiples of the usual step's, by commas")
    options = parse_step(parser)
    require_matplotlib()
    steps = []
    for name in options.changed.split(","):
        for size in measured_sizes(options, name):
            for lazy in (False, True) if name == "V" else (False,):
                ms = step_ms(options, {**options.usual, name: size}, lazy)
                steps.append({"changed": name, "size": size, "lazy": lazy, "ms": ms})
                print(steps[-1], flush=True)
    report(options, steps)


def measured_sizes(options: argparse.Namespace, name: str) -> list[int]:
    """Return the sizes that one of N, L, V and batch takes; the usual one is among them."""
    usual = options.usual[name]
    sizes = [int(factor) * usual for factor in options.factors.split(",")] if options.factors else SIZES[name]
    return sorted({*sizes, usual})


def step_ms(options: argparse.Namespace, size: dict[str, int], lazy: bool) -> float:
    """Return the milliseconds of a step in mode ``user``."""
    with synthetic_users(options, size) as keys:
        sizes = {"candidates": size["N"], "batch_size": size["batch"], "data_path": keys["data_path"]}
        asked = argparse.Namespace(model="SASRec", dataset=DATASET, gpu=False, **sizes)
        variant = build_ours(asked, "GRU4Rec", "user", lazy_items=lazy, **keys)
    with compat.no_anomaly_mode():
        return 1000 * statistics.median(variant.run(options.warm_up + options.steps)[options.warm_up :])


def report(options: argparse.Namespace, steps: list[dict[str, Any]]) -> None:
    """Write JSON, table and figure."""
    provenance = Provenance.here()
    usual_ms = {
        step["changed"]: step["ms"]
        for step in steps
        if step["size"] == options.usual[step["changed"]] and not step["lazy"]
    }
    rows = [
        [s["changed"], f"{s['size']:,}", "yes" if s["lazy"] else "", f"{s['ms']:.0f}",
         f"{s['ms'] / usual_ms[s['changed']]:.2f}"]
        for s in steps
    ]  # fmt: skip
    headers = ["changed", "size", "lazy_items", "ms/step", "of the usual"]
    table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
    text = "\n".join([
        "# What a step costs", "",
        "SASRec with GRU4Rec, batching `user`, synthetic users of 2 L items; usually "
        + ", ".join(f"{name} = {size:,}" for name, size in options.usual.items()) + ".", "",
        table, "",
        f"* `{provenance.command_line}`; medians of {options.steps} steps",
        f"* {provenance.line('torch', 'numpy', 'recbole')}",
        "", "![cost of a step](costs.png)", "",
    ])  # fmt: skip
    print(text)
    write_results(options.out / "costs.json", {"steps": steps}, provenance)
    (options.out / "costs.md").write_text(text, encoding="utf-8")
    draw(steps, options.out / "costs.png")


def draw(steps: list[dict[str, Any]], path: Path) -> None:
    """Draw the milliseconds against each size, one panel for each of the four."""
    names = list(dict.fromkeys(step["changed"] for step in steps))
    with saved_figure(path, ncols=len(names), figsize=(3 * len(names), 3), squeeze=False) as axes:
        for axis, name in zip(axes[0], names):
            for lazy in (False, True):
                line = [(s["size"], s["ms"]) for s in steps if s["changed"] == name and s["lazy"] == lazy]
                if line:
                    axis.plot(*zip(*line), "o-", label="lazy_items" if lazy else "usual")
            axis.set(xscale="log", yscale="log", xlabel=name, ylabel="ms per step" if axis is axes[0][0] else "")
            axis.grid(alpha=0.3)
            if name == "V":
                axis.legend(fontsize=7)


if __name__ == "__main__":
    main()
