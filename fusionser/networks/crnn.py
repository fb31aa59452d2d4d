"""The CRNN: kernels that shrink, filters that grow, and a bidirectional LSTM."""

from torch import Tensor, nn

from fusionser.errors import SettingsError
from fusionser.networks.layers import Network, Standardise, last_states, one_bias_lstm

__all__ = ["CRNN"]

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
        if min(n_bands, n_frames) < 128:
            raise SettingsError(
                f"got maps of {n_bands} bands by {n_frames} frames; pools of 2, 4, 4, 4 need 128 or more"
            )
        self.standardise = Standardise((n_bands, 1))
        blocks, channels = [], 1
        for kernel, count, pool in zip(KERNELS, FILTERS, POOLS, strict=True):
            convolution = nn.Conv2d(channels, count, kernel, padding=kernel // 2)
            blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(count), nn.ReLU(), nn.MaxPool2d(pool)))
            channels = count
        self.blocks = nn.Sequential(*blocks)
        self.lstm = one_bias_lstm(channels * (n_bands // 128), units, bidirectional=True)
        self.output = nn.Linear(2 * units, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states of both directions, of standardised maps (n_clips, n_bands, n_frames)."""
        return last_states(self.lstm, self.blocks(x[:, None]).flatten(1, 2).transpose(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        logits: Tensor = self.output(self.embed(x))
        return logits
