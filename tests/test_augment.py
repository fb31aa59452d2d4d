"""Augmentation: what is done to a waveform, against closed forms; and the rows that it adds."""

import librosa
import numpy as np
import pandas as pd
import pytest
import scipy.signal
import soundfile
from conftest import tone
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from fusionser.augmentation.rows import AugmentRows, augmented_rows
from fusionser.augmentation.waveforms import Augmentation, augment, parse_augmentation
from fusionser.balancing import BalanceRows
from fusionser.decoding import decode
from fusionser.errors import FusionserError, LeakageError, RowsError, SettingsError
from fusionser.evaluation import check_split, with_fingerprints
from fusionser.facts import Stamp
from fusionser.features import MFCC, FeatureExtractor
from fusionser.features.clip import Clip
from fusionser.reader import read_row
from fusionser.registry import AUGMENTATIONS

RATE = 16000


def spectrum_peak(samples):
    windowed = samples * np.hanning(samples.size)
    return np.abs(np.fft.rfft(windowed)).argmax() * RATE / samples.size


@pytest.mark.parametrize("decibels", [0.0, 20.0])
def test_noise_has_the_ratio_that_it_says(decibels):
    clean = tone(300.0, 2.0)
    added = augment(clean, RATE, Augmentation("noise", decibels, 1)) - clean
    ratio = 10 * np.log10(np.mean(clean.astype(float) ** 2) / np.mean(added.astype(float) ** 2))
    assert ratio == pytest.approx(decibels, abs=0.2)
    # White: no correlation from one sample to the next.
    assert abs(np.corrcoef(added[1:], added[:-1])[0, 1]) < 0.03


@pytest.mark.parametrize("semitones", [-3.0, 2.0])
def test_pitch_moves_a_tone_and_keeps_its_length(semitones):
    shifted = augment(tone(400.0, 2.0), RATE, Augmentation("pitch", semitones, 1))
    assert shifted.size == 2 * RATE
    assert spectrum_peak(shifted) == pytest.approx(400 * 2 ** (semitones / 12), rel=0.01)


@pytest.mark.parametrize("tempo", [0.8, 1.25])
def test_stretch_changes_the_length_and_keeps_the_tone(tempo):
    changed = augment(tone(400.0, 2.0), RATE, Augmentation("stretch", tempo, 1))
    assert changed.size == pytest.approx(2 * RATE / tempo, rel=0.01)
    assert spectrum_peak(changed) == pytest.approx(400, rel=0.01)
    # A click stays where it is in the clip, as well as half a frame of 2 048 samples can tell.
    click = np.zeros(2 * RATE, dtype=np.float32)
    click[RATE] = 1.0
    moved = augment(click, RATE, Augmentation("stretch", tempo, 1))
    assert np.abs(moved).argmax() == pytest.approx(RATE / tempo, abs=1024)
    assert np.allclose(moved, librosa.effects.time_stretch(click.astype(float), rate=tempo), atol=1e-5)


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large")
@pytest.mark.parametrize("size", [1, 700, 2048, 20001])
@pytest.mark.parametrize("change", [0.25, 0.9, 1.1, 4.0])
def test_pitch_and_stretch_equal_librosa(size, change):
    clip = 0.1 * np.random.default_rng(size).standard_normal(size)
    # In float64: librosa adds phases up to some thousands of turns, of which float32 keeps two digits.
    for kind, value, expected in (
        ("stretch", change, librosa.effects.time_stretch(clip, rate=change)),
        ("pitch", 12 * np.log2(change), librosa.effects.pitch_shift(clip, sr=RATE, n_steps=12 * np.log2(change))),
    ):
        ours = augment(clip.astype(np.float32), RATE, Augmentation(kind, value, 1))
        assert ours.shape == expected.shape
        assert np.allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize(("frames", "tempo"), [(69, 1.15), (102, 0.816), (144, 1.152)])
def test_a_step_that_rounding_puts_on_the_end_is_read_as_librosa_does(frames, tempo):
    assert np.arange(0, frames, tempo)[-1] >= frames
    clip = 0.1 * np.random.default_rng(0).standard_normal((frames - 1) * 512)
    ours = augment(clip.astype(np.float32), RATE, Augmentation("stretch", tempo, 1))
    assert np.allclose(ours, librosa.effects.time_stretch(clip, rate=tempo), atol=1e-4)


