"""``fusionser show``: the picture and the facts of recordings, corpora and results, and what bad input gets."""

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone
from made_results import made
from matplotlib.image import imread

RATE = 16000


@pytest.fixture
def clip(tmp_path):
    file = tmp_path / "my clip.wav"
    soundfile.write(file, np.stack([tone(220), tone(220)], axis=1), RATE)
    return file


@pytest.fixture
def result_folder(tmp_path):
    """A result of two classes with the predictions that it is of."""
    folder = tmp_path / "report"
    folder.mkdir()
    result = made(("none", "none"), "svm", np.linspace(0.4, 0.9, 24))
    result.model_copy(update={"corpora": ("mine",), "calibration_error": 0.1}).save(folder / "result.json")
    answers = {"truth": ["angry", "calm"], "predicted": ["angry", "angry"], "speaker": ["a", "b"]}
    table = pd.DataFrame({**answers, "probability_angry": [0.9, 0.6], "probability_calm": [0.1, 0.4]})
    table.to_csv(folder / "predictions.csv", index=False)
    return folder


def refused(command, *arguments, **options):
    done = command("show", *arguments, **options)
    assert done.status == 1, (done.output, done.messages)
    assert done.output == ""
    return " ".join(done.messages.split())


def test_a_recording_gets_a_picture_in_the_working_folder(command, clip, tmp_path):
    done = command("show", clip, cwd=tmp_path)
    assert done.status == 0, done.messages
    assert done.output.splitlines() == [
        "recording: 1.00 s at 16000 Hz, 2 channels",
        "level: -9.0 dBFS, peak -6.0 dBFS",
        "voice: median pitch 220 Hz, speech 0 % of the time",
        "picture: my-clip-sound.png",
    ]
    assert imread(tmp_path / "my-clip-sound.png").std() > 0.05


