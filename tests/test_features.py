"""The feature transformers under scikit-learn's contract, on files, tables and waveforms."""

import pickle

import joblib
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone
from made_blocks import AUDIO_BLOCKS
from scipy import stats
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fusionser.errors import AudioError, FusionserError, SettingsError
from fusionser.features import (
    MFCC,
    RMS,
    Chroma,
    FeatureExtractor,
    Gender,
    LogMelMap,
    MelSpectrogram,
    MFCCMap,
    RelativeFeature,
    SignalStatistics,
    SpectralContrast,
    fusionnet,
    preset,
    wide,
)
from fusionser.pipeline import PipelineSpec, build_features
from fusionser.splits import SpeakerKFold


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(0, 0.1, 22050).astype(np.float32)


@pytest.mark.parametrize("kind", AUDIO_BLOCKS.values())
def test_every_block_keeps_the_contract(kind, noise):
    block = kind()
    assert {name: getattr(block, name) for name in block.get_params()} == kind().get_params()
    copy = clone(block)
    assert copy is not block
    assert copy.get_params() == block.get_params()
    values = block.fit_transform([noise, noise[:15000]])
    assert values.shape == (2, len(block.get_feature_names_out()))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert all(name.startswith(f"{kind.kind}__") for name in block.get_feature_names_out())
    assert len(set(block.get_feature_names_out())) == values.shape[1]
    table = clone(block).set_output(transform="pandas").transform([noise])
    assert list(table.columns) == list(block.get_feature_names_out())
    np.testing.assert_array_equal(table.to_numpy()[0], values[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(block)).transform([noise])[0], values[0])


def test_blocks_work_inside_joblib_workers(noise):
    answers = joblib.Parallel(n_jobs=2)(joblib.delayed(MFCC().transform)([noise]) for _ in range(2))
    np.testing.assert_array_equal(answers[0], answers[1])


def test_a_path_a_table_and_a_waveform_give_the_same(tmp_path, noise):
    file = tmp_path / "a.wav"
    soundfile.write(file, noise, 22050, subtype="FLOAT")
    expected = MFCC().transform([noise])
    for X in ([str(file)], [file], np.array([str(file)]), pd.DataFrame({"file": [str(file)]}), noise[None]):
        np.testing.assert_array_equal(MFCC().transform(X), expected)
    part = pd.DataFrame({"file": [str(file)], "start": [0.2], "end": [0.8]})
    np.testing.assert_allclose(
        MFCC().transform(part), MFCC().transform([noise[int(0.2 * 22050) : round(0.8 * 22050)]]), atol=1e-4
    )


@pytest.mark.parametrize("name", ["fusionnet", "wide"])
def test_the_paper_set_is_librosas_means(name, noise):
    """The 162 + 6 columns, each against librosa or scipy, one by one."""
    clip = noise + tone(330, rate=22050)
    extractor = preset(name, gender=False, duration=None, sampling_rate=22050, n_fft=2048, hop_length=512, trim=False)
    table = extractor.set_output(transform="pandas").transform([clip]).iloc[0]
    expected = {
        "zcr": librosa.feature.zero_crossing_rate(clip),
        "chroma": librosa.feature.chroma_stft(y=clip, sr=22050),
        "mfcc": librosa.feature.mfcc(y=clip, sr=22050),
        "rms": librosa.feature.rms(y=clip),
        "mel": librosa.feature.melspectrogram(y=clip, sr=22050),
    }
    if name == "wide":
        expected = {"chroma": expected["chroma"], "mfcc": expected["mfcc"]}
    for block, series in expected.items():
        for number, value in enumerate(series.mean(axis=1)):
            column = (
                f"{block}__mean" if len(series) == 1 else f"{block}__{number:0{3 if len(series) > 100 else 2}d}_mean"
            )
            assert table[column] == pytest.approx(value, rel=1e-4, abs=1e-5), column
    moments = {
        "mean": clip.astype(float).mean(),
        "variance": clip.astype(float).var(),
        "skewness": stats.skew(clip.astype(float)),
        "kurtosis": stats.kurtosis(clip.astype(float)),
        "spectral_centroid_mean": librosa.feature.spectral_centroid(y=clip).mean(),
        "spectral_bandwidth_mean": librosa.feature.spectral_bandwidth(y=clip).mean(),
    }
    for column, value in moments.items():
        assert table[f"statistics__{column}"] == pytest.approx(value, rel=1e-4), column


