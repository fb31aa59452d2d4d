"""What is passed as X: tables, paths, waveforms with and without a rate; arrays give what their file gives."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone
from made_blocks import AUDIO_BLOCKS, OWN_BLOCKS, OWN_FRONT_ENDS
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fusionser.errors import AudioError, FusionserError
from fusionser.features import (
    MFCC,
    RMS,
    EstimatedGender,
    FeatureExtractor,
    Gender,
    LogMelMap,
    Pitch,
    SignalStatistics,
)
from fusionser.features.clip import Clip
from fusionser.features.inputs import rows_of, table_of
from fusionser.networks import Conv2DExtractor, LogMelFrames
from fusionser.recordings import as_clips
from fusionser.sources import sources_of

RATES = (8000, 16000, 22050, 44100, 48000)
TINY = Conv2DExtractor(
    epochs=2,
    filters=(4, 4, 4, 4),
    units=4,
    validation=0.0,
    front_end=LogMelMap(sampling_rate=16000, n_fft=512, hop_length=256, n_mels=16, duration=1.0),
)


def voice(rate, channels=1, pitch=130.0, seconds=1.3):
    """Return a harmonic sound with some noise, shape (n_samples,) or (n_samples, channels)."""
    samples = sum(tone(pitch * number, seconds, rate, 0.2 / number) for number in range(1, 12))
    noise = np.random.default_rng(rate + channels).normal(0, 0.01, (samples.size, channels))
    return np.squeeze(samples[:, None] * np.linspace(1, 0.5, channels) + noise)


def written(folder, samples, rate, subtype):
    file = folder / f"{rate}.wav"
    soundfile.write(file, samples, rate, subtype=subtype)
    return str(file)


@pytest.fixture(scope="module")
def tiny():
    clips = [(voice(16000, pitch=pitch), 16000) for pitch in (100.0, 110.0, 220.0, 240.0)]
    return clone(TINY).fit(clips, ["low", "low", "high", "high"])


@pytest.fixture(scope="module")
def estimated(split):
    return EstimatedGender().fit(split[0].iloc[::4])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("subtype", "dtype"), [("FLOAT", "float32"), ("PCM_16", "int16"), ("PCM_32", "int32")])
def test_an_array_gives_what_its_file_gives(tmp_path, tiny, estimated, rate, channels, subtype, dtype):
    file = written(tmp_path, voice(rate, channels), rate, subtype)
    pair = soundfile.read(file, dtype=dtype)
    assert pair[0].dtype == dtype
    paths, arrays = Clip({"file": file}), Clip({"waveform": pair[0], "sampling_rate": pair[1]})
    for name, kind in {**AUDIO_BLOCKS, **OWN_FRONT_ENDS}.items():
        np.testing.assert_allclose(kind().compute(arrays), kind().compute(paths), rtol=1e-6, atol=1e-6, err_msg=name)
    for block in (MFCC(), LogMelMap(), estimated):
        np.testing.assert_allclose(block.transform([pair]), block.transform([file]), rtol=1e-6, atol=1e-6)
    for answer in (tiny.embed, tiny.predict_proba):
        np.testing.assert_allclose(answer([pair]), answer([file]), rtol=1e-6, atol=1e-6)


def test_every_block_that_hears_is_compared_above():
    assert [name for name in OWN_BLOCKS if name not in AUDIO_BLOCKS] == ["gender"]


@pytest.mark.parametrize("file_rate", RATES)
def test_a_tone_has_its_pitch_in_blocks_of_several_rates(file_rate):
    buzz = voice(file_rate, pitch=150.0)
    frames = {"n_fft": 2048, "statistics": ["percentile50"]}
    extractor = FeatureExtractor(
        blocks=[("high", Pitch(sampling_rate=22050, **frames)), ("low", Pitch(sampling_rate=16000, **frames))]
    )
    columns = list(extractor.get_feature_names_out())
    for given in (
        extractor.transform([(buzz, file_rate)]),
        extractor.transform([buzz], sampling_rate=file_rate),
        extractor.fit_transform([buzz], sampling_rate=[file_rate]),
    ):
        for name in ("high", "low"):
            semitones = given[0, columns.index(f"{name}__f0_percentile50")]
            assert 100.0 * 2 ** (semitones / 12) == pytest.approx(150, rel=0.01)


def test_bare_arrays_have_the_rate_of_the_analysis_where_there_is_one():
    sound = voice(16000)
    extractor = FeatureExtractor(blocks=[("mfcc", MFCC(sampling_rate=16000)), ("rms", RMS(sampling_rate=16000))])
    np.testing.assert_array_equal(extractor.transform([sound]), extractor.transform([(sound, 16000)]))
    np.testing.assert_array_equal(extractor.transform(sound[None]), extractor.transform([(sound, 16000)]))
    extractor.set_params(rms__sampling_rate=22050)
    with pytest.raises(
        FusionserError, match=r"not all are analysed at one rate: mfcc at 16000 Hz, rms at 22050 Hz; give"
    ):
        extractor.transform([sound])
    with pytest.raises(FusionserError, match="give sampling_rate=, or pairs"):
        extractor.run([sound])
    # What networks are fed counts too; a block that hears nothing does not.
    deep = FeatureExtractor(blocks=[("mfcc", MFCC()), ("net", clone(TINY)), ("gender", Gender(sampling_rate=8000))])
    with pytest.raises(FusionserError, match="mfcc at 22050 Hz, net at 16000 Hz"):
        deep.fit([sound] * 4, ["a", "b"] * 2)
    other = LogMelFrames(front_end=LogMelMap(sampling_rate=8000))
    with pytest.raises(FusionserError, match="net at 16000 Hz, other at 8000 Hz"):
        FeatureExtractor(blocks=[("net", clone(TINY)), ("other", other)]).fit([sound] * 4, ["a", "b"] * 2)
    both = FeatureExtractor(blocks=[("mfcc", MFCC(sampling_rate=16000)), ("net", clone(TINY))])
    clips = [voice(16000, pitch=pitch) for pitch in (100.0, 110.0, 220.0, 240.0)]
    by_own, told = (
        clone(both).fit_transform(clips, ["a", "a", "b", "b"], **given) for given in ({}, {"sampling_rate": 16000})
    )
    np.testing.assert_array_equal(by_own, told)


def test_a_rate_that_is_told_is_taken_by_every_method(tiny):
    sound, pair = voice(44100), (voice(44100), 44100)
    for method in ("transform", "embed", "scores", "predict_proba", "predict"):
        answer = getattr(tiny, method)
        np.testing.assert_array_equal(answer([sound], sampling_rate=44100), answer([pair]))
    assert not np.allclose(tiny.embed([sound]), tiny.embed([pair]))
    for block in (MFCC(), LogMelMap()):
        expected = block.transform([pair])
        np.testing.assert_array_equal(block.transform([sound], sampling_rate=44100), expected)
        np.testing.assert_array_equal(block.fit_transform([sound], sampling_rate=44100.0), expected)
    clips, labels = [voice(44100, pitch=pitch) for pitch in (100.0, 110.0, 220.0, 240.0)], ["a", "a", "b", "b"]
    told = clone(TINY).fit(clips, labels, sampling_rate=[44100] * 4)
    paired = clone(TINY).fit([(clip, 44100) for clip in clips], labels)
    np.testing.assert_array_equal(told.embed([pair]), paired.embed([pair]))
    with pytest.raises(FusionserError, match="got waveforms without a sampling rate; give"):
        clone(TINY).fit(clips, labels, validation_rows=(clips, labels), sampling_rate=44100)


def test_pairs_go_through_anyones_pipeline():
    clips = [(voice(rate, pitch=pitch), rate) for rate in (16000, 44100) for pitch in (100.0, 105.0, 240.0, 250.0)]
    labels = ["low", "low", "high", "high"] * 2
    pipeline = make_pipeline(Pitch(statistics=["mean"]), StandardScaler(), SVC())
    assert list(pipeline.fit(clips, labels).predict(clips)) == labels


def test_a_copy_of_an_array_at_another_speed_is_the_files(tmp_path, tiny):
    file = written(tmp_path, voice(44100), 44100, "FLOAT")
    rows = table_of([soundfile.read(file, dtype="float32")])
    for augmentation in ("speed(0.900)#0", "noise(20.0)#1"):
        mine, theirs = (
            tiny.front_end.transform(given.assign(augmentation=augmentation))
            for given in (rows, pd.DataFrame({"file": [file]}))
        )
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([-32768, 0, 16384], dtype=np.int16), [-1.0, 0.0, 0.5]),
        (np.array([-128, 0, 64], dtype=np.int8), [-1.0, 0.0, 0.5]),
        (np.array([-(2**31), 0, 2**30], dtype=np.int32), [-1.0, 0.0, 0.5]),
        (np.array([0, 128, 192], dtype=np.uint8), [-1.0, 0.0, 0.5]),
        (np.array([0, 32768, 49152], dtype=np.uint16), [-1.0, 0.0, 0.5]),
        (np.array([0, 2**31, 3 * 2**30], dtype=np.uint32), [-1.0, 0.0, 0.5]),
        (np.array([-1.0, 0.0, 0.5], dtype=np.float64), [-1.0, 0.0, 0.5]),
        (np.array([[-1.0, 0.0, 0.5], [0.0, 0.5, 0.5]]), [-0.5, 0.25, 0.5]),
        (np.array([[-1.0, 0.0], [0.0, 0.5], [0.5, 0.5]]), [-0.5, 0.25, 0.5]),
        (np.array([[-32768, 0, 16384], [0, 16384, 16384]], dtype=np.int16), [-0.5, 0.25, 0.5]),
        (np.array([[-1.0, 0.0, 0.5]]), [-1.0, 0.0, 0.5]),
    ],
)
def test_arrays_become_the_samples_that_their_type_says(array, expected):
    samples, rate = Clip({"waveform": array, "sampling_rate": 8000}).samples()
    assert (samples.tolist(), rate, samples.dtype) == (expected, 8000, np.float32)


def test_a_part_of_an_array_is_the_part_of_its_file(tmp_path):
    file = written(tmp_path, voice(8000), 8000, "PCM_16")
    part = {"start": 0.25, "end": 0.8}
    array, rate = soundfile.read(file, dtype="int16")
    mine, theirs = (
        Clip({**row, **part}).samples()[0] for row in ({"waveform": array, "sampling_rate": rate}, {"file": file})
    )
    np.testing.assert_array_equal(mine, theirs)


def test_int16_samples_have_the_closed_forms_moments():
    clip = np.round(tone(441, rate=22050, amplitude=0.8) * 32767).astype(np.int16)
    values = dict(zip(SignalStatistics().names(), SignalStatistics().transform([(clip, 22050)])[0], strict=True))
    assert values["variance"] == pytest.approx(0.32, rel=1e-3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            voice(22050) * 32768,
            r"waveform 0: the samples reach .*; expected -1 to 1, and at most 8. Divide them by .* 32768",
        ),
        (np.r_[voice(22050), 8.01], "the samples reach 8.01"),
        (np.r_[voice(22050), np.nan], "waveform 0: 1 samples are NaN or infinite"),
        (np.r_[voice(22050), -np.inf], "1 samples are NaN or infinite"),
        (np.r_[voice(22050), 1e300], "1 samples are NaN or infinite"),
        (
            np.zeros(9000, dtype=np.int64),
            r"of type int64; expected floats from -1 to 1, or int8, .*such as .astype\(np.int16\)",
        ),
        (np.zeros((400, 400)), "got an array of 400 x 400; expected one of samples, or of samples by channels"),
        (np.zeros((128, 500)), "at most 32 channels"),
        (np.zeros((2, 0)), "holds no samples"),
        (np.zeros(0), "holds no samples"),
        (np.zeros(22050), "silent"),
        (np.zeros(22050 * 901, dtype=np.int8), "901 s long; expected at most 900 s"),
    ],
)
def test_arrays_that_are_no_recordings_are_refused_and_spoil_no_other(array, message):
    with pytest.raises(AudioError, match=message):
        MFCC().transform([array])
    result = FeatureExtractor(blocks=[("mfcc", MFCC())]).run([array, voice(22050)])
    assert list(result.failures) == [0]


def test_a_float_file_far_out_of_scale_is_refused_and_one_a_little_over_it_is_not(tmp_path):
    loud = voice(22050)
    over = written(tmp_path, 6.0 * loud / np.abs(loud).max(), 22050, "FLOAT")
    assert np.isfinite(MFCC().transform([over])).all()
    scaled = written(tmp_path, 32768 * loud, 22050, "FLOAT")
    with pytest.raises(AudioError, match=r"22050.wav: the samples reach \d+.*; expected -1 to 1, and at most 8"):
        MFCC(cache=False).transform([scaled])


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ("a.wav", {}, "got str for X; expected a table, or a list of paths, waveforms, or pairs"),
        (pd.DataFrame({"path": ["a.wav"]}), {}, "no column 'file'; got path"),
        (np.zeros(9), {}, r"got one waveform for X; expected a list of them: give \[X\]"),
        (np.zeros((900, 2)), {}, r"got an array of 900 waveforms with 2 samples each for X; .*give \[X\]"),
        ((np.zeros(9), 8000), {}, r"got one pair \(samples, rate\) for X; expected a list of them: give \[X\]"),
        ([(8000, np.zeros(9))], {}, r"got a pair \(rate, samples\); expected it the other way round"),
        ([np.zeros((2, 3, 4))], {}, "got an item of type ndarray, 3 dimensions"),
        ([np.zeros(9, dtype=complex)], {}, "1 dimensions of complex128"),
        ([[np.zeros(3), np.zeros(4)]], {}, "got an item of type list, 1 dimensions of object"),
        ([(np.zeros(9), 22.05)], {}, "got the sampling rate 22.05; expected a whole number of Hz from 1000 to 384000"),
        ([(np.zeros(9), -8000)], {}, "got the sampling rate -8000"),
        ([np.zeros(9)], {"sampling_rate": "16 kHz"}, "got the sampling rate '16 kHz'"),
        ([np.zeros(9)], {"sampling_rate": [8000, 8000]}, "got 2 sampling rates for 1 clips"),
        ([np.zeros(9)], {"sampling_rate": [None]}, "got the sampling rate None"),
        (["a.wav", (np.zeros(9), 8000)], {"sampling_rate": 8000}, "no waveform without a rate"),
        (pd.DataFrame({"file": ["a.wav"]}), {"sampling_rate": 8000}, "got sampling_rate with a table"),
        ([np.zeros(9)], {}, "got waveforms without a sampling rate; give"),
    ],
)
def test_what_is_no_clip_is_refused(given, more, message):
    with pytest.raises(FusionserError, match=message):
        rows_of(given, **more)


def test_a_table_gives_the_rows_that_pandas_gives_without_features():
    table = pd.DataFrame(
        {
            "file": ["a.wav", "b.wav"],
            "end": [1.5, np.nan],
            "speaker": ["x", None],
            "take": [1, 2],
            "channel": pd.Categorical(["speech", "song"]),
            "mel__00_mean": [0.1, 0.2],
        },
        index=[7, 5],
    )
    expected = table.drop(columns="mel__00_mean").to_dict("records")
    rows = rows_of(table)
    assert repr(rows) == repr(expected)
    assert [type(value) for value in rows[0].values()] == [type(value) for value in expected[0].values()]
    assert rows_of(table.iloc[:0]) == []
    assert table_of(table) is table


def test_paths_waveforms_and_pairs_stand_side_by_side(tmp_path):
    sound = voice(16000)
    file = written(tmp_path, sound, 16000, "FLOAT")
    given = [file, sound, (sound, 16000)]
    rows = rows_of(given, sampling_rate=[None, 16000, None])
    assert rows[0] == {"file": file}
    assert [row["sampling_rate"] for row in rows[1:]] == [16000, 16000]
    values = MFCC().transform(given, sampling_rate=16000)
    np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), atol=1e-4)
    table = table_of(given, 16000)
    np.testing.assert_array_equal(MFCC().transform(table), values)
    # Equal samples are one clip, so that folds keep them together; of a pair they are those of its array.
    assert table["source"].iloc[1] == table["source"].iloc[2] != table["source"].iloc[0]
    assert sources_of(given, 3).tolist() == table["source"].tolist()


def test_networks_of_the_same_clips_are_the_same_however_these_are_passed():
    clips = [voice(16000, pitch=pitch) for pitch in (100.0, 104.0, 108.0, 112.0, 220.0, 230.0, 240.0, 250.0)]
    labels = np.repeat(["low", "high"], 4)
    network = LogMelFrames(epochs=2, units=4, validation=0.25, front_end=TINY.front_end)
    listed, paired, table = (
        clone(network).fit(X, labels).embed(X)
        for X in (clips, [(clip, 16000) for clip in clips], table_of(clips, 16000))
    )
    np.testing.assert_array_equal(listed, paired)
    np.testing.assert_array_equal(listed, table)


def test_a_closed_file_is_told():
    closed = io.BytesIO(b"RIFF")
    closed.close()
    with pytest.raises(FusionserError, match="a BytesIO that cannot be read"), as_clips(closed):
        pass