def test_the_facts_as_json_and_a_part(command, clip, tmp_path):
    done = command("show", clip, "--start", 0.25, "--end", 0.75, "--out", tmp_path / "a.svg", "--json")
    assert done.status == 0, done.messages
    assert done.json["kind"] == "recording" and done.json["seconds"] == 0.5 and done.json["channels"] == 2
    assert done.json["picture"] == str(tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_the_stretch_that_moved_the_answer(command, demo_folder, tmp_path):
    file = sorted(demo_folder.iterdir())[0]
    done = command("show", file, "--answer", "--out", tmp_path / "a.png")
    assert done.status == 0, done.messages
    assert "no model given: using the included one" in done.messages
    (line,) = [line for line in done.output.splitlines() if line.startswith("answer: ")]
    (answer,) = command("predict", file, "--json").json
    assert line.startswith(f"answer: {answer['emotion']} with ")
    # A synthetic voice is unlike the human ones of the included model.
    assert "note: the recording is unlike the training recordings: " in done.messages


def test_copies_that_are_left_out_are_counted(command, clip, tmp_path):
    folder = tmp_path / "mine" / "happy"
    folder.mkdir(parents=True)
    for name in ("a.wav", "b.wav"):
        shutil.copy(clip, folder / name)
    done = command("show", folder.parent, "--out", tmp_path / "a.png")
    assert done.status == 0, done.messages
    assert "mine: 1 recording," in done.output
    assert "1 further copy of recordings was left out" in done.messages


def test_a_name_with_a_control_character_is_harmless_in_a_picture(command, clip, tmp_path):
    odd = shutil.copy(clip, tmp_path / "a\x1b[31m.wav")
    assert command("show", odd, "--out", tmp_path / "a.svg").status == 0
    assert b"\x1b" not in (tmp_path / "a.svg").read_bytes()
    ElementTree.parse(tmp_path / "a.svg")


def test_the_picture_of_a_recording_with_the_longest_name(command, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    longest = shutil.copy(clip, tmp_path / f"{'é' * 125}.wav")
    done = command("show", longest)
    assert done.status == 0, done.messages
    assert [path.name for path in tmp_path.glob("*.png")] == [f"{'é' * 100}-sound.png"]


def test_a_corpus_gets_a_table_and_a_picture(command, demo_folder, tmp_path):
    done = command("show", demo_folder, "--corpus", "demo", "--jobs", 1, "--out", tmp_path / "a.pdf")
    assert done.status == 0, done.messages
    assert "demo: 240 recordings, 8 speakers" in done.output
    assert "recordings of a speaker: 30 to 30, median 30" in done.output
    assert "recordings by gender: 120 female, 120 male" in done.output
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_a_table_of_rows_and_headers_only(command, clip, tmp_path):
    pd.DataFrame({"file": [str(clip)], "emotion": ["sad"]}).to_csv(tmp_path / "rows.csv", index=False)
    done = command("show", tmp_path / "rows.csv", "--headers", "--json", cwd=tmp_path)
    assert done.status == 0, done.messages
    assert done.json["kind"] == "corpus" and done.json["emotions"] == {"sad": 1} and done.json["level_dbfs"] is None
    assert (tmp_path / "rows-corpus.png").is_file()


def test_a_result_is_found_by_its_folder_and_by_its_file(command, result_folder, tmp_path):
    for place in (result_folder, result_folder / "result.json"):
        done = command("show", place, cwd=tmp_path)
        assert done.status == 0, done.messages
        assert "reached UAR 65.0 %" in done.output
        assert "UAR of the lowest and the highest speakers: demo/s00 40.0 %," in done.output
        assert done.output.splitlines()[-1] == "picture: report-result.png"
        (tmp_path / "report-result.png").unlink()
    (result_folder / "predictions.csv").unlink()
    done = command("show", result_folder, "--json", cwd=tmp_path)
    assert done.status == 0 and done.json["scores"]["uar"] == pytest.approx(0.65)
    assert "there is no predictions.csv beside the result" in done.messages


def test_labels_that_differ_in_case_are_one_emotion(command, demo_folder, tmp_path):
    sad, happy = (sorted(demo_folder.glob(f"*_{emotion}_*")) for emotion in ("sad", "happy"))
    for folder, file in (("Sad", sad[0]), ("sad", sad[1]), ("HAPPY", happy[0])):
        (tmp_path / "mixed" / folder).mkdir(parents=True)
        shutil.copy(file, tmp_path / "mixed" / folder / "one.wav")
    done = command("show", tmp_path / "mixed", "--headers", "--json", "--out", tmp_path / "a.png")
    assert done.status == 0, done.messages
    assert done.json["emotions"] == {"HAPPY": 1, "sad": 2}
    assert "labels that differ only in case" in done.messages and "--labels" not in done.messages


def test_a_place_that_is_nothing_to_show(command, demo_folder, tmp_path):
    assert "nowhere.wav: no such file or folder; expected a recording; a folder of recordings, a table" in refused(
        command, "nowhere.wav"
    )
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "design.json").write_text("{}")
    assert "'fusionser report' draws the results of studies" in refused(command, tmp_path / "study")
    (tmp_path / "bare").mkdir()
    assert "no audio files in it" in refused(command, tmp_path / "bare")
    text = tmp_path / "notes.txt"
    text.write_text("text")
    assert "notes.txt: not readable as audio" in refused(command, text)
    (tmp_path / "empty.wav").write_bytes(b"")
    assert "empty.wav: the file is empty" in refused(command, tmp_path / "empty.wav")
    (tmp_path / "odd.json").write_text('{"a": 1}')
    assert "odd.json: not a result that this version reads" in refused(command, tmp_path / "odd.json")
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "odd.csv", index=False)
    assert "the table has no column 'file'" in refused(command, tmp_path / "odd.csv")


