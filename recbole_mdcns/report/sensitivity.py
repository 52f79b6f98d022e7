"""How much each hyperparameter of MDCNS matters, one changed at a time, from the records of a sweep.

    python -m recbole_mdcns.tuning sweep benchmarks/sweeps/sensitivity.yaml --set data_path=DIR
    python benchmarks/sensitivity.py sweeps/sensitivity --out benchmarks/results/sensitivity

The committed page has half the epochs and some methods (``--set epochs=40 --set stopping_step=40 --samplers ...``).
Every method of that sweep is a cell of its own, so that test is read of all; nothing is chosen by it. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.packed import pack_records
from recbole_mdcns.report.escape import text
from recbole_mdcns.report.figure import saved_figure
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import read_all, run, sources, spread

#: The keys varied, and the paper's symbols.
KEYS = {
    "neg_top_num": "M", "teacher_neg_weight": "γ", "distill_temperature": "τ", "neg_candidate_num": "N",
}  # fmt: skip
Records = list[dict[str, Any]]


def main() -> None:
    """Read the records, write the page and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    records = [record for record in read_all(options.records) if record["test"]]
    if not records:
        raise UserError("of no record test was read: let the sweep end")
    first = records[0]
    metric = first["valid_metric"].lower()
    for record in records:
        need_metrics(record, [metric], parts=("valid", "test"))
        missing = [key for key in KEYS if not isinstance(record["config"].get(key), (int, float))]
        if missing:
            raise UserError(f"record {record['trial']['key']} has no number for {', '.join(missing)} in its config")
    options.out.mkdir(parents=True, exist_ok=True)
    found = {key: one_changed(records, key) for key in KEYS}
    names = f"{first['trial']['cell']['model']} with {first['peer_model']} on {first['dataset']}, {metric}"
    lines = [f"# Sensitivity of MDCNS: {text(names)}", ""]
    for key, by_value in found.items():
        rows = [
            [
                f"{value:g}",
                spread([r["valid"]["self"][metric] for r in runs]),
                spread([r["test"]["self"][metric] for r in runs]),
            ]
            for value, runs in by_value.items()
        ]
        lines += [tabulate(rows, [f"{KEYS[key]} (`{key}`)", "validation", "test"], "github", disable_numparse=True), ""]
    lines += [*sources(records), "", "![sensitivity](sensitivity.png)", ""]
    (options.out / "README.md").write_text("\n".join(lines), encoding="utf-8")
    pack_records(records, options.out / "records.jsonl.xz")
    draw(found, metric, options.out / "sensitivity.png")
    print("\n".join(lines))


def one_changed(records: Records, key: str) -> dict[float, Records]:
    """Return the runs by the value of a key in which the other keys have their usual values."""
    usual = {other: statistics.mode(record["config"][other] for record in records) for other in KEYS if other != key}
    found: dict[float, Records] = defaultdict(list)
    for record in records:
        if all(record["config"][other] == value for other, value in usual.items()):
            found[record["config"][key]].append(record)
    return dict(sorted(found.items()))


def draw(found: dict[str, dict[float, Records]], metric: str, path: Path) -> None:
    """Draw validation and test against the value of each key."""
    with saved_figure(path, ncols=len(found), figsize=(4 * len(found), 3.6), sharey=True, squeeze=False) as axes:
        for axis, (key, by_value) in zip(axes[0], found.items()):
            for split in ("valid", "test"):
                means = [statistics.mean(r[split]["self"][metric] for r in runs) for runs in by_value.values()]
                axis.plot(list(by_value), means, marker="o", label=split)
            axis.set(xlabel=KEYS[key], xscale="log", ylabel=metric)
            axis.set_xticks(list(by_value), [f"{value:g}" for value in by_value])
            axis.minorticks_off()
            axis.legend()


if __name__ == "__main__":
    sys.exit(run(main))
