"""A time line as a file: a table, JSON, labels for Audacity, a TextGrid for Praat, or a page."""

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import mode
from typing import Any

import numpy as np

from fusionser.errors import SettingsError
from fusionser.facts import json_value
from fusionser.files import write_text, write_whole
from fusionser.model import UNSURE
from fusionser.names import TIMELINE_SUFFIXES
from fusionser.reporting.jinja import environment
from fusionser.rows import write_table
from fusionser.timeline import Timeline
from fusionser.timeline.sketch import Sketch
from fusionser.timeline.speech import FRAME_SECONDS

__all__ = ["sentences_of", "timeline_json", "write_timeline"]

HTML = ".html"

ENCODED = 3 << 18
"""Bytes of sound that are encoded at once, a multiple of 3."""

COLOURS = ("#d55e00", "#0072b2", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#8c6d31", "#6b4fa0", "#7f7f7f")
"""Colours of the classes, in their order; they differ for colour-blind readers too."""

LOUD_TO_QUIET = 70.0
"""Decibels between the loudest and the darkest level of the spectrogram."""


def write_timeline(timeline: Timeline, path: str | Path, *, sketch: Sketch | None = None, model: str = "") -> Path:
    """Write a time line; the suffix says as what.

    Parameters
    ----------
    timeline : Timeline
    path : str or Path
        ``.csv``: the segments. ``.json``: everything. ``.txt``: labels that Audacity imports. ``.TextGrid``: tiers for
        Praat. ``.html``: a page with pictures and sound, which needs nothing else.
    sketch : Sketch, optional
        What was drawn while the recording was decoded, for a page.
    model : str
        What the page says of the model.

    Returns
    -------
    Path

    Raises
    ------
    SettingsError
        If the suffix is another one.
    FusionserError
        If the file cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in map(str.lower, TIMELINE_SUFFIXES):
        raise SettingsError(f"the time line is {target}; expected a file ending in {', '.join(TIMELINE_SUFFIXES)}")
    if suffix == ".csv":
        return write_table(timeline.segments.assign(file=timeline.file), target)
    if suffix == HTML:
        return write_whole(target, lambda temporary: _write_page(temporary, timeline, sketch, model))
    return write_text(target, WRITERS[suffix](timeline))


def timeline_json(timeline: Timeline) -> dict[str, Any]:
    """Return a time line as JSON values."""
    return {
        "file": timeline.file,
        "seconds": timeline.seconds,
        "windows_of": timeline.settings.length,
        "hop": timeline.settings.hop,
        "classes": list(timeline.classes),
        "summary": _records(timeline.summary),
        "segments": _records(timeline.segments),
        "windows": [_window(record) for record in _records(timeline.windows.drop(columns=["file"]))],
    }


def _window(record: dict[str, Any]) -> dict[str, Any]:
    """Return a window whose reason is no text of JSON, but its values."""
    because = {"unlike_because": json.loads(record["unlike_because"] or "null")} if "unlike_because" in record else {}
    return {**record, **because, "error": record["error"] or None}


def _records(table: Any) -> list[dict[str, Any]]:
    return [{str(name): json_value(value) for name, value in record.items()} for record in table.to_dict("records")]


def _line(label: Any) -> str:
    """Return a label without the characters that would end a line or a field of a text file."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(label)).split())


def _audacity(timeline: Timeline) -> str:
    lines = [
        f"{one['start']:.3f}\t{one['end']:.3f}\t{_line(one['emotion'])} {one['probability']:.2f}\n"
        for one in timeline.segments.to_dict("records")
    ]
    return "".join(lines)


def _textgrid(timeline: Timeline) -> str:
    """Return the long text format of Praat, with the emotions in one tier and their probabilities in another."""
    tiers: Mapping[str, Callable[[Any], str]] = {
        "emotion": lambda one: _line(one["emotion"]),
        "probability": lambda one: f"{one['probability']:.2f}",
    }
    end = f"{timeline.seconds:.6f}"
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, label) in enumerate(tiers.items(), 1):
        intervals = _filled(timeline, label)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(intervals)}"]
        for place, (first, last, text) in enumerate(intervals, 1):
            quoted = text.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {first}", f"            xmax = {last}"]
            lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def _filled(timeline: Timeline, label: Callable[[Any], str]) -> list[tuple[str, str, str]]:
    """Return intervals that follow each other from the beginning to the end; those without speech have no text."""
    intervals, done = [], 0.0
    for one in timeline.segments.to_dict("records"):
        if one["start"] > done:
            intervals.append((done, one["start"], ""))
        intervals.append((one["start"], one["end"], label(one)))
        done = one["end"]
    if timeline.seconds - done > 1e-6 or not intervals:
        intervals.append((done, timeline.seconds, ""))
    return [(f"{first:.6f}", f"{last:.6f}", text) for first, last, text in intervals]


def sentences_of(timeline: Timeline) -> list[str]:
    """Return what a time line says, in words."""
    spoken = float((timeline.segments["end"] - timeline.segments["start"]).sum())
    duration = clock(timeline.seconds)
    if spoken == 0:
        return [f"No speech in {duration}."]
    first = timeline.summary.iloc[0]
    answer = f"The longest answer is {first['emotion']}: {100 * first['share']:.0f} % of the speech"
    # What is unsure has the probability of the answer that was not given.
    if first["emotion"] != UNSURE:
        answer += f", with a mean probability of {100 * first['probability']:.0f} %"
    return [f"Somebody speaks for {clock(spoken)} of {duration}.", f"{answer}.", *_unlike_sentence(timeline)]


