"""Methods side by side: a page with a table and curves, from records alone.

    python -m recbole_mdcns.tuning sweep benchmarks/sweeps/every_method.yaml --set data_path=DIR
    python benchmarks/side_by_side.py sweeps/every_method --out benchmarks/results/every_method

Takes folders of sweeps or of records, and packed records (``*.jsonl.xz``); of each method the setting that validation
chose is shown. The records shown are packed beside the page. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from convergence import curve
from tabulate import tabulate

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.packed import pack_records
from recbole_mdcns.report.cells import chosen_cells, shown_budget
from recbole_mdcns.report.escape import text
from recbole_mdcns.report.figure import draw_run, plain, saved_figure
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import make_folder, read_all, run, sources, spread

#: A short patience, for comparison: in epochs without a better one.
PATIENCE = 10
Records = list[dict[str, Any]]
#: Columns of the table: a split, and who is evaluated on it.
COLUMNS = (("valid", "self"), ("valid", "peer"), ("valid", "teacher"), ("test", "self"), ("test", "teacher"))


def main() -> None:
    """Read the records, write the page, the figure and the packed records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the page")
    parser.add_argument("--title", default="Methods side by side")
    parser.add_argument("--note", help="a line for the page, such as what else the machine was doing")
    options = parser.parse_args()
    records = read_all(options.records)
    groups: dict[str, dict[str, Records]] = defaultdict(dict)
    peers = {record["peer_model"] for record in records}
    for record in records:
        if record["best_epoch"] is not None:
            need_metrics(record, [record["valid_metric"].lower()], parts=("valid",))
    for of_budget, _, chosen in chosen_cells(records):
        cell = chosen[0]["trial"]["cell"]
        name = cell["sampler"] + ("" if cell["loss"] == "BCE" else f", {cell['loss']}")
        name += f", {cell['peer']}" if cell["peer"] and len(peers - {None}) > 1 else ""
        where = f"{cell['model']} on {cell['dataset']}, {cell['protocol']}, epochs / patience"
        groups[f"{where} {shown_budget(of_budget)}"][name] = chosen
    lines = [f"# {options.title}", ""]
    if not groups:
        raise UserError("no record has a validation: there is nothing to compare")
    for title, methods in groups.items():
        lines += [f"## {text(title)}", "", table(methods), ""]
    shown = [record for methods in groups.values() for chosen in methods.values() for record in chosen]
    lines += sources(shown, options.note)
    make_folder(options.out)
    lines += ["* MiB: highest resident memory of the process, data and libraries included"]
    lines += ["", "![curves](curves.png)", ""]
    (options.out / "README.md").write_text("\n".join(lines), encoding="utf-8")
    pack_records(shown, options.out / "records.jsonl.xz")
    draw(groups, options.out / "curves.png")
    print("\n".join(lines))


def table(methods: dict[str, Records]) -> str:
    """Return the table of one model and dataset, the best on validation first."""
    metric = next(iter(methods.values()))[0]["valid_metric"].lower()
    shown = [column for column in COLUMNS if any(_values(runs, *column, metric) for runs in methods.values())]
    tells = any(len(run["epochs"]) > PATIENCE + 1 for runs in methods.values() for run in runs)
    ranked = sorted(methods.items(), key=lambda item: -statistics.mean(_values(item[1], "valid", "self", metric)))
    rows = [
        [
            text(name),
            _setting(runs[0]["trial"]["setting"]),
            *(spread(_values(runs, *column, metric)) for column in shown),
            *([spread([stopped_early(run, metric) for run in runs])] if tells else []),
            ", ".join(f"{r['best_epoch'] + 1} of {len(r['epochs'])}" for r in runs),
            f"{statistics.median(r['seconds_per_epoch'] for r in runs):.1f}",
            _memory(runs),
        ]
        for name, runs in ranked
    ]
    headers = ["method", "setting", *(f"{split} {role}" for split, role in shown)]
    headers += [*([f"valid self, patience {PATIENCE}"] if tells else []), "best epoch", "s/epoch", "MiB"]
    return f"{text(metric)}\n\n" + tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def stopped_early(run: dict[str, Any], metric: str) -> float:
    """Return the best validation score of the self model that a run with a short patience would have had."""
    best, since = -1.0, 0
    for value in curve(run, metric).values():
        best, since = (value, 0) if value > best else (best, since + 1)
        if since > PATIENCE:
            break
    return best


def draw(groups: dict[str, dict[str, Records]], path: Path) -> None:
    """Draw the validation metric of every run against epoch and against training time, a row per model and dataset."""
    size = (11, 3.6 * len(groups))
    with saved_figure(path, nrows=len(groups), ncols=2, figsize=size, squeeze=False, sharey="row") as axes:
        for (title, methods), (by_epoch, by_time) in zip(groups.items(), axes):
            for index, (name, runs) in enumerate(methods.items()):
                for number, run in enumerate(runs):
                    metric, label = run["valid_metric"].lower(), plain(name) if number == 0 else None
                    style = {"color": f"C{index % 10}", "linestyle": ("-", "--", ":")[index // 10 % 3], "label": label}
                    draw_run(by_epoch, by_time, run, metric, **style)
            by_epoch.set(title=plain(title), xlabel="epoch", ylabel=plain(f"validation {metric}"))
            by_time.set(xlabel="training time, s", xscale="log")
            by_time.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1, 1.02))


def _values(runs: Records, split: str, role: str, metric: str) -> list[float]:
    return [run[split][role][metric] for run in runs if metric in (run[split] or {}).get(role, {})]


def _setting(setting: dict[str, Any]) -> str:
    return text(", ".join(f"{key} {value}" for key, value in setting.items()))


def _memory(runs: Records) -> str:
    """Return the highest resident memory in MiB, of those records that have it."""
    known = [run["peak_memory"]["resident"] for run in runs if "resident" in (run.get("peak_memory") or {})]
    return f"{max(known) / 2**20:.0f}" if known else ""


if __name__ == "__main__":
    sys.exit(run(main))
