"""The saved model: one file with the features, the classifier, and an estimate of the scores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError
from sklearn.pipeline import Pipeline

from fusionser.alignment import check_clips
from fusionser.archive import read_archive, write_archive
from fusionser.classifiers import BAGGING, BalancedBagging, LateFusion, Parts, TableClassifier
from fusionser.errors import AudioError, FusionserError, ModelFileError, SettingsError, unknown_name
from fusionser.estimators import bare, dump_estimators, load_estimators
from fusionser.facts import Record, what_differs
from fusionser.features import FeatureExtractor, Gender, LearnedBlock
from fusionser.features.extraction import Extraction, Progress
from fusionser.features.recording import Recording
from fusionser.features.table import FeatureTable
from fusionser.files import shown_name
from fusionser.likeness import Unlikeness, pack_unlikeness, unpack_unlikeness
from fusionser.recordings import Clips, as_clips
from fusionser.registry import BLOCKS, CLASSIFIERS, FRONT_ENDS, NETWORKS, Named, named_in_blocks, plugins_among
from fusionser.results import BlockSettings, Result, StoredSpec, versions
from fusionser.rows import given_columns
from fusionser.scaling import BlockScaler
from fusionser.spec import stored_elsewhere
from fusionser.temperature import COLDEST, HOTTEST, tempered
from fusionser.waveform import Rates

__all__ = [
    "INCLUDED_MODEL",
    "LEAST_PROBABILITY",
    "MOST_UNLIKE",
    "UNSURE",
    "Model",
    "ModelCard",
    "load_model",
    "save_model",
]

INCLUDED_MODEL = Path(__file__).parent / "pretrained" / "crema-d.fusionser"
"""The model for those who have none: `load_model()` and ``fusionser predict`` without a model use it."""

ESTIMATORS = "estimators.skops"
UNLIKENESS = "unlikeness.json"
LEARNED_PART = "features/"
FEATURES, SCALE, CLASSIFIER = "features", "scale", "classifier"
NOT_SAVED = "a speaker-normalised pipeline cannot be saved: a single new clip has no known speaker"

UNSURE = "unsure"
"""What a model answers when it abstains."""

LEAST_PROBABILITY = 0.5
"""Probability of the answer below which a model abstains: it is then more likely wrong than right."""

MOST_UNLIKE = 0.99
"""Unlikeness above which a model abstains by default."""

HEARD = f"{UNLIKENESS}/{Recording.kind}"
"""Name of the description of the recording among the computations of a prediction. No block can have this name."""


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
    licences : dict of str to str
        Licence of each training corpus with a card, by its name.
    temperature : float
        Of all probabilities (`tempered`), fitted to the estimate's predictions for unseen speakers; 1 without these.
    calibration_error : float or None
        Expected calibration error, 0 to 1, of the estimate's predictions, those of each fold at the temperature that
        was fitted to the other folds; None if there are fewer than two folds, and in earlier files.
    digests : dict of str to str
        Digest of the settings and the revision of each block of fusionser, or of the input of each network, by the name
        of the block. A model whose columns another version computes otherwise is refused. Empty in earlier files.
    adapted_to : int or None
        Number of unlabelled clips that the model was adapted to (`Model.adapt`) after it was fitted; None if it was
        not. The estimate is that of the model before.
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
    adapted_to: int | None = None
    licences: dict[str, str] = Field(default_factory=dict)
    temperature: float = Field(1.0, ge=COLDEST, le=HOTTEST)
    calibration_error: float | None = Field(None, ge=0, le=1)
    digests: dict[str, str] = Field(default_factory=dict)

    def trained_on(self, corpus: str) -> bool:
        """Return whether a corpus, by its name, is among the training corpora."""
        return f", {corpus}, " in f", {self.corpus}, "


@dataclass(frozen=True, repr=False)
class Model:
    """A fitted pipeline, its card, and what its training recordings are like.

    Parameters
    ----------
    pipeline : Pipeline
    card : ModelCard
    unlikeness : Unlikeness or None
        None in files of earlier versions, and if the training recordings could not be read.
    """

    pipeline: Pipeline
    card: ModelCard
    unlikeness: Unlikeness | None = None

    def __repr__(self) -> str:
        """Return what the model is in one line; `card` has the rest."""
        return f"<Model: {self.card.classifier} with {self.card.features_name}, {len(self.card.classes)} classes>"

    @property
    def needs_gender(self) -> bool:
        """Whether predicting a clip requires the gender of its speaker."""
        return any(block.kind == Gender.kind for _, block in self.pipeline[FEATURES].blocks)

    @property
    def analysis_rate(self) -> int | None:
        """Sampling rate in Hz of all that the model computes from audio; None if there are several."""
        table = self.pipeline[FEATURES].table(pd.DataFrame({"file": []}))
        computations = [*table.blocks.values(), *table.front_ends.values()]
        if self.unlikeness is not None:
            computations.append(Recording())
        rates = {item.sampling_rate for item in computations if item.uses_audio}
        return rates.pop() if len(rates) == 1 else None

    def predict(
        self,
        X: Any,
        *,
        sampling_rate: Rates = None,
        n_jobs: int | None = None,
        progress: Progress | None = None,
        abstain: bool = False,
        most_unlike: float = MOST_UNLIKE,
    ) -> pd.DataFrame:
        """Predict the emotion of clips; a clip that cannot be used gets an error instead.

        Parameters
        ----------
        X : str, path, bytes, binary file, array, pair (samples, rate), sequence of any of these, or DataFrame
            The content of a file in any format that can be decoded, or samples: floats from -1 to 1, or integers, with
            channels in columns. A table needs a column ``file``.
        sampling_rate : int or sequence of int, optional
            Sampling rate in Hz of samples without one, as in `FeatureExtractor.transform`.
        n_jobs : int, optional
            Number of processes; -1 for one per core.
        progress : callable, optional
        abstain : bool, default=False
            Answer `UNSURE` if the probability of the answer is below `LEAST_PROBABILITY`, or the unlikeness is
            above `most_unlike`.
        most_unlike : float, default=0.99
            Unlikeness up to which a model answers, 0 to 1. With 1, it answers however unlike a clip is.

        Returns
        -------
        DataFrame
            In the order of X: ``file`` (or ``waveform 0``, ``recording 0``), ``emotion`` (empty on error),
            ``probability`` of the answer, one column ``probability_<class>`` per class, and ``error``
            (empty on success). If the model knows its training recordings, also ``unlikeness``, from 0 to 1: the share
            of clips of unseen training speakers that are less unlike the training recordings; and ``unlike_because``,
            an `Unlike` as JSON (empty on error). With `abstain`, also ``unsure_because``: ``probability``,
            ``unlikeness``, ``both``, or empty. Of a table with parts of recordings, also ``start`` and ``end``; the
            other columns of a table follow, its labels as ``truth``, and names that are taken as ``given_<name>``.
        """
        options = {"n_jobs": n_jobs, "progress": progress}
        with as_clips(X) as clips:
            table = self.pipeline[FEATURES].table(clips.items, sampling_rate)
            if table.rows.empty:
                raise AudioError("X holds no clips; expected at least one")
            answers = self._answers(table, clips, **options)
        answers = _abstaining(answers, most_unlike) if abstain else answers
        return _with_given(answers, X) if isinstance(X, pd.DataFrame) else answers

    def predict_proba(
        self, X: Any, *, sampling_rate: Rates = None, n_jobs: int | None = None, progress: Progress | None = None
    ) -> pd.DataFrame:
        """Return the probability of every class.

        Parameters
        ----------
        X, sampling_rate, n_jobs, progress
            As in `predict`.

        Returns
        -------
        DataFrame
            In the order of X, with one column per class, named as the class. A clip that cannot be used has NaN in all
            of them; `predict` says why.
        """
        answers = self.predict(X, sampling_rate=sampling_rate, n_jobs=n_jobs, progress=progress)
        return pd.DataFrame({name: answers[f"probability_{name}"] for name in self.card.classes})

    def _answers(self, table: FeatureTable, clips: Clips, **options: Any) -> pd.DataFrame:
        """Return the answer for every clip of a table, with the names that `clips` gives them."""
        extractor: FeatureExtractor = self.pipeline[FEATURES]
        result, heard = self._computed(table, **options)
        usable, files = result.usable, [shown_name(clips.shown(str(file))) for file in table.rows["file"]]
        probabilities = np.full((len(files), len(self.card.classes)), np.nan)
        labels = np.full(len(files), "", dtype=object)
        if usable:
            # The extractor made these columns, so the checks of each step's input are not needed.
            labels[usable], probabilities[usable] = self._classified(extractor.columns(table, result))
        failures = {place: clips.shown(text) for place, text in result.failures.items()}
        for place in np.flatnonzero((labels != "") & ~np.isfinite(probabilities).all(axis=1)).tolist():
            # Weights of a damaged or hostile file can be finite and still overflow.
            failures[place] = f"{files[place]}: the model gives no finite probabilities for it; its file is damaged"
            labels[place], probabilities[place] = "", np.nan
        chosen = [self.card.classes.index(label) if label else 0 for label in labels]
        return pd.DataFrame(
            {
                "file": files,
                **_parts(table.rows),
                "emotion": labels,
                "probability": probabilities[np.arange(len(files)), chosen],
                **{f"probability_{name}": probabilities[:, place] for place, name in enumerate(self.card.classes)},
                **self._unlikeness_columns(heard, usable),
                "error": [failures.get(position, "") for position in range(len(files))],
            }
        )

    def _classified(self, columns: Any) -> tuple[Any, Any]:
        """Return the labels and the probabilities for columns."""
        try:
            scaled = self.pipeline[SCALE].scaled(columns.astype(np.float64))
            labels, given = self.pipeline[CLASSIFIER].answer(scaled)
            return labels, tempered(given, self.card.temperature)
        except (FusionserError, MemoryError):
            raise
        except Exception as error:
            # Arrays of a hostile file can have valid types and sizes, and still not fit together.
            raise ModelFileError(
                f"the model gives no answer ({type(error).__name__}: {str(error)[:200]}); its file is damaged, so fit "
                "it again"
            ) from error

    def _computed(self, table: FeatureTable, **options: Any) -> tuple[Extraction, Extraction | None]:
        """Compute the features, and the description of the recordings: together, so that each clip is decoded once."""
        if self.unlikeness is None:
            return table.compute(**options), None
        if table.held().all():
            # The recordings may be gone, which must not prevent a prediction from the features.
            return table.compute(**options), FeatureTable(table.rows, {}, []).compute({HEARD: Recording()}, **options)
        result = table.compute({HEARD: Recording()}, **options)
        return result, result

    def _unlikeness_columns(self, heard: Extraction | None, usable: Sequence[int]) -> dict[str, Any]:
        if self.unlikeness is None or heard is None:
            return {}
        count = len(heard.fingerprints)
        shares, reasons = np.full(count, np.nan), np.full(count, "", dtype=object)
        if places := sorted(set(usable) & set(heard.usable)):
            values = pd.DataFrame([heard.arrays[HEARD][place] for place in places], columns=Recording().names())
            shares[places] = self.unlikeness.score_samples(values)
            reasons[places] = [reason.model_dump_json() for reason in self.unlikeness.reasons(values)]
        return {"unlikeness": shares, "unlike_because": reasons}

    def adapt(
        self, X: Any, *, sampling_rate: Rates = None, n_jobs: int | None = None, progress: Progress | None = None
    ) -> "Model":
        """Return a copy that is adapted to unlabelled clips of one corpus, session or speaker.

        Feature columns get the mean and standard deviation that they had in training, and their correlations too if
        the model was fitted with the adaptation "coral" (`BlockScaler.adapted`). Batch normalisation gets the
        statistics of the clips (`DeepExtractor.adapted`). The clips may be the ones that are predicted next.
        Predictions of the copy are "adapted", not inductive: its card says to how many clips.

        Clips with a single emotion do harm, since what all clips share is removed: they should have all emotions.

        Parameters
        ----------
        X, sampling_rate, n_jobs, progress
            As in `predict`. Ten clips at least; 50 or more are advisable. Clips that cannot be used are left out.

        Raises
        ------
        SettingsError
            If fewer than ten clips can be used, or nothing in the model can be adapted.
        """
        extractor, scaler = self.pipeline[FEATURES], self.pipeline[SCALE]
        if not scaler.adapts and not extractor.adapts:
            raise SettingsError(
                "the model cannot be adapted: its columns are not scaled, and it has no network with batch "
                "normalisation; predict without adaptation"
            )
        with as_clips(X) as clips:
            table = extractor.table(clips.items, sampling_rate)
            result = table.compute(n_jobs=n_jobs, progress=progress)
        check_clips(len(result.usable))
        rows = table.filled(result)
        extractor = extractor.adapted(rows)
        scaler = scaler.adapted(extractor.transform(rows))
        steps = [(FEATURES, extractor), (SCALE, scaler), (CLASSIFIER, self.pipeline[CLASSIFIER])]
        card = self.card.model_copy(update={"adapted_to": len(rows)})
        return replace(self, pipeline=Pipeline(steps), card=card)


def _parts(rows: pd.DataFrame) -> dict[str, Any]:
    """Return where the clips begin and end, if any of them is a part of its file."""
    parts = {name: rows[name].to_numpy() for name in ("start", "end") if name in rows}
    return parts if len(parts) == 2 and ((parts["start"] > 0) | ~np.isnan(parts["end"])).any() else {}


def _with_given(answers: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that a table has beside those that describe its recordings."""
    return pd.concat([answers, given_columns(table, taken=answers.columns.tolist())], axis=1)


