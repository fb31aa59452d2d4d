"""Emotions over time: ``fusionser predict`` with ``--windows`` or ``--timeline``."""

from pathlib import Path
from typing import Any

import typer

from fusionser.errors import AudioError, SettingsError
from fusionser.names import corpus_text

from .console import print_json, print_table, progress_bar, recordings, say_reasons, write

WINDOWS, HOP = 3.0, 0.5
"""Length of a window, and distance to the next one, in seconds, where they are not given."""

WINDOW_COLUMNS = (
    *("file", "start", "end", "speech", "emotion", "probability"),
    *("unlikeness", "unlike_because", "unsure_because", "error"),
)
"""Columns of windows that no column of a list can be."""

MOST_SEGMENTS = 40
"""Segments of a recording that are printed."""


def predict_over_time(asked: Any, model: Any, clips: list[str]) -> None:
    """Predict the windows of each recording, and print, or write, what was asked for."""
    from fusionser.rows import given_names
    from fusionser.timeline.windows import WindowSettings

    from .inputs import gathered_clips

    # Wrong settings are told before a recording is decoded.
    WindowSettings(*_lengths(asked))
    gathered = gathered_clips(clips, asked)
    rows = gathered.rows
    if asked.timeline is not None and len(rows) != 1:
        raise SettingsError(f"--timeline is for one recording; got {len(rows)}. Use --out for the windows of all")
    if (rows["start"] > 0).any():
        raise SettingsError("--windows and --timeline are for whole recordings; the list has parts of some")
    refused, found, given = [dict(entry) for entry in gathered.refused.values()], [], []
    taken = [*WINDOW_COLUMNS, *(f"probability_{name}" for name in model.card.classes)]
    columns = {name: str(new) for name, new in given_names(rows, taken=taken).items()}
    for row in rows.to_dict("records"):
        try:
            found.append(_heard(dict(row), asked, model, gathered.names))
            given.append({new: row[name] for name, new in columns.items()})
        except AudioError as error:
            refused.append({"file": row["file"], "reason": str(error)})
    refused = [
        {"file": name, "reason": entry["reason"].replace(entry["file"], name)}
        for entry in refused
        for name in [gathered.names.get(entry["file"], entry["file"])]
    ]
    _put(found, refused, asked, given)
    if not found:
        raise typer.Exit(1)


def _lengths(asked: Any) -> tuple[float, float]:
    """Return the length and the hop of the windows, in seconds."""
    return WINDOWS if asked.windows is None else asked.windows, HOP if asked.hop is None else asked.hop


def _named(timeline: Any, names: dict[str, str]) -> Any:
    """Return a time line that names the recording as it was given."""
    from dataclasses import replace

    from .inputs import shown_names

    windows = shown_names(timeline.windows, names)
    return replace(timeline, windows=windows, file=windows["file"].iloc[0])


def _heard(row: dict[Any, Any], asked: Any, model: Any, names: dict[str, str]) -> Any:
    """Return the time line of a recording, and write it if that was asked for."""
    from fusionser.checks import channel_number
    from fusionser.reporting.timeline import write_timeline
    from fusionser.timeline import predict_timeline
    from fusionser.timeline.sketch import Sketch

    page = asked.timeline is not None and asked.timeline.suffix.lower() == ".html"
    sketch = Sketch() if page else None
    end = row.get("end")
    windows, hop = _lengths(asked)
    with progress_bar("seconds") as progress:
        timeline = predict_timeline(
            row["file"],
            model,
            windows=windows,
            hop=hop,
            channel=channel_number(row.get("audio_channel")),
            end=None if end is None or end != end else float(end),
            abstain=asked.abstain,
            most_unlike=asked.most_unlike,
            progress=progress,
            listener=sketch,
        )
    timeline = _named(timeline, names)
    if sketch is not None:
        sketch.finish()
    if asked.timeline is not None:
        card = model.card
        described = f"{card.classifier} on {card.features_name}, trained on {corpus_text(card.corpus)}"
        write_timeline(timeline, asked.timeline, sketch=sketch, model=f"Model: {described}")
    return timeline


def _put(found: list[Any], refused: list[dict[str, str]], asked: Any, given: list[dict[str, Any]]) -> None:
    """Print or write the time lines; `given` has what a list says of each of their recordings."""
    from fusionser.reporting.timeline import timeline_json

    if asked.out is not None and found:
        _write_windows(found, refused, asked.out, given)
    if asked.json:
        told = [{**timeline_json(one), **_json_of(more)} for one, more in zip(found, given, strict=True)]
        print_json([*told, *({"file": one["file"], "error": one["reason"]} for one in refused)])
        return
    if asked.out is None or len(found) == 1:
        for timeline in found:
            _print(timeline)
    say_reasons(f"{recordings(len(refused))} cannot be used:", [entry["reason"] for entry in refused])
    if asked.out is not None and found:
        write(f"{asked.out}: {sum(len(timeline.windows) for timeline in found)} windows of {recordings(len(found))}")
    if asked.timeline is not None and found:
        write(f"time line: {asked.timeline}")


def _json_of(given: dict[str, Any]) -> dict[str, Any]:
    from fusionser.facts import json_value

    return {"given": {str(name): json_value(value) for name, value in given.items()}} if given else {}


def _write_windows(found: list[Any], refused: list[dict[str, str]], out: Path, given: list[dict[str, Any]]) -> None:
    """Write the windows, with the columns of the list beside them, and a row for each recording without any."""
    import pandas as pd

    from fusionser.reporting.answers import in_words
    from fusionser.rows import write_table

    tables = [timeline.windows.assign(**more) for timeline, more in zip(found, given, strict=True)]
    unusable = pd.DataFrame([{"file": entry["file"], "error": entry["reason"]} for entry in refused])
    together = pd.concat([*tables, *([unusable] if refused else [])], ignore_index=True)
    texts = [name for name in tables[0] if tables[0][name].dtype.kind not in "fiubmM"]
    write_table(in_words(together.assign(**{name: together[name].fillna("") for name in texts})), out)


def _print(timeline: Any) -> None:
    """Print what a time line says, and its segments."""
    from fusionser.reporting.timeline import clock, sentences_of

    write(f"{timeline.file}: {' '.join(sentences_of(timeline))}")
    segments = timeline.segments.to_dict("records")
    rows = [
        [
            clock(one["start"], tenths=True),
            clock(one["end"], tenths=True),
            one["emotion"],
            f"{100 * one['probability']:.0f} %",
        ]
        for one in segments[:MOST_SEGMENTS]
    ]
    if rows:
        print_table("", ["from", "to", "emotion", "probability"], rows, numbers=["from", "to", "probability"])
    if len(segments) > MOST_SEGMENTS:
        write(f"and {len(segments) - MOST_SEGMENTS} more segments; --timeline and --json have all")
