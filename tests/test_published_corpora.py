"""Corpora by their published names and label files, and small trees that are laid out as they are published."""

import shutil
import subprocess
from pathlib import Path, PurePath

import pandas as pd
import pytest
from test_corpora import record_tree

from fusionser.corpora import CORPORA, differences, list_rows
from fusionser.corpora.data_folder import find_corpora
from fusionser.errors import CorpusError
from fusionser.facts import Stamp

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")

# Those whose names say everything, laid out as published.
TREES = {
    "esd": ["0001/Neutral/0001_000001.wav", "0001/Angry/0001_000351.wav", "0011/Angry/train/0011_000351.wav"],
    "emov-db": ["bea_Amused/amused_1-15_0002.wav", "sam/Angry/anger_1-28_0011.wav", "sam/Angry/anger_29-56_0011.wav"],
    "jl-corpus": ["Raw JL corpus/JL(wav+txt)/male1_sad_1a_1.wav", "Raw JL corpus/JL(wav+txt)/female2_happy_15b_2.wav"],
    "emovo": ["f1/dis-f1-b1.wav", "m1/tri-m1-l4.wav"],
    "cafe": ["Colère/Faible/01-C-1-1.wav", "Colère/Fort/01-C-2-1.wav", "Neutre/02-N-1-1.wav"],
    "mesd": ["Anger_F_A_tarde.wav", "Fear_C_B_arana.wav"],
    "nemo": ["samples/WR0_surprised_64.wav", "samples/EB0_neutral_13.wav"],
    "aesdd": ["anger/a03 (3).wav", "fear/f10 (01).wav", "sadness/s01 (5)a.wav", "sadness/s01 (5)b.wav"],
    "shemo": ["female/F03S02.wav", "male/M02F01.wav"],
    "urdu": ["Neutral/SM20_F8_N012.wav", "Happy/SF6_F1_H025.wav"],
    "subesco": ["F_02_MONIKA_S_1_NEUTRAL_5.wav", "M_10_EVAN_S_2_ANGRY_5.wav"],
    "ased": ["05Angry/a5-06-01-01-21.wav", "04Sad/S4-04-02-01-29.wav"],
}


@pytest.mark.parametrize("name", TREES)
def test_a_tree_as_it_is_published(command, tmp_path, name):
    folder = record_tree(tmp_path / "here", [*TREES[name], "other.wav"], rate=16000)
    checked = command("corpora", "check", name, folder, "--json").json
    assert checked["recordings"] == len(TREES[name]) and checked["unusable"] == checked["doubled"] == []
    assert [Path(file).name for file in checked["ignored"]] == ["other.wav"]
    out = tmp_path / "t.parquet"
    assert command("extract", folder, "--corpus", name, "--blocks", "zcr", "--out", out).status == 0
    rows = pd.read_parquet(out)
    assert sorted(Path(file).relative_to(folder).as_posix() for file in rows["file"]) == sorted(TREES[name])
    records = {path: CORPORA[name].parse(PurePath(path)) for path in TREES[name]}
    for row in rows.to_dict("records"):
        record = records[Path(row["file"]).relative_to(folder).as_posix()]
        assert row["source"] == f"{name}/{record.pop('id')}"
        assert {key: row[key] for key in record} == record


TURNS = {
    "Ses01F_impro01_F000": "neu",
    "Ses01F_impro01_M000": "exc",
    "Ses01F_impro01_F001": "xxx",
    "Ses01F_script01_1_M002": "hap",
    "Ses01F_script01_1_F003": "fru",
}


def iemocap_tree(folder, turns, end="\n", mark=""):
    """Write recordings, and label files of each dialogue as they are published, with other lines between the turns."""
    record_tree(folder, [f"Session1/sentences/wav/{turn[:-5]}/{turn}.wav" for turn in turns], rate=16000)
    place = folder / "Session1" / "dialog" / "EmoEvaluation"
    (place / "Categorical").mkdir(parents=True)
    (place / "Categorical" / "Ses01F_impro01_e2_cat.txt").write_text("Ses01F_impro01_F000 :Anger; ()\n")
    (place / "._Ses01F_impro01.txt").write_bytes(b"\0\5\x16\7")
    for dialogue in sorted({turn[:-5] for turn in turns}):
        lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for turn, label in turns.items():
            if turn.startswith(dialogue):
                lines += [f"[6.2901 - 8.2357]\t{turn}\t{label}\t[2.5000, 2.5000, 2.5000]", "C-E2:\tNeutral;\t()", ""]
        (place / f"{dialogue}.txt").write_bytes((mark + end.join(lines)).encode())
    return folder


