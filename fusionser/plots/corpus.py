"""The recordings of a corpus as a picture: classes, speakers, durations and levels."""

from pathlib import Path

import numpy as np
import pandas as pd

from fusionser.corpora import list_rows
from fusionser.errors import RowsError
from fusionser.names import GENDERS
from fusionser.plots.corpus_numbers import (
    UNKNOWN,
    Levels,
    Progress,
    durations,
    known_levels,
    recording_levels,
    with_labels,
)
from fusionser.plots.style import PANEL_SIZE, TITLE_SIZE, WIDTH, name_panel, titled
from fusionser.reporting.drawing import Axes, Figure, MaxNLocator
from fusionser.reporting.figures import COLORS, DARK_CELL, LONGEST_SPEAKER, shorts, speaker_names
from fusionser.reporting.words import counted
from fusionser.rows import check_rows

__all__ = ["corpus_figure", "draw_corpus"]

GENDER_LOOKS = {"female": (COLORS[0], ""), "male": (COLORS[4], "///"), UNKNOWN: ("0.75", "...")}
"""Colour and hatch of the bars of each gender; hatches tell them apart in black and white."""

MOST_NAMED = 40
"""Most speakers of whom all are named."""

FEW_NAMES = 12
"""Most speakers whose names are not turned, and whose counts are larger."""

FEW_LETTERS = 7
"""Letters of a name up to which names of few speakers are not turned."""

BINS = 30


def corpus_figure(
    corpus: str | Path | pd.DataFrame,
    name: str | None = None,
    *,
    levels: bool = True,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> Figure:
    """Draw how many recordings a corpus has of each class and speaker, and their durations and levels.

    Parameters
    ----------
    corpus : str, path or DataFrame
        A folder, a table of rows, a features file or a dataset; or a table as of `fusionser.list_rows`.
    name : str, optional
        For a folder: the name of the corpus, or ``folders``, as of `fusionser.list_rows`.
    levels : bool, default=True
        Decode every recording for its level.
    n_jobs : int, optional
        Number of processes that decode; -1 for one per core.
    progress : callable, optional
        Called with the number of recordings that are decoded, and of all.

    Returns
    -------
    Figure

    Raises
    ------
    CorpusError, RowsError
        If there are no recordings, or they cannot be listed.

    Examples
    --------
    >>> rows = pd.DataFrame({"file": ["a.wav", "b.wav"], "end": [1.0, 2.0], "emotion": ["sad", "calm"]})
    >>> figure = corpus_figure(rows, levels=False)
    >>> [axes.get_title(loc="left") for axes in figure.axes][:2]
    ['Recordings by class', 'Durations, median 1.50 s']
    """
    rows = check_rows(corpus) if isinstance(corpus, pd.DataFrame) else list_rows(corpus, name).rows
    if rows.empty:
        raise RowsError("the table has no rows; expected at least one recording")
    title = "the table" if isinstance(corpus, pd.DataFrame) else Path(corpus).name
    found = recording_levels(rows, n_jobs=n_jobs, progress=progress) if levels else None
    return draw_corpus(rows, found, title)


def draw_corpus(rows: pd.DataFrame, levels: Levels | None, title: str) -> Figure:
    """Draw what `corpus_figure` draws of rows and their levels."""
    labelled = with_labels(rows)
    classes = sorted(set(labelled["emotion"]))
    histograms = {_draw_durations: durations(rows), _draw_levels: known_levels(levels)}
    histograms = {draw: values for draw, values in histograms.items() if values.size}
    known = labelled[labelled["speaker"] != ""]
    # A panel without anything to draw has no place.
    bands = 1 if known.empty else 2
    height = max(0.34 * len(classes) + 0.9, 2.8)
    figure = Figure(figsize=(WIDTH, bands * height + 1.0), layout="constrained")
    parts = figure.subfigures(bands, 1, squeeze=False)[:, 0]
    panels = parts[0].subplots(1, 1 + len(histograms), squeeze=False)[0]
    _draw_classes(panels[0], labelled, classes)
    for axes, (draw, values) in zip(panels[1:], histograms.items(), strict=True):
        draw(axes, values)
    if not known.empty:
        _draw_speakers(parts[1].add_subplot(), known, classes)
    figure.suptitle(titled(f"{title}: {_counted(rows)}"), fontsize=TITLE_SIZE)
    if missing := _missing(known, durations(rows), levels):
        figure.supxlabel(f"Not drawn: {'; '.join(missing)}", fontsize=PANEL_SIZE)
    return figure


def _missing(known: pd.DataFrame, seconds: Levels, levels: Levels | None) -> list[str]:
    """Return why panels are not drawn."""
    missing = []
    if not seconds.size:
        missing.append("durations, which are unknown")
    if not known_levels(levels).size:
        missing.append(
            f"levels, {'which were not measured' if levels is None else 'since no recording can be decoded'}"
        )
    if known.empty:
        missing.append("speakers, who are unknown; a speaker-independent evaluation needs them")
    return missing


def _counted(rows: pd.DataFrame) -> str:
    speakers = rows.loc[rows["speaker"] != "", "speaker"].nunique()
    told = [counted(len(rows), "recording"), counted(speakers, "speaker") if speakers else "speakers unknown"]
    seconds = durations(rows)
    return ", ".join([*told, *([f"{seconds.sum() / 60:.1f} minutes"] if seconds.size else [])])


def _draw_classes(axes: Axes, rows: pd.DataFrame, classes: list[str]) -> None:
    """Draw the number of recordings of each class, divided by the gender of the speakers where any is known."""
    genders = rows["gender"].where(rows["gender"].isin(GENDERS), UNKNOWN)
    counts = pd.crosstab(rows["emotion"], genders).reindex(classes)
    done = np.zeros(len(classes))
    for gender, (color, hatch) in GENDER_LOOKS.items():
        if gender in counts:
            values = counts[gender].to_numpy()
            axes.barh(classes, values, left=done, color=color, hatch=hatch, edgecolor="white", label=gender)
            done += values
    for place, count in enumerate(done):
        axes.text(count, place, f" {count:.0f}", va="center", fontsize=9)
    axes.set_yticks(range(len(classes)), shorts(classes))
    axes.set(xlim=(0, 1.18 * done.max()), ylim=(len(classes) - 0.4, -0.6), xlabel="recordings")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    if len(counts.columns) > 1 or UNKNOWN not in counts:
        # Below the panel, since a bar may end anywhere in it.
        axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.4, -0.17), frameon=False)
    name_panel(axes, "Recordings by class")


