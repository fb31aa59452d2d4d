"""Embeddings of the layer of a pretrained encoder that predicts best, chosen on training speakers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from fusionser.agreement import mean_concordance
from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.features.external.transformers import EncoderLayers
from fusionser.features.learned import Array, LearnedBlock, columns_of, labels_of
from fusionser.features.maps import FrontEnd
from fusionser.splits import InnerFolds
from fusionser.waveform import Rates

__all__ = ["ChosenLayer"]


@dataclass(kw_only=True, eq=False, repr=False)
class ChosenLayer(LearnedBlock):
    """Pooled outputs of one layer of a pretrained encoder, which is chosen by inner folds of the training speakers.

    For each layer, a ridge classifier is fitted to the training speakers of each inner fold, and the layer with the
    highest UAR over all held-out speakers is used; where numbers are predicted, a ridge regression and the highest mean
    CCC. Test rows take no part in the choice.

    Parameters
    ----------
    model : str, default=""
        Must be given, unless `front_end` is, as in `Transformers`.
    pooling : sequence of {"mean", "std"}, default=("mean", "std")
        Statistics over the frames of the clip.
    folds : int, default=4
        Inner folds, 2 to 20.
    penalty : float, default=1000.0
        Strength of the ridge penalty on the weights of standardised columns. Range 1e-6 to 1e9.
    random_state : int, default=0
        Seed of the inner folds.
    front_end : EncoderLayers, optional
        The outputs of all layers. If None: those of `model`.

    Attributes
    ----------
    layer_ : int
        The chosen layer; 0 is the input of the first one.
    scores_ : ndarray of shape (n_layers + 1,)
        UAR of each layer on held-out training speakers, 0 to 1; or mean CCC, -1 to 1.

    Examples
    --------
    >>> ChosenLayer(folds=1).check()
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: folds is 1; expected 2 to 20
    """

    kind: ClassVar[str] = "transformers-chosen-layer"
    takes_numbers: ClassVar[bool] = True
    model: str = ""
    pooling: Sequence[str] = ("mean", "std")
    folds: int = 4
    penalty: float = 1000.0
    random_state: int = 0
    front_end: FrontEnd | None = None

    def default_front_end(self) -> FrontEnd:
        """Return the outputs of all layers of the model."""
        return EncoderLayers(model=self.model, pooling=self.pooling)

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the model cannot be used."""
        check_range("folds", self.folds, 2, 20)
        check_range("penalty", self.penalty, 1e-6, 1e9)
        if not isinstance(self.resolved_front_end(), EncoderLayers):
            raise SettingsError("a layer is chosen from those of an encoder; expected EncoderLayers as front_end")
        super().check()

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose the layer.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
            The inner folds are by the column ``speaker``, as in `InnerFolds`.
        y : array of shape (n_clips,), or numbers of shape (n_clips, n_targets)
            Labels, or what to predict instead.
        """
        self.check()
        rows = self.rows(X)
        self._choose(rows, self.resolved_front_end().compute_all(rows), labels_of(y, len(rows)))
        return self

    def fit_transform(self, X: Any, y: Any = None, **more: Any) -> Array:
        """Choose the layer, and return its columns of the training rows."""
        return self.fit(X, y).transform(X)

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Array:
        """Return the columns of every clip, shape (n_clips, n_columns). `FeatureBlock.transform` describes X."""
        check_is_fitted(self, "layer_")
        layers = self.resolved_front_end().compute_all(X, sampling_rate)
        return layers[:, self.layer_].reshape(len(layers), -1)

    def _choose(self, rows: Any, layers: Array, labels: npt.NDArray[Any]) -> None:
        carried = columns_of(rows, {"speaker": "", "source": "", "augmentation": ""})
        inner = InnerFolds(folds=self.folds, seed=self.random_state, stratified=labels.ndim == 1)
        splits = list(inner.split(carried, labels))
        self.scores_ = np.array(
            [self._score(layers[:, place].reshape(len(layers), -1), labels, splits) for place in range(layers.shape[1])]
        )
        self.layer_ = int(self.scores_.argmax())

    def _score(self, values: Array, labels: npt.NDArray[Any], splits: Sequence[tuple[Any, Any]]) -> float:
        """Return the UAR, or the mean CCC, of a layer over the held-out speakers of all inner folds."""
        numbers, truth, answers = labels.ndim == 2, [], []
        ridge = Ridge(alpha=self.penalty) if numbers else RidgeClassifier(alpha=self.penalty, class_weight="balanced")
        for train, held in splits:
            model = make_pipeline(StandardScaler(), ridge)
            answers.append(model.fit(values[train].astype(np.float64), labels[train]).predict(values[held]))
            truth.append(labels[held])
        found = np.concatenate(answers).reshape(-1, *labels.shape[1:])
        score = mean_concordance if numbers else balanced_accuracy_score
        return float(score(np.concatenate(truth), found))

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        _, statistics, width = self.resolved_front_end().array_shape()
        pooling = getattr(self.resolved_front_end(), "pooling", self.pooling)
        return [f"{name}_{unit:04d}" for name in list(pooling)[:statistics] for unit in range(width)]

    def column_count(self, n_classes: int) -> int:
        """Return the number of columns."""
        return len(self.names())

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        return {
            "kind": self.kind,
            "front_end": self.resolved_front_end().settings(),
            "folds": self.folds,
            "penalty": self.penalty,
            "random_state": self.random_state,
        }

    def pack(self) -> bytes:
        """Return the chosen layer and the scores of all as the bytes of a safetensors file."""
        from safetensors.numpy import save

        return save({"layer": np.array([self.layer_], dtype=np.int64), "scores": self.scores_.astype(np.float64)})

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Restore the choice. Raise `ValueError` if it does not fit the encoder."""
        from safetensors.numpy import load

        try:
            arrays = load(content)
        except Exception as error:
            # safetensors raises a different error for each kind of damage.
            raise ValueError(f"the choice cannot be read ({error})") from error
        layers = self.resolved_front_end().array_shape()[0]
        if set(arrays) != {"layer", "scores"} or arrays["layer"].shape != (1,) or arrays["scores"].shape != (layers,):
            raise ValueError(f"the choice does not fit {layers} layers")
        if arrays["layer"].dtype != np.int64 or arrays["scores"].dtype != np.float64:
            raise ValueError("the choice has the wrong type")
        layer, scores = int(arrays["layer"][0]), arrays["scores"]
        # A CCC may be negative.
        least = 0 if len(classes) else -1
        if not 0 <= layer < layers or not ((scores >= least) & (scores <= 1)).all():
            raise ValueError(f"the choice is layer {layer} of {layers}, with scores that cannot be")
        self.layer_, self.scores_ = layer, scores
