"""Lists of recordings to predict: parts of files, and columns of their own."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from fusionser.model import load_model
from fusionser.tables import load_table


def test_parts_of_recordings_and_the_columns_of_a_list_come_back(command, demo_rows, saved, tmp_path):
    files = demo_rows["file"].tolist()[:2]
    listed = pd.DataFrame(
        {
            "file": [files[0], files[0], files[1], "missing.wav"],
            "start": [0.0, 0.4, 0.0, 0.0],
            "end": [0.4, 0.8, 0.9, 1.0],
            "emotion": ["sad", "happy", "sad", ""],
            "session": ["01", "02", "02", ""],
            "error": ["none", "", "", ""],
        }
    )
    listed.to_csv(tmp_path / "listed.csv", index=False)
    done = command("predict", saved["svm"], "--list", tmp_path / "listed.csv", "--json")
    assert [(answer["start"], answer["end"]) for answer in done.json] == [(0, 0.4), (0.4, 0.8), (0, 0.9), (0, 1)]
    assert done.json[1]["given"] == {"truth": "happy", "session": "02", "given_error": ""}
    assert done.json[3]["error"] and done.json[0]["error"] is None
    command("predict", saved["svm"], "--list", tmp_path / "listed.csv", "--out", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert table.columns.tolist()[:4] == ["file", "start", "end", "emotion"]
    assert table[["truth", "session", "given_error"]].to_numpy().tolist() == (
        listed[["emotion", "session", "error"]].to_numpy().tolist()
    )
    # A part is answered as a file of its own.
    samples, rate = soundfile.read(files[0])
    part = load_model(saved["svm"]).predict([(samples[int(0.4 * rate) : round(0.8 * rate)], rate)])
    assert float(table["probability"][1]) == pytest.approx(part["probability"][0], rel=1e-4)
    assert "0.4 s to 0.8 s" in " ".join(
        command("predict", saved["svm"], "--list", tmp_path / "listed.csv").output.split()
    )
    # Whole recordings have neither part nor columns of a list.
    answers = load_model(saved["svm"]).predict(files)
    assert answers.columns.tolist()[:2] == ["file", "emotion"] and answers.columns[-1] == "error"


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg"])
def test_a_recording_on_standard_input(saved, demo_rows, tmp_path, suffix):
    samples, rate = soundfile.read(demo_rows["file"][0])
    soundfile.write(tmp_path / f"clip.{suffix}", samples, rate)
    content = (tmp_path / f"clip.{suffix}").read_bytes()
    expected = load_model(saved["svm"]).predict([str(tmp_path / f"clip.{suffix}")])
    done = predicted_from(content, saved["svm"])
    (answer,) = json.loads(done.stdout)
    assert answer["file"] == "-" and answer["error"] is None and answer["emotion"] == expected["emotion"][0]
    (answer,) = json.loads(predicted_from(content[: len(content) // 2], saved["svm"]).stdout)
    assert answer["file"] == "-" and "--accept-truncated" in answer["error"] and answer["error"].startswith("-: ")


def test_paths_on_standard_input(saved, demo_rows):
    files = demo_rows["file"].tolist()[:2]
    for ending in ("\n", "\r\n"):
        answers = json.loads(predicted_from((ending.join(files) + ending).encode(), saved["svm"]).stdout)
        assert [answer["file"] for answer in answers] == files
    done = predicted_from(bytes(range(128, 256)), saved["svm"])
    assert done.returncode == 1 and b"neither a recording nor a list of paths in UTF-8" in done.stderr


def predicted_from(content, model):
    command = [sys.executable, "-m", "fusionser", "predict", str(model), "-", "--json"]
    return subprocess.run(command, input=content, capture_output=True, check=False)


def test_a_table_is_a_list_of_recordings_and_names_stay_as_given(command, saved, demo_rows, tmp_path):
    files = [Path(file) for file in demo_rows["file"].head(3)]
    (tmp_path / "clips").mkdir()
    for file in files:
        (tmp_path / "clips" / file.name).write_bytes(file.read_bytes())
    given = [f"clips/{file.name}" for file in files]
    pd.DataFrame({"Datei": [*given, "clips/gone.wav"], "call": [7, 8, 9, 10]}).to_csv(
        tmp_path / "t.csv", index=False, sep=";"
    )
    expected = command("predict", saved["svm"], *files, "--json").json
    for options in ([tmp_path / "t.csv"], ["--list", tmp_path / "t.csv"]):
        answers = command("predict", saved["svm"], *options, "--map", "file=Datei", "--json").json
        assert [answer["file"] for answer in answers] == [*given, "clips/gone.wav"]
        assert [answer["given"]["call"] for answer in answers] == ["7", "8", "9", "10"]
        assert [answer["emotion"] for answer in answers[:3]] == [answer["emotion"] for answer in expected]
        assert answers[3]["error"].startswith("clips/gone.wav: cannot be opened")
        told = command("predict", saved["svm"], *options).messages
        assert "no column 'file'; got Datei, call. Name the one with the paths by --map file=COLUMN" in " ".join(
            told.split()
        )
    refused = command("predict", saved["svm"], files[0], "--map", "file=Datei")
    assert refused.status == 1 and "--map has no effect without a table" in refused.messages


def test_a_gender_that_no_feature_needs_is_told(command, saved, demo_rows):
    refused = command("predict", saved["svm"], demo_rows["file"].iloc[0], "--gender", "female")
    assert refused.status == 1 and "--gender has no effect" in refused.messages


def test_what_a_list_says_of_a_refused_recording_stays_as_it_is(command, saved, demo_rows, tmp_path):
    file = demo_rows["file"].iloc[0]
    large = 9007199254740993
    table = pd.DataFrame(
        {
            "file": [file, file, file],
            "start": [0.0, 0.0, 5.0],
            "end": [0.5, 0.4, 2.0],
            "emotion": ["sad", "happy", "fear"],
            "id": [large, large + 2, large + 4],
            "note": ["a", "b", "c"],
            "right": [True, False, True],
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    answers = command("predict", saved["svm"], "--list", tmp_path / "t.parquet", "--json").json
    assert [answer["given"]["id"] for answer in answers] == table["id"].tolist()
    assert [answer["given"]["truth"] for answer in answers] == ["sad", "happy", "fear"]
    assert [answer["given"]["right"] for answer in answers] == [True, False, True]
    assert "is empty" in answers[2]["error"] and not answers[1]["error"]
    for suffix in ("parquet", "csv", "PARQUET", "CSV"):
        out = tmp_path / f"out.{suffix}"
        assert command("predict", saved["svm"], "--list", tmp_path / "t.parquet", "--out", out).status == 0
        read = pd.read_parquet(out) if suffix.lower() == "parquet" else pd.read_csv(out)
        assert read["id"].tolist() == table["id"].tolist() and read["note"].tolist() == ["a", "b", "c"]


def test_names_that_a_terminal_or_a_table_would_obey(command, saved, demo_rows, tmp_path):
    content = Path(demo_rows["file"].iloc[0]).read_bytes()
    (tmp_path / "in").mkdir()
    names = ["a\x1b]0;title\x07\x1b[2J.wav", "b\r=1+1.wav", "c\x9b31m.wav", "d\nerror: none\tof it.wav"]
    for name in names:
        (tmp_path / "in" / name).write_bytes(content)
    done = command("predict", saved["svm"], tmp_path / "in", "--out", tmp_path / "out.csv")
    assert done.status == 0
    read = load_table(tmp_path / "out.csv")
    assert [Path(file).name for file in read["file"]] == sorted(names)
    for options in ((), ("--out", tmp_path / "x\x1b[31m.csv")):
        done = command("predict", saved["svm"], tmp_path / "in", *options)
        assert not any(control in done.output + done.messages for control in "\x1b\x07\x9b\r\t")
        assert "\nerror" not in done.output + done.messages
        assert options or r"d\nerror: none\tof it.wav" in done.output
    done = command("predict", saved["svm"], tmp_path / "in", "--json")
    assert "\x9b" not in done.output and [Path(one["file"]).name for one in done.json] == sorted(names)
    assert r"not\nthere: no such" in command("evaluate", tmp_path / "not\nthere").messages


def test_an_argument_that_is_not_there(command, saved, tmp_path, monkeypatch):
    (tmp_path / "data" / "emodb").mkdir(parents=True)
    monkeypatch.setenv("FUSIONSER_DATA", str(tmp_path / "data"))
    found = command("predict", saved["svm"], "emodb", cwd=tmp_path)
    assert (
        found.status == 1
        and "error: emodb: cannot be opened (no such file or folder); check the path. FUSIONSER_DATA" in found.messages
    )
    known = command("predict", saved["svm"], "savee", cwd=tmp_path).messages
    assert "'savee' is the name of a corpus; give the folder with its recordings" in known
    other = command("predict", saved["svm"], "nowhere", "gone", cwd=tmp_path).messages
    assert other.endswith("the first: nowhere: cannot be opened (no such file or folder); check the path\n")


def test_a_name_that_no_file_can_have_is_one_refused_recording(command, saved, demo_rows, tmp_path):
    (tmp_path / "list.txt").write_text(f"{'x' * 5000}\n{demo_rows['file'].iloc[0]}\n")
    answers = command("predict", saved["svm"], "--list", tmp_path / "list.txt", "--json").json
    assert [bool(answer["error"]) for answer in answers] == [True, False]


def test_a_pipe_is_no_recording_and_no_model(command, saved, demo_rows, tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    os.mkfifo(tmp_path / "pipe.fusionser")
    answers = command("predict", saved["svm"], tmp_path / "pipe.wav", demo_rows["file"].iloc[0], "--json").json
    assert "not a regular file" in answers[0]["error"] and not answers[1]["error"]
    assert "not a regular file" in command("predict", tmp_path / "pipe.wav").output
    assert "neither a file nor a link to one" in command("info", tmp_path / "pipe.fusionser").messages


@pytest.mark.parametrize(
    "given",
    [
        ("evaluate", "calls"),
        ("evaluate-timeline", "calls"),
        ("tune", "calls"),
        ("ablate", "calls"),
        ("extract", "calls", "--blocks", "zcr"),
        ("stress", "calls"),
        ("audit", "calls/train", "calls/test"),
        ("study", "classical-baseline", "--place", "ravdess=calls"),
        ("reproduce", "s4-crnn-emodb", "--place", "emodb=calls"),
        ("export", "--clips", "calls"),
    ],
    ids=lambda given: given[0],
)
def test_no_results_are_written_among_recordings(command, demo_rows, tmp_path, given):
    for part in ("train", "test"):
        (tmp_path / "calls" / part).mkdir(parents=True)
        (tmp_path / "calls" / part / "clip.wav").symlink_to(demo_rows["file"].iloc[0])
    kept = sorted(tmp_path.rglob("*"))
    flag = "--web" if given[0] == "export" else "--out"
    outs = {
        ".": "which contains calls",
        "calls": "which " + ("contains calls/" if given[0] == "audit" else "is read, too"),
    }
    for out, told in outs.items():
        refused = command(*given, flag, out, cwd=tmp_path, env={"FUSIONSER_DATA": ""})
        assert refused.status == (2 if given[0] == "audit" else 1)
        assert f"error: {flag} is {out}, {told}" in refused.messages
    assert sorted(tmp_path.rglob("*")) == kept


def test_an_output_replaces_no_input_and_no_device(command, saved, demo_rows, tmp_path):
    file = demo_rows["file"].iloc[0]
    (tmp_path / "l.csv").write_text(f"file\n{file}\n")
    model = tmp_path / "m.fusionser"
    model.write_bytes(saved["svm"].read_bytes())
    demo_rows.head(8).to_parquet(tmp_path / "d.parquet")
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for given in (
        ["predict", model, "--list", tmp_path / "l.csv", "--out", tmp_path / "l.csv"],
        ["predict", model, tmp_path / "l.csv", "--out", tmp_path / "l.csv"],
        ["info", model, "--out", model],
        ["fit", tmp_path / "d.parquet", "--no-estimate", "--out", tmp_path / "d.parquet"],
        ["extract", tmp_path / "d.parquet", "--blocks", "zcr", "--out", tmp_path / "d.parquet"],
    ):
        refused = command(*given)
        assert refused.status == 1 and "which is read, too; choose another path" in " ".join(refused.messages.split())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    os.mkfifo(tmp_path / "pipe.csv")
    refused = command("predict", model, file, "--out", tmp_path / "pipe.csv")
    assert "a device or a pipe; expected a file" in " ".join(refused.messages.split())


def test_what_is_written_keeps_links_and_permissions(command, saved, demo_rows, tmp_path):
    (tmp_path / "real.csv").write_text("")
    (tmp_path / "real.csv").chmod(0o600)
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert command("predict", saved["svm"], demo_rows["file"].iloc[0], "--out", tmp_path / "link.csv").status == 0
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600
    assert len(pd.read_csv(tmp_path / "real.csv")) == 1


def test_names_that_collide_and_numbers_that_are_infinite(command, demo_folder, tmp_path):
    """No column is written twice, none is lost, and JSON has no Infinity."""
    files = [*sorted(map(str, demo_folder.glob("*.wav")))[:2], str(tmp_path / "missing.wav")]
    given = pd.DataFrame(
        {
            "file": files,
            "emotion": ["sad", "angry", "fear"],
            "truth": ["a", "b", "c"],
            "error": [1, 2, 3],
            "given_error": [4, 5, 6],
            "level": [math.inf, -math.inf, 0.5],
        }
    )
    given.to_parquet(tmp_path / "list.parquet")
    answers = command("predict", tmp_path / "list.parquet", "--json").json
    expected = [
        {"given_emotion": "sad", "truth": "a", "given_given_error": 1, "given_error": 4, "level": None},
        {"given_emotion": "angry", "truth": "b", "given_given_error": 2, "given_error": 5, "level": None},
        {"given_emotion": "fear", "truth": "c", "given_given_error": 3, "given_error": 6, "level": 0.5},
    ]
    assert [answer["given"] for answer in answers] == expected
    assert command("predict", tmp_path / "list.parquet", "--out", tmp_path / "answers.csv").status == 0
    table = pd.read_csv(tmp_path / "answers.csv")
    assert not [name for name in table if "." in name]
    assert table["given_emotion"].tolist() == ["sad", "angry", "fear"]


def test_columns_named_like_answers_are_never_taken_for_answers(command, demo_rows, tmp_path):
    """A model without unlikeness gives none, whatever a list has of an earlier prediction."""
    rows = demo_rows[["file", "speaker", "emotion"]][:40]
    rows = rows.assign(file=[shutil.copy(file, tmp_path) for file in rows["file"]])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    model = tmp_path / "m.fusionser"
    assert command("extract", tmp_path / "rows.csv", "--blocks", "zcr", "--out", tmp_path / "f.parquet").status == 0
    for file in rows["file"]:
        Path(file).unlink()
    assert command("fit", tmp_path / "f.parquet", "--no-estimate", "--out", model).status == 0
    assert load_model(model).unlikeness is None
    earlier = {"unlikeness": 0.999, "unlike_because": "{}", "unsure_because": "probability", "probability": 0.2}
    pd.DataFrame({"file": demo_rows["file"][:2], **earlier}).to_csv(tmp_path / "earlier.csv", index=False)
    answers = command("predict", model, tmp_path / "earlier.csv", "--json").json
    assert set(answers[0]["given"]) == {f"given_{name}" for name in earlier} and "unlikeness" not in answers[0]
    done = command("predict", model, tmp_path / "earlier.csv")
    assert done.status == 0 and "unsure" not in done.output
    assert command("predict", model, tmp_path / "earlier.csv", "--out", tmp_path / "o.csv").status == 0


def test_a_reader_that_stops_reading_is_no_fault_of_a_plugin():
    code = "from fusionser_cli.start import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait()
