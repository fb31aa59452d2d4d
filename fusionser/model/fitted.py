"""The saved model: one file with the features, the classifier, and an estimate of the scores."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from sklearn.pipeline import Pipeline

from fusionser.alignment import check_clips
from fusionser.archive import LEARNED_PART, MODEL_SUFFIX, read_archive, write_archive
from fusionser.classifiers import BAGGING, BalancedBagging, LateFusion, LogitAdjustment, Parts, TableEstimator
from fusionser.errors import FusionserError, ModelFileError, SettingsError, unknown_name
from fusionser.estimators import bare, dump_estimators, load_estimators
from fusionser.facts import what_differs
from fusionser.features import FeatureExtractor, Gender, LearnedBlock
from fusionser.features.extraction import Extraction, Progress
from fusionser.features.table import FeatureTable
from fusionser.files import write_bytes
from fusionser.folders import brief_folder
from fusionser.likeness import Unlikeness, pack_unlikeness, unpack_unlikeness
from fusionser.model.card import ModelCard
from fusionser.model.predictor import Answers, Predictor
from fusionser.names import LOGIT_ADJUSTMENT, ONNX_SUFFIX
from fusionser.recordings import as_clips
from fusionser.registry import (
    BLOCKS,
    CLASSIFIERS,
    FRONT_ENDS,
    NETWORKS,
    REGRESSORS,
    Named,
    Registry,
    named_in_blocks,
    plugins_among,
)
from fusionser.regressors import LateFusion as LateFusionOfNumbers
from fusionser.results import versions
from fusionser.rows import AUDIO_COLUMN
from fusionser.scaling import BlockScaler
from fusionser.spec import stored_elsewhere
from fusionser.temperature import tempered
from fusionser.waveform import Rates

__all__ = ["INCLUDED_MODEL", "Model", "digests_of", "load_model", "save_model"]

INCLUDED_MODEL = Path(__file__).parent.parent / "pretrained" / "crema-d.fusionser"
"""The model for those who have none: `load_model()` and ``fusionser predict`` without a model use it."""

ESTIMATORS = "estimators.skops"
UNLIKENESS = "unlikeness.json"
FEATURES, SCALE, CLASSIFIER = "features", "scale", "classifier"
"""Names of the steps of a fitted pipeline."""

NOT_SAVED = "a speaker-normalised pipeline cannot be saved: a single new clip has no known speaker"
"""What the error says when such a pipeline is to be saved."""


@dataclass(frozen=True, repr=False)
class Model(Predictor):
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
        answers = ", ".join(self.card.targets) or f"{len(self.card.classes)} classes"
        return f"<Model: {self.card.classifier} with {self.card.features_name}, {answers}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the content of the model's file, which is read like that of a stranger in the other process."""
        # Of a copy, since the parts of a classifier are taken out of it meanwhile, and others may predict with it.
        with brief_folder() as folder:
            return _of_content, (save_model(deepcopy(self), folder / f"model{MODEL_SUFFIX}").read_bytes(),)

    def __copy__(self) -> "Model":
        """Return a model of the same parts."""
        return replace(self)

    def __deepcopy__(self, known: dict[int, Any]) -> "Model":
        """Return a model of copies of all parts."""
        return replace(
            self, **{name: deepcopy(getattr(self, name), known) for name in ("pipeline", "card", "unlikeness")}
        )

    @property
    def needs_gender(self) -> bool:
        """Whether predicting a clip requires the gender of its speaker."""
        return any(block.kind == Gender.kind for _, block in self.pipeline[FEATURES].blocks)

    def _table(self, items: Any, sampling_rate: Rates) -> FeatureTable:
        extractor: FeatureExtractor = self.pipeline[FEATURES]
        return extractor.table(items, sampling_rate)

    def _answered(self, table: FeatureTable, result: Extraction) -> Answers:
        extractor: FeatureExtractor = self.pipeline[FEATURES]
        # The extractor makes these columns, so the checks of each step's input are not needed.
        return self._classified(extractor.columns(table, result))

    def _classified(self, columns: Any) -> Answers:
        """Return the labels and the probabilities for columns."""
        try:
            scaled = self.pipeline[SCALE].scaled(columns.astype(np.float64))
            if self.card.targets:
                return np.zeros(0), self.pipeline[CLASSIFIER].numbers(scaled)
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
            As in `predict`. Ten clips at least; 50 or more are advisable. Clips that cannot be used, and copies of
            others, are left out.

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
        if not result.usable:
            check_clips(0, next(iter(result.failures.values()), ""))
        rows = table.filled(result)
        # Copies of a clip would say how it sounds, and not how the source does.
        copies = rows[AUDIO_COLUMN].duplicated() & (rows[AUDIO_COLUMN] != "")
        rows = rows[~copies].reset_index(drop=True)
        check_clips(len(rows), next(iter(result.failures.values()), ""))
        extractor = extractor.adapted(rows)
        scaler = scaler.adapted(extractor.transform(rows))
        steps = [(FEATURES, extractor), (SCALE, scaler), (CLASSIFIER, self.pipeline[CLASSIFIER])]
        card = self.card.model_copy(update={"adapted_to": len(rows)})
        return replace(self, pipeline=Pipeline(steps), card=card)


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
    if Path(path).suffix.lower() == ONNX_SUFFIX:
        raise ModelFileError(f"{path} is an ONNX file; read it with fusionser.load_onnx(path)")
    manifest, members = read_archive(path)
    try:
        return _assembled(manifest, members)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error