def _draw_durations(axes: Axes, seconds: Levels) -> None:
    _draw_histogram(axes, seconds, "duration, s")
    name_panel(axes, f"Durations, median {np.median(seconds):.2f} s")


def _draw_levels(axes: Axes, known: Levels) -> None:
    _draw_histogram(axes, known, "level, dBFS")
    name_panel(axes, f"Levels, median {np.median(known):.1f} dBFS")


def _draw_histogram(axes: Axes, values: Levels, label: str) -> None:
    axes.hist(values, bins=BINS, color=COLORS[0], edgecolor="white", linewidth=0.4)
    axes.axvline(float(np.median(values)), color=COLORS[2], linestyle="--", linewidth=1.4, label="median")
    axes.set(xlabel=label, ylabel="recordings")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.legend(fontsize=8)
    axes.grid(axis="y", linewidth=0.4)


def _turned(names: list[str]) -> int:
    """Return the angle at which names have room side by side."""
    return 0 if len(names) <= FEW_NAMES and max(map(len, names)) <= FEW_LETTERS else 90


def _draw_speakers(axes: Axes, known: pd.DataFrame, classes: list[str]) -> None:
    """Draw the number of recordings of each class and speaker, as a map."""
    counts = pd.crosstab(known["emotion"], known["speaker"]).reindex(classes, fill_value=0)
    values, most = counts.to_numpy(), int(counts.to_numpy().max())
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=most, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(classes)), shorts(classes))
    corpora = set(known["corpus"])
    names = shorts(speaker_names(list(counts.columns), corpora if len(corpora) == 1 else ()), LONGEST_SPEAKER)
    step = -(-len(names) // MOST_NAMED)
    axes.set_xticks(range(0, len(names), step), names[::step], rotation=_turned(names))
    more = f", one of {step} is named" if step > 1 else ""
    axes.set_xlabel(f"speaker ({len(names)}{more})")
    if len(names) <= MOST_NAMED:
        size = 9 if len(names) <= FEW_NAMES else 7
        for (row, column), count in np.ndenumerate(values):
            color = "white" if count > DARK_CELL * most else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=size)
    scale = axes.figure.colorbar(image, ax=axes, label="recordings", pad=0.01)
    scale.ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    name_panel(axes, "Recordings by class and speaker")