def test_speed_does_both():
    faster = augment(tone(400.0, 2.0), RATE, Augmentation("speed", 1.25, 1))
    assert faster.size == pytest.approx(2 * RATE / 1.25, abs=2)
    assert spectrum_peak(faster) == pytest.approx(500, rel=0.005)


def test_lowpass_halves_the_power_at_its_cutoff_and_leaves_low_tones():
    # Butterworth: the gain is 1 / sqrt(1 + (f / cutoff)^(2 * order)).
    for frequency in (500.0, 2000.0, 4000.0):
        passed = augment(tone(frequency, 1.0), RATE, Augmentation("lowpass", 2000.0, 1))[RATE // 4 :]
        gain = passed.std() / tone(frequency, 1.0)[RATE // 4 :].std()
        # The bilinear transform warps frequencies.
        warped = np.tan(np.pi * frequency / RATE) / np.tan(np.pi * 2000 / RATE)
        assert gain == pytest.approx(1 / np.sqrt(1 + warped**8), rel=0.01)
    assert np.array_equal(augment(tone(500.0), RATE, Augmentation("lowpass", 8000.0, 1)), tone(500.0))


def test_pink_noise_has_its_ratio_and_falls_by_3_db_per_octave():
    clean = tone(300.0, 20.0)
    added = augment(clean, RATE, Augmentation("pink-noise", 15.0, 1)).astype(float) - clean
    assert 10 * np.log10(np.mean(clean.astype(float) ** 2) / np.mean(added**2)) == pytest.approx(15.0, abs=0.1)
    frequencies, power = scipy.signal.welch(added, RATE, nperseg=2048)
    octaves = [10 * np.log10(power[(frequencies >= low) & (frequencies < 2 * low)].mean()) for low in (500, 1000, 2000)]
    assert np.diff(octaves) == pytest.approx([-10 * np.log10(2)] * 2, abs=0.3)


def test_a_vocal_tract_moves_a_tone_by_its_factor_and_keeps_the_length():
    for factor in (0.9, 1.1):
        moved = augment(tone(400.0, 2.0), RATE, Augmentation("vocal-tract", factor, 1))
        assert moved.size == 2 * RATE and spectrum_peak(moved) == pytest.approx(400 * factor, rel=0.01)


def test_an_equaliser_has_its_standard_deviation_over_copies_and_octaves():
    clean = np.random.default_rng(0).normal(0, 0.01, 4096).astype(np.float32)
    octaves = np.geomspace(125, 7500, 200) / RATE * clean.size
    responses = []
    for copy in range(200):
        changed = augment(clean, RATE, Augmentation("equaliser", 4.0, copy))
        response = 20 * np.log10(np.abs(np.fft.rfft(changed.astype(float)) / np.fft.rfft(clean.astype(float))))
        responses.append(np.interp(octaves, np.arange(response.size), response))
    assert np.std(responses) == pytest.approx(4.0, rel=0.1) and abs(np.mean(responses)) < 0.5
    # It is smooth: from one bin to the next it hardly changes above 500 Hz.
    assert np.abs(np.diff(responses[0])).max() < 2.0


@pytest.mark.parametrize("kind", sorted(AUGMENTATIONS))
def test_an_augmentation_always_gives_the_same_and_reads_back(kind):
    rng = np.random.default_rng(3)
    made = Augmentation(kind, AUGMENTATIONS[kind].draw(rng), 2)
    read = parse_augmentation(str(made))
    assert (read.kind, read.copy) == (kind, 2)
    assert read.value == pytest.approx(made.value, rel=0.01)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    first = augment(noise, RATE, read)
    assert np.array_equal(first, augment(noise.copy(), RATE, read))
    assert first.dtype == np.float32
    assert not np.array_equal(first[:1000], noise[:1000])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise", "cannot be read; expected kind"),
        ("noise(x)#1", "cannot be read"),
        ("echo(1.0)#1", f"unknown augmentation 'echo'. Known: {', '.join(AUGMENTATIONS)}"),
        ("pitch(+99.0)#1", "expected -24 to 24 semitones"),
        ("stretch(0.0)#1", "expected 0.25 to 4 times the tempo"),
    ],
)
def test_what_a_row_may_not_ask_for(text, message):
    with pytest.raises(SettingsError) as caught:
        parse_augmentation(text)
    assert message in str(caught.value)


