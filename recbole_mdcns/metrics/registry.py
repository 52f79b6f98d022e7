"""The known metrics: ``properties/metrics/NAME.yaml`` declares each of ours, and an import path names a user's own.

A metric is a class of RecBole's form: a subclass of ``TopkMetric`` or ``AbstractMetric``, whose ``calculate_metric``
gives its values by name. Those names are the class's own in lower case, with ``@K`` for each cut-off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recbole.evaluator.base_metric import AbstractMetric
from recbole.utils import EvaluatorType

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.support.declared import declarations_of, declared, is_known, resolve

#: What a collector of the full ranking can give to a metric.
NEEDS = (
    "rec.topk", "rec.items", "rec.meanrank", "rec.score", "data.num_items", "data.num_users", "data.count_items",
    "data.count_users", "data.label",
)  # fmt: skip
_CUT_OFF = re.compile(r"@\d+$")


def known_names() -> list[str]:
    """Return the names that are declared, as they are written, such as ``Recall``."""
    return list(declared("metrics"))


def resolve_metric(name: str) -> type[AbstractMetric]:
    """Return the class that a value of ``metrics`` names: a declared one in any case, or ``package.module:Class``.

    Raises:
        ConfigError: There is none of that name, or it is not a metric of the full ranking.
    """
    if isinstance(name, str) and name.startswith("["):  # a list whose names a shell left without quotes
        raise ConfigError(
            f"metrics = {name!r} is text, not a list: its names need quotes, --metrics=\"['Recall', 'NDCG']\""
        )
    spelling = {known.lower(): known for known in known_names()}
    metric = resolve("metrics", spelling.get(name.lower(), name) if isinstance(name, str) else name)
    needs = getattr(metric, "metric_need", None)
    if getattr(metric, "metric_type", None) != EvaluatorType.RANKING or not isinstance(needs, (list, tuple)):
        raise ConfigError(
            f"metrics = {name!r} is not allowed: {metric.__name__} is not a metric of the full ranking, which "
            "needs EvaluatorType.RANKING as metric_type and a list as metric_need"
        )
    unknown = [need for need in needs if need not in NEEDS]
    if unknown:
        raise ConfigError(
            f"metrics = {name!r} is not allowed: {metric.__name__} needs {unknown[0]!r}; choose from {', '.join(NEEDS)}"
        )
    if not is_known(metric):
        _check_own(name, metric, spelling)
    return metric


def _check_own(name: str, metric: type[AbstractMetric], spelling: Mapping[str, str]) -> None:
    """Refuse a user's own metric without values or with the name of one of ours, and keys, which nothing reads."""
    if metric.calculate_metric is AbstractMetric.calculate_metric:
        raise ConfigError(f"metrics = {name!r} is not allowed: {metric.__name__} does not define calculate_metric")
    known = spelling.get(metric.__name__.lower())
    if known:
        raise ConfigError(
            f"metrics = {name!r} is not allowed: its values would be reported as {known.lower()}, like those of "
            f"{known}: rename the class"
        )
    for declaration in declarations_of("metrics", metric):
        if declaration.keys or declaration.reads:
            raise ConfigError(f"{declaration.path}: a metric has no keys and no reads: leave them out")


def reported_names(names: Sequence[str], topk: Sequence[int]) -> list[str]:
    """Return under which names the values of some metrics are reported, such as ``recall@10`` and ``gauc``.

    Raises:
        ConfigError: As :func:`resolve_metric`.
    """
    by_name: dict[str, type[AbstractMetric]] = {}
    for metric in map(resolve_metric, names):
        own = metric.__name__.lower()
        if by_name.setdefault(own, metric) is not metric:
            raise ConfigError(f"metrics = {list(names)!r} is not allowed: two of them are reported as {own}")
    return [
        reported
        for own, metric in by_name.items()
        for reported in ([f"{own}@{k}" for k in topk] if has_cut_offs(metric) else [own])
    ]


def is_higher_better(name: str, metrics: Sequence[str] = ()) -> bool:
    """Tell whether a higher value of a metric is a better one.

    Args:
        name: As reported or as given, with or without its cut-off: ``ndcg@10``, ``GiniIndex``, ``my_metrics:HitAtOne``.
        metrics: Values of ``metrics``, where ``name`` may be the reported name of one of the user's own.

    Raises:
        ConfigError: As :func:`resolve_metric`.
    """
    bare = _CUT_OFF.sub("", name)
    own = {metric.__name__.lower(): metric for metric in map(resolve_metric, metrics)}
    return not (own.get(bare.lower()) or resolve_metric(bare)).smaller


def has_cut_offs(metric: type[AbstractMetric]) -> bool:
    """Tell whether a metric has a value for each cut-off: all but those that read the rank itself or say otherwise."""
    return getattr(metric, "has_cut_offs", "rec.meanrank" not in getattr(metric, "metric_need", ()))
