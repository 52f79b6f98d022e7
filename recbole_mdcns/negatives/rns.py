"""RNS: uniform negatives."""

from recbole_mdcns.negatives.base import DrawnNegatives


class RNS(DrawnNegatives):
    """K different negatives drawn uniformly from the items that are neither the target nor excluded."""

    views = ("uniform",)
    draws_uniformly = True
