"""Which of self, peers and teacher is best on validation."""

from __future__ import annotations

from collections.abc import Mapping


def best_role(valid: Mapping[str, Mapping[str, float]], metric: str, is_higher_better: bool) -> str | None:
    """Return the role with the best value of a metric; the first of those that are equal.

    Args:
        valid: Metrics on validation by role, the self model first.
        metric: The metric, such as ``NDCG@10``.
        is_higher_better: The direction of the metric.

    Returns:
        The role; None where no role has the metric.
    """
    values = {role: metrics[metric.lower()] for role, metrics in valid.items() if metric.lower() in metrics}
    choose = max if is_higher_better else min
    return choose(values, key=lambda role: values[role]) if values else None
