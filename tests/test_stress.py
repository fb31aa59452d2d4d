"""A saved model under recording conditions, through the command line; and the scores, against closed forms."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_process import start_command
from scipy.stats import binomtest
from sklearn.metrics import recall_score

from fusionser.augmentation.recording_chain import CODECS
from fusionser.cache import Cache
from fusionser.errors import AudioError, SettingsError
from fusionser.evaluation.kept_answers import KeptAnswers
from fusionser.evaluation.metrics import expected_calibration_error
from fusionser.evaluation.stress import CLEAN, draw_clips, read_stress, score_answers, stress_model
from fusionser.jobs import fit_prepared
from fusionser.model import Model, load_model, save_model
from fusionser.registry import CONDITIONS
from fusionser.reporting.stress import headline, interval_text, stress_figure, stress_page

FEW = "gain-minus-12-db,white-noise-5-db,tempo-110-percent"


@pytest.fixture(scope="module")
def model_file(model_data, tmp_path_factory):
    return save_model(fit_prepared(model_data), tmp_path_factory.mktemp("stress") / "svm.fusionser")


@pytest.fixture(scope="module")
def report(command, model_file, demo_folder, tmp_path_factory):
    """The folder of a test on a part of the demo corpus, and what the command said."""
    folder = tmp_path_factory.mktemp("report")
    done = command(
        "stress", model_file, demo_folder, "--corpus", "demo", "--conditions", FEW, "--limit", 40, "--seed", 1,
        "--out", folder,
    )  # fmt: skip
    assert done.status == 0, done.messages
    return folder, done


def test_the_scores_are_those_of_the_stored_answers(report, model_file, demo_folder):
    folder, _ = report
    result = read_stress(folder / "stress.json")
    answers = pd.read_csv(folder / "answers.csv").set_index("file")
    clean = answers[answers["condition"] == CLEAN]
    assert result.clips == len(clean) == 40 and result.speakers == 8 and result.labelled == 40
    assert [scores.name for scores in result.conditions] == FEW.split(",")
    for scores in (result.clean, *result.conditions):
        part = answers[answers["condition"] == scores.name].loc[clean.index]
        assert scores.changed == pytest.approx((part["answer"] != clean["answer"]).mean())
        before, after = (
            [table.loc[file, f"probability_{answer}"] for file, answer in clean["answer"].items()]
            for table in (clean, part)
        )
        assert scores.probability_change == pytest.approx(np.mean(after) - np.mean(before), abs=1e-9)
        uar = recall_score(part["emotion"], part["answer"], average="macro", labels=sorted(set(part["emotion"])))
        assert scores.uar == pytest.approx(uar)
        assert scores.most_frequent_share == pytest.approx(part["answer"].value_counts(normalize=True).max())
    assert result.clean.changed == 0 and result.by_speaker
    # Clean clips get the answers of a prediction from their files.
    predicted = load_model(model_file).predict([demo_folder / Path(file).name for file in clean.index])
    assert predicted["emotion"].tolist() == clean["answer"].tolist()
    assert np.allclose(predicted["probability"], clean["probability"])


def test_the_page_says_what_the_reader_must_know(report):
    folder, done = report
    page = (folder / "report.md").read_text()
    assert "SYNTHETIC RECORDINGS" in page and "SYNTHETIC RECORDINGS" in done.output
    for text in ("40 of 240 recordings, drawn at random with seed 1", "the model was trained on demo, so it may know"):
        assert text in page and text in " ".join(done.output.split())
    for name in FEW.split(","):
        assert f"| {name} |" in page and name in done.output
    assert "| decibels = -12.0, clipped = False |" in page
    assert "fusionser stress" in page and "nan" not in page.lower()
    assert (folder / "stress.png").read_bytes().startswith(b"\x89PNG")


def test_report_writes_the_page_again_from_the_stored_facts(command, report, tmp_path):
    folder, _ = report
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    for name in ("report.md", "stress.png"):
        (copied / name).unlink()
    done = command("report", copied)
    assert done.status == 0 and "report.html (3 conditions)" in done.output
    for name in ("report.md", "stress.png"):
        assert (copied / name).read_bytes() == (folder / name).read_bytes()
    (copied / "stress.json").write_text('{"format": 1}')
    done = command("report", copied)
    assert done.status == 1 and "not a stress test that this version reads" in done.messages


def test_two_processes_give_the_same_as_one(command, report, model_file, demo_folder):
    folder, _ = report
    done = command(
        "stress", model_file, demo_folder, "--corpus", "demo", "--conditions", FEW, "--limit", 40, "--seed", 1,
        "--jobs", 2, "--json", env={"LOKY_MAX_CPU_COUNT": "2"},
    )  # fmt: skip
    stored = json.loads((folder / "stress.json").read_text())
    assert {**done.json, "provenance": {}} == {**stored, "provenance": {}}


def test_a_folder_without_labels_has_no_uar_and_intervals_by_clip(command, model_file, demo_folder, tmp_path):
    for file in sorted(demo_folder.glob("*_f1_*"))[:9]:
        shutil.copy(file, tmp_path / file.name)
    (tmp_path / "text.wav").write_text("this is text\n" * 99)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    done = command("stress", model_file, tmp_path, "--conditions", "gain-plus-12-db", "--json")
    assert done.status == 0, done.messages
    assert done.json["clips"] == 9 and done.json["speakers"] == done.json["labelled"] == 0
    assert done.json["notes"] == [] and not done.json["by_speaker"]
    (scores,) = done.json["conditions"]
    assert scores["uar"] is scores["uar_interval"] is scores["calibration_error"] is None
    assert scores["changed_interval"] is not None
    set_aside = {entry["file"]: entry for entry in done.json["quarantine"]}
    assert set(set_aside) == {f".../{tmp_path.name}/{name}" for name in ("text.wav", "silent.wav")}
    assert all(entry["condition"] == "" for entry in set_aside.values())
    assert "not readable as audio" in set_aside[f".../{tmp_path.name}/text.wav"]["reason"]
    assert "silent" in set_aside[f".../{tmp_path.name}/silent.wav"]["reason"]
    assert "2 recordings set aside as unusable" in done.messages
    shown = command("stress", model_file, tmp_path, "--conditions", "gain-plus-12-db")
    assert "by resampling clips, because not all speakers are known" in shown.output


def test_a_table_names_parts_and_emotions(command, model_file, demo_folder, tmp_path):
    files = sorted(demo_folder.glob("*_m1_neutral_*"))[:4]
    table = pd.DataFrame({"file": files, "emotion": ["neutral", "bored", "neutral", ""], "end": 0.6})
    table.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / "out"
    done = command("stress", model_file, tmp_path / "rows.csv", "--conditions", "tempo-90-percent", "--out", out)
    assert done.status == 0, done.messages
    result = read_stress(out / "stress.json")
    assert (result.clips, result.labelled, result.clean.uar_interval) == (4, 2, None)
    assert "1 recording with an emotion that is not a class of the model (bored)" in (out / "report.md").read_text()
    assert "none, because there are fewer than eight clips" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (["--conditions", "mp3-64"], "unknown condition 'mp3-64'; did you mean 'mp3-64-kbps'? Known: gain-minus-12-db"),
        (["--corpus", "ravdess"], "240 audio files, but no file name matches those of RAVDESS"),
        (["--corpus", "nothing"], "unknown corpus 'nothing'"),
        (["--jobs", 0], "--jobs is 0"),
    ],
)
def test_wrong_options_get_an_answer(command, model_file, demo_folder, options, answer):
    done = command("stress", model_file, demo_folder, *options)
    assert done.status == 1 and done.output == ""
    assert answer in " ".join(done.messages.split())


def test_wrong_places_get_an_answer(command, model_file, demo_folder, tmp_path):
    def said(*arguments):
        done = command("stress", *arguments)
        assert done.status == 1 and done.output == ""
        return " ".join(done.messages.split())

    assert "nowhere" in said(tmp_path / "nowhere.fusionser", demo_folder)
    assert "no such folder or table" in said(model_file, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no audio files in this folder" in said(model_file, tmp_path / "empty")
    (tmp_path / "empty" / "text.wav").write_text("text")
    assert "none of 1 recordings can be used" in said(model_file, tmp_path / "empty")
    taken = tmp_path / "taken"
    taken.write_text("text")
    few = ("--corpus", "demo", "--conditions", "gain-plus-12-db", "--limit", 2)
    assert "taken, which is a file; expected a folder" in said(model_file, demo_folder, *few, "--out", taken)
    assert command("stress", model_file, demo_folder, "--limit", 0).status == 2


def test_a_model_that_needs_the_gender_says_so(command, demo_folder, tmp_path):
    file = tmp_path / "given.fusionser"
    fitted = command(
        "fit", demo_folder, "--corpus", "demo", "--preset", "fusionnet", "--gender", "given", "--no-estimate",
        "--out", file,
    )  # fmt: skip
    assert fitted.status == 0, fitted.messages
    done = command("stress", file, demo_folder, "--conditions", "gain-plus-12-db")
    assert done.status == 1 and "has the speaker's gender as a feature" in done.messages
    few = ("--conditions", "gain-plus-12-db", "--limit", 4)
    assert command("stress", file, demo_folder, "--corpus", "demo", *few).status == 0


def test_a_codec_that_libsndfile_lacks_is_left_out_with_a_word(monkeypatch, model_file, demo_rows):
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "Microsoft"})
    assert not any(codec.available for codec in CODECS.values())
    model = load_model(model_file)
    result, _ = stress_model(model, demo_rows[:2], ["mp3-64-kbps", "gain-minus-12-db"])
    assert [scores.name for scores in result.conditions] == ["gain-minus-12-db"]
    assert "left out: mp3-64-kbps, because this libsndfile lacks its codec" in stress_page(result)
    with pytest.raises(SettingsError, match="no codec for opus-24-kbps"):
        stress_model(model, demo_rows[:2], ["opus-24-kbps"])


def test_a_clip_that_one_condition_spoils_is_set_aside_there(monkeypatch, model_file, demo_rows):
    def fail(samples, rate, seed, **parameters):
        if samples.size > shortest:
            raise AudioError("too long")
        return CONDITIONS["gain-minus-12-db"].apply(samples, rate, seed)

    rows = demo_rows[:3]
    shortest = min(soundfile.info(file).frames for file in rows["file"])
    given = CONDITIONS["tempo-90-percent"]
    monkeypatch.setitem(CONDITIONS._loaded, "tempo-90-percent", type(given)(summary="x", change=fail))
    result, answers = stress_model(load_model(model_file), rows, ["tempo-90-percent"])
    assert result.clean.clips == 3 and result.conditions[0].clips == 1 and len(answers) == 4
    assert [(entry["condition"], entry["reason"]) for entry in result.quarantine] == [
        ("tempo-90-percent", "too long")
    ] * 2


def test_a_model_with_one_answer_is_told_of(command, model_file, demo_folder, tmp_path):
    few = ("--corpus", "demo", "--conditions", "gain-minus-12-db", "--json")
    for file in sorted(demo_folder.glob("*_m1_*")):
        shutil.copy(file, tmp_path / file.name)
    every = command("stress", model_file, tmp_path, *few).json
    assert "one-answer" not in [note["kind"] for note in every["notes"]]
    answers = load_model(model_file).predict(sorted(map(str, tmp_path.glob("*.wav"))))
    chosen = answers["emotion"].iloc[0]
    for file in answers.loc[answers["emotion"] != chosen, "file"]:
        (tmp_path / file).unlink()
    done = command("stress", model_file, tmp_path, *few).json
    told = {note["kind"]: note["value"] for note in done["notes"]}
    assert told["one-answer"] == {"answer": chosen, "share": 1.0}


def made_answers(changes, speakers):
    """Answers of two classes: clean ones are all right, with a probability of 0.75."""
    rows = []
    for clip, (changed, speaker) in enumerate(zip(changes, speakers, strict=True)):
        emotion, other = ("calm", "sad") if clip % 2 else ("sad", "calm")
        for condition, answer in ((CLEAN, emotion), ("noise", other if changed else emotion)):
            probabilities = {f"probability_{name}": 0.75 if name == answer else 0.25 for name in ("calm", "sad")}
            rows.append(
                {"clip": clip, "speaker": speaker, "emotion": emotion, "condition": condition, "answer": answer}
                | {"probability": 0.75, **probabilities}
            )
    return pd.DataFrame(rows)


def test_scores_of_made_answers():
    answers = made_answers([1, 0, 0, 0] * 10, [f"s{number % 10}" for number in range(40)])
    scores = score_answers(answers, ("calm", "sad"), "noise", by_speaker=True)
    # All changes are of sad clips, half of which become calm.
    assert (scores.changed, scores.uar) == (0.25, 0.75)
    assert scores.probability_change == pytest.approx(0.25 * -0.5)
    assert (scores.most_frequent, scores.most_frequent_share) == ("calm", 0.75)
    assert scores.calibration_error == pytest.approx(0.0)
    clean = score_answers(answers, ("calm", "sad"), CLEAN, by_speaker=True)
    assert (clean.changed, clean.uar) == (0.0, 1.0) and clean.calibration_error == pytest.approx(0.25)


def test_intervals_are_over_speakers_where_they_are_known():
    # Whole speakers change: five of ten, so the interval is that of ten draws, not of 100.
    changes = [number % 10 < 5 for number in range(100)]
    answers = made_answers(changes, [f"s{number % 10}" for number in range(100)])
    low, high = score_answers(answers, ("calm", "sad"), "noise", by_speaker=True).changed_interval
    assert (low, high) == pytest.approx((0.2, 0.8), abs=0.05)
    low, high = score_answers(answers, ("calm", "sad"), "noise", by_speaker=False).changed_interval
    assert (low, high) == pytest.approx((0.4, 0.6), abs=0.02)
    few = answers[answers["speaker"].isin(["s1", "s7"])]
    assert score_answers(few, ("calm", "sad"), "noise", by_speaker=True).changed_interval is None


def test_where_nothing_changes_the_interval_has_a_width():
    answers = made_answers([0] * 50, [f"s{number % 10}" for number in range(50)])
    interval = score_answers(answers, ("calm", "sad"), "noise", by_speaker=True).changed_interval
    exact = binomtest(0, 50).proportion_ci(method="wilson")
    assert interval == pytest.approx((exact.low, exact.high))


def test_the_calibration_error_of_made_probabilities():
    rng = np.random.default_rng(0)
    top = rng.uniform(0.5, 1.0, 200_000)
    assert expected_calibration_error(top, rng.random(top.size) < top) < 0.005
    assert expected_calibration_error(top, rng.random(top.size) < top - 0.2) == pytest.approx(0.2, abs=0.005)
    # Two bins that err in opposite directions do not cancel out.
    assert expected_calibration_error([0.7] * 10 + [0.9] * 10, [True] * 10 + [True] * 7 + [False] * 3) == (
        pytest.approx((0.3 + 0.2) / 2)
    )
    assert expected_calibration_error([0.6, 0.8], [True, False], bins=1) == pytest.approx(0.2)
    assert expected_calibration_error([0.0, 1.0], [False, True]) == 0.0


def test_drawn_clips_are_balanced():
    rows = pd.DataFrame(
        {
            "file": [f"{number}.wav" for number in range(90)],
            "emotion": ["calm"] * 60 + ["sad"] * 25 + ["fear"] * 5,
            "speaker": [f"s{number % 4 if number < 70 else 0}" for number in range(90)],
        }
    )
    drawn = draw_clips(rows, 25, seed=3)
    assert drawn["emotion"].value_counts().to_dict() == {"calm": 10, "sad": 10, "fear": 5}
    assert sorted(drawn.loc[drawn["emotion"] == "calm", "speaker"].value_counts()) == [2, 2, 3, 3]
    assert drawn.equals(draw_clips(rows, 25, seed=3)) and not drawn.equals(draw_clips(rows, 25, seed=4))
    assert draw_clips(rows, 500).equals(rows)
    unknown = rows.assign(emotion="", speaker="")
    assert len(draw_clips(unknown, 10)) == 10


def test_the_picture_of_clips_without_labels_has_one_panel(report):
    folder, _ = report
    result = read_stress(folder / "stress.json")
    nothing = {"uar": None, "uar_interval": None, "calibration_error": None}
    bare = result.model_copy(
        update={
            "clean": result.clean.model_copy(update=nothing),
            "conditions": [scores.model_copy(update=nothing) for scores in result.conditions],
        }
    )
    assert (len(stress_figure(result).axes), len(stress_figure(bare).axes)) == (2, 1)
    assert "UAR is the mean recall" not in stress_page(bare) and "| - |" in stress_page(bare)
    assert interval_text(result).startswith("95 %, by resampling speakers")


def test_the_headline_names_all_conditions_that_change_the_same_share(report):
    folder, _ = report
    result = read_stress(folder / "stress.json")

    def said(*changed):
        made = [
            result.conditions[0].model_copy(update={"name": name, "changed": share})
            for name, share in zip("abcd", changed, strict=False)
        ]
        return headline(result.model_copy(update={"conditions": made, "classifier": "svm", "features_name": "x"}))

    assert said(0.0, 0.0, 0.0, 0.5) == (
        "Of 4 conditions, d changes the most answers of svm with x (50.0 %), "
        "and a and 2 others change the fewest (0.0 %)."
    )
    assert "b and c change the most answers of svm with x (50.0 %), and a changes the fewest (0.0 %)" in said(
        0.0, 0.5, 0.5
    )
    assert said(0.1, 0.1) == "a and b change 10.0 % of the answers of svm with x."


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("notes", [{"kind": "unused-columns", "value": 3}], "note of the kind 'unused-columns' has the value '3'"),
        ("notes", [{"kind": "labels-renamed", "value": "x"}], "the file was edited or damaged"),
        ("quarantine", [{}], "not a stress test that this version reads (1 field differs)"),
        ("clips", -1, "not a stress test that this version reads (1 field differs)"),
    ],
)
def test_an_edited_result_is_told(command, report, tmp_path, field, value, message):
    folder, _ = report
    stored = json.loads((folder / "stress.json").read_text())
    (tmp_path / "stress.json").write_text(json.dumps({**stored, field: value}))
    ended = command("report", tmp_path)
    told = " ".join(ended.messages.split())
    assert ended.status == 1 and message in told and "internal error" not in told


def test_recordings_that_are_given_twice_count_once(model_file, demo_rows):
    rows = demo_rows[demo_rows["emotion"] == "angry"].iloc[:8]
    once, _ = stress_model(load_model(model_file), rows, ["gain-minus-12-db"])
    twice, _ = stress_model(load_model(model_file), pd.concat([rows, rows]), ["gain-minus-12-db"])
    assert (once.clean, once.conditions) == (twice.clean, twice.conditions)
    assert [entry["reason"].endswith("given more than once, and used once") for entry in twice.quarantine] == [True] * 8


@pytest.fixture
def answered(monkeypatch):
    """Names of the recordings that models answer for, as often as they do."""
    names = []
    predict = Model.predict

    def counted(self, X, *arguments, **options):
        names.append(Path(X["file"].iloc[0]).name)
        return predict(self, X, *arguments, **options)

    monkeypatch.setattr(Model, "predict", counted)
    return names


def stopping_after(number):
    def progress(done, total):
        if done >= number:
            raise KeyboardInterrupt

    return progress


def test_a_stopped_test_goes_on_where_it_was(answered, model_file, demo_rows, tmp_path):
    model, rows = load_model(model_file), demo_rows[::12]
    named = {"conditions": ["white-noise-5-db", "telephone"], "seed": 3}
    with pytest.raises(KeyboardInterrupt):
        stress_model(model, rows, **named, cache=Cache(tmp_path), progress=stopping_after(8))
    first = answered.copy()
    answered.clear()
    # As in another process, which reads the model again.
    result, answers = stress_model(load_model(model_file), rows, **named, cache=Cache(tmp_path))
    assert len(first) >= 8 and len(answered) == 20 - 8
    assert set(first[:8]).isdisjoint(answered)
    expected, whole = stress_model(model, rows, **named)
    assert (result.clean, result.conditions, result.notes) == (expected.clean, expected.conditions, expected.notes)
    pd.testing.assert_frame_equal(answers, whole)


def test_answers_are_not_those_of_other_settings(answered, model_file, demo_rows, monkeypatch, tmp_path):
    model, rows = load_model(model_file), demo_rows[::40].copy()

    def computed(model=model, rows=rows, names=("white-noise-5-db",), seed=0):
        answered.clear()
        stress_model(model, rows, names, seed=seed, cache=Cache(tmp_path))
        return len(answered)

    assert (computed(), computed()) == (6, 0)
    assert computed(seed=1) == 6
    assert computed(names=("white-noise-5-db", "telephone")) == 6
    assert computed(rows=rows.assign(end=0.5)) == 6
    assert computed(replace(model, card=model.card.model_copy(update={"corpus": "another"}))) == 6
    copy = tmp_path / "copy.wav"
    shutil.copy(rows["file"].iloc[1], copy)
    rows.iloc[1, rows.columns.get_loc("file")] = str(copy)
    assert (computed(), computed()) == (1, 0)
    shutil.copy(rows["file"].iloc[2], copy)
    assert computed() == 1
    condition = CONDITIONS["white-noise-5-db"]
    monkeypatch.setitem(
        CONDITIONS._loaded, "white-noise-5-db", replace(condition, parameters={"color": "pink", "ratio": 5.0})
    )
    assert computed() == 6
    monkeypatch.setattr("fusionser.evaluation.kept_answers.versions", lambda: {"numpy": "0"})
    assert computed() == 6


def test_damaged_answers_are_computed_again(answered, model_file, demo_rows, tmp_path):
    model, rows = load_model(model_file), demo_rows[::40]
    stress_model(model, rows, ["telephone"], cache=Cache(tmp_path))
    kept = KeptAnswers(Cache(tmp_path), rows.assign(clip=range(6)).to_dict("records"), model, {})
    assert kept.recall() == {}
    kept = "fusionser.evaluation.kept_answers.KeptAnswers.recall"
    for wrong in ({}, {"answers": 3, "measured": {}}, {"answers": [{"answer": "x"}], "measured": {}}):
        answered.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(kept, lambda self, wrong=wrong: dict.fromkeys(range(6), wrong))
            stress_model(model, rows, ["telephone"], cache=Cache(tmp_path))
        assert len(answered) == 6


def test_the_command_goes_on_after_ctrl_c(command, model_file, demo_folder, tmp_path):
    env = {"FUSIONSER_CACHE": str(tmp_path / "cache")}
    arguments = [
        "stress", model_file, demo_folder, "--corpus", "demo", "--conditions", "telephone", "--jobs", 1,
        "--out", tmp_path / "out",
    ]  # fmt: skip

    def kept():
        try:
            with closing(sqlite3.connect(tmp_path / "cache" / "features.sqlite")) as connection:
                return connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
        except sqlite3.Error:
            return 0

    running = start_command(*arguments, env=env)
    while running.poll() is None and kept() == 0:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, messages = running.communicate(timeout=60)
    assert running.returncode == 130, messages
    before = kept()
    assert 0 < before < 240 and "Exception ignored" not in messages
    assert not (tmp_path / "out" / "stress.json").exists()
    done = command(*arguments, env=env)
    assert done.status == 0, done.messages
    assert kept() == 240 and read_stress(tmp_path / "out" / "stress.json").clips == 240


SCRIPT = """
import sys
from fusionser import PipelineSpec, fit
from fusionser.corpora import list_rows
from fusionser.evaluation.stress import stress_model
from fusionser.features import ZeroCrossingRate
from fusionser.registry import BLOCKS

class Crossings(ZeroCrossingRate):
    kind = "crossings"

if __name__ == "__main__":
    BLOCKS.register("crossings", Crossings)
    spec = PipelineSpec(features={"blocks": ["rms", "crossings"]})
    model = fit(sys.argv[1], corpus="demo", spec=spec, protocol=None)
    rows = list_rows(sys.argv[1], "demo").rows
    for jobs in (1, 2):
        print(jobs, stress_model(model, rows, ["white-noise-5-db"], limit=8, n_jobs=jobs)[0].clips)
"""


def test_a_model_with_a_block_of_a_script_is_told_where_it_cannot_go(demo_folder, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    env = {**os.environ, "LOKY_MAX_CPU_COUNT": "2"}
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", demo_folder], capture_output=True, text=True, env=env, check=False
    )
    assert done.stdout.split() == ["1", "8"] and done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "crossings" in last and "memory" not in last, last
