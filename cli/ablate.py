"""The command ``fusionser ablate``."""

import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import print_json, print_table, spoken, training_bar, write
from .options import (
    AUGMENT_CLASSES_HELP,
    AUGMENTATION_LEVELS_HELP,
    BLOCKS_HELP,
    IMBALANCE_LEVELS_HELP,
    IMPORTANCE_HELP,
    JOBS_HELP,
    KINDS,
    PROTOCOL_HELP,
    SEEDS,
    STRATEGIES,
    STUDIES_HELP,
    THREADS_HELP,
    TRAINING_DEVICE_HELP,
    check_jobs,
    names,
    option,
    set_threads,
    with_groups,
)
from .preparing import make_resources
from .study import left_text, say_failures

__all__ = ["ablate"]


@dataclass(frozen=True)
class Table:
    """The levels of the factorial; a study by name has none of them."""

    imbalance: Annotated[str | None, option("--imbalance", IMBALANCE_LEVELS_HELP, "Table")] = None
    augmentation: Annotated[str | None, option("--augmentation", AUGMENTATION_LEVELS_HELP, "Table")] = None
    copies: Annotated[
        int | None, option("--copies", "Copies per training clip, by default 1.", "Table", min=1, max=100)
    ] = None
    augment_classes: Annotated[
        str | None,
        option("--augment-classes", AUGMENT_CLASSES_HELP, "Table"),
    ] = None
    impose: Annotated[
        float | None,
        option("--impose-imbalance", "Ratio of the imbalance to impose on the training rows.", "Table"),
    ] = None

    def factorial(self, common: dict[str, Any]) -> Any:
        """Return the design of all levels with each other."""
        from fusionser.studies.factorial import Factorial

        if self.augment_classes not in (None, "all", "scarce"):
            raise SettingsError(f"--augment-classes is '{self.augment_classes}'; expected all or scarce")
        return Factorial(
            imbalance=names(self.imbalance or STRATEGIES),
            augmentation=names(self.augmentation or KINDS),
            copies=self.copies or 1,
            only_scarce=self.augment_classes == "scarce",
            imposed=self.impose,
            **common,
        )

    def check_left_out(self, study: str, gender: str | None) -> None:
        """Refuse options that have no part in a study by name."""
        options = {
            "--imbalance": self.imbalance,
            "--augmentation": self.augmentation,
            "--copies": self.copies,
            "--augment-classes": self.augment_classes,
            "--impose-imbalance": self.impose,
            "--gender": gender if study == "gender" else None,
        }
        for name, value in options.items():
            if value is not None:
                raise SettingsError(f"{name} has no part in the study '{study}'; leave it out")


@dataclass(frozen=True)
class Asked:
    """What is compared, by what."""

    corpus: Annotated[str, option("--corpus", "Corpus of the folder: {corpora}.")]
    study: Annotated[str | None, option("--study", STUDIES_HELP, "Study")] = None
    also: Annotated[
        list[str] | None,
        option("--also", "Another corpus=DIR, for the studies protocol and corpora; may be repeated.", "Study"),
    ] = None
    classifier: Annotated[str, option("--classifier", "Classifiers, comma-separated: {classifiers}.", "Study")] = "svm"
    preset: Annotated[
        str | None, option("--preset", "Named set of features, by default fusionnet: {presets}.", "Study")
    ] = None
    blocks: Annotated[str, option("--blocks", BLOCKS_HELP, "Study")] = ""
    gender: Annotated[str | None, option("--gender", "Gender as a feature: {gender_features}.", "Study")] = None
    importance: Annotated[str | None, option("--importance", IMPORTANCE_HELP, "Study")] = None
    protocol: Annotated[str, option("--protocol", PROTOCOL_HELP, "Protocol")] = "speaker-kfold"
    folds: Annotated[int | None, option("--folds", "Number of folds.", "Protocol")] = None
    epochs: Annotated[int | None, option("--epochs", "Epochs of every network.", "Run", min=1)] = None
    seed: Annotated[int, option("--seed", "Seed of everything drawn at random.", "Run", **SEEDS)] = 0

    def design(self, table: Table) -> Any:
        """Return the design that is asked for."""
        from fusionser.spec import ProtocolSpec
        from fusionser.studies.named import NamedStudy

        common: dict[str, Any] = {
            "corpus": self.corpus,
            "classifiers": names(self.classifier),
            "preset": self.preset or (None if self.blocks else "fusionnet"),
            "blocks": names(self.blocks),
            "gender": self.gender,
            "importance": self.importance,
            "protocol": ProtocolSpec(name=self.protocol, settings={} if self.folds is None else {"folds": self.folds}),
            "epochs": self.epochs,
            "seed": self.seed,
        }
        if self.study is None:
            if self.also:
                raise SettingsError("--also is for the studies protocol and corpora; name one of them with --study")
            return table.factorial(common)
        table.check_left_out(self.study, self.gender)
        return NamedStudy(study=self.study, also=list(self.others()), **common)

    def others(self) -> dict[str, Path]:
        """Return the folders of the other corpora."""
        from fusionser.corpora.places import named_places

        return named_places(self.also or [])


