"""The deep extractors, each a transformer of clips, each trained inside the fold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import _safe_indexing

from fusionser.augment import Augmentation, augment
from fusionser.errors import SettingsError
from fusionser.evaluation.inner_folds import sources_of
from fusionser.features.estimated_gender import EstimatedGender
from fusionser.features.extraction import rows_of
from fusionser.features.learned import LearnedBlock, columns_of
from fusionser.features.maps import BlockVector, ClipMap, FrontEnd, LogMelMap, MFCCMap
from fusionser.networks.batches import Distortion
from fusionser.networks.checks import check_dropout, check_units
from fusionser.networks.conv1d import Conv1D
from fusionser.networks.conv2d import Conv2D
from fusionser.networks.extractor import Array, DeepExtractor, Positions
from fusionser.networks.recurrent import FrameRecurrent
from fusionser.rows import array_columns

__all__ = ["EXTRACTORS", "LEARNED", "Conv1DExtractor", "Conv2DExtractor", "LogMelFrames", "MFCCFrames"]

FILTERS = 4
MOST_SPEEDS = 8


@dataclass(kw_only=True, eq=False, repr=False)
class Conv1DExtractor(DeepExtractor):
    """SER-FusionNet's Conv1D on the acoustic vector: 32 deep features, see `Conv1D`.

    Parameters
    ----------
    dropout : float, default=0.1
    front_end : BlockVector, optional
        SER-FusionNet's 162 numbers of 2.5 s when None.

    Other parameters are those of `DeepExtractor` and `NetworkTraining`.

    Examples
    --------
    >>> Conv1DExtractor().get_feature_names_out()[[0, -1]].tolist()
    ['conv1d__unit_00', 'conv1d__unit_31']
    """

    kind: ClassVar[str] = "conv1d"
    label_smoothing: float = 0.1
    dropout: float = 0.1

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
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


@dataclass(kw_only=True, eq=False, repr=False)
class Conv2DExtractor(DeepExtractor):
    """A light convolutional and recurrent network on the log-mel map: 32 deep features, see `Conv2D`.

    It is trained for a fixed number of epochs on all training rows. In each epoch every clip is shown once, at a
    speed drawn from `speeds`, or as one of its augmented copies where there are any: copies stand in for their
    original, so that they cost no time.

    Parameters
    ----------
    filters : sequence of 4 int, default=(16, 32, 64, 128)
    units : int, default=64
        Of the recurrent layer, each way.
    dropout : float, default=0.2
    speeds : sequence of float, default=(0.9, 1.1)
        Speeds beside the clip's own that it is shown at (Ko, Peddinti, Povey and Khudanpur 2015). A prediction is
        the mean over all of them, of hidden units or of logits; an augmented copy keeps its own speed.
    mixup : float, default=0.2
    band_mask, frame_mask, shift : int, default=10, 24, 10
        See `Distortion`.
    front_end : LogMelMap, optional
        64 bands of the trimmed clip, 3 s at 16 kHz, a frame every 16 ms, when None.

    Other parameters are those of `DeepExtractor` and `NetworkTraining`.

    Examples
    --------
    >>> len(Conv2DExtractor().names())
    32
    """

    kind: ClassVar[str] = "conv2d"
    epochs: int = 108
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    schedule: str = "one-cycle"
    patience: int | None = None
    validation: float = 0.0
    label_smoothing: float = 0.1
    filters: Sequence[int] = (16, 32, 64, 128)
    units: int = 64
    dropout: float = 0.2
    speeds: Sequence[float] = (0.9, 1.1)
    mixup: float = 0.2
    band_mask: int = 10
    frame_mask: int = 24
    shift: int = 10

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        front = self.resolved_front_end()
        if not isinstance(front, ClipMap):
            raise SettingsError("conv2d reads maps; expected a LogMelMap or MFCCMap as front_end")
        if front.n_frames < 8:
            raise SettingsError(f"conv2d needs maps of 8 frames or more; got {front.n_frames}")
        if len(self.filters) != FILTERS:
            raise SettingsError(f"filters are {tuple(self.filters)}; expected {FILTERS} numbers")
        check_units(filters=self.filters, units=self.units)
        check_dropout(self.dropout)
        if len(self.speeds) > MOST_SPEEDS:
            raise SettingsError(f"got {len(self.speeds)} speeds; expected {MOST_SPEEDS} at most")
        for speed in self.speeds:
            if not 0.5 <= speed <= 2:
                raise SettingsError(f"speeds hold {speed}; expected 0.5 to 2")
        if not 0 <= self.mixup <= 1 or min(self.band_mask, self.frame_mask, self.shift) < 0:
            raise SettingsError("expected mixup from 0 to 1, and band_mask, frame_mask and shift of 0 or more")

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 64 bands by 188 frames."""
        return LogMelMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=256, n_mels=64, duration=3.0)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> Conv2D:
        """Build `Conv2D`."""
        bands, frames = input_shape
        if bands < 16 or frames < 8:
            raise SettingsError(f"conv2d needs maps of 16 bands by 8 frames or more; got {bands} by {frames}")
        return Conv2D(bands, frames, n_classes, tuple(self.filters), self.units, self.dropout)

    def unit_count(self) -> int:
        """Return 32."""
        return 32

    def _applied(self, X: Any, function: Callable[[Array], Array]) -> Array:
        own = self._inputs(X)
        results = [function(own)]
        for speed in self.speeds:
            inputs = own.copy()
            for position, found in self._at_speed(X, np.arange(len(own)), speed):
                inputs[position] = found
            results.append(function(inputs))
        mean: Array = np.mean(results, axis=0)
        return mean

    def distortion(self) -> Distortion:
        """Return the masks, the shift and the mixing."""
        return Distortion(mixup=self.mixup, band_mask=self.band_mask, frame_mask=self.frame_mask, shift=self.shift)

    def _at_speed(self, X: Any, positions: Positions, speed: float) -> Iterator[tuple[int, Array]]:
        """Yield the places among the positions that hold an original recording, and its map at another speed.

        A clip that is too short at that speed is left out.
        """
        copies = columns_of(X, {"augmentation": ""})["augmentation"].to_numpy()[positions]
        originals = np.flatnonzero(copies == "")
        if len(originals) == 0:
            return
        front = self.resolved_front_end()
        shown = _at_speed(_safe_indexing(X, positions[originals]), speed, front)
        for place, array in zip(originals, front.compute_usable(shown), strict=True):
            if array is not None:
                yield int(place), array

    def _training_inputs(self, X: Any, trained: Positions) -> tuple[Array, Positions, npt.NDArray[np.int64] | None]:
        source = sources_of(X, len(X))[trained]
        copy = columns_of(X, {"augmentation": ""})["augmentation"].to_numpy()[trained]
        rows = pd.DataFrame({"source": source, "copy": copy})
        # A row that over-sampling repeats is shown as often as it is repeated.
        rows["turn"] = rows.groupby(["source", "copy"]).cumcount()
        groups = rows.groupby(["source", "turn"], sort=False).ngroup().to_numpy(dtype=np.int64)
        inputs = [self._inputs(_safe_indexing(X, trained))]
        positions, members = [trained], [groups]
        for speed in self.speeds:
            found = list(self._at_speed(X, trained, speed))
            if found:
                places = np.array([place for place, _ in found])
                inputs.append(np.stack([array for _, array in found]))
                positions.append(trained[places])
                members.append(groups[places])
        return np.concatenate(inputs), np.concatenate(positions), np.concatenate(members)


