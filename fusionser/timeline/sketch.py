"""What the page of a time line shows of the sound: its outline, its spectrogram, and the sound itself."""

import io

import numpy as np
import numpy.typing as npt
import scipy.fft
import soundfile
import soxr

from fusionser.interrupts import held_interrupts
from fusionser.samples import Waveform

__all__ = ["Sketch"]

RATE = 16000
"""Rate in Hz of what is drawn and played."""

COLUMN = 160
"""Samples of the finest column, 10 ms."""

SPAN, FRAME = 400, 512
"""Samples that are transformed for a column, the last of which are the column, and size of the transform."""

BANDS = 96
"""Bands of the spectrogram, equally wide on the mel scale, up to `HIGHEST`."""

HIGHEST = 8000.0

MOST_COLUMNS = 4096
"""Columns above which each two are put together."""

PLAYED_SECONDS = 2 * 3600.0
"""Longest recording that is put into the page, in seconds."""

QUALITY = 0.5
"""Compression of the MP3, from 0 (large) to 1 (small); about 25 kbit/s."""


class Sketch:
    """Draw a recording while it is decoded, in constant memory: a listener for `predict_timeline`.

    Attributes
    ----------
    seconds_a_column : float
        Length of a column; it doubles whenever there are more than `MOST_COLUMNS`.
    """

    def __init__(self) -> None:
        self.seconds_a_column = COLUMN / RATE
        self._resampler: soxr.ResampleStream | None = None
        self._waiting = np.zeros(0, dtype=np.float32)
        self._before = np.zeros(SPAN - COLUMN, dtype=np.float32)
        self._outline = np.zeros((0, 2), dtype=np.float32)
        self._power = np.zeros((0, BANDS), dtype=np.float32)
        self._remaining: tuple[npt.NDArray[np.float32], ...] | None = None
        self._filters = mel_filters()
        self._encoded = io.BytesIO()
        with held_interrupts():
            self._encoder: soundfile.SoundFile | None = soundfile.SoundFile(
                self._encoded, "w", RATE, 1, format="MP3", subtype="MPEG_LAYER_III", compression_level=QUALITY
            )
        self._played = 0

    def __call__(self, sampling_rate: int, samples: Waveform) -> None:
        """Take the next samples."""
        if sampling_rate != RATE and self._resampler is None:
            self._resampler = soxr.ResampleStream(sampling_rate, RATE, 1, dtype="float32", quality="HQ")
        self._take(samples if self._resampler is None else self._resampler.resample_chunk(samples))

    def finish(self) -> None:
        """Draw what is still waiting."""
        if self._resampler is not None:
            self._take(self._resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
        if self._waiting.size:
            self._take(np.zeros(-self._waiting.size % COLUMN, dtype=np.float32))
        if self._encoder is not None:
            with held_interrupts():
                self._encoder.close()

    def outline(self) -> npt.NDArray[np.float32]:
        """Return the lowest and the highest sample of every column, shape (n_columns, 2)."""
        return self._outline

    def spectrogram(self) -> npt.NDArray[np.float32]:
        """Return the level of every band and column in decibels, shape (n_bands, n_columns), low bands first."""
        decibels: npt.NDArray[np.float32] = 10 * np.log10(self._power.T + 1e-10)
        return decibels

    def sound(self) -> bytes:
        """Return the recording as MP3, or nothing if it is longer than `PLAYED_SECONDS`."""
        return b"" if self._encoder is None or self._played == 0 else self._encoded.getvalue()

    def _take(self, samples: npt.NDArray[np.float32]) -> None:
        self._encode(samples)
        together = np.concatenate([self._waiting, samples])
        whole = together.size // COLUMN * COLUMN
        self._waiting = together[whole:]
        if whole:
            columns = together[:whole].reshape(-1, COLUMN)
            outline = np.stack([columns.min(axis=1), columns.max(axis=1)], axis=1)
            self._add(outline, self._spectra(together[:whole]))

    def _encode(self, samples: npt.NDArray[np.float32]) -> None:
        self._played += samples.size
        if self._encoder is None:
            return
        with held_interrupts():
            if self._played > PLAYED_SECONDS * RATE:
                self._encoder.close()
                self._encoder, self._encoded = None, io.BytesIO()
            else:
                self._encoder.write(np.clip(samples, -1.0, 1.0))

    def _spectra(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        together = np.concatenate([self._before, samples])
        self._before = together[samples.size :]
        spans = np.lib.stride_tricks.sliding_window_view(together, SPAN)[::COLUMN]
        window = np.hanning(SPAN).astype(np.float32)
        power = np.square(np.abs(scipy.fft.rfft(spans * window, n=FRAME, axis=1)))
        bands: npt.NDArray[np.float32] = power @ self._filters / np.square(window).sum()
        return bands

    def _add(self, outline: npt.NDArray[np.float32], power: npt.NDArray[np.float32]) -> None:
        finest = round(self.seconds_a_column * RATE / COLUMN)
        if self._remaining is not None:
            outline, power = np.concatenate([self._remaining[0], outline]), np.concatenate([self._remaining[1], power])
        whole = len(outline) // finest * finest
        self._remaining = (outline[whole:], power[whole:])
        self._outline = np.concatenate([self._outline, _pooled(outline[:whole], finest)])
        self._power = np.concatenate([self._power, power[:whole].reshape(-1, finest, BANDS).mean(axis=1)])
        while len(self._outline) > MOST_COLUMNS:
            even = len(self._outline) // 2 * 2
            self._outline, self._power = _pooled(self._outline[:even], 2), _halved(self._power[:even])
            self.seconds_a_column *= 2


def _pooled(outline: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    grouped = outline.reshape(-1, count, 2)
    return np.stack([grouped[:, :, 0].min(axis=1), grouped[:, :, 1].max(axis=1)], axis=1)


def _halved(power: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    halved: npt.NDArray[np.float32] = power.reshape(-1, 2, BANDS).mean(axis=1)
    return halved


def mel_filters() -> npt.NDArray[np.float32]:
    """Return triangular bands, shape (1 + FRAME / 2, BANDS), each with a sum of 1."""
    mels = np.linspace(0.0, 2595 * np.log10(1 + HIGHEST / 700), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.arange(FRAME // 2 + 1)[:, None] * RATE / FRAME
    # Bands of low frequencies are narrower than the distance between the lines of the transform.
    width = np.maximum(np.diff(edges), RATE / FRAME)
    rising = (frequencies - edges[1:-1] + width[:-1]) / width[:-1]
    falling = (edges[1:-1] + width[1:] - frequencies) / width[1:]
    filters = np.maximum(np.minimum(rising, falling), 0.0)
    normal: npt.NDArray[np.float32] = (filters / filters.sum(axis=0)).astype(np.float32)
    return normal
