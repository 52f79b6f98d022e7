"""The keys that an evaluation of a saved model may change, because they do not change the model."""

from __future__ import annotations

from typing import Any

from recbole_mdcns.config.checks import USER_SPLIT_KEYS
from recbole_mdcns.config.keys import keys_of_models, own_keys, recbole_keys
from recbole_mdcns.config.values import unboxed
from recbole_mdcns.errors import ConfigError

#: Keys that do not change the model.
EVALUATION_KEYS = (
    "topk", "metrics", "mask_history", "eval_batch_size", "metric_decimal_place", "dataset", "data_path", "strict_data",
    "expected_statistics", "protocol", "split_ratio", "split_seed", "split_file", "eval_prefixes", "gpu_id", "use_gpu",
    "show_progress", "state", "encoding", "field_separator", "seq_separator",
)  # fmt: skip


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


def values_to_evaluate(saved: dict[str, Any], keys: dict[str, Any], trust_code: bool = False) -> dict[str, Any]:
    """Return the new keys and values for the configuration of a saved model that is evaluated.

    Args:
        saved: The saved configuration.
        keys: The user's keys, checked by :func:`check_evaluation_keys`.
        trust_code: Import the user's own metrics that ``saved`` names.

    Returns:
        The user's keys, and values for keys of the training whose saved values an evaluation must not use.
    """
    from recbole_mdcns.metrics import reported_names  # torch is loaded with it, which --help does not need

    values: dict[str, Any] = {
        "peer_model": None,
        "peer": {},
        "neg_sampler": "rns",
        "ranking_loss": "BCE",
        "lazy_items": False,
        "ema_decay": 0.0,  # a saved model holds averages already
    }
    metrics, cutoffs = (_as_list(keys.get(key, saved.get(key))) for key in ("metrics", "topk"))
    may_import = trust_code or "metrics" in keys or not any(":" in str(name) for name in metrics)
    if metrics and cutoffs and may_import:
        values["valid_metric"] = reported_names(metrics[:1], cutoffs)[0]
    if keys.get("protocol") == "leave_one_out":
        values.update({key: own_keys()[key].default for key in USER_SPLIT_KEYS})
    elif {"split_ratio", "split_seed"} & set(keys):
        values["split_file"] = None
    return {**values, **keys}


def saved_keys_to_evaluate(saved: dict[str, Any]) -> dict[str, Any]:
    """Return a saved configuration without the keys of the user's own strategy and loss.

    An evaluation imports neither class, and then nothing knows these keys. A user's own model may read any key.
    """
    has_own_code = any(":" in str(saved.get(key)) for key in ("neg_sampler", "ranking_loss"))
    if not has_own_code or ":" in str(saved.get("model")):
        return saved
    known = recbole_keys() | own_keys().keys() | keys_of_models()
    return {key: value for key, value in saved.items() if key in known or key == "peer"}


def _as_list(value: Any) -> list[Any]:
    """Return one or several metrics or cut-offs as a list; other values give an empty list and are refused later."""
    value = unboxed(value)
    if isinstance(value, (str, int)):
        return [value]
    return list(value) if isinstance(value, (list, tuple)) else []
