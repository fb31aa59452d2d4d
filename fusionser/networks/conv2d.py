"""The two-dimensional deep extractor: a light convolutional and recurrent network on the log-mel map."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusionser.networks.layers import AttentiveStatistics, Network, Standardise

__all__ = ["Conv2D"]

POOLS = ((2, 2), (2, 2), (2, 2), (2, 1))
"""Bands and frames that each pooling joins: time is kept at an eighth, for the recurrent layer."""


class Conv2D(Network):
    """Four convolutions, a bidirectional GRU over time, attentive statistics, and 32 deep features.

    SER-FusionNet (Boopathi, Bramadi, Ravi Kumar and Babu 2023) names a Conv2D extractor of 32 features on the mel
    spectrogram and prints no layer table, so this architecture is ours. For a map of 64 x 188:

    ======================================  ==============  ==========
    layer                                   output          parameters
    ======================================  ==============  ==========
    convolution 3 x 3, norm, ReLU, pool     16 x 32 x 94    176
    convolution 3 x 3, norm, ReLU, pool     32 x 16 x 47    4 672
    convolution 3 x 3, norm, ReLU, pool     64 x 8 x 23     18 560
    convolution 3 x 3, norm, ReLU, pool     128 x 4 x 23    73 984
    bidirectional GRU, 64 units             23 x 128        221 952
    attentive mean and deviation            256             8 321
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
        Of the GRU, each way.
    dropout : float, default=0.2

    Examples
    --------
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
        self.standardise = Standardise((n_bands, 1))
        blocks, channels = [], 1
        for count, pool in zip(filters, POOLS, strict=True):
            convolution = nn.Conv2d(channels, count, 3, padding=1, bias=False)
            blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(count), nn.ReLU(), nn.MaxPool2d(pool)))
            channels = count
        # Channels last: a quarter faster on a CPU.
        self.convolutions = nn.Sequential(*blocks)
        self.convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recurrent = nn.GRU(channels * (n_bands // 16), units, bidirectional=True, batch_first=True)
        self.pool = AttentiveStatistics(2 * units)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(4 * units, 32)
        self.output = nn.Linear(32, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the deep features, shape (n_clips, 32), of standardised maps (n_clips, n_bands, n_frames)."""
        x = self.convolutions(x[:, None].contiguous(memory_format=torch.channels_last))
        # Only the convolutions may be of lower precision: the recurrent layer and the pooling learn less with it.
        with torch.autocast(x.device.type, enabled=False):
            steps, _ = self.recurrent(x.float().flatten(1, 2).transpose(1, 2))
            return functional.relu(self.dense(self.dropout(self.pool(steps))))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with torch.autocast(x.device.type, enabled=False):
            return torch.as_tensor(self.output(self.dropout(units)))
