"""Figures of results."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.errors import SettingsError
from fusionser.files import remove_files, write_whole
from fusionser.names import FIGURE_FORMATS, PICTURE_SUFFIXES
from fusionser.reporting.drawing import Axes, Figure, FigureCanvasAgg, Line2D, rc_context
from fusionser.reporting.letters import with_letters
from fusionser.reporting.words import classes_text, corpora_text, protocol_name
from fusionser.results import Result
from fusionser.splits import CrossCorpus
from fusionser.storage import called, suffix_of

__all__ = [
    *("COLORS", "DARK_CELL", "LONGEST_SPEAKER", "MARKS", "draw_heat", "plain", "save_figure"),
    *("short", "shorts", "speaker_names", "study_figures", "write_figure"),
]

DARK_CELL = 0.65
"""Shade above which white text is easier to read than black."""
DOTS_PER_INCH = 120
LONGEST_TITLE = 44
"""Letters in a line above a panel, so that it does not touch the next one."""

LEAST_LABELS, INCHES_A_LETTER = 3.2, 0.065
"""Inches that the labels beside the panels have at least, and that one of their letters takes."""

LONGEST_NAME, LONGEST_END = 24, 8
"""Letters of a name beside an axis, and of its end, by which names with one beginning differ."""

# Protocols and corpora differ in shape as well as in colour, for print in black and white.
LEGEND_LETTERS = 100
"""Letters beside each other in a legend, with five for each mark; more would be wider than the picture."""

MARKS = ("o", "s", "^", "D", "v", "P")
COLORS = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000")
"""Colours that differ for colour-blind readers, too (Okabe and Ito 2008)."""


LONGEST_SPEAKER = 16
"""Letters of the name of a speaker below a panel."""


def plain(text: str) -> str:
    """Escape a text so that matplotlib does not read it as a formula; boxes stand for what cannot be printed."""
    shown = "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return shown.replace("$", r"\$")


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name beside an axis: escaped, and without its middle if it would leave no room for the panel.

    Examples
    --------
    >>> short("neutral"), short("a" * 20 + "b" * 20)
    ('neutral', 'aaaaaaaaaaaaaaa…bbbbbbbb')
    """
    return _cut(name, longest, longest * LONGEST_END // LONGEST_NAME)


def _cut(name: str, longest: int, end: int) -> str:
    """Return a name with an ellipsis before its last letters, of which there are `end`."""
    shown = name.replace("\n", "\N{REPLACEMENT CHARACTER}")
    if len(shown) > longest:
        shown = f"{shown[: longest - end - 1]}…{shown[len(shown) - end :]}"
    return plain(shown)


def shorts(names: Sequence[str], longest: int = LONGEST_NAME) -> list[str]:
    """Return names as `short` does, cut elsewhere if they then differ more.

    Examples
    --------
    >>> shorts(["a" * 20 + "1" + "b" * 20, "a" * 20 + "2" + "b" * 20])
    ['…aa1bbbbbbbbbbbbbbbbbbbb', '…aa2bbbbbbbbbbbbbbbbbbbb']
    """
    cut = [
        [_cut(name, longest, end) for name in names] for end in (longest * LONGEST_END // LONGEST_NAME, longest - 1, 0)
    ]
    # The first one that has the most.
    return max(cut, key=lambda texts: len(set(texts)))


def speaker_names(names: Sequence[str], corpora: Collection[str]) -> list[str]:
    """Return the names of speakers without that of their corpus, if they then still differ.

    Parameters
    ----------
    names : sequence of str
        As in rows, where a speaker may have the name of the corpus and a slash before the own one.
    corpora : collection of str
        Names of the corpora.

    Examples
    --------
    >>> speaker_names(["emodb/03", "emodb/08"], ["emodb"]), speaker_names(["site-a/01", "site-b/01"], ["calls"])
    (['03', '08'], ['site-a/01', 'site-b/01'])
    >>> speaker_names(["emodb/03", "ravdess/03"], ["emodb", "ravdess"])
    ['emodb/03', 'ravdess/03']
    """
    own = [name.partition("/")[2] if name.partition("/")[0] in corpora else name for name in names]
    whole = "" in own or len(set(own)) < len(set(names))
    return list(names) if whole else own


def draw_heat(
    axes: Axes,
    values: npt.NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    ends: tuple[float, float],
    digits: int = 1,
) -> None:
    """Draw shares as a heat map in percent, shaded from the lower to the upper end; NaN is drawn as a dash."""
    low, high = ends
    axes.imshow(values, cmap="Blues", vmin=low, vmax=max(high, low + 1e-9), aspect="auto")
    axes.set_xticks(range(len(columns)), shorts(columns), rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), shorts(rows), fontsize=8)
    for (row, column), value in np.ndenumerate(values):
        dark = high > low and (value - low) / (high - low) > DARK_CELL
        text = "-" if np.isnan(value) else f"{100 * value:.{digits}f}"
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=8)