def test_the_presets_have_the_papers_size_and_more():
    blocks = dict(fusionnet().blocks)
    acoustic = ["zcr", "chroma", "mfcc", "rms", "mel"]
    assert [len(blocks[name].names()) for name in acoustic] == [1, 12, 20, 1, 128]
    assert list(blocks) == [*acoustic, "statistics", "gender"]
    assert len(fusionnet().get_feature_names_out()) == 162 + 6 + 1
    assert len(wide().get_feature_names_out()) >= 900
    assert len(set(wide().get_feature_names_out())) == len(wide().get_feature_names_out())


def test_contrast_is_librosas(noise):
    expected = librosa.feature.spectral_contrast(y=noise, sr=22050).mean(axis=1)
    np.testing.assert_allclose(SpectralContrast().transform([noise])[0], expected, rtol=1e-4)


def test_an_extractor_is_its_blocks_side_by_side(noise):
    together = FeatureExtractor(blocks=[("a", MFCC()), ("b", RMS(logarithmic=True))])
    apart = np.hstack([MFCC().transform([noise]), RMS(logarithmic=True).transform([noise])])
    np.testing.assert_array_equal(together.transform([noise]), apart)
    assert together.get_feature_names_out()[0] == "a__00_mean"
    assert together.set_params(a__n_mfcc=5).transform([noise]).shape == (1, 6)


def test_one_transform_serves_all_blocks_of_a_clip(noise, monkeypatch):
    from fusionser.features import spectrum

    calls = []
    original = spectrum.scipy.fft.rfft
    monkeypatch.setattr(spectrum.scipy.fft, "rfft", lambda *a, **k: calls.append(1) or original(*a, **k))
    extractor = FeatureExtractor(
        blocks=[
            (name, kind())
            for name, kind in AUDIO_BLOCKS.items()
            # The relative ones are analysed at another rate.
            if name not in ("contrast", "chroma") and not issubclass(kind, RelativeFeature)
        ]
    )
    extractor.transform([noise])
    # One for the clip; the pitch transforms its window once in the life of the process.
    assert 1 <= len(calls) <= 2


def test_settings_come_back_from_json(noise):
    import json

    extractor = wide()
    again = FeatureExtractor.from_settings(json.loads(json.dumps(extractor.settings())))
    assert again.digests() == extractor.digests()
    np.testing.assert_array_equal(again.transform([noise]), extractor.transform([noise]))
    with pytest.raises(SettingsError, match="unknown feature block 'mfccs'; did you mean 'mfcc'"):
        FeatureExtractor.from_settings([{"kind": "mfccs"}])
    with pytest.raises(SettingsError, match="n_mfccs"):
        FeatureExtractor.from_settings([{"kind": "mfcc", "n_mfccs": 3}])


def test_gender_is_as_given_and_asked_for_when_absent():
    table = pd.DataFrame({"file": ["a", "b"], "gender": ["female", "male"]})
    assert Gender().transform(table).ravel().tolist() == [0.0, 1.0]
    for wrong in (["female", ""], ["female", None], ["female", "M"]):
        with pytest.raises(AudioError, match="'female' or 'male'"):
            Gender().transform(table.assign(gender=wrong))


