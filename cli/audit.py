"""The command ``fusionser audit``."""

from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError, unknown_name

from .console import counted, print_json, print_table, progress_bar, warn_quarantine, write, write_report_place
from .known_names import check_names
from .option_checks import allow_downloads, check_out_folder, decode_apart, refuse_inputs
from .option_groups import Group, names, option
from .option_texts import (
    BLOCKS_HELP,
    DOWNLOAD_HELP,
    ISOLATE_HELP,
    LAYOUT_HELP,
    MAP_HELP,
    PARTS_HELP,
    SCALING_HELP,
    TRUNCATED_HELP,
)
from .options import SEEDS, ReportFormats, Work
from .stopped import LEAKED

MOST_HEARD = 50

SHOWN = 10


class Asked(Group):
    """The options of the command."""

    audio: Path | None = option("Folder with the recordings of a table, found by the stems of their names.", main=True)
    corpus: str | None = option(
        "Corpus whose file names say speaker, emotion and statement: {corpora}; or folders, if folders inside those of "
        "the sides are named by emotion. Datasets are recognised, or named: {dataset_formats}.",
        main=True,
        callback=check_names("corpora", several=True),
    )
    layout: str | None = option(LAYOUT_HELP)
    columns: str | None = option(MAP_HELP, flag="--map")
    parts: str | None = option(PARTS_HELP)
    download: bool = option(DOWNLOAD_HELP, False, "--download", callback=allow_downloads)
    accept_truncated: bool = option(TRUNCATED_HELP, False, "--accept-truncated")
    isolate: bool = option(ISOLATE_HELP, False, "--isolate", callback=decode_apart)
    strict: bool = option("Stop with exit status 2 if a recording cannot be used.", False, "--strict")
    fail_on: str | None = option(
        "What counts as a leak, and gives exit status 1, comma-separated: copies, speakers, scaled, performances, "
        "statements, classes, confounded, or none. By default copies,speakers,scaled. If what is named cannot be told, "
        "the exit status is 2.",
        main=True,
    )
    score: bool = option("Score a classifier by the split and by speaker.", True, "--score/--no-score", main=True)
    preset: str | None = option(
        "Named set of features for the scores, by default robust: {presets}.", callback=check_names("presets")
    )
    blocks: str | None = option(BLOCKS_HELP, callback=check_names("blocks", several=True))
    classifier: str | None = option(
        "Classifier for the scores, by default svm, or kernel-ridge for the preset best: {classifiers}.",
        main=True,
        callback=check_names("classifiers"),
    )
    scaling: str | None = option(SCALING_HELP, callback=check_names("scalings"))
    seed: int = option("Seed of everything drawn at random.", 0, **SEEDS)
    listen: int = option("Pairs of copies to listen to, written to --out.", 10, min=0, max=MOST_HEARD)
    out: Path | None = option("Folder for report.html, report.md and audit.json.", callback=check_out_folder, main=True)
    tables: str | None = ReportFormats.tables
    run: Work


def audit(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="SPLIT",
            help="A table with the columns file and split, and perhaps fold; folders of training and test recordings, "
            "or of training, validation and test recordings; one folder with folders of such names; or a dataset with "
            "splits.",
        ),
    ],
    asked: Asked,
) -> None:
    """Tell what a split leaks: copies, speakers and performances on both sides, and what that is worth in a score.

    Exit status: 0 if nothing that counts as a leak was found, 1 if it leaks, 2 if it could not be audited.
    """
    from fusionser.audit.leaks import audit_split
    from fusionser.audit.split_places import read_split
    from fusionser.reporting.words import stamp_texts

    from .preparing import make_resources

    failing = _faults(asked.fail_on)
    refuse_inputs(asked.out, [*places, asked.audio])
    formats = ReportFormats(tables=asked.tables, figures=None).chosen(asked.out)
    worth = _scoring(asked)
    resources = make_resources("auto", asked.run)
    with progress_bar("audit") as progress:
        split = read_split(places, _options(asked, lambda done, total: progress(done, total, "reading")))
        if asked.fail_on is not None:
            _check_can_be_told(split, failing)
        audited = audit_split(
            split,
            cache=resources.cache,
            n_jobs=asked.run.jobs,
            seed=asked.seed,
            failing=failing,
            step=lambda what, done, total: progress(done, total, what),
            worth=None
            if worth is None
            else partial(worth, resources=resources, progress=lambda done, total: progress(done, total, "features")),
        )
    result = audited.result
    if asked.fail_on is None:
        _check_there(audited)
    warn_quarantine(result.quarantine, stamp_texts(result.notes))
    _check_told(result, failing if asked.fail_on is not None else (), asked.strict)
    page = None
    if asked.out is not None:
        from fusionser.reporting.audit import write_audit

        page = write_audit(audited, asked.out, asked.listen, formats)
    if asked.run.json:
        print_json({**result.model_dump(mode="json"), "faults": list(result.faults), "leaks": list(result.leaks)})
    else:
        _print_result(result)
        if page is not None:
            write_report_place(page, formats, copies=True)
    if result.leaks:
        raise typer.Exit(LEAKED)


