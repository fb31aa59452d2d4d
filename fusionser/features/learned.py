"""The base class of feature blocks that are fitted to training rows."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.checks import check_present
from fusionser.docstrings import DocumentedParameters
from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.inputs import table_of
from fusionser.features.maps import FrontEnd, front_end
from fusionser.scikit_learn import BaseEstimator, TransformerMixin
from fusionser.waveform import Rates

__all__ = ["CROSS_FITTED", "CROSS_FITTED_NUMBER", "NUMBER", "SCORE", "LearnedBlock"]

Array = npt.NDArray[np.float32]

SCORE = "score_"
CROSS_FITTED = "crossfitted_score_"
"""Prefixes of columns of class scores: in-fold, and out-of-fold for the training rows."""

NUMBER = "predicted_"
CROSS_FITTED_NUMBER = "crossfitted_predicted_"
"""Prefixes of columns of predicted numbers: in-fold, and out-of-fold for the training rows."""


class LearnedBlock(DocumentedParameters, TransformerMixin, BaseEstimator):
    """A block whose columns are learned from labelled training rows. `fit` sees only those rows.

    Subclasses are keyword-only dataclasses. They set `kind`, their name in the registry, and define the default input
    (`default_front_end`) and the columns (`names`).
    """

    kind: ClassVar[str]
    uses_audio: ClassVar[bool] = True
    takes_numbers: ClassVar[bool] = False
    """Whether `fit` also takes numbers of shape (n_rows, n_targets) in place of labels, or ignores both."""
    classified_apart: ClassVar[bool] = False
    """Whether late fusion gives the columns a classifier of their own."""
    front_end: FrontEnd | None

    def default_front_end(self) -> FrontEnd:
        """Return the front end to use if none is given."""
        raise NotImplementedError

    def resolved_front_end(self) -> FrontEnd:
        """Return the front end that turns clips into inputs: the given one, or else the default."""
        return self.default_front_end() if self.front_end is None else self.front_end

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        self.resolved_front_end().check()

    def stamps(self) -> list[Stamp]:
        """Return what every result with these columns must say; by default what its front end says."""
        return self.resolved_front_end().stamps()

    def row_columns(self) -> list[str]:
        """Return the columns of a table that the front end reads besides those that every row has."""
        return self.resolved_front_end().row_columns()

    def rows(self, X: Any, sampling_rate: Rates = None) -> pd.DataFrame:
        """Return X as a table of rows, with the rate of each waveform. `fusionser.features.inputs` describes X."""
        return table_of(X, sampling_rate, {self.kind: self.resolved_front_end()})

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from the rows and their labels, or, with `takes_numbers`, from numbers (n_rows, n_targets)."""
        raise NotImplementedError

    def transform(self, X: Any) -> Any:
        """Return the columns of every clip, shape (n_clips, n_columns)."""
        raise NotImplementedError

    @property
    def adapts(self) -> bool:
        """Whether `adapted` changes anything; by default it does not."""
        return False

    def adapted(self, X: Any) -> Self:
        """Return the block, adapted to unlabelled clips; unchanged by default."""
        return self

    def names(self) -> list[str]:
        """Return the names of the columns within the block. Those of class scores are only known once fitted."""
        raise NotImplementedError

    def column_count(self, n_classes: int) -> int:
        """Return the number of columns for a number of classes, or of targets."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, ``block__name``."""
        return np.asarray([f"{self.kind}__{name}" for name in self.names()], dtype=object)

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        raise NotImplementedError

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Build the block from the value of `settings`, with the default front end if they name none."""
        params = {key: value for key, value in settings.items() if key not in ("kind", "front_end")}
        given = settings.get("front_end")
        built = cls(front_end=None if given is None else front_end(given), **params)
        built.check()
        return built

    def pack(self) -> bytes:
        """Return the learned values as the bytes of a safetensors file."""
        raise NotImplementedError

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Restore the value of `pack`. Raise `ValueError` if it does not fit the parameters."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def labels_of(y: Any, n_rows: int) -> npt.NDArray[Any]:
    """Return the labels as an array, one per row; numbers to predict as float64, shape (n_rows, n_targets).

    Raises
    ------
    SettingsError
        If there are no labels, one is missing, their number differs from that of the rows, or a number is not finite.

    Examples
    --------
    >>> labels_of(["sad", "calm"], 2).tolist(), labels_of([[1], [2]], 2).tolist()
    (['sad', 'calm'], [[1.0], [2.0]])
    """
    if y is None:
        raise SettingsError("got no labels; a learned block is fitted to rows and their labels")
    labels = np.asarray(y)
    if labels.ndim == 1:
        check_present(y)
    numbers = labels.ndim == 2 and labels.dtype.kind in "fiu" and labels.shape[1] > 0
    if labels.shape != ((n_rows, labels.shape[1]) if numbers else (n_rows,)):
        raise SettingsError(
            f"got labels of shape {labels.shape} for {n_rows} rows; expected one per row, or numbers of shape "
            "(n_rows, n_targets)"
        )
    if not numbers:
        return labels
    if not np.isfinite(labels).all():
        raise SettingsError("got numbers to predict that are not finite; expected finite numbers")
    return labels.astype(np.float64)


def columns_of(X: Any, defaults: Mapping[str, Any]) -> pd.DataFrame:
    """Return the named columns of X, with defaults for missing columns and values, or if X is not a table."""
    given = X if isinstance(X, pd.DataFrame) else pd.DataFrame(index=range(len(X)))
    columns = {
        name: given[name].astype(object).where(given[name].notna(), default) if name in given else default
        for name, default in defaults.items()
    }
    return pd.DataFrame(columns, index=given.index)
