"""Figures of pages: drawn without a screen, saved as PNG, a few lines coloured and named where they end."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import UserError
from recbole_mdcns.records.record import Record
from recbole_mdcns.support.safe_write import replacing

#: The look of all figures; its colours are those of the lines that are named. All others are grey.
STYLE = Path(__file__).with_name("figures.mplstyle")
COLOURS = ("C0", "C1", "C2", "C3", "C4")
GREY = "0.8"
NAME_SIZE = 8  #: Of the names of lines, in points.


def require_matplotlib() -> None:
    """Call this before long work that ends in a figure.

    Raises:
        UserError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("the figures need matplotlib, which is not installed: pip install matplotlib")


@contextlib.contextmanager
def saved_figure(path: Path, **options: Any) -> Iterator[Any]:
    """Give the axes of a new figure, made with options of ``pyplot.subplots``, and save it at the end as PNG.

    With 256 colours a picture takes a third of the space.
    """
    require_matplotlib()
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image  # which matplotlib needs

    with pyplot.style.context(STYLE):
        figure, axes = pyplot.subplots(**options)
        yield axes
        figure.tight_layout()
        drawn = io.BytesIO()
        figure.savefig(drawn)
        with replacing(path) as file:
            Image.open(drawn).convert("RGB").quantize().save(file, "PNG", optimize=True)
        pyplot.close(figure)


def plain(label: Any) -> str:
    """Return a text that matplotlib shows as it is, and does not read as a formula."""
    return str(label).replace("$", r"\$")


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, the most important one first: a few have their own, the others are grey."""
    return {name: COLOURS[place] if place < len(COLOURS) else GREY for place, name in enumerate(names)}


def web_colours() -> dict[str, str]:
    """Return :data:`COLOURS` and :data:`GREY` by their names, as a web page writes them; needs matplotlib."""
    require_matplotlib()
    import matplotlib
    from matplotlib.colors import to_hex

    cycle = matplotlib.rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"]
    named = {name: to_hex(colour) for name, colour in zip(COLOURS, cycle.by_key()["color"])}
    return {**named, GREY: to_hex(GREY)}


def seconds_of(run: Record) -> list[float]:
    """Return the seconds of training until each validation."""
    total = accumulate(entry.train_seconds for entry in run.epochs)
    return [seconds for seconds, entry in zip(total, run.epochs) if entry.valid is not None]


def loss_curves(run: Record) -> dict[str, list[tuple[float, float]]]:
    """Return the parts of the loss by name, each against the epoch, from 1."""
    parts: dict[str, list[tuple[float, float]]] = {}
    for entry in run.epochs:
        for part, loss in entry.parts.items():
            parts.setdefault(part, []).append((entry.epoch + 1, loss))
    return parts


def draw_run(by_epoch: Any, by_time: Any, run: Record, metric: str, **style: Any) -> None:
    """Draw a validation metric of a record on two axes: against the epoch, from 1, and the seconds of training."""
    curve = run.curve(metric)
    if not curve:
        return
    epochs, seconds, values = list(curve), seconds_of(run), list(curve.values())
    behind = {"zorder": 1} if style.get("color") == GREY else {"zorder": 2}
    by_epoch.plot(epochs, values, **behind, **style)
    by_time.plot(seconds, values, **behind, **style)


def name_ends(axis: Any, ends: Mapping[str, tuple[float, float]], colours: dict[str, str]) -> None:
    """Write names next to the last points of drawn lines, without overlap; grey lines have no names."""
    named = sorted((end[1], end[0], name) for name, end in ends.items() if colours[name] != GREY)
    if not named:
        return
    low, high = axis.get_ylim()
    height = axis.get_window_extent().height * 72 / axis.figure.dpi  # in points
    step = (high - low) * 1.25 * NAME_SIZE / max(height, 1.0)
    last = max(x for _, x, _ in named)
    y = -float("inf")
    for place, (value, _, name) in enumerate(named):
        above = len(named) - 1 - place
        y = min(max(value, y + step), high - above * step)
        axis.annotate(
            plain(name), (last, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=NAME_SIZE,
            color=colours[name], annotation_clip=False,
        )  # fmt: skip