def _at_speed(X: Any, speed: float, front: FrontEnd) -> Any:
    """Return the clips of X, original recordings, as they are at another speed."""
    wanted = Augmentation("speed", speed, 0)
    if isinstance(X, pd.DataFrame):
        return X.drop(columns=array_columns(X)).assign(augmentation=str(wanted))
    rows = rows_of(X)
    if rows and "waveform" in rows[0]:
        return [augment(row["waveform"], front.sampling_rate, wanted) for row in rows]
    return pd.DataFrame(rows).assign(augmentation=str(wanted))


@dataclass(kw_only=True, eq=False, repr=False)
class FrameExtractor(DeepExtractor):
    """An LSTM over the frames of a map, see `FrameRecurrent`."""

    patience: int | None = 10
    epochs: int = 60
    units: int = 64
    bidirectional: bool = True
    dropout: float = 0.2

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        check_units(units=self.units)
        check_dropout(self.dropout)
        if not isinstance(self.resolved_front_end(), ClipMap):
            raise SettingsError(f"{self.kind} reads maps; expected a LogMelMap or MFCCMap as front_end")

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> FrameRecurrent:
        """Build `FrameRecurrent`."""
        return FrameRecurrent(input_shape[0], n_classes, self.units, self.bidirectional, self.dropout)

    def unit_count(self) -> int:
        """Return the units of both directions."""
        return self.units * (2 if self.bidirectional else 1)


@dataclass(kw_only=True, eq=False, repr=False)
class LogMelFrames(FrameExtractor):
    """An LSTM over log-mel frames: one step a frame of 64 bands; its last states are the features.

    Parameters
    ----------
    units : int, default=64
        Of each direction.
    bidirectional : bool, default=True
    dropout : float, default=0.2

    Other parameters are those of `DeepExtractor` and `NetworkTraining`.

    Examples
    --------
    >>> LogMelFrames(units=16).get_feature_names_out().size
    32
    """

    kind: ClassVar[str] = "log-mel-frames"

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 64 bands by 94 frames."""
        return LogMelMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=512, n_mels=64, duration=3.0)


@dataclass(kw_only=True, eq=False, repr=False)
class MFCCFrames(FrameExtractor):
    """An LSTM over MFCC frames: one step a frame of 20 coefficients; its last states are the features.

    Parameters are those of `LogMelFrames`.

    Examples
    --------
    >>> MFCCFrames(units=16, bidirectional=False).get_feature_names_out().size
    16
    """

    kind: ClassVar[str] = "mfcc-frames"

    def default_front_end(self) -> FrontEnd:
        """Return the map of 20 MFCC by 94 frames."""
        return MFCCMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=512, n_mels=64, duration=3.0)


EXTRACTORS: Mapping[str, type[DeepExtractor]] = MappingProxyType(
    {kind.kind: kind for kind in (Conv1DExtractor, Conv2DExtractor, LogMelFrames, MFCCFrames)}
)
"""Every deep extractor by its name, which is also the prefix of its columns."""

LEARNED: Mapping[str, Callable[[Mapping[str, Any]], LearnedBlock]] = MappingProxyType(
    {
        **{name: kind.from_settings for name, kind in EXTRACTORS.items()},
        EstimatedGender.kind: EstimatedGender.from_settings,
    }
)
"""Builds each block that learns from its settings."""
