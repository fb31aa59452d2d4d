"""The command ``fusionser listen``."""

import json
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import counted, say, write
from .option_checks import check_out_table, refuse_inputs

BAR = 20
"""Characters of the bar of a probability of one."""


def listen(
    model: Annotated[
        Path | None, typer.Argument(help="Model file that 'fusionser fit' wrote; by default the included one.")
    ] = None,
    windows: Annotated[float, typer.Option(help="Length of a window in seconds.")] = 3.0,
    hop: Annotated[float, typer.Option(help="Seconds from one window to the next.")] = 0.5,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds; by default at Ctrl-C.")] = None,
    microphone: Annotated[
        str | None, typer.Option(help="Part of the name of the microphone, or its number; by default the system's.")
    ] = None,
    abstain: Annotated[
        bool, typer.Option("--abstain", help="Answer 'unsure' where the model should not be relied on.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Table of all windows to write at the end.", callback=check_out_table)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per window, each on its line.")] = False,
) -> None:
    """Follow the emotion at a microphone: a line per window, until Ctrl-C."""
    from fusionser.microphone import open_microphone
    from fusionser.timeline import StreamPredictor
    from fusionser.timeline.windows import WindowSettings

    from .inputs import load_or_included

    if seconds is not None and not 0 < seconds < inf:
        raise SettingsError(f"--seconds is {seconds:g}; expected more than 0")
    refuse_inputs(out, [model])
    WindowSettings(windows, hop)
    loaded = load_or_included(model)
    # Before the microphone, which may need another package.
    loaded.card.check_classes("listening")
    device = int(microphone) if microphone is not None and microphone.isdecimal() else microphone
    with open_microphone(device) as opened:
        predictor = StreamPredictor(loaded, opened.sampling_rate, windows=windows, hop=hop, abstain=abstain)
        say(f"listening to '{opened.name}' at {opened.sampling_rate} Hz; the first answer comes after {windows:g} s")
        tables: list[Any] = []
        try:
            _follow(predictor, opened, seconds, json, tables)
        finally:
            # What was heard is kept, whatever ended it.
            _finish(tables, out)


def _follow(predictor: Any, opened: Any, seconds: float | None, json: bool, tables: list[Any]) -> None:
    """Print the answers as they come, and collect them; Ctrl-C ends it."""
    left = None if seconds is None else round(seconds * opened.sampling_rate)
    try:
        for piece in opened.pieces:
            tables.append(predictor.feed(piece[:left]))
            _show(tables[-1], json)
            left = None if left is None else left - len(piece)
            if left is not None and left <= 0:
                break
    except KeyboardInterrupt:
        say("stopped")
    tables.append(predictor.finish())
    _show(tables[-1], json)


def _show(table: Any, as_json: bool) -> None:
    from fusionser.facts import json_value
    from fusionser.reporting.timeline import clock

    for row in table.to_dict("records"):
        if as_json:
            typer.echo(json.dumps({str(name): json_value(value) for name, value in row.items()}, allow_nan=False))
            continue
        probability = json_value(row["probability"])
        bar = "" if probability is None else f"{'█' * round(BAR * probability):<{BAR}} {100 * probability:.0f} %"
        span = f"{clock(row['start'], tenths=True)} to {clock(row['end'], tenths=True)}"
        write(f"{span}  {row['emotion'] or row['error']:<12} {bar}".rstrip())


def _finish(tables: list[Any], out: Path | None) -> None:
    """Write the windows, and print how often each answer was given."""
    import pandas as pd

    from fusionser.rows import write_table

    kept = [table for table in tables if len(table)]
    if not kept:
        say("nothing was heard")
        return
    windows = pd.concat(kept, ignore_index=True)
    counts = windows["emotion"].value_counts()
    say(f"{counted(len(windows), 'window')}: {', '.join(f'{name} {count}' for name, count in counts.items())}")
    if out is not None:
        say(str(write_table(windows, out)))
