"""Zhao's one- and two-dimensional CNN-LSTM networks, and their bidirectional variants."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from fusionser.errors import SettingsError, unknown_name
from fusionser.features.maps import FrontEnd, RawWaveform
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.layers import Network, convolution_blocks, last_states, one_bias_lstm
from fusionser.networks.preparation import Standardise

__all__ = [
    "CNNLSTM1D",
    "CNNLSTM2D",
    "CNNBiLSTM1DExtractor",
    "CNNBiLSTM2DExtractor",
    "CNNLSTM1DExtractor",
    "CNNLSTM2DExtractor",
]

FILTERS = (64, 64, 128, 128)
POOLS = (2, 4, 4, 4)
SEQUENCES = ("time", "channels")


class CNNLSTM1D(Network):
    """Four local feature learning blocks on the waveform, followed by an LSTM (Zhao, Mao and Chen 2019).

    Dey and others evaluate it on EMO-DB. For 3.5 s at 16 kHz; batch norm parameters include its running statistics:

    ===========================================  ============  ==========
    layer                                        output        parameters
    ===========================================  ============  ==========
    convolution 3, norm, ELU, pool 4             64 x 14 000   512
    convolution 3, norm, ELU, pool 4             64 x 3 500    12 608
    convolution 3, norm, ELU, pool 4             128 x 875     25 216
    convolution 3, norm, ELU, pool 4             128 x 218     49 792
    LSTM 256 (bidirectional)                     256 (512)     394 240 (788 480)
    dense                                        K             257 K (513 K)
    ===========================================  ============  ==========

    Parameters
    ----------
    n_samples : int
        Length of the waveform, at least 256.
    n_classes : int
    bidirectional : bool, default=False
    units : int, default=256
        Units of the LSTM, in each direction.

    Examples
    --------
    >>> import torch
    >>> CNNLSTM1D(4096, 7).embed(torch.zeros(2, 4096)).shape
    torch.Size([2, 256])
    """

    def __init__(self, n_samples: int, n_classes: int, bidirectional: bool = False, units: int = 256) -> None:
        super().__init__()
        if n_samples < 256:
            raise SettingsError(f"got waveforms of {n_samples} samples; four pools of 4 need 256 or more")
        self.preparation = Standardise((1,))
        # Maps of height one: 2D convolutions with channels last are faster than 1D convolutions.
        self.blocks = convolution_blocks(FILTERS, [(1, 3)] * len(FILTERS), [(1, 4)] * len(FILTERS), activation=nn.ELU)
        self.lstm = one_bias_lstm(FILTERS[-1], units, bidirectional=bidirectional)
        self.output = nn.Linear(units * (2 if bidirectional else 1), n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states of the LSTM for standardised waveforms (n_clips, n_samples)."""
        return last_states(self.lstm, self.blocks(x[:, None, None]).squeeze(2).transpose(1, 2))


