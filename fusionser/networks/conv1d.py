"""SER-FusionNet's one-dimensional deep extractor."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from fusionser.checks import check_dropout
from fusionser.errors import SettingsError
from fusionser.features.maps import BlockVector, FrontEnd
from fusionser.networks.extractor import DeepExtractor
from fusionser.networks.layers import Convolution1d, Network, SamePool1d, full_precision
from fusionser.networks.preparation import Standardise

__all__ = ["Conv1D", "Conv1DExtractor"]


class Conv1D(Network):
    """SER-FusionNet's Conv1D network on the acoustic vector (Boopathi, Bramadi, Ravi Kumar and Babu 2023).

    ==================  ==========  ==========
    layer               output      parameters
    ==================  ==========  ==========
    convolution, 5      256 x 162   1 536
    max-pooling, 5 / 2  256 x 81
    convolution, 5      256 x 81    327 936
    max-pooling, 5 / 2  256 x 41
    dropout, flatten    10 496
    dense, dropout      32          335 904
    dense, dropout      12          396
    dense               K           78 (K = 6)
    ==================  ==========  ==========

    These are 665 850 parameters for K = 6. The 32 values after the first dense layer are the deep features. The paper
    prints the shapes and counts. The width of the pools (5), their padding and the dropout rates are inferred.

    Parameters
    ----------
    n_inputs : int
        Length of the vector, 162 in the paper.
    n_classes : int
    dropout : float, default=0.1

    Examples
    --------
    >>> sum(parameter.numel() for parameter in Conv1D(162, 6).parameters())
    665850
    """

    def __init__(self, n_inputs: int, n_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.preparation = Standardise((n_inputs,))
        self.convolution_1 = Convolution1d(1, 256, 5, padding=2)
        self.pool_1 = SamePool1d(5, 2)
        self.convolution_2 = Convolution1d(256, 256, 5, padding=2)
        self.pool_2 = SamePool1d(5, 2)
        self.dropout = nn.Dropout(dropout)
        self.dense_1 = nn.Linear(256 * -(-n_inputs // 4), 32)
        self.dense_2 = nn.Linear(32, 12)
        self.dense_3 = nn.Linear(12, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the deep features, shape (n_clips, 32), of standardised vectors (n_clips, n_inputs)."""
        # The paper applies ReLU before the pool. The result is the same, and pooling first halves the work.
        x = functional.relu(self.pool_1(self.convolution_1(x.unsqueeze(1))))
        x = functional.relu(self.pool_2(self.convolution_2(x)))
        with full_precision(x):
            return functional.relu(self.dense_1(self.dropout(x.float()).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with full_precision(x):
            hidden = functional.relu(self.dense_2(self.dropout(units)))
            return self.dense_3(self.dropout(hidden))


@dataclass(kw_only=True, eq=False, repr=False)
class Conv1DExtractor(DeepExtractor):
    """SER-FusionNet's 1D convolutions on its acoustic vector of 162 numbers; 32 hidden units.

    `Conv1D` lists the layers.

    Parameters
    ----------
    dropout : float, default=0.1
    front_end : BlockVector, optional
        When None, SER-FusionNet's 162 numbers from 2.5 s.

    Examples
    --------
    >>> Conv1DExtractor().get_feature_names_out()[[0, -1]].tolist()
    ['conv1d__unit_00', 'conv1d__unit_31']
    """

    kind: ClassVar[str] = "conv1d"
    label_smoothing: float = 0.1
    dropout: float = 0.1

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range."""
        super().check()
        check_dropout(self.dropout)
        if not isinstance(self.resolved_front_end(), BlockVector):
            raise SettingsError("conv1d reads vectors; expected a BlockVector as front_end")

    def default_front_end(self) -> FrontEnd:
        """Return SER-FusionNet's acoustic vector."""
        return BlockVector()

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> Conv1D:
        """Build `Conv1D`."""
        return Conv1D(input_shape[0], n_classes, self.dropout)

    def unit_count(self) -> int:
        """Return 32."""
        return 32
