"""matplotlib, imported without the settings of the working folder."""

import os.path
import sys

__all__ = [
    "Axes",
    "AxesImage",
    "Figure",
    "FigureCanvasAgg",
    "FixedLocator",
    "FontProperties",
    "FuncFormatter",
    "Line2D",
    "MaxNLocator",
    "NullLocator",
    "SubFigure",
    "Text",
    "findfont",
    "font_manager",
    "get_font",
    "imsave",
    "rc_context",
]

SETTINGS = "matplotlibrc"


def _load() -> None:
    """Import matplotlib, if that has not happened, and do not let it read a file `matplotlibrc` in the working folder.

    That file may have come with a stranger's recordings. It can start LaTeX, change what pictures look like, or be no
    settings at all, which is an error of the import.
    """
    if "matplotlib" in sys.modules:
        return
    exists = os.path.exists
    os.path.exists = lambda path: path != SETTINGS and exists(path)
    try:
        __import__("matplotlib")
    finally:
        os.path.exists = exists


_load()

from matplotlib import rc_context  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure, SubFigure  # noqa: E402
from matplotlib.font_manager import FontManager, FontProperties, findfont, get_font  # noqa: E402
from matplotlib.image import AxesImage, imsave  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.text import Text  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator  # noqa: E402


def font_manager() -> FontManager:
    """Return what knows the installed fonts."""
    from matplotlib import font_manager as fonts

    return fonts.fontManager