def _abstaining(answers: pd.DataFrame, most_unlike: float) -> pd.DataFrame:
    """Return answers of which those that cannot be relied on are `UNSURE`, and the reasons."""
    improbable = (answers["probability"] < LEAST_PROBABILITY).to_numpy()
    unlike = (answers["unlikeness"] > most_unlike).to_numpy() if "unlikeness" in answers else np.zeros_like(improbable)
    reasons = np.select([improbable & unlike, improbable, unlike], ["both", "probability", "unlikeness"], "")
    emotions = np.where(reasons == "", answers["emotion"], UNSURE)
    return answers.assign(emotion=emotions, unsure_because=reasons.astype(object))


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
        raise SettingsError(NOT_SAVED)
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
    known = {} if model.unlikeness is None else {UNLIKENESS: pack_unlikeness(model.unlikeness)}
    members = {ESTIMATORS: estimators, **known, **learned, **parts}
    try:
        again = _assembled(manifest, members)
    except ModelFileError as error:
        raise SettingsError(f"the model cannot be saved: its file could not be read back: {error}") from error
    if again.pipeline[FEATURES].settings() != pipeline[FEATURES].settings():
        raise SettingsError("the model cannot be saved: the settings of the features differ from those in its card")
    return write_archive(path, manifest, members)


