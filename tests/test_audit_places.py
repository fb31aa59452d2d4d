"""Audits of strangers' splits: datasets of real packages, folders, lists that are wrong; and their exit statuses."""

import shutil
import tarfile
from functools import partial
from pathlib import Path

import audformat
import datasets
import numpy as np
import pandas as pd
import pytest
import soundfile
from made_voices import RATE, voice, write_voice
from test_audformat import make_database
from test_huggingface import inside, split_rows
from test_webdataset import add_sample

from fusionser.audit.split import placed_rows
from fusionser.audit.split_places import SplitOptions, read_split
from fusionser.audit.split_table import table_split
from fusionser.errors import RowsError, SettingsError


@pytest.fixture(scope="module")
def few(demo_rows):
    """Three recordings of each speaker; f1 and m1 are tested, and m2 is for validation."""
    return demo_rows.groupby("speaker").head(3).reset_index(drop=True)


@pytest.fixture
def audit(command):
    return partial(command, "audit", "--no-score", "--json", "--jobs", 1)


def between(done, *sides):
    return {tuple(one["sides"]): one for one in done.json["between"]}[sides]


@pytest.mark.parametrize("named", [[], ["--corpus", "audformat"]])
def test_a_database_of_audformat_is_compared_by_the_splits_of_its_tables(few, tmp_path, audit, named):
    make_database(few, tmp_path / "voices")
    done = audit(tmp_path / "voices", *named)
    sides = {one["side"]: (one["recordings"], one["speakers"]) for one in done.json["sides"]}
    assert sides == {"train": (15, 5), "validation": (3, 1), "test": (6, 2)}
    assert done.json["between"][0]["speakers"] == [] and done.json["speakers_known"]
    assert done.json["sides"][0]["classes"] == {"A": 15}


def add_table(db, table, files, emotions, speakers):
    """Add a table of files with emotions and speakers to a database."""
    db[table] = audformat.Table(audformat.filewise_index(files))
    for name, values in (("emotion", emotions), ("speaker", speakers)):
        db[table][name] = audformat.Column(scheme_id=name)
        db[table][name].set(values)


@pytest.mark.parametrize("how", ["names", "column"])
def test_a_recording_in_two_tables_of_a_database_is_found(tmp_path, audit, how):
    for number in range(4):
        write_voice(tmp_path / "db" / "audio" / f"{number}.wav", voice(number, pitch=100.0 + 20 * number))
    files = [f"audio/{number}.wav" for number in range(4)]
    db = audformat.Database("mine", source="synthetic", usage=audformat.define.Usage.OTHER)
    db.schemes["emotion"] = audformat.Scheme(labels=["calm", "sad"])
    db.schemes["speaker"] = audformat.Scheme(labels=["ann", "ben"])
    if how == "names":
        add_table(db, "emotion.train", files[:3], ["calm", "sad", "calm"], ["ann", "ann", "ann"])
        add_table(db, "emotion.test", files[2:], ["calm", "sad"], ["ann", "ben"])
    else:
        add_table(db, "all", files, ["calm", "sad", "calm", "sad"], ["ann", "ann", "ann", "ben"])
        db.schemes["split"] = audformat.Scheme("str")
        db["all"]["split"] = audformat.Column(scheme_id="split")
        db["all"]["split"].set(["train", "train", "test", "dev"])
    db.save(str(tmp_path / "db"), storage_format="csv")
    done = audit(tmp_path / "db")
    assert done.status == 1, done.messages
    shared = between(done, "train", "test")
    assert shared["speakers"] == ["mine/ann"]
    assert (shared["copied"], len(shared["both"])) == ((1, 1) if how == "names" else (0, 0))
    assert ("copies" in done.json["leaks"]) == (how == "names")


def test_a_database_without_sides_is_refused_with_a_reason(tmp_path, audit):
    write_voice(tmp_path / "db" / "a.wav", voice(1))
    db = audformat.Database("mine", source="synthetic", usage=audformat.define.Usage.OTHER)
    db.schemes["emotion"] = audformat.Scheme(labels=["calm"])
    db.schemes["speaker"] = audformat.Scheme(labels=["ann"])
    add_table(db, "all", ["a.wav"], ["calm"], ["ann"])
    db.save(str(tmp_path / "db"), storage_format="csv")
    done = audit(tmp_path / "db")
    assert done.status == 2
    assert "db: no recording has a side; expected train, validation, test" in done.messages


