"""The commands ``fusionser corpora``: list, describe, check, generate."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import counted, print_json, print_table, progress_bar, say, write
from .naming import NamingCommand, completion
from .option_checks import check_channel, check_folder_to_write, decode_apart
from .option_groups import names, with_groups
from .option_texts import (
    CHANNEL_HELP,
    DOWNLOAD_HELP,
    ISOLATE_HELP,
    LAYOUT_HELP,
    MAP_HELP,
    PARTS_HELP,
    TRUNCATED_HELP,
)
from .options import SEEDS, Json

NAME_HELP = "Name of the corpus: {corpora}, or folders; or {dataset_formats}."

MANY = 20

corpora_app = typer.Typer(
    help="The supported corpora: where to get each, what is on this machine, and what is wrong with it."
)


@corpora_app.callback(invoke_without_command=True)
def list_corpora(context: typer.Context, json: Json = False) -> None:
    """List the supported corpora, where to get each, and what is found under $FUSIONSER_DATA."""
    if context.invoked_subcommand is not None:
        return
    from fusionser.corpora import CORPORA
    from fusionser.corpora.data_folder import DATA_VARIABLE, data_folder, find_corpora
    from fusionser.corpora.places import present_corpora

    folder = data_folder()
    names = CORPORA.loadable()
    described = [
        _describe(CORPORA[corpus.corpus], corpus) for corpus in present_corpora(names, find_corpora(names, folder))
    ]
    _say_broken(CORPORA, names)
    if json:
        print_json({"data_folder": str(folder) if folder else None, "corpora": described})
        return
    print_table(
        "",
        ["corpus", "recordings", "speakers", "emotions", "language", "licence", "found", "where to get it"],
        [
            [
                corpus["name"],
                _shown(corpus["recordings"]),
                _speakers(corpus),
                len(corpus["labels"]),
                corpus["language"],
                corpus["licence"],
                f"{corpus['recordings_found']} of {_shown(corpus['recordings'])} in {Path(corpus['place']).name}/"
                if corpus["place"]
                else "-",
                corpus["address"],
            ]
            for corpus in described
        ],
        numbers=["recordings", "emotions"],
        unbroken=["corpus"],
        spare=["found", "language", "licence", "where to get it"],
    )
    where = folder if folder else f"${DATA_VARIABLE} is not set, so no folder was searched"
    write(f"searched: {where}")
    write("other recordings: folders or files named by emotion, or a table with the columns file and emotion")
    unsure = [corpus["name"] for corpus in described if corpus["uncertain"]]
    write(
        "'fusionser corpora describe NAME' shows the citation, the labels and the sources of a corpus, and what is "
        f"uncertain about it ({', '.join(unsure)})"
    )


def _say_broken(corpora: Any, usable: list[str]) -> None:
    """Say which corpora cannot be used, and why."""
    from fusionser.errors import SettingsError

    for name in corpora:
        if name not in usable:
            try:
                corpora[name]
            except SettingsError as error:
                say(f"note: {error}")


def _describe(corpus: Any, present: Any) -> dict[str, Any]:
    card = corpus.card
    return {
        "name": corpus.name,
        "title": card.title,
        "recordings": card.counts.files,
        "female_speakers": card.counts.female_speakers,
        "male_speakers": card.counts.male_speakers,
        "speakers": card.counts.speakers,
        "emotions": card.counts.emotions,
        "labels": sorted(set(card.labels.values()) or card.counts.emotions),
        "language": card.language,
        "licence": card.licence,
        "citation": card.citation,
        "address": card.address,
        "description": card.description,
        "example": card.example,
        "naming": card.naming,
        "uncertain": card.uncertain,
        "place": str(present.place) if present.place else None,
        "recordings_found": present.found if present.place else None,
    }


def _shown(count: int | None) -> str:
    return "unknown" if count is None else str(count)


def _speakers(corpus: Mapping[str, Any]) -> str:
    """Return the numbers of women and men, or of all speakers if their genders are not published."""
    if corpus["female_speakers"] is None:
        return _shown(corpus["speakers"])
    return f"{corpus['female_speakers']} f, {corpus['male_speakers']} m"


@corpora_app.command("describe", cls=NamingCommand)
@with_groups
def describe(
    name: Annotated[str, typer.Argument(help="Name of the corpus: {corpora}.")],
    json: Json = False,
) -> None:
    """Show the card of a corpus: licence, citation, labels, counts, where these are from, and what is uncertain."""
    from fusionser.corpora import CORPORA
    from fusionser.corpora.data_folder import data_folder, find_corpora
    from fusionser.corpora.places import present_corpora

    corpus = CORPORA.named(name)
    described = _describe(corpus, *present_corpora([name], find_corpora([name], data_folder())))
    if json:
        print_json(described)
        return
    counts = ", ".join(f"{count} {emotion}" for emotion, count in described["emotions"].items())
    lines = {
        "title": described["title"],
        "description": described["description"],
        "recordings": _shown(described["recordings"]),
        "speakers": _speakers(described),
        "emotions": counts or ", ".join(described["labels"]),
        "language": described["language"],
        "licence": described["licence"],
        "citation": described["citation"],
        "where to get it": described["address"],
        "what to get": corpus.card.download,
        "a recording": described["example"],
        "sources": described["naming"],
        "uncertain": described["uncertain"],
    }
    for title, text in lines.items():
        if text:
            write(f"{title}: {text}")


@corpora_app.command("check", cls=NamingCommand)
@with_groups
def check(
    name: Annotated[str, typer.Argument(help=NAME_HELP, autocompletion=completion(NAME_HELP))],
    folder: Annotated[Path, typer.Argument(help="Folder of its recordings, or a dataset.")],
    layout: Annotated[str | None, typer.Option("--layout", help=LAYOUT_HELP)] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    parts: Annotated[str | None, typer.Option("--parts", help=PARTS_HELP)] = None,
    download: Annotated[bool, typer.Option("--download", help=DOWNLOAD_HELP)] = False,
    accept_truncated: Annotated[bool, typer.Option("--accept-truncated", help=TRUNCATED_HELP)] = False,
    channel: Annotated[str | None, typer.Option(help=CHANNEL_HELP, callback=check_channel)] = None,
    isolate: Annotated[bool, typer.Option("--isolate", help=ISOLATE_HELP, callback=decode_apart)] = False,
    decode: Annotated[
        bool, typer.Option("--decode/--headers", help="Decode every recording, or read only headers.")
    ] = True,
    every: Annotated[bool, typer.Option("--all", help="List everything, not the first few of each kind.")] = False,
    json: Json = False,
) -> None:
    """Parse and count the recordings of a corpus; list those that are missing, duplicate or unusable."""
    from fusionser.corpora import CORPORA, differences, list_rows
    from fusionser.reporting.words import stamp_texts
    from fusionser.tables import named_columns

    with progress_bar("recordings") as progress:
        listing = list_rows(
            folder,
            name,
            layout,
            columns=named_columns(columns),
            accept_truncated=accept_truncated,
            channel=channel,
            parts=names(parts, "--parts"),
            download=download,
            progress=progress,
        )
        refused = [{key: str(row[key]) for key in ("file", "reason")} for _, row in listing.quarantine.iterrows()]
        rows = listing.rows
        differing = differences(CORPORA[name], rows, len(refused)) if name in CORPORA else []
        identical: list[list[str]] = []
        if decode:
            rows, more, identical = _decode_all(rows, progress)
            refused += more
    summary = {
        "corpus": name,
        "folder": str(folder),
        "recordings": len(rows),
        "speakers": int(rows.loc[rows["speaker"] != "", "speaker"].nunique()),
        "minutes": round(float((rows["end"] - rows["start"]).sum()) / 60, 1),
        **{f"{column}s": rows[column].value_counts().sort_index().to_dict() for column in ("emotion", "gender")},
        "missing": stamp_texts(differing),
        "doubled": [list(pair) for pair in listing.doubled],
        "identical_audio": identical,
        "unusable": refused,
        "ignored": listing.ignored,
        "notes": stamp_texts(listing.notes),
    }
    if json:
        print_json(summary)
    else:
        _print_check(summary, every)


def _decode_all(rows: Any, progress: Callable[..., None]) -> tuple[Any, list[dict[str, str]], list[list[str]]]:
    """Decode every row; return the usable rows, the other files with reasons, and groups of files with one audio."""
    from fusionser.audio import HIGHEST_RATE, LOWEST_RATE, ClipSettings, prepare
    from fusionser.errors import AudioError
    from fusionser.reader import read_row
    from fusionser.samples import fingerprint

    refused: dict[int, dict[str, str]] = {}
    same: dict[str, list[str]] = {}
    for done, row in enumerate(rows.to_dict("records")):
        file = row["file"]
        try:
            samples, rate = read_row(row)
            prepare(samples, rate, ClipSettings(sampling_rate=min(max(rate, LOWEST_RATE), HIGHEST_RATE)), name=file)
        except AudioError as error:
            refused[done] = {"file": file, "reason": str(error)}
        else:
            same.setdefault(fingerprint(samples, rate), []).append(file)
        progress(done + 1, len(rows))
    usable = rows.drop(index=rows.index[list(refused)])
    return usable, list(refused.values()), [files for files in same.values() if len(files) > 1]


def _print_check(summary: dict[str, Any], every: bool) -> None:
    from fusionser.reporting.words import speakers_text

    print_table(
        f"{summary['corpus']}: {counted(summary['recordings'], 'recording')}, {speakers_text(summary['speakers'])}, "
        f"{summary['minutes']} minutes",
        ["emotion", "recordings"],
        list(summary["emotions"].items()),
        numbers=["recordings"],
    )
    genders = ", ".join(f"{count} {name or 'unknown'}" for name, count in summary["genders"].items())
    write(f"recordings by gender: {genders}")
    kinds = [
        ("differs from the complete corpus", summary["missing"]),
        ("duplicate recordings (left out  =  kept)", [f"{left}  =  {kept}" for left, kept in summary["doubled"]]),
        ("same audio under several names", ["  =  ".join(group) for group in summary["identical_audio"]]),
        ("cannot be used", [entry["reason"] for entry in summary["unusable"]]),
        ("audio files that are not part of this corpus", summary["ignored"]),
        ("notes", summary["notes"]),
    ]
    for title, lines in kinds:
        if lines:
            write(f"{title}: {len(lines)}")
        shown = lines if every else lines[:MANY]
        for line in shown:
            write(f"  {line}")
        if len(shown) < len(lines):
            write(f"  and {len(lines) - len(shown)} more (--all)")
    if not any(lines for _, lines in kinds):
        write("complete; every recording can be used")


def check_generated(folder: Path) -> Path:
    """Reject a folder that cannot be made."""
    return check_folder_to_write(folder, "FOLDER") or folder


@corpora_app.command("generate", cls=NamingCommand)
@with_groups
def generate(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.", callback=check_generated)],
    seed: Annotated[int, typer.Option(help="Seed of the differences between the voices.", **SEEDS)] = 0,
    json: Json = False,
) -> None:
    """Write the demo corpus: SYNTHETIC voices, only for trying the tools."""
    from fusionser.corpora import generate_demo

    with progress_bar("recordings") as progress:
        count = generate_demo(folder, seed=seed, progress=progress)
    if json:
        print_json({"folder": str(folder), "recordings": count, "synthetic": True})
        return
    write(f"{folder}: {count} synthetic recordings. Scores on them say nothing about speech")
