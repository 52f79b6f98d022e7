"""The keys of RecBole that reach our code, and what is allowed for each; keys inside a key stand behind a dot."""

from __future__ import annotations

from typing import Any

from recbole_mdcns.config.specs import check_value
from recbole_mdcns.errors import ConfigError, nearest

#: Type and range of each key, as in overall.yaml; ``*`` stands for any name. Keys of ours have theirs in overall.yaml,
#: here are only the keys inside them.
SPECS = {
    # Run
    "gpu_id": "gpu or ~",
    "use_gpu": "bool",
    "worker": "int, >= 0",
    "seed": "int, 0 to 4294967294",  # numpy takes less than 2**32, and strategies draw with the next seed
    "state": "level or ~",
    "reproducibility": "bool",
    "data_path": "path or empty",
    "checkpoint_dir": "path",
    "show_progress": "bool",
    "log_wandb": "bool",
    "wandb_project": "str",
    "encoding": "encoding or ~",
    # Training
    "shuffle": "bool",
    "loss_decimal_place": "int, 0 to 16",
    "require_pow": "bool",
    "enable_amp": "bool",
    "enable_scaler": "bool",
    "clip_grad_norm.max_norm": "float, > 0",
    "clip_grad_norm.norm_type": "float or inf, > 0",
    "pre_model_path": "path or empty or ~",
    # Evaluation
    "eval_args": "dict",
    "eval_args.split": "dict",
    "eval_args.order": "choice, TO",
    "eval_args.group_by": "choice, user",
    "eval_args.mode": "str or dict",
    "eval_args.mode.valid": "str",
    "eval_args.mode.test": "str",
    "repeatable": "bool",
    "valid_metric_bigger": "bool",
    "tail_ratio": "float or ~, > 0",  # of the metric TailPercentage
    # Files of a dataset
    "field_separator": "name",
    "seq_separator": "name",
    "load_col": "dict or ~",
    "load_col.*": "list of name or *",
    "unload_col": "dict or ~",
    "unload_col.*": "list of name",
    "unused_col": "dict or ~",
    "unused_col.*": "list of name",
    "additional_feat_suffix": "name or list of name or ~",
    "seq_len": "dict or ~",
    "seq_len.*": "int, >= 1",
    "numerical_features": "list of name",
    "alias_of_user_id": "list of name or ~",
    "alias_of_item_id": "list of name or ~",
    "alias_of_entity_id": "list of name or ~",
    "alias_of_relation_id": "list of name or ~",
    "preload_weight": "dict or ~",
    "preload_weight.*": "name",
    "normalize_field": "list of name or ~",
    "normalize_all": "bool or ~",
    "discretization": "dict or ~",
    "discretization.*": "dict",
    "discretization.*.method": "choice, ED|LD",
    "discretization.*.bucket": "int, >= 1",
    "expected_statistics.users": "int, >= 0",
    "expected_statistics.items": "int, >= 0",
    "expected_statistics.interactions": "int, >= 0",
    # Filters
    "rm_dup_inter": "choice or ~, first|last",
    "val_interval": "dict or ~",
    "val_interval.*": "interval or list",
    "filter_inter_by_user_or_item": "bool",
    "user_inter_num_interval": "count interval or ~",
    "item_inter_num_interval": "count interval or ~",
    # Names of columns
    "USER_ID_FIELD": "name",
    "ITEM_ID_FIELD": "name",
    "RATING_FIELD": "name",
    "TIME_FIELD": "name",
    "LABEL_FIELD": "name",
    "NEG_PREFIX": "name",
    "ITEM_LIST_LENGTH_FIELD": "name",
    "LIST_SUFFIX": "name",
    "POSITION_FIELD": "name",
    # Knowledge graphs, which no model of this package reads
    "HEAD_ENTITY_ID_FIELD": "name",
    "TAIL_ENTITY_ID_FIELD": "name",
    "RELATION_ID_FIELD": "name",
    "ENTITY_ID_FIELD": "name",
    "kg_reverse_r": "bool",
    "entity_kg_num_interval": "interval or ~",
    "relation_kg_num_interval": "interval or ~",
}


def check_recbole_keys(given: dict[str, Any]) -> dict[str, Any]:
    """Check those of some keys that are RecBole's.

    Returns:
        Their values, with the home folder in place of ``~`` in paths.

    Raises:
        ConfigError: Names the key, its value and what is allowed.
    """
    return {key: check_inner(key, check_value(key, SPECS[key], value)) for key, value in given.items() if key in SPECS}


def check_inner(name: str, value: Any, path: str = "") -> Any:
    """Check the keys inside a key, where they are known.

    Args:
        name: The key as the user wrote it, for messages.
        value: Its value; anything but a dict is returned as it is.
        path: The key as :data:`SPECS` writes it, where that differs.

    Returns:
        The value.

    Raises:
        ConfigError: Names the inner key, its value and what is allowed, or the inner keys that there are.
    """
    path = path or name
    inside = {spec[len(path) + 1 :]: spec for spec in SPECS if spec.startswith(f"{path}.")}
    known = [key for key in inside if "." not in key]
    if not isinstance(value, dict) or not known:
        return value
    checked = {}
    for key, item in value.items():
        spec = inside.get(key if key in known else "*")
        if spec is None or not isinstance(key, str):
            hint = nearest(str(key), known)
            allowed = "its keys are text" if "*" in known else f"its keys are {', '.join(known)}"
            raise ConfigError(f"{name}.{key} = {item!r} is not allowed: {name} has no key {key}{hint}; {allowed}")
        checked[key] = check_inner(f"{name}.{key}", check_value(f"{name}.{key}", SPECS[spec], item), spec)
    return checked
