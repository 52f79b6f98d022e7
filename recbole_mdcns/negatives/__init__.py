"""Negative-sampling strategies by the value of ``neg_sampler``."""

from __future__ import annotations

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.adasir import AdaSIR
from recbole_mdcns.negatives.base import DrawnNegatives, Negatives, NegativeStrategy, ScoredPool
from recbole_mdcns.negatives.dns_plus import DNS, DNSPlus
from recbole_mdcns.negatives.ens import ENS
from recbole_mdcns.negatives.gnno import GNNO
from recbole_mdcns.negatives.in_batch import InBatch
from recbole_mdcns.negatives.mdcns import MDCNS
from recbole_mdcns.negatives.mixgcf import MixGCF, MixGCFPlus
from recbole_mdcns.negatives.none import NoNegatives
from recbole_mdcns.negatives.pns import PNS
from recbole_mdcns.negatives.rns import RNS
from recbole_mdcns.negatives.srns import SRNS
from recbole_mdcns.support.import_path import import_own

STRATEGIES: dict[str, type[NegativeStrategy]] = {
    "mdcns": MDCNS,
    "rns": RNS,
    "pns": PNS,
    "ens": ENS,
    "in_batch": InBatch,
    "dns": DNS,
    "dns_plus": DNSPlus,
    "mixgcf": MixGCF,
    "mixgcf_plus": MixGCFPlus,
    "adasir": AdaSIR,
    "gnno": GNNO,
    "srns": SRNS,
    "none": NoNegatives,
}

__all__ = [
    "STRATEGIES",
    "DrawnNegatives",
    "NegativeStrategy",
    "Negatives",
    "ScoredPool",
    "resolve_strategy",
    "strategy_names",
]


def strategy_names() -> list[str]:
    """Return what the strategies of ours go by."""
    return [name for name in STRATEGIES if name != "none"]


def resolve_strategy(name: str) -> type[NegativeStrategy]:
    """Return the strategy that a value of ``neg_sampler`` names: one of ours, or ``package.module:Class``.

    Raises:
        ConfigError: There is none of that name.
    """
    if isinstance(name, str) and name in STRATEGIES:
        return STRATEGIES[name]
    if not isinstance(name, str) or ":" not in name:
        allowed = ", ".join(STRATEGIES)
        raise ConfigError(f"neg_sampler = {name!r} is not allowed: choose {allowed}, or package.module:Class")
    found = import_own(name, "neg_sampler")
    if not (isinstance(found, type) and issubclass(found, NegativeStrategy)):
        raise ConfigError(f"neg_sampler = {name!r} is not allowed: it is no subclass of NegativeStrategy")
    return found
