"""A network for other people's recordings: convolutions along time on contours that are relative within the clip."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusionser.checks import check_dropout, check_range, check_units, check_whole
from fusionser.errors import SettingsError
from fusionser.features.maps import FrontEnd
from fusionser.features.relative import N_BANDS
from fusionser.features.relative_contours import RelativeContours
from fusionser.networks.batches import Distortion
from fusionser.networks.copies import versions_of
from fusionser.networks.extractor import DeepExtractor, Positions
from fusionser.networks.inputs import Inputs
from fusionser.networks.layers import Network, full_precision
from fusionser.networks.preparation import Moments, Standardise
from fusionser.search_space import NumberRange, Space

__all__ = ["Conv1DRelative", "Conv1DRelativeExtractor"]

DILATIONS = (1, 2, 4, 8)
WIDTH = 5
BOUND = 4.0
"""Largest standardised value, in standard deviations of the training recordings."""


class StandardiseContours(Standardise):
    """Standardise each contour over the columns inside the training clips, and bound the result.

    The last row, which tells the inside of a clip, stays as it is. Outside, all rows are 0.

    Parameters
    ----------
    n_rows : int
        Number of rows, with the last one.
    """

    def __init__(self, n_rows: int) -> None:
        super().__init__((n_rows - 1, 1))

    def learn(self, parts: Iterable[npt.NDArray[np.float32]]) -> None:
        """Compute mean and standard deviation of each contour."""
        moments = Moments()
        for part in parts:
            inside = part[:, -1] > 0
            count = int(inside.sum())
            if count:
                rows = [part[:, number][inside].astype(np.float64) for number in range(len(self.mean))]
                means = np.array([row.mean() for row in rows])
                squares = [np.square(row - mean).sum() for row, mean in zip(rows, means, strict=True)]
                moments.add(count, means, np.array(squares))
        if not moments.count:
            return
        deviation = np.sqrt(moments.variance())
        deviation[deviation == 0] = 1.0
        self.mean.copy_(torch.from_numpy(moments.mean)[:, None])
        self.deviation.copy_(torch.from_numpy(deviation)[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised contours, of the same shape."""
        inside = x[:, -1:]
        # In place, to save memory.
        standard = super().forward(x[:, :-1]).clamp_(-BOUND, BOUND).mul_(inside > 0)
        return torch.cat([standard, inside], dim=1)


