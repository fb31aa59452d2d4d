"""The time-distributed CNN-LSTM and CNN-BiLSTM: one small convolutional network over many short segments of a map."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor, nn

from fusionser.errors import SettingsError, unknown_name
from fusionser.features.maps import FrontEnd, LogMelMap
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.layers import Network, Standardise, convolution_blocks, last_states, one_bias_lstm, segments

__all__ = ["ACTIVATIONS", "TimeDistributedBiLSTMExtractor", "TimeDistributedCNNLSTM", "TimeDistributedLSTMExtractor"]

FILTERS = 128
KERNELS = ((2, 2), (2, 2), (2, 1), (2, 1))
POOLS = ((2, 2), (2, 1), (2, 1), (2, 1))
LEAST_BANDS = 31

ACTIVATIONS: Mapping[str, type[nn.Module]] = MappingProxyType({"elu": nn.ELU, "relu": nn.ReLU, "none": nn.Identity})
"""What may stand between batch norm and pooling."""


class TimeDistributedCNNLSTM(Network):
    """The same four convolutions over each of 18 segments of the log-mel map, and an LSTM over the segments.

    Dey and others, on EMO-DB. Without padding, for segments of 128 bands by 5 frames, batch norm with its statistics:

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

    372 423 for K = 7, as the paper sums up. Its summary prints 496 behind the flattening; the BiLSTM's parameters
    need 7 x 128 = 896, which is what is here. It prints no activation between the layers: `activation` is ELU, as in
    the blocks that it builds on. 18 segments of 5 frames are 90 of 219 frames, and the paper does not say what
    becomes of the rest: `spread` covers the clip with gaps between the segments, or takes its first 90 frames.

    Parameters
    ----------
    n_bands, n_frames : int
        Size of the map: 31 bands at least, and frames for one segment.
    n_classes : int
    bidirectional : bool, default=False
    n_segments, segment_frames : int, default=18, 5
    spread : bool, default=True
        See `segments`.
    activation : {"elu", "relu", "none"}, default="elu"
    units : int, default=32
        Of the LSTM, each way.

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
                f"expected {LEAST_BANDS} bands, {least} frames and segments of 5 frames at least"
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
        """Return the last states of the LSTM, of standardised maps (n_clips, n_bands, n_frames)."""
        cut = segments(x, self.n_segments, self.segment_frames, None if self.spread else self.segment_frames)
        maps = self.blocks(cut.flatten(0, 1)[:, None])
        return last_states(self.lstm, maps.flatten(1).unflatten(0, (len(x), self.n_segments)))


@dataclass(kw_only=True, eq=False, repr=False)
class TimeDistributedLSTMExtractor(BaselineExtractor):
    """Dey and others' time-distributed CNN-LSTM: the same convolutions over 18 segments of the log-mel map.

    See `TimeDistributedCNNLSTM`.

    Parameters
    ----------
    n_segments : int, default=18
        Segments that the map is cut into.
    segment_frames : int, default=5
        Frames of each segment.
    spread : bool, default=True
    activation : {"elu", "relu", "none"}, default="elu"
    units : int, default=32
        Of the LSTM, each way.

    Examples
    --------
    >>> TimeDistributedBiLSTMExtractor().get_feature_names_out().size
    64
    """

    kind: ClassVar[str] = "time-distributed-cnn-lstm"
    n_segments: int = 18
    segment_frames: int = 5
    spread: bool = True
    activation: str = "elu"
    units: int = 32

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 128 bands by 219 frames."""
        return LogMelMap(sampling_rate=16000, n_fft=2048, hop_length=256, duration=3.5)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> TimeDistributedCNNLSTM:
        """Build `TimeDistributedCNNLSTM`."""
        bands, frames = input_shape
        return TimeDistributedCNNLSTM(
            bands,
            frames,
            n_classes,
            bidirectional=self.bidirectional,
            n_segments=self.n_segments,
            segment_frames=self.segment_frames,
            spread=self.spread,
            activation=self.activation,
            units=self.units,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class TimeDistributedBiLSTMExtractor(TimeDistributedLSTMExtractor):
    """Dey and others' time-distributed CNN-LSTM, with an LSTM both ways.

    Otherwise as `TimeDistributedLSTMExtractor`; 372 423 parameters for seven classes.
    """

    kind: ClassVar[str] = "time-distributed-cnn-bilstm"
    bidirectional: ClassVar[bool] = True
