"""RecBole's optimisers in their fused form, where this torch has one for the device."""

from __future__ import annotations

from torch.optim import Optimizer


def fused(optimizer: Optimizer) -> Optimizer:
    """Return the same optimiser updating all weights in one kernel, or the given one where there is no such kernel.

    Args:
        optimizer: One that has made no step yet.
    """
    if "fused" not in optimizer.defaults or optimizer.defaults["fused"]:
        return optimizer
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    try:
        return type(optimizer)(parameters, **{**optimizer.defaults, "fused": True, "foreach": None})
    except (RuntimeError, TypeError, ValueError):
        return optimizer
