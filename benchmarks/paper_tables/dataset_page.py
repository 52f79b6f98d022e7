"""All results on one dataset: its statistics, the setting, and every method with its best hyperparameters."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from sources import sources, spread
from tabulate import tabulate

from recbole_mdcns.tuning.select import by_cell, choose

Record = dict[str, Any]
#: Keys of a run that every method shares and a reader wants to see.
_SETTING = (
    "protocol", "split_ratio", "split_seed", "eval_prefixes", "mask_history", "MAX_ITEM_LIST_LENGTH", "hidden_size",
    "n_layers", "num_layers", "n_heads", "hidden_dropout_prob", "dropout_prob", "learner", "learning_rate",
    "weight_decay", "train_batch_size", "neg_candidate_num", "epochs", "stopping_step", "valid_metric",
)  # fmt: skip


def dataset_page(dataset: str, records: Iterable[Record], metrics: Sequence[str]) -> str:
    """Return a page in Markdown.

    Args:
        dataset: Our name of it.
        records: Of all datasets, each trial once.
        metrics: Test metrics shown.
    """
    mine = [record for record in records if record["dataset"] == dataset]
    first = mine[0]
    data = {name: value for name, value in first["data"].items() if not isinstance(value, dict)}
    parts = {part: first["data"]["rows"][part] for part in ("train", "valid", "test")}
    text = [f"# {dataset}", "", ", ".join(f"{value:,} {name}" for name, value in data.items() if value), ""]
    text += [f"Rows: {', '.join(f'{number:,} {part}' for part, number in parts.items())}.", "", "## Setting", ""]
    text += [_setting(mine), "", "## Results", "", "Test, mean ± standard deviation over seeds; the epoch and the "]
    text[-1] += "hyperparameters are chosen on validation."
    text += ["", _results(mine, metrics), "", "## Runs", "", *sources(mine), ""]
    return "\n".join(text)


def _setting(records: Sequence[Record]) -> str:
    rows = []
    for key in _SETTING:
        values = sorted({str(record["config"][key]) for record in records if key in record["config"]})
        if values:
            rows.append([f"`{key}`", ", ".join(values)])
    return tabulate(rows, headers=["key", "value"], tablefmt="github", disable_numparse=True)


def _results(records: Sequence[Record], metrics: Sequence[str]) -> str:
    rows = []
    for settings in by_cell(records).values():
        seeds = {record["trial"]["seed"] for found in settings.values() for record in found}
        chosen = sorted(choose(settings, seeds), key=lambda record: record["trial"]["seed"])
        cell = chosen[0]["trial"]["cell"]
        name = cell["sampler"] if cell["loss"] == "BCE" else f"{cell['sampler']}, {cell['loss']}"
        row = [cell["model"] + (f" + {cell['peer']}" if cell["peer"] else ""), name, _tried(settings, chosen)]
        read = [record["test"]["self"] for record in chosen if record["test"]]
        row += [spread([test[metric] for test in read]) for metric in metrics]
        row += [", ".join(f"{r['best_epoch'] + 1} of {len(r['epochs'])}" for r in chosen)]
        row += [", ".join(str(r["trial"]["seed"]) for r in chosen)]
        row += [f"{statistics.median(r['seconds_per_epoch'] for r in chosen):.1f}"]
        rows.append(row)
    headers = ["model", "method", "best of the values tried", *metrics, "best epoch", "seeds", "s/epoch"]
    return tabulate(sorted(rows), headers=headers, tablefmt="github", disable_numparse=True)


def _tried(settings: dict[str, list[Record]], chosen: Sequence[Record]) -> str:
    """Return each hyperparameter that was chosen, with the range of values that were tried."""
    text = []
    for key, best in chosen[0]["trial"]["setting"].items():
        values = sorted({found[0]["trial"]["setting"][key] for found in settings.values()})
        text.append(f"{key} {best}" + (f" of {', '.join(map(str, values))}" if len(values) > 1 else ""))
    return "; ".join(text)