def load_model(path: str | Path | None = None) -> Model:
    """Read a model from a file that `save_model` wrote, without running any code in it.

    Parameters
    ----------
    path : str or Path, optional
        By default the model that is included in the package, `INCLUDED_MODEL`, trained on CREMA-D.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, foreign, newer than this version, or hostile, or needs an object that is
        not registered here.
    SettingsError
        If the path is not a path.
    """
    path = INCLUDED_MODEL if path is None else path
    if not isinstance(path, (str, PathLike)):
        raise SettingsError(f"got {type(path).__name__} for the path of a model; expected a path, or None")
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
    _check_revisions(card, extractor)
    scaler, classifier = loaded[SCALE], loaded[CLASSIFIER]
    unlikeness = unpack_unlikeness(rest.pop(UNLIKENESS)) if UNLIKENESS in rest else None
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
    return Model(Pipeline([(FEATURES, extractor), (SCALE, scaler), (CLASSIFIER, classifier)]), card, unlikeness)


def digests_of(extractor: FeatureExtractor) -> dict[str, str]:
    """Return the digest of each block of fusionser, or of the input of each network, by the name of the block."""
    computed = {
        name: block.resolved_front_end() if isinstance(block, LearnedBlock) else block
        for name, block in extractor.blocks
    }
    # Plugins have versions of their own, which the card names.
    return {name: one.digest() for name, one in computed.items() if not one.origin()}


