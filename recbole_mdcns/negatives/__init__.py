"""Negative-sampling strategies by the value of ``neg_sampler``."""

from __future__ import annotations

from recbole_mdcns.negatives.base import Negatives, NegativeStrategy, ScoredPool
from recbole_mdcns.negatives.dns_plus import DNSPlus
from recbole_mdcns.negatives.mdcns import MDCNS
from recbole_mdcns.negatives.rns import RNS

STRATEGIES: dict[str, type[NegativeStrategy]] = {"mdcns": MDCNS, "dns_plus": DNSPlus, "rns": RNS}

__all__ = ["MDCNS", "RNS", "STRATEGIES", "DNSPlus", "NegativeStrategy", "Negatives", "ScoredPool"]
