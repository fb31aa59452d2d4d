"""The speaker's gender, estimated from the voice."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from fusionser.errors import SettingsError
from fusionser.features.learned import Array, LearnedBlock, columns_of
from fusionser.features.maps import BlockVector, FrontEnd
from fusionser.splits.inner_folds import sources_of
from fusionser.waveform import Rates

__all__ = ["EstimatedGender"]

MALE = "male"
CERTAIN = 10.0
FOLDS = 4


@dataclass(kw_only=True, eq=False, repr=False)
class EstimatedGender(LearnedBlock):
    """The probability that the speaker is male, estimated from the voice by logistic regression.

    It is fitted to the training rows whose column ``gender`` is filled; the label of a row that is transformed is
    never looked at. `fit_transform` answers for the training rows out of fold, on inner folds by speaker, so that
    they look as new clips will.

    Parameters
    ----------
    penalty : float, default=10.0
        Inverse of the regression's C: how strongly its weights are held small.
    front_end : BlockVector, optional
        Pitch, MFCC and spectral shape of the trimmed clip at 16 kHz when None.

    Attributes
    ----------
    mean_, scale_, weights_ : ndarray of shape (n_columns,)
    intercept_ : float

    Examples
    --------
    >>> EstimatedGender().get_feature_names_out().tolist()
    ['estimated-gender__male']
    """

    kind: ClassVar[str] = "estimated-gender"
    penalty: float = 10.0
    front_end: FrontEnd | None = None

    def default_front_end(self) -> FrontEnd:
        """Return pitch, MFCC and spectral shape of the trimmed clip at 16 kHz."""
        return BlockVector(
            blocks=("pitch", "mfcc", "shape"),
            sampling_rate=16000,
            trim=True,
            n_fft=1024,
            hop_length=256,
            duration=None,
        )

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        if not isinstance(self.resolved_front_end(), BlockVector):
            raise SettingsError("the gender is estimated from a vector; expected a BlockVector as front_end")
        if not 1e-6 <= self.penalty <= 1e6:
            raise SettingsError(f"penalty is {self.penalty}; expected 1e-6 to 1e6")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the regression.

        Parameters
        ----------
        X : DataFrame with the columns ``file`` and ``gender``
        y : ignored

        Raises
        ------
        SettingsError
            When no row says its gender. Where all rows say the same one, that is all that is ever estimated.
        """
        self.check()
        male, labelled = self._labelled(X)
        self._regress(self._values(X.iloc[labelled]), male[labelled])
        return self

    def fit_transform(self, X: Any, y: Any = None, **more: Any) -> Any:
        """Fit, and return for each training row what was estimated without its speaker."""
        self.fit(X, y)
        male, labelled = self._labelled(X)
        values = self._values(X)
        estimates = self._estimate(values)
        rows, labels = X.iloc[labelled], male[labelled]
        if len(set(labels)) == 1:
            return estimates
        speakers = columns_of(rows, {"speaker": ""})["speaker"].to_numpy(dtype=str)
        units = speakers if (speakers != "").all() else sources_of(rows, len(rows))
        if len(set(units)) < 2:
            return estimates
        # Never by clips of a speaker that is on the other side too: their voice alone would give them away.
        for train, held in GroupKFold(min(FOLDS, len(set(units)))).split(labels, labels, units):
            fold = EstimatedGender(penalty=self.penalty)
            fold._regress(values[labelled[train]], labels[train])
            estimates[labelled[held]] = fold._estimate(values[labelled[held]])
        return estimates

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Array:
        """Return the probability that each clip's speaker is male, shape (n_clips, 1); see `FeatureBlock.transform`."""
        check_is_fitted(self, "weights_")
        return self._estimate(self.resolved_front_end().compute_all(X, sampling_rate))

    def names(self) -> list[str]:
        """Return the one name."""
        return [MALE]

    def column_count(self, n_classes: int) -> int:
        """Return 1."""
        return 1

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        return {
            "kind": self.kind,
            "front_end": self.resolved_front_end().settings(),
            "penalty": self.penalty,
        }

    def pack(self) -> bytes:
        """Return the regression as the bytes of a safetensors file."""
        from safetensors.numpy import save

        numbers = np.stack([self.mean_, self.scale_, self.weights_]).astype(np.float64)
        content: bytes = save({"numbers": numbers, "intercept": np.array([self.intercept_])})
        return content

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Put the regression back; raises `ValueError` when it does not fit the front end."""
        from safetensors.numpy import load

        try:
            arrays = load(content)
        except Exception as error:
            # safetensors raises an error of its own for each kind of damage.
            raise ValueError(f"the weights cannot be read ({error})") from error
        (width,) = self.resolved_front_end().array_shape()
        if set(arrays) != {"numbers", "intercept"} or arrays["numbers"].shape != (3, width):
            raise ValueError(f"the weights are not those of {width} columns")
        if arrays["intercept"].shape != (1,) or any(array.dtype != np.float64 for array in arrays.values()):
            raise ValueError("the weights are of another kind")
        if not all(np.isfinite(array).all() for array in arrays.values()) or not (arrays["numbers"][1] > 0).all():
            raise ValueError("the weights are not finite")
        self.mean_, self.scale_, self.weights_ = arrays["numbers"]
        self.intercept_ = float(arrays["intercept"][0])

    def _values(self, X: Any) -> Array:
        return self.resolved_front_end().compute_all(X)

    @staticmethod
    def _labelled(X: Any) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
        genders = columns_of(X, {"gender": ""})["gender"]
        labelled = np.flatnonzero(genders.isin(["male", "female"]).to_numpy())
        if not isinstance(X, pd.DataFrame) or len(labelled) == 0:
            raise SettingsError(
                "the gender cannot be estimated: no training row has 'female' or 'male' in the column 'gender'; fill "
                "it, or leave the gender out (--gender none)"
            )
        return (genders == MALE).to_numpy(), labelled

    def _regress(self, values: Array, male: npt.NDArray[np.bool_]) -> None:
        scaler = StandardScaler().fit(values.astype(np.float64))
        self.mean_, self.scale_ = scaler.mean_, scaler.scale_
        if len(set(male)) == 1:
            self.weights_ = np.zeros_like(scaler.mean_)
            self.intercept_ = CERTAIN if male[0] else -CERTAIN
            return
        model = LogisticRegression(C=1.0 / self.penalty, max_iter=2000, class_weight="balanced")
        model.fit(scaler.transform(values.astype(np.float64)), male)
        self.weights_, self.intercept_ = model.coef_[0], float(model.intercept_[0])

    def _estimate(self, values: Array) -> Array:
        logit = (values.astype(np.float64) - self.mean_) / self.scale_ @ self.weights_ + self.intercept_
        probabilities: Array = (1.0 / (1.0 + np.exp(-np.clip(logit, -60, 60))))[:, None].astype(np.float32)
        return probabilities
