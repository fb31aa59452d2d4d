"""What all pictures have in common: sizes, axes of time, and long names."""

from textwrap import fill

from fusionser.reporting.drawing import Axes, MaxNLocator
from fusionser.reporting.figures import plain, write_figure

__all__ = ["TITLE_SIZE", "WIDTH", "name_panel", "note", "seconds_text", "set_time", "titled", "write_figure"]

WIDTH = 11.0
"""Width of a picture in inches."""

TITLE_SIZE = 13.0
PANEL_SIZE = 11.0

LONGEST_LINE = 90
"""Letters in a line of the title of a picture."""

MOST_LINES = 3
"""Lines of the title of a picture; what is longer is cut off."""


def titled(text: str, width: float = WIDTH) -> str:
    r"""Return the title of a picture of a width in inches, on several lines if it is long.

    Examples
    --------
    >>> titled("a " * 60).count("\n")
    1
    """
    return plain(fill(text, round(LONGEST_LINE * width / WIDTH), max_lines=MOST_LINES, placeholder=" …"))


def seconds_text(seconds: float) -> str:
    """Return a duration in seconds, or a very short one in milliseconds.

    Examples
    --------
    >>> seconds_text(1.234), seconds_text(0.012)
    ('1.23 s', '12 ms')
    """
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"


def name_panel(axes: Axes, title: str) -> None:
    """Write the title of a panel above its left end."""
    axes.set_title(titled(title), fontsize=PANEL_SIZE, loc="left")


def set_time(axes: Axes, start: float, end: float, *, labelled: bool) -> None:
    """Set the axis of time in seconds; only the lowest panel of several has numbers."""
    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12))
    axes.tick_params(axis="x", labelbottom=labelled)
    if labelled:
        axes.set_xlabel("time, s")


def note(axes: Axes, text: str) -> None:
    """Write a note into the middle of a panel that has nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=PANEL_SIZE)
