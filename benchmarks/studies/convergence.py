"""Compare records of runs with the curves of the paper's released logs: a table and a figure.

    python run_recbole_mdcns.py -m SASRec -d lastfm --protocol=paper --epochs=20 --batching=row \\
        --data_path=DIR --result_file=benchmarks/results/convergence/lastfm-Mamba4Rec-row.json
    python benchmarks/studies/convergence.py --out benchmarks/results/convergence

Reads every record in OUT. The released curves are NDCG@10 of the self model in logs of MDCNS (SASRec, BCE, gamma 1,
tau 1), one seed, another random split of the users; epochs count from 1. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from tabulate import tabulate

from recbole_mdcns.report.escape import code, text
from recbole_mdcns.report.figure import plain, saved_figure
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import commit, read_single, run
from recbole_mdcns.support.yaml_files import properties_dir

METRIC = "ndcg@10"
RELEASED = properties_dir() / "paper" / "released_curves.csv"


def main() -> None:
    """Read the records, write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the records; takes README.md and curves.png")
    parser.add_argument("--note", default="", help="a line for the page")
    options = parser.parse_args()
    out = options.out
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for name, record in read_single(out).items():
        need_metrics(record, [METRIC], parts=("valid",))
        groups.setdefault((record["dataset"], record["peer_model"]), {})[name] = record
    found = page(groups, options.note)
    (out / "README.md").write_text(found, encoding="utf-8")
    draw(groups, out / "curves.png")
    print(found)


def curve(record: dict[str, Any], metric: str = METRIC) -> dict[int, float]:
    """Return a validation metric by epoch, from 1."""
    return {entry["epoch"] + 1: entry["valid"][metric] for entry in record["epochs"] if "valid" in entry}


def released_curve(dataset: str, peer: str, part: str = "valid") -> dict[int, float]:
    """Return NDCG@10 of a released log by epoch, from 1; empty where there is none."""
    with RELEASED.open(encoding="utf-8") as file:
        return {
            int(line["epoch"]): float(line[part])
            for line in csv.DictReader(file)
            if (line["dataset"], line["peer"]) == (dataset, peer)
        }


def page(groups: dict[tuple[str, str], dict[str, dict[str, Any]]], remark: str) -> str:
    """Return one table per dataset and peer, and how each run was made."""
    lines = ["# Convergence beside the released logs", "", f"Validation {METRIC} of SASRec by epoch, protocol `paper`."]
    for (dataset, peer), records in groups.items():
        released = released_curve(dataset, peer)
        epochs = sorted({*released, 2, 4, 6} & {epoch for record in records.values() for epoch in curve(record)})
        rows = [["released", *(_cell(released.get(epoch)) for epoch in epochs), "", "", ""]]
        for name, record in records.items():
            found = curve(record)
            test = (record["test"] or {}).get("self", {}).get(METRIC)
            best = f"{record['valid']['self'][METRIC]:.4f} / {_cell(test)}"
            epoch = record["best_epoch"]
            rows.append([text(name), *(_cell(found.get(epoch), released.get(epoch)) for epoch in epochs), best,
                         "" if epoch is None else epoch + 1, f"{record['seconds_per_epoch']:.0f}"])  # fmt: skip
        headers = ["run", *(f"epoch {epoch}" for epoch in epochs), "best: valid / test", "its epoch", "s/epoch"]
        lines += [
            "",
            f"## {text(dataset)}, peer {text(peer)}",
            "",
            tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True),
            "",
        ]
        for name, record in records.items():
            shown = ("python", "recbole", "torch", "numpy")
            versions = ", ".join(f"{key} {record['versions'][key]}" for key in shown if key in record["versions"])
            command = " ".join(part for part in record["command"][1:] if "_path=" not in part and "_file=" not in part)
            command += "" if "batching" in record["config"] else " --batching=row"  # then the only way, now a key
            lines.append(
                f"* {text(name)}: {code(f'python run_recbole_mdcns.py {command}')}; "
                + text(
                    f"seed {record['seed']}, split_seed {record['config'].get('split_seed')}; commit "
                    f"{commit(record) or 'none'}; {versions}; {record['machine']['processor']}, "
                    f"{record['machine']['torch_threads']} thread(s)"
                )
            )
    note = "In brackets: the difference from the released curve. Seconds were not measured on a quiet machine."
    return "\n".join([*lines, "", note, *([remark] if remark else []), "", "![curves](curves.png)", ""])


def _cell(value: float | None, released: float | None = None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" + (f" ({value / released - 1:+.0%})" if released else "")


def draw(groups: dict[tuple[str, str], dict[str, dict[str, Any]]], path: Path) -> None:
    """Draw every run and the released points, one panel per dataset and peer."""
    with saved_figure(path, ncols=len(groups), figsize=(5 * len(groups), 3.6), squeeze=False) as axes:
        for axis, ((dataset, peer), records) in zip(axes[0], groups.items()):
            for name, record in records.items():
                found = curve(record)
                axis.plot(list(found), list(found.values()), label=plain(name))
            last = max((epoch for record in records.values() for epoch in curve(record)), default=0)
            released = {k: v for k, v in released_curve(dataset, peer).items() if k <= last}
            axis.plot(list(released), list(released.values()), "k^", label="released")
            axis.set(title=plain(f"{dataset}, SASRec + {peer}"), xlabel="epoch", ylabel=f"validation {METRIC}")
            axis.legend(fontsize=7)
            axis.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(run(main))
