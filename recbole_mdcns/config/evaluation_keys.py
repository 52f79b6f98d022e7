"""The keys that an evaluation of a saved model may set anew, because they leave the model as it is."""

from __future__ import annotations

from typing import Any

from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.config.values import unboxed
from recbole_mdcns.errors import ConfigError

#: Keys that leave the model as it is.
EVALUATION_KEYS = (
    "topk", "metrics", "mask_history", "eval_batch_size", "metric_decimal_place", "dataset", "data_path", "strict_data",
    "expected_statistics", "protocol", "split_ratio", "split_seed", "split_file", "eval_prefixes", "gpu_id", "use_gpu",
    "show_progress", "state", "encoding", "field_separator", "seq_separator",
)  # fmt: skip
_OF_USER_SPLIT = ("split_ratio", "split_seed", "split_file", "eval_prefixes")


def check_evaluation_keys(keys: dict[str, Any]) -> None:
    """Refuse keys that might change a saved model.

    Raises:
        ConfigError: Names the key and what is allowed.
    """
    for key, value in keys.items():
        if key not in EVALUATION_KEYS:
            raise ConfigError(
                f"{key} = {value!r} is not allowed when a saved model is evaluated, which it might change; "
                f"allowed are {', '.join(EVALUATION_KEYS)}"
            )


def values_to_evaluate(saved: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Return the keys and values to set anew in the configuration of a saved model that is evaluated.

    Args:
        saved: The configuration as it was saved.
        keys: What the user sets anew, checked by :func:`check_evaluation_keys`.

    Returns:
        Those of the user, and values for keys of the training, whose saved values an evaluation does not need and might
        stumble over.
    """
    values: dict[str, Any] = {
        "peer_model": None,
        "peer": {},
        "neg_sampler": "rns",
        "ranking_loss": "BCE",
        "lazy_items": False,
    }
    metrics, cutoffs = (_as_list(keys.get(key, saved.get(key))) for key in ("metrics", "topk"))
    if metrics and cutoffs:
        values["valid_metric"] = metrics[0] if str(metrics[0]).lower() == "gauc" else f"{metrics[0]}@{cutoffs[0]}"
    if keys.get("protocol") == "leave_one_out":
        values.update({key: own_keys()[key].default for key in _OF_USER_SPLIT})
    elif {"split_ratio", "split_seed"} & set(keys):
        values["split_file"] = None
    return {**values, **keys}


def _as_list(value: Any) -> list[Any]:
    """Return one or several metrics or cut-offs as a list; an empty one for what is neither, which is refused later."""
    value = unboxed(value)
    if isinstance(value, (str, int)):
        return [value]
    return list(value) if isinstance(value, (list, tuple)) else []
