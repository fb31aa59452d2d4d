"""The input of a graph that begins with the waveform."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fusionser.audio import ClipSettings
from fusionser.features.base import ClipTransformer
from fusionser.features.clip import Array, Clip
from fusionser.features.framing import ClipParameters

__all__ = ["WholeWaveform"]


@dataclass(kw_only=True, eq=False, repr=False)
class WholeWaveform(ClipParameters, ClipTransformer):
    """The samples of a clip, for a graph that computes everything else.

    A clip that a computation in the graph refuses, such as one shorter than a frame, is refused with the same error.

    Parameters
    ----------
    computations : sequence of Computation
        What the graph computes.

    Examples
    --------
    >>> import numpy as np
    >>> from fusionser.features import MFCC
    >>> WholeWaveform.of([MFCC(sampling_rate=16000)]).transform([(np.sin(np.arange(9000.0)), 8000)]).shape
    (1, 18000)
    """

    computations: Sequence[Any] = ()
    kind: ClassVar[str] = "waveform"

    @classmethod
    def of(cls, computations: Sequence[Any]) -> "WholeWaveform":
        """Return the input for computations from audio at one sampling rate."""
        settings = [item.clip_settings() for item in computations]
        # Where all of them hear the same beginning, the clip is cut before it is resampled, as without a graph.
        cut = len(set(settings)) == 1 and not settings[0].trim and settings[0].offset == 0
        return cls(
            sampling_rate=settings[0].sampling_rate,
            duration=settings[0].duration if cut else None,
            computations=computations,
        )

    def settings(self) -> dict[str, Any]:
        """Return the parameters, with the settings of each computation."""
        inside = [item.settings() for item in self.computations]
        return {"kind": self.kind, "sampling_rate": self.sampling_rate, "duration": self.duration, "of": inside}

    def array_shape(self) -> tuple[int, ...]:
        """Return the number of samples, -1 where clips keep their lengths."""
        return (self.clip_settings().samples or -1,)

    def compute(self, clip: Clip) -> Array:
        """Return the samples of one clip, shape (n_samples,)."""
        for item in self.computations:
            framing = item.framing()
            clip.waveform(item.clip_settings(), framing[1].n_fft if framing else 1)
        return clip.waveform(ClipSettings(sampling_rate=self.sampling_rate, duration=self.duration))
