"""The columns to read from an atomic file: ``load_col`` and ``unload_col``, checked against the file's columns."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from recbole.config import Config

from recbole_mdcns.data.files.validate import Layout
from recbole_mdcns.errors import DataError


def check_named(config: Config, path: Path, columns: list[tuple[str, str]], source: str) -> None:
    """Refuse names in ``load_col`` and ``unload_col`` that a file does not have.

    Args:
        config: The run.
        path: The file.
        columns: Name and type of each of its columns.
        source: The ending of the file's name.

    Raises:
        DataError: Names the key, the unknown columns and the columns of the file.
    """
    column_names = [name for name, _ in columns]
    for key in ("load_col", "unload_col"):
        names = (config[key] or {}).get(source) or []
        unknown = [name for name in names if names != "*" and name not in column_names]
        if unknown:
            raise DataError(
                f"{key}.{source} names {' and '.join(map(repr, unknown))}, which {path} does not have; "
                f"found {', '.join(column_names)}"
            )


def chosen_columns(
    path: Path,
    columns: list[tuple[str, str]],
    layout: Layout,
    load: Collection[str] | None,
    unload: Collection[str] | None,
) -> dict[str, str]:
    """Return names and types of the columns to read, in the order of the file.

    Args:
        path: The file.
        columns: Name and type of each of its columns.
        layout: The form of the file.
        load: Names to read; all of them when None.
        unload: Names to leave out.

    Raises:
        DataError: A column is left out that is needed.
    """
    chosen = {name: kind for name, kind in columns if (load is None or name in load) and name not in (unload or ())}
    lacking = [name for name in layout.needed if name not in chosen]
    if lacking:
        key = "unload_col" if load is None else "load_col"
        source = path.suffix[1:]
        raise DataError(f"{key}.{source} leaves out {' and '.join(lacking)}, needed from {path} ({layout.named_by})")
    return chosen
