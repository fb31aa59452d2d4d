"""The saved model: one file that holds the front end, the classifier, and what to expect of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline
from pydantic import BaseModel, ConfigDict, ValidationError

from fusionser.archive import bare, dump_estimators, load_estimators, read_archive, write_archive
from fusionser.classifiers import BAGGING, CLASSIFIERS, BalancedBagging, LateFusion, TableClassifier
from fusionser.classifiers.bounds import check_bounds
from fusionser.errors import ModelFileError, SettingsError
from fusionser.evaluation.results import BlockSettings, Result, versions
from fusionser.features import FeatureExtractor, Gender, LearnedBlock
from fusionser.features.extraction import Progress
from fusionser.scaling import BlockScaler
from fusionser.waveform import Rates

__all__ = ["Model", "ModelCard", "load_model", "save_model"]

ESTIMATORS = "estimators.skops"
LEARNED_PART = "features/"
FEATURES, SCALE, CLASSIFIER = "features", "scale", "classifier"


class ModelCard(BaseModel):
    """What a model is: its front end, its classifier, what it was trained on, and what to expect of it.

    Parameters
    ----------
    features : list of dict
        Settings of the feature blocks, see `FeatureExtractor.settings`.
    features_name : str
        Name of the preset, or the blocks.
    classifier : str
        A key of `CLASSIFIERS`.
    fusion : str
        "early", or the method of the late fusion.
    classifier_settings : dict
    classes : tuple of str
    corpus : str
        What it was trained on.
    training_rows, training_speakers : int
    estimate : Result or None
        Scores of the same pipeline on speakers it was not trained on, before it was fitted to all rows.
    versions : dict of str to str
        Of the packages that fitted it.
    created : str
        Date.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: list[BlockSettings]
    features_name: str
    classifier: str
    fusion: str = "early"
    classifier_settings: dict[str, Any]
    classes: tuple[str, ...]
    corpus: str
    training_rows: int
    training_speakers: int
    estimate: Result | None
    versions: dict[str, str]
    created: str


@dataclass(frozen=True)
class Model:
    """A fitted pipeline and its card."""

    pipeline: Pipeline
    card: ModelCard

    @property
    def needs_gender(self) -> bool:
        """Whether a clip can only be predicted when the gender of its speaker is given."""
        return any(block.kind == Gender.kind for _, block in self.pipeline[FEATURES].blocks)

    def predict(
        self,
        X: Any,
        *,
        sampling_rate: Rates = None,
        n_jobs: int | None = None,
        progress: Progress | None = None,
    ) -> pd.DataFrame:
        """Predict clips; one that cannot be used is answered for by its reason.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
        sampling_rate : int or sequence of int, optional
            Rate in Hz of waveforms that stand without one, see `FeatureExtractor.transform`.
        n_jobs : int, optional
            Processes; -1 is one a core.
        progress : callable, optional

        Returns
        -------
        DataFrame
            In the order of X: ``file`` (of a waveform its place), ``emotion`` (empty where it failed), ``probability``
            of that emotion, one column ``probability_<class>`` a class, and ``error`` (empty where it did not fail).
        """
        extractor: FeatureExtractor = self.pipeline[FEATURES]
        table = extractor.table(X, sampling_rate)
        result = table.compute(n_jobs=n_jobs, progress=progress)
        usable, files = result.usable, table.rows["file"].tolist()
        probabilities = np.full((len(files), len(self.card.classes)), np.nan)
        labels = np.full(len(files), "", dtype=object)
        if usable:
            # Without the steps' checks of a stranger's table, which take longer than the steps themselves.
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
    """Write a model to one file, whole or not at all.

    Raises
    ------
    FusionserError
        When the file cannot be written.
    SettingsError
        When the pipeline standardises by speaker: one new clip has no statistics of its own.
    """
    pipeline = model.pipeline
    if pipeline[SCALE].by_speaker:
        raise SettingsError("a speaker-normalised pipeline cannot be saved: a single new clip has no speaker to go by")
    classifier = pipeline[CLASSIFIER]
    learned = {f"{LEARNED_PART}{name}": part.pack() for name, part in pipeline[FEATURES].learned_.items()}
    parts = classifier.pack()
    try:
        estimators = dump_estimators({SCALE: pipeline[SCALE], CLASSIFIER: bare(classifier)})
    finally:
        classifier.unpack(parts)
    manifest = {"card": model.card.model_dump(mode="json")}
    return write_archive(path, manifest, {ESTIMATORS: estimators, **learned, **parts})


def load_model(path: str | Path) -> Model:
    """Read a model back; nothing in the file is run.

    Parameters
    ----------
    path : str or Path
        A file that `save_model` wrote.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        When the file is missing, truncated, foreign, newer than this version, or hostile.
    """
    manifest, members = read_archive(path)
    try:
        card = ModelCard.model_validate(manifest.get("card"))
        extractor = FeatureExtractor.from_settings(card.features)
        kind = _kind(card)
    except ValidationError as error:
        raise ModelFileError(f"{path}: its card has {error.error_count()} fields that are not right") from error
    except KeyError as error:
        raise ModelFileError(f"{path}: its classifier is {error}, which this version does not know") from error
    except Exception as error:
        # Settings of a stranger may fail in any way, an overflow among them.
        raise ModelFileError(f"{path}: its front end cannot be built ({error})") from error
    if ESTIMATORS not in members:
        raise ModelFileError(f"{path}: the member '{ESTIMATORS}' is missing")
    try:
        loaded = load_estimators(members.pop(ESTIMATORS), {SCALE: BlockScaler, CLASSIFIER: kind})
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}{_other_versions(card)}") from error
    scaler, classifier = loaded[SCALE], loaded[CLASSIFIER]
    try:
        _put_back(extractor, classifier, members)
        columns = list(extractor.get_feature_names_out())
        if list(scaler.feature_names_in_) != columns or list(classifier.classes_) != list(card.classes):
            raise ValueError("its parts are for other columns or classes than its card says")
    except Exception as error:
        # XGBoost raises its own error for a damaged booster; the reader needs one sentence all the same.
        raise ModelFileError(f"{path}: its parts do not fit together ({error})") from error
    extractor.keep_rows = True
    return Model(Pipeline([(FEATURES, extractor), (SCALE, scaler), (CLASSIFIER, classifier)]), card)


def _kind(card: ModelCard) -> type[TableClassifier]:
    """Return the class of the last step."""
    own = CLASSIFIERS[card.classifier]
    if card.fusion != "early":
        return LateFusion
    return BalancedBagging if card.classifier_settings.get("imbalance") == BAGGING else own


def _put_back(extractor: FeatureExtractor, classifier: TableClassifier, members: dict[str, bytes]) -> None:
    """Give the blocks that learn, and the classifier, what was taken out of them."""
    extractor.learned_ = {}
    for name, block in extractor.blocks:
        if isinstance(block, LearnedBlock):
            block.unpack(members.pop(f"{LEARNED_PART}{name}"), classifier.classes_)
            extractor.learned_[name] = block
    classifier.unpack(members)
    check_bounds(classifier)


def _other_versions(card: ModelCard) -> str:
    now = versions()
    differ = [
        f"{name} {card.versions[name]} (here {now[name]})"
        for name in ("scikit-learn", "xgboost", "torch")
        if name in card.versions and name in now and card.versions[name] != now[name]
    ]
    return f"; it was written with {', '.join(differ)}" if differ else ""