def _of_content(content: bytes) -> Model:
    """Return the model of a file's content."""
    with brief_folder() as folder:
        return load_model(write_bytes(folder / f"model{MODEL_SUFFIX}", content))


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
        answers = len(card.targets) if card.targets else list(card.classes)
        given = classifier.n_targets_ if card.targets else list(classifier.classes_)
        if list(scaler.feature_names_in_) != columns or given != answers:
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


def _computed(extractor: FeatureExtractor) -> dict[str, Any]:
    """Return each block of fusionser, or the input of each network, by the name of the block."""
    computed = {
        name: block.resolved_front_end() if isinstance(block, LearnedBlock) else block
        for name, block in extractor.blocks
    }
    # Plugins have versions of their own, which the card names.
    return {name: one for name, one in computed.items() if not one.origin()}


def digests_of(extractor: FeatureExtractor) -> dict[str, str]:
    """Return the digest of each block of fusionser, or of the input of each network, by the name of the block."""
    return {name: one.digest() for name, one in _computed(extractor).items()}


def _check_revisions(card: ModelCard, extractor: FeatureExtractor) -> None:
    """Raise `ModelFileError` if the columns of the model are computed otherwise than when it was fitted."""
    now = digests_of(extractor)
    changed = [name for name, digest in card.digests.items() if now.get(name) != digest]
    if not changed:
        return
    made = card.versions.get("fusionser", "another version")
    foreign = [name for name, one in _computed(extractor).items() if name in changed and one.made_with()]
    others = f"; or these have other weights or packages than then: {', '.join(foreign)}" if foreign else ""
    raise ModelFileError(
        f"it was fitted with fusionser {made}, which computed {', '.join(changed)} otherwise than this version"
        f"{others}; fit the model again, or install that version{' or use those weights' if foreign else ''}"
    )


def _described(manifest: Mapping[str, Any]) -> tuple[ModelCard, FeatureExtractor, type[TableEstimator]]:
    """Return the card, the feature extractor that it describes, and the class of the last step."""
    try:
        with stored_elsewhere():
            card = ModelCard.model_validate(manifest.get("card"))
    except ValidationError as error:
        raise ModelFileError(f"its card is refused: {what_differs(error)}") from error
    for what, names in (("classes", card.classes), ("targets", card.targets)):
        if len(set(names)) < len(names) or not all(name.strip() for name in names):
            raise ModelFileError(f"its {what} are not names that differ")
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
    yield _registry(card).kind, card.classifier, (_registry(card),)
    yield from named_in_blocks(card.features)


def _registry(card: ModelCard) -> Registry:
    """Return where the last step of a model is found by its name."""
    return REGRESSORS if card.targets else CLASSIFIERS


def _check_classes(model: Model) -> None:
    """Raise `SettingsError` if a name in the card stands for another class than the fitted one."""
    extractor, classifier = model.pipeline[FEATURES], model.pipeline[CLASSIFIER]
    registry = _registry(model.card)
    if model.card.classifier not in registry:
        raise unknown_name(registry.kind, model.card.classifier, registry)
    _expect_registered(classifier, model.card.classifier, _kind(model.card), registry.kind)
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


def _kind(card: ModelCard) -> type[TableEstimator]:
    """Return the class of the last step."""
    kind: type[TableEstimator] = _registry(card)[card.classifier]
    if card.targets:
        return kind if card.fusion == "early" else LateFusionOfNumbers
    if card.classifier_settings.get("imbalance") == LOGIT_ADJUSTMENT:
        return LogitAdjustment
    if card.fusion != "early":
        return LateFusion
    return BalancedBagging if card.classifier_settings.get("imbalance") == BAGGING else kind


def _put_back(extractor: FeatureExtractor, classifier: TableEstimator, members: dict[str, bytes]) -> None:
    """Restore the members that belong to learned blocks and to the classifier."""
    extractor.learned_ = {}
    for name, block in extractor.blocks:
        if isinstance(block, LearnedBlock):
            block.unpack(members.pop(f"{LEARNED_PART}{name}"), getattr(classifier, "classes_", np.zeros(0)))
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
