"""A deep extractor: a network that is trained in the fold."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from fusionser.features import FrontEnd, LogMelMap
from fusionser.networks import DeepExtractor
from fusionser.networks.layers import Network
from fusionser.networks.preparation import Standardise


class BandMeans(Network):
    """A dense layer on the mean of each mel band over time."""

    def __init__(self, n_bands: int, n_classes: int, units: int) -> None:
        super().__init__()
        self.preparation = Standardise((n_bands, 1))
        self.hidden = nn.Linear(n_bands, units)
        self.output = nn.Linear(units, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        return self.hidden(x.mean(dim=2)).relu()


@dataclass(kw_only=True, eq=False, repr=False)
class BandMeansExtractor(DeepExtractor):
    """Dense layer on the mean of each of 20 mel bands over time; 8 hidden units."""

    kind: ClassVar[str] = "band-means"
    epochs: int = 20
    learning_rate: float = 0.01
    units: int = 8

    def default_front_end(self) -> FrontEnd:
        return LogMelMap(sampling_rate=16000, duration=2.0, n_mels=20)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> BandMeans:
        return BandMeans(input_shape[0], n_classes, self.units)

    def unit_count(self) -> int:
        return self.units
