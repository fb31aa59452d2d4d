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
from fusionser.names import GENDERS
from fusionser.sources import sources_of
from fusionser.waveform import Rates

__all__ = ["EstimatedGender"]

MALE = "male"
CERTAIN = 10.0
FOLDS = 4


UNKNOWN_GENDERS = (
    "the gender cannot be estimated: no training row has 'female' or 'male' in the column 'gender'; fill the column, "
    "or leave the gender out (--gender none)"
)


@dataclass(kw_only=True, eq=False, repr=False)
class EstimatedGender(LearnedBlock):
    """The probability that the speaker is male, estimated from the voice by logistic regression.

    It is fitted to the training rows whose column ``gender`` is filled. `transform` never reads the column. To make
    training rows look like new clips, `fit_transform` estimates them out of fold, on inner folds by speaker.

    Parameters
    ----------
    penalty : float, default=10.0
        Strength of the L2 penalty on the weights: the inverse of the regression's C. Range 1e-6 to 1e6.
    front_end : BlockVector, optional
        The input of the regression. If None: pitch, MFCC and spectral shape of the trimmed clip at 16 kHz.

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
    takes_numbers: ClassVar[bool] = True
    penalty: float = 10.0
    front_end: FrontEnd | None = None

    def default_front_end(self) -> FrontEnd:
        """Return pitch, MFCC and spectral shape of the trimmed clip at 16 kHz."""
        return BlockVector(
            blocks=("pitch", "mfcc", "shape"), sampling_rate=16000, trim=True, n_fft=1024, hop_length=256, duration=None
        )

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
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
            If no row has a gender. If all rows have the same one, only that one is ever estimated.
        """
        self.check()
        male, labelled = self._labelled(X)
        self._regress(self.resolved_front_end().compute_all(X.iloc[labelled]), male[labelled])
        return self

    def fit_transform(self, X: Any, y: Any = None, **more: Any) -> Any:
        """Fit, and estimate each training row without its speaker."""
        self.fit(X, y)
        male, labelled = self._labelled(X)
        values = self.resolved_front_end().compute_all(X)
        estimates = self._estimate(values)
        rows, labels = X.iloc[labelled], male[labelled]
        speakers = columns_of(rows, {"speaker": ""})["speaker"].to_numpy(dtype=str)
        units = speakers if (speakers != "").all() else sources_of(rows, len(rows))
        n_units = len(set(units))
        if len(set(labels)) == 1 or n_units < 2:
            return estimates
        # Not by clip: if another clip of the speaker were in training, the model would recognise the voice.
        for train, held in GroupKFold(min(FOLDS, n_units)).split(labels, labels, units):
            fold = EstimatedGender(penalty=self.penalty)
            fold._regress(values[labelled[train]], labels[train])
            estimates[labelled[held]] = fold._estimate(values[labelled[held]])
        return estimates

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Array:
        """Return the probability that the speaker is male, shape (n_clips, 1). `FeatureBlock.transform` describes X."""
        check_is_fitted(self, "weights_")
        return self._estimate(self.resolved_front_end().compute_all(X, sampling_rate))

    def names(self) -> list[str]:
        """Return the name of the only column."""
        return [MALE]

    def column_count(self, n_classes: int) -> int:
        """Return 1."""
        return 1

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        return {"kind": self.kind, "front_end": self.resolved_front_end().settings(), "penalty": self.penalty}

    def pack(self) -> bytes:
        """Return the regression as the bytes of a safetensors file."""
        from safetensors.numpy import save

        numbers = np.stack([self.mean_, self.scale_, self.weights_]).astype(np.float64)
        return save({"numbers": numbers, "intercept": np.array([self.intercept_])})

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Restore the regression. Raise `ValueError` if it does not fit the front end."""
        from safetensors.numpy import load

        try:
            arrays = load(content)
        except Exception as error:
            # safetensors raises a different error for each kind of damage.
            raise ValueError(f"the weights cannot be read ({error})") from error
        (width,) = self.resolved_front_end().array_shape()
        if set(arrays) != {"numbers", "intercept"} or arrays["numbers"].shape != (3, width):
            raise ValueError(f"the weights do not fit {width} columns")
        if arrays["intercept"].shape != (1,) or any(array.dtype != np.float64 for array in arrays.values()):
            raise ValueError("the weights have the wrong type")
        if not all(np.isfinite(array).all() for array in arrays.values()) or not (arrays["numbers"][1] > 0).all():
            raise ValueError("the weights are not finite")
        self.mean_, self.scale_, self.weights_ = arrays["numbers"]
        self.intercept_ = float(arrays["intercept"][0])

    @staticmethod
    def check_known(rows: pd.DataFrame) -> None:
        """Raise `SettingsError` if no row has a gender."""
        if not rows["gender"].isin(GENDERS).any():
            raise SettingsError(UNKNOWN_GENDERS)

    @staticmethod
    def _labelled(X: Any) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
        genders = columns_of(X, {"gender": ""})["gender"]
        labelled = np.flatnonzero(genders.isin(GENDERS))
        if not isinstance(X, pd.DataFrame) or len(labelled) == 0:
            raise SettingsError(UNKNOWN_GENDERS)
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
        return (1.0 / (1.0 + np.exp(-np.clip(logit, -60, 60))))[:, None].astype(np.float32)
