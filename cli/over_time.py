"""Emotions over time: ``fusionser predict`` with ``--windows`` or ``--timeline``."""

from pathlib import Path
from typing import Any

import typer

from fusionser.errors import AudioError, SettingsError

from .console import print_json, print_table, progress_bar, recordings, say, write

WINDOWS, HOP = 3.0, 0.5
"""Length of a window, and distance to the next one, in seconds, where they are not given."""

MOST_SEGMENTS = 40
"""Segments of a recording that are printed."""


def predict_over_time(asked: Any, model: Any, clips: list[str], most_unlike: float) -> None:
    """Predict the windows of each recording, and print, or write, what was asked for."""
    from fusionser.timeline.windows import WindowSettings

    from .inputs import gathered_clips

    # Wrong settings are told before a recording is decoded.
    WindowSettings(asked.windows or WINDOWS, asked.hop or HOP)
    gathered = gathered_clips(clips, asked)
    rows = gathered.rows
    if asked.timeline is not None and len(rows) != 1:
        raise SettingsError(f"--timeline is for one recording; got {len(rows)}. Use --out for the windows of all")
    if (rows["start"] > 0).any():
        raise SettingsError("--windows and --timeline are for whole recordings; the list has parts of some")
    refused, found = [dict(entry) for entry in gathered.refused.values()], []
    for row in rows.to_dict("records"):
        try:
            found.append(_heard(dict(row), asked, model, most_unlike, gathered.names))
        except AudioError as error:
            refused.append({"file": row["file"], "reason": str(error)})
    refused = [
        {"file": name, "reason": entry["reason"].replace(entry["file"], name)}
        for entry in refused
        for name in [gathered.names.get(entry["file"], entry["file"])]
    ]
    _put(found, refused, asked)
    if not found:
        raise typer.Exit(1)


def _named(timeline: Any, names: dict[str, str]) -> Any:
    """Return a time line that names the recording as it was given."""
    from dataclasses import replace

    from .inputs import shown_names

    windows = shown_names(timeline.windows, names)
    return replace(timeline, windows=windows, file=windows["file"].iloc[0])


def _heard(row: dict[Any, Any], asked: Any, model: Any, most_unlike: float, names: dict[str, str]) -> Any:
    """Return the time line of a recording, and write it if that was asked for."""
    from fusionser.checks import channel_number
    from fusionser.reporting.timeline import write_timeline
    from fusionser.timeline import predict_timeline
    from fusionser.timeline.sketch import Sketch

    page = asked.timeline is not None and asked.timeline.suffix.lower() == ".html"
    sketch = Sketch() if page else None
    end = row.get("end")
    with progress_bar("seconds") as progress:
        timeline = predict_timeline(
            row["file"],
            model,
            windows=asked.windows or WINDOWS,
            hop=asked.hop or HOP,
            channel=channel_number(row.get("audio_channel")),
            end=None if end is None or end != end else float(end),
            abstain=asked.abstain,
            most_unlike=most_unlike,
            progress=progress,
            listener=sketch,
        )
    timeline = _named(timeline, names)
    if sketch is not None:
        sketch.finish()
    if asked.timeline is not None:
        card = model.card
        described = f"{card.classifier} on {card.features_name}, trained on {', '.join(card.licences)}"
        write_timeline(timeline, asked.timeline, sketch=sketch, model=f"Model: {described}")
    return timeline


def _put(found: list[Any], refused: list[dict[str, str]], asked: Any) -> None:
    from fusionser.reporting.timeline import timeline_json

    if asked.out is not None and found:
        _write_windows(found, asked.out)
    if asked.json:
        print_json([*map(timeline_json, found), *({"file": one["file"], "error": one["reason"]} for one in refused)])
        return
    for timeline in found:
        _print(timeline)
    if refused:
        say(f"{recordings(len(refused))} cannot be used:")
        for entry in refused:
            say(f"  {entry['reason']}")
    if asked.out is not None and found:
        write(f"{asked.out}: {sum(len(timeline.windows) for timeline in found)} windows of {recordings(len(found))}")
    if asked.timeline is not None and found:
        write(f"time line: {asked.timeline}")


def _write_windows(found: list[Any], out: Path) -> None:
    import pandas as pd

    from fusionser.rows import write_table

    write_table(pd.concat([timeline.windows for timeline in found], ignore_index=True), out)


def _print(timeline: Any) -> None:
    """Print what a time line says, and its segments."""
    from fusionser.reporting.timeline import clock, sentences_of

    write(f"{timeline.file}: {' '.join(sentences_of(timeline))}")
    segments = timeline.segments.to_dict("records")
    rows = [
        [clock(one["start"]), clock(one["end"]), one["emotion"], f"{100 * one['probability']:.0f} %"]
        for one in segments[:MOST_SEGMENTS]
    ]
    if rows:
        print_table("", ["from", "to", "emotion", "probability"], rows, numbers=["from", "to", "probability"])
    if len(segments) > MOST_SEGMENTS:
        write(f"and {len(segments) - MOST_SEGMENTS} more segments; --timeline and --json have all")
