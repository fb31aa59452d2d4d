"""Blocks and front ends as others write them: what is the least that they need, and many clips at once."""

import json
import pickle
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone
from sklearn.base import clone

from fusionser.audio import ClipSettings
from fusionser.errors import AudioError, FusionserError, SettingsError
from fusionser.features import (
    BLOCKS,
    MFCC,
    BlockVector,
    Cache,
    FeatureExtractor,
    Gender,
    LogMelMap,
    RawWaveform,
    preset,
)
from fusionser.features.base import FeatureBlock
from fusionser.features.extraction import compute_clips
from fusionser.features.framing import build_block
from fusionser.features.maps import FrontEnd
from fusionser.networks import Conv1DExtractor
from fusionser.pipeline import PipelineSpec, build_features
from fusionser.registry import PRESETS


class Peak(FeatureBlock):
    """The loudest sample of a recording at its own rate: nothing but what a block must have."""

    kind = "peak"

    def names(self):
        return ["absolute"]

    def compute(self, clip):
        samples, _ = clip.samples()
        return np.abs(samples).max(keepdims=True)


@dataclass(kw_only=True, eq=False, repr=False)
class Levels(FeatureBlock):
    """Shares of samples above levels, of all clips of a batch at once."""

    kind: ClassVar[str] = "levels"
    levels: tuple[float, ...] = (0.1, 0.4)
    calls: ClassVar[list[tuple[int, str]]] = []

    def names(self):
        return [f"above_{level:g}" for level in self.levels]

    def compute_batch(self, clips, device):
        self.calls.append((len(clips), device))
        waveforms = [clip.waveform(ClipSettings(sampling_rate=8000)) for clip in clips]
        return [np.array([(np.abs(each) > level).mean() for level in self.levels]) for each in waveforms]


class Ends(FrontEnd):
    """The first and the last second of a clip, for a network."""

    kind = "ends"

    def array_shape(self):
        return (2, 8000)

    def compute(self, clip):
        samples = clip.waveform(ClipSettings(sampling_rate=8000), shortest=8000)
        return np.stack([samples[:8000], samples[-8000:]])


@pytest.fixture
def files(tmp_path):
    names = []
    for number in range(4):
        names.append(str(tmp_path / f"{number}.wav"))
        soundfile.write(names[-1], tone(203.7, rate=16000, amplitude=0.2 * (number + 1)), 16000, subtype="FLOAT")
    return names


@pytest.fixture
def registered(monkeypatch):
    for kind in (Peak, Levels):
        monkeypatch.setitem(BLOCKS._added, kind.kind, kind)


def test_a_block_needs_a_kind_names_and_what_it_computes(files, registered):
    peaks = np.array([[0.2], [0.4], [0.6], [0.8]])
    block = Peak()
    assert block.get_params() == {"cache": True, "n_jobs": None}
    np.testing.assert_allclose(block.fit_transform(files), peaks, rtol=1e-3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clone(block))).transform(files), block.transform(files))
    assert list(Peak().set_output(transform="pandas").transform(files)) == ["peak__absolute"]
    extractor = FeatureExtractor(blocks=[("peak", Peak()), ("mfcc", MFCC())])
    np.testing.assert_array_equal(extractor.transform(files)[:, :1], block.transform(files))
    again = FeatureExtractor.from_settings(json.loads(json.dumps(extractor.settings())))
    np.testing.assert_array_equal(again.transform(files), extractor.transform(files))
    rows = pd.DataFrame({"file": files})
    table = extractor.table(rows).filled(extractor.run(rows))
    np.testing.assert_array_equal(extractor.transform(table.assign(file="gone.wav")), extractor.transform(files))
    pairs = [soundfile.read(file, dtype="float32") for file in files]
    np.testing.assert_array_equal(extractor.transform(pairs), extractor.transform(files))
    with pytest.raises(FusionserError, match="peak at an unknown rate"):
        block.transform([pairs[0][0]])


