"""The quantities of spectra as tensors are those of NumPy, which other tests compare with librosa."""

import numpy as np
import pytest
import torch

from fusionser.features.spectrum import FrameSettings, Spectrum
from fusionser.features.spectrum_tensors import SpectrumTensors, frame_sums

FRAMES = [
    FrameSettings(),
    FrameSettings(sampling_rate=16000, n_fft=512, hop_length=128, win_length=400, window="hamming", pre_emphasis=0.97),
]


@pytest.fixture(scope="module")
def waveforms():
    rng, time = np.random.default_rng(0), np.arange(22050) / 22050
    tones = [np.sin(2 * np.pi * pitch * time) * rng.uniform(0.1, 0.5) for pitch in (220.0, 331.0, 446.0)]
    return np.stack([tone + rng.normal(0, 0.01, time.size) for tone in tones]).astype(np.float32)


@pytest.mark.parametrize("frames", FRAMES, ids=["default", "speech"])
def test_each_quantity_is_that_of_numpy(waveforms, frames):
    tensors = SpectrumTensors(torch.from_numpy(waveforms), frames)
    for place, waveform in enumerate(waveforms):
        spectrum = Spectrum(waveform, frames)
        pairs = {
            "magnitude": (tensors.magnitude, spectrum.magnitude),
            "rms": (tensors.rms(), spectrum.rms),
            "zero crossings": (tensors.zero_crossing_rate(), spectrum.zero_crossing_rate),
            "mel": (tensors.mel(40, None, False), spectrum.mel(40)),
            "log-mel": (tensors.log_mel(40, None, True), spectrum.log_mel(40, htk=True)),
            "MFCC": (tensors.mfcc(40, None, False), spectrum.mfcc(40, 40)),
            "tuning": (tensors.tuning(12), spectrum.tuning()),
            "chroma": (tensors.chroma(12), spectrum.chroma()),
            "centroid": (tensors.centroid(), spectrum.centroid),
            "bandwidth": (tensors.bandwidth(), spectrum.bandwidth),
            "flatness": (tensors.flatness(), spectrum.flatness),
            "flux": (tensors.flux(), spectrum.flux),
        }
        for name, (found, expected) in pairs.items():
            assert found[place].numpy() == pytest.approx(expected, rel=1e-4, abs=1e-4), name
        assert (
            tensors.rolloff(0.5)[place].numpy() == np.searchsorted(spectrum.frequencies, spectrum.rolloff(0.5))
        ).all()


def test_silence_has_no_tuning_and_no_chroma():
    tensors = SpectrumTensors(torch.zeros(2, 9000), FrameSettings())
    assert tensors.tuning(12).tolist() == [0.0, 0.0]
    assert not tensors.chroma(12).any() and not tensors.centroid().any()


def test_frames_after_a_loud_part_are_silent_again():
    """The sums of frames are differences of totals, which must not leave a rest."""
    sums = frame_sums(torch.tensor([[1e8, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64), 2, 1)
    assert sums.tolist() == [[1e8, 0.0, 0.0, 0.0]]
