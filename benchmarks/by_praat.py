"""The measures of voice quality by Praat, through the package praat-parselmouth."""

import numpy as np
import numpy.typing as npt
import parselmouth
from parselmouth.praat import call

Array64 = npt.NDArray[np.float64]

LOWEST_PITCH, HIGHEST_PITCH = 60.0, 600.0
SHORTEST, LONGEST, RATIO, AMPLITUDE_RATIO = 0.0001, 0.02, 1.3, 1.6
"""Praat's standard settings: range of periods in seconds, and largest ratios of consecutive periods and amplitudes."""

N_FORMANTS, FORMANT_WINDOW, PRE_EMPHASIS = 5, 0.025, 50.0
HIGHEST_FORMANT = {"male": 5000.0, "female": 5500.0}
"""Praat's advice for the highest formant in Hz."""


class Voice:
    """A waveform in Praat, with its pitch and pulses."""

    def __init__(self, samples: Array64, rate: int) -> None:
        self.sound = parselmouth.Sound(np.asarray(samples, dtype=np.float64), rate)
        self.pitch = self.sound.to_pitch_ac(time_step=0.01, pitch_floor=LOWEST_PITCH, pitch_ceiling=HIGHEST_PITCH)
        self.pulses = call([self.sound, self.pitch], "To PointProcess (cc)")

    def perturbation(self) -> Array64:
        """Return jitter (local) and shimmer (local) in per cent, and shimmer (local) in decibels."""
        periods = (0, 0, SHORTEST, LONGEST, RATIO)
        return np.array(
            [
                100.0 * call(self.pulses, "Get jitter (local)", *periods),
                100.0 * call([self.sound, self.pulses], "Get shimmer (local)", *periods, AMPLITUDE_RATIO),
                call([self.sound, self.pulses], "Get shimmer (local_dB)", *periods, AMPLITUDE_RATIO),
            ]
        )

    def voiced(self, times: Array64) -> npt.NDArray[np.bool_]:
        """Return whether Praat finds a pitch at each time."""
        return np.isfinite([self.pitch.get_value_at_time(time) for time in times])

    def harmonics_to_noise(self, times: Array64) -> Array64:
        """Return the ratio at each time in decibels, by cross-correlation, which Praat's manual recommends."""
        harmonicity = self.sound.to_harmonicity_cc(time_step=0.01, minimum_pitch=LOWEST_PITCH, silence_threshold=0.01)
        return np.array([call(harmonicity, "Get value at time", time, "nearest") for time in times])

    def formants(self, times: Array64, highest: float, count: float = N_FORMANTS) -> tuple[Array64, Array64]:
        """Return frequencies and bandwidths of the first three, each (3, n_times), in Hz."""
        found = self.sound.to_formant_burg(0.01, count, highest, FORMANT_WINDOW, PRE_EMPHASIS)
        numbers = (1, 2, 3)
        return (
            np.array([[found.get_value_at_time(number, time) for time in times] for number in numbers]),
            np.array([[found.get_bandwidth_at_time(number, time) for time in times] for number in numbers]),
        )

    def cepstral_peak_prominence(self, times: Array64, highest: float = 5000.0) -> Array64:
        """Return the smoothed prominence at each time in decibels, above a straight line."""
        cepstrogram = call(self.sound, "To PowerCepstrogram", LOWEST_PITCH, 0.002, highest, PRE_EMPHASIS)
        smooth = call(cepstrogram, "Smooth", 0.02, 0.0005)
        values = []
        for time in times:
            cepstrum = call(smooth, "To PowerCepstrum (slice)", time)
            values.append(
                call(
                    cepstrum,
                    "Get peak prominence",
                    LOWEST_PITCH,
                    330.0,
                    "Parabolic",
                    0.001,
                    0.032,
                    "Straight",
                    "Least squares",
                )
            )
        return np.array(values)

    def band_ratio(self, times: Array64, edges: tuple[float, float, float]) -> Array64:
        """Return the energy from the first to the second edge over that up to the third, in decibels, at each time."""
        values = []
        for time in times:
            part = self.sound.extract_part(time - 0.032, time + 0.032, parselmouth.WindowShape.HANNING)
            spectrum = part.to_spectrum(fast=False)
            low, high = (spectrum.get_band_energy(*band) for band in (edges[:2], edges[1:]))
            values.append(10.0 * np.log10(low / high))
        return np.array(values)
