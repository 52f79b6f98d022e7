"""What a training step costs against N, L, V and the batch size.

    python benchmarks/speed_costs.py --out benchmarks/results/speed

Synthetic users, SASRec with GRU4Rec, one of the four changed at a time. Every figure is the median of the steps after
warm-up. What the special kernels of a step gain is measured by ``speed_kernels.py``. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from ways import ours

from recbole_mdcns import compat
from recbole_mdcns.records.environment import git_state, machine, versions
from recbole_mdcns.report.figure import require_matplotlib, saved_figure

#: The usual size of each, and the sizes measured.
USUAL = {"N": 100, "L": 50, "V": 12_000, "batch": 1024}
SIZES = {
    "N": [10, 30, 100, 300, 1000],
    "L": [10, 20, 50, 100, 200],
    "V": [12_000, 100_000, 1_000_000],
    "batch": [256, 1024, 4096],
}


def main() -> None:
    """Measure the steps, then write the table and the figure."""
    options = arguments(__doc__)
    require_matplotlib()
    steps = [
        {"changed": name, "size": size, "lazy": lazy, "ms": step_ms(options, {**USUAL, name: size}, lazy)}
        for name, sizes in SIZES.items()
        for size in sizes
        for lazy in ((False, True) if name == "V" else (False,))
    ]
    for step in steps:
        print(step)
    report(options, steps)


def arguments(about: str | None) -> argparse.Namespace:
    """Read the options of a script that measures on synthetic users, and let torch have the threads."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--warm_up", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    return options


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


def report(options: argparse.Namespace, steps: list[dict[str, Any]]) -> None:
    """Write JSON, table and figure."""
    about = {"machine": machine(torch.device("cpu")), "versions": versions(), "git": git_state()}
    usual = {name: next(s["ms"] for s in steps if s["changed"] == name and s["size"] == USUAL[name]) for name in SIZES}
    rows = [
        [s["changed"], f"{s['size']:,}", "yes" if s["lazy"] else "", f"{s['ms']:.0f}",
         f"{s['ms'] / usual[s['changed']]:.2f}"]
        for s in steps
    ]  # fmt: skip
    headers = ["changed", "size", "lazy_items", "ms/step", "of the usual"]
    table = tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)
    text = "\n".join([
        "# What a step costs", "",
        "SASRec with GRU4Rec, batching `user`, synthetic users of 2 L items; usually "
        + ", ".join(f"{name} = {size:,}" for name, size in USUAL.items()) + ".", "",
        table, "",
        f"* `python {' '.join(sys.argv)}`; medians of {options.steps} steps",
        f"* {about['machine']['processor']}, {options.threads} thread(s); "
        + ", ".join(f"{key} {about['versions'][key]}" for key in ("python", "torch", "numpy", "recbole"))
        + f"; commit {about['git']['commit'][:10] if about['git'] else 'none'}",
        "", "![cost of a step](costs.png)", "",
    ])  # fmt: skip
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"steps": steps, **about}, indent=1)
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
