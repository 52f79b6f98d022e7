"""Figures of the benchmarks: drawn without a screen, saved as PNG."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def require_matplotlib() -> None:
    """Call this before long work that ends in a figure.

    Raises:
        SystemExit: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise SystemExit("the figures need matplotlib, which is not installed: pip install matplotlib")


@contextlib.contextmanager
def saved_figure(path: Path, **options: Any) -> Iterator[Any]:
    """Give the axes of a new figure, and save it at the end; needs matplotlib.

    Args:
        path: The PNG file.
        **options: Of ``pyplot.subplots``.
    """
    require_matplotlib()
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(**options)
    yield axes
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def plain(label: Any) -> str:
    """Return a text that matplotlib shows as it is, and does not read as a formula."""
    return str(label).replace("$", r"\$")


def draw_run(by_epoch: Any, by_time: Any, run: dict[str, Any], metric: str, **style: Any) -> None:
    """Draw a validation metric of a record on two axes: against the epoch, from 1, and the seconds of training."""
    total, points = 0.0, []
    for entry in run["epochs"]:
        total += entry["train_seconds"]
        if "valid" in entry:
            points.append((entry["epoch"] + 1, total, entry["valid"][metric]))
    if not points:
        return
    epochs, seconds, values = zip(*points)
    by_epoch.plot(epochs, values, **style)
    by_time.plot(seconds, values, **style)
