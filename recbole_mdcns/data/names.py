"""Names of users and items: packed into a checkpoint, and numbered as in the checkpoint when data are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.utils.enum_type import FeatureType
from torch import Tensor

from recbole_mdcns.errors import CheckpointError

#: One row of RecBole's list of columns that share their numbers: table, column, type.
_Column = tuple[Any, str, FeatureType]


def names_of(dataset: Any) -> dict[str, list[str]]:
    """Return the names of every column of tokens in the order of their numbers, from number 1 on.

    Returns:
        By column. Columns that share their numbers appear once, under the name of the first of them.
    """
    seen: set[int] = set()
    names_by_column = {}
    for field, tokens in dataset.field2id_token.items():
        if id(tokens) not in seen:
            names_by_column[str(field)] = [str(token) for token in tokens[1:].tolist()]
        seen.add(id(tokens))
    return names_by_column


def pack(names: Sequence[str]) -> dict[str, Tensor]:
    """Return names as one text in UTF-8, shape [bytes], and where each ends in it, counted in characters, shape [n]."""
    text = np.frombuffer("".join(names).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    ends = np.cumsum(np.fromiter(map(len, names), dtype=np.int64, count=len(names)))
    return {"text": torch.from_numpy(text.copy()), "ends": torch.from_numpy(ends)}


def unpack(packed: dict[str, Tensor]) -> list[str]:
    """Return the names that :func:`pack` packed.

    Raises:
        ValueError: They are not packed names.
    """
    try:
        text = packed["text"].cpu().numpy().tobytes().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise ValueError("the names are not UTF-8") from None
    ends = packed["ends"].cpu().numpy()
    if (np.diff(ends, prepend=0) < 0).any() or (ends[-1] if len(ends) else 0) != len(text):
        raise ValueError("the ends of the names do not fit their text")
    stops = ends.tolist()
    names = [text[start:stop] for start, stop in zip([0, *stops], stops)]
    if len(set(names)) != len(names):
        raise ValueError("a name occurs twice")
    return names


class Numbering:
    """Numbers that names had in a checkpoint, for a dataset that must give them the same numbers.

    Args:
        names: By column, the names from number 1 on.
        source: Where the numbers come from, for the error: ``checkpoint FILE``.
    """

    def __init__(self, names: dict[str, list[str]], source: str):
        self._names, self._source = names, source

    def put_first(self, columns: list[_Column]) -> list[_Column]:
        """Return columns that share their numbers, preceded by a column of the known names in the known order.

        Args:
            columns: Tables, columns and types as RecBole is about to number them: by first appearance.
        """
        known = self._names.get(columns[0][1]) if columns else None
        if known is None:
            return columns
        first = pd.DataFrame({columns[0][1]: np.array(known, dtype=object)})
        return [(first, columns[0][1], FeatureType.TOKEN), *columns]

    def check(self, columns: list[_Column], tokens: np.ndarray) -> None:
        """Refuse data with other names.

        Args:
            columns: The same columns without the one put first, numbered, no sequences among them.
            tokens: The names by number, the padding at 0.

        Raises:
            CheckpointError: Counts the names that are missing and those that are new, with examples.
        """
        field = columns[0][1] if columns else None
        known = self._names.get(field) if field else None
        if known is None:
            return
        is_used = np.zeros(len(tokens), dtype=bool)
        for table, column, _ in columns:
            is_used[table[column].to_numpy()] = True
        end = len(known) + 1
        lacks = tokens[1:end][~is_used[1:end]].tolist()
        difference = describe_difference(lacks, tokens[end:].tolist())
        if difference:
            raise CheckpointError(f"{self._source} does not fit this data: of its {len(known)} {field} {difference}")


def describe_difference(missing: Sequence[str], new: Sequence[str]) -> str:
    """Return ``3 are missing here (a, b, c), and 1 is new (d)``, or nothing where there is neither."""
    parts = []
    for names, what in ((missing, "missing here"), (new, "new")):
        if names:
            examples = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
            parts.append(f"{len(names)} {'is' if len(names) == 1 else 'are'} {what} ({examples})")
    return ", and ".join(parts)


def check_same_numbers(saved: dict[str, list[str]], here: dict[str, list[str]], source: str) -> None:
    """Refuse data whose names have other numbers.

    Args:
        saved: By column, the names from number 1 on, of the checkpoint.
        here: The same of the data.
        source: Where the saved numbers come from, for the error.

    Raises:
        CheckpointError: Counts the names that are missing and those that are new, or says that the order differs.
    """
    for field, names in saved.items():
        names_here = here.get(field, [])
        if names_here == names:
            continue
        known, present = set(names), set(names_here)
        difference = describe_difference(
            [n for n in names if n not in present], [n for n in names_here if n not in known]
        )
        if difference:
            raise CheckpointError(f"{source} does not fit this data: of its {len(names)} {field} {difference}")
        raise CheckpointError(
            f"{source} does not fit this data: it has the same {len(names)} {field}, in another order of first "
            "appearance; restore the order of the lines, or load the model with load_data_and_model"
        )
