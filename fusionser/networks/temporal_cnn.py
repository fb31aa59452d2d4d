"""The temporal CNN family, MODEL-1 to MODEL-5: convolutions on each segment of a map, LSTMs over the segments."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor, nn

from fusionser.errors import SettingsError
from fusionser.features.maps import FrontEnd, LogMelMap
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.cnn_lstm import FILTERS
from fusionser.networks.layers import Network, all_states, convolution_blocks, last_states, one_bias_lstm, segments
from fusionser.networks.preparation import Standardise

__all__ = [
    "TEMPORAL_MODELS",
    "TemporalCNN",
    "TemporalCNN1Extractor",
    "TemporalCNN2Extractor",
    "TemporalCNN3Extractor",
    "TemporalCNN4Extractor",
    "TemporalCNN5Extractor",
    "TemporalModel",
]


@dataclass(frozen=True)
class TemporalModel:
    """One row of the paper's table of models.

    Parameters
    ----------
    blocks, lstms : int
        Number of convolutional blocks and of LSTM layers.
    bidirectional : bool
    dropout : float
    copies : int
        Augmented copies per clip. The paper's x3 and x7 also count the clip itself.
    """

    blocks: int
    lstms: int
    bidirectional: bool
    dropout: float
    copies: int


TEMPORAL_MODELS: Mapping[int, TemporalModel] = MappingProxyType(
    {
        1: TemporalModel(2, 1, False, 0.3, 2),
        2: TemporalModel(2, 1, False, 0.4, 2),
        3: TemporalModel(2, 2, False, 0.3, 2),
        4: TemporalModel(3, 1, True, 0.3, 6),
        5: TemporalModel(4, 1, True, 0.3, 6),
    }
)
"""MODEL-1 to MODEL-5 of Chowanda and Muliono."""


class TemporalCNN(Network):
    """Convolutional blocks on each segment of the log-mel map, then one or two LSTMs (Chowanda and Muliono).

    For MODEL-1 and segments of 128 bands by 128 frames; batch norm parameters include its running statistics:

    ==============================================  ============  ==========
    layer, over each segment                        output        parameters
    ==============================================  ============  ==========
    convolution 3 x 3, norm, ELU, pool 3, dropout   64 x 43 x 43  896
    convolution 3 x 3, norm, ELU, pool 3, dropout   64 x 15 x 15  37 184
    LSTM 128 over the segments                      128           7 438 848
    dense                                           K             129 K
    ==============================================  ============  ==========

    A third and a fourth block have 128 filters each. The paper does not give the filters; these are from the networks
    that it builds on. Pools are padded, because four pools of 3 would otherwise need 81 frames per segment.

    Parameters
    ----------
    n_bands, n_frames : int
        Size of the map.
    n_classes : int
    blocks : int, default=2
        1 to 4.
    lstms : int, default=1
        1 or 2.
    bidirectional : bool, default=False
    dropout : float, default=0.3
    n_segments, segment_frames, segment_step : int, default=4, 128, 64
        Number of segments, frames per segment, and frames between the starts of consecutive segments.
    units : int, default=128
        Units of each LSTM, in each direction.

    Examples
    --------
    >>> import torch
    >>> TemporalCNN(128, 376, 5, blocks=4, bidirectional=True).embed(torch.zeros(1, 128, 376)).shape
    torch.Size([1, 256])
    """

    def __init__(
        self,
        n_bands: int,
        n_frames: int,
        n_classes: int,
        blocks: int = 2,
        lstms: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.3,
        n_segments: int = 4,
        segment_frames: int = 128,
        segment_step: int = 64,
        units: int = 128,
    ) -> None:
        super().__init__()
        if not 1 <= blocks <= len(FILTERS) or not 1 <= lstms <= 2:
            raise SettingsError(f"got {blocks} blocks and {lstms} LSTMs; expected 1 to {len(FILTERS)}, and 1 or 2")
        if min(n_segments, segment_frames, segment_step) < 1:
            raise SettingsError(
                f"got {n_segments} segments of {segment_frames} frames, {segment_step} apart; expected 1 or more each"
            )
        needed = segment_frames + (n_segments - 1) * segment_step
        if n_frames < needed:
            raise SettingsError(
                f"got maps of {n_frames} frames; {n_segments} segments of {segment_frames}, {segment_step} apart, need "
                f"{needed}"
            )
        self.preparation = Standardise((n_bands, 1))
        self.n_segments, self.segment_frames, self.segment_step = n_segments, segment_frames, segment_step
        self.blocks = convolution_blocks(
            FILTERS[:blocks], [3] * blocks, [3] * blocks, activation=nn.ELU, pad_pools=True, dropout=dropout
        )
        wide = units * (2 if bidirectional else 1)
        values = FILTERS[blocks - 1] * -(-n_bands // 3**blocks) * -(-segment_frames // 3**blocks)
        self.lstm_1 = one_bias_lstm(values, units, bidirectional=bidirectional) if lstms == 2 else None
        self.lstm = one_bias_lstm(wide if lstms == 2 else values, units, bidirectional=bidirectional)
        self.output = nn.Linear(wide, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states of the last LSTM for standardised maps (n_clips, n_bands, n_frames)."""
        cut = segments(x, self.n_segments, self.segment_frames, self.segment_step)
        steps = self.blocks(cut.flatten(0, 1)[:, None]).flatten(1).unflatten(0, (x.shape[0], self.n_segments))
        if self.lstm_1 is not None:
            steps = all_states(self.lstm_1, steps)
        return last_states(self.lstm, steps)


