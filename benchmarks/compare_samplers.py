"""Compare methods on one model and dataset over several seeds.

    python benchmarks/compare_samplers.py --out benchmarks/results/ml-100k --methods mdcns,rns --seeds 1,2,3 \\
        --model=SASRec --dataset=ml-100k --epochs=20 --MAX_ITEM_LIST_LENGTH=20

Methods are those of ``methods.yaml`` beside this file, or of another such file. Every argument it does not know goes to
``run_recbole_mdcns`` as it is. Each run leaves one record in OUT; runs whose record is there are skipped, and one that
fails is named and left out. Then a table (Markdown) and the curves of the validation metric (PNG) are made from the
records alone. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from figure import saved_figure
from tabulate import tabulate

from recbole_mdcns.yaml_files import read_yaml

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run what is missing, then write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the records, the table and the figure")
    parser.add_argument("--methods", default="mdcns,rns", help="names in the file of methods, by commas; or all")
    parser.add_argument("--methods_file", type=Path, default=HERE / "methods.yaml")
    parser.add_argument("--seeds", default="1,2,3", help="seeds, separated by commas")
    parser.add_argument("--note", help="a line for the page, such as what else the machine was doing")
    options, keys = parser.parse_known_args()
    known = read_yaml(options.methods_file)
    methods = list(known) if options.methods == "all" else options.methods.split(",")
    unknown = [name for name in methods if name not in known]
    if unknown:
        parser.error(f"no method {unknown[0]!r} in {options.methods_file}: choose {', '.join(known)}, or all")
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds.split(","):
        for name in methods:
            run(
                options.out / f"{name}-{seed}.json",
                [f"--{key}={value}" for key, value in known[name].items()],
                seed,
                keys,
            )
    records = {name: [read(path) for path in sorted(options.out.glob(f"{name}-[0-9]*.json"))] for name in methods}
    records = {name: runs for name, runs in records.items() if runs}
    text = page(records, options.note)
    (options.out / "README.md").write_text(text, encoding="utf-8")
    draw(records, options.out / "curves.png")
    print(text)


def run(record: Path, own: list[str], seed: str, keys: list[str]) -> None:
    """Make a record, unless it is there."""
    if not record.exists():
        print(f"{record.stem} ...", flush=True)
        command = [sys.executable, str(HERE.parent / "run_recbole_mdcns.py"), *keys, *own, f"--seed={seed}"]
        with open(record.with_suffix(".log"), "w", encoding="utf-8") as log:
            status = subprocess.run([*command, f"--result_file={record}"], stdout=log, stderr=log).returncode
        if status:
            print(f"{record.stem} failed, see {record.with_suffix('.log')}", flush=True)


def read(path: Path) -> dict[str, Any]:
    """Read one record."""
    return json.loads(path.read_text(encoding="utf-8"))


def page(records: dict[str, list[dict[str, Any]]], note: str | None) -> str:
    """Return the table of all samplers, with what a reader needs to run it again."""
    first = next(iter(records.values()))[0]
    metric = first["valid_metric"].lower()
    rows = [
        [
            name,
            *(spread([r["valid"][role][metric] for r in runs]) if role in runs[0]["valid"] else "" for role in ROLES),
            spread([r["test"]["self"][metric] for r in runs]),
            ", ".join(str(r["best_epoch"]) for r in runs),
            f"{statistics.median(r['seconds_per_epoch'] for r in runs):.1f}",
            f"{max(r['peak_memory']['resident'] for r in runs) / 2**20:.0f}",
        ]
        for name, runs in records.items()
    ]
    headers = ["method", *(f"valid {role}" for role in ROLES), "test self", "best epochs", "s/epoch", "MiB"]
    seeds = ", ".join(str(r["seed"]) for r in next(iter(records.values())))
    about = {
        "metric": f"{metric}, mean ± standard deviation over seeds {seeds}; epochs, from 0, chosen on validation",
        "command": f"`{' '.join(first['command'])}` and so on",
        "data": ", ".join(f"{value} {name}" for name, value in first["data"].items() if name != "rows"),
        "peers": ", ".join(sorted({r["peer_model"] for runs in records.values() for r in runs if r["peer_model"]}))
        or "none",
        "machine": f"{first['machine']['processor']}, {first['machine']['torch_threads']} thread(s) per run",
        "versions": ", ".join(f"{name} {version}" for name, version in first["versions"].items()),
        "commit": ", ".join(sorted({r["git"]["commit"] for runs in records.values() for r in runs if r["git"]})),
    }
    if note:
        about["note"] = note
    lines = [f"* {name}: {value}" for name, value in about.items()]
    table = tabulate(rows, headers=headers, tablefmt="github")
    title = f"# {first['model']} on {first['dataset']}: methods side by side"
    return "\n".join([title, "", table, "", *lines, "", "![curves](curves.png)", ""])


ROLES = ("self", "peer", "teacher")


def spread(values: list[float]) -> str:
    """Return mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def draw(records: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw the validation metric of every run against epoch and against training time."""
    with saved_figure(path, ncols=2, figsize=(10, 4), sharey=True) as axes:
        for index, (name, runs) in enumerate(records.items()):
            metric = runs[0]["valid_metric"].lower()
            for number, run in enumerate(runs):
                entries = [entry for entry in run["epochs"] if "valid" in entry]
                score = [entry["valid"][metric] for entry in entries]
                seconds, total = [], 0.0
                for entry in run["epochs"]:
                    total += entry["train_seconds"]
                    if "valid" in entry:
                        seconds.append(total)
                style = {"color": f"C{index}", "alpha": 0.8, "label": name if number == 0 else None}
                axes[0].plot([entry["epoch"] for entry in entries], score, **style)
                axes[1].plot(seconds, score, **style)
        axes[0].set(xlabel="epoch", ylabel=f"validation {metric}")
        axes[1].set(xlabel="training time, s")
        axes[0].legend()
        for axis in axes:
            axis.grid(alpha=0.3)


if __name__ == "__main__":
    main()