MOST_ROWS = 24
"""Most rows of a panel of a study; the next ones are in a panel of their own."""

MOST_ROWS_OF_A_FIGURE = 30

Panel = tuple[str, tuple[str, ...]]
"""Title of a panel of a study, and its rows."""


def study_figures(results: Sequence[Result]) -> list[Figure]:
    """Draw the UAR of all results: a panel per corpus and setting, a mark per protocol, intervals as bars.

    The rows are sorted by UAR, those of a panel with many are divided, and each figure has at most some panels. Rows of
    cross-corpus results also name what was trained on and tested on.
    """
    figures: list[list[Panel]] = [[]]
    for panel in _panels(results):
        if figures[-1] and sum(len(rows) for _, rows in [*figures[-1], panel]) > MOST_ROWS_OF_A_FIGURE:
            figures.append([])
        figures[-1].append(panel)
    return [_study_figure(panels, results) for panels in figures]


def _panels(results: Sequence[Result]) -> list[Panel]:
    """Return the panels with their rows, the highest UAR under the first protocol first."""
    panels: list[Panel] = []
    first_protocol = protocol_name(results[0])
    for title in dict.fromkeys(map(_panel, results)):
        best: dict[str, tuple[bool, float]] = {}
        for result in results:
            if _panel(result) == title:
                key = (protocol_name(result) == first_protocol, result.pooled.uar)
                best[_row(result)] = max(best.get(_row(result), key), key)
        rows = sorted(best, key=best.__getitem__, reverse=True)
        panels += [(title, tuple(rows[first : first + MOST_ROWS])) for first in range(0, len(rows), MOST_ROWS)]
    return panels


