"""STUB of the lead's module, to be replaced by it: what a run is known by."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from recbole_mdcns.config.values import plain_value

_LENGTH = ("epochs", "stopping_step", "eval_step", "valid_metric", "metrics", "topk")


def reduce(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a run reads."""
    return dict(values)


def content_key(values: dict[str, Any]) -> str:
    """Return sixteen hexadecimal digits that stand for what a configuration's result depends on."""
    from recbole_mdcns.checkpoints.checkpoint import FREE_KEYS

    content = {key: value for key, value in values.items() if key not in FREE_KEYS or key in _LENGTH}
    return hashlib.sha256(json.dumps(plain_value(content), sort_keys=True).encode()).hexdigest()[:16]