def test_a_row_is_read_with_its_augmentation_at_the_rate_of_the_analysis(demo_rows):
    row = demo_rows.iloc[0].to_dict()
    samples, rate = decode(row["file"])
    copy = {**row, "augmentation": "speed(1.100)#1"}
    changed, same = read_row(copy)
    assert same == rate
    assert changed.size == pytest.approx(samples.size / 1.1, abs=2)
    resampled, new = read_row(copy, 8000)
    assert new == 8000
    assert resampled.size == pytest.approx(samples.size * 8000 / rate / 1.1, abs=4)
    assert Clip(copy).fingerprint == Clip(row).fingerprint


KINDS = ("noise", "pitch", "stretch", "lowpass")


def test_a_clips_copies_do_not_depend_on_the_other_rows(demo_rows):
    whole = augmented_rows(demo_rows, KINDS, 3, seed=1)
    part = augmented_rows(demo_rows.iloc[[50, 7, 120]], KINDS, 3, seed=1)
    drawn = whole.groupby("source")["augmentation"].agg(list)
    for source, texts in part.groupby("source")["augmentation"].agg(list).items():
        assert drawn[source] == texts
    other = augmented_rows(demo_rows, KINDS, 3, seed=2)
    assert (whole["augmentation"].to_numpy() != other["augmentation"].to_numpy()).mean() > 0.9


def test_every_clip_goes_through_all_kinds_before_one_comes_again(demo_rows):
    texts = augmented_rows(demo_rows, KINDS, 4).groupby("source")["augmentation"].agg(list)
    assert all({text.split("(")[0] for text in one} == set(KINDS) for one in texts)
    first = augmented_rows(demo_rows, KINDS, 1)["augmentation"].str.split("(").str[0].value_counts(normalize=True)
    assert first.min() > 0.15


def test_a_kind_may_fix_its_parameter(demo_rows):
    copies = augmented_rows(demo_rows.head(3), ["stretch(1.1)", "stretch(0.8)", "noise"], 3)
    kinds = copies.groupby("source")["augmentation"].agg(lambda texts: sorted(text.split("#")[0] for text in texts))
    for noise, slow, fast in kinds:
        assert noise.startswith("noise(")
        assert (slow, fast) == ("stretch(0.800)", "stretch(1.100)")


def test_only_originals_are_copied_and_copies_carry_no_features(demo_rows):
    extractor = FeatureExtractor(blocks=[("mfcc", MFCC())])
    rows = demo_rows.iloc[:6]
    table = extractor.table(rows).filled(extractor.run(rows))
    labels = table["emotion"].to_numpy()
    more, more_labels = AugmentRows(kinds=KINDS, copies=2).fit_resample(table, labels)
    assert len(more) == len(more_labels) == 18
    copies = more[more["augmentation"] != ""]
    assert (copies["extracted"] == "").all()
    assert copies["mfcc__00_mean"].isna().all()
    assert copies["audio"].tolist() == table["audio"].tolist() * 2
    assert more_labels[6:].tolist() == labels.tolist() * 2
    again, _ = AugmentRows(kinds=KINDS, copies=2).fit_resample(more, more_labels)
    assert len(again) == 18 + 12


def test_copies_that_cannot_be_used_are_left_out(demo_rows, tmp_path, monkeypatch):
    from fusionser.jobs import evaluate_prepared
    from fusionser.pipeline import PipelineSpec, Place, Resources, analyse_augmented, prepare
    from fusionser.splits import RandomHoldout

    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "cache"))
    clips = tmp_path / "clips"
    for number in range(8):
        folder = clips / ("sad" if number % 2 else "calm")
        folder.mkdir(parents=True, exist_ok=True)
        # At a higher tempo these are shorter than the offset.
        soundfile.write(folder / f"{number}.wav", tone(200.0 + 20 * number, 0.72), RATE)
    spec = PipelineSpec(
        features={"blocks": ["mfcc"], "clip": {"offset": 0.6}}, rows={"augment": ["stretch"], "copies": 3}
    )
    plain = prepare([Place(clips, "folders")], spec)
    resources = Resources()
    prepared = analyse_augmented(plain, resources=resources)
    # What it found is of this specification alone: the rows that were given are as they were.
    assert analyse_augmented(plain, resources=resources) == prepared
    assert plain.unusable == ()
    assert 0 < len(prepared.unusable) < 24
    note = Stamp(kind="unusable-augmentations", value=len(prepared.unusable))
    assert note in prepared.notes and note not in plain.notes
    result, _ = evaluate_prepared(prepared, RandomHoldout(share=0.5, stratified=True))
    assert result.rows == 8
    assert note in result.notes
    # Without a cache, the same copies are left out.
    assert analyse_augmented(plain, resources=Resources(cache=False)).unusable == prepared.unusable
    # Only rows that are trained on are augmented.
    split = RandomHoldout(share=0.5, stratified=True)
    trained = set(plain.table["source"].iloc[split.named_folds(plain.table)[0][1]])
    assert {source for source, _ in analyse_augmented(plain, split, resources=resources).unusable} <= trained


