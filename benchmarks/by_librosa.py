"""The same columns by one librosa call a feature, and the floor under all of them."""

import librosa
import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal
import scipy.sparse

from benchmarks.measuring import OFFSET, SECONDS, Waveform, waveform

RATE, N_FFT, HOP = 22050, 2048, 512


def features(clip: Waveform) -> npt.NDArray[np.float64]:
    """Return the 162 means and six statistics of a waveform."""
    exact = clip.astype(np.float64)
    centred = exact - exact.mean()
    squares = centred * centred
    variance = squares.mean()
    return np.asarray(
        [
            librosa.feature.zero_crossing_rate(clip).mean(),
            *librosa.feature.chroma_stft(y=clip, sr=RATE).mean(axis=1),
            *librosa.feature.mfcc(y=clip, sr=RATE).mean(axis=1),
            librosa.feature.rms(y=clip).mean(),
            *librosa.feature.melspectrogram(y=clip, sr=RATE).mean(axis=1),
            exact.mean(),
            variance,
            (squares @ centred) / clip.size / variance**1.5,
            (squares @ squares) / clip.size / variance**2 - 3,
            librosa.feature.spectral_centroid(y=clip, sr=RATE).mean(),
            librosa.feature.spectral_bandwidth(y=clip, sr=RATE).mean(),
        ]
    )


def features_of_file(file: str) -> npt.NDArray[np.float64]:
    clip, _ = librosa.load(file, sr=RATE, offset=OFFSET, duration=SECONDS)
    return features(clip)


class Floor:
    """What cannot be left out: decode, resample, one real transform, and the sparse filter-bank products."""

    def __init__(self) -> None:
        self.window = scipy.signal.get_window("hann", N_FFT).astype(np.float32)
        self.mel = scipy.sparse.csr_array(librosa.filters.mel(sr=RATE, n_fft=N_FFT))
        self.chroma = librosa.filters.chroma(sr=RATE, n_fft=N_FFT)

    def of_waveform(self, clip: Waveform) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(clip, N_FFT // 2), N_FFT)[::HOP]
        power = np.square(np.abs(scipy.fft.rfft(frames * self.window, axis=1)))
        _ = self.mel @ power.T, power @ self.chroma.T

    def of_file(self, file: str) -> None:
        self.of_waveform(waveform(file, RATE))
