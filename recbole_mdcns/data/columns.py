"""Which columns of an atomic file are read: what ``load_col`` and ``unload_col`` ask for, against what there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from recbole.config import Config

from recbole_mdcns.data.check import Layout
from recbole_mdcns.errors import DataError


def check_sources(config: Config) -> None:
    """Refuse files that ``load_col`` or ``unload_col`` name and nothing reads, and columns that are no list.

    Raises:
        DataError: Names the key, what was found and what is allowed.
    """
    suffixes = config["additional_feat_suffix"] or []
    if not isinstance(suffixes, list) or {"inter", "user", "item"} & set(suffixes):
        raise DataError(f"additional_feat_suffix = {suffixes!r} is not allowed: give a list of what other files end in")
    sources = ["inter", "user", "item", *suffixes]
    for key in ("load_col", "unload_col"):
        for source, names in (config[key] or {}).items():
            if source not in sources:
                raise DataError(f"{key} names {source!r}: it takes {', '.join(sources)}")
            if not isinstance(names, (list, tuple, set)) and (key, names) != ("load_col", "*"):
                raise DataError(f"{key}.{source} = {names!r} is not allowed: give a list of columns")


def chosen_columns(
    path: Path, columns: list[tuple[str, str]], layout: Layout, keys: Mapping[str, Collection[str] | None]
) -> dict[str, str]:
    """Return names and types of the columns to read, in the order of the file.

    Args:
        path: The file.
        columns: Name and type of each of its columns.
        layout: What it must look like.
        keys: The key that names columns to read and the one that names columns to leave out, in this order, each with
            the names; None where it is not set.

    Raises:
        DataError: A key names a column that is not there, or leaves out one that is needed.
    """
    kinds = dict(columns)
    for key, names in keys.items():
        unknown = sorted(map(str, set(names or ()) - set(kinds)))
        if unknown:
            raise DataError(
                f"{key} names {' and '.join(map(repr, unknown))}, which {path} does not have; found {', '.join(kinds)}"
            )
    load, unload = keys.values()
    chosen = {name: kind for name, kind in columns if (load is None or name in load) and name not in (unload or ())}
    lacking = [name for name in layout.needed if name not in chosen]
    if lacking:
        key = next(key for key, names in keys.items() if names is not None)
        raise DataError(f"{key} leaves out {' and '.join(lacking)}, needed from {path} ({layout.named_by})")
    return chosen
