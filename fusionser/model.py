"""The saved model: one file with the features, the classifier, and an estimate of the scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError
from sklearn.pipeline import Pipeline

from fusionser.archive import read_archive, write_archive
from fusionser.classifiers import BAGGING, BalancedBagging, LateFusion, TableClassifier
from fusionser.errors import ModelFileError, SettingsError, unknown_name
from fusionser.estimators import bare, dump_estimators, load_estimators
from fusionser.facts import Record
from fusionser.features import FeatureExtractor, Gender, LearnedBlock
from fusionser.features.extraction import Progress
from fusionser.registry import BLOCKS, CLASSIFIERS, FRONT_ENDS, NETWORKS, Named, named_in_blocks, plugins_among
from fusionser.results import BlockSettings, Result, StoredSpec, versions
from fusionser.scaling import BlockScaler
from fusionser.spec import stored_elsewhere
from fusionser.waveform import Rates

__all__ = ["Model", "ModelCard", "load_model", "save_model"]

ESTIMATORS = "estimators.skops"
LEARNED_PART = "features/"
FEATURES, SCALE, CLASSIFIER = "features", "scale", "classifier"


class ModelCard(Record):
    """Description of a model: its features, its classifier, its training data, and an estimate of its scores.

    Parameters
    ----------
    spec : PipelineSpec or None
        The fitted specification; None in files of earlier versions.
    features : list of dict
        Settings of the feature blocks, as `FeatureExtractor.settings` returns them.
    features_name : str
        Name of the preset, or of the blocks.
    classifier : str
        A key of `CLASSIFIERS`.
    fusion : str
        "early", or the method of the late fusion.
    classifier_settings : dict
    classes : tuple of str
    corpus : str
        Names of the training corpora.
    training_rows, training_speakers : int
    estimate : Result or None
        Scores of the same pipeline on unseen speakers, computed before it was fitted to all rows.
    versions : dict of str to str
        Versions of the packages that it was fitted with.
    plugins : dict of str to str
        Each block, network, front end or classifier that is not part of fusionser, and its package.
    created : str
        Date, as YYYY-MM-DD.
    """

    spec: StoredSpec | None = None
    features: list[BlockSettings]
    features_name: str
    classifier: str
    fusion: str = "early"
    classifier_settings: BlockSettings
    classes: tuple[str, ...]
    corpus: str
    training_rows: int
    training_speakers: int
    estimate: Result | None
    versions: dict[str, str]
    plugins: dict[str, str] = Field(default_factory=dict)
    created: str


@dataclass(frozen=True)
class Model:
    """A fitted pipeline and its card."""

    pipeline: Pipeline
    card: ModelCard

    @property
    def needs_gender(self) -> bool:
        """Whether predicting a clip requires the gender of its speaker."""
        return any(block.kind == Gender.kind for _, block in self.pipeline[FEATURES].blocks)

    def predict(
        self, X: Any, *, sampling_rate: Rates = None, n_jobs: int | None = None, progress: Progress | None = None
    ) -> pd.DataFrame:
        """Predict the emotion of clips; a clip that cannot be used gets an error instead.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
        sampling_rate : int or sequence of int, optional
            Sampling rate in Hz of waveforms without one, as in `FeatureExtractor.transform`.
        n_jobs : int, optional
            Number of processes; -1 for one per core.
        progress : callable, optional

        Returns
        -------
        DataFrame
            In the order of X: ``file`` (such as ``waveform 0`` without a file), ``emotion`` (empty on error),
            ``probability`` of that emotion, one column ``probability_<class>`` per class, and ``error`` (empty on
            success).
        """
        extractor: FeatureExtractor = self.pipeline[FEATURES]
        table = extractor.table(X, sampling_rate)
        result = table.compute(n_jobs=n_jobs, progress=progress)
        usable, files = result.usable, table.rows["file"].tolist()
        probabilities = np.full((len(files), len(self.card.classes)), np.nan)
        labels = np.full(len(files), "", dtype=object)
        if usable:
            # The extractor made these columns, so the checks of each step's input are not needed.
            scaled = self.pipeline[SCALE].scaled(extractor.columns(table, result).astype(np.float64))
            labels[usable], probabilities[usable] = self.pipeline[CLASSIFIER].answer(scaled)
        chosen = [self.card.classes.index(label) if label else 0 for label in labels]
        return pd.DataFrame(
            {
                "file": files,
                "emotion": labels,
                "probability": probabilities[np.arange(len(files)), chosen],
                **{f"probability_{name}": probabilities[:, place] for place, name in enumerate(self.card.classes)},
                "error": [result.failures.get(position, "") for position in range(len(files))],
            }
        )


def save_model(model: Model, path: str | Path) -> Path:
    """Write a model to one file, atomically, if `load_model` can read it back.

    Raises
    ------
    FusionserError
        If the file cannot be written.
    SettingsError
        If the pipeline standardises by speaker (a single new clip has no speaker statistics), if one of its classes is
        not registered under its name in the card, or if it contains objects that a model file cannot contain.
    """
    pipeline = model.pipeline
    if pipeline[SCALE].by_speaker:
        raise SettingsError("a speaker-normalised pipeline cannot be saved: a single new clip has no known speaker")
    _check_classes(model)
    classifier = pipeline[CLASSIFIER]
    learned = {f"{LEARNED_PART}{name}": part.pack() for name, part in pipeline[FEATURES].learned_.items()}
    parts = classifier.pack()
    try:
        estimators = dump_estimators({SCALE: pipeline[SCALE], CLASSIFIER: bare(classifier)})
    finally:
        classifier.unpack(parts)
    card = model.card.model_copy(update={"plugins": plugins_among(_names(model.card))})
    manifest = {"card": card.model_dump(mode="json")}
    members = {ESTIMATORS: estimators, **learned, **parts}
    try:
        again = _assembled(manifest, members)
    except ModelFileError as error:
        raise SettingsError(f"the model cannot be saved: its file could not be read back: {error}") from error
    if again.pipeline[FEATURES].settings() != pipeline[FEATURES].settings():
        raise SettingsError("the model cannot be saved: the settings of the features differ from those in its card")
    return write_archive(path, manifest, members)


def load_model(path: str | Path) -> Model:
    """Read a model from a file that `save_model` wrote, without running any code in it.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, foreign, newer than this version, or hostile, or needs an object that is
        not registered here.
    """
    manifest, members = read_archive(path)
    try:
        return _assembled(manifest, members)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def _assembled(manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Model:
    """Build a model from the manifest and the members of a file."""
    card, extractor, kind = _described(manifest)
    rest = dict(members)
    if ESTIMATORS not in rest:
        raise ModelFileError(f"the member '{ESTIMATORS}' is missing")
    try:
        loaded = load_estimators(rest.pop(ESTIMATORS), {SCALE: BlockScaler, CLASSIFIER: kind})
    except ModelFileError as error:
        raise ModelFileError(f"{error}{_other_versions(card)}") from error
    scaler, classifier = loaded[SCALE], loaded[CLASSIFIER]
    try:
        _put_back(extractor, classifier, rest)
        columns = list(extractor.get_feature_names_out())
        if list(scaler.feature_names_in_) != columns or list(classifier.classes_) != list(card.classes):
            raise ValueError("its parts have different columns or classes than its card")
        if classifier.n_features_in_ != len(columns):
            raise ValueError(
                f"its classifier expects {classifier.n_features_in_} columns, but there are {len(columns)}"
            )
    except Exception as error:
        # Damaged parts can raise any error, such as XGBoost's own.
        raise ModelFileError(f"its parts do not fit together ({error})") from error
    extractor.keep_rows = True
    return Model(Pipeline([(FEATURES, extractor), (SCALE, scaler), (CLASSIFIER, classifier)]), card)


def _described(manifest: Mapping[str, Any]) -> tuple[ModelCard, FeatureExtractor, type[TableClassifier]]:
    """Return the card, the feature extractor that it describes, and the class of the last step."""
    try:
        with stored_elsewhere():
            card = ModelCard.model_validate(manifest.get("card"))
    except ValidationError as error:
        raise ModelFileError(f"its card has {error.error_count()} invalid fields") from error
    try:
        for what, name, registries in _names(card):
            if not any(name in registry for registry in registries):
                package = card.plugins.get(name)
                advice = "it may come from a plugin that you need to install"
                if package:
                    advice = f"install or register it, it came from {package}"
                raise ModelFileError(f"it needs the {what} '{name}', which is not registered here; {advice}")
        return card, FeatureExtractor.from_settings(card.features), _kind(card)
    except ModelFileError:
        raise
    except Exception as error:
        # Untrusted settings may raise any error, such as an overflow.
        raise ModelFileError(f"its features cannot be built ({error})") from error


def _names(card: ModelCard) -> Iterator[Named]:
    yield "classifier", card.classifier, (CLASSIFIERS,)
    yield from named_in_blocks(card.features)


def _check_classes(model: Model) -> None:
    """Raise `SettingsError` if a name in the card stands for another class than the fitted one."""
    extractor, classifier = model.pipeline[FEATURES], model.pipeline[CLASSIFIER]
    if model.card.classifier not in CLASSIFIERS:
        raise unknown_name("classifier", model.card.classifier, CLASSIFIERS)
    _expect_registered(classifier, model.card.classifier, _kind(model.card), "classifier")
    if type(extractor) is not FeatureExtractor:
        raise SettingsError(
            f"the model cannot be saved: its first step is a {type(extractor).__name__}; expected a FeatureExtractor"
        )
    for _, block in extractor.blocks:
        _expect_registered(block, block.kind, BLOCKS.get(block.kind) or NETWORKS.get(block.kind), "feature block")
        if isinstance(block, LearnedBlock):
            front_end = block.resolved_front_end()
            _expect_registered(front_end, front_end.kind, FRONT_ENDS.get(front_end.kind), "front end")


def _expect_registered(part: Any, name: str, kind: type | None, what: str) -> None:
    if type(part) is not kind:
        registered = f"is registered for {kind.__name__}" if kind else "is not registered"
        raise SettingsError(
            f"the model cannot be saved: its {what} is a {type(part).__name__}, and the name '{name}' {registered}; "
            f"register the class under its own name, with an entry point or Registry.register"
        )


def _kind(card: ModelCard) -> type[TableClassifier]:
    """Return the class of the last step."""
    kind = CLASSIFIERS[card.classifier]
    if card.fusion != "early":
        return LateFusion
    return BalancedBagging if card.classifier_settings.get("imbalance") == BAGGING else kind


def _put_back(extractor: FeatureExtractor, classifier: TableClassifier, members: dict[str, bytes]) -> None:
    """Restore the members that belong to learned blocks and to the classifier."""
    extractor.learned_ = {}
    for name, block in extractor.blocks:
        if isinstance(block, LearnedBlock):
            block.unpack(members.pop(f"{LEARNED_PART}{name}"), classifier.classes_)
            extractor.learned_[name] = block
    classifier.unpack(members)


def _other_versions(card: ModelCard) -> str:
    now = versions()
    differ = [
        f"{name} {card.versions[name]} (here {now[name]})"
        for name in ("scikit-learn", "xgboost", "torch")
        if name in card.versions.keys() & now and card.versions[name] != now[name]
    ]
    return f"; it was written with {', '.join(differ)}" if differ else ""
