"""The identity of a run: the keys that it reads and that change its numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from recbole_mdcns.config.checks import REPLACED
from recbole_mdcns.config.key import Key
from recbole_mdcns.config.keys import IMPORTING, own_keys
from recbole_mdcns.config.model_keys import declared_model_keys
from recbole_mdcns.config.peers import named_peers
from recbole_mdcns.config.reads import Parts, keys_not_read
from recbole_mdcns.config.values import plain_value
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.registry import default_peer, resolve_model
from recbole_mdcns.support.declared import resolve

#: Keys that RecBole derives from others, or that serve its own training; no run of ours reads them from a file.
NOT_READ = frozenset({
    "MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type", "device", "single_spec", "valid_metric_bigger",
    "valid_neg_sample_args", "test_neg_sample_args", *REPLACED,
})  # fmt: skip
#: Keys that do not change the numbers of an epoch: a resumed run may set them to other values.
FREE_KEYS = frozenset({
    "resume", "result_file", "epochs", "stopping_step", "checkpoint_dir", "data_path", "show_progress", "state",
    "gpu_id", "use_gpu", "log_wandb", "wandb_project", "evaluate_peers", "eval_batch_size", "metric_decimal_place",
    "config_files", "worker", "loss_decimal_place", "strict_data", "expected_statistics", "raw_data",
    "compile_scan", "cuda_graph", "distributed_backend", "log_dir", "tensorboard_dir",
})  # fmt: skip
#: Free keys that change what a whole run reports.
_LENGTH = ("epochs", "stopping_step")


def settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that two runs must share to give the same numbers in each epoch.

    A key of ours is left out if it has its first default. Therefore a later version can add a key, and runs that do not
    set it keep their identity.

    Args:
        values: A plain configuration; see ``ModelConfig.plain``.
    """
    return {key: value for key, value in _changed(values).items() if key not in FREE_KEYS}


def settings_id(values: Mapping[str, Any]) -> str:
    """Return eight hexadecimal digits that identify :func:`settings`."""
    return _digits(settings(values), 8)


def content_key(values: Mapping[str, Any]) -> str:
    """Return sixteen hexadecimal digits that identify everything that the result of a run depends on.

    Args:
        values: A plain configuration.
    """
    return _digits({key: value for key, value in _changed(values).items() if is_identifying(key)}, 16)


def is_identifying(key: str) -> bool:
    """Tell whether two runs that differ in a key are two runs: it changes their numbers, or their length."""
    return key not in FREE_KEYS or key in _LENGTH


def reduce(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a plain configuration that its run reads.

    Args:
        values: Resolved keys, which may include keys of other strategies, losses and models.

    Raises:
        ConfigError: A model, strategy or loss among them is unknown, or is given by an import path.
    """
    for key in IMPORTING:
        if ":" in str(values.get(key)):
            raise ConfigError(f"{key} = {values[key]!r} names code to import, which reading a file does not do")
    parts = parts_of(resolve_model(values["model"]), values)
    left_out = {*NOT_READ, *keys_not_read(values, parts), *(() if parts.peers else ("peer",))}
    return {key: value for key, value in values.items() if key not in left_out}


def parts_of(model_class: type, values: Mapping[str, Any]) -> Parts:
    """Return the classes that resolved keys name.

    Args:
        model_class: The self model's class.
        values: The keys.

    Raises:
        ConfigError: There is no peer, strategy or loss of that name.
    """
    loss = resolve("losses", values["ranking_loss"])
    strategy = resolve("negatives", values["neg_sampler"]) if loss.needs_negatives else None
    peers: list[type] = []
    if loss.needs_peer or (strategy is not None and strategy.needs_peer):
        peers = named_peers(model_class, values.get("peer_model"))
    has_file = bool(values.get("split_file"))
    return Parts(model_class, values["protocol"], has_file, tuple(peers), strategy, loss)


def _changed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values without the keys of ours that have their first default."""
    keys = {**own_keys(), **_keys_of(values["model"])}
    changed = {key: value for key, value in values.items() if not _is_first(keys, key, value)}
    named = str(values.get("peer_model") or default_peer(values["model"]))
    if "peer_model" in values:
        changed["peer_model"] = named
    peer, names = values.get("peer"), named.split(",")
    if isinstance(peer, list):
        changed["peer"] = [_changed_of_peer(name, each) for name, each in zip(names, peer)]
    elif peer and len(names) == 1:
        changed["peer"] = _changed_of_peer(names[0], peer)
    return changed


def _changed_of_peer(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    keys = {**own_keys(), **_keys_of(name)}
    return {key: value for key, value in values.items() if key not in FREE_KEYS and not _is_first(keys, key, value)}


def _is_first(keys: Mapping[str, Key], name: str, value: Any) -> bool:
    return name in keys and value == keys[name].first_default


def _keys_of(model: str) -> dict[str, Key]:
    """Return the declared keys of a model by its name; a user's own model is not imported and has none."""
    return {} if ":" in model else declared_model_keys(resolve_model(model))


def _digits(content: Mapping[str, Any], number: int) -> str:
    return hashlib.sha256(json.dumps(plain_value(content), sort_keys=True).encode()).hexdigest()[:number]
