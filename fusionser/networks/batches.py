"""Batches cut from contiguous arrays, and random distortions of training batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fusionser.networks.corpora import CorpusTurns

__all__ = ["Batches", "Distortion"]

Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Distortion:
    """Random distortions of a training batch, drawn anew for each batch.

    Parameters
    ----------
    mixup : float, default=0.0
        Share of the batches whose inputs and labels are mixed with those of the same batch in random order. The
        weight comes from a beta distribution (0.4, 0.4) (Zhang, Cisse, Dauphin and Lopez-Paz 2018).
    band_mask, frame_mask : int, default=0
        Largest width of a mask. Two masks over bands and two over frames set parts of each map to zero, the mean
        of a standardised map (SpecAugment: Park et al. 2019). For inputs of shape (n, bands, frames).
    shift : int, default=0
        Largest number of frames by which maps are rotated, in either direction.
    bands : int, optional
        Number of rows, from the first one, that masks apply to; all when None.
    """

    mixup: float = 0.0
    band_mask: int = 0
    frame_mask: int = 0
    shift: int = 0
    bands: int | None = None

    def __call__(self, inputs: Tensor, targets: Tensor, rng: Generator) -> tuple[Tensor, Tensor]:
        """Return the distorted inputs and targets."""
        if self.shift:
            inputs = torch.roll(inputs, int(rng.integers(-self.shift, self.shift + 1)), dims=-1)
        for longest, axis in ((self.band_mask, 1), (self.frame_mask, 2)):
            if longest:
                bands = _masked(_masked(inputs[:, : self.bands], longest, axis, rng), longest, axis, rng)
                inputs = bands if self.bands is None else torch.cat([bands, inputs[:, self.bands :]], dim=1)
        if self.mixup and rng.random() < self.mixup:
            weight = float(rng.beta(0.4, 0.4))
            other = torch.from_numpy(rng.permutation(len(inputs))).to(inputs.device)
            inputs = weight * inputs + (1 - weight) * inputs[other]
            targets = weight * targets + (1 - weight) * targets[other]
        return inputs, targets


def _masked(inputs: Tensor, longest: int, axis: int, rng: Generator) -> Tensor:
    """Set one random stretch of each map to zero along an axis."""
    size = inputs.shape[axis]
    lengths = np.minimum(rng.integers(0, longest + 1, len(inputs)), size)
    starts = (rng.random(len(inputs)) * (size - lengths)).astype(np.int64)
    places = np.arange(size)
    hidden = (places >= starts[:, None]) & (places < (starts + lengths)[:, None])
    mask = torch.from_numpy(hidden).to(inputs.device)
    return inputs.masked_fill(mask[:, :, None] if axis == 1 else mask[:, None, :], 0.0)


class Batches:
    """Data loader for skorch that slices a dataset's arrays.

    skorch's default loader collates item by item, which takes longer than the training step of a small network.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        Its X and y are tensors; y holds one class index per row, its class probabilities, or the numbers to predict.
    batch_size : int
    n_classes : int, optional
        If given, class indices become rows of class probabilities, as mixup requires. Numbers are mixed as they are.
    rng : numpy.random.Generator, optional
        Shuffles, chooses and distorts. Without it, rows come unchanged and in order.
    groups : ndarray of shape (n_rows,), optional
        Group of each row. Each epoch uses one random row per group.
    distortion : Distortion, optional
    corpora : ndarray of shape (n_rows,), optional
        Corpus index of each row. With it and `rng`, rows (or groups, each in the corpus of its first row) are not
        shown once per epoch, but drawn from the corpora in turn (see `CorpusTurns`).
    seed : int, default=0
        Seed of these turns.

    Attributes
    ----------
    epoch : int
        Number of epochs that have begun; set it to continue a training.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        n_classes: int = 0,
        rng: Generator | None = None,
        groups: npt.NDArray[Any] | None = None,
        distortion: Distortion | None = None,
        corpora: npt.NDArray[np.int64] | None = None,
        seed: int = 0,
    ) -> None:
        self.inputs, self.targets, self.epoch = dataset.X, dataset.y, 0
        self.batch_size, self.n_classes, self.rng, self.distortion = batch_size, n_classes, rng, distortion
        self.members: list[npt.NDArray[np.intp]] | None = None
        if groups is not None:
            order = np.argsort(groups, kind="stable")
            ends = np.flatnonzero(np.diff(groups[order])) + 1
            self.members = np.split(order, ends)
        self.turns: CorpusTurns | None = None
        if corpora is not None:
            first = slice(None) if self.members is None else [group[0] for group in self.members]
            self.turns = CorpusTurns(corpora=corpora[first], seed=seed)

    def __len__(self) -> int:
        rows = len(self.inputs) if self.members is None else len(self.members)
        return max(1, rows // self.batch_size + (rows % self.batch_size > 1))

    def _order(self) -> npt.NDArray[np.intp]:
        if self.rng is None:
            return np.arange(len(self.inputs))
        if self.turns is not None:
            units = self.turns.rows(self.epoch)
            return units if self.members is None else self._one_of_each([self.members[unit] for unit in units])
        if self.members is None:
            return self.rng.permutation(len(self.inputs))
        return self.rng.permutation(self._one_of_each(self.members))

    def _one_of_each(self, groups: Sequence[npt.NDArray[np.intp]]) -> npt.NDArray[np.intp]:
        rng = self.rng or np.random.default_rng()
        return np.asarray([group[0] if len(group) == 1 else group[rng.integers(len(group))] for group in groups])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.from_numpy(self._order()).to(self.inputs.device)
        self.epoch += 1
        starts = [*range(0, len(order), self.batch_size), len(order)]
        if len(starts) > 2 and starts[-1] - starts[-2] == 1:
            # Batch normalisation cannot train on a batch of one, so a single last row joins the previous batch.
            del starts[-2]
        for start, stop in pairwise(starts):
            chosen = order[start:stop]
            inputs, targets = self.inputs[chosen], self.targets[chosen]
            if self.n_classes:
                indices = targets.ndim == 1
                targets = (functional.one_hot(targets, self.n_classes) if indices else targets).to(inputs.dtype)
            if self.distortion is not None and self.rng is not None:
                inputs, targets = self.distortion(inputs, targets, self.rng)
            yield inputs, targets