def _study_figure(panels: Sequence[Panel], results: Sequence[Result]) -> Figure:
    settings = list(dict.fromkeys(result.protocol.known for result in results))
    protocols = list(dict.fromkeys(map(protocol_name, results)))
    heights = [1.0 + 0.25 * len(rows) for _, rows in panels]
    labels = max(LEAST_LABELS, INCHES_A_LETTER * max(len(plain(name)) for _, rows in panels for name in rows))
    figure = Figure(figsize=(labels + 4.2 * len(settings), sum(heights) + 0.4), layout="constrained")
    grid = figure.subplots(
        len(panels), len(settings), sharex=True, sharey="row", squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axes, ((title, rows), setting) in zip(grid.flat, product(panels, settings), strict=True):
        axes.set_title(fill(plain(f"{title}, {setting}"), LONGEST_TITLE), fontsize=10)
        axes.set_yticks(range(len(rows)), [plain(name) for name in rows], fontsize=8)
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6))
        axes.grid(axis="both", linewidth=0.4)
        axes.tick_params(labelbottom=True)
    drawn = set()
    for result, (place, (title, rows)) in product(results, enumerate(panels)):
        if title == _panel(result) and _row(result) in rows:
            number = protocols.index(protocol_name(result))
            drawn.add(number)
            height = rows.index(_row(result)) + 0.18 * (number - (len(protocols) - 1) / 2)
            _draw_score(grid[place][settings.index(result.protocol.known)], result, height, number)
    for axes in grid[-1]:
        axes.set_xlabel("UAR, %")
    handles = [
        Line2D([], [], marker=MARKS[number % len(MARKS)], color=COLORS[number % len(COLORS)], linestyle="", label=name)
        for number, name in enumerate(protocols)
        if number in drawn
    ]
    columns = max(1, LEGEND_LETTERS // (max(len(name) for name in protocols) + 5))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8)
    return figure


def _row(result: Result) -> str:
    return f"{result.features_name}, {result.classifier}{_direction(result)}"


def _direction(result: Result) -> str:
    """Return the training and test corpora of a cross-corpus result; the panel names only both together."""
    if result.protocol.name != CrossCorpus.name:
        return ""
    test = result.protocol.settings["test"]
    train = result.protocol.settings.get("train") or [name for name in result.corpora if name not in test]
    return f" ({corpora_text(train)} -> {corpora_text(test)})"


def _panel(result: Result) -> str:
    return f"{corpora_text(result.corpora)}, {classes_text(result)}"


def _draw_score(axes: Axes, result: Result, height: float, number: int) -> None:
    color = COLORS[number % len(COLORS)]
    if result.intervals is not None:
        axes.plot([100 * end for end in result.intervals["uar"]], [height] * 2, color=color, linewidth=1.2)
    axes.plot([100 * result.pooled.uar], [height], marker=MARKS[number % len(MARKS)], color=color, markersize=5)


TEXT_AS_TEXT: Any = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "fusionser"}
"""Settings of matplotlib that embed fonts in PDF and leave the texts of SVG as they are."""

UNDATED: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None},
}
"""Metadata to leave out: without dates and versions, the same figure always gives the same bytes."""


def save_figure(figure: Figure, path: str | Path, formats: Sequence[str] = ()) -> Path:
    """Write a figure as a PNG file, and beside it in other formats, each completely or not at all.

    Parameters
    ----------
    figure : Figure
    path : str or Path
        The PNG file.
    formats : sequence of {"pdf", "svg"}, default=()
        Files of an earlier figure in formats that are not named are removed.

    Returns
    -------
    Path
        The PNG file.
    """
    remove_files(Path(path).parent, [Path(path).with_suffix(f".{name}").name for name in FIGURE_FORMATS])
    saved = write_figure(figure, Path(path).with_suffix(".png"))
    # Each drawing would move the panels a little; so all formats have those of the first one.
    figure.set_layout_engine("none")
    for name in formats:
        write_figure(figure, Path(path).with_suffix(f".{name}"))
    return saved


def _picture_suffix(path: str | Path) -> str:
    """Return the suffix of a picture to write, or raise `SettingsError` if it is of an unknown format."""
    suffix = suffix_of(path)
    if suffix not in PICTURE_SUFFIXES:
        raise SettingsError(f"path is {called(path)}; expected a file ending in {', '.join(PICTURE_SUFFIXES)}")
    return suffix


def write_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure to one file, completely or not at all.

    Parameters
    ----------
    figure : Figure
    path : str or Path
        The suffix says the format: ``.png``, ``.pdf`` or ``.svg``.

    Raises
    ------
    SettingsError
        If it has another suffix.
    FusionserError
        If the file cannot be written.
    """
    name = _picture_suffix(path).removeprefix(".")
    FigureCanvasAgg(figure)
    with warnings.catch_warnings(), rc_context(TEXT_AS_TEXT), with_letters(figure, name):
        # Where no installed font has a letter, there is a box. The tables of the page have the names.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        return write_whole(
            path,
            lambda temporary: figure.savefig(temporary, format=name, dpi=DOTS_PER_INCH, metadata=dict(UNDATED[name])),
        )