@with_groups
def ablate(
    folder: Annotated[Path, typer.Argument(help="Folder of recordings.")],
    out: Annotated[Path, option("--out", "Folder for report.md and the evaluations.")],
    asked: Asked,
    table: Table,
    partial: Annotated[
        bool,
        option("--partial", "Run nothing; make the page from the evaluations that are there.", "Run", is_flag=True),
    ] = False,
    device: Annotated[str, option("--device", TRAINING_DEVICE_HELP, "Run")] = "auto",
    jobs: Annotated[int, option("--jobs", JOBS_HELP, "Run", callback=check_jobs)] = -1,
    threads: Annotated[
        int | None, option("--threads", THREADS_HELP, "Run", min=1, max=1024, callback=set_threads)
    ] = None,
    cache: Annotated[bool, option("--cache/--no-cache", "Keep features between runs.", "Run")] = True,
    json: Annotated[bool, option("--json", "Print JSON on standard output.", "Run")] = False,
) -> None:
    """Cross balancing strategies with augmentations, or run a study by name, and estimate what each does.

    A stopped run goes on where it was.
    """
    from fusionser.reporting.ablation import AblationText, summary, write_ablation
    from fusionser.reporting.html import write_ablation_html
    from fusionser.studies.ablation import run_ablation
    from fusionser.studies.runner import stored_curves

    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder; expected a folder of recordings of one corpus")
    with training_bar("ablation") as progress:
        ablation = run_ablation(
            asked.design(table),
            {asked.corpus: folder, **asked.others()},
            out,
            command=shlex.join(["fusionser", *sys.argv[1:]]),
            resources=make_resources(device=device, jobs=jobs, cache=cache),
            partial=partial,
            extraction_progress=lambda done, total: progress(done, total, "features"),
            progress=spoken(progress),
        )
    design, run, effects = ablation.design, ablation.run, ablation.effects
    say_failures(run, out)
    text = AblationText(command=ablation.command, missing=run.missing, failures=run.failures)
    page = write_ablation(design, effects, run.results, text, out)
    write_ablation_html(design, effects, run.results, text, out / "report.html", stored_curves(out, run.names))
    if json:
        print_json([asdict(effect) for effect in effects])
        return
    _print(effects, summary(design, effects, run.results))
    write(f"report: {page}: {len(run.results)} evaluations{left_text(run)}")


def _print(effects: list[Any], sentences: list[str]) -> None:
    from fusionser.reporting.ablation import ends, p_value

    print_table(
        "what each does, in points of UAR; p by permutation over speakers, corrected (Holm)",
        ["contrast", "UAR", "95 % interval", "p", "WAR"],
        [
            [
                effect.contrast.text,
                f"{100 * effect.uar.mean:+.1f}",
                ends(effect.uar.interval),
                p_value(effect.corrected),
                f"{100 * effect.war.mean:+.1f}",
            ]
            for effect in effects
        ],
        numbers=["UAR", "p", "WAR"],
    )
    write(" ".join(sentences))
