"""Class imbalance: balance rows before training or columns before the classifier, or impose an imbalance.

An imposed imbalance allows a study of balancing strategies on a balanced corpus.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing

from fusionser.augmentation.waveforms import drawing
from fusionser.errors import SettingsError, unknown_name
from fusionser.names import COLUMN_BALANCINGS, ROW_BALANCINGS
from fusionser.sources import sources_of

__all__ = ["BalanceRows", "ImposeImbalance", "balance_columns", "check_balance"]

NEIGHBOURS = 5
"""Number of neighbours of the same class that SMOTE and its variants interpolate between."""


def row_sampler(strategy: str, seed: int | None) -> Any:
    """Return imbalanced-learn's sampler for one of `ROW_BALANCINGS`."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    kinds = {"oversample": RandomOverSampler, "undersample": RandomUnderSampler}
    return kinds[strategy](random_state=seed)


def _column_sampler(strategy: str, seed: int) -> Any:
    from imblearn.combine import SMOTEENN, SMOTETomek
    from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE

    smote = SMOTE(k_neighbors=NEIGHBOURS, random_state=seed)
    samplers = {
        "smote": smote,
        "borderline-smote": BorderlineSMOTE(k_neighbors=NEIGHBOURS, random_state=seed),
        "adasyn": ADASYN(n_neighbors=NEIGHBOURS, random_state=seed),
        "smote-tomek": SMOTETomek(smote=smote),
        "smote-enn": SMOTEENN(smote=smote),
    }
    return samplers[strategy]


def check_balance(labels: npt.NDArray[Any], strategy: str) -> None:
    """Raise `SettingsError` if the strategy is unknown or a class has too few rows for it."""
    if strategy not in COLUMN_BALANCINGS:
        raise unknown_name("balancing of columns", strategy, COLUMN_BALANCINGS)
    classes, counts = np.unique(labels, return_counts=True)
    rarest = int(counts.argmin())
    if counts.max() > counts[rarest] <= NEIGHBOURS:
        raise SettingsError(
            f"{strategy} makes rows between {NEIGHBOURS} neighbours of a class, and '{classes[rarest]}' has "
            f"{counts[rarest]} training rows; expected {NEIGHBOURS + 1} or more. Use oversample or weights, or leave "
            "the class out"
        )


