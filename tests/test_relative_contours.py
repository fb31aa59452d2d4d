"""The contours that are relative within the clip, and the network that reads them."""

import numpy as np
import pytest
import torch

from fusionser.errors import AudioError, SettingsError, TrainingError
from fusionser.features import RelativeContours, RelativeMap, relative_frames
from fusionser.features.clip import Clip
from fusionser.networks import Conv1DRelative, Conv1DRelativeExtractor, Distortion

RATE = 16000
LEVEL, PITCH, MEDIAN, HARMONICS, VOICED, INSIDE = range(40, 46)


def gliding(seconds=1.0, low=150.0, high=300.0):
    """Return a harmonic tone that rises evenly on the logarithmic scale."""
    time = np.arange(round(seconds * RATE)) / RATE
    frequency = low * (high / low) ** (time / seconds)
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 6))).astype(np.float32)


def contours(samples, **settings):
    return RelativeContours(**settings).compute(Clip({"waveform": samples, "sampling_rate": RATE}))


def test_pitch_rises_evenly_about_the_median():
    found = contours(gliding(), length=2.0)
    inside = found[INSIDE] == 1
    assert 45 <= inside.sum() <= 50 and inside[: inside.sum()].all()
    middle = slice(5, 40)
    assert (found[VOICED, middle] == 1).all()
    # One octave a second is 0.24 semitones per column of 20 ms; the median is that of half the octave.
    assert np.diff(found[PITCH, middle]).mean() == pytest.approx(0.24, abs=0.02)
    assert found[MEDIAN, 0] == pytest.approx(12 * np.log2(1.5) + 6, abs=0.3)
    assert np.ptp(found[MEDIAN, inside]) == 0
    assert found[HARMONICS, middle].min() > 10
    assert found[LEVEL, middle].min() > -3


def test_columns_are_means_over_two_frames():
    samples = gliding(1.0) * np.hanning(RATE).astype(np.float32)
    clip = Clip({"waveform": samples, "sampling_rate": RATE})
    frames = relative_frames(clip, RelativeContours().clip_settings(), 20.0)
    found = RelativeContours().compute(clip)
    count = len(frames.level) // 2
    assert found[LEVEL, :count] == pytest.approx(
        (frames.level[0::2][:count] + frames.level[1::2][:count]) / 2, abs=1e-4
    )
    bands = (frames.bands[0::2][:count] + frames.bands[1::2][:count]) / 2
    assert found[:40, :count] == pytest.approx(bands.T, abs=1e-4)
    assert (found[:, count:] == 0).all()


def test_a_gain_changes_nothing():
    quiet, loud = contours(gliding() / 50), contours(gliding())
    assert quiet == pytest.approx(loud, abs=1e-3)


def test_the_middle_of_a_long_clip_is_used():
    whole = contours(gliding(4.0), length=10.0)
    count = int(whole[INSIDE].sum())
    start = (count - 100) // 2
    assert contours(gliding(4.0), length=2.0) == pytest.approx(whole[:, start : start + 100], abs=1e-5)


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    found = contours(noise)
    assert found[VOICED].mean() < 0.1
    assert (found[PITCH][found[VOICED] == 0] == 0).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"length": 0.0}, "length"),
        ({"dynamic_range": 90.0}, "dynamic_range"),
        ({"sampling_rate": 4000}, "sampling_rate"),
    ],
)
def test_contours_refuse_invalid_parameters(parameters, message):
    with pytest.raises(SettingsError, match=message):
        RelativeContours(**parameters).check()


def made_contours(n_clips=6, n_columns=30, filled=20):
    rng = np.random.default_rng(0)
    made = rng.normal(3.0, 2.0, (n_clips, 46, n_columns)).astype(np.float32)
    made[:, -1] = 1
    made[:, :, filled:] = 0
    return made


def test_standardised_over_the_inside_and_bounded():
    made = made_contours()
    made[0, 0, 0] = 1000.0
    preparation = Conv1DRelative(46, 30, 2).preparation
    preparation.learn([made])
    result = preparation(torch.from_numpy(made)).numpy()
    inner = made[:, :45, :20].astype(np.float64)
    mean, deviation = inner.mean(axis=(0, 2))[:, None], inner.std(axis=(0, 2))[:, None]
    assert result[:, :45, :20] == pytest.approx(np.clip((inner - mean) / deviation, -4, 4), abs=1e-4)
    assert result[0, 0, 0] == 4
    assert (result[:, :, 20:] == 0).all() and (result[:, 45, :20] == 1).all()


def test_a_constant_contour_stays_finite():
    made = made_contours()
    made[:, 7, :20] = 5.0
    preparation = Conv1DRelative(46, 30, 2).preparation
    preparation.learn([made])
    assert (preparation(torch.from_numpy(made))[:, 7] == 0).all()


