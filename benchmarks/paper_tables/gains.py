"""MDCNS against the other lines of its block: how far ahead, and whether that is more than chance."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paper_tables.significance import bootstrap, holm, paired_t

if TYPE_CHECKING:
    from paper_tables.cells import Line


@dataclass
class Gain:
    """MDCNS against another line of its block, on one metric, over the seeds that both have.

    Attributes:
        baseline: The other line.
        relative: How much higher the mean is, as a part of the baseline's.
        seeds: How many both have.
        p_seeds: Of the paired t-test over seeds; None for fewer than two.
        p_users: Of the paired t-test over users, the mean over seeds of each; None without places in the records.
        interval: Of the mean difference over users, bootstrap, 95 %.
        corrected: The p over users after Holm's correction over the blocks of the table.
    """

    baseline: Line
    relative: float
    seeds: int
    p_seeds: float | None = None
    p_users: float | None = None
    interval: tuple[float, float] | None = None
    corrected: float | None = None


def set_gains(lines: Sequence[Line], metrics: Sequence[str]) -> None:
    """Compare MDCNS, in each block that has it, with the best of the paper's baselines, and with every line.

    Args:
        lines: Of a table; ``gains`` and ``against`` of some are filled.
        metrics: The best baseline is compared with on each, every line on the last.
    """
    for line in lines:
        if not (line.row.is_ours and line.is_compared):
            continue
        rivals = [other for other in lines if other.row.block == line.row.block and other.is_compared]
        rivals = [rival for rival in rivals if not rival.row.is_ours]
        of_paper = [rival for rival in rivals if not rival.row.is_extra]
        for metric in metrics if of_paper else ():
            best = max(of_paper, key=lambda rival: rival.mean(metric) or 0.0)
            _add_gain(line.gains, metric, line, best, metric)
        for rival in rivals:
            _add_gain(line.against, rival.row.method, line, rival, metrics[-1])
    for name in ("gains", "against"):
        for key in dict.fromkeys(key for line in lines for key in getattr(line, name)):
            gains = [getattr(line, name).get(key) for line in lines]
            tested = [(gain, gain.p_users) for gain in gains if gain is not None and gain.p_users is not None]
            for (gain, _), corrected in zip(tested, holm([p for _, p in tested])):
                gain.corrected = corrected


def _add_gain(gains: dict[str, Gain], key: str, line: Line, baseline: Line, metric: str) -> None:
    """Compare two lines over the seeds that both have, if there are any."""
    seeds = [seed for seed in line.runs if seed in baseline.runs]
    if not seeds:
        return
    ours, theirs = line.values(metric, seeds), baseline.values(metric, seeds)
    mean = statistics.mean(theirs)
    gain = gains[key] = Gain(baseline, statistics.mean(ours) / mean - 1 if mean else 0.0, len(seeds))
    if not _same_split(line, baseline, seeds):
        return
    gain.p_seeds = paired_t(ours, theirs)
    mine, other = line.of_users(metric, seeds), baseline.of_users(metric, seeds)
    if mine is not None and other is not None and len(mine) == len(other):
        gain.p_users, gain.interval = paired_t(mine, other), bootstrap(mine - other)


def _same_split(line: Line, other: Line, seeds: Iterable[int]) -> bool:
    """Tell whether both were tested on the same rows in the same order."""
    keys = ("split_seed", "split_ratio", "split_file", "eval_prefixes", "MAX_ITEM_LIST_LENGTH")

    def split(record: dict[str, Any]) -> str:
        return json.dumps([record["data"], *(record["config"].get(key) for key in keys)], sort_keys=True)

    return all(split(line.runs[seed]) == split(other.runs[seed]) for seed in seeds)
