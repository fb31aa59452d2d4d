"""The command ``fusionser evaluate``."""

from pathlib import Path
from typing import Annotated, Any

from fusionser.errors import unknown_name

from .console import print_json, print_table, training_bar, write
from .options import (
    IMPORTANCE_HELP,
    PROTOCOL_HELP,
    SETTING_HELP,
    FrontEnd,
    Input,
    Places,
    Run,
    Settings,
    Split,
    Training,
    option,
    with_groups,
)
from .preparing import make_resources, prepare_augmented, prepare_places

__all__ = ["evaluate"]


@with_groups
def evaluate(
    places: Places,
    settings: Settings,
    given: Input,
    front_end: FrontEnd,
    training: Training,
    split: Split,
    run: Run,
    protocol: Annotated[str | None, option("--protocol", PROTOCOL_HELP, "Protocol")] = None,
    setting: Annotated[str | None, option("--setting", SETTING_HELP, "Protocol")] = None,
    importance: Annotated[str | None, option("--importance", IMPORTANCE_HELP)] = None,
    out: Annotated[
        Path | None, option("--out", "Folder for report.md, result.json, predictions.csv and pictures.")
    ] = None,
) -> None:
    """Score a classifier under a protocol: WAR, UAR, macro F1, with intervals over speakers."""
    from fusionser.jobs import evaluate_prepared
    from fusionser.names import IMPORTANCE
    from fusionser.pipeline import build_estimator, build_features, choose_protocol, resolve

    if importance not in (None, *IMPORTANCE):
        raise unknown_name("kind of importance", str(importance), IMPORTANCE)
    config = split.over(given.over(settings.load()), protocol, "speaker-kfold", run.seed)
    spec = training.over(front_end.over(config.pipeline), run.seed, setting)
    config = config.changed(pipeline=spec)
    paired = given.pair(places)
    settings.save(config, paired)
    resources = make_resources(device=training.device, jobs=run.jobs, cache=run.cache)
    # A wrong name is told before an hour of extraction, not after.
    build_estimator(spec, extractor=build_features(resolve(spec, paired)))
    prepared = prepare_places(paired, config, given, resources)
    chosen = choose_protocol(config.protocol.name, prepared.table, config.protocol.settings, seed=spec.seed)
    prepared = prepare_augmented(prepared, resources)
    with training_bar("folds") as progress:
        result, evaluation = evaluate_prepared(
            prepared, chosen, importance=importance, resources=resources, progress=progress
        )
    page = None
    if out is not None:
        from fusionser.reporting.page import write_report

        page = write_report(result, evaluation, out)
    if run.json:
        print_json(result.model_dump(mode="json"))
        return
    print_result(result)
    if page is not None:
        write(f"report: {page}")


def print_result(result: Any) -> None:
    """Print a result as tables and a sentence."""
    from fusionser.reporting.page import METRIC_NAMES, headline, is_synthetic, relied_columns, score_interval
    from fusionser.reporting.words import selection_text, stamp_texts

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
            [
                name,
                f"{100 * scores.precision:.1f}",
                f"{100 * scores.recall:.1f}",
                f"{100 * scores.f1:.1f}",
                scores.support,
            ]
            for name, scores in result.per_class.items()
        ],
        numbers=["precision", "recall", "F1", "support"],
    )
    if result.intervals is None and result.speakers and result.protocol.speakers_known:
        print_table(
            "by speaker (fewer than eight, so each is shown)",
            ["speaker", "WAR", "UAR"],
            [[name, f"{100 * scores.war:.1f}", f"{100 * scores.uar:.1f}"] for name, scores in result.speakers.items()],
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
    chosen = selection_text(result.protocol.selection)
    stamps = "; ".join([result.protocol.setting, chosen, *stamp_texts(result.protocol.stamps)])
    write(f"{result.protocol.name}, {len(result.folds)} fold(s); {stamps}; seed {result.seed}")
    write(headline(result))