@pytest.fixture(scope="module")
def voices(few, tmp_path_factory):
    """A saved dataset in which a recording of the training is tested, too."""
    folder = tmp_path_factory.mktemp("hf") / "voices"
    parts = split_rows(few)
    parts["test"] = pd.concat([parts["test"], parts["train"].head(1)])
    datasets.disable_progress_bars()
    datasets.DatasetDict({name: inside(rows) for name, rows in parts.items()}).save_to_disk(folder)
    return folder


def test_the_splits_of_a_dataset_are_compared(voices, audit, tmp_path):
    done = audit(voices, "--corpus", "huggingface", "--out", tmp_path / "o")
    assert done.status == 1, done.messages
    assert done.json["leaks"] == ["copies", "speakers"]
    pairs = [(pair["first"], pair["second"], pair["kind"]) for pair in done.json["copies"]]
    # Generated voices are copies of each other by their sound; only one pair has the same samples.
    assert [pair for pair in pairs if pair[2] == "identical"] == [
        ("voices/train-000000", "voices/test-000006", "identical")
    ]
    assert len(between(done, "train", "test")["speakers"]) == 1
    assert soundfile.info(tmp_path / "o" / "evidence" / "01-second.wav").frames > 0


def test_a_dataset_is_scored_by_its_splits_and_by_speaker(demo_rows, tmp_path, command):
    rows = demo_rows.groupby(["speaker", "emotion"]).head(3)
    datasets.disable_progress_bars()
    parts = {name: inside(part) for name, part in split_rows(rows).items()}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "voices")
    done = command("audit", tmp_path / "voices", "--blocks", "zcr,mfcc", "--fail-on", "speakers", "--json")
    assert done.status == 0, done.messages
    worth = done.json["worth"]
    assert worth is not None, done.json["notes"]
    # 30 of 105 rows of training and test are tested, so that four folds are closest.
    assert (worth["features"], worth["speaker_folds"], worth["chance"]) == ("zcr+mfcc", 4, pytest.approx(0.2))
    assert done.json["sides"][0]["classes"] == dict.fromkeys(["angry", "fear", "happy", "neutral", "sad"], 15)


def test_parts_and_columns_of_a_dataset_are_chosen(voices, audit):
    done = audit(voices, "--parts", "train,validation")
    assert [tuple(one["sides"]) for one in done.json["between"]] == [("train", "validation")]
    assert done.json["between"][0]["speakers"] == []
    wrong = audit(voices, "--parts", "train,dev")
    assert wrong.status == 2 and "unknown split of" in wrong.messages
    wrong = audit(voices, "--parts", "train")
    assert wrong.status == 2 and "voices: there is one side only, train" in wrong.messages
    wrong = audit(voices, "--map", "speaker=who")
    assert wrong.status == 2 and "no column 'who'" in wrong.messages
    wrong = audit(voices, "--audio", voices)
    assert wrong.status == 2 and "--audio has no effect on a dataset" in wrong.messages


def test_shards_of_webdataset_are_sides_by_their_names(few, tmp_path, audit):
    (tmp_path / "voices").mkdir()
    parts = split_rows(few)
    for name in ("train", "test"):
        with tarfile.open(tmp_path / "voices" / f"{name}-000000.tar", "w") as tar:
            for number, row in enumerate(parts[name].to_dict("records")):
                add_sample(tar, row, f"{number:06d}")
    # As a shell expands voices/*.tar.
    done = audit(*sorted((tmp_path / "voices").glob("*.tar")))
    assert between(done, "train", "test")["recordings"] == [15, 6]
    assert done.json["sides"][1]["speakers"] == 2


@pytest.fixture
def sides(tmp_path):
    """Folders of two sides that share nothing, with folders named by emotion and speaker inside."""
    made = {
        "train/sad/ann/a.wav": (1, 100.0), "train/happy/ann/b.wav": (2, 130.0), "train/sad/cat/c.wav": (3, 210.0),
        "test/sad/ben/d.wav": (4, 90.0), "test/happy/ben/e.wav": (5, 160.0),
    }  # fmt: skip
    for name, (seed, pitch) in made.items():
        write_voice(tmp_path / "mine" / name, voice(seed, pitch=pitch))
    return tmp_path / "mine"


