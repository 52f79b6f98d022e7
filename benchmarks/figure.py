"""Figures of the benchmarks: drawn without a screen, saved as PNG."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def saved_figure(path: Path, **options: Any) -> Iterator[Any]:
    """Give the axes of a new figure, and save it at the end; needs matplotlib.

    Args:
        path: The PNG file.
        **options: Of ``pyplot.subplots``.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(**options)
    yield axes
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
