"""The command ``fusionser predict``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import print_json, print_table, progress_bar, recordings, say, write
from .options import JOBS_HELP, Json, check_jobs

ADAPT_HELP = (
    "First adapt the model to these recordings, without labels. They should come from one source, be 10 at least (50 "
    "or more are advisable), and have several emotions: a single emotion would be removed as part of the source."
)


def predict(
    model: Annotated[Path, typer.Argument(help="Model file that 'fusionser fit' wrote.")],
    clips: Annotated[
        list[str] | None, typer.Argument(help="Recordings and folders; '-' reads paths from standard input.")
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--list", help="Text file with one path per line, or a table with a column 'file'.")
    ] = None,
    gender: Annotated[
        str | None, typer.Option(help="Gender of the speakers, for models that have it as a feature: {genders}.")
    ] = None,
    adapt: Annotated[bool, typer.Option("--adapt", help=ADAPT_HELP)] = False,
    out: Annotated[Path | None, typer.Option(help="Table to write (.csv or .parquet).")] = None,
    jobs: Annotated[int, typer.Option(help=JOBS_HELP, callback=check_jobs)] = 1,
    json: Json = False,
) -> None:
    """Predict the emotion of recordings; for one that cannot be used, give the reason."""
    from fusionser.alignment import ADVISABLE_CLIPS
    from fusionser.model import load_model
    from fusionser.names import ADAPTED
    from fusionser.rows import write_table

    from .inputs import gather_clips

    if gender not in (None, "female", "male"):
        raise SettingsError(f"--gender is '{gender}'; expected 'female' or 'male'")
    loaded = load_model(model)
    rows = gather_clips(clips or [], listed)
    if gender is not None:
        rows["gender"] = gender
    if loaded.needs_gender and not ("gender" in rows and (rows["gender"] != "").all()):
        raise SettingsError(
            f"{model}: the model has the speaker's gender as a feature; give --gender female or --gender male, or "
            "a table with a column 'gender' (or fit with --gender none)"
        )
    if adapt:
        with progress_bar("recordings to adapt to") as progress:
            loaded = loaded.adapt(rows, n_jobs=jobs, progress=progress)
        if (loaded.card.adapted_to or 0) < ADVISABLE_CLIPS:
            say(
                f"note: adapted to fewer than {ADVISABLE_CLIPS} recordings; predictions may be worse than without "
                "--adapt"
            )
    with progress_bar("recordings") as progress:
        answers = loaded.predict(rows, n_jobs=jobs, progress=progress)
    if out is not None:
        write_table(answers, out)
    adapted_to = loaded.card.adapted_to
    if adapted_to is not None and not json:
        write(f"adapted to {recordings(adapted_to)}, without their labels")
    _print_answers(answers, loaded.card.classes, json=json, setting=None if adapted_to is None else ADAPTED)
    if (answers["error"] != "").all():
        raise typer.Exit(1)


def _print_answers(answers: Any, classes: tuple[str, ...], *, json: bool, setting: str | None) -> None:
    records = answers.to_dict("records")
    if json:
        print_json(
            [
                {
                    "file": record["file"],
                    "emotion": record["emotion"] or None,
                    "probabilities": None
                    if record["error"]
                    else {name: record[f"probability_{name}"] for name in classes},
                    "error": record["error"] or None,
                    **({} if setting is None else {"setting": setting}),
                }
                for record in records
            ]
        )
        return
    rows = []
    for record in records:
        if record["error"]:
            reason = record["error"].removeprefix(record["file"] + ": ")
            rows.append([record["file"], f"cannot be used: {reason}", *[""] * len(classes)])
        else:
            probabilities = [f"{100 * record[f'probability_{name}']:.0f} %" for name in classes]
            rows.append([record["file"], record["emotion"], *probabilities])
    print_table("", ["file", "emotion", *classes], rows, numbers=classes)