@dataclass(kw_only=True, eq=False, repr=False)
class TemporalCNN1Extractor(BaselineExtractor):
    """Chowanda and Muliono's temporal CNN, MODEL-1: two convolutional blocks and an LSTM.

    `TemporalCNN` lists the layers. The default is four segments of 128 frames of 128 samples, 64 frames apart, as in
    public code with these shapes. For the framing that the text describes, one window of 64 frames of 512 samples, set
    `n_segments` to 1, `segment_frames` to 64 and the hop length to 512. The window, 256 samples, is the paper's.

    Parameters
    ----------
    n_segments : int, default=4
        Number of segments of the map.
    segment_frames : int, default=128
        Frames per segment.
    segment_step : int, default=64
        Frames between the starts of consecutive segments.

    Examples
    --------
    >>> [kind().unit_count() for kind in (TemporalCNN1Extractor, TemporalCNN5Extractor)]
    [128, 256]
    """

    kind: ClassVar[str] = "temporal-cnn-1"
    model: ClassVar[int] = 1
    n_segments: int = 4
    segment_frames: int = 128
    segment_step: int = 64

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 128 bands up to 4 kHz by 376 frames."""
        return LogMelMap(sampling_rate=16000, n_fft=512, win_length=256, hop_length=128, fmax=4000.0, duration=3.0)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> TemporalCNN:
        """Build `TemporalCNN` with the layers of `model`."""
        *layers, _copies = astuple(TEMPORAL_MODELS[self.model])
        options = (*layers, self.n_segments, self.segment_frames, self.segment_step, self.units)
        bands, frames = input_shape
        return TemporalCNN(bands, frames, n_classes, *options)


class TemporalCNN2Extractor(TemporalCNN1Extractor):
    """Chowanda and Muliono's temporal CNN, MODEL-2: two convolutional blocks and an LSTM, with more dropout.

    Examples
    --------
    >>> TemporalCNN2Extractor().unit_count()
    128
    """

    kind: ClassVar[str] = "temporal-cnn-2"
    model: ClassVar[int] = 2


class TemporalCNN3Extractor(TemporalCNN1Extractor):
    """Chowanda and Muliono's temporal CNN, MODEL-3: two convolutional blocks and two LSTMs.

    Examples
    --------
    >>> TemporalCNN3Extractor().unit_count()
    128
    """

    kind: ClassVar[str] = "temporal-cnn-3"
    model: ClassVar[int] = 3


class TemporalCNN4Extractor(TemporalCNN1Extractor):
    """Chowanda and Muliono's temporal CNN, MODEL-4: three convolutional blocks and a bidirectional LSTM.

    Examples
    --------
    >>> TemporalCNN4Extractor().unit_count()
    256
    """

    kind: ClassVar[str] = "temporal-cnn-4"
    model: ClassVar[int] = 4
    bidirectional: ClassVar[bool] = TEMPORAL_MODELS[4].bidirectional


class TemporalCNN5Extractor(TemporalCNN1Extractor):
    """Chowanda and Muliono's temporal CNN, MODEL-5: four convolutional blocks and a bidirectional LSTM.

    Examples
    --------
    >>> TemporalCNN5Extractor().unit_count()
    256
    """

    kind: ClassVar[str] = "temporal-cnn-5"
    model: ClassVar[int] = 5
    bidirectional: ClassVar[bool] = TEMPORAL_MODELS[5].bidirectional
