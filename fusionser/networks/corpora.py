"""Training on several corpora: what each epoch shows of them, and a loss over the classes that each has."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusionser.features.learned import columns_of

__all__ = ["CorpusCrossEntropy", "CorpusTurns", "classes_of_corpora", "corpora_of", "shares_of_pairs"]

Positions = npt.NDArray[np.intp]


def corpora_of(X: Any) -> npt.NDArray[np.str_]:
    """Return the corpus of each row; the empty string where it is unknown.

    Parameters
    ----------
    X : table, with a column ``corpus`` if the corpora are known, or anything of n_rows

    Examples
    --------
    >>> corpora_of([[0.5], [0.7]]).tolist()
    ['', '']
    """
    return columns_of(X, {"corpus": ""})["corpus"].to_numpy(dtype=str)


def classes_of_corpora(
    targets: npt.NDArray[np.int64], corpora: npt.NDArray[np.int64], n_classes: int
) -> npt.NDArray[np.bool_]:
    """Return which classes each corpus has, shape (n_corpora, n_classes).

    Parameters
    ----------
    targets, corpora : ndarray of shape (n_rows,)
        Class index and corpus index of each row.
    n_classes : int

    Examples
    --------
    >>> classes_of_corpora(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[True, True], [False, True]]
    """
    present = np.zeros((int(corpora.max()) + 1, n_classes), dtype=np.bool_)
    present[corpora, targets] = True
    return present


def shares_of_pairs(
    shares: npt.NDArray[np.float32], corpora: npt.NDArray[np.int64], present: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Return the shares of pairs of corpus and class, shape (n_rows, n_corpora * n_classes).

    Votes for a class that the corpus lacks do not count.

    Parameters
    ----------
    shares : ndarray of shape (n_rows, n_classes)
    corpora : ndarray of shape (n_rows,)
        Corpus index of each row.
    present : ndarray of shape (n_corpora, n_classes)
        The value of `classes_of_corpora`.

    Examples
    --------
    >>> present = np.array([[True, True], [False, True]])
    >>> shares_of_pairs(np.float32([[0.25, 0.75]] * 2), np.array([0, 1]), present).tolist()
    [[0.25, 0.75, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """
    own = shares * present[corpora]
    pairs = np.zeros((len(shares), *present.shape), dtype=np.float32)
    pairs[np.arange(len(shares)), corpora] = own / own.sum(axis=1, keepdims=True)
    return pairs.reshape(len(shares), -1)


@dataclass(frozen=True, kw_only=True)
class CorpusTurns:
    """Rows of each epoch, drawn from the corpora in turn.

    Every epoch has as many rows as there are. The corpora take turns, also from one epoch to the next, so their counts
    differ by one at most, in every epoch and in every batch. Each corpus goes through all of its rows in random order
    before it begins again in a new order. So a small corpus repeats rows within an epoch, and a large one goes on in
    the next epoch with the rows that are left.

    Parameters
    ----------
    corpora : ndarray of shape (n_rows,)
        Corpus index of each row, from 0; every index up to the largest occurs.
    seed : int

    Examples
    --------
    >>> turns = CorpusTurns(corpora=np.array([0, 0, 0, 0, 0, 1]), seed=0)
    >>> rows = np.r_[turns.rows(0), turns.rows(1)]
    >>> turns.corpora[rows].tolist()
    [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    >>> sorted(rows[::2][:5].tolist())
    [0, 1, 2, 3, 4]
    """

    corpora: npt.NDArray[np.int64]
    seed: int

    def rows(self, epoch: int) -> Positions:
        """Return the positions of the rows of an epoch, counted from 0, in the order in which they are shown."""
        count, n_corpora = len(self.corpora), int(self.corpora.max()) + 1
        turns = np.arange(epoch * count, (epoch + 1) * count)
        chosen = np.empty(count, dtype=np.intp)
        for corpus in range(n_corpora):
            members = np.flatnonzero(self.corpora == corpus)
            own = turns % n_corpora == corpus
            passes, places = np.divmod(turns[own] // n_corpora, len(members))
            # The order of a pass depends on its number only, so a training that resumes finds it again.
            orders = {
                number: np.random.default_rng([self.seed, corpus, number]).permutation(members)
                for number in np.unique(passes).tolist()
            }
            pairs = zip(passes.tolist(), places.tolist(), strict=True)
            chosen[own] = [orders[number][place] for number, place in pairs]
        return chosen


class CorpusCrossEntropy(nn.Module):
    """Cross-entropy in which the softmax of a row covers only the classes of its corpus.

    A class that a corpus lacks is therefore not made less probable by the rows of that corpus: the gradient of its
    logit is zero. Targets are weights over pairs of corpus and class, one-hot at the row's own pair. The loss is linear
    in them, so that of two mixed rows (mixup) is the mean of the losses for both labels, weighted as the rows are.

    Targets that are class indices are those of validation rows; their loss is the cross-entropy over all classes.

    Parameters
    ----------
    present : tensor of shape (n_corpora, n_classes), bool
        The classes of each corpus.
    corpus_weight : tensor of shape (n_corpora, n_classes), optional
        Weight of each class in each corpus.
    weight : tensor of shape (n_classes,), optional
        Weight of each class for validation rows.
    label_smoothing : float, default=0.0
        Share of each target that is spread evenly over the classes of the corpus.

    Examples
    --------
    >>> loss = CorpusCrossEntropy(torch.tensor([[True, True, True], [True, True, False]]))
    >>> own = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    >>> round(float(loss(torch.zeros(1, 3), own).exp()), 6)
    2.0
    """

    present: Tensor
    corpus_weight: Tensor | None
    weight: Tensor | None

    def __init__(
        self,
        present: Tensor,
        corpus_weight: Tensor | None = None,
        weight: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("present", present)
        self.register_buffer("corpus_weight", corpus_weight)
        self.register_buffer("weight", weight)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch.

        Parameters
        ----------
        logits : tensor of shape (n_rows, n_classes)
        targets : tensor of shape (n_rows, n_corpora * n_classes), or (n_rows,)
            Weights of the pairs, corpus by corpus; or class indices.
        """
        if targets.ndim == 1:
            return functional.cross_entropy(logits, targets, weight=self.weight, label_smoothing=self.label_smoothing)
        absent = ~self.present
        pairs = targets.reshape(len(targets), *self.present.shape)
        shares = self.present / self.present.sum(dim=1, keepdim=True)
        pairs = (1 - self.label_smoothing) * pairs + self.label_smoothing * pairs.sum(dim=2, keepdim=True) * shares
        logs = functional.log_softmax(logits[:, None, :].masked_fill(absent, -torch.inf), dim=2)
        # Zero times minus infinity would be NaN.
        losses = -pairs * logs.masked_fill(absent, 0.0)
        if self.corpus_weight is not None:
            losses = losses * self.corpus_weight
        return losses.sum(dim=(1, 2)).mean()
