"""The ranges of the keys of RecBole's models, whose yaml files have only defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recbole_mdcns.errors import ConfigError

#: Whole numbers from 1: layers, heads, dimensions.
SIZES = frozenset(
    ("n_layers", "num_layers", "n_heads", "hidden_size", "inner_size", "embedding_size", "kg_embedding_size",
     "block_num", "kernel_size", "d_state", "d_conv", "expand", "interest_size", "k_interests", "prototype_size",
     "nh", "nv", "high_order", "order_len", "short_item_length")
)  # fmt: skip
#: Probabilities and shares: from 0 to 1.
SHARES = frozenset(
    ("dropout_prob", "hidden_dropout_prob", "attn_dropout_prob", "item_dropout", "sess_dropout", "mask_ratio",
     "ft_ratio")
)  # fmt: skip
#: Numbers from 0, such as standard deviations.
SCALES = frozenset(("initializer_range", "layer_norm_eps"))


def check_model_values(values: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse impossible sizes, shares and scales of a model before it is built.

    Args:
        values: All keys of a run.
        keys: The keys of the model.

    Raises:
        ConfigError: Names the key, the value and what is allowed.
    """
    for key in sorted(set(keys) & values.keys()):
        value = values[key]
        number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")
        if key in SIZES and not (isinstance(number, int) and number >= 1):
            raise ConfigError(f"{key} = {value!r} is not allowed: it must be a whole number >= 1")
        if key in SHARES and not 0 <= number <= 1:
            raise ConfigError(f"{key} = {value!r} is not allowed: it must be a number from 0 to 1")
        if key in SCALES and not 0 <= number < float("inf"):
            raise ConfigError(f"{key} = {value!r} is not allowed: it must be a number >= 0")
    size: Any = values.get("hidden_size")
    heads: Any = values.get("n_heads")
    if {"n_heads", "hidden_size"} <= set(keys) & values.keys() and size % heads:
        raise ConfigError(f"n_heads = {heads!r} is not allowed: hidden_size = {size!r} must be a multiple of it")
