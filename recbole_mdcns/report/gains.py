"""Our method against the other lines of its block: how far ahead, and whether that is more than chance."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from recbole_mdcns.evaluation.significance import bootstrap, holm, is_per_user, paired_t
from recbole_mdcns.records.paired_rows import same_rows, why_unpaired
from recbole_mdcns.report.lines import Gain, Line, is_smaller_better


def set_gains(lines: Sequence[Line], metrics: Sequence[str], tests: Sequence[str] = ("seeds", "users")) -> None:
    """Compare our method, in each block that has it, with the best baseline above the rule, and with every line.

    Args:
        lines: The lines of a table; ``gains`` and ``against`` of some are filled.
        metrics: The best baseline is compared on each of them, every other line on the last.
        tests: ``seeds``, ``users``: which tests are made.
    """
    for line in lines:
        if not (line.row.method.is_ours and line.is_compared):
            continue
        rivals = [other for other in lines if other.row.block == line.row.block and other.is_compared]
        rivals = [rival for rival in rivals if not rival.row.method.is_ours]
        baselines = [rival for rival in rivals if not rival.row.method.is_extra]
        for metric in metrics if baselines else ():
            _add_gain(line.gains, metric, line, best_of(baselines, metric), metric, tests)
        for rival in rivals:
            _add_gain(line.against, rival.name, line, rival, metrics[-1], tests)
    _correct(lines)


def best_of(lines: Sequence[Line], metric: str) -> Line:
    """Return the line with the best mean, the first of equal ones."""
    best = min if is_smaller_better(lines, metric) else max
    return best(lines, key=lambda line: line.mean(metric) or 0.0)


def _correct(lines: Sequence[Line]) -> None:
    """Correct the p over users of a table by Holm: the family is every such test that the table prints, each once.

    A reader looks for marks over all metrics, blocks and rivals; so the level holds for all of them at once.
    """
    tests: dict[tuple[int, str, str], list[Gain]] = {}
    for place, line in enumerate(lines):
        for gain in (*line.gains.values(), *line.against.values()):
            if gain.p_users is not None:
                tests.setdefault((place, gain.baseline.name, gain.metric), []).append(gain)
    for gains, corrected in zip(tests.values(), holm([gains[0].p_users or 0.0 for gains in tests.values()])):
        for gain in gains:
            gain.corrected = corrected


def _add_gain(gains: dict[str, Gain], key: str, line: Line, baseline: Line, metric: str, tests: Sequence[str]) -> None:
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
    if "seeds" in tests:
        gain.p_seeds = paired_t(ours, theirs)
    if "users" not in tests:
        return
    if not is_per_user(metric):
        gain.unpaired = "no user has this metric"
        return
    gain.unpaired = why_unpaired(compared.runs[seed] for compared in (line, baseline) for seed in seeds)
    if gain.unpaired:
        return
    mine, other = line.of_users(metric, seeds), baseline.of_users(metric, seeds)
    if mine is not None and other is not None:
        gain.p_users, gain.interval = paired_t(mine, other), bootstrap(mine - other)
