"""The command ``fusionser ablate``."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import RowsError, SettingsError

from .console import print_json, print_table, say, spoken, training_bar, write, write_report_place
from .known_names import check_names
from .option_checks import check_out_folder, refuse_inputs
from .option_groups import Group, names, option
from .option_texts import (
    AUGMENT_CLASSES_HELP,
    BLOCKS_HELP,
    IMPORTANCE_HELP,
    LAYOUT_HELP,
    PROTOCOL_HELP,
    TRAINING_DEVICE_HELP,
)
from .options import SEEDS, Input, NetworkWork, ReportFormats, Run, Tracking
from .preparing import make_resources
from .study import evaluations_text, record_cells, say_failures

STRATEGIES = "none,weights,oversample,smote,undersample"
PRESET = "fusionnet"
OF_PROTOCOLS = ("protocol", "corpora")
"""Studies that choose their protocols, and need a number of folds."""
MOST_FOLDS = 5
KINDS = "none,noise,pitch,stretch,lowpass,all"


class Table(Group):
    """The levels of the factorial design, which a named study does not take."""

    panel = "Table"
    imbalance: str | None = option(
        f"Balancing strategies, comma-separated, with none among them; by default {STRATEGIES}. Valid: {{imbalance}}. "
        "The first is also tested together with augmentation.",
        callback=check_names("imbalance", several=True),
    )
    augmentation: str | None = option(
        f"Kinds of augmentation, comma-separated, with none among them; by default {KINDS}. Valid: {{augmentations}}, "
        "several joined as noise+pitch, and all for SER-FusionNet's four."
    )
    copies: int | None = option("Copies per training clip, by default 1.", min=1, max=100)
    augment_classes: str | None = option(AUGMENT_CLASSES_HELP, callback=check_names("copied_classes"))
    impose_imbalance: float | None = option("Ratio of the imbalance to impose on the training rows.")


@dataclass(frozen=True)
class Known:
    """What is known of a folder: how it is read, its speakers, and the gender as a feature, None for the default."""

    place: Any
    speakers: int
    gender: str | None

    @property
    def corpus(self) -> str:
        """The corpus of the design."""
        from fusionser.corpora import FOLDERS

        return self.place.corpus or FOLDERS

    def folds(self, study: str | None) -> int | None:
        """Return the folds of a study of protocols on a folder that has no card to name them, else None."""
        from fusionser.corpora import CORPORA

        return None if self.corpus in CORPORA or study not in OF_PROTOCOLS else min(MOST_FOLDS, self.speakers)


class Asked(Group):
    """What to compare, with which features, classifiers and protocol, and how to run it."""

    panel = "Study"
    out: Path = option(
        "Folder for report.md and the evaluations.", ..., panel="Options", callback=check_out_folder, main=True
    )
    corpus: str | None = option(
        "Corpus of the folder, by default the one whose names its recordings have: {corpora}.",
        panel="Options",
        main=True,
        callback=check_names("corpora", several=True),
    )
    layout: str | None = option(LAYOUT_HELP, panel="Options")
    study: str | None = option(
        "A study to run instead of balancing against augmentation: {studies}.",
        main=True,
        callback=check_names("studies"),
    )
    also: list[str] | None = option("Another corpus=DIR, for the studies protocol and corpora; may be repeated.")
    classifier: str = option(
        "Classifiers, comma-separated: {classifiers}.",
        "svm",
        main=True,
        callback=check_names("classifiers", several=True),
    )
    preset: str | None = option(
        "Named set of features, by default fusionnet: {presets}.", main=True, callback=check_names("presets")
    )
    blocks: str | None = option(BLOCKS_HELP, callback=check_names("blocks", several=True))
    gender: str | None = option("Gender as a feature: {gender_features}.", callback=check_names("gender_features"))
    importance: str | None = option(IMPORTANCE_HELP, callback=check_names("importance"))
    protocol: str = option(
        PROTOCOL_HELP, "speaker-kfold", panel="Protocol", main=True, callback=check_names("protocols")
    )
    folds: int | None = option("Number of folds.", panel="Protocol")
    epochs: int | None = option("Epochs of every network.", panel="Run", min=1, main=True)
    seed: int = option("Seed of everything drawn at random.", 0, panel="Run", **SEEDS)
    partial: bool = option("Run nothing; write the page from the stored evaluations.", False, "--partial", "Run")
    device: str = option(TRAINING_DEVICE_HELP, "auto", panel="Run")
    formats: ReportFormats
    tracking: Tracking
    run: Run
    networks: NetworkWork
    table: Table

    def design(self, known: Known) -> Any:
        """Return the design to run on a folder of which this is known."""
        from fusionser.spec import ProtocolSpec
        from fusionser.studies.factorial import Factorial
        from fusionser.studies.named import NamedStudy

        table = self.table
        folds = known.folds(self.study) if self.folds is None else self.folds
        common: dict[str, Any] = {
            **{name: getattr(self, name) for name in ("importance", "epochs", "seed")},
            "corpus": known.corpus,
            "gender": known.gender,
            "classifiers": names(self.classifier, "--classifier"),
            "preset": self.preset or (None if self.blocks else PRESET),
            "blocks": names(self.blocks, "--blocks"),
            "protocol": ProtocolSpec(name=self.protocol, settings={} if folds is None else {"folds": folds}),
        }
        if self.study is None:
            if self.also:
                raise SettingsError(
                    "--also is only for the studies protocol and corpora; choose one of them with --study"
                )
            return Factorial(
                imbalance=names(table.imbalance, "--imbalance") or names(STRATEGIES, ""),
                augmentation=names(table.augmentation, "--augmentation") or names(KINDS, ""),
                copies=table.copies or 1,
                only_scarce=table.augment_classes == "scarce",
                imposed=table.impose_imbalance,
                **common,
            )
        for name, value in {**vars(table), "gender": self.gender if self.study == "gender" else None}.items():
            if value is not None:
                raise SettingsError(
                    f"--{name.replace('_', '-')} has no effect in the study '{self.study}'; leave it out"
                )
        return NamedStudy(study=self.study, also=list(self.others()), **common)

    def others(self) -> dict[str, Path]:
        """Return the folders of the other corpora."""
        from fusionser.corpora.places import named_places

        return named_places(self.also or [])


def ablate(folder: Annotated[Path, typer.Argument(help="Folder of recordings.")], asked: Asked) -> None:
    """Cross balancing strategies with augmentations, or run a study by name, and estimate the effect of each.

    A stopped run resumes where it stopped.
    """
    from fusionser.corpora.data_folder import found_instead
    from fusionser.files import public_command
    from fusionser.reporting.ablation import corpus_names, summary
    from fusionser.studies.ablation import run_ablation

    if not folder.is_dir():
        found = "" if folder.exists() else found_instead(folder, asked.corpus)
        raise SettingsError(f"{folder} is not a folder; expected a folder of recordings of one corpus{found}")
    refuse_inputs(asked.out, [folder, *asked.others().values()])
    formats, trackers = asked.formats.chosen(asked.out), asked.tracking.opened()
    known = _known(folder, asked)
    with training_bar("ablation") as progress:
        ablation = run_ablation(
            asked.design(known),
            {known.corpus: known.place, **asked.others()},
            asked.out,
            command=public_command(["fusionser", *sys.argv[1:]]),
            resources=make_resources(asked.device, asked.run, asked.networks),
            partial=asked.partial,
            extraction_progress=lambda done, total: progress(done, total, "features"),
            progress=spoken(progress),
        )
    done, effects = ablation.run, ablation.effects
    say_failures(done, asked.out)
    page = write_pages(ablation, asked.out, formats=formats)
    if asked.run.json:
        print_json([_values(effect) for effect in effects])
    else:
        _print(effects, summary(ablation.design, effects, done.results))
        write_report_place(page, formats, evaluations_text(done))
    corpus = ", ".join(corpus_names(ablation.design, done.results))
    record_cells(trackers, f"{ablation.design.title}: {corpus}", done, asked.out, page)


def _known(folder: Path, asked: Asked) -> Known:
    """Return what the names in a folder tell, or raise an error if they do not tell what every evaluation needs."""
    from fusionser.corpora import list_rows
    from fusionser.names import GENDERS

    plain: dict[str, Any] = dict.fromkeys(("columns", "parts", "channel"))
    source = Input(corpus=asked.corpus, layout=asked.layout, download=False, accept_truncated=False, **plain)
    (place,) = source.pair([folder])
    rows = list_rows(folder, place.corpus, place.layout, measured=False).rows
    speakers = len(set(rows["speaker"]) - {""})
    if speakers < 2:
        raise RowsError(
            f"{folder}: the recordings do not tell two speakers or more, whose scores 'ablate' compares; expected a "
            "folder for each speaker, such as anna/happy/01.wav; the layout of the folder (--layout), such as "
            "'{emotion}/{speaker}_*' for happy/anna_01.wav; or a corpus whose names tell them (--corpus)"
        )
    if asked.study == "gender" and not rows["gender"].isin(GENDERS).any():
        raise RowsError(
            f"{folder}: the gender of no speaker is known, and the study 'gender' needs it; expected a layout with "
            "folders or names of it (--layout), such as '{gender}/{speaker}/{emotion}/*' for "
            "female/anna/happy/01.wav, or a corpus whose names or card tell it (--corpus)"
        )
    return Known(place, speakers, _gender(asked, rows))


def _gender(asked: Asked, rows: Any) -> str | None:
    """Return the gender as a feature: left out where a preset has it by default and nobody's gender is known."""
    from fusionser.names import GENDERS
    from fusionser.pipeline import build_features
    from fusionser.spec import PipelineSpec

    if asked.gender or asked.blocks or asked.study == "gender" or rows["gender"].isin(GENDERS).any():
        return asked.gender
    if "gender" not in dict(build_features(PipelineSpec(features={"preset": asked.preset or PRESET})).blocks):
        return None
    say("note: the gender of the speakers is unknown, so it is no feature")
    return "none"


