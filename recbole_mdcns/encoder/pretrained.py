"""Checks of files of weights that a model of RecBole opens itself."""

from __future__ import annotations

from typing import Any

from recbole_mdcns import compat
from recbole_mdcns.errors import ConfigError

#: The key under which models of RecBole read a file with ``torch.load``, which before torch 2.6 runs what it holds.
_KEY = "pre_model_path"


def check_pretrained(config: Any) -> None:
    """Refuse files of weights that hold anything except tensors and plain values, or that a new start would undo.

    Raises:
        ConfigError: Names the key and the file.
    """
    path = config[_KEY] if _KEY in config else None  # noqa: SIM401  RecBole's Config has no get
    if not path:
        return
    deviation = config["item_init_range"] if "item_init_range" in config else None  # noqa: SIM401
    if deviation is not None:
        raise ConfigError(
            f"item_init_range = {deviation!r} is not allowed with {_KEY} = {path!r}, which gives the items their "
            "first embeddings: leave one of them out"
        )
    try:
        content = compat.load_plain(path)
    except OSError as error:
        raise ConfigError(f"{_KEY} = {path!r} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{_KEY} = {path!r} cannot be used: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        raise ConfigError(f"{_KEY} = {path!r} is not allowed: expected a dict with an entry state_dict")
