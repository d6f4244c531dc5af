"""The picture of the result: seconds and memory of each engine."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

TIME, START_UP, MEMORY = "#3b7dd8", "#f2a33a", "#6aa56a"


def draw(
    path: Path,
    title: str,
    engines: Sequence[str],
    totals: Sequence[float],
    start_ups: Sequence[float],
    mebibytes: Sequence[float],
) -> None:
    """Draw the bars of all engines into an SVG file."""
    height = 1.4 + 0.45 * len(engines)
    figure = Figure(figsize=(9, height))
    left, right = figure.subplots(1, 2, sharey=True)
    figure.suptitle(title)
    bars(left, "seconds (orange: start-up)", engines, totals, TIME, "{:.1f}")
    left.barh(engines, start_ups, color=START_UP)
    bars(right, "peak memory, MiB", engines, mebibytes, MEMORY, "{:.0f}")
    left.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path)


def bars(
    axes: Axes,
    label: str,
    names: Sequence[str],
    lengths: Sequence[float],
    colour: str,
    text: str,
) -> None:
    """Draw one bar for each name, its length written at its end."""
    axes.bar_label(axes.barh(names, lengths, color=colour), fmt=text, padding=3)
    axes.set_xlabel(label)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
