"""The two-dimensional deep extractor: a small convolutional and recurrent network on the log-mel map."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor, nn
from torch.nn import functional

from fusionser.augmentation.waveforms import Augmentation
from fusionser.checks import check_dropout, check_range, check_units
from fusionser.errors import SettingsError
from fusionser.features.learned import columns_of
from fusionser.features.maps import ClipMap, FrontEnd, LogMelMap, MFCCMap
from fusionser.features.relative_map import RelativeMap
from fusionser.networks.batches import Distortion
from fusionser.networks.copies import versions_of
from fusionser.networks.extractor import Array, DeepExtractor, Positions
from fusionser.networks.inputs import Inputs, batch_of
from fusionser.networks.layers import AttentiveStatistics, Network, convolution_blocks, full_precision, single
from fusionser.networks.preparation import Standardise
from fusionser.rows import array_columns
from fusionser.search_space import NumberRange, Space
from fusionser.shards import ArrayList

__all__ = ["Conv2D", "Conv2DExtractor", "Conv2DMFCCExtractor", "Conv2DRelativeExtractor"]

POOLS = ((2, 2), (2, 2), (2, 2), (2, 1))
"""Bands and frames that each pool combines. The recurrent layer needs time steps, so time shrinks only to an eighth."""

MOST_SPEEDS = 8

PART = 512
"""About how many clips are in memory at all speeds together, where not all clips are."""


class Conv2D(Network):
    """Four convolutions, a bidirectional GRU over time, attentive statistics and 32 deep features.

    SER-FusionNet (Boopathi, Bramadi, Ravi Kumar and Babu 2023) mentions a Conv2D extractor of 32 features on the mel
    spectrogram but prints no layer table, so this architecture is ours. For a map of 64 x 188:

    ======================================  ==============  ==========
    layer                                   output          parameters
    ======================================  ==============  ==========
    convolution 3 x 3, norm, ReLU, pool     16 x 32 x 94    176
    convolution 3 x 3, norm, ReLU, pool     32 x 16 x 47    4 672
    convolution 3 x 3, norm, ReLU, pool     64 x 8 x 23     18 560
    convolution 3 x 3, norm, ReLU, pool     128 x 4 x 23    73 984
    bidirectional GRU, 64 units             23 x 128        221 952
    attentive mean and std                  256             8 321
    dense, dropout                          32              8 224
    dense                                   K               33 K
    ======================================  ==============  ==========

    Parameters
    ----------
    n_bands, n_frames : int
        Size of the map, at least 16 x 8.
    n_classes : int
    filters : sequence of 4 int, default=(16, 32, 64, 128)
    units : int, default=64
        Units of the GRU, in each direction.
    dropout : float, default=0.2

    Examples
    --------
    >>> import torch
    >>> Conv2D(64, 188, 8).embed(torch.zeros(2, 64, 188)).shape
    torch.Size([2, 32])
    """

    def __init__(
        self,
        n_bands: int,
        n_frames: int,
        n_classes: int,
        filters: Sequence[int] = (16, 32, 64, 128),
        units: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.preparation = Standardise((n_bands, 1))
        self.convolutions = convolution_blocks(filters, [3] * len(POOLS), POOLS, activation=nn.ReLU, bias=False)
        self.recurrent = nn.GRU(filters[-1] * (n_bands // 16), units, bidirectional=True, batch_first=True)
        self.pool = AttentiveStatistics(2 * units)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(4 * units, 32)
        self.output = nn.Linear(32, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the deep features, shape (n_clips, 32), of standardised maps (n_clips, n_bands, n_frames)."""
        x = self.convolutions(x[:, None])
        # The recurrent layer and the pooling learn worse in lower precision.
        with full_precision(x):
            steps, _ = self.recurrent(single(x).flatten(1, 2).transpose(1, 2))
            return functional.relu(self.dense(self.dropout(self.pool(steps))))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with full_precision(x):
            return self.output(self.dropout(units))


