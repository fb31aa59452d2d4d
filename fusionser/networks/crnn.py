"""The CRNN: kernels that shrink, filters that grow, and a bidirectional LSTM."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from fusionser.features.maps import FrontEnd, LogMelMap
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.layers import Network, Standardise, check_pools, convolution_blocks, last_states, one_bias_lstm

__all__ = ["CRNN", "CRNNExtractor"]

KERNELS = (9, 7, 5, 3)
FILTERS = (64, 64, 128, 128)
POOLS = (2, 4, 4, 4)


class CRNN(Network):
    """Four convolutions of 9, 7, 5 and 3, and a bidirectional LSTM over the frames that are left (Yadav and others).

    For 128 bands by 259 frames, 3 s at 44.1 kHz, batch norm counted with its statistics:

    ========================================  ==============  ==========
    layer                                     output          parameters
    ========================================  ==============  ==========
    convolution 9 x 9, norm, ReLU, pool 2     64 x 64 x 129   5 504
    convolution 7 x 7, norm, ReLU, pool 4     64 x 16 x 32    201 024
    convolution 5 x 5, norm, ReLU, pool 4     128 x 4 x 8     205 440
    convolution 3 x 3, norm, ReLU, pool 4     128 x 1 x 2     148 096
    bidirectional LSTM 128                    256             263 168
    dense                                     K               257 K
    ========================================  ==============  ==========

    The LSTM sees two steps of 128 values. There is no dropout.

    Parameters
    ----------
    n_bands, n_frames : int
        Size of the map, at least 128 x 128.
    n_classes : int
    units : int, default=128
        Of the LSTM, each way.

    Examples
    --------
    >>> import torch
    >>> CRNN(128, 259, 8).embed(torch.zeros(1, 128, 259)).shape
    torch.Size([1, 256])
    """

    def __init__(self, n_bands: int, n_frames: int, n_classes: int, units: int = 128) -> None:
        super().__init__()
        check_pools(n_bands, n_frames, POOLS)
        self.preparation = Standardise((n_bands, 1))
        self.blocks = convolution_blocks(FILTERS, KERNELS, POOLS, activation=nn.ReLU)
        self.lstm = one_bias_lstm(FILTERS[-1] * (n_bands // 128), units, bidirectional=True)
        self.output = nn.Linear(2 * units, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states of both directions, of standardised maps (n_clips, n_bands, n_frames)."""
        return last_states(self.lstm, self.blocks(x[:, None]).flatten(1, 2).transpose(1, 2))


@dataclass(kw_only=True, eq=False, repr=False)
class CRNNExtractor(BaselineExtractor):
    """Yadav and others' CRNN on the log-mel map of 3 s at 44.1 kHz, 128 bands by 259 frames.

    See `CRNN`.

    Silence is trimmed and a Wiener filter applied. The paper standardises its maps and does not say over what: here
    each band over the training rows.

    Parameters
    ----------
    units : int, default=128
        Of the LSTM, each way.

    Examples
    --------
    >>> CRNNExtractor().resolved_front_end().array_shape()
    (128, 259)
    """

    kind: ClassVar[str] = "crnn"
    bidirectional: ClassVar[bool] = True
    batch_size: int = 16
    learning_rate: float = 1e-4
    units: int = 128

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map on HTK's scale, 128 bands by 259 frames."""
        return LogMelMap(
            sampling_rate=44100, n_fft=2048, hop_length=512, duration=3.0, trim=True, denoise=True, htk=True
        )

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> CRNN:
        """Build `CRNN`."""
        bands, frames = input_shape
        return CRNN(bands, frames, n_classes, self.units)
