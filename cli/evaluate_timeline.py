"""The command ``fusionser evaluate-timeline``."""

from pathlib import Path
from typing import Any

from .console import print_json, print_table, training_bar, write, write_report_place
from .option_checks import check_out_folder, refuse_inputs
from .option_groups import option
from .options import Experiment, Places, ReportFormats
from .preparing import prepare_protocol


class Asked(Experiment):
    """The options of the command."""

    windows: float = option("Length of a window in seconds.", default=3.0, panel="Options", main=True)
    hop: float = option("Seconds from one window to the next.", default=0.5, panel="Options", main=True)
    joined: int = option("Clips of one speaker in a recording.", default=6, panel="Options", min=2, max=100)
    out: Path | None = option(
        "Folder for report.md, over_time.json and a picture.", panel="Options", callback=check_out_folder, main=True
    )
    formats: ReportFormats


def evaluate_timeline(places: Places, asked: Asked) -> None:
    """Judge emotions over time: on clips of unseen speakers, joined into long recordings whose borders are known."""
    from fusionser.studies.over_time import evaluate_over_time
    from fusionser.timeline.windows import WindowSettings

    # Wrong settings are told before features are extracted.
    WindowSettings(asked.windows, asked.hop)
    refuse_inputs(asked.out, places)
    formats = asked.formats.chosen(asked.out)
    prepared, split, resources = prepare_protocol(asked, places)
    with training_bar("folds") as progress:
        result = evaluate_over_time(
            prepared,
            split,
            windows=asked.windows,
            hop=asked.hop,
            joined=asked.joined,
            resources=resources,
            progress=progress,
        )
    page = None
    if asked.out is not None:
        from fusionser.reporting.over_time import write_over_time

        page = write_over_time(result, asked.out, formats)
    if asked.run.json:
        print_json(result.model_dump(mode="json"))
        return
    _print_result(result)
    if page is not None:
        write_report_place(page, formats)


def _print_result(result: Any) -> None:
    from fusionser.reporting.over_time import over_time_headline
    from fusionser.reporting.scores import is_synthetic
    from fusionser.reporting.tables.over_time import over_time_tables

    if is_synthetic(result.clips):
        write("SYNTHETIC RECORDINGS: these scores only show that the tools work, and say nothing about speech.")
    table = over_time_tables(result)["scores"]
    print_table(
        f"{result.recordings} recordings of up to {result.joined} clips, {result.seconds:.0f} s; all in percent",
        table.headings(),
        table.texts(),
        numbers=table.headings()[1:],
    )
    write(over_time_headline(result))
