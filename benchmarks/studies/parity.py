"""Do the batchings train equally well? Records of runs, several seeds each, as one page with a figure.

    python benchmarks/studies/staged.py --stages 5,10,20,40 --result_file FOLDER/NAME.json --model=SASRec --seed=1 \\
        --peer_model=GRU4Rec --dataset=amazon-beauty --protocol=paper --data_path=DIR --batching=user
    python benchmarks/studies/parity.py FOLDER

Reads every record in FOLDER, staged or not; writes its README.md and curves.png. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from convergence import curve, released_curve
from scipy import stats
from tabulate import tabulate

from recbole_mdcns.errors import UserError
from recbole_mdcns.evaluation.significance import holm
from recbole_mdcns.report.escape import code, text
from recbole_mdcns.report.figure import plain, saved_figure
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import commit, read_single, run, spread

Group = dict[str, list[dict[str, Any]]]
#: The metric that batchings are compared by, and the epochs shown.
METRIC, EPOCHS = "ndcg@20", (1, 2, 3, 5, 10, 20, 30, 40)
PARTS = ("valid", "test")
#: Epochs at which batchings are compared.
COMPARED = (5, 10, 20, 30, 40)
#: The default ``split_seed``: other splits are named.
SPLIT = 42


def main() -> None:
    """Read the records, write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    groups: dict[tuple[str, str], Group] = defaultdict(lambda: defaultdict(list))
    for name, record in read_single(folder).items():
        need_metrics(record, [METRIC], parts=())
        check_stages(record, name)
        groups[record["dataset"], record["peer_model"]][_label(record)].append(record)
    lines = ["# Batchings side by side", "", "SASRec, mean ± standard deviation over seeds."]
    lines += ["", "Differences: Welch's t-test over seeds, two-sided; corrected by Holm over all of this page."]
    apart = differences(groups)
    for (dataset, peer), by_mode in groups.items():
        lines += [
            "",
            f"## {text(dataset)}, peer {text(peer)}",
            "",
            f"Validation {METRIC} by epoch:",
            "",
            by_epoch(by_mode),
            "",
        ]
        lines += [*apart.get((dataset, peer), []), ""]
        if all("stages" in record for records in by_mode.values() for record in records):
            lines += ["Validation / test ndcg@10, at the epoch that validation chose so far:", ""]
            lines += [by_stage(by_mode, *(released_curve(dataset, peer, part) for part in PARTS)), ""]
    sources = {_source(record) for by_mode in groups.values() for records in by_mode.values() for record in records}
    remark = (
        "Released: the published logs at these epochs (50 stands for 40), one seed, another split; in brackets the "
        "difference from them."
    )
    lines += [remark, "", *sorted(sources), "", "![curves](curves.png)", ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
    draw(groups, folder / "curves.png")
    print("\n".join(lines))


def check_stages(record: dict[str, Any], name: str) -> None:
    """Check what a staged run has of each stage.

    Raises:
        UserError: A stage is no number of epochs, or lacks a metric.
    """
    for stage, found in record.get("stages", {}).items():
        for part in PARTS:
            metrics = ((found or {}).get(part) or {}).get("self") or {}
            if not stage.isdecimal() or "ndcg@10" not in metrics:
                raise UserError(f"record {name}.json: stage {stage} lacks ndcg@10 in {part} of self")


def by_epoch(by_mode: Group) -> str:
    """Return a table of the validation metric at some epochs, one row per batching."""
    rows = []
    for mode, records in by_mode.items():
        curves = [curve(record, METRIC) for record in records]
        rows.append([text(mode), len(records), *(spread([c[e] for c in curves if e in c]) for e in EPOCHS)])
    headers = ["batching", "seeds", *(f"epoch {epoch}" for epoch in EPOCHS)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def by_stage(by_mode: Group, *released: dict[int, float]) -> str:
    """Return a table of validation and test at the ends of the stages, and how far the released curves are."""
    stages = sorted({int(stage) for records in by_mode.values() for record in records for stage in record["stages"]})
    near = {stage: 50 if stage == 40 else stage for stage in stages}
    logs = (" / ".join(f"{c[near[s]]:.4f}" for c in released if near[s] in c) for s in stages)
    rows: list[list] = [["released", "", *logs]]
    for mode, records in by_mode.items():
        cells = []
        for stage in stages:
            found = [record["stages"][str(stage)] for record in records if str(stage) in record["stages"]]
            halves = []
            for part, of_log in zip(PARTS, released):
                values = [each[part]["self"]["ndcg@10"] for each in found]
                apart = (
                    f" ({statistics.mean(values) / of_log[near[stage]] - 1:+.0%})"
                    if values and near[stage] in of_log
                    else ""
                )
                halves.append(spread(values) + apart)
            cells.append(" / ".join(halves) if found else "")
        rows.append([text(mode), len(records), *cells])
    headers = ["batching", "seeds", *(f"by epoch {stage}" for stage in stages)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def differences(groups: dict[Any, Group]) -> dict[Any, list[str]]:
    """Return, by group, the difference of each two batchings at some epochs: Welch's t-test, Holm over the page."""
    found: list[tuple[Any, str, int, float, float]] = []
    for group, by_mode in groups.items():
        for (one, first), (two, second) in itertools.combinations(by_mode.items(), 2):
            pair = text(f"{one} against {two}")
            curves = [[curve(record, METRIC) for record in records] for records in (first, second)]
            for epoch in COMPARED:
                values = [[c[epoch] for c in of_mode if epoch in c] for of_mode in curves]
                if min(map(len, values)) > 1:
                    apart = statistics.mean(values[0]) / (statistics.mean(values[1]) or math.nan) - 1
                    p = float(stats.ttest_ind(*values, equal_var=False).pvalue)
                    found.append((group, pair, epoch, apart, p))
    lines: dict[Any, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (group, pair, epoch, apart, p), corrected in zip(found, holm([p for *_, p in found])):
        lines[group][pair].append(f"epoch {epoch} {apart:+.1%} (p {p:.2f}, corrected {corrected:.2f})")
    return {group: [f"* {pair}: {'; '.join(of)}" for pair, of in pairs.items()] for group, pairs in lines.items()}


def _label(record: dict[str, Any]) -> str:
    split = record["config"].get("split_seed", SPLIT)
    batching = record.get(
        "batching", record["config"].get("batching", "row")
    )  # early records have what was asked for alone
    return str(batching) + ("" if split == SPLIT else f", split {split}")


def _source(record: dict[str, Any]) -> str:
    shown = ("python", "recbole", "torch", "numpy")
    versions = ", ".join(f"{key} {record['versions'][key]}" for key in shown if key in record["versions"])
    command = " ".join(part for part in record["command"] if not part.startswith(("--seed", "--data_path")))
    command = command.replace(f"-{record['seed']}.json", "-SEED.json")
    about = f"commit {commit(record) or 'none'}; {versions}; {record['machine']['processor']}"
    return f"* {code(f'{command} --seed=SEED')}: {text(about)}"


def draw(groups: dict[tuple[str, str], Group], path: Path) -> None:
    """Draw every seed's curve, one panel per dataset and peer, one colour per batching."""
    with saved_figure(path, ncols=len(groups), figsize=(4.5 * len(groups), 3.6), squeeze=False) as axes:
        for axis, ((dataset, peer), by_mode) in zip(axes[0], groups.items()):
            for number, (mode, records) in enumerate(sorted(by_mode.items())):
                for label, record in zip([plain(mode), *[None] * len(records)], records):
                    found = curve(record, METRIC)
                    axis.plot(list(found), list(found.values()), color=f"C{number}", lw=1, label=label)
            axis.set(title=plain(f"{dataset}, SASRec + {peer}"), xlabel="epoch", ylabel=f"validation {METRIC}")
            axis.legend(fontsize=7)
            axis.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(run(main))
