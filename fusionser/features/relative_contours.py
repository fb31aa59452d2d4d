"""Contours over the frames of a clip, relative within the clip: bands, level, pitch, harmonicity and voicing."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from fusionser.checks import check_range
from fusionser.features.clip import Array, Clip
from fusionser.features.framing import ClipParameters
from fusionser.features.maps import FrontEnd
from fusionser.features.pitch import semitones
from fusionser.features.relative import HIGHEST, HOP, N_BANDS, RelativeFrames, relative_frames

__all__ = ["RelativeContours"]

Array64 = npt.NDArray[np.float64]

ROWS = (*(f"band_{number:02d}" for number in range(1, N_BANDS + 1)), "level", "f0", "f0_median", "hnr", "voiced")
AVERAGED = 2
LARGEST_INTERVAL = 12.0
"""Semitones from the median of the clip; larger ones are mostly errors of the pitch tracker, and are cut down."""

FEWEST_VOICED = 5
LONGEST = 60.0


@dataclass(kw_only=True, eq=False, repr=False)
class RelativeContours(ClipParameters, FrontEnd):
    """Contours that say little about the recording chain: one row per contour, one column every 20 ms.

    `RelativeFrames` describes the analysis. Each column is the mean over two of its frames. The rows are

    - 40 mel bands from 100 Hz to 3700 Hz, in decibels relative to the loud parts of the clip;
    - the level, in decibels relative to the loud frames;
    - the pitch, in semitones about the median of the clip, 0 in unvoiced frames;
    - that median, in semitones relative to 100 Hz, the same in all columns;
    - the harmonics-to-noise ratio, in decibels;
    - voicing, 1 for a voiced frame;
    - 1 inside the clip, and 0 in the columns that fill up a short one, where all rows are 0.

    Parameters
    ----------
    sampling_rate : int, default=16000
        Rate of the analysis in Hz, 7400 or more.
    length : float, default=3.0
        Seconds, at most 60. Of a longer clip the middle is used.
    dynamic_range : float, default=20.0
        Distance in decibels from the loud parts of the clip to the floor, 6 to 60.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 200 / 16000 * np.arange(16000)) * np.hanning(16000)
    >>> quiet, loud = RelativeContours(length=1.0).transform([tone / 100, tone / 2])
    >>> quiet.shape, bool(np.allclose(quiet, loud, atol=1e-3))
    ((46, 50), True)
    """

    kind: ClassVar[str] = "relative-contours"
    sampling_rate: int = 16000
    length: float = 3.0
    dynamic_range: float = 20.0

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        check_range("sampling_rate", self.sampling_rate, 2 * HIGHEST, 10**6)
        check_range("length", self.length, AVERAGED * HOP, LONGEST)
        check_range("dynamic_range", self.dynamic_range, 6, 60)

    def array_shape(self) -> tuple[int, ...]:
        """Return the numbers of rows and columns."""
        return (len(ROWS) + 1, round(self.length / (AVERAGED * HOP)))

    def compute(self, clip: Clip) -> Array:
        """Return the contours of one clip, shape (n_rows, n_columns)."""
        settings = self.clip_settings()
        key = ("relative", settings, self.dynamic_range)
        contours = _contours(clip.shared(key, lambda: relative_frames(clip, settings, self.dynamic_range)))
        wanted = self.array_shape()[1]
        start = max((contours.shape[1] - wanted) // 2, 0)
        middle = contours[:, start : start + wanted]
        return np.pad(middle, ((0, 0), (0, wanted - middle.shape[1]))).astype(np.float32)


def _contours(frames: RelativeFrames) -> Array64:
    """Return the contours of a whole clip, shape (n_rows, n_columns)."""
    voiced = frames.voiced
    pitch = semitones(frames.frequency)
    median = float(np.median(pitch[voiced])) if voiced.sum() >= FEWEST_VOICED else 0.0
    about = np.where(voiced, np.clip(pitch - median, -LARGEST_INTERVAL, LARGEST_INTERVAL), 0.0)
    single = [frames.level, about, np.full_like(about, median), frames.harmonics_to_noise, voiced, np.ones_like(about)]
    rows = np.concatenate([frames.bands.T, np.stack(single)])
    count = max(rows.shape[1] // AVERAGED, 1)
    return rows[:, : count * AVERAGED].reshape(len(rows), count, -1).mean(axis=2)