class CNNLSTM2D(Network):
    """Four local feature learning blocks on the log-mel map, followed by an LSTM (Zhao, Mao and Chen 2019).

    For 128 bands by 219 frames, 3.5 s at 16 kHz:

    ===========================================  ==============  ==========
    layer                                        output          parameters
    ===========================================  ==============  ==========
    convolution 3 x 3, norm, ELU, pool 2         64 x 64 x 109   896
    convolution 3 x 3, norm, ELU, pool 4         64 x 16 x 27    37 184
    convolution 3 x 3, norm, ELU, pool 4         128 x 4 x 6     74 368
    convolution 3 x 3, norm, ELU, pool 4         128 x 1 x 1     148 096
    LSTM 256 (bidirectional)                     256 (512)       394 240 (788 480)
    dense                                        K               257 K (513 K)
    ===========================================  ==============  ==========

    The papers do not say along which axis the LSTM runs, and the last pool reduces a clip of 3.5 s to one frame of 128
    channels. `sequence` is therefore a choice: with "time" each frame is a step (longer clips have more than one), with
    "channels" each of the 128 channels is a step of one value.

    Parameters
    ----------
    n_bands, n_frames : int
        Size of the map, at least 128 x 128.
    n_classes : int
    bidirectional : bool, default=False
    sequence : {"time", "channels"}, default="time"
    units : int, default=256
        Units of the LSTM, in each direction.

    Examples
    --------
    >>> import torch
    >>> CNNLSTM2D(128, 219, 7).embed(torch.zeros(2, 128, 219)).shape
    torch.Size([2, 256])
    """

    kernels: ClassVar[tuple[int, ...]] = (3, 3, 3, 3)
    activation: ClassVar[type[nn.Module]] = nn.ELU

    def __init__(
        self,
        n_bands: int,
        n_frames: int,
        n_classes: int,
        bidirectional: bool = False,
        sequence: str = "time",
        units: int = 256,
    ) -> None:
        super().__init__()
        least = math.prod(POOLS)
        if min(n_bands, n_frames) < least:
            raise SettingsError(
                f"got maps of {n_bands} bands by {n_frames} frames; pools of 2, 4, 4, 4 need {least} or more of each"
            )
        if sequence not in SEQUENCES:
            raise unknown_name("sequence", sequence, SEQUENCES)
        self.preparation = Standardise((n_bands, 1))
        self.sequence = sequence
        self.blocks = convolution_blocks(FILTERS, self.kernels, POOLS, activation=self.activation)
        bands, frames = n_bands // least, n_frames // least
        width = FILTERS[-1] * bands if sequence == "time" else bands * frames
        self.lstm = one_bias_lstm(width, units, bidirectional=bidirectional)
        self.output = nn.Linear(units * (2 if bidirectional else 1), n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states of the LSTM for standardised maps (n_clips, n_bands, n_frames)."""
        maps = self.blocks(x[:, None])
        steps = maps.flatten(1, 2).transpose(1, 2) if self.sequence == "time" else maps.flatten(2)
        return last_states(self.lstm, steps)


@dataclass(kw_only=True, eq=False, repr=False)
class CNNLSTM1DExtractor(BaselineExtractor):
    """Zhao, Mao and Chen's 1D CNN-LSTM on the waveform of 3.5 s at 16 kHz.

    `CNNLSTM1D` lists the layers.

    Examples
    --------
    >>> CNNLSTM1DExtractor().get_feature_names_out().size, CNNBiLSTM1DExtractor().get_feature_names_out().size
    (256, 512)
    """

    kind: ClassVar[str] = "cnn-lstm-1d"
    network = CNNLSTM1D
    reads: ClassVar[type[FrontEnd]] = RawWaveform
    units: int = 256

    def default_front_end(self) -> FrontEnd:
        """Return the waveform of 56 000 samples."""
        return RawWaveform(sampling_rate=16000, duration=3.5)


class CNNBiLSTM1DExtractor(CNNLSTM1DExtractor):
    """Zhao, Mao and Chen's 1D CNN-LSTM on the waveform, with a bidirectional LSTM (Dey and others).

    Examples
    --------
    >>> CNNBiLSTM1DExtractor().get_feature_names_out().size
    512
    """

    kind: ClassVar[str] = "cnn-bilstm-1d"
    bidirectional: ClassVar[bool] = True


@dataclass(kw_only=True, eq=False, repr=False)
class CNNLSTM2DExtractor(BaselineExtractor):
    """Zhao, Mao and Chen's 2D CNN-LSTM on the log-mel map of 3.5 s at 16 kHz, 128 bands by 219 frames.

    `CNNLSTM2D` lists the layers.

    Parameters
    ----------
    sequence : {"time", "channels"}, default="time"
        Axis that the LSTM runs along.

    Examples
    --------
    >>> CNNLSTM2DExtractor().get_feature_names_out().size
    256
    """

    kind: ClassVar[str] = "cnn-lstm-2d"
    network = CNNLSTM2D
    units: int = 256
    sequence: str = "time"


class CNNBiLSTM2DExtractor(CNNLSTM2DExtractor):
    """Zhao, Mao and Chen's 2D CNN-LSTM on the log-mel map, with a bidirectional LSTM (Dey and others).

    Examples
    --------
    >>> CNNBiLSTM2DExtractor().get_feature_names_out().size
    512
    """

    kind: ClassVar[str] = "cnn-bilstm-2d"
    bidirectional: ClassVar[bool] = True
