"""The map of bands by frames that is relative within the clip, the input of networks for other people's recordings."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.features.clip import Array, Clip
from fusionser.features.framing import ClipParameters
from fusionser.features.maps import FrontEnd
from fusionser.features.relative import HIGHEST, HOP, N_BANDS, relative_bands

__all__ = ["REFERENCES", "RelativeMap"]

REFERENCES = ("clip", "band")
LONGEST = 60.0


@dataclass(kw_only=True, eq=False, repr=False)
class RelativeMap(ClipParameters, FrontEnd):
    """Mel bands in decibels, relative to the loud parts of the clip, after subtraction of the noise.

    `RelativeFrames` describes the analysis: 40 bands from 100 Hz to 3700 Hz, one frame every 10 ms, from the first
    active frame to the last. A gain changes nothing, and the bandwidth of a telephone suffices.

    Parameters
    ----------
    sampling_rate : int, default=16000
        Rate of the analysis in Hz, 7400 or more.
    length : float, default=2.5
        Seconds of the map, at most 60. Of a longer clip the middle is used; a shorter one is followed by the floor.
    dynamic_range : float, default=20.0
        Distance in decibels from the loud parts of each band to its floor, 6 to 60.
    reference : {"clip", "band"}, default="clip"
        Decibels are relative to the loud parts of all bands together, or of each band by itself. The latter leaves out
        the long-term spectrum, and with it microphone and voice.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=32000) * np.hanning(32000)
    >>> quiet, loud = RelativeMap(length=2.0).transform([noise / 100, noise / 2])
    >>> quiet.shape, bool(np.allclose(quiet, loud, atol=1e-3))
    ((40, 200), True)
    """

    kind: ClassVar[str] = "relative-map"
    sampling_rate: int = 16000
    length: float = 2.5
    dynamic_range: float = 20.0
    reference: str = "clip"

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        check_range("sampling_rate", self.sampling_rate, 2 * HIGHEST, 10**6)
        check_range("length", self.length, HOP, LONGEST)
        check_range("dynamic_range", self.dynamic_range, 6, 60)
        if self.reference not in REFERENCES:
            raise SettingsError(f"reference is {self.reference!r}; expected one of {', '.join(REFERENCES)}")

    def array_shape(self) -> tuple[int, ...]:
        """Return the numbers of bands and frames."""
        return (N_BANDS, round(self.length / HOP))

    def compute(self, clip: Clip) -> Array:
        """Return the map of one clip, shape (n_bands, n_frames)."""
        settings = self.clip_settings()
        key = ("relative-bands", settings, self.dynamic_range)
        found = clip.shared(key, lambda: relative_bands(clip, settings, self.dynamic_range))
        bands, floor = found.bands.T, found.loud - self.dynamic_range
        if self.reference == "band":
            bands, floor = bands - found.loud[:, None], np.full(N_BANDS, -self.dynamic_range)
        wanted = self.array_shape()[1]
        start = max((bands.shape[1] - wanted) // 2, 0)
        middle = bands[:, start : start + wanted]
        rest = np.repeat(floor[:, None], wanted - middle.shape[1], axis=1)
        return np.concatenate([middle, rest], axis=1).astype(np.float32)
