"""Load, split and start training on growing synthetic data: seconds and peak memory, ours against RecBole's dataset.

    python benchmarks/scale.py --data DIR --out benchmarks/results/scale --ours 1000000,20000000 --recbole 1000000

DIR takes the synthetic data (see synthetic.py); users and items grow with the interactions, up to 140,000 and one
million. Every case is a process of its own. RecBole's case is its SequentialDataset and its loaders under the same
configuration, without training. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from logging import disable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from synthetic import write
from tabulate import tabulate

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.records.environment import git_state, machine, peak_memory, versions
from recbole_mdcns.report.figure import require_matplotlib, saved_figure

FULL = {"interactions": 20_000_000, "users": 140_000, "items": 1_000_000}


def case(side: str, data: str, name: str, steps: int) -> dict[str, Any]:
    """Measure one case in this process: seconds and peak memory (GiB) after every stage."""
    from recbole.data import data_preparation
    from recbole.data.dataset import SequentialDataset

    from recbole_mdcns.data.dataset import HistoryDataset
    from recbole_mdcns.quick_start import build_trainer

    keys = {"data_path": data, "use_gpu": False, "train_batch_size": 1024, "peer_model": "GRU4Rec"}
    config = MDCNSConfig("SASRec", name, config_dict=keys)
    stages: dict[str, Any] = {"side": side}
    started = perf_counter()

    def done(stage: str) -> None:
        nonlocal started
        stages[f"{stage} s"] = perf_counter() - started
        stages[f"{stage} GiB"] = peak_memory(torch.device("cpu"))["resident"] / 2**30
        started = perf_counter()

    stages["start GiB"] = peak_memory(torch.device("cpu"))["resident"] / 2**30
    dataset = (HistoryDataset if side == "ours" else SequentialDataset)(config)
    done("load")
    train, _, _ = data_preparation(config, dataset)
    done("split")
    next(iter(train))
    done("first batch")
    if side == "ours":
        trainer = build_trainer(config, train._dataset)
        trainer.prepare(train)
        done("build")
        for batch in itertools.islice(trainer.batches, steps):
            trainer.train_step(batch)
        done(f"{steps} steps")
    return {**stages, "rows": len(train._dataset)}


def main() -> None:
    """Run every case, then write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder for the synthetic data")
    parser.add_argument("--out", type=Path, help="folder of the results")
    parser.add_argument("--ours", default="250000,1000000,4000000,20000000", help="interactions, by commas")
    parser.add_argument("--recbole", default="250000,1000000", help="interactions, by commas")
    parser.add_argument("--steps", type=int, default=5, help="training steps of 1024 rows")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds that a case may take")
    parser.add_argument("--note", default="", help="a line for the page, such as what else the machine was doing")
    parser.add_argument("--case", nargs=2, metavar=("SIDE", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        disable(30)  # log lines of RecBole
        print(json.dumps(case(options.case[0], options.data, options.case[1], options.steps)))
        return
    require_matplotlib()
    options.out.mkdir(parents=True, exist_ok=True)
    cases = [("ours", int(n)) for n in options.ours.split(",")]
    cases += [("recbole", int(n)) for n in options.recbole.split(",") if n]
    results = []
    for side, number in cases:
        share = number / FULL["interactions"]
        sizes = {"users": max(1000, int(FULL["users"] * share)), "items": max(10_000, int(FULL["items"] * share))}
        name = f"synthetic-{number}"
        if not (Path(options.data) / name / f"{name}.inter").is_file():
            write(Path(options.data), number, **sizes)
        command = [sys.executable, __file__, "--data", options.data, "--steps", str(options.steps)]
        try:
            done = subprocess.run(
                [*command, "--case", side, name], capture_output=True, text=True, timeout=options.timeout, check=False
            )
            ended = {} if done.returncode == 0 else {"ended": f"exit code {done.returncode}"}
            found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"side": side}
        except subprocess.TimeoutExpired:
            found, ended = {"side": side}, {"ended": f"not done after {options.timeout} s"}
        results.append({"interactions": number, **sizes, **found, **ended})
        print(json.dumps(results[-1]), flush=True)
    about = {"machine": machine(torch.device("cpu")), "versions": versions(), "git": git_state()}
    (options.out / "scale.json").write_text(json.dumps({"results": results, **about}, indent=1) + "\n")
    (options.out / "README.md").write_text(page(results, about, options.note))
    draw(results, options.out / "scale.png")


def page(results: list[dict[str, Any]], about: dict[str, Any], note: str) -> str:
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
        f"* command: `python benchmarks/scale.py {' '.join(sys.argv[1:])}`",
        f"* machine: {about['machine']['processor']}, {about['machine']['cores']} cores, "
        f"{about['machine']['memory'] / 2**30:.0f} GiB",
        f"* versions: {', '.join(f'{name} {version}' for name, version in about['versions'].items())}",
        f"* commit: {about['git']['commit'] if about['git'] else 'none'}",
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
