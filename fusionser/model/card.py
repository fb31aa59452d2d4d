"""The card of a model."""

from pydantic import Field, model_validator

from fusionser.dimension_results import DimensionResult
from fusionser.errors import SettingsError
from fusionser.facts import Record, Stamp
from fusionser.results import BlockSettings, Result, StoredSpec
from fusionser.temperature import COLDEST, HOTTEST

__all__ = ["ModelCard"]


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
        Empty in a model that predicts numbers.
    targets : tuple of str
        The numbers that it predicts, such as arousal and valence; empty in a model of classes.
    corpus : str
        Names of the training corpora.
    training_rows, training_speakers : int
    training_recordings : int or None
        Number of recordings that the training rows are parts of. None in earlier files.
    estimate : Result, DimensionResult or None
        Scores of the same pipeline on unseen speakers, computed before it was fitted to all rows.
    versions : dict of str to str
        Versions of the packages that it was fitted with.
    plugins : dict of str to str
        Each block, network, front end or classifier that is not part of fusionser, and its package.
    created : str
        Date, as YYYY-MM-DD.
    licences : dict of str to str
        Licence of each training corpus with a card, by its name.
    notes : tuple of Stamp
        What a user of the model must know about its blocks: licences of other programs, pretrained networks.
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
    # Left out where it is empty, so that models of classes are stored as before.
    targets: tuple[str, ...] = Field(default=(), exclude_if=lambda targets: not targets)
    corpus: str
    training_rows: int
    training_speakers: int
    training_recordings: int | None = None
    estimate: Result | DimensionResult | None
    versions: dict[str, str]
    plugins: dict[str, str] = Field(default_factory=dict)
    created: str
    adapted_to: int | None = None
    licences: dict[str, str] = Field(default_factory=dict)
    notes: tuple[Stamp, ...] = ()
    temperature: float = Field(1.0, ge=COLDEST, le=HOTTEST)
    calibration_error: float | None = Field(None, ge=0, le=1)
    digests: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _of_one_task(self) -> "ModelCard":
        if bool(self.targets) == bool(self.classes):
            raise ValueError("it has to predict either classes or numbers")
        if self.estimate is not None and isinstance(self.estimate, DimensionResult) != bool(self.targets):
            raise ValueError("its estimate is of another task")
        return self

    def check_classes(self, purpose: str) -> None:
        """Raise `SettingsError` if the model predicts numbers, where classes are needed for a purpose.

        Examples
        --------
        >>> from fusionser.model import load_model
        >>> load_model().card.check_classes("a time line")
        """
        if self.targets:
            raise SettingsError(
                f"{purpose} needs a model that predicts emotions, and this one predicts numbers "
                f"({', '.join(self.targets)}); use 'fusionser predict' (without --windows), or a model of emotions"
            )

    def trained_on(self, corpus: str) -> bool:
        """Return whether a corpus, by its name, is among the training corpora."""
        return f", {corpus}, " in f", {self.corpus}, "
