"""Values of records as text of a page, escaped so that they are never read as markup."""

from __future__ import annotations

import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def text(value: Any) -> str:
    """Return a value as text of a line or of a table's cell in Markdown."""
    plain = _CONTROL.sub(" ", str(value)).replace("\\", r"\\")
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([|`])", r"\\\1", plain).replace("](", r"]\(")


def code(value: Any) -> str:
    """Return a value as code in a line of Markdown, with as many backticks around it as it needs."""
    plain = _CONTROL.sub(" ", str(value))
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    return f"{fence} {plain} {fence}" if "`" in plain else f"`{plain}`"
