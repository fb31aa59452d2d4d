"""The page of judged time lines: frame UAR and emotion diarisation error rate, with and without known borders."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fusionser.evaluation.over_time import MEASURES, measured_intervals, measures
from fusionser.files import remove_files, write_text
from fusionser.reporting.drawing import Figure
from fusionser.reporting.figures import plain, save_figure
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import headline, is_synthetic, render
from fusionser.reporting.timeline import COLOURS
from fusionser.reporting.words import percent, shares
from fusionser.studies.over_time import NEUTRAL, Example, OverTimeResult

__all__ = ["RESULT", "measure_rows", "over_time_headline", "over_time_page", "write_over_time"]

RESULT = "over_time.json"

COLUMNS = {
    "uar": "frame UAR",
    "error": "EDER",
    "missed": "missed",
    "false_alarms": "false alarms",
    "confused": "confused",
}
"""Headings of the measures."""


def _measured(result: OverTimeResult, frames: Mapping[str, list[list[int]]]) -> dict[str, float]:
    pooled = np.sum([np.asarray(counts) for counts in frames.values()], axis=0)
    return {name: float(value) for name, value in measures(pooled, result.neutral).items()}


def measure_rows(result: OverTimeResult) -> list[dict[str, str]]:
    """Return the measures of the time lines, and of the clips one by one, in percent, by the name of the column."""
    rows = []
    for name, frames in (("time line", result.frames), ("borders known", result.known_borders)):
        values = _measured(result, frames)
        counts = {speaker: np.asarray(one) for speaker, one in frames.items()}
        intervals = measured_intervals(counts, result.neutral, seed=result.clips.seed) or {}
        row = {"segments": name}
        for measure in MEASURES:
            row[COLUMNS[measure]] = percent(values[measure])
            if measure in ("uar", "error"):
                row[f"interval of {COLUMNS[measure]}"] = shares(intervals.get(measure))
        rows.append(row)
    return rows


def over_time_headline(result: OverTimeResult) -> str:
    """Return the frame UAR and the error rate of the time lines in one sentence."""
    found, known = _measured(result, result.frames), _measured(result, result.known_borders)
    return (
        f"Over time, {result.clips.classifier} with {result.clips.features_name} reached a frame UAR of "
        f"{percent(found['uar'])} % and an emotion diarisation error rate of {percent(found['error'])} % on unseen "
        f"speakers; with known borders {percent(known['uar'])} % and {percent(known['error'])} %. By chance the frame "
        f"UAR is {100 / len(result.clips.classes):.1f} %."
    )


def _by_emotion(result: OverTimeResult) -> list[tuple[str, str, str, str]]:
    """Return of each emotion the seconds, and the shares with the right answer and with none."""
    pooled = np.sum([np.asarray(counts) for counts in result.frames.values()], axis=0)
    rows = []
    for place, name in enumerate(result.clips.classes):
        total = int(pooled[place].sum())
        if total:
            right, nothing = pooled[place, place] / total, pooled[place, -1] / total
            rows.append((name, f"{total / 100:.0f}", percent(float(right)), percent(float(nothing))))
    return rows


def over_time_page(result: OverTimeResult) -> str:
    """Return the Markdown page."""
    shown = result.model_copy(update={"clips": escaped(result.clips)})
    return render(
        "over_time.md.j2",
        result=shown,
        clips=shown.clips,
        headline=over_time_headline(shown),
        clip_headline=headline(shown.clips),
        rows=measure_rows(shown),
        emotions=_by_emotion(shown),
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


def write_over_time(result: OverTimeResult, folder: str | Path) -> Path:
    """Write ``report.md``, ``over_time.json`` and ``recordings.png``; return the path of the page.

    Raises
    ------
    FusionserError
        When a file cannot be written.
    """
    place = Path(folder)
    result.save(place / RESULT)
    # A run that fails from here on must leave nothing of an earlier result beside the new one.
    remove_files(place, ["report.md", "recordings.png"])
    save_figure(over_time_figure(result), place / "recordings.png")
    return write_text(place / "report.md", over_time_page(result))
