"""Load, split and start training on growing synthetic data: seconds and peak memory, ours against RecBole's dataset.

    python benchmarks/speed/scale.py --data DIR --out benchmarks/results/scale --ours 1000000,20000000 --recbole 1000000

DIR takes the synthetic data (see ``synthetic.py``); users and items grow with the interactions, up to 140,000 and one
million. Every case runs in a separate process. RecBole's case is its SequentialDataset and its loaders with the same
configuration, without training. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import subprocess
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from own_process import measure_apart
from provenance import Provenance, write_results
from recbole.data import data_preparation
from recbole.data.dataset import SequentialDataset
from synthetic import write_power_law
from tabulate import tabulate

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.quick_start import build_trainer
from recbole_mdcns.records.environment import peak_memory
from recbole_mdcns.report.figure import require_matplotlib, saved_figure

#: The sizes that users and items grow to.
FULL = {"interactions": 20_000_000, "users": 140_000, "items": 1_000_000}


def main() -> None:
    """Run every case, then write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder for the synthetic data")
    parser.add_argument("--out", required=True, type=Path, help="folder of the results")
    parser.add_argument("--ours", default="250000,1000000,4000000,20000000", help="interactions, by commas")
    parser.add_argument("--recbole", default="250000,1000000", help="interactions, by commas")
    parser.add_argument("--steps", type=int, default=5, help="training steps of 1024 rows")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds that a case may take")
    parser.add_argument("--note", default="", help="a line for the page, such as what else the machine was doing")
    parser.add_argument("--case", nargs=2, metavar=("SIDE", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        logging.disable(logging.WARNING)
        print(json.dumps(measure(options.case[0], options.data, options.case[1], options.steps)))
        return
    require_matplotlib()
    cases = [("ours", int(n)) for n in options.ours.split(",")]
    cases += [("recbole", int(n)) for n in options.recbole.split(",") if n]
    results = []
    for side, interactions in cases:
        results.append(measure_case(options, side, interactions))
        print(json.dumps(results[-1]), flush=True)
    provenance = Provenance.here()
    write_results(options.out / "scale.json", {"results": results}, provenance)
    (options.out / "README.md").write_text(page(results, provenance, options.note), encoding="utf-8")
    draw(results, options.out / "scale.png")


def measure_case(options: argparse.Namespace, side: str, interactions: int) -> dict[str, Any]:
    """Write the data of a case if they are missing, and measure the case in a separate process."""
    sizes = {"users": grown("users", 1000, interactions), "items": grown("items", 10_000, interactions)}
    name = f"synthetic-{interactions}"
    if not (options.data / name / f"{name}.inter").is_file():
        write_power_law(options.data, interactions, **sizes)
    arguments = ["--data", str(options.data), "--out", str(options.out), "--steps", str(options.steps)]
    result: dict[str, Any] = {"side": side}
    try:
        result = measure_apart(__file__, [*arguments, "--case", side, name], options.timeout)
    except subprocess.CalledProcessError as error:
        result["ended"] = f"exit code {error.returncode}"
    except subprocess.TimeoutExpired:
        result["ended"] = f"not done after {options.timeout} s"
    return {"interactions": interactions, **sizes, **result}


def grown(name: str, least: int, interactions: int) -> int:
    """Return the number of users or items: in proportion, at least some, and each several times."""
    return min(max(least, FULL[name] * interactions // FULL["interactions"]), interactions // 10)


def measure(side: str, data: Path, name: str, steps: int) -> dict[str, Any]:
    """Measure one case in this process: seconds and peak memory (GiB) after every stage."""
    keys = {"data_path": str(data), "use_gpu": False, "train_batch_size": 1024, "peer_model": "GRU4Rec"}
    config = MDCNSConfig("SASRec", name, config_dict=keys)
    stages: dict[str, Any] = {"side": side}
    started = perf_counter()

    def close(stage: str) -> None:
        nonlocal started
        stages[f"{stage} s"] = perf_counter() - started
        stages[f"{stage} GiB"] = peak_memory(torch.device("cpu"))["resident"] / 2**30
        started = perf_counter()

    stages["start GiB"] = peak_memory(torch.device("cpu"))["resident"] / 2**30
    dataset = (HistoryDataset if side == "ours" else SequentialDataset)(config)
    close("load")
    train, _, _ = data_preparation(config, dataset)
    close("split")
    next(iter(train))
    close("first batch")
    rows = train._dataset
    if isinstance(rows, HistoryDataset):
        trainer = build_trainer(config, rows)
        trainer.prepare(train)
        close("build")
        for batch in itertools.islice(trainer.batches, steps):
            trainer.train_step(batch)
        close(f"{steps} steps")
    return {**stages, "rows": len(rows)}


def page(results: list[dict[str, Any]], provenance: Provenance, note: str) -> str:
    """Return the table and what a reader needs to run it again."""
    columns = list(dict.fromkeys(key for result in results for key in result))
    rows = [[f"{v:.1f}" if isinstance(v := r.get(c, ""), float) else v for c in columns] for r in results]
    lines = [
        "# Scale: loading, splitting and starting to train",
        "",
        tabulate(rows, headers=columns, tablefmt="github"),
        "",
        "* Seconds of each stage, and the highest resident memory of the process up to its end.",
        "* `build`: two models (SASRec, GRU4Rec), their optimisers, the sampler and its check; steps of 1024 rows.",
        f"* command: `{provenance.command_line}`",
        f"* machine: {provenance.machine['processor']}, {provenance.machine['cores']} cores, "
        f"{provenance.machine['memory'] / 2**30:.0f} GiB",
        f"* versions: {', '.join(f'{name} {version}' for name, version in provenance.versions.items())}",
        f"* commit: {provenance.git['commit'] if provenance.git else 'none'}",
        *([f"* note: {note}"] if note else []),
        "",
        "![seconds and memory against interactions](scale.png)",
        "",
    ]
    return "\n".join(lines)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds to the first batch and peak memory then, against the number of interactions."""
    with saved_figure(path, ncols=2, figsize=(9, 3.5)) as axes:
        for side, label in (("ours", "recbole_mdcns"), ("recbole", "RecBole")):
            done = sorted(
                (r for r in results if r["side"] == side and "ended" not in r), key=lambda r: r["interactions"]
            )
            numbers = [r["interactions"] for r in done]
            seconds = [sum(r[f"{stage} s"] for stage in ("load", "split", "first batch")) for r in done]
            axes[0].plot(numbers, seconds, "o-", label=label)
            axes[1].plot(numbers, [r["first batch GiB"] for r in done], "o-", label=label)
        axes[0].set(xscale="log", yscale="log", xlabel="interactions", ylabel="seconds to the first batch")
        axes[1].set(xscale="log", yscale="log", xlabel="interactions", ylabel="peak memory then, GiB")
        axes[0].legend()
        for axis in axes:
            axis.grid(alpha=0.3)


if __name__ == "__main__":
    main()