class DilatedBlock(nn.Module):
    """Convolution along time, batch norm, ReLU and dropout, added to the input where the widths agree."""

    def __init__(self, n_inputs: int, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (WIDTH // 2)
        self.convolution = nn.Conv2d(
            n_inputs, width, (1, WIDTH), padding=(0, padding), dilation=(1, dilation), bias=False
        )
        self.norm, self.dropout = nn.BatchNorm2d(width), nn.Dropout(dropout)
        self.residual = n_inputs == width

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """Return the output, 0 outside the clip."""
        changed = self.dropout(functional.relu(self.norm(self.convolution(x)))) * inside
        return x + changed if self.residual else changed


class ClipStatistics(nn.Module):
    """Mean, maximum, and attentive mean and standard deviation of each channel over the columns inside the clip.

    Each channel has weights of its own over time (Desplanques, Thienpondt and Demuynck 2020).

    Parameters
    ----------
    width : int
        Channels of a step.
    hidden : int, default=64
        Hidden units of the layers that compute the weights.
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        """Reduce (n_clips, n_steps, width) to (n_clips, 4 * width); `inside` has shape (n_clips, n_steps, 1)."""
        outside = inside <= 0
        weights = self.score(x).masked_fill(outside, -1e9).softmax(dim=1)
        mean = (weights * x).sum(dim=1)
        deviation = ((weights * x**2).sum(dim=1) - mean**2).clamp_min(1e-5).sqrt()
        plain = x.sum(dim=1) / inside.sum(dim=1).clamp_min(1.0)
        return torch.cat([mean, deviation, plain, x.masked_fill(outside, -1e9).amax(dim=1)], dim=1)


class Conv1DRelative(Network):
    """Four dilated convolutions along time, statistics over the clip, and 64 deep features.

    The architecture is ours. For contours of 46 rows (the last one tells the inside of the clip) by 150 columns:

    ==============================================  ============  ==========
    layer                                           output        parameters
    ==============================================  ============  ==========
    convolution 5, norm, ReLU, dropout              128 x 150     29 056
    convolution 5, dilation 2, the same, residual   128 x 150     82 176
    convolution 5, dilation 4, the same, residual   128 x 150     82 176
    convolution 5, dilation 8, the same, residual   128 x 150     82 176
    attentive mean and std, mean, maximum           512           16 576
    norm, dropout, dense                            64            33 856
    dropout, dense                                  K             65 K
    ==============================================  ============  ==========

    Parameters
    ----------
    n_rows, n_columns : int
        Size of the contours.
    n_classes : int
    filters : int, default=128
        Filters of each convolution.
    units : int, default=64
        Hidden units of the dense layer.
    dropout : float, default=0.2
        Of the convolutions.
    dense_dropout : float, default=0.4

    Examples
    --------
    >>> Conv1DRelative(46, 150, 6).embed(torch.ones(2, 46, 150)).shape
    torch.Size([2, 64])
    """

    def __init__(
        self,
        n_rows: int,
        n_columns: int,
        n_classes: int,
        filters: int = 128,
        units: int = 64,
        dropout: float = 0.2,
        dense_dropout: float = 0.4,
    ) -> None:
        super().__init__()
        self.preparation = StandardiseContours(n_rows)
        widths = (n_rows - 1, *(filters for _ in DILATIONS[1:]))
        blocks = [DilatedBlock(width, filters, step, dropout) for width, step in zip(widths, DILATIONS, strict=True)]
        self.blocks = nn.ModuleList(blocks)
        self.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.pool = ClipStatistics(filters)
        self.dense = nn.Sequential(
            nn.BatchNorm1d(4 * filters), nn.Dropout(dense_dropout), nn.Linear(4 * filters, units)
        )
        self.dropout = nn.Dropout(dense_dropout)
        self.output = nn.Linear(units, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the deep features, shape (n_clips, units), of prepared contours (n_clips, n_rows, n_columns)."""
        # Mixed inputs are inside where either of the two was.
        inside = (x[:, -1:] > 0).to(x.dtype)[:, :, None]
        steps = x[:, :-1, None].contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            steps = block(steps, inside)
        with full_precision(x):
            pooled = self.pool(steps.float().squeeze(2).transpose(1, 2), inside.float().squeeze(2).transpose(1, 2))
            return functional.relu(self.dense(pooled))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with full_precision(x):
            return self.output(self.dropout(units))


@dataclass(kw_only=True, eq=False, repr=False)
class Conv1DRelativeExtractor(DeepExtractor):
    """Dilated convolutions along time on contours that are relative within the clip; 64 hidden units.

    For recordings of other corpora. `Conv1DRelative` lists the layers. The network is trained for a fixed number of
    epochs on all training rows. Every epoch shows each clip once: unchanged, or as one of its augmented copies if there
    are any, such as those of the augmentations ``recording`` and ``vocal-tract``.

    Parameters
    ----------
    filters : int, default=128
        Filters of each convolution.
    units : int, default=64
        Hidden units of the dense layer.
    dropout : float, default=0.2
        Dropout of the convolutions.
    dense_dropout : float, default=0.4
        Dropout before each dense layer.
    mixup : float, default=0.5
        Share of the training batches that `Distortion` mixes.
    band_mask : int, default=6
        Maximum number of bands in each of the two stretches that are masked during training.
    frame_mask : int, default=12
        Maximum number of columns in each of the two stretches in which the bands are masked during training.
    front_end : RelativeContours, optional
        When None, the contours of 3 s at 16 kHz, one column every 20 ms.

    Examples
    --------
    >>> Conv1DRelativeExtractor().resolved_front_end().array_shape()
    (46, 150)
    """

    kind: ClassVar[str] = "conv1d-relative"
    space: ClassVar[Space] = {
        **DeepExtractor.space,
        "epochs": NumberRange(10, 60),
        "label_smoothing": NumberRange(0.0, 0.2),
        "dropout": NumberRange(0.0, 0.5),
        "dense_dropout": NumberRange(0.0, 0.6),
        "mixup": NumberRange(0.0, 0.6),
        "band_mask": NumberRange(0, 10),
        "frame_mask": NumberRange(0, 24),
    }
    epochs: int = 30
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    schedule: str = "one-cycle"
    patience: int | None = None
    validation: float = 0.0
    label_smoothing: float = 0.1
    filters: int = 128
    units: int = 64
    dropout: float = 0.2
    dense_dropout: float = 0.4
    mixup: float = 0.5
    band_mask: int = 6
    frame_mask: int = 12

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range."""
        super().check()
        front = self.resolved_front_end()
        if not isinstance(front, RelativeContours):
            raise SettingsError(
                f"{self.kind} cannot read {type(front).__name__}; expected RelativeContours as front_end"
            )
        for name in ("filters", "units", "band_mask", "frame_mask"):
            check_whole(name, getattr(self, name))
        check_units(filters=self.filters, units=self.units)
        check_dropout(self.dropout)
        check_dropout(self.dense_dropout, "dense_dropout")
        check_range("mixup", self.mixup, 0, 1)
        check_range("band_mask", self.band_mask, 0, N_BANDS)
        check_range("frame_mask", self.frame_mask, 0, front.array_shape()[1])

    def default_front_end(self) -> FrontEnd:
        """Return the contours of 46 rows by 150 columns."""
        return RelativeContours()

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> Conv1DRelative:
        """Build `Conv1DRelative`."""
        rows, columns = input_shape
        return Conv1DRelative(rows, columns, n_classes, self.filters, self.units, self.dropout, self.dense_dropout)

    def unit_count(self) -> int:
        """Return the number of hidden units."""
        return self.units

    def distortion(self) -> Distortion:
        """Return the masking and mixing of training batches."""
        return Distortion(mixup=self.mixup, band_mask=self.band_mask, frame_mask=self.frame_mask, bands=N_BANDS)

    def _training_inputs(
        self, rows: pd.DataFrame, trained: Positions
    ) -> tuple[Inputs, Positions, npt.NDArray[np.int64] | None]:
        rows = rows.iloc[trained]
        return self._inputs(rows), trained, versions_of(rows)
