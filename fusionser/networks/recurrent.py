"""LSTM networks on a vector that is cut into steps, or on the frames of a map."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from fusionser.checks import check_dropout, check_units
from fusionser.errors import SettingsError
from fusionser.features.maps import ClipMap, FrontEnd, LogMelMap, MFCCMap
from fusionser.networks.extractor import DeepExtractor
from fusionser.networks.layers import Network, last_states
from fusionser.networks.preparation import Standardise

__all__ = ["FrameRecurrent", "LogMelFrames", "MFCCFrames", "VectorRecurrent"]


class _Recurrent(Network):
    """An LSTM (Hochreiter and Schmidhuber 1997), and a linear layer from its last states to the classes."""

    def __init__(self, width: int, n_classes: int, units: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, units, bidirectional=bidirectional, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(units * (2 if bidirectional else 1), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_rows, n_classes)."""
        return self.output(self.dropout(self.embed(x)))


class VectorRecurrent(_Recurrent):
    """An LSTM on a vector of columns, with `step_size` columns per step; the last step is padded with zeros.

    Parameters
    ----------
    n_inputs, n_classes : int
    step_size : int, default=1
    units : int, default=64
        Units of the LSTM, in each direction.
    bidirectional : bool, default=False
    dropout : float, default=0.2

    Examples
    --------
    >>> import torch
    >>> VectorRecurrent(39, 6, step_size=4).steps(torch.zeros(2, 39)).shape
    torch.Size([2, 10, 4])
    """

    def __init__(
        self,
        n_inputs: int,
        n_classes: int,
        step_size: int = 1,
        units: int = 64,
        bidirectional: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(step_size, n_classes, units, bidirectional, dropout)
        self.step_size = step_size

    def steps(self, x: Tensor) -> Tensor:
        """Cut (n_rows, n_inputs) into (n_rows, n_steps, step_size)."""
        return functional.pad(x, (0, -x.shape[1] % self.step_size)).reshape(x.shape[0], -1, self.step_size)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states, (n_rows, units) or twice as many columns if bidirectional."""
        return last_states(self.lstm, self.steps(x))


class FrameRecurrent(_Recurrent):
    """An LSTM on the frames of a map: each frame is a step, with the bands or coefficients as its values.

    Parameters
    ----------
    n_bands, n_classes : int
    units : int, default=64
        Units of the LSTM, in each direction.
    bidirectional : bool, default=False
    dropout : float, default=0.2

    Examples
    --------
    >>> import torch
    >>> FrameRecurrent(20, 8, bidirectional=True).embed(torch.zeros(2, 20, 50)).shape
    torch.Size([2, 128])
    """

    def __init__(
        self, n_bands: int, n_classes: int, units: int = 64, bidirectional: bool = False, dropout: float = 0.2
    ) -> None:
        super().__init__(n_bands, n_classes, units, bidirectional, dropout)
        self.preparation = Standardise((n_bands, 1))

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states of all directions for standardised maps (n_clips, n_bands, n_frames)."""
        return last_states(self.lstm, x.transpose(1, 2))


@dataclass(kw_only=True, eq=False, repr=False)
class FrameExtractor(DeepExtractor):
    """Base class of the extractors with a `FrameRecurrent` network.

    Parameters
    ----------
    units : int, default=64
        Units of the LSTM, in each direction.
    bidirectional : bool, default=True
    dropout : float, default=0.2
    """

    patience: int | None = 10
    epochs: int = 60
    units: int = 64
    bidirectional: bool = True
    dropout: float = 0.2

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range."""
        super().check()
        check_units(units=self.units)
        check_dropout(self.dropout)
        if not isinstance(self.resolved_front_end(), ClipMap):
            raise SettingsError(f"{self.kind} reads maps; expected a LogMelMap or MFCCMap as front_end")

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> FrameRecurrent:
        """Build `FrameRecurrent`."""
        return FrameRecurrent(input_shape[0], n_classes, self.units, self.bidirectional, self.dropout)

    def unit_count(self) -> int:
        """Return the number of units, both directions together."""
        return self.units * (2 if self.bidirectional else 1)


class LogMelFrames(FrameExtractor):
    """LSTM over the frames of a log-mel map of 64 bands; its last states are the hidden units.

    Examples
    --------
    >>> LogMelFrames(units=16).get_feature_names_out().size
    32
    """

    kind: ClassVar[str] = "log-mel-frames"

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 64 bands by 94 frames."""
        return LogMelMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=512, n_mels=64, duration=3.0)


class MFCCFrames(FrameExtractor):
    """LSTM over the frames of 20 MFCC; its last states are the hidden units.

    Examples
    --------
    >>> MFCCFrames(units=16, bidirectional=False).get_feature_names_out().size
    16
    """

    kind: ClassVar[str] = "mfcc-frames"

    def default_front_end(self) -> FrontEnd:
        """Return the map of 20 MFCC by 94 frames."""
        return MFCCMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=512, n_mels=64, duration=3.0)
