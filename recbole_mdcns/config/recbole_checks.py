"""Keys of RecBole that are in conflict with each other, or that need a package."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from recbole_mdcns.errors import ConfigError, nearest


def tie_repeatable(final: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse ``repeatable`` if it contradicts ``mask_history``; RecBole wants it True for all sequences.

    Raises:
        ConfigError: Names both keys.
    """
    masked = final["mask_history"]
    if given.get("repeatable", not masked) == masked:
        effect = "takes the items of the history out of" if masked else "leaves the items of the history in"
        raise ConfigError(
            f"repeatable = {masked} is not allowed with mask_history = {masked}, which {effect} the ranking: "
            f"set mask_history={not masked}, or leave repeatable out"
        )
    final["repeatable"] = True


def check_columns(final: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse lists of columns that lack a needed column, or that name no file of a dataset.

    Raises:
        ConfigError: Names the key, the file and the columns.
    """
    names = {key: final[key] for key in ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "ITEM_LIST_LENGTH_FIELD")}
    for key, name in reversed(names.items()):
        if list(names.values()).count(name) > 1:
            raise ConfigError(f"{key} = {name!r} is not allowed: {', '.join(names)} name four different columns")
    _check_time_stays(final)
    needed = {"inter": list(names.values())[:3]}
    needed.update(user=needed["inter"][:1], item=needed["inter"][1:2])
    more = final["additional_feat_suffix"] or []
    files = ["inter", "user", "item", *([more] if isinstance(more, str) else more)]
    for key in ("load_col", "unload_col", "unused_col"):
        for file, columns in (given.get(key) or {}).items():
            if file not in files:
                raise ConfigError(
                    f"{key}.{file} = {columns!r} is not allowed: a dataset has no file .{file}{nearest(file, files)}; "
                    f"its files are {', '.join(files)}"
                )
            missing = set(needed.get(file, ())) - set(columns) if key == "load_col" and columns != "*" else ()
            surplus = set(needed.get(file, ())) & set(columns) if key != "load_col" else ()
            if missing or surplus:
                verb = "must" if missing else "must not"
                raise ConfigError(
                    f"{key}.{file} = {columns!r} is not allowed: it {verb} hold {', '.join(needed[file])}"
                )
    if given.get("load_col") and "inter" not in given["load_col"]:
        raise ConfigError(
            f"load_col = {given['load_col']!r} is not allowed: load_col.inter must hold {', '.join(needed['inter'])}"
        )
    loaded = given.get("load_col", {"inter": needed["inter"]}) or {}
    for file in given.get("unload_col") or {}:
        if loaded.get(file, "*") != "*":
            raise ConfigError(
                f"unload_col.{file} = {given['unload_col'][file]!r} is not allowed beside load_col, which names the "
                "columns to load: set load_col=~, or leave unload_col out"
            )


def _check_time_stays(final: dict[str, Any]) -> None:
    """Refuse to change the times: sequences are in their order, and ENS compares them with those of exposures."""
    time = final["TIME_FIELD"]
    for key in ("discretization", "numerical_features", "normalize_field"):
        if time in (final[key] or ()):
            raise ConfigError(
                f"{key} = {final[key]!r} is not allowed: sequences are in the order of {time}, which must stay as it is"
            )
    if final["normalize_all"] and final.get("neg_sampler") == "ens":
        raise ConfigError(
            "normalize_all = True is not allowed with neg_sampler = 'ens', which compares times: name the columns in "
            "normalize_field"
        )


def check_packages(final: dict[str, Any]) -> None:
    """Refuse keys that need a package which is not installed.

    Raises:
        ConfigError: Names the key and how to install the package.
    """
    if final["log_wandb"] and "wandb" not in sys.modules:
        spec = find_spec("wandb")
        if spec is None or spec.origin is None:  # a folder of this name, which wandb makes, is not a package
            raise ConfigError("log_wandb = True needs the package wandb: pip install wandb")
