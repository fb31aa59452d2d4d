"""What the deep extractors of the CNN-LSTM papers have in common.

Each has the front end and the training of its paper as defaults. What a paper leaves open is a parameter; the
docstrings of the networks say what is open and what was chosen.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from fusionser.checks import check_units
from fusionser.errors import SettingsError
from fusionser.features.maps import ClipMap, FrontEnd
from fusionser.networks.extractor import DeepExtractor

__all__ = ["BaselineExtractor"]


@dataclass(kw_only=True, eq=False, repr=False)
class BaselineExtractor(DeepExtractor):
    """A network of one of the papers; its last hidden units are the features.

    Parameters
    ----------
    units : int, default=128
        Of the last hidden layer, each way.
    """

    reads: ClassVar[type[FrontEnd]] = ClipMap
    bidirectional: ClassVar[bool] = False
    units: int = 128

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range, or clips are too short for the network."""
        super().check()
        check_units(units=self.units)
        front = self.resolved_front_end()
        if not isinstance(front, self.reads):
            expected = "a LogMelMap or MFCCMap" if self.reads is ClipMap else f"a {self.reads.__name__}"
            raise SettingsError(f"{self.kind} cannot read {type(front).__name__}; expected {expected} as front_end")
        with torch.device("meta"):
            self.build_network(front.array_shape(), 2)

    def unit_count(self) -> int:
        """Return the units of the last hidden layer, both ways."""
        return self.units * (2 if self.bidirectional else 1)
