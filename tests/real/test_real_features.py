"""Every column against librosa's own functions, on every clip of RAVDESS."""

import librosa
import numpy as np
import pytest

from fusionser.corpora import list_rows
from fusionser.features import SpectralContrast, fusionnet, track_pitch
from fusionser.features.clip import Clip
from fusionser.features.spectrum import FrameSettings, Spectrum

pytestmark = pytest.mark.corpora

OFFSET, SECONDS = 0.6, 2.5


def by_librosa(file):
    """One librosa call a feature: the 162 means, the six statistics, and the tuning that chroma took."""
    clip, rate = librosa.load(file, sr=22050, offset=OFFSET, duration=SECONDS)
    clip = np.pad(clip, (0, int(SECONDS * rate) - clip.size))
    exact = clip.astype(np.float64)
    centred = exact - exact.mean()
    columns = [
        librosa.feature.zero_crossing_rate(clip).mean(),
        *librosa.feature.chroma_stft(y=clip, sr=rate).mean(axis=1),
        *librosa.feature.mfcc(y=clip, sr=rate).mean(axis=1),
        librosa.feature.rms(y=clip).mean(),
        *librosa.feature.melspectrogram(y=clip, sr=rate).mean(axis=1),
        exact.mean(),
        exact.var(),
        (centred**3).mean() / exact.std() ** 3,
        (centred**4).mean() / exact.var() ** 2 - 3,
        librosa.feature.spectral_centroid(y=clip, sr=rate).mean(),
        librosa.feature.spectral_bandwidth(y=clip, sr=rate).mean(),
    ]
    return np.asarray(columns, dtype=np.float64)


@pytest.fixture(scope="module")
def files(corpus_folder):
    return list_rows(corpus_folder("ravdess"), "ravdess").rows["file"].tolist()


def test_99_of_100_clips_agree_with_librosa_within_a_ten_thousandth_of_the_spread(files):
    extractor = fusionnet(gender=False, offset=OFFSET, duration=SECONDS)
    result = extractor.run(files)
    assert not result.failures
    ours = np.hstack([result.stacked(name) for name, _ in extractor.blocks]).astype(np.float64)
    theirs = np.stack([by_librosa(file) for file in files])
    spread = theirs.std(axis=0)
    agree = np.abs(ours - theirs) <= 1e-4 * spread
    names = extractor.get_feature_names_out()
    chroma = np.array([name.startswith("chroma__") for name in names])
    # But for chroma, whose tuning is the peak of a histogram that rounding flips, every single column agrees.
    assert agree[:, ~chroma].all(), [str(names[column]) for column in np.flatnonzero(~agree.all(axis=0) & ~chroma)]
    assert agree.all(axis=1).mean() >= 0.99, f"{(~agree.all(axis=1)).sum()} of {len(files)} clips differ"


def test_chroma_agrees_at_librosas_own_tuning(files, monkeypatch):
    extractor = dict(fusionnet(offset=OFFSET, duration=SECONDS).blocks)["chroma"]
    for file in files[::97]:
        clip, rate = librosa.load(file, sr=22050, offset=OFFSET, duration=SECONDS)
        clip = np.pad(clip, (0, int(SECONDS * rate) - clip.size))
        power = np.abs(librosa.stft(clip)) ** 2
        tuning = float(librosa.estimate_tuning(S=power, sr=rate, bins_per_octave=12))
        spectrum = extractor.spectrum(Clip({"file": file}))
        monkeypatch.setattr(spectrum, "tuning", lambda n_chroma, tuning=tuning: tuning)
        expected = librosa.feature.chroma_stft(y=clip, sr=rate, tuning=tuning)
        np.testing.assert_allclose(spectrum.chroma(), expected, atol=2e-4)


def test_contrast_agrees_with_librosa(files):
    chosen = files[::97]
    ours = SpectralContrast(offset=OFFSET, duration=SECONDS).transform(chosen)
    for row, file in zip(ours, chosen, strict=True):
        clip, rate = librosa.load(file, sr=22050, offset=OFFSET, duration=SECONDS)
        clip = np.pad(clip, (0, int(SECONDS * rate) - clip.size))
        np.testing.assert_allclose(row, librosa.feature.spectral_contrast(y=clip, sr=rate).mean(axis=1), rtol=1e-3)


def test_pitch_agrees_with_librosas_pyin(files):
    """Where both call a frame voiced, they differ by over a semitone in few frames, and by little in the median."""
    errors, voiced = [], []
    for file in files[::120]:
        clip, rate = librosa.load(file, sr=16000)
        clip, _ = librosa.effects.trim(clip, top_db=30)
        view = Spectrum(clip, FrameSettings(sampling_rate=rate, n_fft=1024, hop_length=256))
        ours = track_pitch(view.power, view.rms, rate, 256)
        theirs, flags, _ = librosa.pyin(clip, fmin=60, fmax=600, sr=rate, frame_length=1024, hop_length=256)
        count = min(theirs.size, ours.frequency.size)
        both = flags[:count] & ours.voiced[:count]
        errors.append(12 * np.abs(np.log2(ours.frequency[:count][both] / theirs[:count][both])))
        voiced.append(flags[:count] == ours.voiced[:count])
    found = np.concatenate(errors)
    assert found.size > 500
    assert np.mean(found > 1) < 0.05
    assert np.median(found) < 0.15
    assert np.concatenate(voiced).mean() > 0.75
