"""The time-distributed CNN-LSTM and CNN-BiLSTM: one small convolutional network on many short segments of a map."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor, nn

from fusionser.errors import SettingsError, unknown_name
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.layers import Network, convolution_blocks, last_states, one_bias_lstm, segments
from fusionser.networks.preparation import Standardise

__all__ = ["ACTIVATIONS", "TimeDistributedBiLSTMExtractor", "TimeDistributedCNNLSTM", "TimeDistributedLSTMExtractor"]

FILTERS = 128
KERNELS = ((2, 2), (2, 2), (2, 1), (2, 1))
POOLS = ((2, 2), (2, 1), (2, 1), (2, 1))
LEAST_BANDS = 31

ACTIVATIONS: Mapping[str, type[nn.Module]] = MappingProxyType({"elu": nn.ELU, "relu": nn.ReLU, "none": nn.Identity})
"""Possible activations between batch norm and pooling."""


class TimeDistributedCNNLSTM(Network):
    """The same four convolutions on each of 18 segments of the log-mel map, and an LSTM over the segments.

    Dey and others, on EMO-DB. There is no padding. For segments of 128 bands by 5 frames; batch norm parameters
    include its running statistics:

    =======================  =============  ==========
    layer                    output         parameters
    =======================  =============  ==========
    convolution 2 x 2        128 x 127 x 4  640
    norm, pool 2 x 2         128 x 63 x 2   512
    convolution 2 x 2        128 x 62 x 1   65 664
    norm, pool 2 x 1         128 x 31 x 1   512
    convolution 2 x 1        128 x 30 x 1   32 896
    norm, pool 2 x 1         128 x 15 x 1   512
    convolution 2 x 1        128 x 14 x 1   32 896
    norm, pool 2 x 1         128 x 7 x 1    512
    BiLSTM 32 over segments  64             237 824
    dense                    K              65 K
    =======================  =============  ==========

    For K = 7 these are 372 423 parameters, the total of the paper. The paper prints a flattened size of 496, but its
    BiLSTM parameter count requires 7 x 128 = 896, which is used here. It prints no activation between the layers;
    the default is ELU, as in the blocks that it builds on. 18 segments of 5 frames are 90 of the 219 frames, and the
    paper does not say which: `spread` decides whether they cover the clip with gaps, or its first 90 frames.

    Parameters
    ----------
    n_bands, n_frames : int
        Size of the map: at least 31 bands, and enough frames for one segment.
    n_classes : int
    bidirectional : bool, default=False
    n_segments, segment_frames : int, default=18, 5
        Number of segments, and frames per segment.
    spread : bool, default=True
        Whether the segments are spread over the whole map, else they follow each other from its first frame.
    activation : {"elu", "relu", "none"}, default="elu"
    units : int, default=32
        Units of the LSTM, in each direction.

    Examples
    --------
    >>> import torch
    >>> TimeDistributedCNNLSTM(128, 219, 7, bidirectional=True).embed(torch.zeros(2, 128, 219)).shape
    torch.Size([2, 64])
    """

    def __init__(
        self,
        n_bands: int,
        n_frames: int,
        n_classes: int,
        bidirectional: bool = False,
        n_segments: int = 18,
        segment_frames: int = 5,
        spread: bool = True,
        activation: str = "elu",
        units: int = 32,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        least = segment_frames if spread else n_segments * segment_frames
        if n_bands < LEAST_BANDS or n_frames < least or segment_frames < 5 or n_segments < 1:
            raise SettingsError(
                f"got maps of {n_bands} bands by {n_frames} frames for {n_segments} segments of {segment_frames}; "
                f"expected {LEAST_BANDS} bands, {least} frames, 1 segment and segments of 5 frames, or more of each"
            )
        self.preparation = Standardise((n_bands, 1))
        self.n_segments, self.segment_frames, self.spread = n_segments, segment_frames, spread
        height, width = n_bands, segment_frames
        for kernel, pool in zip(KERNELS, POOLS, strict=True):
            height, width = (height - kernel[0] + 1) // pool[0], (width - kernel[1] + 1) // pool[1]
        self.blocks = convolution_blocks(
            [FILTERS] * len(KERNELS), KERNELS, POOLS, activation=ACTIVATIONS[activation], padded=False
        )
        self.lstm = one_bias_lstm(FILTERS * height * width, units, bidirectional=bidirectional)
        self.output = nn.Linear(units * (2 if bidirectional else 1), n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states of the LSTM for standardised maps (n_clips, n_bands, n_frames)."""
        cut = segments(x, self.n_segments, self.segment_frames, None if self.spread else self.segment_frames)
        maps = self.blocks(cut.flatten(0, 1)[:, None])
        return last_states(self.lstm, maps.flatten(1).unflatten(0, (x.shape[0], self.n_segments)))


@dataclass(kw_only=True, eq=False, repr=False)
class TimeDistributedLSTMExtractor(BaselineExtractor):
    """Dey and others' time-distributed CNN-LSTM: the same convolutions over 18 segments of the log-mel map.

    `TimeDistributedCNNLSTM` lists the layers.

    Parameters
    ----------
    n_segments : int, default=18
        Number of segments of the map.
    segment_frames : int, default=5
        Frames per segment.
    spread : bool, default=True
        Whether the segments are spread over the whole map, else they follow each other from its first frame.
    activation : {"elu", "relu", "none"}, default="elu"

    Examples
    --------
    >>> TimeDistributedLSTMExtractor().get_feature_names_out().size
    32
    """

    kind: ClassVar[str] = "time-distributed-cnn-lstm"
    network = TimeDistributedCNNLSTM
    n_segments: int = 18
    segment_frames: int = 5
    spread: bool = True
    activation: str = "elu"
    units: int = 32


class TimeDistributedBiLSTMExtractor(TimeDistributedLSTMExtractor):
    """Dey and others' time-distributed CNN-LSTM, with a bidirectional LSTM.

    All else is as in `TimeDistributedLSTMExtractor`. It has 372 423 parameters for seven classes.

    Examples
    --------
    >>> TimeDistributedBiLSTMExtractor().get_feature_names_out().size
    64
    """

    kind: ClassVar[str] = "time-distributed-cnn-bilstm"
    bidirectional: ClassVar[bool] = True
