"""The CRNN: convolutions with decreasing kernel sizes, and a bidirectional LSTM."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fusionser.features.maps import FrontEnd, LogMelMap
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.cnn_lstm import CNNLSTM2D

__all__ = ["CRNN", "CRNNExtractor"]


class CRNN(CNNLSTM2D):
    """Four convolutions of 9, 7, 5 and 3, and a bidirectional LSTM over the remaining frames (Yadav and others).

    For 128 bands by 259 frames, 3 s at 44.1 kHz; batch norm parameters include its running statistics:

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
        Units of the LSTM, in each direction.

    Examples
    --------
    >>> import torch
    >>> CRNN(128, 259, 8).embed(torch.zeros(1, 128, 259)).shape
    torch.Size([1, 256])
    """

    kernels = (9, 7, 5, 3)
    activation = nn.ReLU

    def __init__(self, n_bands: int, n_frames: int, n_classes: int, units: int = 128) -> None:
        super().__init__(n_bands, n_frames, n_classes, bidirectional=True, units=units)


@dataclass(kw_only=True, eq=False, repr=False)
class CRNNExtractor(BaselineExtractor):
    """Yadav and others' CRNN on the log-mel map of 3 s at 44.1 kHz, 128 bands by 259 frames.

    `CRNN` lists the layers. Silence is trimmed and a Wiener filter applied. The paper standardises its maps without
    saying along which axes: here each band is standardised over the training rows.

    Examples
    --------
    >>> CRNNExtractor().resolved_front_end().array_shape()
    (128, 259)
    """

    kind: ClassVar[str] = "crnn"
    network = CRNN
    bidirectional: ClassVar[bool] = True
    batch_size: int = 16
    learning_rate: float = 1e-4

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map on the HTK scale, 128 bands by 259 frames."""
        return LogMelMap(
            sampling_rate=44100, n_fft=2048, hop_length=512, duration=3.0, trim=True, denoise=True, htk=True
        )
