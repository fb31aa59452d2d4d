"""The commands of the main job: extract, evaluate, fit, predict, study."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import FusionserError, SettingsError

from . import options
from .console import print_json, print_table, progress_bar, say, warn_quarantine, write

__all__ = ["evaluate", "extract", "fit", "predict", "study"]


def _cache(wanted: bool) -> Any:
    from fusionser.features import default_cache

    return default_cache() if wanted else None


def _prepare(places: list[Any], features: Any, *, classes: str, cache: bool, jobs: int, strict: bool) -> Any:
    from fusionser.experiments import prepare

    with progress_bar("features") as progress:
        prepared = prepare(
            places,
            features,
            classes=options.names(classes),
            cache=_cache(cache),
            n_jobs=jobs,
            progress=progress,
            strict=strict,
        )
    warn_quarantine(prepared.quarantine, prepared.notes)
    return prepared


def extract(
    places: options.Places,
    out: Annotated[Path, typer.Option("--out", help="Features file to write (.parquet).")],
    corpus: options.CorpusName = None,
    classes: options.ClassNames = "",
    strict: options.Strict = False,
    preset: options.Preset = None,
    blocks: options.Blocks = "",
    gender: options.GenderChoice = None,
    offset: options.Offset = None,
    duration: options.Duration = None,
    sampling_rate: options.SamplingRate = None,
    trim: options.Trim = None,
    denoise: options.Denoise = None,
    jobs: options.Jobs = -1,
    cache: options.Cache = True,
    json: options.Json = False,
) -> None:
    """Extract features of all recordings into one Parquet file, rows and settings included."""
    from fusionser.evaluation import provenance
    from fusionser.experiments import choose_features
    from fusionser.features.store import write_features
    from fusionser.rows import write_table

    if out.suffix != ".parquet":
        raise SettingsError(f"--out is {out}; expected a file ending in .parquet, which holds the settings too")
    paired = options.pair_places(places, corpus)
    clip = options.clip_settings(
        offset=offset, duration=duration, sampling_rate=sampling_rate, trim=trim, denoise=denoise
    )
    features = choose_features(
        paired,
        preset_name=preset,
        blocks=options.names(blocks),
        gender=options.gender_choice(gender),
        clip=clip,
    )
    prepared = _prepare(paired, features, classes=classes, cache=cache, jobs=jobs, strict=strict)
    write_features(prepared.table, features.extractor, features.name, out, provenance())
    listed = out.with_suffix(".quarantine.csv")
    if prepared.quarantine:
        import pandas as pd

        write_table(pd.DataFrame(prepared.quarantine), listed)
    elif listed.exists():
        listed.unlink()
    columns = len(features.extractor.get_feature_names_out())
    if json:
        print_json(
            {
                "out": str(out),
                "rows": len(prepared.table),
                "columns": columns,
                "features": features.name,
                "computed": prepared.computed,
                "seconds": prepared.seconds,
                "quarantine": prepared.quarantine,
                "notes": prepared.notes,
            }
        )
        return
    write(
        f"{out}: {len(prepared.table)} recordings, {columns} columns ({features.name}); "
        f"{prepared.computed} analysed now, the others known from before; {prepared.seconds:.1f} s"
    )
    if prepared.quarantine:
        write(f"{listed}: {len(prepared.quarantine)} recordings set apart, with reasons")


def evaluate(
    places: options.Places,
    corpus: options.CorpusName = None,
    classes: options.ClassNames = "",
    strict: options.Strict = False,
    preset: options.Preset = None,
    blocks: options.Blocks = "",
    gender: options.GenderChoice = None,
    offset: options.Offset = None,
    duration: options.Duration = None,
    sampling_rate: options.SamplingRate = None,
    trim: options.Trim = None,
    denoise: options.Denoise = None,
    classifier: options.ClassifierName = "svm",
    scaling: options.Scaling = "standard",
    imbalance: options.Imbalance = "none",
    tune: options.Tune = False,
    setting: Annotated[
        str,
        typer.Option(
            "--setting",
            help="inductive, or speaker-normalised: each speaker standardised by their own unlabelled clips.",
            rich_help_panel=options.SPLIT,
        ),
    ] = "inductive",
    protocol: options.ProtocolName = "speaker-kfold",
    folds: options.Folds = None,
    test_speakers: options.TestSpeakers = "",
    test_share: options.TestShare = None,
    stratified: options.Stratified = False,
    test_corpora: options.TestCorpora = "",
    train_corpora: options.TrainCorpora = "",
    seed: options.Seed = 0,
    jobs: options.Jobs = -1,
    cache: options.Cache = True,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for report.md, result.json, predictions.csv and pictures."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Score a classifier under a protocol: WAR, UAR, macro F1, with intervals over speakers."""
    from fusionser.evaluation.evaluate import INDUCTIVE, SPEAKER_NORMALISED
    from fusionser.experiments import Plan, choose_features, choose_protocol, evaluate_plan

    if setting not in (INDUCTIVE, SPEAKER_NORMALISED):
        raise SettingsError(f"--setting is '{setting}'; expected {INDUCTIVE} or {SPEAKER_NORMALISED}")
    plan = Plan(
        classifier=classifier,
        scaling=scaling,
        by_speaker=setting == SPEAKER_NORMALISED,
        imbalance=imbalance,
        tune=tune,
        seed=seed,
        n_jobs=jobs,
    )
    paired = options.pair_places(places, corpus)
    clip = options.clip_settings(
        offset=offset, duration=duration, sampling_rate=sampling_rate, trim=trim, denoise=denoise
    )
    features = choose_features(
        paired,
        preset_name=preset,
        blocks=options.names(blocks),
        gender=options.gender_choice(gender),
        clip=clip,
    )
    plan.estimator(features.extractor)
    prepared = _prepare(paired, features, classes=classes, cache=cache, jobs=jobs, strict=strict)
    given = options.protocol_settings(
        protocol=protocol,
        folds=folds,
        test_speakers=test_speakers,
        test_share=test_share,
        stratified=stratified,
        test_corpora=test_corpora,
        train_corpora=train_corpora,
        seed=seed,
    )
    split = choose_protocol(protocol, prepared.table, given)
    with progress_bar("folds") as progress:
        result, found = evaluate_plan(prepared, plan, split, progress=progress)
    page = None
    if out is not None:
        from fusionser.reporting import write_report

        page = write_report(result, found, out)
    if json:
        print_json(result.model_dump(mode="json"))
        return
    _print_result(result)
    if page is not None:
        write(f"report: {page}")


