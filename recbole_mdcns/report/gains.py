"""MDCNS against the other lines of its block: how far ahead, and whether that is more than chance."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbole_mdcns.evaluation.paired_rows import same_rows, why_unpaired
from recbole_mdcns.evaluation.significance import bootstrap, holm, paired_t

if TYPE_CHECKING:
    from recbole_mdcns.report.cells import Line


@dataclass
class Gain:
    """MDCNS against another line of its block, on one metric, over the seeds that both have.

    Attributes:
        baseline: The other line.
        metric: On which.
        relative: How much higher the mean is, as a part of the baseline's.
        seeds: How many both have.
        p_seeds: Of the paired t-test over seeds; None for fewer than two.
        p_users: Of the paired t-test over users, the mean over seeds of each; None without places in the records.
        interval: Of the mean difference over users, bootstrap, 95 %.
        corrected: The p over users after Holm's correction over all tests over users of the table.
        unpaired: Why there is no test over users, where the runs cannot be paired by user.
    """

    baseline: Line
    metric: str
    relative: float
    seeds: int
    p_seeds: float | None = None
    p_users: float | None = None
    interval: tuple[float, float] | None = None
    corrected: float | None = None
    unpaired: str = ""


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
    _correct(lines)


def _correct(lines: Sequence[Line]) -> None:
    """Correct the p over users of a table by Holm: the family is every such test that the table prints, each once.

    A reader looks for marks over all metrics, blocks and rivals; so the level holds for all of them at once.
    """
    tests: dict[tuple[int, str, str], list[Gain]] = {}
    for number, line in enumerate(lines):
        for gain in (*line.gains.values(), *line.against.values()):
            if gain.p_users is not None:
                tests.setdefault((number, gain.baseline.row.method, gain.metric), []).append(gain)
    for gains, corrected in zip(tests.values(), holm([gains[0].p_users or 0.0 for gains in tests.values()])):
        for gain in gains:
            gain.corrected = corrected


def _add_gain(gains: dict[str, Gain], key: str, line: Line, baseline: Line, metric: str) -> None:
    """Compare two lines over the seeds that both have, if there are any."""
    seeds = [seed for seed in line.runs if seed in baseline.runs]
    if not seeds:
        return
    ours, theirs = line.values(metric, seeds), baseline.values(metric, seeds)
    mean = statistics.mean(theirs)
    relative = statistics.mean(ours) / mean - 1 if mean else 0.0
    gain = gains[key] = Gain(baseline, metric, relative, len(seeds))
    if not all(same_rows(line.runs[seed], baseline.runs[seed]) for seed in seeds):
        gain.unpaired = "not paired: other test rows"
        return
    gain.p_seeds = paired_t(ours, theirs)
    runs = [found.runs[seed] for found in (line, baseline) for seed in seeds]
    gain.unpaired = why_unpaired(runs)
    if gain.unpaired:
        return
    mine, other = line.of_users(metric, seeds), baseline.of_users(metric, seeds)
    if mine is not None and other is not None:
        gain.p_users, gain.interval = paired_t(mine, other), bootstrap(mine - other)