def test_copies_get_the_features_of_their_own_sound(demo_rows):
    rows = demo_rows.iloc[:2]
    more, _ = AugmentRows(kinds=["pitch"], copies=1).fit_resample(rows, rows["emotion"])
    block = MFCC(n_jobs=1)
    found = block.transform(more)
    for position in (2, 3):
        row = more.iloc[position]
        samples, _ = read_row({**row.to_dict(), "augmentation": row["augmentation"]}, 22050)
        np.testing.assert_allclose(found[position], MFCC().transform([samples])[0], rtol=1e-5)
    assert not np.allclose(found[0], found[2])


def test_the_sampler_acts_in_fit_and_never_in_predict(demo_rows):
    seen = []

    class Watching(DummyClassifier):
        def fit(self, X, y, **more):
            seen.append(("fit", len(X), (X["augmentation"] != "").sum()))
            return super().fit(X, y, **more)

        def predict(self, X):
            seen.append(("predict", len(X), (X["augmentation"] != "").sum()))
            return super().predict(X)

    pipeline = Pipeline([("augment", AugmentRows(copies=2)), ("classifier", Watching())])
    clone(pipeline).fit(demo_rows, demo_rows["emotion"]).predict(demo_rows)
    assert seen == [("fit", 720, 480), ("predict", 240, 0)]


def test_a_copy_of_a_test_clip_in_training_is_caught_whatever_it_is_called(demo_rows):
    rows = with_fingerprints(demo_rows)
    test = rows[rows["speaker"] == "demo/f1"]
    train = rows[rows["speaker"] != "demo/f1"]
    planted = augmented_rows(test.iloc[:1], ["noise"], 1)
    for disguise, what in (
        ({}, "share 1 speakers"),
        ({"speaker": "demo/m1"}, "share 1 sources"),
        ({"speaker": "demo/m1", "source": "another clip"}, "share 1 audio"),
        ({"speaker": "demo/m1", "source": "another clip", "audio": ""}, "share 1 audio"),
    ):
        leaking = with_fingerprints(pd.concat([train, planted.assign(**disguise)], ignore_index=True))
        with pytest.raises(LeakageError, match=what):
            check_split(leaking, test, frozenset(), "fold")


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (AugmentRows(kinds=[]), "expected a list of one or more of noise"),
        (AugmentRows(kinds="noise"), "expected a list"),
        (AugmentRows(kinds=["noise", "noise"]), "expected each augmentation once"),
        (AugmentRows(kinds=["echo"]), "unknown augmentation 'echo'"),
        (AugmentRows(copies=-1), "copies is -1"),
        (BalanceRows(strategy="smote"), "unknown balancing 'smote'. Known: oversample, undersample"),
    ],
)
def test_samplers_refuse_what_means_nothing(sampler, message, demo_rows):
    with pytest.raises(FusionserError) as caught:
        sampler.fit_resample(demo_rows, demo_rows["emotion"])
    assert message in str(caught.value)


def test_augmentation_needs_rows():
    with pytest.raises(RowsError, match="augmentation takes a table of rows, got list"):
        AugmentRows().fit_resample(["a.wav"], ["sad"])


@pytest.mark.parametrize(("strategy", "size"), [("oversample", 30), ("undersample", 5)])
def test_balancing_makes_classes_equal_and_invents_nothing(demo_rows, strategy, size):
    rows = demo_rows.iloc[:35]
    labels = np.array(["sad"] * 30 + ["calm"] * 5)
    more, more_labels = BalanceRows(strategy=strategy).fit_resample(rows, labels)
    assert pd.Series(more_labels).value_counts().to_dict() == {"sad": size, "calm": size}
    of = dict(zip(rows["source"], labels, strict=True))
    assert all(of[source] == label for source, label in zip(more["source"], more_labels, strict=True))
    listed, _ = BalanceRows(strategy=strategy).fit_resample(rows["file"].tolist(), labels)
    assert listed == more["file"].tolist()
