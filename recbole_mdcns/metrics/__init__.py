"""Metrics of the full ranking: RecBole's and the user's own, known by name or by import path."""

from recbole_mdcns.metrics.registry import is_higher_better, known_names, reported_names, resolve_metric

__all__ = ["is_higher_better", "known_names", "reported_names", "resolve_metric"]
