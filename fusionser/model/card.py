"""The card of a model."""

from pydantic import Field

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
    corpus : str
        Names of the training corpora.
    training_rows, training_speakers : int
    training_recordings : int or None
        Number of recordings that the training rows are parts of. None in earlier files.
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
    corpus: str
    training_rows: int
    training_speakers: int
    training_recordings: int | None = None
    estimate: Result | None
    versions: dict[str, str]
    plugins: dict[str, str] = Field(default_factory=dict)
    created: str
    adapted_to: int | None = None
    licences: dict[str, str] = Field(default_factory=dict)
    notes: tuple[Stamp, ...] = ()
    temperature: float = Field(1.0, ge=COLDEST, le=HOTTEST)
    calibration_error: float | None = Field(None, ge=0, le=1)
    digests: dict[str, str] = Field(default_factory=dict)

    def trained_on(self, corpus: str) -> bool:
        """Return whether a corpus, by its name, is among the training corpora."""
        return f", {corpus}, " in f", {self.corpus}, "
