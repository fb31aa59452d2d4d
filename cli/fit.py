"""The command ``fusionser fit``."""

from pathlib import Path
from typing import Annotated, Any

from fusionser.errors import FusionserError

from .console import print_json, training_bar, write
from .options import PROTOCOL_HELP, FrontEnd, Input, Places, Run, Split, Training, option, with_groups
from .preparing import prepare_copies, prepare_places

__all__ = ["fit"]


@with_groups
def fit(
    places: Places,
    given: Input,
    front_end: FrontEnd,
    training: Training,
    split: Split,
    run: Run,
    out: Annotated[Path, option("--out", "Model file to write.")] = Path("model.fusionser"),
    protocol: Annotated[str, option("--protocol", PROTOCOL_HELP, "Protocol")] = "speaker-holdout",
    estimate: Annotated[
        bool, option("--estimate/--no-estimate", "Score on held-out speakers first.", "Protocol")
    ] = True,
) -> None:
    """Fit a classifier to all recordings, save it, and say what to expect of it."""
    from fusionser.experiments import fit_plan
    from fusionser.model import save_model

    plan = training.plan(run, alone=front_end.network is not None)
    paired = given.pair(places)
    features = front_end.choose(paired)
    plan.estimator(features.extractor)
    prepared = prepare_places(paired, features, given, run, training.device)
    chosen = _estimate_split(protocol, prepared.table, split.settings(protocol, run.seed)) if estimate else None
    prepared = prepare_copies(prepared, plan, run)
    with training_bar("folds of the estimate") as progress:
        model = fit_plan(prepared, plan, split=chosen, progress=progress)
    save_model(model, out)
    if run.json:
        print_json({"out": str(out), **model.card.model_dump(mode="json"), "quarantine": prepared.quarantine})
        return
    _print_card(out, model.card, plan.judge(prepared.features.extractor))


def _estimate_split(protocol: str, rows: Any, settings: dict[str, Any]) -> Any:
    from fusionser.experiments import choose_protocol

    try:
        chosen = choose_protocol(protocol, rows, settings)
        chosen.named_folds(rows)
    except FusionserError as error:
        raise type(error)(f"{error}. Without an estimate the model can be fitted with --no-estimate") from error
    return chosen


def _print_card(out: Path, card: Any, judge: str) -> None:
    from fusionser.reporting.page import headline, is_synthetic

    write(
        f"{out}: {judge} on {card.features_name}, {len(card.classes)} classes "
        f"({', '.join(card.classes)}), trained on {card.training_rows} recordings of {card.training_speakers} "
        f"speakers of {card.corpus}"
    )
    if card.estimate is None:
        write("no estimate was made; nothing is known of how well it does")
        return
    if is_synthetic(card.estimate):
        write("SYNTHETIC RECORDINGS: the estimate says that the tools work, and nothing about speech.")
    tested = "; ".join(fold.name for fold in card.estimate.folds)
    write(f"What to expect (estimated by {card.estimate.protocol.name}, tested: {tested}): {headline(card.estimate)}")