def _print_result(result: Any) -> None:
    from fusionser.reporting.page import METRIC_NAMES, headline, is_synthetic, score_interval

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
                f"{100 * one.precision:.1f}",
                f"{100 * one.recall:.1f}",
                f"{100 * one.f1:.1f}",
                one.support,
            ]
            for name, one in result.per_class.items()
        ],
        numbers=["precision", "recall", "F1", "support"],
    )
    if result.intervals is None and result.speakers:
        print_table(
            "by speaker (fewer than eight, so each is shown)",
            ["speaker", "WAR", "UAR"],
            [[name, f"{100 * one.war:.1f}", f"{100 * one.uar:.1f}"] for name, one in result.speakers.items()],
            numbers=["WAR", "UAR"],
        )
    stamps = "; ".join([result.protocol.setting, result.protocol.selection, *result.protocol.stamps])
    write(f"{result.protocol.name}, {len(result.folds)} fold(s); {stamps}; seed {result.seed}")
    write(headline(result))


def fit(
    places: options.Places,
    out: Annotated[Path, typer.Option("--out", help="Model file to write.")],
    corpus: options.CorpusName = None,
    classes: options.ClassNames = "",
    strict: options.Strict = False,
    preset: options.Preset = None,
    blocks: options.Blocks = "",
    gender: options.GenderChoice = None,
    offset: options.Offset = None,
    duration: options.Duration = None,
    sampling_rate: options.SamplingRate = None,
    trim: options.Trim = None,
    denoise: options.Denoise = None,
    classifier: options.ClassifierName = "svm",
    scaling: options.Scaling = "standard",
    imbalance: options.Imbalance = "none",
    tune: options.Tune = False,
    protocol: options.ProtocolName = "speaker-holdout",
    folds: options.Folds = None,
    test_speakers: options.TestSpeakers = "",
    test_share: options.TestShare = None,
    stratified: options.Stratified = False,
    test_corpora: options.TestCorpora = "",
    train_corpora: options.TrainCorpora = "",
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate/--no-estimate",
            help="Score on held-out speakers first.",
            rich_help_panel=options.SPLIT,
        ),
    ] = True,
    seed: options.Seed = 0,
    jobs: options.Jobs = -1,
    cache: options.Cache = True,
    json: options.Json = False,
) -> None:
    """Fit a classifier to all recordings, save it, and say what to expect of it."""
    from fusionser.experiments import Plan, choose_features, choose_protocol, fit_plan
    from fusionser.model import save_model
    from fusionser.reporting.page import headline, is_synthetic

    plan = Plan(classifier=classifier, scaling=scaling, imbalance=imbalance, tune=tune, seed=seed, n_jobs=jobs)
    paired = options.pair_places(places, corpus)
    clip = options.clip_settings(
        offset=offset, duration=duration, sampling_rate=sampling_rate, trim=trim, denoise=denoise
    )
    features = choose_features(
        paired,
        preset_name=preset,
        blocks=options.names(blocks),
        gender=options.gender_choice(gender),
        clip=clip,
    )
    plan.estimator(features.extractor)
    prepared = _prepare(paired, features, classes=classes, cache=cache, jobs=jobs, strict=strict)
    given = options.protocol_settings(
        protocol=protocol,
        folds=folds,
        test_speakers=test_speakers,
        test_share=test_share,
        stratified=stratified,
        test_corpora=test_corpora,
        train_corpora=train_corpora,
        seed=seed,
    )
    split = _estimate_split(choose_protocol, protocol, prepared.table, given) if estimate else None
    with progress_bar("folds of the estimate") as progress:
        model = fit_plan(prepared, plan, split=split, progress=progress)
    save_model(model, out)
    card = model.card
    if json:
        print_json({"out": str(out), **card.model_dump(mode="json"), "quarantine": prepared.quarantine})
        return
    write(
        f"{out}: {card.classifier} on {card.features_name}, {len(card.classes)} classes ({', '.join(card.classes)}), "
        f"trained on {card.training_rows} recordings of {card.training_speakers} speakers of {card.corpus}"
    )
    if card.estimate is None:
        write("no estimate was made; nothing is known of how well it does")
        return
    if is_synthetic(card.estimate):
        write("SYNTHETIC RECORDINGS: the estimate says that the tools work, and nothing about speech.")
    held = "; ".join(fold.name for fold in card.estimate.folds)
    write(f"What to expect (estimated by {card.estimate.protocol.name}, tested: {held}): {headline(card.estimate)}")


