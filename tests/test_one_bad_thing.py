"""One thing that cannot be used does not stop the others."""

import os

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import ROOT

from fusionser.corpora import list_rows
from fusionser.decoding import decode
from fusionser.errors import AudioError, CorpusError

MODEL = ROOT / "tests" / "reference" / "wide-svm.fusionser"
NOISE = 0.1 * np.random.default_rng(0).normal(size=48000)
TOO_LONG = "x" * 5000


@pytest.fixture
def folder(tmp_path):
    """Two emotions with a good recording each, one at a very high rate, and one whose name is not UTF-8."""
    for emotion, sound in (("sad", NOISE), ("happy", NOISE[::-1])):
        (tmp_path / "mine" / emotion).mkdir(parents=True)
        soundfile.write(tmp_path / "mine" / emotion / "good.wav", sound, 16000)
    soundfile.write(tmp_path / "mine" / "sad" / "fast.wav", np.tile(NOISE, 9), 400000)
    content = (tmp_path / "mine" / "sad" / "good.wav").read_bytes()
    try:
        (tmp_path / "mine" / "sad" / os.fsdecode(b"b\xe4d.wav")).write_bytes(content)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    return tmp_path / "mine"


def test_in_a_folder(command, folder, tmp_path):
    checked = command("corpora", "check", "folders", folder, "--json").json
    assert checked["recordings"] == 3 and len(checked["unusable"]) == 1
    assert "b\\xe4d.wav: this name is not UTF-8; rename" in checked["unusable"][0]["reason"]
    done = command(
        "extract", folder, "--corpus", "folders", "--blocks", "zcr", "--out", tmp_path / "f.parquet", "--json"
    )
    assert [entry["file"].endswith("sad/b\\xe4d.wav") for entry in done.json["quarantine"]] == [True]
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 3
    answers = command("predict", MODEL, folder, "--json").json
    assert [bool(answer["error"]) for answer in answers] == [False, True, False, False]
    stressed = command("stress", MODEL, folder, "--conditions", "gain-plus-12-db", "--json").json
    # Recordings are changed in memory, where rates have a limit.
    assert stressed["clips"] == 2 and len(stressed["quarantine"]) == 2


def test_in_a_table(command, folder, tmp_path):
    good = folder / "happy" / "good.wav"
    parts = [(good, "0", "1"), (good, "0", "1e308"), (good, "2", "1"), (good, "later", "2"), ("", "0", "1")]
    parts += [(good, "-1", "2"), (good, "1", "inf"), (good, "1", "2"), (TOO_LONG, "0", "1")]
    table = pd.DataFrame(parts, columns=["file", "start", "end"]).assign(
        emotion=["sad", "happy", *["sad"] * 5, "happy", "sad"]
    )
    table.to_csv(tmp_path / "rows.csv", index=False)
    good_places = [0, 7]
    answers = command("predict", MODEL, "--list", tmp_path / "rows.csv", "--json").json
    assert [place for place, answer in enumerate(answers) if not answer["error"]] == good_places
    assert "column 'start' holds 'later'" in answers[3]["error"] and "end is 1e+308 s" in answers[1]["error"]
    command("predict", MODEL, "--list", tmp_path / "rows.csv", "--out", tmp_path / "answers.csv")
    written = pd.read_csv(tmp_path / "answers.csv", keep_default_na=False)
    assert np.flatnonzero(written["error"] == "").tolist() == good_places
    done = command("extract", tmp_path / "rows.csv", "--blocks", "zcr", "--out", tmp_path / "f.parquet", "--json")
    assert len(done.json["quarantine"]) == 7 and len(pd.read_parquet(tmp_path / "f.parquet")) == 2
    table.iloc[[2, 4]].to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(CorpusError, match="none of 2 rows can be used; the first: .* expected 0 <= start < end"):
        list_rows(tmp_path / "none.csv")


def test_on_the_command_line(command, folder):
    answers = command("predict", MODEL, TOO_LONG, folder / "sad" / "good.wav", "--json").json
    assert "cannot be opened" in answers[0]["error"] and answers[1]["emotion"]


@pytest.mark.parametrize(("start", "end"), [(0.0, 1e308), (1e308, None), (2.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0)])
def test_impossible_parts_are_told(folder, start, end):
    with pytest.raises(AudioError, match="good.wav: (end|start|the part)"):
        decode(folder / "sad" / "good.wav", start, end)


def test_recordings_that_cannot_be_used_are_not_counted(command, tmp_path):
    for emotion in ("sad", "happy"):
        (tmp_path / emotion).mkdir()
        sound = NOISE if emotion == "sad" else NOISE[::-1]
        soundfile.write(tmp_path / emotion / "good.wav", sound, 16000)
    soundfile.write(tmp_path / "sad" / "silent.wav", 0 * NOISE, 16000)
    checked = command("corpora", "check", "folders", tmp_path, "--json").json
    assert checked["recordings"] == 2 and checked["emotions"] == {"happy": 1, "sad": 1}
    assert len(checked["unusable"]) == 1 and "silent" in checked["unusable"][0]["reason"]
