"""webdataset tar files, written by the standard library, with synthetic voices."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from fusionser.corpora import list_rows
from fusionser.corpora.unpacked import is_inside
from fusionser.errors import CorpusError, SettingsError

TEST = ("f1", "m1")


def add(tar, name, content=b"", **fields):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    tar.addfile(member, io.BytesIO(content))


def add_sample(tar, row, key=None):
    """Add a row: the recording, and what is said of it."""
    key = key or Path(row["file"]).stem
    said = {"emotion": row["emotion"], "speaker": row["speaker"].removeprefix("demo/"), "gender": row["gender"]}
    add(tar, f"{key}.wav", Path(row["file"]).read_bytes())
    add(tar, f"{key}.json", json.dumps(said).encode())


@pytest.fixture(scope="module")
def shards(demo_rows, tmp_path_factory):
    """Two shards by the split of the speaker, with recordings numbered anew in each."""
    folder = tmp_path_factory.mktemp("shards") / "voices"
    folder.mkdir()
    tested = demo_rows["speaker"].str.removeprefix("demo/").isin(TEST)
    for name, rows in (("train-000000", demo_rows[~tested]), ("test-000000", demo_rows[tested])):
        with tarfile.open(folder / f"{name}.tar", "w") as tar:
            for number, row in enumerate(rows.to_dict("records")):
                add_sample(tar, row, f"{number:06d}")
    return folder


def test_its_rows_are_what_was_put_in(shards, demo_rows):
    rows = list_rows(shards, "webdataset").rows
    tested = demo_rows["speaker"].str.removeprefix("demo/").isin(TEST)
    for split, expected in (("test", demo_rows[tested]), ("train", demo_rows[~tested])):
        found = rows[rows["split"] == split]
        assert found["emotion"].tolist() == expected["emotion"].tolist()
        assert found["speaker"].tolist() == expected["speaker"].str.replace("demo", "voices").tolist()
        assert found["gender"].tolist() == expected["gender"].tolist()
        for file, original in zip(found["file"], expected["file"], strict=True):
            assert Path(file).read_bytes() == Path(original).read_bytes()
    # The same numbers in two shards are not the same recordings.
    assert rows["source"].is_unique


def test_it_is_checked_extracted_and_evaluated_by_its_own_split(shards, demo_rows, tmp_path, command):
    checked = command("corpora", "check", "webdataset", shards, "--json")
    assert checked.status == 0, checked.messages
    assert (checked.json["recordings"], checked.json["speakers"]) == (len(demo_rows), 8)
    assert checked.json["emotions"] == demo_rows["emotion"].value_counts().to_dict()
    features = tmp_path / "features.parquet"
    # As a shell expands shards/*.tar.
    done = command("extract", *sorted(shards.glob("*.tar")), "--blocks", "zcr,mfcc", "--out", features)
    assert done.status == 0, done.messages
    scored = command("evaluate", features, "--protocol", "given-split", "--json")
    assert scored.status == 0, scored.messages
    (fold,) = scored.json["folds"]
    assert (fold["train_rows"], fold["test_rows"]) == (180, 60)
    assert sorted(scored.json["speakers"]) == ["voices/f1", "voices/m1"]
    assert not [one for one in scored.json["protocol"]["stamps"] if one["kind"].startswith("shared-s") and
                one["kind"] != "shared-statements"]  # fmt: skip


def test_texts_and_classes_are_fields_and_keys_end_at_the_first_dot(demo_rows, tmp_path):
    audio = Path(demo_rows["file"][0]).read_bytes()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "dir.x/one.left.wav", audio)
        add(tar, "dir.x/one.CLS", b"3\n")
        add(tar, "dir.x/one.txt", "dogs".encode("utf-8-sig"))
        add(tar, "dir.x/two.cls", b"2")
        add(tar, "dir.x/two.wav", audio + b"\0\0")
        add(tar, "dir.x/two.json", b'{"split": "devel", "txt": "kids"}')
        add(tar, "dir.x/.hidden.wav", audio)
        add(tar, "readme", b"no dot")
        add(tar, "dir.x", type=tarfile.DIRTYPE)
    rows = list_rows(tmp_path / "a.tar").rows
    assert rows["source"].str.rpartition("/")[2].tolist() == ["one", "two"]
    assert rows["emotion"].tolist() == ["3", "2"]
    assert rows["statement"].tolist() == ["dogs", "kids"]
    assert rows["split"].tolist() == ["", "validation"]
    by_text = list_rows(tmp_path / "a.tar", columns={"emotion": "txt"}).rows
    assert by_text["emotion"].tolist() == ["dogs", "kids"]


def test_what_cannot_be_used_is_set_aside_and_nothing_is_written_outside(demo_rows, tmp_path, command):
    rows = demo_rows.to_dict("records")
    audio = Path(rows[0]["file"]).read_bytes()
    label = b'{"emotion": "sad"}'
    bad = {
        "no recording": lambda tar: add(tar, "lonely.json", label),
        "no column is known to hold emotions": lambda tar: add(tar, "bare.wav", audio),
        "leads out": lambda tar: add(tar, "../escaped.wav", audio),
        "relative names": lambda tar: add(tar, str(tmp_path / "absolute.wav"), audio),
        "without '..'": lambda tar: add(tar, "C:\\windows.wav", audio),
        "is a link": lambda tar: add(tar, "link.wav", type=tarfile.SYMTYPE, linkname=rows[0]["file"]),
        "is not a file": lambda tar: add(tar, "device.wav", type=tarfile.FIFOTYPE),
        "broken.json cannot be read": lambda tar: (add(tar, "broken.wav", audio), add(tar, "broken.json", b"{")),
        "holds a list": lambda tar: (add(tar, "list.wav", audio), add(tar, "list.json", b"[1]")),
        "has two recordings": lambda tar: (add(tar, "both.wav", audio), add(tar, "both.flac", audio)),
        "is empty": lambda tar: (add(tar, "empty.wav"), add(tar, "empty.json", label)),
        "its key is there twice": lambda tar: add_sample(tar, rows[2], "first"),
        "expected at most": lambda tar: (add(tar, "long.wav", audio), add(tar, "long.json", b" " * (2**20 + 1))),
        "noise": lambda tar: (add(tar, "noise.wav", b"noise" * 99), add(tar, "noise.json", label)),
    }
    place = tmp_path / "in" / "x"
    place.mkdir(parents=True)
    with tarfile.open(place / "a.tar", "w") as tar:
        add_sample(tar, rows[0], "first")
        for make in bad.values():
            make(tar)
        add_sample(tar, rows[1], "last")
    done = command(
        "corpora", "check", "webdataset", place / "a.tar", "--json", env={"FUSIONSER_CACHE": str(tmp_path / "c")}
    )
    assert done.status == 0, done.messages
    assert done.json["recordings"] == 2
    reasons = [entry["reason"] for entry in done.json["unusable"]]
    assert len(reasons) == len(bad)
    for part in bad:
        assert any(part in reason for reason in reasons), (part, reasons)
    assert not list(tmp_path.rglob("escaped*"))
    assert not list(tmp_path.rglob("absolute*"))
    inside = [path.name for path in (tmp_path / "c" / "recordings").rglob("*.*")]
    assert sorted(name.rpartition("-")[0] for name in inside) == ["a_first", "a_last", "a_noise"]


@pytest.mark.parametrize("content", [b"", b"no tar file" * 100, b"\x1f\x8b" + b"\0" * 600])
def test_what_is_no_tar_file_is_a_sentence(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(CorpusError, match="a.tar: .*(cannot be read as a tar file|none of 0 recordings)"):
        list_rows(tmp_path / "a.tar", "webdataset")


def test_a_compressed_tar_file_is_refused(tmp_path, demo_rows):
    with tarfile.open(tmp_path / "a.tar", "w:gz") as tar:
        add_sample(tar, demo_rows.iloc[0])
    with pytest.raises(CorpusError, match="expected one without compression"):
        list_rows(tmp_path / "a.tar")


def test_a_tar_file_that_was_cut_off_gives_what_is_there(shards, tmp_path):
    content = (shards / "test-000000.tar").read_bytes()
    (tmp_path / "test-0.tar").write_bytes(content[: len(content) // 2])
    listing = list_rows(tmp_path / "test-0.tar")
    assert 20 <= len(listing.rows) <= 40
    assert "is damaged after" in listing.quarantine["reason"].iloc[0]


def test_places_without_a_dataset_are_a_sentence(tmp_path):
    with pytest.raises(CorpusError, match="no tar files in this folder"):
        list_rows(tmp_path, "webdataset")
    with pytest.raises(CorpusError, match="no such file or folder"):
        list_rows(tmp_path / "absent.tar", "webdataset")


def test_an_unknown_word_for_a_split_is_an_error(tmp_path, demo_rows):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "a.wav", Path(demo_rows["file"][0]).read_bytes())
        add(tar, "a.json", b'{"emotion": "sad", "split": "holdout"}')
    with pytest.raises(Exception, match="'holdout'; expected one of: train"):
        list_rows(tmp_path / "a.tar")


def test_without_a_cache_recordings_are_there_until_the_program_ends(shards, tmp_path, command):
    done = command(
        "evaluate", shards, "--corpus", "webdataset", "--blocks", "zcr", "--protocol", "given-split", "--json",
        env={"FUSIONSER_CACHE": "off", "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.status == 0, done.messages
    assert not list(tmp_path.rglob("*.wav"))


def test_options_that_have_no_effect_are_refused(shards, command):
    done = command("extract", shards, "--corpus", "webdataset", "--layout", "{emotion}/*", "--out", "x.parquet")
    assert done.status == 1
    assert "--layout" in done.messages
    for option in ({"parts": ["train"]}, {"download": True}):
        with pytest.raises(SettingsError, match="has no effect on tar files"):
            list_rows(shards, "webdataset", **option)
    with pytest.raises(SettingsError, match="--layout"):
        list_rows(shards, "webdataset", layout="{emotion}/*")


@pytest.mark.parametrize("name", ["../a", "a/../../b", "/a", "\\a", "..\\a", "C:a", "a\0b"])
def test_names_that_lead_out_are_known(name):
    assert not is_inside(name)


def test_progress_is_told_and_grows(shards):
    told = []
    list_rows(shards, "webdataset", progress=lambda done, total: told.append((done, total)))
    assert len(told) == 240
    assert told == sorted(told)
    assert told[-1][0] <= told[-1][1]