def balance_columns(
    values: npt.NDArray[Any], labels: npt.NDArray[Any], strategy: str, seed: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Enlarge the scarce classes of scaled columns with rows interpolated between theirs.

    Such rows belong to no clip and no speaker, so this comes last, after the rows for validation and calibration have
    been split off.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    labels : ndarray of shape (n_rows,)
    strategy : str
        One of `COLUMN_BALANCINGS`.
    seed : int

    Returns
    -------
    values, labels : ndarray
        With added rows, and without those that the strategy removes.

    Raises
    ------
    SettingsError
        If the strategy is unknown, a class has too few rows, or the strategy fails on these rows.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(20, 2))
    >>> more, labels = balance_columns(values, np.array(["sad"] * 14 + ["calm"] * 6), "smote", 0)
    >>> len(more), int((labels == "calm").sum())
    (28, 14)
    """
    check_balance(labels, strategy)
    classes = np.unique(labels)
    try:
        more, resampled = _column_sampler(strategy, seed).fit_resample(values, labels)
    except (ValueError, RuntimeError) as error:
        raise SettingsError(f"{strategy} cannot balance these {len(labels)} rows ({error})") from error
    gone = sorted(set(classes.tolist()) - set(np.unique(resampled).tolist()))
    if gone:
        raise SettingsError(f"{strategy} leaves no row of {', '.join(map(str, gone))}; use smote or another strategy")
    return more, resampled


@dataclass(kw_only=True, eq=False, repr=False)
class _RowSampler(BaseEstimator):
    """Base of samplers of rows. Subclasses define `fit`, and `_chosen`, which returns positions of rows."""

    random_state: int | None = 0

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, npt.NDArray[Any]]:
        """Return the chosen rows and their labels.

        Parameters
        ----------
        X : DataFrame, list or array of n_rows
        y : sequence of shape (n_rows,)

        Raises
        ------
        SettingsError
            If a parameter is invalid, or does not fit the sizes of the classes.
        """
        self.fit(X, y)
        labels = np.asarray(y)
        chosen = self._chosen(X, labels)
        rows = _safe_indexing(X, chosen)
        return (rows.reset_index(drop=True) if isinstance(X, pd.DataFrame) else rows), labels[chosen]


@dataclass(kw_only=True, eq=False, repr=False)
class BalanceRows(_RowSampler):
    """Make all classes equally large by repeating or removing rows; a sampler, used only in `fit`.

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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learned."""
        if self.strategy not in ROW_BALANCINGS:
            raise unknown_name("balancing", self.strategy, ROW_BALANCINGS)
        return self

    def _chosen(self, X: Any, labels: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        # The samplers accept only numbers, so they get positions instead of rows.
        places = np.arange(len(labels))[:, None]
        return row_sampler(self.strategy, self.random_state).fit_resample(places, labels)[0].ravel()


@dataclass(kw_only=True, eq=False, repr=False)
class ImposeImbalance(_RowSampler):
    """Remove training rows until the classes have the requested imbalance; a sampler, used only in `fit`.

    The largest class keeps all its rows and the smallest one `ratio` times fewer. The sizes in between decrease
    geometrically: the long tail of Cui, Jia, Lin, Song and Belongie (2019). `random_state` alone determines the order
    of the classes and the clips that stay, so they are the same in every fold. Classes with fewer rows rank lower.

    Parameters
    ----------
    ratio : float, default=10.0
        Rows of the largest class per row of the smallest, 1 or more.
    random_state : int, default=0

    Examples
    --------
    >>> rows = pd.DataFrame({"file": [f"{place}.wav" for place in range(60)]})
    >>> _, labels = ImposeImbalance(ratio=4.0).fit_resample(rows, ["calm", "happy", "sad"] * 20)
    >>> sorted(np.unique(labels, return_counts=True)[1].tolist())
    [5, 10, 20]
    """

    ratio: float = 10.0

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learned."""
        if not 1 <= self.ratio < np.inf:
            raise SettingsError(f"the ratio of an imbalance (--impose-imbalance) is {self.ratio:g}; expected 1 or more")
        return self

    def check_labels(self, labels: npt.NDArray[Any]) -> None:
        """Raise `SettingsError` if rows with these labels have a greater imbalance than that to impose."""
        self.fit(None)._wanted(labels, self.random_state or 0)

    def _chosen(self, X: Any, labels: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        seed = self.random_state or 0
        wanted = self._wanted(labels, seed)
        sources = sources_of(X, len(labels))
        order = np.argsort([drawing(source, "imposed", seed).random() for source in sources], kind="stable")
        kept = [order[labels[order] == name][:count] for name, count in wanted.items()]
        return np.sort(np.concatenate(kept).astype(np.intp))

    def _wanted(self, labels: npt.NDArray[Any], seed: int) -> dict[Any, int]:
        """Return how many rows each class keeps."""
        classes, counts = np.unique(labels, return_counts=True)
        present = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        largest, smallest = int(counts.max()), int(counts.min())
        if len(present) < 2 or self.ratio == 1:
            return present
        if round(largest / self.ratio) > smallest:
            raise SettingsError(
                f"the largest class has {largest} rows and the smallest {smallest}, which is already more than 1 to "
                f"{self.ratio:g}; use a ratio of {largest / smallest:.1f} or more"
            )
        if round(largest / self.ratio) < 2:
            raise SettingsError(
                f"1 to {self.ratio:g} leaves fewer than two rows of the smallest class, as the largest has {largest}; "
                f"use a ratio of {largest / 2:g} or less"
            )
        drawn = {name: drawing(str(name), "scarcity", seed).random() for name in present}
        ranked = sorted(present, key=lambda name: (-present[name], drawn[name]))
        shares = (self.ratio ** (-np.arange(len(ranked)) / (len(ranked) - 1))).tolist()
        return {name: min(present[name], round(largest * share)) for name, share in zip(ranked, shares, strict=True)}
