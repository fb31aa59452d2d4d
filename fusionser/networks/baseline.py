"""Base class of the deep extractors of the CNN-LSTM papers.

Each extractor has the front end and the training settings of its paper as defaults. What a paper leaves open is a
parameter. The docstrings of the networks say what is open and what was chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import ClassVar

import torch

from fusionser.checks import check_dropout, check_units
from fusionser.errors import SettingsError
from fusionser.features.maps import ClipMap, FrontEnd, LogMelMap
from fusionser.networks.extractor import DeepExtractor
from fusionser.networks.layers import Network

__all__ = ["BaselineExtractor"]


@dataclass(kw_only=True, eq=False, repr=False)
class BaselineExtractor(DeepExtractor):
    """A network from one of the papers; its last hidden units are the features.

    Parameters
    ----------
    units : int, default=128
        Units of the last hidden layer, in each direction.
    """

    reads: ClassVar[type[FrontEnd]] = ClipMap
    network: ClassVar[Callable[..., Network]]
    bidirectional: ClassVar[bool] = False
    units: int = 128

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range, or clips are too short for the network."""
        check_dropout(getattr(self, "dropout", 0.0))
        super().check()
        check_units(units=self.units)
        front = self.resolved_front_end()
        if not isinstance(front, self.reads):
            expected = "a LogMelMap or MFCCMap" if self.reads is ClipMap else f"a {self.reads.__name__}"
            raise SettingsError(f"{self.kind} cannot read {type(front).__name__}; expected {expected} as front_end")
        with torch.device("meta"):
            self.build_network(front.array_shape(), 2)

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 3.5 s, 128 bands by 219 frames, which several papers use."""
        return LogMelMap(sampling_rate=16000, n_fft=2048, hop_length=256, duration=3.5)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> Network:
        """Build `network`. The attributes named like its parameters are passed to it."""
        names = list(signature(self.network).parameters)[len(input_shape) + 1 :]
        return self.network(*input_shape, n_classes, **{name: getattr(self, name) for name in names})

    def unit_count(self) -> int:
        """Return the number of units of the last hidden layer, both directions together."""
        return self.units * (2 if self.bidirectional else 1)
