"""The options that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

__all__ = [
    "Blocks",
    "Cache",
    "ClassNames",
    "ClassifierName",
    "CorpusName",
    "Denoise",
    "Duration",
    "Folds",
    "GenderChoice",
    "Imbalance",
    "Jobs",
    "Json",
    "Offset",
    "Places",
    "Preset",
    "ProtocolName",
    "SamplingRate",
    "Scaling",
    "Seed",
    "Stratified",
    "Strict",
    "TestCorpora",
    "TestShare",
    "TestSpeakers",
    "TrainCorpora",
    "Trim",
    "Tune",
    "clip_settings",
    "gender_choice",
    "names",
    "pair_places",
    "protocol_settings",
]

INPUT, FRONT_END, TRAINING, SPLIT, RUN = "Input", "Features", "Classifier", "Protocol", "Run"

Places = Annotated[
    list[Path], typer.Argument(help="Folders of recordings, rows tables (.csv, .parquet), or features files.")
]
CorpusName = Annotated[
    str | None,
    typer.Option(
        "--corpus",
        help="Corpus of each folder, by comma; 'folders' for label/clip.wav.",
        rich_help_panel=INPUT,
    ),
]
ClassNames = Annotated[
    str, typer.Option("--classes", help="Emotions to keep, by comma; all when empty.", rich_help_panel=INPUT)
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Stop at the first recording that cannot be used.", rich_help_panel=INPUT),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="Named features: wide (default) or fusionnet.", rich_help_panel=FRONT_END),
]
Blocks = Annotated[
    str,
    typer.Option("--blocks", help="Feature blocks by comma, in place of a preset.", rich_help_panel=FRONT_END),
]
GenderChoice = Annotated[
    str | None,
    typer.Option(
        "--gender",
        help="'given' makes the labelled gender a feature, 'none' leaves it out.",
        rich_help_panel=FRONT_END,
    ),
]
Offset = Annotated[float | None, typer.Option("--offset", help="Seconds to skip.", rich_help_panel=FRONT_END)]
Duration = Annotated[
    float | None,
    typer.Option("--duration", help="Seconds to keep, shorter clips padded.", rich_help_panel=FRONT_END),
]
SamplingRate = Annotated[
    int | None, typer.Option("--sampling-rate", help="Rate of the analysis in Hz.", rich_help_panel=FRONT_END)
]
Trim = Annotated[
    bool | None,
    typer.Option("--trim/--no-trim", help="Cut silence off both ends.", rich_help_panel=FRONT_END),
]
Denoise = Annotated[
    bool | None,
    typer.Option("--denoise/--no-denoise", help="Apply a Wiener filter.", rich_help_panel=FRONT_END),
]
ClassifierName = Annotated[
    str, typer.Option("--classifier", help="svm, random-forest or xgboost.", rich_help_panel=TRAINING)
]
Scaling = Annotated[
    str,
    typer.Option("--scaling", help="standard, robust, minmax, quantile or none.", rich_help_panel=TRAINING),
]
Imbalance = Annotated[
    str,
    typer.Option("--imbalance", help="'weights' weighs scarce classes up, 'none' does not.", rich_help_panel=TRAINING),
]
Tune = Annotated[
    bool,
    typer.Option("--tune", help="Choose parameters by inner folds of the training speakers.", rich_help_panel=TRAINING),
]
ProtocolName = Annotated[str, typer.Option("--protocol", help="How the rows are split.", rich_help_panel=SPLIT)]
Folds = Annotated[int | None, typer.Option("--folds", help="Number of folds.", rich_help_panel=SPLIT)]
TestSpeakers = Annotated[
    str, typer.Option("--test-speakers", help="Speakers of a hold-out, by comma.", rich_help_panel=SPLIT)
]
TestShare = Annotated[
    float | None, typer.Option("--test-share", help="Share of a hold-out, 0 to 1.", rich_help_panel=SPLIT)
]
Stratified = Annotated[
    bool,
    typer.Option("--stratified", help="Equal shares of the emotions in random splits.", rich_help_panel=SPLIT),
]
TestCorpora = Annotated[
    str,
    typer.Option("--test-corpora", help="Corpora that cross-corpus tests, by comma.", rich_help_panel=SPLIT),
]
TrainCorpora = Annotated[
    str,
    typer.Option(
        "--train-corpora",
        help="Corpora that cross-corpus trains on; the others when empty.",
        rich_help_panel=SPLIT,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything drawn at random.", rich_help_panel=RUN)]
Jobs = Annotated[int, typer.Option("--jobs", help="Processes; -1 is one a core.", rich_help_panel=RUN)]
Cache = Annotated[bool, typer.Option("--cache/--no-cache", help="Keep features between runs.", rich_help_panel=RUN)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.", rich_help_panel=RUN)]


def names(text: str) -> list[str]:
    """Split a list given by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def pair_places(places: Sequence[Path], corpus: str | None) -> list[Any]:
    """Pair each place with its corpus; one corpus serves all places."""
    from fusionser.experiments import Place

    given = names(corpus or "")
    if len(given) > 1 and len(given) != len(places):
        raise SettingsError(f"got {len(given)} corpora for {len(places)} places; expected one for each, or one for all")
    each = given if len(given) == len(places) else [given[0] if given else None] * len(places)
    return [Place(place, name) for place, name in zip(places, each, strict=True)]


def gender_choice(choice: str | None) -> bool | None:
    """Return whether the gender is a feature, None for as the preset has it."""
    known = {None: None, "given": True, "none": False}
    if choice not in known:
        raise SettingsError(f"--gender is '{choice}'; expected 'given' or 'none'")
    return known[choice]


def clip_settings(**given: Any) -> dict[str, Any]:
    """Keep the clip's settings that were given."""
    return {key: value for key, value in given.items() if value is not None}


def protocol_settings(
    *,
    protocol: str,
    folds: int | None,
    test_speakers: str,
    test_share: float | None,
    stratified: bool,
    test_corpora: str,
    train_corpora: str,
    seed: int,
) -> dict[str, Any]:
    """Keep the settings of the protocol that were given; one that it does not take is refused by it."""
    settings: dict[str, Any] = {
        "folds": folds,
        "speakers": tuple(names(test_speakers)) or None,
        "share": test_share,
        "stratified": stratified or None,
        "test": tuple(names(test_corpora)) or None,
        "train": tuple(names(train_corpora)) or None,
    }
    if protocol in ("random-kfold", "random-holdout", "speaker-holdout"):
        settings["seed"] = seed
    return {key: value for key, value in settings.items() if value is not None}