@pytest.mark.parametrize(("end", "mark"), [("\n", ""), ("\r\n", "\ufeff"), ("\r", "")])
def test_iemocap_in_four_and_six_classes(command, tmp_path, end, mark):
    folder = iemocap_tree(tmp_path / "iemocap", TURNS, end, mark)
    four = list_rows(folder, "iemocap-4")
    found = four.rows.set_index(four.rows["source"].str.removeprefix("iemocap-4/"))
    assert found["emotion"].to_dict() == {
        "Ses01F_impro01_F000": "neutral",
        "Ses01F_impro01_M000": "happy",
        "Ses01F_script01_1_M002": "happy",
    }
    assert found["speaker"].tolist() == ["iemocap/Ses01F", "iemocap/Ses01M", "iemocap/Ses01M"]
    assert found["gender"].tolist() == ["female", "male", "male"]
    assert found["style"].tolist() == ["improvised", "improvised", "scripted"]
    assert set(found["session"]) == {"Ses01"} and four.quarantine.empty
    assert four.notes == [Stamp(kind="labels-left-out", value={"corpus": "iemocap-4", "labels": {"fru": 1, "xxx": 1}})]
    six = list_rows(folder, "iemocap-6").rows
    assert sorted(six["emotion"]) == ["excited", "frustrated", "happy", "neutral"]
    checked = command("corpora", "check", "iemocap-6", folder, "--json").json
    assert "1 recording of iemocap-6 with other labels left out: 1 xxx" in checked["notes"]
    assert find_corpora(["iemocap-4", "iemocap-6"], tmp_path) == {"iemocap-4": folder, "iemocap-6": folder}


def test_a_features_file_keeps_which_labels_were_left_out(command, tmp_path):
    folder = iemocap_tree(tmp_path / "iemocap", TURNS)
    out = tmp_path / "t.parquet"
    assert command("extract", folder, "--corpus", "iemocap-4", "--blocks", "zcr", "--out", out).status == 0
    notes = list_rows(out).notes
    assert Stamp(kind="labels-left-out", value={"corpus": "iemocap-4", "labels": {"fru": 1, "xxx": 1}}) in notes


def test_turns_without_a_label_or_with_an_unknown_one_are_set_aside(tmp_path):
    folder = iemocap_tree(tmp_path / "iemocap", {**TURNS, "Ses01F_impro02_F000": "bored"})
    (folder / "Session1/dialog/EmoEvaluation/Ses01F_script01_1.txt").unlink()
    listing = list_rows(folder, "iemocap-4")
    assert len(listing.rows) == 2
    assert [Path(file).stem for file in listing.quarantine["file"]] == [
        "Ses01F_impro02_F000",
        "Ses01F_script01_1_F003",
        "Ses01F_script01_1_M002",
    ]
    unknown, missing, _ = listing.quarantine["reason"]
    assert "has the label 'bored' in EmoEvaluation/Ses01F_impro02.txt; expected one of ang, dis, exc" in unknown
    assert missing.endswith("no label in EmoEvaluation/Ses01F_script01_1.txt")


def test_without_label_files_the_layout_is_told(command, tmp_path):
    folder = record_tree(tmp_path / "x", ["Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"])
    done = command("corpora", "check", "iemocap-4", folder)
    assert done.status != 0
    told = " ".join(done.messages.split())
    assert "the emotions of IEMOCAP, four classes are in files EmoEvaluation/*.txt, and there is none" in told
    assert "recordings such as Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav" in told
    folder = iemocap_tree(tmp_path / "others", {"Ses01F_impro01_F000": "xxx", "Ses01F_impro01_F001": "dis"})
    with pytest.raises(CorpusError, match=r"all of 2 recordings have other labels \(dis, xxx\) than ang, exc"):
        list_rows(folder, "iemocap-4")
    folder = iemocap_tree(tmp_path / "unknown", {"Ses01F_impro01_F000": "bad"})
    with pytest.raises(CorpusError, match="none of 1 recordings has a label; the first: .* has the label 'bad'"):
        list_rows(folder, "iemocap-4")


def test_labels_behind_a_link_are_found(tmp_path):
    iemocap_tree(tmp_path / "there", TURNS)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "Session1").symlink_to(tmp_path / "there" / "Session1")
    (tmp_path / "there" / "Session1" / "loop").symlink_to(tmp_path / "there")
    assert len(list_rows(tmp_path / "here", "iemocap-4").rows) == 3