def _unlike_sentence(timeline: Timeline) -> list[str]:
    """Return a sentence if many windows are unlike the training recordings, with the most frequent reason."""
    from fusionser.likeness import Unlike
    from fusionser.model import MOST_UNLIKE
    from fusionser.reporting.unlike import plain_unlike

    if "unlikeness" not in timeline.windows:
        return []
    predicted = timeline.windows[timeline.windows["unlikeness"].notna()]
    unlike = predicted[predicted["unlikeness"] > MOST_UNLIKE]
    if len(unlike) <= 0.05 * len(predicted):
        return []
    reasons = [plain_unlike(Unlike.model_validate_json(text)) for text in unlike["unlike_because"]]
    share = f"{100 * len(unlike) / len(predicted):.0f} % of the windows"
    # Single windows can be unlike the training recordings where these are of the same kind.
    advice = "Do not rely on it: " if 2 * len(unlike) >= len(predicted) else ""
    return [
        f"{advice}{share} are unlike the recordings that the model was trained on. What differs most: {mode(reasons)}."
    ]


def clock(seconds: float, *, tenths: bool = False) -> str:
    """Return a time as hours, minutes and seconds; durations of a minute and more have tenths only if asked for.

    Examples
    --------
    >>> clock(43.6), clock(3723), clock(61.5, tenths=True)
    ('43.6 s', '1:02:03', '1:01.5 min')
    """
    if seconds < 60 and round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    parts = round(10 * seconds) if tenths else 10 * round(seconds)
    hours, minutes, rest = parts // 36000, parts // 600 % 60, parts % 600
    shown = f"{rest // 10:02d}" + (f".{rest % 10}" if tenths else "")
    return f"{hours}:{minutes:02d}:{shown}" if hours else f"{minutes}:{shown} min"


def _write_page(path: Path, timeline: Timeline, sketch: Sketch | None, model: str) -> None:
    """Write a page with everything in it: pictures, tables, and the sound."""
    page = environment(autoescape=True, trim_blocks=True).get_template("timeline.html.j2")
    names = [*timeline.classes]
    if (timeline.segments["emotion"] == UNSURE).any():
        names.append(UNSURE)
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    pieces = page.generate(
        name=Path(timeline.file).name,
        model=model,
        sentences=sentences_of(timeline),
        summary=timeline.summary.to_dict("records"),
        segments=timeline.segments.to_dict("records"),
        colours=colours,
        clock=clock,
        windows=timeline.settings,
        drawn=_drawn(timeline, sketch, colours),
        sound=None if sketch is None or not sketch.sound() else _encoded(sketch.sound()),
        spectrogram="" if sketch is None else base64.b64encode(_picture(sketch)).decode(),
    )
    with path.open("w", encoding="utf-8") as opened:
        # The sound is large, and never held as a whole.
        opened.writelines(pieces)


def _encoded(sound: bytes) -> Iterator[str]:
    for first in range(0, len(sound), ENCODED):
        yield base64.b64encode(sound[first : first + ENCODED]).decode()


def _drawn(timeline: Timeline, sketch: Sketch | None, colours: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page draws by itself."""
    columns = [f"probability_{name}" for name in timeline.classes]
    steps = timeline.probabilities
    drawn: dict[str, Any] = {
        "seconds": timeline.seconds,
        "hop": timeline.settings.hop,
        "colours": colours,
        "classes": list(timeline.classes),
        "probabilities": np.round(steps[columns].to_numpy(), 3).tolist(),
        "segments": [
            [round(one["start"], 3), round(one["end"], 3), one["emotion"], round(one["probability"], 3)]
            for one in timeline.segments.to_dict("records")
        ],
        "outline": [],
        "pitch": [],
        "column": 1.0,
    }
    if sketch is not None:
        drawn["outline"] = np.round(sketch.outline(), 3).tolist()
        drawn["column"] = sketch.seconds_a_column
        drawn["pitch"] = _thinned(timeline.pitch, max(len(drawn["outline"]), 1), sketch.seconds_a_column)
    return drawn


def _thinned(pitch: Any, columns: int, seconds: float) -> list[float]:
    """Return the median pitch of every column, 0 where there is none; columns of less than a frame share one."""
    edges = np.arange(columns + 1) * seconds / FRAME_SECONDS
    thinned = []
    for first, last in zip(
        edges[:-1].astype(int), np.maximum(edges[1:].astype(int), edges[:-1].astype(int) + 1), strict=True
    ):
        voiced = pitch[first:last][pitch[first:last] > 0]
        thinned.append(round(float(np.median(voiced)), 1) if voiced.size * 2 >= last - first else 0.0)
    return thinned


def _picture(sketch: Sketch) -> bytes:
    """Return the spectrogram as PNG, high frequencies at the top."""
    from fusionser.reporting.drawing import imsave

    levels = sketch.spectrogram()
    # Silence has no loudest level, and is dark.
    top = max(float(np.quantile(levels, 0.999)), LOUD_TO_QUIET - 60.0) if levels.size else 0.0
    content = io.BytesIO()
    imsave(
        content,
        levels[::-1] if levels.size else np.zeros((1, 1)),
        cmap="magma",
        vmin=top - LOUD_TO_QUIET,
        vmax=top,
        format="png",
    )
    return content.getvalue()


WRITERS: Mapping[str, Callable[[Timeline], str]] = {
    ".json": lambda timeline: json.dumps(timeline_json(timeline), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    ".txt": _audacity,
    ".textgrid": _textgrid,
}