def _check_revisions(card: ModelCard, extractor: FeatureExtractor) -> None:
    """Raise `ModelFileError` if the columns of the model are computed otherwise than when it was fitted."""
    now = digests_of(extractor)
    changed = [name for name, digest in card.digests.items() if now.get(name) != digest]
    if changed:
        made = card.versions.get("fusionser", "another version")
        raise ModelFileError(
            f"it was fitted with fusionser {made}, which computed {', '.join(changed)} otherwise than this version; "
            "fit the model again, or install that version"
        )


def _described(manifest: Mapping[str, Any]) -> tuple[ModelCard, FeatureExtractor, type[TableClassifier]]:
    """Return the card, the feature extractor that it describes, and the class of the last step."""
    try:
        with stored_elsewhere():
            card = ModelCard.model_validate(manifest.get("card"))
    except ValidationError as error:
        raise ModelFileError(f"its card is refused: {what_differs(error)}") from error
    if len(set(card.classes)) < len(card.classes) or not all(name.strip() for name in card.classes):
        raise ModelFileError("its classes are not names that differ")
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
    parts = Parts(members)
    classifier.unpack(parts)
    if unused := sorted(set(members) - parts.used):
        raise ValueError(f"it holds '{unused[0]}', which nothing uses")


def _other_versions(card: ModelCard) -> str:
    now = versions()
    differ = [
        f"{name} {card.versions[name]} (here {now[name]})"
        for name in ("scikit-learn", "xgboost", "torch")
        if name in card.versions.keys() & now and card.versions[name] != now[name]
    ]
    return f"; it was written with {', '.join(differ)}" if differ else ""
