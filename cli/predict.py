"""The command ``fusionser predict``."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import output, print_json, print_table, progress_bar, recordings, say, write
from .option_checks import (
    check_channel,
    check_file_to_write,
    check_jobs,
    check_out_answers,
    decode_apart,
    refuse_inputs,
    use_cluster,
)
from .option_groups import Group, option
from .option_texts import CHANNEL_HELP, CLUSTER_HELP, ISOLATE_HELP, JOBS_HELP, MAP_HELP, TRUNCATED_HELP

MOST_REASONS = 10
"""Lines about single recordings that are printed below the table."""

LONG_SECONDS, MOST_LOOKED_AT = 30, 200
"""Duration from which windows are advised, and the recordings whose duration is looked at."""

NARROWEST_FILE = 28
"""Characters that the column of files gets before the classes are left out."""

ADAPT_HELP = (
    "First adapt the model to these recordings, without labels. They should come from one source, be 10 at least (50 "
    "or more are advisable), and have several emotions: a single emotion would be removed as part of the source."
)
NO_UNLIKENESS = (
    "note: the model cannot tell how unlike its training recordings a clip is, because it was saved by another "
    "version, or without its recordings, or they are too few. So --abstain uses the probability only; to change that, "
    "fit it again with more recordings"
)


def check_timeline(path: Path | None) -> Path | None:
    """Reject a time line that cannot be written, or is of an unknown format."""
    from fusionser.names import TIMELINE_SUFFIXES

    if path is not None and path.suffix.lower() not in map(str.lower, TIMELINE_SUFFIXES):
        raise SettingsError(f"--timeline is {path}; expected a file ending in {', '.join(TIMELINE_SUFFIXES)}")
    return check_file_to_write(path, "--timeline")


class Asked(Group):
    """The options of the command."""

    listed: Path | None = option(
        "Text file with one path per line, or a table with a column 'file'.", flag="--list", main=True
    )
    columns: str | None = option(MAP_HELP, flag="--map")
    gender: str | None = option("Gender of the speakers, for models that have it as a feature: {genders}.")
    adapt: bool = option(ADAPT_HELP, False, "--adapt", main=True)
    out: Path | None = option(
        "Table to write (.csv or .parquet), or a folder, which gets the table answers.csv.",
        callback=check_out_answers,
        main=True,
    )
    abstain: bool = option(
        "Answer 'unsure' if the answer has a probability below 0.5, or if the recording is less like the training "
        "recordings than 99 % of those of unseen speakers.",
        False,
        "--abstain",
        main=True,
    )
    windows: float | None = option(
        "Length in seconds of the windows into which each recording is cut, to follow the emotion over time. "
        "Recordings may then be hours long.",
        main=True,
    )
    hop: float | None = option("With --windows: seconds from one window to the next, by default 0.5.")
    timeline: Path | None = option(
        "Write the emotions over time of one recording, by the suffix as a page (.html), a table (.csv), .json, labels "
        "for Audacity (.txt) or a .TextGrid for Praat. Windows have 3 s if --windows is not given.",
        callback=check_timeline,
        main=True,
    )
    most_unlike: float | None = option(
        "With --abstain: unlikeness up to which recordings are answered, by default 0.99; 1 for all.", min=0.0, max=1.0
    )
    accept_truncated: bool = option(TRUNCATED_HELP, False, "--accept-truncated")
    channel: str | None = option(CHANNEL_HELP, callback=check_channel)
    isolate: bool = option(ISOLATE_HELP, False, "--isolate", callback=decode_apart)
    jobs: int = option(JOBS_HELP, 1, callback=check_jobs, main=True)
    cluster: str | None = option(CLUSTER_HELP, callback=use_cluster)
    json: bool = option("Print JSON on standard output.", False, "--json", main=True)


def predict(
    asked: Asked,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL] RECORDINGS...",
            help="Recordings, folders and tables; '-' reads a recording, or paths, from standard input. A model that "
            "'fusionser fit' or 'fusionser export' wrote comes first; without it, the included model is used, "
            "which was trained on CREMA-D.",
        ),
    ] = None,
) -> None:
    """Predict the emotion of recordings; for one that cannot be used, give the reason.

    The exit status is 1 if none of them can be used.
    """
    from fusionser.names import ADAPTED

    from .dimensions import put_numbers
    from .inputs import gathered_clips, load_or_included, shown_names, split_model

    if asked.most_unlike is not None and not asked.abstain:
        raise SettingsError("--most-unlike has no effect without --abstain; give both, or neither")
    model, clips = split_model(paths or [])
    for flag, out in (("--out", asked.out), ("--timeline", asked.timeline)):
        refuse_inputs(out, [model, asked.listed, *clips], flag)
    if over_time(asked):
        from .over_time import predict_over_time

        predict_over_time(asked, load_or_included(model), clips)
        return
    loaded = load_or_included(model)
    if asked.abstain:
        loaded.card.check_classes("--abstain")
    gathered = gathered_clips(clips, asked)
    _set_gender(loaded, gathered.rows, asked.gender)
    if asked.adapt:
        loaded = _adapted(loaded, gathered.rows, asked.jobs)
    if asked.abstain and loaded.unlikeness is None:
        say(NO_UNLIKENESS)
    with progress_bar("recordings") as progress:
        told = {"abstain": asked.abstain, "most_unlike": asked.most_unlike}
        answers = loaded.predict(gathered.rows, n_jobs=asked.jobs, progress=progress, **told)
    answers = shown_names(_with_refused(answers, gathered), gathered.names)
    _tell_of_long(answers[answers["error"] == ""])
    if loaded.card.targets:
        adapted = {} if loaded.card.adapted_to is None else {"setting": ADAPTED}
        put_numbers(answers, loaded.card.targets, asked.out, json=asked.json, stated=adapted)
    else:
        _put(answers, loaded.card, asked.out, json=asked.json)
    if (answers["error"] != "").all():
        raise typer.Exit(1)


def _with_refused(answers: Any, clips: Any) -> Any:
    """Return the answers in the order of the recordings, with an error for each one that was not predicted."""
    import pandas as pd

    from fusionser.reporting.answers import own_columns
    from fusionser.rows import given_names

    if not clips.refused:
        return answers
    errors = pd.DataFrame.from_dict(clips.refused, orient="index").rename(columns={"reason": "error"})
    # What was given beside them stays beside them.
    beside = clips.given.loc[list(clips.refused)]
    names = given_names(clips.rows, taken=list(answers)[: own_columns(answers)])
    errors = errors.assign(**{new: beside[name] for name, new in names.items() if name in beside})
    together = pd.concat([answers.set_axis(clips.places()), errors[[name for name in errors if name in answers]]])
    together = together.sort_index()
    texts = [name for name in answers if name not in errors and answers[name].dtype.kind not in "fiubmM"]
    return together.assign(**{name: together[name].fillna("") for name in texts})


def over_time(asked: Asked) -> bool:
    """Return whether windows are predicted; raise `SettingsError` for options that have no effect with or without."""
    if asked.windows is None and asked.timeline is None:
        if asked.hop is not None:
            raise SettingsError("--hop has no effect without --windows or --timeline; give one of them, too")
        return False
    if asked.timeline is not None and asked.out is not None and asked.timeline.absolute() == asked.out.absolute():
        raise SettingsError(f"--timeline and --out are both {asked.out}; give two files")
    refused = {
        "--adapt": asked.adapt,
        "--gender": asked.gender,
        "--jobs": asked.jobs != 1,
        "--cluster": asked.cluster is not None,
    }
    for name, given in refused.items():
        if given:
            raise SettingsError(f"{name} has no effect with --windows and --timeline; leave it out")
    return True


def _set_gender(model: Any, rows: Any, gender: str | None) -> None:
    """Set the gender of all rows if one is given; raise `SettingsError` if the model needs one that is missing."""
    if gender not in (None, "female", "male"):
        raise SettingsError(f"--gender is '{gender}'; expected 'female' or 'male'")
    from .inputs import check_gender

    if gender is not None and not model.needs_gender:
        raise SettingsError("--gender has no effect: the model does not have the gender as a feature; leave it out")
    if gender is not None:
        rows["gender"] = gender
    check_gender(model, rows, "give --gender female or --gender male, or a table")


def _adapted(model: Any, rows: Any, jobs: int) -> Any:
    """Return the model adapted to the rows; say so if they are few."""
    from fusionser.alignment import ADVISABLE_CLIPS

    if not hasattr(model, "adapt"):
        raise SettingsError("--adapt needs a model that 'fusionser fit' wrote; an ONNX file cannot be adapted")

    with progress_bar("recordings to adapt to") as progress:
        adapted = model.adapt(rows, n_jobs=jobs, progress=progress)
    if (adapted.card.adapted_to or 0) < ADVISABLE_CLIPS:
        say(f"note: adapted to fewer than {ADVISABLE_CLIPS} recordings; predictions may be worse than without --adapt")
    return adapted


def _put(answers: Any, card: Any, out: Path | None, *, json: bool) -> None:
    """Write the answers to a table, if one is named, and print them or their counts."""
    from fusionser.names import ADAPTED
    from fusionser.reporting.answers import answer_json, in_words
    from fusionser.rows import write_table

    adapted = card.adapted_to is not None
    if adapted and not json:
        write(f"adapted to {recordings(card.adapted_to)}, without their labels")
    if out is not None:
        write_table(in_words(answers), out)
    _tell_of_less_probable(answers, card.classes)
    if json:
        stated = {"setting": ADAPTED} if adapted else {}
        print_json([answer_json(record, card.classes) | stated for record in answers.to_dict("records")])
    elif out is not None:
        _print_counts(answers, out)
    else:
        _print_answers(answers, card.classes)
    _tell_of_unlike(answers)


def _tell_of_unlike(answers: Any) -> None:
    """Say how many recordings are unlike the training recordings, and how to get an answer for them."""
    from fusionser.reporting.answers import unlike_note_of

    if note := unlike_note_of(answers):
        say(f"note: {note}")
    if "unsure_because" in answers and answers["unsure_because"].isin(["unlikeness", "both"]).any():
        say(
            "note: recordings that are too unlike are answered 'unsure'; adaptation does not change that. "
            "--most-unlike 1 answers those whose probability is above 0.5"
        )


def _tell_of_long(rows: Any) -> None:
    """Say how to get more than one answer for recordings that are much longer than utterances."""
    from fusionser.decoding import duration_of
    from fusionser.errors import AudioError

    whole = rows[rows["end"].isna()] if "end" in rows else rows
    count = 0
    for file in whole["file"].head(MOST_LOOKED_AT):
        with suppress(AudioError, OSError):
            count += duration_of(file) > LONG_SECONDS
    if count:
        say(
            f"note: {recordings(count)} of more than {LONG_SECONDS} s got one answer for the whole; --windows 3 gives "
            "answers over time, and --timeline FILE.html shows one"
        )


def _tell_of_less_probable(answers: Any, classes: Sequence[str]) -> None:
    """Say how many answers are not the class with the highest probability, which looks like a mistake."""
    answered = answers[answers["emotion"].isin(classes)]
    less = answered["probability"] < answered[[f"probability_{name}" for name in classes]].max(axis=1)
    if less.any():
        say(
            f"note: {less.sum()} of {len(answered)} answers {'is' if less.sum() == 1 else 'are'} not the class with "
            "the highest probability. An SVM answers by comparing classes in pairs, and its probabilities are fitted "
            "afterwards"
        )


def _print_counts(answers: Any, out: Path) -> None:
    """Print how many recordings have each answer; the table that was written has the rest."""
    usable = answers[answers["error"] == ""]
    counts = usable["emotion"].value_counts()
    print_table(
        "",
        ["emotion", "recordings"],
        [[str(name), str(count)] for name, count in counts.items()],
        numbers=["recordings"],
    )
    if len(usable) < len(answers):
        write(f"cannot be used: {recordings(len(answers) - len(usable))}; see the column 'error'")
    write(f"{out}: {recordings(len(answers))}")


def _print_answers(answers: Any, classes: tuple[str, ...]) -> None:
    """Print the answer for every recording."""
    from fusionser.reporting.answers import clip_name, is_known, unusable_text

    records = answers.to_dict("records")
    measured = ["unlikeness"] if "unlikeness" in answers else []
    rows = []
    for record in records:
        if record["error"]:
            rows.append([clip_name(record), unusable_text(record), *[""] * len([*classes, *measured])])
        else:
            probabilities = [f"{100 * record[f'probability_{name}']:.0f} %" for name in classes]
            unlikeness = [f"{record[name]:.3f}" if is_known(record) else "" for name in measured]
            rows.append([clip_name(record), record["emotion"], *probabilities, *unlikeness])
    _print_as_wide(rows, classes, measured)
    _print_reasons(records, classes)


def _print_as_wide(rows: list[list[str]], classes: tuple[str, ...], measured: list[str]) -> None:
    """Print the answers; on a terminal too narrow for all classes, with the probability of the answer only."""
    columns = ["file", "emotion", *classes, *measured]
    widths = [max(len(row[place]) for row in [columns, *rows]) + 3 for place in range(1, len(columns))]
    if sum(widths) + NARROWEST_FILE > output.width:
        sure = [row[2 + classes.index(row[1])] if row[1] in classes else "" for row in rows]
        rows = [[*row[:2], share, *row[2 + len(classes) :]] for row, share in zip(rows, sure, strict=True)]
        columns = ["file", "emotion", "probability", *measured]
    print_table("", columns, rows, numbers=[*columns[2:]], folded=["file"])


def _print_reasons(records: Sequence[Mapping[str, Any]], classes: tuple[str, ...]) -> None:
    """Print which answers are unsure because of their probability; of the others, the note says why."""
    from fusionser.reporting.answers import clip_name

    told = [(clip_name(record), _improbable(record, classes)) for record in records]
    reasons = [f"{name}: {sentence}" for name, sentence in told if sentence]
    for reason in reasons[:MOST_REASONS]:
        write(reason)
    if len(reasons) > MOST_REASONS:
        write(f"and {len(reasons) - MOST_REASONS} more such lines; --json has all, and --out counts them")


def _improbable(record: Mapping[str, Any], classes: tuple[str, ...]) -> str | None:
    """Return the reason of an abstention because of the probability."""
    from fusionser.reporting.unlike import improbable_text

    if record.get("unsure_because") not in ("probability", "both"):
        return None
    answer = next(name for name in classes if record[f"probability_{name}"] == record["probability"])
    return improbable_text(answer, record["probability"])