def test_a_recording_that_cannot_be_shown_is_named(command, tmp_path):
    soundfile.write(tmp_path / "slow.wav", tone(20)[:300], 100)
    soundfile.write(tmp_path / "one.wav", [0.5], RATE)
    assert "slow.wav: got the sampling rate 100; expected" in refused(command, tmp_path / "slow.wav")
    assert "one.wav: too short to replace a part" in refused(command, tmp_path / "one.wav", "--answer")
    windows = command("predict", tmp_path / "slow.wav", "--windows", 1)
    assert windows.status == 1 and "slow.wav: got the sampling rate 100; expected" in windows.messages


def test_recordings_without_a_level_are_named(command, clip, tmp_path):
    whole = tmp_path / "mine" / "sad"
    whole.mkdir(parents=True)
    shutil.copy(clip, whole / "good.wav")
    soundfile.write(whole / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(whole / "cut.flac", np.random.default_rng(0).uniform(-0.5, 0.5, RATE), RATE)
    (whole / "cut.flac").write_bytes((whole / "cut.flac").read_bytes()[:9000])
    done = command("show", tmp_path / "mine", "--layout", "{emotion}/*", "--jobs", 1, "--out", tmp_path / "a.png")
    assert "2 recordings without a level" in done.messages
    assert "cut.flac: decoding failed" in done.messages and "silent.wav: silent" in done.messages


def test_all_recordings_that_cannot_be_used_are_counted(command, clip, tmp_path):
    for emotion in ("happy", "sad"):
        (tmp_path / "mine" / emotion).mkdir(parents=True)
        shutil.copy(clip, tmp_path / "mine" / emotion / f"{emotion}.wav")
    (tmp_path / "mine" / "sad" / "text.wav").write_text("no recording")
    told = refused(command, tmp_path / "mine", "--layout", "{emotion}/*")
    assert "none of 3 recordings can be used; the first: " in told and "whose labels differ" in told


def test_options_that_are_for_another_kind(command, clip, demo_folder, result_folder, tmp_path):
    assert "--corpus is for a corpus, but" in refused(command, clip, "--corpus", "demo")
    assert "--answer is for a recording, but" in refused(command, demo_folder, "--corpus", "demo", "--answer")
    assert "--channel is for recordings, but" in refused(command, result_folder, "--channel", "left")
    assert "--out is" in refused(command, clip, "--out", tmp_path / "a.jpg")
    assert "expected a file ending in .png, .svg, .pdf" in refused(command, clip, "--out", tmp_path / "a.jpg")
    assert "end is 0.5 s; expected more than the start, 0.7 s" in refused(
        command, clip, "--start", 0.7, "--end", 0.5, "--out", tmp_path / "a.png"
    )
    assert "is a model, which 'fusionser info' describes" in refused(command, "fusionser/pretrained/none.fusionser")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"truth": ["angry", "bored"]}, "holds the emotion 'bored', but the result is of angry, calm"),
        ({"probability_calm": ["0.1", "x"]}, "the column 'probability_calm' holds what is no number"),
        ({"probability_calm": [0.1, 7]}, "a probability is not between 0 and 1"),
    ],
)
def test_predictions_that_are_not_of_the_result(command, result_folder, change, told):
    table = pd.read_csv(result_folder / "predictions.csv").astype(object)
    table.assign(**change).to_csv(result_folder / "predictions.csv", index=False)
    assert told in refused(command, result_folder)


def test_curves_that_are_none(command, result_folder):
    (result_folder / "learning_curves.csv").write_text("fold,network\n1,conv1d\n")
    assert "learning_curves.csv: has no column 'epoch'" in refused(command, result_folder)


def test_a_result_of_numbers_without_its_predictions(command, tmp_path, result_folder):
    values = json.loads((result_folder / "result.json").read_text())
    (result_folder / "result.json").write_text(json.dumps({**values, "task": "dimensions"}))
    assert "not a result that this version reads" in refused(command, result_folder)