def test_such_a_block_is_cached_and_stands_in_presets(files, registered, tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    extractor = FeatureExtractor(blocks=[("peak", Peak())])
    first, second = (extractor.run(files, cache=cache) for _ in range(2))
    assert (first.computed, second.computed) == (4, 0)
    np.testing.assert_array_equal(first.stacked("peak"), second.stacked("peak"))
    built = build_features(PipelineSpec(features={"blocks": ["mfcc", "peak"], "clip": {"duration": 0.5}}))
    assert dict(built.blocks)["mfcc"].duration == 0.5
    np.testing.assert_array_equal(built.transform(files)[:, -1:], extractor.transform(files))
    with pytest.raises(SettingsError, match="unknown clip parameter 'durations'"):
        build_block(MFCC, {"durations": 0.5})
    monkeypatch.setitem(PRESETS._added, "loud", lambda: FeatureExtractor(blocks=[("peak", Peak())]))
    np.testing.assert_array_equal(preset("loud").transform(files), extractor.transform(files))


def test_what_a_network_is_fed_may_be_anyones_block(files, registered):
    front = BlockVector(blocks=("peak", "zcr"), duration=1.0)
    assert front.array_shape() == (2,)
    np.testing.assert_allclose(front.transform(files)[:, 0], [0.2, 0.4, 0.6, 0.8], rtol=1e-3)
    ends = Ends().transform(files)
    assert ends.shape == (4, 2, 8000)
    network = Conv1DExtractor(front_end=BlockVector(blocks=("mfcc", "peak")), epochs=1, validation=0.0)
    assert network.fit(files, ["a", "b"] * 2).embed(files).shape == (4, 32)


def test_digests_are_those_of_before_for_our_own_and_name_the_code_of_others(registered):
    known = {
        MFCC(): "a60e063690ea2976",
        Gender(): "76717ef0a27df74d",
        LogMelMap(): "5edfecea3cdb7783",
        RawWaveform(): "8ff3028bc40a648c",
        BlockVector(): "da9a2ef2951490fb",
    }
    assert {type(block).__name__: block.digest() for block in known} == {
        type(block).__name__: digest for block, digest in known.items()
    }

    class Changed(Peak):
        def compute(self, clip):
            return 2 * super().compute(clip)

    assert len({Peak().digest(), Changed().digest()}) == 2
    assert Peak().digest() == Peak().digest()
    assert Peak().origin().startswith("test_new_blocks ")
    assert MFCC().origin() == BlockVector().origin() == ""
    assert BlockVector(blocks=("peak",)).origin() == Peak().origin()


def test_a_block_may_compute_many_clips_at_once(files, registered):
    Levels.calls.clear()
    rows = [{"file": file} for file in files]
    result = compute_clips(rows, {"levels": Levels(), "mfcc": MFCC()}, device="cpu")
    assert Levels.calls == [(4, "cpu")]
    # A sine of amplitude a lies above the level l for 1 - 2 asin(l / a) / pi of the time.
    amplitudes = np.array([0.2, 0.4, 0.6, 0.8])[:, None]
    expected = 1 - 2 / np.pi * np.arcsin(np.minimum(np.array([[0.1, 0.4]]) / amplitudes, 1))
    np.testing.assert_allclose(result.stacked("levels"), expected, atol=0.02)
    np.testing.assert_array_equal(result.stacked("mfcc"), MFCC().transform(files))
    Levels.calls.clear()
    assert compute_clips(rows, {"levels": Levels()}, device="meta").computed == 4
    assert Levels.calls == [(4, "meta")]


def test_a_clip_that_fails_in_a_batch_takes_no_other_down(files, tmp_path):
    silent = str(tmp_path / "silent.wav")
    soundfile.write(silent, np.zeros(16000), 16000)
    given = [files[0], silent, files[1], "missing.wav"]
    extractor = FeatureExtractor(blocks=[("levels", Levels())])
    result = extractor.run(given)
    assert sorted(result.failures) == [1, 3]
    assert "silent" in result.failures[1]
    assert "cannot be opened" in result.failures[3]
    np.testing.assert_array_equal(result.stacked("levels"), Levels(cache=False).transform(files[:2]))
    with pytest.raises(AudioError, match="silent"):
        Levels().transform(given)


def test_columns_that_are_not_as_many_as_their_names_are_told(files, monkeypatch):
    monkeypatch.setattr(Peak, "names", lambda self: ["absolute", "signed"])
    extractor = FeatureExtractor(blocks=[("mfcc", MFCC()), ("peak", Peak())], cache=False)
    for transformer in (Peak(cache=False), extractor):
        with pytest.raises(SettingsError, match=r"block 'peak' returned arrays of shape \(1,\); expected \(2,\), one"):
            transformer.transform(files)


def test_a_batch_that_gives_too_few_arrays_is_told(files, monkeypatch):
    monkeypatch.setattr(Levels, "compute_batch", lambda self, clips, device: [np.zeros(2)])
    with pytest.raises(SettingsError, match="compute_batch of 'levels' gave 1 arrays for 4 clips; expected one each"):
        Levels(cache=False).transform(files)
