"""The networks of the CNN-LSTM papers as extractors: the papers' front ends, and a short training of each."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from fusionser.errors import FusionserError
from fusionser.features import BlockVector, LogMelMap, MFCCMap, RawWaveform
from fusionser.networks import NETWORKS
from fusionser.networks.baseline import BaselineExtractor

NAMES = sorted(name for name, kind in NETWORKS.items() if issubclass(kind, BaselineExtractor))

SMALL = {"sampling_rate": 8000, "n_fft": 256, "hop_length": 64, "duration": 1.05}
SMALL_FRONT_ENDS = {
    "cnn-lstm-1d": RawWaveform(sampling_rate=4000, duration=0.5),
    "cnn-lstm-2d": LogMelMap(**SMALL),
    "time-distributed": LogMelMap(**{**SMALL, "n_mels": 32}),
    "conv1d-lstm": MFCCMap(**{**SMALL, "hop_length": 128}, n_mels=32, n_mfcc=8),
    "temporal-cnn": LogMelMap(**{**SMALL, "n_mels": 40}),
    "crnn": LogMelMap(**SMALL),
    "vgg16": LogMelMap(**{**SMALL, "n_mels": 40}),
}


def small(name):
    """The extractor on a small input, which it learns in a second."""
    front = next(value for key, value in SMALL_FRONT_ENDS.items() if name.replace("-bilstm", "-lstm").startswith(key))
    extractor = NETWORKS[name](epochs=1, units=8, front_end=clone(front))
    if name == "vgg16":
        return extractor.set_params(image_size=32)
    return extractor.set_params(segment_frames=32, segment_step=32) if name.startswith("temporal") else extractor


@pytest.fixture(scope="module")
def few(split):
    train, test = split
    return train.groupby(["emotion", "speaker"]).head(1), test.groupby("emotion").head(1)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_learns_answers_and_is_kept(few, name):
    train, test = few
    fitted = small(name).fit(train, train["emotion"])
    units = fitted.transform(test)
    assert units.shape == (len(test), fitted.unit_count()) == (len(test), fitted.get_feature_names_out().size)
    assert np.isfinite(units).all() and np.ptp(units) > 0
    np.testing.assert_allclose(fitted.predict_proba(test).sum(axis=1), 1, atol=1e-6)
    again = NETWORKS[name].from_settings(fitted.settings())
    again.unpack(fitted.pack(), fitted.classes_)
    np.testing.assert_allclose(again.predict_proba(test), fitted.predict_proba(test), atol=1e-6)


@pytest.mark.parametrize("name", ["crnn", "conv1d-lstm-speech", "time-distributed-cnn-bilstm"])
def test_the_same_seed_gives_the_same_numbers(few, name, monkeypatch, tmp_path):
    train, test = few
    found = []
    for folder in ("one", "two"):
        monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / folder))
        found.append(small(name).fit(train, train["emotion"]).predict_proba(test))
    np.testing.assert_array_equal(*found)
    other = small(name).set_params(random_state=1).fit(train, train["emotion"]).predict_proba(test)
    assert not np.array_equal(found[0], other)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cnn-lstm-1d", (56000,)),
        ("cnn-bilstm-1d", (56000,)),
        ("cnn-bilstm-2d", (128, 219)),
        ("time-distributed-cnn-bilstm", (128, 219)),
        ("conv1d-lstm-speech", (32, 256)),
        ("conv1d-lstm-song", (32, 256)),
        *[(f"temporal-cnn-{number}", (128, 376)) for number in range(1, 6)],
        ("crnn", (128, 259)),
        ("vgg16", (128, 188)),
    ],
)
def test_front_ends_are_the_papers(name, shape):
    assert NETWORKS[name]().resolved_front_end().array_shape() == shape


def test_training_is_the_papers_where_it_says():
    crnn, speech = NETWORKS["crnn"](), NETWORKS["conv1d-lstm-speech"]()
    assert (crnn.learning_rate, crnn.batch_size, crnn.optimiser) == (1e-4, 16, "adam")
    assert (speech.learning_rate, speech.epochs) == (0.01, 15)
    front = crnn.resolved_front_end()
    assert (front.sampling_rate, front.n_fft, front.hop_length, front.trim, front.denoise) == (
        44100,
        2048,
        512,
        True,
        True,
    )
    assert NETWORKS["temporal-cnn-1"]().resolved_front_end().fmax == 4000


def test_either_optimiser_trains(few):
    train, test = few
    found = [
        small("temporal-cnn-1").set_params(optimiser=name).fit(train, train["emotion"]).predict_proba(test)
        for name in ("adam", "sgd")
    ]
    assert not np.array_equal(*found)


def test_the_recurrent_bias_that_keras_lacks_stays_zero(few):
    train, _ = few
    network = small("crnn").fit(train, train["emotion"]).network_
    for name, weight in network.lstm.named_parameters():
        if name.startswith("bias"):
            assert bool(torch.any(weight != 0)) == name.startswith("bias_ih"), name


@pytest.mark.parametrize(
    ("extractor", "message"),
    [
        (NETWORKS["crnn"](front_end=LogMelMap(duration=1.0)), "pools of 2, 4, 4, 4 need 128 or more"),
        (NETWORKS["crnn"](front_end=BlockVector()), "crnn cannot read BlockVector; expected a LogMelMap or MFCCMap"),
        (NETWORKS["cnn-lstm-1d"](front_end=LogMelMap()), "expected a RawWaveform"),
        (NETWORKS["cnn-lstm-1d"](front_end=RawWaveform(sampling_rate=4000, duration=0.05)), "256 or more"),
        (NETWORKS["temporal-cnn-2"](segment_frames=1000), "4 segments of 1000, 64 apart, need 1192"),
        (NETWORKS["crnn"](units=0), "units is 0; expected 1 to 8192"),
        (NETWORKS["crnn"](optimiser="adagrad"), "optimiser is 'adagrad'; expected one of adam, sgd"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_read(extractor, message):
    with pytest.raises(FusionserError, match=message):
        extractor.check()
