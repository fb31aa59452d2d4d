"""Every format and sample format that libsndfile writes is read, whole and in part."""

import numpy as np
import pytest
import soundfile

from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError
from fusionser.features import ZeroCrossingRate

RATE, SECONDS = 8000, 2
LOSSY = {"MP3": 0.5, "VORBIS": 0.3, "OPUS": 0.5, "XI": 0.5}


def writable():
    for container in sorted(soundfile.available_formats()):
        # Audio without a header cannot be read without being told what it is.
        if container in ("RAW", "SD2"):
            continue
        for coding in sorted(soundfile.available_subtypes(container)):
            # libsndfile cannot go back in its own files of this kind, which soundfile does after every reading.
            if not coding.startswith("DWVW"):
                yield container, coding


@pytest.mark.parametrize(("container", "coding"), writable())
def test_what_libsndfile_writes_is_read(tmp_path, container, coding):
    tone = 0.5 * np.sin(2 * np.pi * 200 / RATE * np.arange(RATE * SECONDS)) * np.hanning(RATE * SECONDS)
    file = tmp_path / f"clip.{container.lower()}"
    try:
        soundfile.write(file, tone, RATE, format=container, subtype=coding)
    except (soundfile.LibsndfileError, ValueError):
        pytest.skip("libsndfile does not write it at this rate")
    seconds = duration_of(file)
    whole, rate = decode(file)
    assert rate in (RATE, 44100) or container == "XI"
    assert seconds == pytest.approx(RATE * SECONDS / rate, abs=0.1)
    # A codec may lack or add a frame at the ends.
    assert len(whole) == pytest.approx(RATE * SECONDS, abs=0.1 * RATE)
    count = min(len(whole), len(tone))
    loud = np.corrcoef(np.abs(whole[:count]), np.abs(tone[:count]))[0, 1]
    assert loud > 0.9 or container in LOSSY or coding in LOSSY
    part, _ = decode(file, 0.5 * seconds, 0.75 * seconds)
    first = int(0.5 * seconds * rate)
    assert np.abs(part - whole[first : first + len(part)]).max() < 1e-3


def test_channels_that_cancel_are_told(tmp_path):
    noise = 0.1 * np.random.default_rng(0).normal(size=8000)
    soundfile.write(tmp_path / "anti.wav", np.stack([noise, -noise], axis=1), RATE, subtype="FLOAT")
    told = "2 channels cancel each other out when they are averaged"
    with pytest.raises(AudioError, match=f"anti.wav: its {told}"):
        decode(tmp_path / "anti.wav")
    with pytest.raises(AudioError, match=told):
        ZeroCrossingRate().transform([(np.stack([noise, -noise]), RATE)])
    soundfile.write(tmp_path / "silent.wav", np.zeros((8000, 2)), RATE)
    with pytest.raises(AudioError, match="silent"):
        ZeroCrossingRate().transform([str(tmp_path / "silent.wav")])
    soundfile.write(tmp_path / "one.wav", np.stack([noise, 0 * noise], axis=1), RATE)
    assert len(decode(tmp_path / "one.wav")[0]) == 8000
