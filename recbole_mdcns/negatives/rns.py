"""RNS: uniform negatives."""

from recbole_mdcns.negatives.base import Proposed


class RNS(Proposed):
    """K different negatives drawn uniformly from the items that are neither the target nor in the history."""

    views = ("uniform",)
