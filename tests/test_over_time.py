"""Time lines judged on recordings with known borders: how clips are joined, what is counted, and the command."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import soundfile

from fusionser.errors import FusionserError, SettingsError
from fusionser.evaluation.over_time import diarisation_errors, frame_counts, measured_intervals, measures
from fusionser.pipeline import PipelineSpec, Place, prepare
from fusionser.splits import RandomKFold, SpeakerHoldout
from fusionser.studies.over_time import evaluate_over_time, read_over_time
from fusionser.timeline.joined import Span, join_clips

CLASSES = ("happy", "neutral", "sad")


def segments(*rows):
    return pd.DataFrame(rows, columns=["start", "end", "emotion"])


def test_frames_are_counted_where_the_emotion_is_known():
    spans = [Span(1.0, 2.0, "happy"), Span(3.0, 3.5, "sad")]
    heard = segments((0.0, 1.25, "happy"), (1.25, 1.75, "sad"), (3.1, 9.0, "sad"))
    counts = frame_counts(spans, heard, CLASSES)
    assert counts.tolist() == [[25, 0, 50, 25], [0, 0, 0, 0], [0, 0, 40, 10], [0, 0, 0, 0]]


def test_without_segments_nothing_is_answered():
    counts = frame_counts([Span(0.0, 0.5, "sad")], segments(), CLASSES)
    assert counts[2].tolist() == [0, 0, 0, 50] and counts.sum() == 50


def test_the_error_rate_is_what_its_definition_says():
    """Of 100 frames: 10 missed to neutral, 5 to nothing, 8 false alarms, 7 confused; nothing in neutral is right."""
    counts = np.array([[20, 10, 7, 0], [8, 30, 0, 2], [0, 0, 18, 5], [0, 0, 0, 0]])
    found = {name: float(value) for name, value in diarisation_errors(counts, neutral=1).items()}
    assert found == pytest.approx({"missed": 0.15, "false_alarms": 0.08, "confused": 0.07, "error": 0.30})
    found = {name: float(value) for name, value in diarisation_errors(counts, neutral=None).items()}
    assert found == pytest.approx({"missed": 0.07, "false_alarms": 0.0, "confused": 0.25, "error": 0.32})
    recalls = (20 / 37, 30 / 40, 18 / 23)
    assert float(measures(counts, 1)["uar"]) == pytest.approx(np.mean(recalls))


def test_intervals_need_eight_speakers_and_have_no_width_if_they_are_equal():
    counts = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert measured_intervals(dict.fromkeys("abcdefg", counts), None) is None
    found = measured_intervals(dict.fromkeys("abcdefgh", counts), None)
    assert found["uar"] == pytest.approx((0.875, 0.875)) and found["error"] == pytest.approx((0.125, 0.125))


def clips_of(folder, lengths, rates):
    """Tones between silences of 0.5 s, and their rows."""
    rows = []
    for number, (seconds, rate) in enumerate(zip(lengths, rates, strict=True)):
        quiet = np.zeros(rate // 2)
        sound = 0.5 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)
        soundfile.write(folder / f"{number}.wav", np.concatenate([quiet, sound, quiet]), rate, subtype="FLOAT")
        rows.append({"file": str(folder / f"{number}.wav"), "speaker": "a", "emotion": CLASSES[number % 3]})
    return pd.DataFrame(rows)


def test_joined_clips_have_their_borders_where_the_sound_is(tmp_path):
    rows = clips_of(tmp_path, [0.6, 0.8, 1.0], [16000, 8000, 16000])
    (recording,) = join_clips(rows, clips=3)
    assert (recording.speaker, recording.sampling_rate, sorted(recording.clips)) == ("a", 16000, [0, 1, 2])
    lengths = dict(zip(recording.clips, (span.end - span.start for span in recording.spans), strict=True))
    assert lengths == pytest.approx({0: 0.6, 1: 0.8, 2: 1.0}, abs=0.03)
    assert [span.emotion for span in recording.spans] == [CLASSES[place] for place in recording.clips]
    # Between two clips lies 0.15 s of each; soundless, and inside a span there is sound.
    assert len(recording.samples) / 16000 == pytest.approx(2.4 + 6 * 0.15, abs=0.1)
    for before, after in pairwise(recording.spans):
        assert after.start - before.end == pytest.approx(0.3, abs=0.05)
    for span in recording.spans:
        inside = recording.samples[round((span.start + 0.05) * 16000) : round((span.end - 0.05) * 16000)]
        assert np.sqrt(np.mean(inside**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_every_clip_is_used_once_and_neighbours_differ(tmp_path):
    rows = clips_of(tmp_path, [0.3] * 12, [8000] * 12)
    rows["speaker"] = ["a", "b"] * 6
    recordings = list(join_clips(rows, clips=3, seed=1))
    assert sorted(place for one in recordings for place in one.clips) == list(range(12))
    assert all(rows["speaker"][place] == one.speaker for one in recordings for place in one.clips)
    orders = {one.speaker: [] for one in recordings}
    for one in recordings:
        orders[one.speaker] += [span.emotion for span in one.spans]
    for order in orders.values():
        assert all(before != after for before, after in pairwise(order))
    # The order of a speaker does not depend on who else is there.
    (first, *_) = join_clips(rows[rows["speaker"] == "b"].reset_index(drop=True), clips=3, seed=1)
    assert [span.emotion for span in first.spans] == orders["b"][:3]


@pytest.fixture(scope="module")
def prepared(demo_folder):
    spec = PipelineSpec.model_validate({"features": {"blocks": ["mfcc"]}, "classifier": {"name": "svm"}})
    return prepare([Place(demo_folder, "demo")], spec)


def test_models_are_fitted_to_the_training_speakers_alone(prepared, monkeypatch):
    """A model of all rows would know the test speakers."""
    from fusionser.studies import over_time

    seen = []
    fit = over_time.fit_prepared

    def watched(given, **options):
        seen.append(set(given.table["speaker"]))
        return fit(given, **options)

    monkeypatch.setattr(over_time, "fit_prepared", watched)
    split = SpeakerHoldout(speakers=("demo/f1", "demo/m1"))
    result = evaluate_over_time(prepared, split, windows=1.0, hop=0.25, joined=4)
    everyone = set(prepared.table["speaker"])
    assert seen == [everyone - set(result.frames)] and len(result.frames) == 2
    # Clips one by one have the answers of the evaluation, weighted by their time.
    known = sum(np.asarray(counts) for counts in result.known_borders.values())
    frames = sum(np.asarray(counts) for counts in result.frames.values())
    assert known.sum() == frames.sum() and known[:, -1].sum() == 0
    assert known.sum(axis=1).tolist() == frames.sum(axis=1).tolist()
    assert result.clips.rows == len(prepared.table)


@pytest.fixture(scope="module")
def judged(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    split = SpeakerHoldout(speakers=("demo/f1", "demo/m1"))
    evaluate_over_time(prepared, split, windows=1.0, hop=0.5).save(folder / "over_time.json")
    return folder


def test_speakers_on_both_sides_are_refused_before_models_are_fitted(prepared, monkeypatch):
    monkeypatch.setattr("fusionser.studies.over_time.evaluate_prepared", None)
    with pytest.raises(SettingsError, match="the protocol random-kfold does not keep speakers apart"):
        evaluate_over_time(prepared, RandomKFold(folds=2))


def test_the_command_its_page_and_what_it_refuses(command, demo_folder, tmp_path):
    given = ["evaluate-timeline", demo_folder, "--corpus", "demo", "--blocks", "mfcc", "--folds", 2]
    done = command(*given, "--windows", 1, "--hop", 0.25, "--out", tmp_path / "out")
    assert done.status == 0, done.messages
    result = read_over_time(tmp_path / "out" / "over_time.json")
    page = (tmp_path / "out" / "report.md").read_text()
    assert "SYNTHETIC" in page and f"| recordings | {result.recordings}, each of up to 6 clips" in page
    assert (tmp_path / "out" / "recordings.png").stat().st_size > 5000
    pooled = sum(np.asarray(counts) for counts in result.frames.values())
    recalls = np.diagonal(pooled)[:-1] / pooled.sum(axis=1)[:-1]
    assert f"| time line | {100 * recalls.mean():.1f} |" in page
    (tmp_path / "out" / "report.md").unlink()
    assert command("report", tmp_path / "out").status == 0
    assert (tmp_path / "out" / "report.md").read_text() == page
    for options, message in (
        (["--windows", 0.1], "windows is 0.1; expected 0.25 to 900 seconds (--windows)"),
        (["--joined", 1], "--joined"),
    ):
        done = command(*given, *options)
        assert done.status != 0 and message in " ".join(done.messages.split())


def test_a_damaged_result_is_told(tmp_path):
    (tmp_path / "over_time.json").write_text('{"format": 1, "windows": NaN}')
    with pytest.raises(FusionserError, match="not a judgement of time lines that this version reads"):
        read_over_time(tmp_path / "over_time.json")


@pytest.mark.parametrize("setting", ["speaker-normalised", "adapted"])
def test_other_settings_are_refused_before_anything_is_trained(prepared, setting):
    given = replace(prepared, spec=prepared.spec.changed(setting=setting))
    with pytest.raises(
        SettingsError, match=f"the setting is {setting} .--setting.; a window is answered without other"
    ):
        evaluate_over_time(given, SpeakerHoldout(speakers=("demo/f1", "demo/m1")))


def test_one_clip_of_each_speaker_cannot_be_joined(prepared):
    alone = replace(prepared, table=prepared.table.groupby("speaker").head(1).reset_index(drop=True))
    with pytest.raises(SettingsError, match="every speaker has one clip, and recordings are joined from two or more"):
        evaluate_over_time(alone, SpeakerHoldout(speakers=("demo/f1", "demo/m1")))


@pytest.mark.parametrize(
    "change",
    [
        {"frames": {}},
        {"frames": {"demo/f1": [[1]]}},
        {"examples": []},
        {"format": 99},
        {
            "examples": [
                {"speaker": "a", "seconds": 1, "truth": [], "heard": [{"start": 0, "end": 1, "emotion": "odd"}]}
            ]
        },
    ],
)
def test_an_edited_result_is_refused(judged, tmp_path, change):
    content = json.loads((judged / "over_time.json").read_text())
    (tmp_path / "over_time.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(FusionserError, match="not a judgement of time lines that this version reads"):
        read_over_time(tmp_path / "over_time.json")
    zeros = {name: (0 * np.asarray(counts)).tolist() for name, counts in content["frames"].items()}
    (tmp_path / "over_time.json").write_text(json.dumps({**content, "frames": zeros}))
    with pytest.raises(FusionserError, match="not a judgement of time lines"):
        read_over_time(tmp_path / "over_time.json")
