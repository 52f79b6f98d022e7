"""The ranges of the keys of RecBole's models, whose yaml files have only defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recbole_mdcns.config.allowed import Allowed
from recbole_mdcns.errors import ConfigError

#: Layers, heads, dimensions.
_SIZES = dict.fromkeys(
    ("n_layers", "num_layers", "n_heads", "hidden_size", "inner_size", "embedding_size", "kg_embedding_size",
     "block_num", "kernel_size", "d_state", "d_conv", "expand", "interest_size", "k_interests", "prototype_size",
     "nh", "nv", "high_order", "order_len", "short_item_length"),
    Allowed(("int",), minimum=1),
)  # fmt: skip
#: Probabilities and shares.
_SHARES = dict.fromkeys(
    ("dropout_prob", "hidden_dropout_prob", "attn_dropout_prob", "item_dropout", "sess_dropout", "mask_ratio",
     "ft_ratio"),
    Allowed(("float",), minimum=0, maximum=1),
)  # fmt: skip
#: Standard deviations and the like.
_SCALES = dict.fromkeys(("initializer_range", "layer_norm_eps"), Allowed(("float",), minimum=0))
_RANGES = {**_SIZES, **_SHARES, **_SCALES}


def check_model_values(values: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse impossible sizes, shares and scales of a model before it is built.

    Args:
        values: All keys of a run.
        keys: The keys of the model.

    Raises:
        ConfigError: Names the key, the value and what is allowed.
    """
    for key in sorted(set(keys) & values.keys() & _RANGES.keys()):
        _RANGES[key].check(key, values[key])
    size: Any = values.get("hidden_size")
    heads: Any = values.get("n_heads")
    if {"n_heads", "hidden_size"} <= set(keys) & values.keys() and size % heads:
        raise ConfigError(f"n_heads = {heads!r} is not allowed: hidden_size = {size!r} must be a multiple of it")
