"""The multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from fusionser.networks.layers import Network

__all__ = ["Perceptron"]


class Perceptron(Network):
    """Dense layers with ReLU in between; those of SER-FusionNet have 12 and 10 units.

    The paper (Boopathi, Bramadi, Ravi Kumar and Babu 2023) prints 504 + 130 + 66 = 700 parameters for six classes.
    That is a network on 41 columns; the 39 columns that it lists (32 deep, 6 statistical, 1 gender) give 676.

    Parameters
    ----------
    n_inputs, n_classes : int
    hidden : sequence of int, default=(12, 10)
    dropout : float, default=0.0

    Examples
    --------
    >>> [sum(p.numel() for p in Perceptron(columns, 6).parameters()) for columns in (41, 39)]
    [700, 676]
    """

    def __init__(self, n_inputs: int, n_classes: int, hidden: Sequence[int] = (12, 10), dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width, units in pairwise((n_inputs, *hidden)):
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear((n_inputs, *hidden)[-1], n_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_rows, n_classes), for rows of shape (n_rows, n_inputs)."""
        return self.layers(x)