@dataclass(kw_only=True, eq=False, repr=False)
class Conv2DExtractor(DeepExtractor):
    """Light 2D convolutions and a GRU on the log-mel map; 32 hidden units.

    `Conv2D` lists the layers. The network is trained for a fixed number of epochs on all training rows. Every epoch
    shows each clip once: unchanged, at one of `speeds`, or as one of its augmented copies if there are any. Copies
    replace their original instead of adding to the epoch, so they do not make training longer.

    Parameters
    ----------
    filters : sequence of 4 int, default=(16, 32, 64, 128)
        Filters of each convolution.
    units : int, default=64
        Units of the recurrent layer, in each direction.
    dropout : float, default=0.2
    speeds : sequence of float, default=(0.9, 1.1)
        Additional playback speeds, 0.5 to 2 (Ko, Peddinti, Povey and Khudanpur 2015). A prediction averages hidden
        units or logits over the clip's own speed and all of these. The speed of augmented copies is not changed.
    mixup : float, default=0.2
        Share of the training batches that `Distortion` mixes.
    band_mask : int, default=10
        Maximum number of bands in each of the two stretches that are masked during training.
    frame_mask : int, default=24
        Maximum number of frames in each of the two stretches that are masked during training.
    shift : int, default=10
        Maximum number of frames by which maps are rotated during training.
    front_end : LogMelMap, optional
        When None, 64 bands of the trimmed clip, 3 s at 16 kHz, one frame every 16 ms.

    Examples
    --------
    >>> len(Conv2DExtractor().names())
    32
    """

    kind: ClassVar[str] = "conv2d"
    space: ClassVar[Space] = {
        **DeepExtractor.space,
        "epochs": NumberRange(40, 160),
        "label_smoothing": NumberRange(0.0, 0.2),
        "dropout": NumberRange(0.0, 0.5),
        "mixup": NumberRange(0.0, 0.6),
        "band_mask": NumberRange(0, 16),
        "frame_mask": NumberRange(0, 48),
    }
    epochs: int = 108
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    schedule: str = "one-cycle"
    patience: int | None = None
    validation: float = 0.0
    label_smoothing: float = 0.1
    filters: Sequence[int] = (16, 32, 64, 128)
    units: int = 64
    dropout: float = 0.2
    speeds: Sequence[float] = (0.9, 1.1)
    mixup: float = 0.2
    band_mask: int = 10
    frame_mask: int = 24
    shift: int = 10

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range."""
        super().check()
        front = self.resolved_front_end()
        if not isinstance(front, ClipMap | RelativeMap):
            raise SettingsError(f"{self.kind} reads maps; expected a LogMelMap, MFCCMap or RelativeMap as front_end")
        if front.array_shape()[1] < 8:
            raise SettingsError(f"{self.kind} needs maps of 8 frames or more; got {front.array_shape()[1]}")
        if len(self.filters) != len(POOLS):
            raise SettingsError(f"filters is {tuple(self.filters)}; expected {len(POOLS)} numbers")
        check_units(filters=self.filters, units=self.units)
        check_dropout(self.dropout)
        if len(self.speeds) > MOST_SPEEDS:
            raise SettingsError(f"got {len(self.speeds)} speeds; expected at most {MOST_SPEEDS}")
        for speed in self.speeds:
            check_range("each of speeds", speed, 0.5, 2)
        if not 0 <= self.mixup <= 1 or min(self.band_mask, self.frame_mask, self.shift) < 0:
            raise SettingsError("expected mixup from 0 to 1, and band_mask, frame_mask and shift of 0 or more")

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 64 bands by 188 frames."""
        return LogMelMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=256, n_mels=64, duration=3.0)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> Conv2D:
        """Build `Conv2D`."""
        bands, frames = input_shape
        if bands < 16 or frames < 8:
            raise SettingsError(f"{self.kind} needs maps of 16 bands by 8 frames or more; got {bands} by {frames}")
        return Conv2D(bands, frames, n_classes, tuple(self.filters), self.units, self.dropout)

    def unit_count(self) -> int:
        """Return 32."""
        return 32

    def _on_disk(self, count: int) -> bool:
        return super()._on_disk(count * (1 + len(self.speeds)))

    def _applied(self, rows: pd.DataFrame, function: Callable[[Inputs], Array]) -> Array:
        if not self._on_disk(len(rows)):
            return self._averaged(rows, function)
        # Whole batches, so that each clip is in the same one as with all clips in memory.
        batch = batch_of(math.prod(self.resolved_front_end().array_shape()))
        size = batch * max(1, PART // batch)
        parts = [rows.iloc[first : first + size] for first in range(0, len(rows), size)]
        return np.concatenate([self._averaged(part, function) for part in parts])

    def _averaged(self, rows: pd.DataFrame, function: Callable[[Inputs], Array]) -> Array:
        """Return the mean of the answers at all speeds, which are computed in the same batches."""
        versions = [self._front_end().compute_all(rows)]
        for changed in self._at_speeds(rows):
            # A clip that is too short at a speed counts again at its own.
            inputs = versions[0].copy()
            for position, values in changed.items():
                inputs[position] = values
            versions.append(inputs)
        together = np.stack(versions, axis=1).reshape(-1, *versions[0].shape[1:])
        return function(together).reshape(len(rows), len(versions), -1).mean(axis=1)

    def distortion(self) -> Distortion:
        """Return the masking, shifting and mixing of training batches."""
        return Distortion(mixup=self.mixup, band_mask=self.band_mask, frame_mask=self.frame_mask, shift=self.shift)

    def _at_speeds(self, rows: pd.DataFrame, *, on_disk: bool = False) -> list[dict[int, Array]]:
        """Return the maps of the original recordings at each other speed, by position; clips too short are left out."""
        originals = np.flatnonzero(columns_of(rows, {"augmentation": ""})["augmentation"] == "")
        if len(originals) == 0 or not self.speeds:
            return [{} for _ in self.speeds]
        plain = rows.drop(columns=array_columns(rows)).iloc[originals]
        changed = pd.concat([plain.assign(augmentation=str(Augmentation("speed", one, 0))) for one in self.speeds])
        maps = list(self._front_end().compute_usable(changed, on_disk=on_disk))
        count = len(originals)
        return [
            {
                position: array
                for position, array in zip(originals.tolist(), maps[first : first + count], strict=True)
                if array is not None
            }
            for first in range(0, len(maps), count)
        ]

    def _training_inputs(
        self, rows: pd.DataFrame, trained: Positions
    ) -> tuple[Inputs, Positions, npt.NDArray[np.int64] | None]:
        rows = rows.iloc[trained]
        groups, on_disk = versions_of(rows), self._on_disk(len(rows))
        inputs, positions = list(self._inputs(rows)), list(range(len(rows)))
        for changed in self._at_speeds(rows, on_disk=on_disk):
            inputs += changed.values()
            positions += changed
        return ArrayList(inputs) if on_disk else np.stack(inputs), trained[positions], groups[positions]


class Conv2DMFCCExtractor(Conv2DExtractor):
    """Light 2D convolutions and a GRU on 40 MFCC of every frame; 32 hidden units.

    Like `Conv2DExtractor` on another representation of the clip, which leads to different errors.

    Parameters
    ----------
    front_end : MFCCMap, optional
        When None, 40 coefficients of the trimmed clip, 3 s at 16 kHz, one frame every 16 ms.

    Examples
    --------
    >>> Conv2DMFCCExtractor().resolved_front_end().array_shape()
    (40, 188)
    """

    kind: ClassVar[str] = "conv2d-mfcc"

    def default_front_end(self) -> FrontEnd:
        """Return the map of 40 MFCC by 188 frames."""
        return MFCCMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=256, n_mels=64, n_mfcc=40, duration=3.0)


class Conv2DRelativeExtractor(Conv2DExtractor):
    """Light 2D convolutions and a GRU on the map that is relative within the clip; 32 hidden units.

    For recordings of other corpora. Like `Conv2DExtractor`, with copies of other recordings of the same clip, such as
    those of the augmentation ``recording``, if the training rows have any.

    Parameters
    ----------
    front_end : RelativeMap, optional
        When None, 40 bands of the active part, 2.5 s at 16 kHz, one frame every 10 ms.

    Examples
    --------
    >>> Conv2DRelativeExtractor().resolved_front_end().array_shape()
    (40, 250)
    """

    kind: ClassVar[str] = "conv2d-relative"

    def default_front_end(self) -> FrontEnd:
        """Return the relative map of 40 bands by 250 frames."""
        return RelativeMap()