def _estimate_split(choose: Any, protocol: str, rows: Any, given: dict[str, Any]) -> Any:
    try:
        split = choose(protocol, rows, given)
        split.named_folds(rows)
    except FusionserError as error:
        raise type(error)(f"{error}. Without an estimate the model can be fitted with --no-estimate") from error
    return split


def predict(
    model: Annotated[Path, typer.Argument(help="Model file that 'fusionser fit' wrote.")],
    clips: Annotated[
        list[str] | None, typer.Argument(help="Recordings and folders; '-' reads paths from standard input.")
    ] = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", help="Text file with one path a line, or a table with a column 'file'."),
    ] = None,
    gender: Annotated[
        str | None, typer.Option("--gender", help="female or male, for models with the gender as a feature.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Table to write (.csv or .parquet).")] = None,
    jobs: options.Jobs = 1,
    json: options.Json = False,
) -> None:
    """Predict the emotion of recordings; one that cannot be used is answered for with its reason."""
    from fusionser.model import load_model
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
            f"{model}: the model has the speaker's gender as a feature; give --gender female or --gender male, or a "
            "table with a column 'gender' (or fit with --gender none)"
        )
    with progress_bar("recordings") as progress:
        answers = loaded.predict(rows, n_jobs=jobs, progress=progress)
    if out is not None:
        write_table(answers, out)
    _print_answers(answers, loaded.card.classes, json=json)
    if (answers["error"] != "").all():
        raise typer.Exit(1)


def _print_answers(answers: Any, classes: tuple[str, ...], *, json: bool) -> None:
    records = answers.to_dict("records")
    if json:
        print_json(
            [
                {
                    "file": one["file"],
                    "emotion": one["emotion"] or None,
                    "probabilities": None if one["error"] else {name: one[f"probability_{name}"] for name in classes},
                    "error": one["error"] or None,
                }
                for one in records
            ]
        )
        return
    print_table(
        "",
        ["file", "emotion", *classes],
        [
            [
                one["file"],
                f"cannot be used: {one['error'].removeprefix(one['file'] + ': ')}",
                *[""] * len(classes),
            ]
            if one["error"]
            else [
                one["file"],
                one["emotion"],
                *(f"{100 * one[f'probability_{name}']:.0f} %" for name in classes),
            ]
            for one in records
        ],
        numbers=classes,
    )


def study(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a TOML file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for report.md and the cells.")],
    place: Annotated[
        list[str] | None, typer.Option("--place", help="corpus=DIR, where it is not under $FUSIONSER_DATA.")
    ] = None,
    jobs: options.Jobs = -1,
    cache: options.Cache = True,
    json: options.Json = False,
) -> None:
    """Run every evaluation of a recipe; a stopped study goes on where it was."""
    from fusionser.corpora.places import data_folder, find_corpora
    from fusionser.evaluation import provenance
    from fusionser.experiments.study import read_recipe, run_study
    from fusionser.files import write_text
    from fusionser.reporting import study_page

    wanted = read_recipe(recipe)
    places = find_corpora([choice.corpus for choice in wanted.corpora], data_folder())
    for given in place or []:
        name, separator, folder = given.partition("=")
        if not separator:
            raise SettingsError(f"--place is '{given}'; expected corpus=DIR")
        places[name] = Path(folder)
    with progress_bar("features") as clips, progress_bar("cells") as cells:

        def told(done: int, total: int, name: str = "") -> None:
            cells(done, total, name)
            if name and not sys.stderr.isatty():
                say(f"{done + 1} of {total}: {name}")

        results = run_study(
            wanted, places, out, cache=_cache(cache), n_jobs=jobs, extraction_progress=clips, progress=told
        )
    page = study_page(wanted.title, wanted.question, provenance()["command"], results)
    written = write_text(out / "report.md", page)
    if json:
        print_json([result.model_dump(mode="json") for result in results])
        return
    write(f"{written}: {len(results)} evaluations")
