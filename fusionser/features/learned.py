"""What a block of features that is fitted to training rows has in common, whatever it learns."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from fusionser.docstrings import DocumentedParameters
from fusionser.errors import SettingsError
from fusionser.features.inputs import table_of
from fusionser.features.maps import FrontEnd, front_end
from fusionser.waveform import Rates

__all__ = ["CROSS_FITTED", "SCORE", "LearnedBlock"]

Array = npt.NDArray[np.float32]

SCORE = "score_"
CROSS_FITTED = "crossfitted_score_"
"""How the columns of class scores begin: those that a training row's own label had a part in, and those it had not."""


class LearnedBlock(DocumentedParameters, TransformerMixin, BaseEstimator):
    """A block of columns that are learned from labelled training rows; `fit` sees those rows alone.

    Subclasses are keyword-only dataclasses. They set `kind`, their name in the registry, and say what they
    are fed where no `front_end` is given (`default_front_end`) and what they give (`names`).
    """

    kind: ClassVar[str]
    uses_audio: ClassVar[bool] = True
    front_end: FrontEnd | None

    def default_front_end(self) -> FrontEnd:
        """Return the front end that is used where none is given."""
        raise NotImplementedError

    def resolved_front_end(self) -> FrontEnd:
        """Return what every clip is turned into before it is learned from: the given front end, else the default."""
        return self.default_front_end() if self.front_end is None else self.front_end

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        self.resolved_front_end().check()

    def rows(self, X: Any, sampling_rate: Rates = None) -> pd.DataFrame:
        """Return X as a table of rows, each waveform with its rate, see `fusionser.features.inputs`."""
        return table_of(X, sampling_rate, {self.kind: self.resolved_front_end()})

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from the rows and their labels."""
        raise NotImplementedError

    def transform(self, X: Any) -> Any:
        """Return the columns of every clip, shape (n_clips, n_columns)."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Return the names of the columns within the block; those of class scores are known once fitted."""
        raise NotImplementedError

    def column_count(self, n_classes: int) -> int:
        """Return the number of columns, for so many classes."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, ``block__name``."""
        return np.asarray([f"{self.kind}__{name}" for name in self.names()], dtype=object)

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values."""
        raise NotImplementedError

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Build the block from what `settings` returned."""
        params = {key: value for key, value in settings.items() if key not in ("kind", "front_end")}
        built = cls(front_end=front_end(settings["front_end"]), **params)
        built.check()
        return built

    def pack(self) -> bytes:
        """Return what was learned, as the bytes of a safetensors file."""
        raise NotImplementedError

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Put back what `pack` returned; raises `ValueError` when it does not fit the parameters."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def labels_of(y: Any, n_rows: int) -> npt.NDArray[Any]:
    """Return the labels as an array, one a row.

    Raises
    ------
    SettingsError
        When there are none, or not as many as rows.
    """
    if y is None:
        raise SettingsError("got no labels; a block that learns is fitted to rows and their labels")
    labels = np.asarray(y)
    if labels.shape != (n_rows,):
        raise SettingsError(f"got labels of shape {labels.shape} for {n_rows} rows; expected one a row")
    return labels


def columns_of(X: Any, names: Mapping[str, Any]) -> pd.DataFrame:
    """Return columns of a table, filled by defaults where X is no table, or lacks them or some of their values."""
    given = X if isinstance(X, pd.DataFrame) else pd.DataFrame(index=range(len(X)))
    return pd.DataFrame(
        {
            name: given[name].astype(object).where(given[name].notna(), default).to_numpy()
            if name in given
            else [default] * len(X)
            for name, default in names.items()
        }
    )