def test_what_fills_up_a_short_clip_changes_nothing():
    network = Conv1DRelative(46, 30, 3).eval()
    made = made_contours()
    network.preparation.learn([made])
    longer = np.pad(made, ((0, 0), (0, 0), (0, 40)))
    with torch.no_grad():
        short, long = (network(network.preparation(torch.from_numpy(x))) for x in (made, longer))
    assert long.numpy() == pytest.approx(short.numpy(), abs=1e-5)
    changed = made.copy()
    changed[:, :40, 5] += 10.0
    with torch.no_grad():
        assert not torch.allclose(network(network.preparation(torch.from_numpy(changed))), short, atol=1e-3)


def test_the_number_of_weights_is_that_of_the_table():
    network = Conv1DRelative(46, 150, 6)
    assert sum(weight.numel() for weight in network.parameters()) == 29056 + 3 * 82176 + 16576 + 33856 + 65 * 6


def test_masks_leave_the_rows_after_the_bands():
    inputs = torch.ones(50, 46, 30)
    distortion = Distortion(band_mask=46, frame_mask=30, bands=40)
    changed, _ = distortion(inputs, torch.zeros(50, 2), np.random.default_rng(0))
    assert (changed[:, 40:] == 1).all()
    assert (changed[:, :40] == 0).any(dim=(0, 2)).all() and (changed[:, :40] == 0).any(dim=(0, 1)).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"front_end": RelativeMap()}, "cannot read RelativeMap; expected RelativeContours"),
        ({"filters": 0}, "filters"),
        ({"dense_dropout": 1.0}, "dense_dropout is 1.0"),
        ({"mixup": 2.0}, "mixup"),
        ({"band_mask": 41}, "band_mask is 41; expected 0 to 40"),
        ({"frame_mask": 151}, "frame_mask"),
    ],
)
def test_the_extractor_refuses_invalid_parameters(parameters, message):
    with pytest.raises(SettingsError, match=message):
        Conv1DRelativeExtractor(**parameters).check()


def test_it_tells_rising_from_falling():
    rng = np.random.default_rng(0)
    ends = [(low, low * rng.uniform(1.5, 2.0)) for low in rng.uniform(100, 200, 8)]
    rising = [(gliding(0.6, *pair), RATE) for pair in ends]
    falling = [(gliding(0.6, *pair[::-1]), RATE) for pair in ends]
    plain = {"mixup": 0.0, "band_mask": 0, "frame_mask": 0, "dropout": 0.0, "dense_dropout": 0.0}
    network = Conv1DRelativeExtractor(epochs=40, filters=8, units=8, batch_size=8, cache=False, **plain)
    labels = ["rising"] * 8 + ["falling"] * 8
    network.fit([*rising, *falling], labels)
    unseen = [(gliding(0.6, 120, 210), RATE), (gliding(0.6, 210, 120), RATE)]
    assert network.predict(unseen).tolist() == ["rising", "falling"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"filters": 1.5}, "filters is 1.5; expected a whole number"),
        ({"filters": [8, 8]}, "filters is .*; expected a whole number"),
        ({"units": True}, "units is True; expected a whole number"),
        ({"frame_mask": 2.5}, "frame_mask is 2.5"),
        ({"epochs": 1.5}, "epochs is 1.5; expected a whole number"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"patience": "a"}, "patience is 'a'"),
        ({"front_end": "relative-contours"}, "front_end is 'relative-contours'; expected a front end"),
        ({"front_end": RelativeContours}, "expected a front end"),
    ],
)
def test_values_of_another_type_are_refused(parameters, message):
    with pytest.raises(SettingsError, match=message):
        Conv1DRelativeExtractor(**parameters).check()


def test_batch_norm_needs_two_rows():
    clips = [(gliding(0.3), RATE), (gliding(0.3, 300, 150), RATE)]
    with pytest.raises(SettingsError, match="batch_size is 1; conv1d-relative has batch normalisation"):
        Conv1DRelativeExtractor(batch_size=1, epochs=1, cache=False).fit(clips, ["a", "b"])


def test_a_training_that_diverges_with_finite_losses_is_an_error():
    clips = [(gliding(0.3, low, high), RATE) for low, high in ((150, 300), (300, 150), (140, 290), (280, 130))]
    network = Conv1DRelativeExtractor(learning_rate=1e6, epochs=3, filters=16, batch_size=2, cache=False)
    with pytest.raises(TrainingError, match="conv1d-relative diverged"):
        network.fit(clips, ["a", "b", "a", "b"])


def test_no_clips_are_an_error():
    with pytest.raises(AudioError, match="X holds no clips"):
        Conv1DRelativeExtractor().fit([], [])
