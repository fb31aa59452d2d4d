"""The command ``fusionser ablate``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import print_json, print_table, say, spoken, training_bar, write
from .options import (
    BLOCKS_HELP,
    COPIED_HELP,
    JOBS_HELP,
    PROTOCOL_HELP,
    SEEDS,
    THREADS_HELP,
    TRAINING_DEVICE_HELP,
    check_jobs,
    names,
    option,
    set_threads,
)
from .preparing import open_cache

__all__ = ["ablate"]

CURES = "none,weights,oversample,smote,undersample"
KINDS = "none,noise,pitch,stretch,lowpass,all"


def ablate(
    folder: Annotated[Path, typer.Argument(help="Folder of recordings.")],
    corpus: Annotated[str, option("--corpus", "Corpus of the folder: {corpora}.")],
    out: Annotated[Path, option("--out", "Folder for report.md and the evaluations.")],
    study: Annotated[
        str | None,
        option(
            "--study",
            "In place of cures and copies, a study of: {studies}. deep is of networks, normalisation by speaker.",
            "Study",
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        option("--also", "Another corpus=DIR, for the studies protocol and corpora; may be repeated.", "Study"),
    ] = None,
    classifier: Annotated[str, option("--classifier", "Classifiers by comma: {classifiers}.", "Study")] = "svm",
    preset: Annotated[
        str | None, option("--preset", "Named features, fusionnet when nothing is named: {presets}.", "Study")
    ] = None,
    blocks: Annotated[str, option("--blocks", BLOCKS_HELP, "Study")] = "",
    gender: Annotated[str | None, option("--gender", "Gender as a feature: {gender_features}.", "Study")] = None,
    imbalance: Annotated[
        str | None,
        option(
            "--imbalance",
            f"Cures by comma, none among them, {CURES} when left out: {{imbalance}}. The first is asked about together "
            "with copies.",
            "Table",
        ),
    ] = None,
    augmentation: Annotated[
        str | None,
        option(
            "--augmentation",
            f"Kinds of copies by comma, none among them, {KINDS} when left out: {{augmentations}}, several joined as "
            "noise+pitch, or all for SER-FusionNet's four.",
            "Table",
        ),
    ] = None,
    copies: Annotated[
        int | None, option("--copies", "Copies a training clip, one when left out.", "Table", min=1, max=100)
    ] = None,
    augment_classes: Annotated[
        str | None,
        option("--augment-classes", COPIED_HELP, "Table"),
    ] = None,
    impose: Annotated[
        float | None,
        option("--impose-imbalance", "Ratio of an imbalance that is imposed on the training rows.", "Table"),
    ] = None,
    importance: Annotated[
        str | None,
        option("--importance", "What the first features rely on: {importance} (and blocks with them).", "Study"),
    ] = None,
    protocol: Annotated[str, option("--protocol", PROTOCOL_HELP, "Protocol")] = "speaker-kfold",
    folds: Annotated[int | None, option("--folds", "Number of folds.", "Protocol")] = None,
    epochs: Annotated[int | None, option("--epochs", "Epochs of every network.", "Run", min=1)] = None,
    partial: Annotated[
        bool, option("--partial", "Run nothing: make the page of the evaluations that are there.", "Run", is_flag=True)
    ] = False,
    device: Annotated[str, option("--device", TRAINING_DEVICE_HELP, "Run")] = "auto",
    seed: Annotated[int, option("--seed", "Of everything drawn at random.", "Run", **SEEDS)] = 0,
    jobs: Annotated[int, option("--jobs", JOBS_HELP, "Run", callback=check_jobs)] = -1,
    threads: Annotated[
        int | None, option("--threads", THREADS_HELP, "Run", min=1, max=1024, callback=set_threads)
    ] = None,
    cache: Annotated[bool, option("--cache/--no-cache", "Keep features between runs.", "Run")] = True,
    json: Annotated[bool, option("--json", "Print JSON on standard output.", "Run")] = False,
) -> None:
    """Cross cures of imbalance with augmentations, or run a study by name, and answer what each does.

    A stopped run goes on where it was.
    """
    from fusionser.corpora.places import named_places
    from fusionser.experiments.ablation import keep_design
    from fusionser.experiments.factorial import Factorial
    from fusionser.experiments.named_studies import NamedStudy
    from fusionser.experiments.questions import answer_questions
    from fusionser.experiments.recipe import ProtocolChoice
    from fusionser.experiments.run import stored_curves
    from fusionser.experiments.study import run_study
    from fusionser.reporting.ablation import AblationText, summary, write_ablation
    from fusionser.reporting.html import write_ablation_html

    common: dict[str, Any] = {
        "corpus": corpus,
        "classifiers": names(classifier),
        "preset": preset or (None if blocks else "fusionnet"),
        "blocks": names(blocks),
        "gender": gender,
        "importance": importance,
        "protocol": ProtocolChoice(name=protocol, settings={} if folds is None else {"folds": folds}),
        "epochs": epochs,
        "seed": seed,
    }
    others = named_places(also or [])
    if study is None:
        if also:
            raise SettingsError("--also is for the studies protocol and corpora; name one of them with --study")
        if augment_classes not in (None, "all", "scarce"):
            raise SettingsError(f"--augment-classes is '{augment_classes}'; expected all or scarce")
        design: Any = Factorial(
            imbalance=names(imbalance or CURES),
            augmentation=names(augmentation or KINDS),
            copies=copies or 1,
            only_scarce=augment_classes == "scarce",
            imposed=impose,
            **common,
        )
    else:
        table = {
            "--imbalance": imbalance,
            "--augmentation": augmentation,
            "--copies": copies,
            "--augment-classes": augment_classes,
            "--impose-imbalance": impose,
        }
        _check_left_out(study, {**table, **({"--gender": gender} if study == "gender" else {})})
        design = NamedStudy(study=study, also=list(others), **common)
    with training_bar("ablation") as progress:

        def clips(done: int, total: int) -> None:
            progress(done, total, "features")

        found = run_study(
            design.recipe(),
            {corpus: folder, **others},
            out,
            cache=open_cache(cache),
            n_jobs=jobs,
            device=device,
            partial=partial,
            extraction_progress=clips,
            progress=spoken(progress),
        )
    for name, reason in found.failures.items():
        say(f"failed: {name}: {reason}")
    if not found.results and found.failures:
        raise SettingsError(f"all {len(found.failures)} evaluations failed; the reasons are in {out / 'cells'}")
    if not found.results:
        raise SettingsError(f"no evaluation of this study is in {out / 'cells'}; run it without --partial")
    answers = answer_questions(design, found.results)
    text = AblationText(
        command=shlex.join(["fusionser", *sys.argv[1:]]), missing=found.missing, failures=found.failures
    )
    keep_design(design, text.command, out)
    page = write_ablation(design, answers, found.results, text, out)
    curves = stored_curves(out, found.names)
    write_ablation_html(design, answers, found.results, text, out / "report.html", curves)
    if json:
        print_json([_described(one) for one in answers])
        return
    _print(answers, summary(design, answers, found.results))
    left = f"{len(found.failures)} failed, {len(found.missing)} still to be run"
    write(f"report: {page}: {len(found.results)} evaluations, {left}")


def _described(answer: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(answer)


def _check_left_out(study: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None:
            raise SettingsError(f"{name} has no part in the study '{study}'; leave it out")


def _print(answers: list[Any], sentences: list[str]) -> None:
    from fusionser.reporting.ablation import ends, p_value

    print_table(
        "what each does, in points of UAR; p by permutation over speakers, corrected (Holm)",
        ["question", "UAR", "95 % interval", "p", "WAR"],
        [
            [
                one.question.text,
                f"{100 * one.uar.mean:+.1f}",
                ends(one.uar.interval),
                p_value(one.corrected),
                f"{100 * one.war.mean:+.1f}",
            ]
            for one in answers
        ],
        numbers=["UAR", "p", "WAR"],
    )
    write(" ".join(sentences))
