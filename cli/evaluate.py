"""The command ``fusionser evaluate``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fusionser.errors import SettingsError, unknown_name

from .console import print_json, print_table, training_bar, write
from .options import PROTOCOL_HELP, FrontEnd, Input, Places, Run, Split, Training, option, with_groups
from .preparing import prepare_copies, prepare_places

__all__ = ["evaluate"]


@with_groups
def evaluate(
    places: Places,
    given: Input,
    front_end: FrontEnd,
    training: Training,
    split: Split,
    run: Run,
    protocol: Annotated[str, option("--protocol", PROTOCOL_HELP, "Protocol")] = "speaker-kfold",
    setting: Annotated[
        str,
        option(
            "--setting",
            "{settings}; in the second, each speaker is standardised by their own unlabelled clips.",
            "Protocol",
        ),
    ] = "inductive",
    importance: Annotated[
        str | None,
        option(
            "--importance",
            "What the classifier relies on, on held-out speakers: {importance} (and blocks with them).",
        ),
    ] = None,
    out: Annotated[
        Path | None, option("--out", "Folder for report.md, result.json, predictions.csv and pictures.")
    ] = None,
) -> None:
    """Score a classifier under a protocol: WAR, UAR, macro F1, with intervals over speakers."""
    from fusionser.evaluation.evaluate import INDUCTIVE, SPEAKER_NORMALISED
    from fusionser.evaluation.importance import IMPORTANCE
    from fusionser.experiments import choose_protocol, evaluate_plan

    if setting not in (INDUCTIVE, SPEAKER_NORMALISED):
        raise SettingsError(f"--setting is '{setting}'; expected {INDUCTIVE} or {SPEAKER_NORMALISED}")
    if importance not in (None, *IMPORTANCE):
        raise unknown_name("kind of importance", str(importance), IMPORTANCE)
    plan = training.plan(run, alone=front_end.network is not None, by_speaker=setting == SPEAKER_NORMALISED)
    plan = replace(plan, importance=importance)
    paired = given.pair(places)
    features = front_end.choose(paired)
    # A wrong name is told before an hour of extraction, not after.
    plan.estimator(features.extractor)
    prepared = prepare_places(paired, features, given, run, training.device)
    chosen = choose_protocol(protocol, prepared.table, split.settings(protocol, run.seed))
    prepared = prepare_copies(prepared, plan, run)
    with training_bar("folds") as progress:
        result, found = evaluate_plan(prepared, plan, chosen, progress=progress)
    page = None
    if out is not None:
        from fusionser.reporting import write_report

        page = write_report(result, found, out)
    if run.json:
        print_json(result.model_dump(mode="json"))
        return
    print_result(result)
    if page is not None:
        write(f"report: {page}")


def print_result(result: Any) -> None:
    """Print a result as tables and a sentence."""
    from fusionser.reporting.page import METRIC_NAMES, headline, is_synthetic, relied_columns, score_interval

    if is_synthetic(result):
        write("SYNTHETIC RECORDINGS: these scores say that the tools work, and nothing about speech.")
    print_table(
        f"{result.classifier} on {result.corpus}, {result.features_name} ({result.feature_count} columns)",
        ["score", "%", "95 % interval over speakers"],
        [
            [label, f"{100 * getattr(result.pooled, name):.1f}", score_interval(result, name)]
            for name, label in METRIC_NAMES.items()
        ],
        numbers=["%"],
    )
    print_table(
        "by class",
        ["emotion", "precision", "recall", "F1", "support"],
        [
            [name, f"{100 * one.precision:.1f}", f"{100 * one.recall:.1f}", f"{100 * one.f1:.1f}", one.support]
            for name, one in result.per_class.items()
        ],
        numbers=["precision", "recall", "F1", "support"],
    )
    if result.intervals is None and result.speakers and result.protocol.speakers_known:
        print_table(
            "by speaker (fewer than eight, so each is shown)",
            ["speaker", "WAR", "UAR"],
            [[name, f"{100 * one.war:.1f}", f"{100 * one.uar:.1f}"] for name, one in result.speakers.items()],
            numbers=["WAR", "UAR"],
        )
    if result.importance:
        print_table(
            "what it relies on: points of a test speaker's UAR that are lost when columns are shuffled",
            ["columns", "points lost", "95 % interval"],
            [
                [
                    name,
                    f"{100 * loss:.1f}",
                    "-" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}",
                ]
                for name, loss, ends in relied_columns(result)
            ],
            numbers=["points lost"],
        )
    stamps = "; ".join([result.protocol.setting, result.protocol.selection, *result.protocol.stamps])
    write(f"{result.protocol.name}, {len(result.folds)} fold(s); {stamps}; seed {result.seed}")
    write(headline(result))