MELD_HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


def meld_table(folder, part, lines, end="\n", mark=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part}_sent_emo.csv").write_bytes((mark + end.join([MELD_HEAD, *lines, ""])).encode())


def film(path, suffix, seconds=1.0):
    """Write a film of a tone and a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codecs = {"mp4": ["-c:v", "mpeg4", "-c:a", "aac"], "avi": ["-c:v", "mpeg4", "-c:a", "pcm_s16le"]}[suffix]
    command = [
        "ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", f"testsrc=size=64x64:rate=5:duration={seconds}",
        "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=16000:duration={seconds}",
        *codecs, "-shortest", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)


@needs_ffmpeg
def test_the_films_of_meld(command, tmp_path):
    folder = tmp_path / "MELD.Raw"
    film(folder / "train" / "train_splits" / "dia0_utt0.mp4", "mp4")
    for place in ("dev/dev_splits_complete/dia0_utt0.mp4", "test/output_repeated_splits_test/dia0_utt0.mp4"):
        (folder / place).parent.mkdir(parents=True)
        film(folder / place, "mp4", 1.5)
    film(folder / "train" / "train_splits" / "dia0_utt1.mp4", "mp4")
    film(folder / "test" / "output_repeated_splits_test" / "final_videos_testdia8_utt9.mp4", "mp4")
    meld_table(
        folder / "train", "train",
        ['1,"Oh my God, he\u2019s lost it.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256","00:21:00,049"',
         '2,"He said\n""no"".",All, joy ,positive,0,1,4,7,"00:20:57,256","00:21:00,049"'],
    )  # fmt: skip
    meld_table(folder, "dev", ['1,What?,Monica,surprise,negative,0,0,4,7,"0:1","0:2"'], "\r\n", "\ufeff")
    listing = list_rows(folder, "meld")
    columns = ["source", "speaker", "emotion", "sentiment"]
    assert listing.rows[columns].to_numpy().tolist() == [
        ["meld/train_dia0_utt1", "meld/All", "happy", "positive"],
        ["meld/dev_dia0_utt0", "meld/Monica", "surprise", "negative"],
        ["meld/train_dia0_utt0", "meld/Phoebe", "sad", "negative"],
    ]
    assert listing.rows["end"].tolist() == pytest.approx([1.0, 1.5, 1.0], abs=0.15)
    # Films are how MELD is published, so they are no lossy copies.
    assert listing.notes == []
    (reason,) = listing.quarantine["reason"]
    assert reason.endswith("test/output_repeated_splits_test/dia0_utt0.mp4: no label in test_sent_emo.csv")
    checked = command("corpora", "check", "meld", folder, "--json").json
    assert checked["recordings"] == 3 and checked["speakers"] == 3
    assert [Path(file).name for file in checked["ignored"]] == ["final_videos_testdia8_utt9.mp4"]


@needs_ffmpeg
def test_the_films_of_enterface(command, tmp_path):
    for place in ("subject 11/anger/sentence 1/s12_an_1.avi", "subject 12/anger/sentence 1/s12_an_1.avi"):
        film(tmp_path / place, "avi")
    out = tmp_path / "t.parquet"
    assert command("extract", tmp_path, "--corpus", "enterface05", "--blocks", "pitch", "--out", out).status == 0
    rows = pd.read_parquet(out)
    assert rows["speaker"].tolist() == ["enterface05/11", "enterface05/12"]
    # Semitones above 100 Hz, of a tone of 440 Hz.
    assert rows["pitch__f0_mean"].tolist() == pytest.approx([25.65, 25.65], abs=0.1)
    assert list_rows(out).notes == []


def test_a_table_that_lacks_a_column_or_is_none_is_told(tmp_path):
    record_tree(tmp_path, ["train_splits/dia0_utt0.wav"])
    with pytest.raises(CorpusError, match=r"emotions of MELD are in files \*_sent_emo.csv, and there is none"):
        list_rows(tmp_path, "meld")
    (tmp_path / "train_sent_emo.csv").write_text("Speaker,Emotion\nRoss,joy\n")
    with pytest.raises(CorpusError, match="got the columns Speaker, Emotion; expected Speaker, .* among them"):
        list_rows(tmp_path, "meld")
    meld_table(tmp_path, "train", ["1,Hi,Ross,bored,neutral,0,0,1,1,0,0"])
    with pytest.raises(
        CorpusError, match="has the label 'bored' in train_sent_emo.csv; expected one of anger, disgust"
    ):
        list_rows(tmp_path, "meld")
    meld_table(tmp_path, "train", ["1,Hi,Ross"])
    with pytest.raises(CorpusError, match="none of 1 recordings has a label; the first: .*no label in train"):
        list_rows(tmp_path, "meld")
    (tmp_path / "train_sent_emo.csv").unlink()
    (tmp_path / "train_sent_emo.csv").symlink_to(tmp_path / "nothing")
    with pytest.raises(CorpusError, match="this table cannot be read"):
        list_rows(tmp_path, "meld")


def test_the_tables_of_emozionalmente(command, tmp_path):
    names = ["1614680733939", "1613840532900", "1614251417932"]
    folder = record_tree(tmp_path / "emozionalmente_dataset", [f"audio/{name}.wav" for name in names], rate=16000)
    (folder / "metadata").mkdir()
    (folder / "metadata" / "users.csv").write_text(
        "\ufeffusername,age,gender,mother_tongue\r\nu1,20,female,italian\r\nu2,30,M,italian\r\nu3,40,other,italian\r\n"
    )
    (folder / "metadata" / "samples.csv").write_text(
        "file_name,emotion_expressed,sentence,actor\n"
        "1614680733939.wav,joy,Il gatto,u1\n1613840532900.wav,neutrality,Il gatto,u2\n1614251417932.wav,fear,Ciao,u3\n"
    )
    rows = list_rows(folder, "emozionalmente").rows
    assert rows[["speaker", "gender", "emotion", "statement"]].to_numpy().tolist() == [
        ["emozionalmente/u1", "female", "happy", "Il gatto"],
        ["emozionalmente/u2", "male", "neutral", "Il gatto"],
        ["emozionalmente/u3", "", "fear", "Ciao"],
    ]
    missing = command("corpora", "check", "emozionalmente", folder, "--json").json["missing"]
    assert missing[:1] == ["3 of 6902 recordings"] and "3 of 431 speakers" in missing


@pytest.mark.parametrize("name", sorted({"esd", "shemo", "iemocap-6", "meld", "ravdess", "enterface05"}))
def test_a_folder_of_another_corpus_is_told_what_is_expected(command, tmp_path, name):
    folder = record_tree(tmp_path / "x", ["podcast.wav"])
    done = command("corpora", "check", name, folder)
    told = " ".join(done.messages.split())
    assert done.status != 0 and f"expected names such as {CORPORA[name].card.example}" in told


def test_what_a_card_does_not_count_is_not_compared(tmp_path):
    rows = list_rows(record_tree(tmp_path, TREES["aesdd"]), "aesdd").rows
    assert differences(CORPORA["aesdd"], rows) == []
    rows = list_rows(record_tree(tmp_path / "n", TREES["nemo"]), "nemo").rows
    assert [note.value["what"] for note in differences(CORPORA["nemo"], rows)] == [
        "recordings",
        "female speakers",
        "male speakers",
    ]


def test_a_description_says_what_is_uncertain(command):
    listed = command("corpora", "--json").json["corpora"]
    for corpus in listed:
        card = CORPORA[corpus["name"]].card
        assert (corpus["uncertain"], corpus["language"], corpus["recordings"]) == (
            card.uncertain,
            card.language,
            card.counts.files,
        )
    text = " ".join(command("corpora", "describe", "aesdd").output.split())
    card = CORPORA["aesdd"].card
    assert (
        f"recordings: unknown speakers: unknown emotions: angry, disgust, fear, happy, sad language: {card.language}"
        in text
    )
    assert f"uncertain: {card.uncertain}" in text and f"sources: {card.naming}" in text
    assert command("corpora", "describe", "meld", "--json").json["emotions"]["happy"] == 1743 + 163 + 402
    assert "unknown corpus 'iemocap'" in command("corpora", "describe", "iemocap").messages
    assert "aesdd" in command("corpora").output


def test_the_published_splits_are_columns():
    assert CORPORA["esd"].parse(PurePath("0014/Surprise/evaluation/0014_001590.wav"))["split"] == "validation"
    assert CORPORA["esd"].parse(PurePath("0014/Surprise/test/0014_001590.wav"))["split"] == "test"
    assert "split" not in CORPORA["esd"].parse(PurePath("0014/Surprise/0014_001590.wav"))
    assert CORPORA["meld"].parse(PurePath("dev_splits_complete/dia3_utt0.mp4"))["split"] == "dev"
