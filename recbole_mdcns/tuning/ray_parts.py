"""Ray Tune's objects for the searches, distributions and schedulers that a sweep's file names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recbole_mdcns.errors import ConfigError

#: The name that validation scores are reported to Ray under; the higher the better.
METRIC = "score"
#: Epochs before a scheduler may stop a trial.
GRACE_EPOCHS = 5


def searcher(name: str, seed: int, tried: Sequence[dict[str, Any]]) -> Any:
    """Return Ray's searcher.

    Args:
        name: ``optuna`` or ``hyperopt``.
        seed: Seed of its draws.
        tried: Settings that it learns of first; they count as samples.

    Raises:
        ConfigError: The package that searches is not installed.
    """
    options: dict[str, Any] = {"metric": METRIC, "mode": "max"}
    if tried:
        options["points_to_evaluate"] = list(tried)
        seed += 1_000_003 * len(tried)  # with the same seed it would draw what it drew before
    try:
        if name == "optuna":
            from ray.tune.search.optuna import OptunaSearch

            return OptunaSearch(seed=seed, **options)
        from ray.tune.search.hyperopt import HyperOptSearch

        return HyperOptSearch(random_state_seed=seed, **options)
    except (ImportError, AssertionError) as error:
        raise ConfigError(f"search = {name!r} needs a package: pip install {name} ({error})") from None


def distribution(choices: Any) -> Any:
    """Return Ray's form of a list of values, or of ``{kind: [low, high]}`` with both ends included."""
    from ray import tune

    if isinstance(choices, list):
        return tune.choice(choices)
    ((kind, (low, high)),) = choices.items()
    return tune.randint(low, high + 1) if kind == "randint" else getattr(tune, kind)(low, high)


def scheduler_of(name: str) -> Any:
    """Return Ray's ``asha`` or ``median``, which count in epochs; None for ``fifo``."""
    from ray.tune import schedulers

    if name == "asha":
        return schedulers.ASHAScheduler(time_attr="epoch", max_t=10_000, grace_period=GRACE_EPOCHS)
    if name == "median":
        # without a long slice it pauses trials for those that wait, and each time a trial would begin anew
        return schedulers.MedianStoppingRule(time_attr="epoch", grace_period=GRACE_EPOCHS, min_time_slice=10_000)
    return None
