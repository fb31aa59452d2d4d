"""The command ``fusionser stress``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import counted, print_json, print_table, progress_bar, warn_quarantine, write, write_report_place
from .known_names import check_names
from .option_checks import check_channel, check_jobs, check_out_folder, decode_apart, refuse_inputs
from .option_groups import Group, names, option
from .option_texts import (
    CHANNEL_HELP,
    DOWNLOAD_HELP,
    ISOLATE_HELP,
    JOBS_HELP,
    LAYOUT_HELP,
    MAP_HELP,
    PARTS_HELP,
    TRUNCATED_HELP,
)
from .options import SEEDS, Input, ReportFormats


class Asked(Group):
    """The options of the command."""

    corpus: str | None = option(
        "Corpus of each folder, comma-separated: {corpora}, or folders for any others. Without it, the emotions "
        "and speakers of a folder are unknown.",
        main=True,
        callback=check_names("corpora", several=True),
    )
    layout: str | None = option(LAYOUT_HELP)
    columns: str | None = option(MAP_HELP, flag="--map")
    parts: str | None = option(PARTS_HELP)
    download: bool = option(DOWNLOAD_HELP, False, "--download")
    accept_truncated: bool = option(TRUNCATED_HELP, False, "--accept-truncated")
    channel: str | None = option(CHANNEL_HELP, callback=check_channel)
    isolate: bool = option(ISOLATE_HELP, False, "--isolate", callback=decode_apart)
    conditions: str | None = option(
        "Conditions, comma-separated, by default all: {conditions}.",
        main=True,
        callback=check_names("conditions", several=True),
    )
    limit: int | None = option(
        "Number of recordings to use, drawn at random and balanced over emotions and speakers.", min=1, main=True
    )
    seed: int = option("Seed of noise, rooms, drawn recordings and intervals.", 0, **SEEDS)
    jobs: int = option(JOBS_HELP, -1, callback=check_jobs, main=True)
    out: Path | None = option(
        "Folder for report.md, stress.json, answers.csv and a picture.", callback=check_out_folder, main=True
    )
    formats: ReportFormats
    json: bool = option("Print JSON on standard output.", False, "--json", main=True)


def stress(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] FOLDERS...",
            help="Folders of recordings, or tables of rows. A model that 'fusionser fit' wrote comes first; "
            "without it, the included model is tested.",
        ),
    ],
    asked: Asked,
) -> None:
    """Test how much the answers of a saved model change with level, codec, bandwidth, noise and rooms."""
    from fusionser.evaluation.stress import stress_model
    from fusionser.registry import CONDITIONS

    from .inputs import check_gender, load_or_included, split_model

    formats = asked.formats.chosen(asked.out)
    wanted = list(dict.fromkeys(names(asked.conditions, "--conditions")))
    for name in wanted:
        CONDITIONS.named(name)
    model, places = split_model(paths)
    if not places:
        raise SettingsError("got a model and no recordings; give folders of recordings, or tables of rows")
    refuse_inputs(asked.out, places)
    loaded = load_or_included(model)
    listing = _listing([Path(place) for place in places], asked)
    check_gender(loaded, listing.rows, "give a table")
    with progress_bar("recordings") as progress:
        result, answers = stress_model(
            loaded,
            listing.rows,
            wanted,
            limit=asked.limit,
            seed=asked.seed,
            n_jobs=asked.jobs,
            progress=progress,
            notes=listing.notes,
            quarantine=listing.quarantine.astype(str).to_dict("records"),
            cache=True,
        )
    warn_quarantine(result.quarantine)
    page = None
    if asked.out is not None:
        from fusionser.reporting.stress import write_stress

        page = write_stress(result, asked.out, answers, formats)
    if asked.json:
        print_json(result.model_dump(mode="json"))
        return
    _print_result(result)
    if page is not None:
        write_report_place(page, formats)


def _listing(places: list[Path], asked: Asked) -> Any:
    """List the recordings; without a corpus, those of folders have neither emotion nor speaker."""
    import pandas as pd

    from fusionser.corpora import Listing, dataset_format
    from fusionser.pipeline import list_places

    from .inputs import gather_clips

    plain = all(place.is_dir() and dataset_format(place) is None for place in places)
    if asked.corpus is None and asked.layout is None and plain:
        folders = [str(place) for place in places]
        clips = gather_clips(folders, None, accept_truncated=asked.accept_truncated, channel=asked.channel)
        return Listing(clips.rows, pd.DataFrame(clips.refused.values(), columns=["file", "reason"]), notes=clips.notes)
    shared = ("corpus", "layout", "columns", "accept_truncated", "channel", "parts", "download")
    given = Input(**{name: getattr(asked, name) for name in shared})
    return list_places(given.pair(places))


def _print_result(result: Any) -> None:
    from fusionser.reporting.stress import headline, interval_text, is_synthetic
    from fusionser.reporting.tables.stress import answers_table
    from fusionser.reporting.words import stamp_texts

    if is_synthetic(result):
        write("SYNTHETIC RECORDINGS: these scores only show that the tools work, and say nothing about speech.")
    table = answers_table(result)
    columns = table.headings()
    print_table(
        f"{result.classifier} with {result.features_name} on {counted(result.clips, 'recording')}; all in percent or "
        "points",
        columns,
        table.texts(),
        numbers=[name for name in columns if name not in ("condition", "most frequent answer")],
        unbroken=columns,
    )
    for text in stamp_texts(result.notes):
        write(f"note: {text}")
    write(f"intervals: {interval_text(result)}")
    write(headline(result))
