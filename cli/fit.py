"""The command ``fusionser fit``."""

from pathlib import Path
from typing import Any

from fusionser.errors import FusionserError, SettingsError

from .console import counted, print_json, recordings, say, training_bar, write
from .option_checks import check_model_file, refuse_inputs
from .option_groups import option
from .option_texts import STREAM_HELP
from .options import Experiment, Places, Tracking, record
from .preparing import prepare_experiment

FEW_SPEAKERS = 4
"""Speakers below which an estimate says little about others."""


class Asked(Experiment):
    """The options of the command."""

    out: Path = option(
        "Model file to write.", Path("model.fusionser"), panel="Options", callback=check_model_file, main=True
    )
    estimate: bool = option("Score on held-out speakers first.", True, main=True)
    stream: bool = option(STREAM_HELP, False, "--stream", panel="Run")
    tracking: Tracking


def fit(places: Places, asked: Asked) -> None:
    """Fit a classifier to all recordings, save it, and say what to expect of it."""
    from fusionser.jobs import fit_prepared
    from fusionser.model import NOT_SAVED, save_model
    from fusionser.names import SPEAKER_NORMALISED
    from fusionser.pipeline.build import decided_by

    refuse_inputs(asked.out, places)
    trackers = asked.tracking.opened()
    prepared, split, resources = prepare_experiment(
        asked,
        places,
        _estimate_split if asked.estimate else None,
        protocol="speaker-holdout",
        all_rows=True,
        stream=asked.stream,
    )
    if prepared.spec.setting == SPEAKER_NORMALISED:
        raise SettingsError(f"{NOT_SAVED}; use --setting inductive or adapted")
    with training_bar("fit") as progress:
        model = fit_prepared(prepared, split=split, resources=resources, progress=progress)
    save_model(model, asked.out)
    if asked.run.json:
        print_json({"out": str(asked.out), **model.card.model_dump(mode="json"), "quarantine": prepared.quarantine})
    else:
        if model.unlikeness is None:
            say("note: too few of the training recordings can be read for the model to tell how unlike them a clip is")
        _print_card(asked.out, model.card, decided_by(prepared.spec, prepared.extractor))
    if trackers:
        from fusionser.tracking.runs import model_run

        record(trackers, model_run(model, [asked.out]))


def _estimate_split(protocol: Any, rows: Any, seed: int) -> Any:
    from fusionser.pipeline import choose_protocol

    try:
        chosen = choose_protocol(protocol.name, rows, protocol.settings, seed=seed)
        chosen.named_folds(rows)
    except FusionserError as error:
        raise type(error)(f"{error}. To fit the model without an estimate, use --no-estimate") from error
    return chosen


def _print_card(out: Path, card: Any, decides: str) -> None:
    from fusionser.names import ADAPTED, corpus_text
    from fusionser.page import training_text
    from fusionser.reporting.scores import is_synthetic

    answers = ", ".join(card.targets) or f"{len(card.classes)} classes ({', '.join(card.classes)})"
    learned = f"{training_text(card)} of {corpus_text(card.corpus)}"
    write(f"{out}: {decides} on {card.features_name}, {answers}, trained on {learned}")
    if card.spec is not None and card.spec.setting == ADAPTED:
        write("it has to be adapted to the clips that it predicts: 'fusionser predict --adapt', or Model.adapt")
    if card.estimate is None:
        _print_notes(card)
        write("no estimate was made, so the performance of the model is unknown")
        return
    if is_synthetic(card.estimate):
        write("SYNTHETIC RECORDINGS: the estimate only shows that the tools work, and says nothing about speech.")
    _print_notes(card)
    sentence, no_better = _expected(card)
    write(f"Expected performance ({_how_estimated(card.estimate)}): {sentence}")
    speakers, rows = (
        sum(getattr(fold, name) for fold in card.estimate.folds) for name in ("test_speakers", "test_rows")
    )
    if speakers < FEW_SPEAKERS:
        write(
            f"It rests on {counted(speakers, 'speaker')} and {recordings(rows)}, and may be very different for others; "
            "'fusionser evaluate' tests all speakers in turn."
        )
    if no_better:
        naive = "the naive answer" if card.targets else "chance"
        write(f"That cannot be told from {naive}, so its answers say nothing yet.")


def _how_estimated(estimate: Any) -> str:
    """Return how the scores were estimated: on which recordings, or in how many rounds."""
    names = [fold.name for fold in estimate.folds]
    several = f"tested in {len(names)} rounds, each on another part of the recordings"
    return f"estimated by {estimate.protocol.name}, {several if len(names) > 1 else f'tested on {names[0]}'}"


def _print_notes(card: Any) -> None:
    """Print what all who use the model must know, such as licences."""
    from fusionser.reporting.words import stamp_texts

    for text in stamp_texts(card.notes):
        write(f"note: {text}")


def _expected(card: Any) -> tuple[str, bool]:
    """Return the scores of the estimate in a sentence, and whether chance explains them."""
    if card.targets:
        from fusionser.reporting.dimensions import dimension_headline, is_at_naive

        return dimension_headline(card.estimate), is_at_naive(card.estimate)
    from fusionser.reporting.page import headline, is_at_chance

    return headline(card.estimate), is_at_chance(card.estimate)
