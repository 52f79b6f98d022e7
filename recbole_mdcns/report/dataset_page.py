"""All results on one dataset: its statistics, the setting, and every method with its best hyperparameters."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tabulate import tabulate

from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.record import Record
from recbole_mdcns.report import escape
from recbole_mdcns.report.cells import chosen_cells
from recbole_mdcns.report.lines import shown_budget
from recbole_mdcns.report.sources import sources, spread, values_of

#: Keys of a run that every method shares and a reader wants to see.
_SETTING = (
    "protocol", "split_ratio", "split_seed", "eval_prefixes", "mask_history", "MAX_ITEM_LIST_LENGTH", "hidden_size",
    "n_layers", "num_layers", "n_heads", "hidden_dropout_prob", "dropout_prob", "learner", "learning_rate",
    "weight_decay", "train_batch_size", "neg_candidate_num", "epochs", "stopping_step", "valid_metric",
)  # fmt: skip


def dataset_page(
    dataset: str, records: Iterable[Record], metrics: Sequence[str], role_of: Callable[[Cell], str]
) -> str:
    """Return a page in Markdown.

    Args:
        dataset: Its name in records.
        records: Records of all datasets, each trial once.
        metrics: Test metrics shown.
        role_of: Tells which role's test metrics count in a cell.
    """
    mine = [record for record in records if record.dataset == dataset]
    sizes = ", ".join(f"{value:,} {escape.text(name)}" for name, value in mine[0].data.sizes.items() if value)
    text = [f"# {escape.text(dataset)}", "", sizes, "", *_rows(mine), "", "## Setting", ""]
    text += [_setting(mine), "", "## Results", "", "Test, mean ± standard deviation over seeds; the epoch and the "]
    text[-1] += "hyperparameters are chosen on validation."
    text += ["", _results(mine, metrics, role_of), "", "## Runs", "", *sources(mine, packed=[dataset]), ""]
    return "\n".join(text)


def _rows(records: Sequence[Record]) -> list[str]:
    """Return the numbers of rows, a line for each protocol."""
    of_protocol = {record.cell.protocol: record.data.rows for record in reversed(records)}
    lines = []
    for protocol in sorted(of_protocol):
        parts = (f"{of_protocol[protocol].get(split, 0):,} {split}" for split in ("train", "valid", "test"))
        name = f" of {escape.text(protocol)}" if len(of_protocol) > 1 else ""
        lines += ["", f"Rows{name}: {', '.join(parts)}."]
    return lines[1:]


def _setting(records: Sequence[Record]) -> str:
    rows = []
    for key in _SETTING:
        values = sorted({str(record.config[key]) for record in records if key in record.config})
        if values:
            rows.append([f"`{key}`", escape.text(", ".join(values))])
    return tabulate(rows, headers=["key", "value"], tablefmt="github", disable_numparse=True)


def _results(records: Sequence[Record], metrics: Sequence[str], role_of: Callable[[Cell], str]) -> str:
    rows, protocols = [], {record.cell.protocol for record in records}
    for of_budget, settings, chosen in chosen_cells(records):
        read = [record for record in chosen if record.test]
        if not read:
            continue
        cell = read[0].cell
        role = role_of(cell)
        name = cell.shown_method + ("" if role == "self" else f" ({role})")
        name += f", {cell.protocol}" if len(protocols) > 1 else ""
        row = [cell.model + (f" + {cell.peer}" if cell.peer else ""), name, _tried(settings, chosen)]
        row = list(map(escape.text, row))
        row += [spread(values_of(read, "test", role, metric)) for metric in metrics]
        row += [", ".join(f"{(record.best_epoch or 0) + 1} of {len(record.epochs)}" for record in read)]
        row += [", ".join(str(record.seed) for record in read), shown_budget(of_budget)]
        row += [f"{statistics.median(record.seconds_per_epoch for record in read):.1f}"]
        rows.append(row)
    headers = [
        "model", "method", "best of the values tried", *metrics, "best epoch", "seeds", "epochs / patience", "s/epoch"
    ]  # fmt: skip
    return tabulate(sorted(rows), headers=headers, tablefmt="github", disable_numparse=True)


def _tried(settings: dict[str, list[Record]], chosen: Sequence[Record]) -> str:
    """Return each hyperparameter that was chosen, with the values that it was chosen from."""
    rivals = [of_setting[0].trial.setting for of_setting in settings.values()]
    text = []
    for key, best in chosen[0].trial.setting.items():
        values = {_sortable(setting.get(key, "default")) for setting in rivals}
        shown = ", ".join(map(str, sorted(values, key=lambda value: (isinstance(value, str), value))))
        text.append(f"{key} {best}" + (f" of {shown}" if len(values) > 1 else ""))
    return "; ".join(text)


def _sortable(value: Any) -> float | str:
    """Return numbers as they are, and everything else, such as a list, as text."""
    return value if isinstance(value, (int, float)) else str(value)
