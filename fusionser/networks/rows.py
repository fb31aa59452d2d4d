"""The rows that a network is trained on, as arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.networks.inputs import Inputs

__all__ = ["TrainingRows"]


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Training and validation rows.

    Parameters
    ----------
    inputs : ndarray of shape (n_rows, ...), float32, or ArrayList
    targets : ndarray of shape (n_rows,), int64
        Class indices; or numbers to predict, shape (n_rows, n_targets), float32.
    groups : ndarray of shape (n_rows,), optional
        Group of each row; each epoch uses one row per group (see `Batches`).
    corpora : ndarray of shape (n_rows,), optional
        Corpus of each row, as a name or a number, for `by_corpus` of `NetworkTraining`.
    validation_inputs, validation_targets : ndarray, optional
        As `inputs` and `targets`.
    shares, validation_shares : ndarray of shape (n_rows, n_classes), float32, optional
        Share of each class in the votes for each row, to train and calibrate by instead of `targets`.
    """

    inputs: Inputs
    targets: npt.NDArray[Any]
    groups: npt.NDArray[np.int64] | None = None
    corpora: npt.NDArray[Any] | None = None
    validation_inputs: Inputs | None = None
    validation_targets: npt.NDArray[Any] | None = None
    shares: npt.NDArray[np.float32] | None = None
    validation_shares: npt.NDArray[np.float32] | None = None

    @property
    def numbers(self) -> bool:
        """Whether numbers are predicted, and not classes."""
        return self.targets.ndim == 2

    @property
    def has_validation(self) -> bool:
        """Whether there are validation rows."""
        return self.validation_targets is not None and len(self.validation_targets) > 0

    def corpus_indices(self) -> npt.NDArray[np.int64] | None:
        """Return the corpus of each row as an index from 0; None if there are fewer than two corpora."""
        if self.corpora is None:
            return None
        names, indices = np.unique(self.corpora, return_inverse=True)
        return indices.astype(np.int64) if len(names) > 1 else None