def test_folders_that_share_nothing_pass(sides, audit):
    done = audit(sides / "train", sides / "test")
    assert done.status == 0, done.messages
    assert done.json["faults"] == []
    assert audit(sides).json["between"] == done.json["between"]


def test_folders_named_by_emotion_say_emotion_and_speaker(sides, audit):
    done = audit(sides, "--corpus", "folders")
    assert done.status == 0, done.messages
    assert between(done, "train", "test")["speakers_only"] == [["ann", "cat"], ["ben"]]
    assert done.json["sides"][0]["classes"] == {"happy": 1, "sad": 2}
    shutil.copytree(sides / "train" / "sad" / "cat", sides / "test" / "sad" / "cat")
    (sides / "test" / "sad" / "cat" / "c.wav").unlink()
    write_voice(sides / "test" / "sad" / "cat" / "f.wav", voice(9, pitch=200.0))
    done = audit(sides, "--corpus", "folders", "--layout", "{emotion}/{speaker}/*")
    assert done.json["leaks"] == ["speakers"] and between(done, "train", "test")["speakers"] == ["cat"]


def test_a_recording_that_is_itself_on_two_sides_leaks(sides, audit, tmp_path):
    name = str(sides / "train/sad/ann/a.wav")
    table = pd.DataFrame({"file": [name, name, str(sides / "test/sad/ben/d.wav")], "split": ["train", "test", "test"]})
    table.to_csv(tmp_path / "both.csv", index=False)
    done = audit(tmp_path / "both.csv")
    assert done.status == 1, done.messages
    assert done.json["leaks"] == ["copies"] and done.json["copies"] == []
    (one,) = done.json["between"]
    assert (one["copied"], one["identical"]) == (1, 1)
    assert [Path(both).name for both in one["both"]] == ["a.wav"]
    # A parent has the recordings of the folder in it.
    assert audit(sides, sides / "test").status == 1


def test_a_row_without_a_fold_belongs_to_all_folds():
    table = pd.DataFrame({"file": ["a", "b", "c"], "fold": [1, None, 2]})
    placed = placed_rows(table, ["train", "test", "train"], "x")
    assert placed[["code", "fold", "side"]].to_numpy().tolist() == [
        [0, "1", "train"], [1, "1", "test"], [1, "2", "test"], [2, "2", "train"],
    ]  # fmt: skip
    with pytest.raises(RowsError, match="x: row 1: 'a' is on the side 'train' more than once"):
        placed_rows(table.assign(file=["a", "a", "c"]), ["train", "train", "test"], "x")


WRONG_PLACES = [
    (["train", "train"], "train is given for train and for test"),
    (["train", "."], None),
    (["train", "nothing"], "no audio files in it, so the side 'test' is empty"),
    (["train", "absent"], "absent: no such table or folder"),
    (["absent.csv"], "absent.csv: no such table"),
    (["notes.txt"], "expected one table (.csv, .tsv, .parquet)"),
    (["nothing"], "expected one table (.csv, .tsv, .parquet)"),
    (["train", "test", "train", "test"], "expected one table (.csv, .tsv, .parquet)"),
    (["empty.csv"], "empty.csv: the table has no rows"),
    (["train", "test", "--corpus", "emodbb"], "did you mean 'emodb'"),
    (["train", "test", "--layout", "{emotion}/*"], "it needs --corpus folders"),
    (["train", "test", "--parts", "train"], "--parts has no effect on folders"),
    (["train", "test", "--jobs", "0"], "expected a number of processes"),
    (["train", "test", "--tables", "latex"], "it needs --out"),
    (["train", "test", "--fail-on", "speakers"], "speakers, which cannot be told because no speaker is known"),
    (["train", "test", "--fail-on", "confounded"], "cannot be told"),
    (["train", "test", "--bogus"], "No such option"),
    (["train", "test", "--out", "notes.txt"], "which is a file"),
]


@pytest.mark.parametrize(("given", "told"), WRONG_PLACES)
def test_what_cannot_be_audited_ends_with_a_reason_and_another_status_than_a_leak(sides, command, given, told):
    (sides / "nothing").mkdir()
    (sides / "notes.txt").write_text("nothing")
    (sides / "empty.csv").write_text("file,split\n")
    done = command("audit", "--no-score", *given, cwd=sides)
    if told is None:
        assert done.status == 1, done.messages
    else:
        assert done.status == 2, done.output
        assert told in " ".join(done.messages.split())
        assert "Traceback" not in done.messages


