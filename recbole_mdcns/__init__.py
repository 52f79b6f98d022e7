"""MDCNS for RecBole: sequential recommenders trained on negatives that two models and their ensemble choose.

The names below are the public face; each is imported when it is first used, so that ``import recbole_mdcns`` is fast.

* ``run_recbole_mdcns``: train a model with its peer, and evaluate it.
* ``prepare_dataframe``: a DataFrame of interactions becomes a dataset to train on.
* ``load``, ``Recommender``: recommendations from a saved model, without its data.
* ``MDCNSConfig``: the keys of a run, read and checked.
* ``NegativeStrategy``, ``RankingLoss``: the base classes of your own sampler and loss.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recbole_mdcns.version import __version__

if TYPE_CHECKING:
    from recbole_mdcns.config.run_config import MDCNSConfig
    from recbole_mdcns.data.prepare.dataframe import prepare_dataframe
    from recbole_mdcns.losses import RankingLoss
    from recbole_mdcns.negatives import NegativeStrategy
    from recbole_mdcns.quick_start import run_recbole_mdcns
    from recbole_mdcns.recommend import Recommender, load

__all__ = [
    "MDCNSConfig",
    "NegativeStrategy",
    "RankingLoss",
    "Recommender",
    "__version__",
    "load",
    "prepare_dataframe",
    "run_recbole_mdcns",
]

#: Where each name is defined, as above.
_MODULES = {
    "MDCNSConfig": "recbole_mdcns.config.run_config",
    "NegativeStrategy": "recbole_mdcns.negatives",
    "RankingLoss": "recbole_mdcns.losses",
    "Recommender": "recbole_mdcns.recommend",
    "load": "recbole_mdcns.recommend",
    "prepare_dataframe": "recbole_mdcns.data.prepare.dataframe",
    "run_recbole_mdcns": "recbole_mdcns.quick_start",
}


if not TYPE_CHECKING:  # a type checker would take any name

    def __getattr__(name: str) -> Any:
        """Import a name of the public face (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """Return the names of the public face beside those of the module."""
    return sorted({*globals(), *__all__})
