"""The command ``fusionser audit``."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError, unknown_name

from .console import print_json, print_table, progress_bar, warn_quarantine, write
from .options import (
    ISOLATE_HELP,
    MAP_HELP,
    SEEDS,
    TRUNCATED_HELP,
    Group,
    Work,
    check_out_folder,
    decode_apart,
    names,
    option,
)

LEAKS = "copies,speakers,scaled"
LEAKED = 1
"""Exit status when the split leaks."""

SHOWN = 10


class Asked(Group):
    """The options of the command."""

    audio: Path | None = option("Folder with the recordings of a table, found by the stems of their names.")
    corpus: str | None = option("Corpus whose file names say speaker, emotion and statement: {corpora}.")
    columns: str | None = option(MAP_HELP, flag="--map")
    accept_truncated: bool = option(TRUNCATED_HELP, False, "--accept-truncated")
    isolate: bool = option(ISOLATE_HELP, False, "--isolate", callback=decode_apart)
    fail_on: str = option(
        "What counts as a leak, and gives exit status 1, comma-separated: copies, speakers, scaled, performances, "
        "statements, classes, or none.",
        LEAKS,
    )
    score: bool = option("Score a classifier by the split and by speaker.", True, "--score/--no-score")
    preset: str | None = option("Named set of features for the scores, by default robust: {presets}.")
    classifier: str = option("Classifier for the scores: {classifiers}.", "svm")
    seed: int = option("Seed of everything drawn at random.", 0, **SEEDS)
    listen: int = option("Pairs of copies to listen to, written to --out.", 10, min=0)
    out: Path | None = option("Folder for report.html, report.md and audit.json.", callback=check_out_folder)
    run: Work


def audit(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="SPLIT",
            help="A table with the columns file and split, and perhaps fold; or folders of training and test "
            "recordings, or of training, validation and test recordings.",
        ),
    ],
    asked: Asked,
) -> None:
    """Tell what a split leaks: copies, speakers and performances on both sides, and what that is worth in a score."""
    from fusionser.audit.leaks import audit_split
    from fusionser.audit.split import read_split
    from fusionser.reporting.words import stamp_texts
    from fusionser.tables import named_columns

    from .preparing import make_resources

    failing = _faults(asked.fail_on)
    worth = _scoring(asked) if asked.score else None
    resources = make_resources("cpu", asked.run)
    split = read_split(
        places,
        audio=asked.audio,
        corpus=asked.corpus,
        columns=named_columns(asked.columns),
        accept_truncated=asked.accept_truncated,
    )
    with progress_bar("audit") as progress:
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
    warn_quarantine(result.quarantine, stamp_texts(result.notes))
    page = None
    if asked.out is not None:
        from fusionser.reporting.audit import write_audit

        page = write_audit(audited, asked.out, asked.listen)
    if asked.run.json:
        print_json({**result.model_dump(mode="json"), "faults": list(result.faults)})
    else:
        _print_result(result)
        if page is not None:
            write(f"report: {page}")
    if result.leaks:
        raise typer.Exit(LEAKED)


def _faults(text: str) -> tuple[Any, ...]:
    from fusionser.audit.result import FAULTS

    wanted = names(text, "--fail-on")
    if wanted == ["none"]:
        return ()
    for name in wanted:
        if name not in FAULTS:
            raise unknown_name("kind of leak", name, [*FAULTS, "none"])
    return tuple(wanted)


def _scoring(asked: Asked) -> Any:
    """Return the function that scores a split; wrong names fail before a long comparison."""
    from fusionser.audit.worth import scored_split
    from fusionser.registry import CLASSIFIERS, PRESETS
    from fusionser.spec import PipelineSpec

    CLASSIFIERS.named(asked.classifier)
    if asked.preset is not None:
        PRESETS.named(asked.preset)
    given = {} if asked.preset is None else {"features": {"preset": asked.preset}}
    try:
        spec = PipelineSpec.model_validate({**given, "classifier": {"name": asked.classifier}, "seed": asked.seed})
    except ValueError as error:
        raise SettingsError(f"the scores cannot be made with these settings: {error}") from error
    return partial(scored_split, spec=spec)


def _print_result(result: Any) -> None:
    from fusionser.reporting.audit import between_row, copy_row, headline, verdicts, worth_text

    rows = [between_row(one) for one in result.between]
    texts = ("fold", "sides", "recordings")
    print_table(
        f"{result.name}: {result.recordings} recordings",
        list(rows[0]),
        [list(row.values()) for row in rows],
        numbers=[name for name in rows[0] if name not in texts],
    )
    if result.copies:
        pairs = [copy_row(pair) for pair in result.copies[:SHOWN]]
        print_table("copies on two sides, the clearest first", list(pairs[0]), [list(pair.values()) for pair in pairs])
        if len(result.copies) > SHOWN:
            write(f"and {len(result.copies) - SHOWN} more; --out writes all")
    for fault, sentence in verdicts(result).items():
        write(f"{fault}: {sentence}")
    if text := worth_text(result):
        write(text)
    write(headline(result))
