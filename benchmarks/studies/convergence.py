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
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from tabulate import tabulate

from recbole_mdcns.records.record import Record
from recbole_mdcns.report.escape import code, text
from recbole_mdcns.report.figure import plain, saved_figure
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import read_all, run_script
from recbole_mdcns.support.yaml_files import properties_dir

#: A dataset and a peer.
Group = tuple[str, Optional[str]]
METRIC = "ndcg@10"
#: The default ``split_seed``: other splits are named.
SPLIT = 42
RELEASED = properties_dir() / "paper" / "released_curves.csv"


def main() -> None:
    """Read the records, write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the records; takes README.md and curves.png")
    parser.add_argument("--note", default="", help="a line for the page")
    options = parser.parse_args()
    out = options.out
    groups = grouped(read_all([out]))
    content = page(groups, options.note)
    (out / "README.md").write_text(content, encoding="utf-8")
    draw(groups, out / "curves.png")
    print(content)


def grouped(records: Sequence[Record]) -> dict[Group, dict[str, Record]]:
    """Return records by dataset and peer, then name: what each is, with its key where two are the same.

    Raises:
        UserError: A record lacks the metric.
    """
    groups: dict[Group, dict[str, Record]] = {}
    for record in sorted(records, key=lambda record: (name_of(record), record.trial.key)):
        need_metrics(record, [METRIC], splits=("valid",))
        named, name = groups.setdefault((record.dataset, record.peer_model), {}), name_of(record)
        named[name if name not in named else f"{name}-{record.trial.key}"] = record
    return groups


def name_of(record: Record) -> str:
    """Return dataset, peer, batching, and the seed of the split where it is not the usual one."""
    split = record.config.get("split_seed", SPLIT)
    return f"{record.dataset}-{record.peer_model}-{record.batching}" + ("" if split == SPLIT else f"-split{split}")


def released_curve(dataset: str, peer: str | None, split: str = "valid") -> dict[int, float]:
    """Return NDCG@10 of a released log by epoch, from 1; empty where there is none."""
    with RELEASED.open(encoding="utf-8") as file:
        return {
            int(line["epoch"]): float(line[split])
            for line in csv.DictReader(file)
            if (line["dataset"], line["peer"]) == (dataset, peer)
        }


def page(groups: dict[Group, dict[str, Record]], remark: str) -> str:
    """Return one table per dataset and peer, and how each run was made."""
    lines = ["# Convergence beside the released logs", "", f"Validation {METRIC} of SASRec by epoch, protocol `paper`."]
    for (dataset, peer), records in groups.items():
        released = released_curve(dataset, peer)
        epochs = sorted({*released, 2, 4, 6} & {epoch for record in records.values() for epoch in record.curve(METRIC)})
        rows: list[list] = [["released", *(_cell(released.get(epoch)) for epoch in epochs), "", "", ""]]
        for name, record in records.items():
            curve = record.curve(METRIC)
            test = (record.test or {}).get("self", {}).get(METRIC)
            best = f"{record.valid['self'][METRIC]:.4f} / {_cell(test)}"
            epoch = record.best_epoch
            rows.append([text(name), *(_cell(curve.get(epoch), released.get(epoch)) for epoch in epochs), best,
                         "" if epoch is None else str(epoch + 1), f"{record.seconds_per_epoch:.0f}"])  # fmt: skip
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
            made_in = record.environment
            versions = ", ".join(f"{key} {made_in.versions[key]}" for key in shown if key in made_in.versions)
            words = [part for part in record.command[1:] if "_path=" not in part and "_file=" not in part]
            if record.batching == "row" and not any(word.startswith("--batching") for word in words):
                words.append("--batching=row")  # once the only way, now a key
            about = f"seed {record.seed}, split_seed {record.config.get('split_seed')}; commit "
            about += f"{made_in.shown_commit or 'none'}; {versions}; {made_in.machine['processor']}, "
            about += f"{made_in.machine['torch_threads']} thread(s)"
            lines.append(f"* {text(name)}: {code(' '.join(['python run_recbole_mdcns.py', *words]))}; {text(about)}")
    note = "In brackets: the difference from the released curve. Seconds were not measured on a quiet machine."
    return "\n".join([*lines, "", note, *([remark] if remark else []), "", "![curves](curves.png)", ""])


def _cell(value: float | None, released: float | None = None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" + (f" ({value / released - 1:+.0%})" if released else "")


def draw(groups: dict[Group, dict[str, Record]], path: Path) -> None:
    """Draw every run and the released points, one panel per dataset and peer."""
    with saved_figure(path, ncols=len(groups), figsize=(5 * len(groups), 3.6), squeeze=False) as axes:
        for axis, ((dataset, peer), records) in zip(axes[0], groups.items()):
            for name, record in records.items():
                curve = record.curve(METRIC)
                axis.plot(list(curve), list(curve.values()), label=plain(name))
            last = max((epoch for record in records.values() for epoch in record.curve(METRIC)), default=0)
            released = {k: v for k, v in released_curve(dataset, peer).items() if k <= last}
            axis.plot(list(released), list(released.values()), "k^", label="released")
            axis.set(title=plain(f"{dataset}, SASRec + {peer}"), xlabel="epoch", ylabel=f"validation {METRIC}")
            axis.legend(fontsize=7)
            axis.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(run_script(main))
