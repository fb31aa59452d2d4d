"""Long short-term memory over a vector cut into steps, or over the frames of a map."""

from torch import Tensor, nn
from torch.nn import functional

from fusionser.networks.layers import Network, Standardise, last_states

__all__ = ["FrameRecurrent", "VectorRecurrent"]


class _Recurrent(Network):
    """An LSTM (Hochreiter and Schmidhuber 1997), one way or both, its last states to the classes."""

    def __init__(self, width: int, n_classes: int, units: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, units, bidirectional=bidirectional, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(units * (2 if bidirectional else 1), n_classes)

    def classify(self, states: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.output(self.dropout(states))
        return logits


class VectorRecurrent(_Recurrent):
    """An LSTM over a vector of columns, `step_size` columns a step, the last step padded with zeros.

    Parameters
    ----------
    n_inputs, n_classes : int
    step_size : int, default=1
    units : int, default=64
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
        return functional.pad(x, (0, -x.shape[1] % self.step_size)).reshape(len(x), -1, self.step_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_rows, n_classes)."""
        return self.classify(last_states(self.lstm, self.steps(x)))


class FrameRecurrent(_Recurrent):
    """An LSTM over the frames of a map: one step a frame, its bands or coefficients the step's values.

    Parameters
    ----------
    n_bands, n_classes : int
    units : int, default=64
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
        self.standardise = Standardise((n_bands, 1))

    def embed(self, x: Tensor) -> Tensor:
        """Return the last states, (n_clips, units) or twice that, of standardised maps (n_clips, n_bands, n_frames)."""
        return last_states(self.lstm, x.transpose(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        return self.classify(self.embed(x))
