"""The effect of glibc's huge pages on a training step on a CPU: the same steps with them and without, in turns.

    python benchmarks/speed/huge_pages.py --out benchmarks/results/speed/huge_pages.md

Linux with glibc 2.35 or later only. The environment variable below asks the kernel for pages of 2 MiB, and keeps large
blocks for the next step, which otherwise go back to the kernel after each operation.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from provenance import Provenance, show_page
from tabulate import tabulate

#: What a user sets.
VARIABLE = "GLIBC_TUNABLES"
TUNABLES = ":".join(
    f"glibc.malloc.{each}" for each in ("hugetlb=1", "mmap_threshold=4000000000", "trim_threshold=4000000000")
)
METHODS = "mdcns,mdcns_softmax,ce,mutual_ce"


def main() -> None:
    """Time both, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind, which take turns")
    parser.add_argument("--out", type=Path, help="the page")
    options, more = parser.parse_known_args()
    arguments = ["--sizes=12000", f"--methods={METHODS}", "--rounds=1", *more]
    rounds = [(step_ms(arguments, {}), step_ms(arguments, {VARIABLE: TUNABLES})) for _ in range(options.rounds)]
    provenance = Provenance.here()
    show_page(page(rounds, provenance), rounds, options.out, provenance)


def step_ms(arguments: list[str], variables: dict[str, str]) -> dict[str, float]:
    """Return the median milliseconds of a step by method, of a separate process of ``pool_costs.py``."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "page.md"
        command = [sys.executable, str(Path(__file__).with_name("pool_costs.py")), *arguments, f"--out={out}"]
        subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, check=True)
        return {each["method"]: each["ms"] for each in json.loads(out.with_suffix(".json").read_text())["results"]}


def page(rounds: list[tuple[dict[str, float], dict[str, float]]], provenance: Provenance) -> str:
    """Return the page; ratios are of neighbouring processes."""
    rows = []
    for method in rounds[0][0]:
        usual, huge = ([each[kind][method] for each in rounds] for kind in (0, 1))
        ratios = [there / here for here, there in zip(usual, huge)]
        of_rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        means = [f"{statistics.median(values):.0f}" for values in (usual, huge)]
        rows.append([method, *means, f"{statistics.median(ratios):.2f}", of_rounds])
    heads = ["method", "ms", "ms with huge pages", "ratio", "of each round"]
    return "\n".join([
        "# Huge pages on a CPU", "",
        "Milliseconds of a step, SASRec, with GRU4Rec where two models train; synthetic users, 12,000 items.", "",
        tabulate(rows, headers=heads, tablefmt="github", disable_numparse=True), "",
        f"* with huge pages: `{VARIABLE}={TUNABLES}`",
        f"* `{provenance.command_line}`", f"* {provenance.line('torch', 'recbole')}", "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
