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

from convergence import released_curve
from scipy import stats
from tabulate import tabulate

from recbole_mdcns.errors import UserError
from recbole_mdcns.evaluation.significance import holm
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.escape import code, text
from recbole_mdcns.report.figure import plain, saved_figure
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import read_all, run_script, spread

#: Records by batching.
Group = dict[str, list[Record]]
#: A dataset, and MDCNS with a peer or another method.
Trained = tuple[str, str]
#: The metric that batchings are compared by, and the epochs shown.
METRIC, EPOCHS = "ndcg@20", (1, 2, 3, 5, 10, 20, 30, 40)
EVALUATED = ("valid", "test")
#: Epochs at which batchings are compared.
COMPARED = (5, 10, 20, 30, 40)
#: Panels of the figure side by side.
PANELS = 3
#: The default ``split_seed``: other splits are named.
SPLIT = 42


def main() -> None:
    """Read the records, write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    groups: dict[Trained, Group] = defaultdict(lambda: defaultdict(list))
    for record in sorted(read_all([folder]), key=_order):
        need_metrics(record, [METRIC], splits=())
        check_stages(record)
        groups[record.dataset, _trained(record)][_label(record)].append(record)
    lines = ["# Batchings side by side", "", "SASRec, mean ± standard deviation over seeds."]
    lines += ["", "Differences: Welch's t-test over seeds, two-sided; corrected by Holm over all of this page."]
    difference = differences(groups)
    for (dataset, trained), by_mode in groups.items():
        lines += [
            "",
            f"## {text(dataset)}, {text(trained)}",
            "",
            f"Validation {METRIC} by epoch:",
            "",
            by_epoch(by_mode),
            "",
        ]
        lines += [*difference.get((dataset, trained), []), ""]
        if all("stages" in record.study for records in by_mode.values() for record in records):
            lines += ["Validation / test ndcg@10, at the epoch that validation chose so far:", ""]
            peer = next(iter(by_mode.values()))[0].peer_model
            lines += [by_stage(by_mode, *(released_curve(dataset, peer, part) for part in EVALUATED)), ""]
    sources = {_source(record) for by_mode in groups.values() for records in by_mode.values() for record in records}
    remark = (
        "Released: the published logs at these epochs (50 stands for 40), one seed, another split; in brackets the "
        "difference from them."
    )
    lines += [remark, "", *sorted(sources), "", "![curves](curves.png)", ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
    draw(groups, folder / "curves.png")
    print("\n".join(lines))


def check_stages(record: Record) -> None:
    """Check what a staged run has of each stage.

    Raises:
        UserError: A stage is no number of epochs, or lacks a metric.
    """
    for stage, results in record.study.get("stages", {}).items():
        for split in EVALUATED:
            metrics = ((results or {}).get(split) or {}).get("self") or {}
            if not stage.isdecimal() or "ndcg@10" not in metrics:
                raise UserError(f"record {record.trial.key}: stage {stage} lacks ndcg@10 in {split} of self")


def by_epoch(by_mode: Group) -> str:
    """Return a table of the validation metric at some epochs, one row per batching."""
    rows = []
    for mode, records in by_mode.items():
        curves = [record.curve(METRIC) for record in records]
        rows.append([text(mode), len(records), *(spread([c[e] for c in curves if e in c]) for e in EPOCHS)])
    headers = ["batching", "seeds", *(f"epoch {epoch}" for epoch in EPOCHS)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def by_stage(by_mode: Group, *released: dict[int, float]) -> str:
    """Return a table of validation and test at the ends of the stages, and how far the released curves are."""
    stages = sorted(
        {int(stage) for records in by_mode.values() for record in records for stage in record.study["stages"]}
    )
    near = {stage: 50 if stage == 40 else stage for stage in stages}
    logs = (" / ".join(f"{c[near[s]]:.4f}" for c in released if near[s] in c) for s in stages)
    rows: list[list] = [["released", "", *logs]] if any(released) else []
    for mode, records in by_mode.items():
        cells = []
        for stage in stages:
            runs = [record.study["stages"] for record in records if str(stage) in record.study["stages"]]
            halves = []
            for split, of_log in zip(EVALUATED, released):
                values = [stages_of[str(stage)][split]["self"]["ndcg@10"] for stages_of in runs]
                difference = (
                    f" ({statistics.mean(values) / of_log[near[stage]] - 1:+.0%})"
                    if values and near[stage] in of_log
                    else ""
                )
                halves.append(spread(values) + difference)
            cells.append(" / ".join(halves) if runs else "")
        rows.append([text(mode), len(records), *cells])
    headers = ["batching", "seeds", *(f"by epoch {stage}" for stage in stages)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def differences(groups: dict[Any, Group]) -> dict[Any, list[str]]:
    """Return, by group, the difference of each two batchings at some epochs: Welch's t-test, Holm over the page."""
    tests: list[tuple[Any, str, int, float, float]] = []
    for group, by_mode in groups.items():
        for (one, first), (two, second) in itertools.combinations(by_mode.items(), 2):
            pair = text(f"{one} against {two}")
            curves = [[record.curve(METRIC) for record in records] for records in (first, second)]
            for epoch in COMPARED:
                values = [[c[epoch] for c in of_mode if epoch in c] for of_mode in curves]
                if min(map(len, values)) > 1:
                    difference = statistics.mean(values[0]) / (statistics.mean(values[1]) or math.nan) - 1
                    p = float(stats.ttest_ind(*values, equal_var=False).pvalue)
                    tests.append((group, pair, epoch, difference, p))
    lines: dict[Any, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (group, pair, epoch, difference, p), corrected in zip(tests, holm([p for *_, p in tests])):
        lines[group][pair].append(f"epoch {epoch} {difference:+.1%} (p {p:.2f}, corrected {corrected:.2f})")
    return {group: [f"* {pair}: {'; '.join(of)}" for pair, of in pairs.items()] for group, pairs in lines.items()}


def _order(record: Record) -> tuple:
    """Return what records are sorted by: those of the usual split first."""
    split = record.config.get("split_seed", SPLIT)
    padding = record.config.get("pad_side", "right")
    kind = record.batching, padding != "right", split != SPLIT, split
    return record.dataset, _trained(record), *kind, record.seed


def _trained(record: Record) -> str:
    return f"peer {record.peer_model}" if record.peer_model else record.cell.shown_method


def _label(record: Record) -> str:
    split, padding = record.config.get("split_seed", SPLIT), record.config.get("pad_side", "right")
    left = "" if padding == "right" else f", {padding} padding"
    return record.batching + left + ("" if split == SPLIT else f", split {split}")


def _source(record: Record) -> str:
    shown, made_in = ("python", "recbole", "torch", "numpy"), record.environment
    versions = ", ".join(f"{key} {made_in.versions[key]}" for key in shown if key in made_in.versions)
    command = " ".join(part for part in record.command if not part.startswith(("--seed", "--data_path")))
    command = command.replace(f"-{record.seed}.json", "-SEED.json")
    about = f"commit {made_in.shown_commit or 'none'}; {versions}; {made_in.machine['processor']}"
    return f"* {code(f'{command} --seed=SEED')}: {text(about)}"


def draw(groups: dict[Trained, Group], path: Path) -> None:
    """Draw every seed's curve, one panel per dataset and method, one colour per batching."""
    columns = min(len(groups), PANELS)
    rows = math.ceil(len(groups) / columns)
    with saved_figure(path, nrows=rows, ncols=columns, figsize=(4.5 * columns, 3.6 * rows), squeeze=False) as axes:
        for axis in axes.flat[len(groups) :]:
            axis.set_axis_off()
        for axis, ((dataset, trained), by_mode) in zip(axes.flat, groups.items()):
            for place, (mode, records) in enumerate(sorted(by_mode.items())):
                for label, record in zip([plain(mode), *[None] * len(records)], records):
                    axis.plot(*zip(*record.curve(METRIC).items()), color=f"C{place}", lw=1, label=label)
            axis.set(title=plain(f"{dataset}, {trained}"), xlabel="epoch", ylabel=f"validation {METRIC}")
            axis.legend(fontsize=7)
            axis.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(run_script(main))
