"""The page of judged time lines: frame UAR and emotion diarisation error rate, with and without known borders."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fusionser.evaluation.over_time import measures
from fusionser.files import remove_files
from fusionser.reporting.drawing import Figure
from fusionser.reporting.figures import plain, save_figure
from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import headline, render
from fusionser.reporting.scores import is_synthetic
from fusionser.reporting.tables.over_time import over_time_tables
from fusionser.reporting.timeline import COLOURS
from fusionser.reporting.web_page import write_pages
from fusionser.reporting.words import corpora_text, percent
from fusionser.studies.over_time import NEUTRAL, Example, OverTimeResult

__all__ = ["RESULT", "over_time_headline", "over_time_page", "write_over_time"]

RESULT = "over_time.json"


def _measured(result: OverTimeResult, frames: Mapping[str, list[list[int]]]) -> dict[str, float]:
    pooled = np.sum([np.asarray(counts) for counts in frames.values()], axis=0)
    return {name: float(value) for name, value in measures(pooled, result.neutral).items()}


def over_time_headline(result: OverTimeResult) -> str:
    """Return the frame UAR and the error rate of the time lines in one sentence."""
    found, known = _measured(result, result.frames), _measured(result, result.known_borders)
    return (
        f"Over time, {result.clips.classifier} with {result.clips.features_name} reached a frame UAR of "
        f"{percent(found['uar'])} % and an emotion diarisation error rate of {percent(found['error'])} % on unseen "
        f"speakers; with known borders {percent(known['uar'])} % and {percent(known['error'])} %. By chance the frame "
        f"UAR is {100 / len(result.clips.classes):.1f} %."
    )


def over_time_page(result: OverTimeResult) -> str:
    """Return the Markdown page."""
    shown = result.model_copy(update={"clips": escaped(result.clips)})
    return render(
        "over_time.md.j2",
        result=shown,
        clips=shown.clips,
        headline=over_time_headline(shown),
        clip_headline=headline(shown.clips),
        corpora=corpora_text(shown.clips.corpora),
        tables=over_time_tables(result),
        neutral=NEUTRAL if result.neutral is not None else "",
        synthetic=is_synthetic(result.clips),
    )


def over_time_figure(result: OverTimeResult) -> Figure:
    """Draw what is true and what was heard in some of the recordings."""
    color = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(result.clips.classes)}
    count = len(result.examples)
    figure = Figure(figsize=(9.5, 0.9 + 0.85 * count), layout="constrained")
    panels = figure.subplots(count, 1, squeeze=False)[:, 0]
    for axes, example in zip(panels, result.examples, strict=True):
        for place, segments in enumerate((example.truth, example.heard)):
            for one in segments:
                axes.barh(place, one.end - one.start, left=one.start, height=0.8, color=color[one.emotion])
        axes.set_yticks([0, 1], ["truth", "heard"], fontsize=8)
        axes.set(ylim=(1.5, -0.5), xlim=(0, _longest(result.examples)))
        axes.set_title(plain(example.speaker), fontsize=8, loc="left", pad=2)
    panels[-1].set_xlabel("seconds")
    handles = [_patch(color[name], plain(name)) for name in result.clips.classes]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8), fontsize=8)
    return figure


def _patch(color: str, label: str) -> object:
    from matplotlib.patches import Patch

    return Patch(color=color, label=label)


def _longest(examples: tuple[Example, ...]) -> float:
    return max(example.seconds for example in examples)


def write_over_time(result: OverTimeResult, folder: str | Path, formats: Formats = PAGE_ONLY) -> Path:
    """Write ``report.md``, ``over_time.json`` and ``recordings.png``; return the path of the page.

    Raises
    ------
    FusionserError
        When a file cannot be written.
    """
    place = Path(folder)
    result.save(place / RESULT)
    # A run that fails from here on must leave nothing of an earlier result beside the new one.
    remove_files(place, ["report.md", "report.html", "recordings.png"])
    save_figure(over_time_figure(result), place / "recordings.png", formats.figures)
    write_tables(over_time_tables(result), place, formats.tables)
    return write_pages(place, over_time_page(result))