def rows_of(sides, train="train", test="test"):
    files = {side: sorted(map(str, (sides / side).rglob("*.wav"))) for side in ("train", "test")}
    pairs = [(file, train) for file in files["train"]] + [(file, test) for file in files["test"]]
    return pd.DataFrame(pairs, columns=["file", "split"])


def test_wrong_lists_end_with_a_reason(sides, audit):
    def told(table):
        table.to_csv(sides / "list.csv", index=False)
        done = audit(sides / "list.csv")
        assert done.status == 2, done.output
        return " ".join(done.messages.split())

    assert "split is 'fit'; expected one of: train" in told(rows_of(sides, train="fit"))
    assert "list.csv: there is one side only, train" in told(rows_of(sides, test="train"))
    again = pd.concat([rows_of(sides), rows_of(sides).head(1)])
    assert "is on the side 'train' more than once" in told(again)
    assert "no column 'split'; got file, part" in told(rows_of(sides).rename(columns={"split": "part"}))
    gone = rows_of(sides)
    gone["file"] = [f"nowhere/{Path(file).name}" for file in gone["file"]]
    assert "none of 5 recordings is where the table says (first: nowhere/" in told(gone)
    gone.loc[gone["split"] == "train", "file"] = rows_of(sides)["file"][:3]
    assert "none of the recordings of test can be used; the first: nowhere/" in told(gone)
    gone = rows_of(sides).assign(file=["a", "b", "c", "d", "e"])
    assert "neither the recordings nor their speakers are known" in told(gone)


def test_names_alone_are_compared_if_that_is_asked_for(sides, audit):
    gone = rows_of(sides).assign(speaker=["ann", "ann", "cat", "ben", "ben"])
    gone["file"] = [f"nowhere/{Path(file).name}" for file in gone["file"]]
    gone.to_csv(sides / "list.csv", index=False)
    assert audit(sides / "list.csv").status == 2
    assert audit(sides / "list.csv", "--fail-on", "speakers,scaled").status == 0
    refused = audit(sides / "list.csv", "--fail-on", "copies")
    assert refused.status == 2
    assert "--fail-on names copies, which cannot be told because the recordings are not there" in refused.messages


def test_recordings_that_cannot_be_used_are_told_and_strict_stops_at_them(sides, audit, command):
    soundfile.write(sides / "train" / "zero.wav", np.zeros(0), RATE)
    (sides / "test" / "bytes.wav").write_bytes(b"")
    (sides / "test" / "text.wav").write_bytes(b"no audio")
    done = audit(sides)
    assert done.status == 0 and done.json["recordings"] == 5
    reasons = sorted(one["reason"].split(": ", 1)[1] for one in done.json["quarantine"])
    assert reasons[0] == "holds no samples" and "empty (0 bytes)" in reasons[2]
    assert "3 recordings could not be used." in command("audit", sides, "--no-score").output
    stopped = audit(sides, "--strict")
    assert stopped.status == 2 and "3 of 8 recordings cannot be used, and --strict was given" in stopped.messages


def test_options_without_an_effect_are_refused(tmp_path):
    pd.DataFrame({"file": ["a", "b"], "split": ["train", "test"]}).to_csv(tmp_path / "s.csv", index=False)
    for options, flag in (({"parts": ["train"]}, "--parts"), ({"download": True}, "--download")):
        with pytest.raises(SettingsError, match=f"{flag} has no effect on a table"):
            read_split([tmp_path / "s.csv"], SplitOptions(**options))
    with pytest.raises(SettingsError, match="--corpus folders has no effect on a table"):
        read_split([tmp_path / "s.csv"], SplitOptions(corpus="folders"))
    for name in ("train", "Training", "test"):
        write_voice(tmp_path / name / "a.wav", voice(1))
    with pytest.raises(SettingsError, match="Training and train are both names for train"):
        read_split([tmp_path])


def test_paths_of_recordings_are_not_told_but_names_in_a_table_are(sides, audit):
    shutil.copy(sides / "train/sad/ann/a.wav", sides / "test/sad/ben/copy.wav")
    done = audit(sides)
    assert [pair["first"] for pair in done.json["copies"]] == [".../mine/train/sad/ann/a.wav"]
    split = table_split(pd.DataFrame({"file": ["x/a", "b"], "split": ["train", "test"]}))
    assert split.rows["source"].tolist() == ["x/a", "b"]