def _values(effect: Any) -> dict[str, Any]:
    return {**asdict(effect), "contrast": {"text": effect.contrast.text, **asdict(effect.contrast)}}


def write_pages(ablation: Any, folder: Path, html: Path | None = None, formats: Any = None) -> Path:
    """Write both pages of an ablation, or only the HTML page to `html`; return the path of the HTML page."""
    from fusionser.reporting.ablation import AblationText, write_ablation
    from fusionser.reporting.ablation_web_page import write_ablation_html
    from fusionser.reporting.formats import PAGE_ONLY
    from fusionser.studies.runner import stored_curves

    run = ablation.run
    text = AblationText(command=ablation.command, missing=run.missing, failures=run.failures)
    shown = ablation.design, ablation.effects, run.results, text
    if html is None:
        write_ablation(*shown, folder, formats or PAGE_ONLY)
    return write_ablation_html(*shown, html or folder / "report.html", stored_curves(folder, run.names))


def _print(effects: list[Any], sentences: list[str]) -> None:
    from fusionser.reporting.scores import p_value
    from fusionser.reporting.words import change, ends

    print_table(
        "effects in points of UAR; p values by permutation over speakers, corrected (Holm)",
        ["contrast", "UAR", "95 % interval", "p", "WAR"],
        [
            [
                effect.contrast.text,
                change(effect.uar.mean),
                ends(effect.uar.interval),
                p_value(effect.corrected),
                change(effect.war.mean),
            ]
            for effect in effects
        ],
        numbers=["UAR", "p", "WAR"],
    )
    write(" ".join(sentences))
