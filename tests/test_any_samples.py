"""For any finite samples: every feature is finite, names and shapes hold, and so do laws of scale and of padding."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fusionser import robust, wide
from fusionser.errors import AudioError
from fusionser.features import MFCC, RMS, ZeroCrossingRate

RATE = 16000
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SAMPLES = arrays(np.float32, st.integers(1, 6000), elements=st.floats(-1, 1, width=32))
KINDS = ("noise", "tone", "silence", "click", "constant")
PRESETS = {"robust": robust(), "wide": wide()}


@st.composite
def waveforms(draw):
    """Samples as recordings have them: noise, tones, silence and clicks, one after another, at any level."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    parts = []
    for kind in draw(
        st.lists(st.sampled_from(["noise", "tone", "silence", "click", "constant"]), min_size=1, max_size=4)
    ):
        count = draw(st.integers(1, 6000))
        level = 10.0 ** draw(st.floats(-5, 0))
        made = {
            "noise": rng.normal(size=count) / 4,
            "tone": np.sin(np.arange(count) * rng.uniform(0, np.pi)),
            "silence": np.zeros(count),
            "click": np.where(np.arange(count) == count // 2, 1.0, 0.0),
            "constant": np.full(count, rng.uniform(-1, 1)),
        }[kind]
        parts.append(np.clip(level * made, -1, 1))
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize("name", PRESETS)
@SLOW
@given(samples=st.one_of(SAMPLES, waveforms()), rate=st.sampled_from([1000, 8000, RATE, 22050, 44100]))
def test_every_feature_is_finite(name, samples, rate):
    extractor = PRESETS[name]
    try:
        values = np.asarray(extractor.fit_transform([(samples, rate)]))
    except AudioError as error:
        # The reason is always a sentence on the clip.
        assert str(error).startswith("waveform 0: ")
        return
    names = extractor.get_feature_names_out()
    assert values.shape == (1, len(names)) and len(set(names)) == len(names)
    assert np.isfinite(values).all(), names[~np.isfinite(values[0])]


def features(block, samples):
    try:
        return np.asarray(block.fit_transform([(samples, RATE)]), dtype=np.float64)[0]
    except AudioError:
        return None


@QUICK
@given(samples=waveforms(), power=st.integers(1, 5))
def test_laws_of_scale(samples, power):
    """Halving the samples leaves their signs, and halves their RMS; both without rounding."""
    factor = 2.0**-power
    # As in librosa, samples up to 1e-10 have no sign.
    samples = np.where(np.abs(samples) < 1e-8, 0, samples).astype(np.float32)
    quiet = (samples * factor).astype(np.float32)
    for block, law in ((ZeroCrossingRate(sampling_rate=RATE), 1.0), (RMS(sampling_rate=RATE), factor)):
        loud, scaled = features(block, samples), features(block, quiet)
        if loud is None or scaled is None:
            continue
        np.testing.assert_allclose(scaled, law * loud, rtol=1e-4, atol=1e-7)


@SLOW
@given(samples=waveforms())
def test_padding_is_what_the_duration_says(samples):
    """A fixed duration gives what zeros at the end give."""
    padded = np.pad(samples, (0, max(0, 2 * RATE - samples.size)))[: 2 * RATE]
    block = MFCC(sampling_rate=RATE, duration=2.0)
    given_short, given_padded = features(block, samples), features(block, padded)
    if given_short is not None and given_padded is not None:
        np.testing.assert_array_equal(given_short, given_padded)


@QUICK
@given(samples=waveforms())
def test_a_clip_does_not_depend_on_its_neighbours(samples):
    block = ZeroCrossingRate()
    other = np.sin(np.arange(5000) / 7).astype(np.float32)
    alone = features(block, samples)
    if alone is not None:
        together = np.asarray(block.fit_transform([(other, RATE), (samples, RATE), (other, RATE)]), dtype=np.float64)
        np.testing.assert_array_equal(together[1], alone)
