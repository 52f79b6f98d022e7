"""Dates as texts, ``2024-05-31`` or ``2024-05-31T18:30:00.5+02:00``, as seconds since 1970 in UTC."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

#: ISO 8601, a day or a moment; what has no time zone is in UTC. Nothing else says in which order day and month are.
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?", re.ASCII)


def seconds_of_text(text: str) -> float:
    """Return the seconds of a text of the form :data:`ISO_DATE`; parts of a microsecond are left out.

    Raises:
        ValueError: It is no date of the calendar.
    """
    return float(_seconds(pd.Timestamp(text).to_datetime64()))


def seconds_of(column: pd.Series) -> np.ndarray:
    """Return the seconds of dates, as texts or as pandas' own, shape [n]; NaN for what is none.

    Parts of a microsecond are left out.
    """
    if pd.api.types.infer_dtype(column) == "string":
        column = column.where(column.map(lambda text: bool(ISO_DATE.fullmatch(text))).astype(bool))
        dates = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    else:
        dates = pd.to_datetime(column, utc=True, errors="coerce")
    return np.where(dates.isna(), np.nan, _seconds(dates.dt.tz_convert(None).to_numpy()))


def _seconds(moments: Any) -> Any:
    whole, rest = np.divmod(moments.astype("datetime64[us]").astype(np.int64), 10**6)
    return whole + rest / 10**6
