"""RecBole's activations, written out operation by operation, replaced by torch's fused ones of the same value."""

from __future__ import annotations

import torch.nn.functional as F
from recbole.model.layers import FeedForward
from torch import nn


def fuse_activations(model: nn.Module) -> None:
    """Let the feed-forward layers of one model, RecBole's ``FeedForward``, use torch's own GELU and SiLU.

    Values and gradients are the same up to rounding; a layer takes half the time (``benchmarks/speed_costs.py``). Other
    models, of the same class too, stay as they are.
    """
    for layer in model.modules():
        if isinstance(layer, FeedForward):
            fused = {layer.gelu: F.gelu, layer.swish: F.silu}
            layer.intermediate_act_fn = fused.get(layer.intermediate_act_fn, layer.intermediate_act_fn)
