"""The Conv1D-LSTM for speech and for song: two groups of one convolution and two LSTMs, on MFCC frames."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from fusionser.errors import SettingsError, unknown_name
from fusionser.features.maps import FrontEnd, MFCCMap
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.layers import Network, all_states, full_precision, one_bias_lstm
from fusionser.networks.preparation import Standardise

__all__ = ["Conv1DLSTM", "SongConv1DLSTMExtractor", "SpeechConv1DLSTMExtractor"]

UNITS = 256
KERNEL = 5
SEQUENCES = ("coefficients", "frames")


class _Group(nn.Module):
    """A convolution along the steps, batch norm and two LSTMs; returns the states of the second at every step."""

    def __init__(self, width: int, between: float, behind: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, UNITS, KERNEL, padding=KERNEL // 2)
        self.norm = nn.BatchNorm1d(UNITS)
        self.lstm_1 = one_bias_lstm(UNITS, UNITS)
        self.between = nn.Dropout(between)
        self.lstm_2 = one_bias_lstm(UNITS, UNITS)
        self.behind = nn.Dropout(behind)

    def forward(self, steps: Tensor) -> Tensor:
        """Map (n_clips, n_steps, width) to (n_clips, n_steps * 256)."""
        convolved = self.norm(self.convolution(steps.transpose(1, 2))).transpose(1, 2)
        states = all_states(self.lstm_2, self.between(all_states(self.lstm_1, convolved)))
        return self.behind(states).flatten(1)


class Conv1DLSTM(Network):
    """Convolution, two LSTMs, two dense layers, and the same again (Ayadi and Lachiri), for an input of 32 x 256.

    =====================================  ===========  ==========
    layer                                  output       parameters
    =====================================  ===========  ==========
    convolution 5                          32 x 256     327 936
    batch norm                             32 x 256     1 024
    LSTM 256 (song: dropout), LSTM 256     32 x 256     1 050 624
    dropout, flatten                       8 192        0
    dense, dense                           256, 2 048   2 623 744
    the group again, over 8 steps of 256   2 048        1 379 584
    dense                                  256          524 544
    dense                                  K            257 K
    =====================================  ===========  ==========

    The paper prints the first kernel as 5 x 256 x 256, so the convolution reads 256 values at each of 32 steps: with 32
    coefficients by 256 frames it runs along the coefficients. With `sequence` "frames" it runs along time instead (256
    steps of 32 values, a kernel of 5 x 32 x 256). The paper leaves open how large the dense layers are and how their
    output enters the second convolution: here the second dense layer has 2 048 units, read as 8 steps of 256. The
    first group of the speech network has no dropout between its LSTMs; all second groups have it.

    Parameters
    ----------
    n_coefficients, n_frames : int
        Size of the map.
    n_classes : int
    song : bool, default=False
        Whether there is dropout between the first two LSTMs.
    dropout : float, default=0.3
    sequence : {"coefficients", "frames"}, default="coefficients"
        Axis that the first convolution runs along.
    dense_units : int, default=256
    bridge_steps : int, default=8
        Number of steps, of 256 values each, that the second group reads.

    Examples
    --------
    >>> import torch
    >>> Conv1DLSTM(32, 256, 6).embed(torch.zeros(2, 32, 256)).shape
    torch.Size([2, 256])
    """

    def __init__(
        self,
        n_coefficients: int,
        n_frames: int,
        n_classes: int,
        song: bool = False,
        dropout: float = 0.3,
        sequence: str = "coefficients",
        dense_units: int = 256,
        bridge_steps: int = 8,
    ) -> None:
        super().__init__()
        if sequence not in SEQUENCES:
            raise unknown_name("sequence", sequence, SEQUENCES)
        if bridge_steps < 1:
            raise SettingsError(f"bridge_steps is {bridge_steps}; expected 1 or more")
        self.preparation = Standardise((n_coefficients, 1))
        self.sequence, self.bridge_steps = sequence, bridge_steps
        steps, width = (n_coefficients, n_frames) if sequence == "coefficients" else (n_frames, n_coefficients)
        self.group_1 = _Group(width, dropout if song else 0.0, dropout)
        self.dense_1 = nn.Linear(steps * UNITS, dense_units)
        self.dense_2 = nn.Linear(dense_units, bridge_steps * UNITS)
        self.before = nn.Dropout(dropout)
        self.group_2 = _Group(UNITS, dropout, dropout)
        self.dense_3 = nn.Linear(bridge_steps * UNITS, dense_units)
        self.output = nn.Linear(dense_units, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the units of the last hidden layer, (n_clips, dense_units), for standardised maps."""
        flat = self.group_1(x if self.sequence == "coefficients" else x.transpose(1, 2))
        with full_precision(x):
            bridge = self.before(self.dense_2(self.dense_1(flat).relu()).relu())
        flat = self.group_2(bridge.unflatten(1, (self.bridge_steps, UNITS)))
        with full_precision(x):
            return self.dense_3(flat).relu()


@dataclass(kw_only=True, eq=False, repr=False)
class SpeechConv1DLSTMExtractor(BaselineExtractor):
    """Ayadi and Lachiri's Conv1D-LSTM for speech, on 32 MFCC by 256 frames.

    `Conv1DLSTM` lists the layers. The paper computes 12 MFCC for 1 400 frames, has an input of 32 by 256, and does not
    say how it gets from one to the other. Here 32 coefficients are computed for the first 256 frames of 16 ms (4.1 s).

    Parameters
    ----------
    dropout : float, default=0.3
    sequence : {"coefficients", "frames"}, default="coefficients"
        Axis that the first convolution runs along.
    bridge_steps : int, default=8
        Number of steps, of 256 values each, that the second group reads.

    Examples
    --------
    >>> SpeechConv1DLSTMExtractor().resolved_front_end().array_shape()
    (32, 256)
    """

    kind: ClassVar[str] = "conv1d-lstm-speech"
    song: ClassVar[bool] = False
    epochs: int = 15
    learning_rate: float = 0.01
    dropout: float = 0.3
    sequence: str = "coefficients"
    units: int = 256
    bridge_steps: int = 8

    def default_front_end(self) -> FrontEnd:
        """Return the map of 32 MFCC by 256 frames, with pre-emphasis, Hamming window and the HTK mel scale."""
        return MFCCMap(
            sampling_rate=16000,
            n_fft=512,
            hop_length=256,
            n_mels=64,
            n_mfcc=32,
            duration=255 * 256 / 16000,
            htk=True,
            window="hamming",
            pre_emphasis=0.97,
        )

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> Conv1DLSTM:
        """Build `Conv1DLSTM`."""
        options = (self.song, self.dropout, self.sequence, self.units, self.bridge_steps)
        coefficients, frames = input_shape
        return Conv1DLSTM(coefficients, frames, n_classes, *options)


class SongConv1DLSTMExtractor(SpeechConv1DLSTMExtractor):
    """Ayadi and Lachiri's Conv1D-LSTM for song, with dropout between the first two LSTMs.

    All else is as in `SpeechConv1DLSTMExtractor`.

    Examples
    --------
    >>> SongConv1DLSTMExtractor().resolved_front_end().array_shape()
    (32, 256)
    """

    kind: ClassVar[str] = "conv1d-lstm-song"
    song: ClassVar[bool] = True
