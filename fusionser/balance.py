"""What is done about scarce classes, on rows, before anything is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing

from fusionser.errors import unknown_name

__all__ = ["BALANCINGS", "BalanceRows"]

BALANCINGS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"oversample": RandomOverSampler, "undersample": RandomUnderSampler}
)
"""Name to imbalanced-learn sampler: scarce classes repeated, or plentiful ones thinned, until all are equal."""


@dataclass(kw_only=True, eq=False, repr=False)
class BalanceRows(BaseEstimator):
    """Make all classes equally large by repeating or leaving out rows; a sampler, which acts in `fit` alone.

    Parameters
    ----------
    strategy : {"oversample", "undersample"}, default="oversample"
    random_state : int, default=0

    Examples
    --------
    >>> rows = pd.DataFrame({"file": ["a.wav", "b.wav", "c.wav"]})
    >>> more, labels = BalanceRows().fit_resample(rows, ["sad", "sad", "calm"])
    >>> sorted(labels.tolist())
    ['calm', 'calm', 'sad', 'sad']
    """

    strategy: str = "oversample"
    random_state: int | None = 0

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learned."""
        if self.strategy not in BALANCINGS:
            raise unknown_name("balancing", self.strategy, BALANCINGS)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, npt.NDArray[Any]]:
        """Return the chosen rows and their labels.

        Parameters
        ----------
        X : DataFrame, list or array of n_rows
        y : sequence of shape (n_rows,)
        """
        self.fit(X, y)
        labels = np.asarray(y)
        # The samplers take numbers only: they are given positions in place of the rows.
        places = np.arange(len(labels))[:, None]
        sampler = BALANCINGS[self.strategy](random_state=self.random_state)
        chosen = sampler.fit_resample(places, labels)[0].ravel()
        rows = _safe_indexing(X, chosen)
        return (rows.reset_index(drop=True) if isinstance(X, pd.DataFrame) else rows), labels[chosen]