def _options(asked: Asked, progress: Any) -> Any:
    from fusionser.audit.split_places import SplitOptions
    from fusionser.tables import named_columns

    shared = ("audio", "corpus", "layout", "download", "accept_truncated")
    return SplitOptions(
        **{name: getattr(asked, name) for name in shared},
        columns=named_columns(asked.columns),
        parts=names(asked.parts, "--parts"),
        progress=progress,
    )


def _faults(text: str | None) -> tuple[Any, ...]:
    from fusionser.audit.result import FAULTS, LEAKS

    if text is None:
        return LEAKS
    wanted = names(text, "--fail-on")
    if wanted == ["none"]:
        return ()
    for name in wanted:
        if name not in FAULTS:
            raise unknown_name("kind of leak", name, [*FAULTS, "none"])
    return tuple(wanted)


def _check_can_be_told(split: Any, failing: tuple[Any, ...]) -> None:
    """Raise `SettingsError`, before a long comparison, if a fault is asked for and nothing that it needs is known."""
    from fusionser.audit.result import NEEDED

    for fault in failing:
        for what in NEEDED.get(fault, ()):
            if what == "audio" and not split.audio:
                raise _cannot_tell(fault, "the recordings are not there")
            if what != "audio" and not (split.rows[what] != "").any():
                raise _cannot_tell(fault, f"no {what} is known")


def _cannot_tell(fault: str, why: str) -> SettingsError:
    return SettingsError(
        f"--fail-on names {fault}, which cannot be told because {why}; give what is missing (--audio, --corpus, --map, "
        "or columns of the table), or leave it out of --fail-on"
    )


def _check_told(result: Any, asked: tuple[Any, ...], strict: bool) -> None:
    """Raise `SettingsError` if the answer would say less than was asked for."""
    if strict and result.quarantine:
        raise SettingsError(
            f"{len(result.quarantine)} of {result.recordings + len(result.quarantine)} recordings cannot be used, and "
            f"--strict was given; the first: {result.quarantine[0]['reason']}"
        )
    unknown = result.unknown
    if lacking := [name for name in asked if name in unknown and name not in result.faults]:
        raise _cannot_tell(lacking[0], unknown[lacking[0]])
    if not result.audio and not result.speakers and result.scaled is None and not result.faults:
        raise SettingsError(
            f"{result.name}: there is nothing to compare, because neither the recordings nor their speakers are known; "
            "give the recordings with --audio, or the speakers with --corpus or a column 'speaker'"
        )


def _check_there(audited: Any) -> None:
    """Raise `SettingsError` if a table has paths and none of them is there, and names alone were not asked for."""
    from fusionser.suffixes import AUDIO_SUFFIXES

    files = [PurePath(file) for file in audited.split.rows["file"]]
    known = audited.result.speakers_known
    advice = (
        "compare their names alone with --fail-on speakers,scaled"
        if known
        else "name their speakers, by --corpus or --map, and compare these alone with --fail-on speakers"
    )
    if not audited.result.audio and any(len(file.parts) > 1 or file.suffix.lower() in AUDIO_SUFFIXES for file in files):
        raise SettingsError(
            f"{audited.result.name}: none of {len(files)} recordings is where the table says (first: {files[0]}); give "
            f"their folder with --audio, or {advice}"
        )


def _scoring(asked: Asked) -> Any:
    """Return the function that scores a split, if it is wanted; wrong names fail before a long comparison."""
    chosen = ("preset", "blocks", "classifier", "scaling")
    if not asked.score:
        if given := [name for name in chosen if getattr(asked, name) is not None]:
            raise SettingsError(f"--{given[0]} is for the scores, which --no-score leaves out; leave one of them out")
        return None
    from fusionser.audit.worth import scored_split
    from fusionser.pipeline import build_estimator, build_features, resolve
    from fusionser.spec import PipelineSpec

    if asked.preset is not None and asked.blocks is not None:
        raise SettingsError("--preset and --blocks are both given; a preset is a set of blocks, so give one of them")
    features = {"preset": asked.preset, "blocks": names(asked.blocks, "--blocks") or None}
    classifier = {"name": asked.classifier, "scaling": asked.scaling}
    spec = PipelineSpec(seed=asked.seed)
    if named := _given(features):
        spec = spec.with_features(spec.features.changed(**named), None)
    # After the features, which bring a classifier and a scaling of their own.
    spec = spec.changed(classifier=spec.classifier.changed(**_given(classifier)))
    build_estimator(spec, extractor=build_features(resolve(spec, [])))
    return partial(scored_split, spec=spec)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _print_result(result: Any) -> None:
    from fusionser.reporting.audit import headline, verdicts, worth_text
    from fusionser.reporting.tables.audit import between_table, copies_table, sides_table

    _print(between_table(result), f"{result.name}: {counted(result.recordings, 'recording')}")
    _print(sides_table(result), "on each side")
    if result.copies:
        _print(copies_table(result, SHOWN), "copies on two sides, the clearest first")
        if len(result.copies) > SHOWN:
            write(f"and {len(result.copies) - SHOWN} more; --out writes all")
    for fault, sentence in verdicts(result).items():
        write(f"{fault}: {sentence}")
    if text := worth_text(result):
        write(text)
    write(headline(result))


def _print(table: Any, title: str = "") -> None:
    columns = table.headings()
    numbers = [name for name, number in zip(columns, table.numeric(), strict=True) if number]
    print_table(title, columns, table.texts(), numbers=numbers)
