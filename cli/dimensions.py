"""What commands print of predicted numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .console import print_json, print_table, recordings, say, write


def print_dimensions(result: Any) -> None:
    """Print the result of an evaluation of numbers."""
    from fusionser.dimension_results import method_of
    from fusionser.names import corpus_text
    from fusionser.reporting.dimensions import dimension_headline, score_rows
    from fusionser.reporting.scores import AGREEMENT_NAMES, agreement_text, is_synthetic
    from fusionser.reporting.words import protocol_text, selection_of, stamp_texts

    if is_synthetic(result):
        write("SYNTHETIC RECORDINGS: these scores only show that the tools work, and say nothing about speech.")
    columns = [part for label in AGREEMENT_NAMES.values() for part in (label, f"95 % interval of {label}")]
    print_table(
        f"{method_of(result)} on {corpus_text(result.corpus)}, {result.features_name} ({result.feature_count} columns)",
        ["target", *columns],
        score_rows(result),
        numbers=[*AGREEMENT_NAMES.values()],
    )
    if result.intervals is None and result.speakers and result.protocol.speakers_known:
        print_table(
            "CCC by speaker (fewer than eight, so each is shown)",
            ["speaker", *result.targets],
            [
                [name, *(agreement_text(scores[one].ccc) for one in result.targets)]
                for name, scores in result.speakers.items()
            ],
            numbers=list(result.targets),
        )
    protocol = result.protocol
    data = [note for note in result.notes if note.kind in ("partial-corpus", "windows")]
    stamps = "; ".join([protocol.known, selection_of(result), *stamp_texts([*protocol.stamps, *data])])
    write(f"{protocol_text(result)}; {stamps}; seed {result.seed}")
    naive = ", ".join(f"{agreement_text(error)} ({name})" for name, error in result.naive_mse.items())
    write(f"MSE of the naive answer, the mean of the training rows: {naive}")
    write(dimension_headline(result))


def put_numbers(
    answers: Any, targets: Sequence[str], out: Path | None, *, json: bool, stated: Mapping[str, Any]
) -> None:
    """Write the predicted numbers to a table, if one is named, and print them, or what the table has."""
    from fusionser.reporting.answers import in_words, unlike_note_of
    from fusionser.rows import write_table

    if out is not None:
        write_table(in_words(answers), out)
    _print_numbers(answers, targets, out, json=json, stated=stated)
    if note := unlike_note_of(answers):
        say(f"note: {note}")


def _print_numbers(
    answers: Any, targets: Sequence[str], out: Path | None, *, json: bool, stated: Mapping[str, Any]
) -> None:
    from fusionser.reporting.answers import clip_name, is_known, number_json, unusable_text
    from fusionser.reporting.scores import agreement_text

    records = answers.to_dict("records")
    if json:
        print_json([{**number_json(record, targets), **stated} for record in records])
        return
    measured = ["unlikeness"] if "unlikeness" in answers else []
    if out is not None:
        usable = answers[answers["error"] == ""]
        print_table(
            "",
            ["number", "lowest", "mean", "highest"],
            [[name, *(agreement_text(value) for value in _range(usable[name]))] for name in targets],
            numbers=["lowest", "mean", "highest"],
        )
        write(f"{out}: {recordings(len(answers))}, of which {len(answers) - len(usable)} cannot be used")
        return
    rows = []
    for record in records:
        if record["error"]:
            rows.append([clip_name(record), unusable_text(record), *[""] * (len(targets) - 1 + len(measured))])
        else:
            unlike = [f"{record[name]:.3f}" if is_known(record) else "" for name in measured]
            rows.append([clip_name(record), *(agreement_text(record[name]) for name in targets), *unlike])
    print_table("", ["file", *targets, *measured], rows, numbers=[*targets, *measured], folded=["file"])


def _range(values: Any) -> list[float | None]:
    return [None] * 3 if values.empty else [values.min(), values.mean(), values.max()]