def test_maps_are_librosas_and_of_one_size(noise):
    found = LogMelMap(n_mels=40, duration=2.0).transform([noise, noise[:9000]])
    assert found.shape == (2, 40, 1 + 2 * 22050 // 512)
    padded = np.pad(noise, (0, 2 * 22050 - noise.size))
    expected = librosa.power_to_db(librosa.feature.melspectrogram(y=padded, n_mels=40))
    np.testing.assert_allclose(found[0], expected, atol=2e-3)
    cepstra = MFCCMap(n_mfcc=13, duration=2.0).transform([noise])
    np.testing.assert_allclose(cepstra[0], librosa.feature.mfcc(y=padded, n_mfcc=13), atol=1e-2)
    assert LogMelMap(duration=2.0).n_frames == found.shape[2]
    with pytest.raises(SettingsError, match="duration is None; expected a number of seconds"):
        LogMelMap(duration=None).fit([noise])


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (MFCC(n_mfcc=200), "n_mfcc is 200; expected 1 to 128"),
        (Chroma(n_chroma=0), "n_chroma"),
        (MelSpectrogram(n_mels=0), "n_mels"),
        (MelSpectrogram(fmax=20000.0), "fmax is 20000.0 Hz; expected more than 0, at most 11025"),
        (MFCC(deltas=3), "deltas is 3"),
        (MFCC(statistics=()), "statistics"),
        (MFCC(sampling_rate=5), "sampling_rate is 5"),
        (SpectralContrast(n_bands=9), "n_bands is 9; expected 1 to 6"),
        (FeatureExtractor(blocks=[]), "no blocks"),
        (FeatureExtractor(blocks=[("a", MFCC()), ("a", RMS())]), "names must differ"),
    ],
)
def test_parameters_out_of_range_are_refused_at_fit(block, message, noise):
    with pytest.raises(SettingsError, match=message):
        block.fit([noise])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("a.wav", "expected a table, or a list of paths, waveforms, or pairs"),
        ([], "no clips"),
        (pd.DataFrame({"path": ["a.wav"]}), "no column 'file'"),
        ([np.zeros((2, 2, 100))], "expected a path, an array of samples, or a pair"),
        ([np.zeros(9000, dtype=np.int64)], "such as .astype"),
    ],
)
def test_x_of_the_wrong_kind_is_told(X, message):
    with pytest.raises(FusionserError, match=message):
        MFCC().transform(X)


def test_a_preset_or_block_unknown_lists_the_known():
    with pytest.raises(
        SettingsError, match=r"unknown preset 'wild'; did you mean 'wide'\? Known: wide, fusionnet, ser-fusionnet"
    ):
        preset("wild")
    for name in ("fusionnet", "ser-fusionnet", "wide"):
        with pytest.raises(SettingsError, match="unknown clip parameter 'statistic'"):
            preset(name, statistic=1)
    with pytest.raises(SettingsError, match="unknown feature block 'mfc'; did you mean 'mfcc'"):
        build_features(PipelineSpec(features={"blocks": ["mfc"]}))
    with pytest.raises(SettingsError, match="unknown clip parameter 'sample_rate'"):
        fusionnet(sample_rate=16000)
    acoustic = build_features(PipelineSpec(features={"blocks": ["acoustic", "mfcc"]}))
    assert [name for name, _ in acoustic.blocks] == ["zcr", "chroma", "mfcc", "rms", "mel"]


def test_extractors_in_a_users_own_pipeline_with_searched_parameters(demo_rows):
    rows = demo_rows[demo_rows["emotion"].isin(["angry", "sad"])].reset_index(drop=True)
    paths, labels = rows["file"].tolist(), rows["emotion"].to_numpy()
    pipeline = make_pipeline(make_union(MFCC(), Chroma()), StandardScaler(), SVC())
    assert pipeline.fit(paths, labels).score(paths, labels) > 0.9
    search = GridSearchCV(
        pipeline, {"featureunion__mfcc__n_mfcc": [5, 20], "svc__C": [1, 10]}, cv=3, error_score="raise"
    )
    assert search.fit(paths, labels).best_score_ > 0.8
    assert set(search.cv_results_["param_featureunion__mfcc__n_mfcc"]) == {5, 20}
    # By speaker: the splitter reads the speakers off the rows.
    scores = cross_validate(pipeline, rows, labels, cv=SpeakerKFold(folds=4), error_score="raise")
    assert len(scores["test_score"]) == 4
    assert min(scores["test_score"]) > 0.7


def test_statistics_of_a_sine_are_closed_forms():
    clip = tone(441, rate=22050, amplitude=0.8)
    values = dict(zip(SignalStatistics().names(), SignalStatistics().transform([clip])[0], strict=True))
    assert values["mean"] == pytest.approx(0, abs=1e-6)
    assert values["variance"] == pytest.approx(0.32, rel=1e-4)
    assert values["skewness"] == pytest.approx(0, abs=1e-4)
    assert values["kurtosis"] == pytest.approx(-1.5, rel=1e-3)
