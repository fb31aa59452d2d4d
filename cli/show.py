"""The command ``fusionser show``."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import (
    counted,
    print_json,
    print_table,
    progress_bar,
    recordings,
    say,
    say_reasons,
    warn_quarantine,
    write,
)
from .option_checks import check_file_to_write, refuse_inputs
from .options import Input
from .show_options import CORPUS, RECORDING, RESULT, Asked, refuse_others

EXPECTED = (
    "a recording; a folder of recordings, a table of rows, a features file or a dataset; or the folder "
    "or result.json that 'fusionser evaluate --out' wrote"
)

MOST_BYTES = 200
"""Bytes of the name of what is shown, in the name of its picture."""

MOST_LETTERS = 12
"""Letters that a note names."""

OF_STUDIES = ("recipe.json", "design.json", "stress.json", "audit.json", "over_time.json")
"""Results that have pages of their own."""

SUFFIXES = {RECORDING: "sound", CORPUS: "corpus", RESULT: "result"}
"""What is added to the name of what is shown, so that a picture never takes the place of another file."""


def show(
    place: Annotated[
        str,
        typer.Argument(
            metavar="PLACE",
            help="A recording; a folder of recordings, a table of rows, a features file or a dataset; "
            "or the result of an evaluation, as its folder or its result.json.",
        ),
    ],
    asked: Asked,
) -> None:
    """Draw a recording, a corpus or a result as a picture, and print its facts."""
    from .inputs import split_model

    model, here = split_model([place])
    if model is not None:
        raise SettingsError(f"{place} is a model, which 'fusionser info' describes; expected {EXPECTED}")
    kind = _kind_of(here[0], asked.of_corpus.corpus)
    refuse_others(kind, place, asked)
    out = asked.out or Path(f"{_name_of(here[0], kind)}-{SUFFIXES[kind]}.png")
    check_file_to_write(out, "--out")
    refuse_inputs(out, [here[0], asked.of_recording.model])
    figure, facts = SHOWN[kind](here[0], asked)
    from fusionser.plots import write_figure
    from fusionser.reporting.letters import lacking_letters

    written = write_figure(figure, out)
    if lacking := lacking_letters(figure, written.suffix.lower().removeprefix(".")):
        say(
            f"note: no installed font has {counted(len(lacking), 'letter')} of the names "
            f"({_few(lacking)}), so the picture shows boxes; a picture in SVG keeps them (--out NAME.svg)"
        )
    if asked.json:
        print_json({"kind": kind, "place": place, **facts, "picture": str(written)})
    else:
        write(f"picture: {written}")


def _few(letters: str) -> str:
    return f"{letters[:MOST_LETTERS]}{'…' if len(letters) > MOST_LETTERS else ''}"


def _kind_of(place: str, corpus: str | None) -> str:
    """Return what is shown, which the place decides."""
    from fusionser.corpora import dataset_format
    from fusionser.corpora.data_folder import found_instead
    from fusionser.files import exists, is_folder
    from fusionser.plots.result import RESULT as RESULT_FILE
    from fusionser.storage import address_of
    from fusionser.tables import TABLE_SUFFIXES, is_table

    path = Path(place)
    if dataset_format(place) is not None:
        return CORPUS
    if address_of(place) is None and not exists(place):
        raise SettingsError(f"{place}: no such file or folder; expected {EXPECTED}{found_instead(place, corpus)}")
    if is_folder(place):
        return RESULT if (path / RESULT_FILE).is_file() else CORPUS
    if path.suffix.lower() == ".json":
        return RESULT
    return CORPUS if is_table(place) or path.suffix.lower() in TABLE_SUFFIXES else RECORDING


def _name_of(place: str, kind: str) -> str:
    """Return the name of what is shown, without characters that some systems do not have in names of files."""
    path = Path(place).resolve()
    if kind == RESULT and path.suffix.lower() == ".json":
        path = path.parent
    name = path.name if path.is_dir() else path.stem
    # A file's name has at most 255 bytes, and the picture's is longer than the recording's.
    name = name.encode("utf-8", errors="replace")[:MOST_BYTES].decode("utf-8", errors="ignore")
    return re.sub(r'[\\/:*?"<>|\s]+', "-", name) or "picture"


def _recording(place: str, asked: Asked) -> tuple[Any, dict[str, Any]]:
    from fusionser.plots import hear, measure_occlusion
    from fusionser.plots.sound import draw_sound

    from .inputs import load_or_included

    given = asked.of_recording
    wanted = given.answer or given.model is not None
    model = load_or_included(given.model) if wanted else None
    heard = hear(
        place,
        channel=asked.channel,
        start=given.start or 0.0,
        end=given.end,
        accept_truncated=asked.accept_truncated,
    )
    facts = heard.facts()
    occlusion = None
    if model is not None:
        with progress_bar("stretches") as progress:
            occlusion = measure_occlusion(heard, model, progress=progress)
        facts["occlusion"] = occlusion.facts()
    if not asked.json:
        _print_recording(facts)
    return draw_sound(heard, occlusion), facts


def _print_recording(facts: dict[str, Any]) -> None:
    from fusionser.plots.style import seconds_text

    channels = "" if facts["channels"] is None else f", {counted(facts['channels'], 'channel')}"
    write(f"recording: {seconds_text(facts['seconds'])} at {facts['sampling_rate']} Hz{channels}")
    if facts["silent"]:
        write("level: silent")
        return
    write(f"level: {facts['level_dbfs']:.1f} dBFS, peak {facts['peak_dbfs']:.1f} dBFS")
    pitch = facts["median_pitch_hz"]
    told = "no voiced frames" if pitch is None else f"median pitch {pitch:.0f} Hz"
    write(f"voice: {told}, speech {100 * facts['speech_share']:.0f} % of the time")
    if "occlusion" in facts:
        one = facts["occlusion"]
        first, last = one["largest_fall_at"]
        fall = f"without {first:.2f} to {last:.2f} s, it is lower by {100 * one['largest_fall']:.0f} points"
        told = fall if one["largest_fall"] else "no single part makes it lower"
        write(f"answer: {one['answer']} with {100 * one['probability']:.0f} %; {told}")
        if one["unlike"]:
            say(f"note: the recording is {one['unlike']}; the answer may well be wrong")


def _corpus(place: str, asked: Asked) -> tuple[Any, dict[str, Any]]:
    from fusionser.corpora.labels import fold_labels
    from fusionser.files import is_folder
    from fusionser.pipeline.listing import left_out_stamps, list_places
    from fusionser.plots.corpus import draw_corpus
    from fusionser.plots.corpus_numbers import corpus_facts, described_levels
    from fusionser.reporting.words import same_labels_text, stamp_texts

    given = asked.of_corpus
    if is_folder(place) and any((Path(place) / name).is_file() for name in OF_STUDIES):
        raise SettingsError(
            f"{place}: a folder of results without result.json; expected the result of 'fusionser evaluate --out', or "
            "recordings. 'fusionser report' draws the results of studies"
        )
    shared = {name: getattr(given, name) for name in ("corpus", "layout", "columns", "parts", "download")}
    source = Input(**shared, accept_truncated=asked.accept_truncated, channel=asked.channel)
    with progress_bar("recordings") as progress:
        listing = list_places(source.pair([Path(place)]), progress=progress)
        emotions, spellings = fold_labels(listing.rows["emotion"])
        listing = replace(listing, rows=listing.rows.assign(emotion=emotions))
        levels, without = (
            described_levels(listing.rows, n_jobs=given.jobs, progress=progress) if given.decode else (None, [])
        )
    set_aside = [{"file": str(row["file"]), "reason": str(row["reason"])} for _, row in listing.quarantine.iterrows()]
    folded = [same_labels_text(spellings)] if spellings else []
    warn_quarantine(set_aside, [*stamp_texts([*listing.notes, *left_out_stamps(listing)]), *folded])
    say_reasons(f"{recordings(len(without))} without a level, because silent or not decodable:", without)
    facts = corpus_facts(listing.rows, levels)
    if not asked.json:
        _print_corpus(_name_of(place, CORPUS), listing.rows, levels, facts)
    return draw_corpus(listing.rows, levels, _name_of(place, CORPUS)), facts


def _print_corpus(name: str, rows: Any, levels: Any, facts: dict[str, Any]) -> None:
    from fusionser.plots.corpus_numbers import class_table
    from fusionser.reporting.words import speakers_text

    columns = ["emotion", "recordings", "%", "speakers", "minutes", "median duration, s"]
    columns += [] if levels is None else ["median level, dBFS"]
    counts = f"{counted(facts['recordings'], 'recording')}, {speakers_text(facts['speakers'])}"
    title = f"{name}: {counts}, {facts['minutes']} minutes"
    print_table(title, columns, class_table(rows, levels), numbers=columns[1:])
    lines = {
        "recordings of a speaker": (facts["recordings_of_a_speaker"], "", 0),
        "duration": (facts["seconds"], " s", 2),
        "level": (facts["level_dbfs"], " dBFS", 1),
    }
    for what, (found, unit, digits) in lines.items():
        if found is not None:
            low, median, high = (f"{found[key]:.{digits}f}" for key in ("lowest", "median", "highest"))
            write(f"{what}: {low} to {high}{unit}, median {median}{unit}")
    write(f"recordings by gender: {', '.join(f'{count} {gender}' for gender, count in facts['genders'].items())}")


def _result(place: str, asked: Asked) -> tuple[Any, dict[str, Any]]:
    from fusionser.dimension_results import DimensionResult
    from fusionser.plots import read_stored_result, result_figure
    from fusionser.reporting.dimensions import dimension_headline
    from fusionser.reporting.page import headline
    from fusionser.reporting.scores import is_synthetic
    from fusionser.reporting.stored import PREDICTIONS

    stored = read_stored_result(place)
    result, facts = stored.result, stored.facts()
    if stored.predictions is None and not isinstance(result, DimensionResult):
        say(f"note: there is no {PREDICTIONS} beside the result, so the reliability of its probabilities is not drawn")
    if not asked.json:
        if is_synthetic(result):
            write("SYNTHETIC RECORDINGS: these scores only show that the tools work, and say nothing about speech.")
        write(dimension_headline(result) if isinstance(result, DimensionResult) else headline(result))
        if facts.get("uar_of_speakers"):
            ranked = (f"{name} {100 * uar:.1f} %" for name, uar in facts["uar_of_speakers"].items())
            write(f"UAR of the lowest and the highest speakers: {', '.join(ranked)}")
        if getattr(result, "calibration_error", None) is not None:
            write(f"calibration error: {100 * facts['calibration_error']:.1f} %")
    return result_figure(stored), facts


SHOWN = {RECORDING: _recording, CORPUS: _corpus, RESULT: _result}
"""Functions that print the facts of a place, and return its picture and these facts, by what it is."""
