"""Databases in audformat and of audb, made and published by the real packages, with synthetic voices."""

import os
import shutil
import sys
from pathlib import Path

import audb
import audformat
import pandas as pd
import pytest

from fusionser.corpora import list_rows
from fusionser.errors import CorpusError, FusionserError, SettingsError

TRAIN = "db.emotion.categories.train.gold_standard.csv"
CODES = {"angry": "A", "fear": "F", "happy": "H", "neutral": "N", "sad": "S"}


def parts_of(rows):
    """Training, development and test rows of the synthetic corpus, by speaker."""
    speakers = rows["speaker"].str.removeprefix("demo/")
    train = rows[~speakers.isin(["f1", "m1", "m2"])]
    return {"train": train, "dev": rows[speakers == "m2"], "test": rows[speakers.isin(["f1", "m1"])]}


def make_database(rows, root, storage="parquet"):
    """Save a database with what the rows say: a table of files, one of segments for each part, and two raters."""
    (root / "audio").mkdir(parents=True)
    for file in rows["file"]:
        shutil.copy(file, root / "audio")
    files = rows.assign(file="audio/" + rows["file"].map(os.path.basename)).set_index("file")
    db = audformat.Database("voices", source="synthetic", usage=audformat.define.Usage.OTHER)
    people = {name.removeprefix("demo/"): {"gender": gender} for name, gender in rows[["speaker", "gender"]].to_numpy()}
    db.schemes["speaker"] = audformat.Scheme(labels=people)
    db.schemes["emotion"] = audformat.Scheme(labels={code: {"category": name} for name, code in CODES.items()})
    db.raters["gold"], db.raters["ann"] = audformat.Rater(), audformat.Rater()
    db["files"] = audformat.Table(audformat.filewise_index(files.index))
    db["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    db["files"]["speaker"].set(files["speaker"].str.removeprefix("demo/"))
    db["all"] = audformat.Table(audformat.filewise_index(files.index))
    for name, labels in (("emotion.gold", files["emotion"].map(CODES)), ("emotion.ann", ["A"] * len(files))):
        db["all"][name] = audformat.Column(scheme_id="emotion", rater_id=name.removeprefix("emotion."))
        db["all"][name].set(labels)
    for kind, part in parts_of(rows).items():
        db.splits[kind] = audformat.Split(kind)
        names = "audio/" + part["file"].map(os.path.basename)
        name = f"emotion.categories.{kind}.gold_standard"
        ends = [pd.NaT if place % 2 else f"{end - 0.1}s" for place, end in enumerate(part["end"])]
        index = audformat.segmented_index(list(names), ["0.05s"] * len(part), ends)
        db[name] = audformat.Table(index, split_id=kind)
        db[name]["emotion"] = audformat.Column(scheme_id="emotion", rater_id="gold")
        db[name]["emotion"].set(part["emotion"].map(CODES).to_numpy())
    db.save(str(root), storage_format=storage)
    return db


@pytest.fixture(scope="module", params=["parquet", "csv"])
def database(request, demo_rows, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / "voices"
    make_database(demo_rows, root, request.param)
    return root


@pytest.fixture
def small(demo_rows, tmp_path):
    """A database of 15 recordings, to be changed."""
    root = tmp_path / "small"
    rows = demo_rows.groupby("speaker").head(3).reset_index(drop=True)
    return root, make_database(rows, root, "csv")


def test_its_rows_are_what_was_put_in(database, demo_rows):
    rows = list_rows(database).rows
    parts = parts_of(demo_rows)
    assert rows["split"].value_counts().to_dict() == {
        "train": len(parts["train"]), "validation": len(parts["dev"]), "test": len(parts["test"]),
    }  # fmt: skip
    truth = demo_rows.assign(name=demo_rows["file"].map(os.path.basename)).set_index("name")
    expected = truth.loc[rows["file"].map(os.path.basename)].reset_index(drop=True)
    assert rows["emotion"].tolist() == expected["emotion"].map(CODES).tolist()
    assert rows["speaker"].tolist() == expected["speaker"].str.replace("demo", "voices").tolist()
    assert rows["gender"].tolist() == expected["gender"].tolist()
    assert set(rows["corpus"]) == {"voices"}
    assert rows["start"].tolist() == [0.05] * len(rows)
    # Every other end is not known, so that it is that of the recording.
    late = rows["end"].to_numpy() - expected["end"].to_numpy()
    assert sorted(set(late.round(3))) == [-0.1, 0.0]


def test_the_names_of_emotions_are_those_of_a_field_of_the_labels(database):
    listing = list_rows(database, "audformat", columns={"emotion": "emotion.category"})
    assert set(listing.rows["emotion"]) == set(CODES)


def test_a_part_and_a_column_are_chosen(database, demo_rows):
    listing = list_rows(database, columns={"emotion": "emotion.ann"}, parts=["all"])
    assert set(listing.rows["emotion"]) == {"A"}
    assert len(listing.rows) == len(demo_rows)
    # Among the raters of one table, the gold standard comes first.
    gold = list_rows(database, parts=["all"]).rows
    assert [note.value for note in list_rows(database, parts=["all"]).notes] == [
        "emotions are from the table all, column emotion.gold; --parts and --map choose others"
    ]
    assert gold["emotion"].value_counts().to_dict() == demo_rows["emotion"].map(CODES).value_counts().to_dict()


def test_it_is_checked_extracted_and_evaluated_by_its_own_split(database, demo_rows, tmp_path, command):
    checked = command("corpora", "check", "audformat", database, "--json")
    assert checked.status == 0, checked.messages
    assert (checked.json["recordings"], checked.json["speakers"]) == (len(demo_rows), 8)
    assert checked.json["emotions"] == demo_rows["emotion"].map(CODES).value_counts().to_dict()
    features = tmp_path / "features.parquet"
    done = command("extract", database, "--corpus", "audformat", "--blocks", "zcr,mfcc", "--out", features)
    assert done.status == 0, done.messages
    scored = command("evaluate", features, "--protocol", "given-split", "--json")
    assert scored.status == 0, scored.messages
    (fold,) = scored.json["folds"]
    parts = parts_of(demo_rows)
    assert (fold["train_rows"], fold["test_rows"]) == (len(parts["train"]), len(parts["test"]))
    assert sorted(scored.json["speakers"]) == ["voices/f1", "voices/m1"]
    assert scored.json["corpora"] == ["voices"]


def test_labels_in_a_table_of_their_own(small):
    root, db = small
    db["people"] = audformat.MiscTable(pd.Index(["f1", "m1"], name="speaker", dtype="string"))
    db.schemes["sex"] = audformat.Scheme(labels=["female", "male"])
    db["people"]["sex"] = audformat.Column(scheme_id="sex")
    db["people"]["sex"].set(["female", "male"])
    db.schemes["person"] = audformat.Scheme("str", labels="people")
    known = db["files"].index[db["files"]["speaker"].get().isin(["f1", "m1"])]
    db["who"] = audformat.Table(audformat.filewise_index(known))
    db["who"]["person"] = audformat.Column(scheme_id="person")
    db["who"]["person"].set(db["files"]["speaker"].get().loc[known].to_numpy())
    db.save(str(root), storage_format="csv")
    rows = list_rows(root, columns={"gender": "person.sex", "speaker": "person"}).rows
    assert rows.groupby("speaker")["gender"].unique().map(list).to_dict() == {
        "": [""], "voices/f1": ["female"], "voices/m1": ["male"],
    }  # fmt: skip


def test_speakers_of_segments_are_found_by_the_segment(small):
    root, db = small
    name = "emotion.categories.train.gold_standard"
    index = db[name].index
    db.schemes["voice"] = audformat.Scheme("str")
    db["who"] = audformat.Table(index[::-1])
    db["who"]["voice"] = audformat.Column(scheme_id="voice")
    db["who"]["voice"].set([f"v{number}" for number in range(len(index))])
    db.save(str(root), storage_format="csv")
    rows = list_rows(root, parts=[name], columns={"speaker": "voice"}).rows
    assert rows["speaker"].tolist() == [f"voices/v{len(index) - 1 - place}" for place in range(len(index))]


def test_segments_that_overlap_share_a_source(small):
    root, _ = small
    header, first, *rows = (root / TRAIN).read_text().splitlines()
    file = first.split(",")[0]
    spans = [("0", "0.6"), ("0.3", "0.8"), ("0.8", "1.1")]
    parts = [f"{file},0 days 00:00:0{start},0 days 00:00:0{end},A" for start, end in spans]
    (root / TRAIN).write_text("\n".join([header, *parts, *rows]) + "\n")
    listed = list_rows(root, parts=[TRAIN.removeprefix("db.").removesuffix(".csv")]).rows
    one, two, three = listed.loc[listed["file"].str.endswith(file), "source"]
    assert one == two != three


def test_raters_that_differ_are_named(small):
    root, db = small
    db["all"].columns["emotion.gold"].rater_id = None
    db["two"] = audformat.Table(db["files"].index)
    for rater, code in (("bob", "A"), ("eve", "S")):
        db.raters[rater] = audformat.Rater()
        db["two"][f"emotion.{rater}"] = audformat.Column(scheme_id="emotion", rater_id=rater)
        db["two"][f"emotion.{rater}"].set([code] * len(db["files"].index))
    db.save(str(root), storage_format="csv")
    with pytest.raises(
        SettingsError, match=r"differ in 24 of 24 rows: emotion.bob \(rater bob\), emotion.eve \(rater eve\)"
    ):
        list_rows(root, parts=["two"])
    assert set(list_rows(root, parts=["two"], columns={"emotion": "emotion.eve"}).rows["emotion"]) == {"S"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"parts": ["nope"]}, "unknown table of 'voices' 'nope'.*Known: all, .*files"),
        ({"columns": {"emotion": "mood"}}, r"no table has the column 'mood'.*files \(speaker\)"),
        ({"columns": {"speaker": "who"}}, r"no column 'who', which --map gives for 'speaker'.*files \(speaker\)"),
        ({"parts": ["files"]}, "no column of the table 'files' is known to hold emotions.*--map emotion=COLUMN"),
        ({"parts": ["files"], "columns": {"emotion": "mood"}}, "the table 'files' has no column 'mood'"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(database, asked, message):
    with pytest.raises(SettingsError, match=message):
        list_rows(database, "audformat", **asked)


def test_what_cannot_be_used_is_set_aside_with_the_reason(small, demo_rows):
    root, _ = small
    lines = (root / TRAIN).read_text().splitlines()
    header, *rows = lines
    assert len(rows) == 15
    names = [row.split(",")[0] for row in rows]
    outside = ["/etc/passwd", "../small/audio/x.wav", "C:\\x.wav"]
    changed = [row.replace(name, new) for row, name, new in zip(rows, names, outside, strict=False)]
    late = f"{names[3]},0 days 01:00:00,0 days 01:00:01,A"
    twice = [f"{names[4]},0 days 00:00:00.050000,,A", f"{names[4]},0 days 00:00:00.050000,,S"]
    (root / TRAIN).write_text("\n".join([header, *changed, late, *twice, *rows[5:]]) + "\n")
    (root / names[5]).unlink()
    (root / names[6]).write_bytes(b"RIFF")
    listing = list_rows(root, parts=["emotion.categories.train.gold_standard"])
    reasons = dict(zip(listing.quarantine["file"], listing.quarantine["reason"], strict=True))
    by_name = {Path(file.replace("\\", "/")).name: reason for file, reason in reasons.items()}
    assert len(listing.rows) == 8
    for file in ("passwd", "x.wav"):
        assert "leads out of the folder" in by_name[file]
    assert sum("leads out" in reason for reason in reasons.values()) == 3
    assert "holds nothing from 3600 s on" in by_name[Path(names[3]).name]
    assert "labels 'A', 'S'" in by_name[Path(names[4]).name]
    assert "no such file" in by_name[Path(names[5]).name]
    assert Path(names[6]).name in by_name


def test_a_segment_after_the_end_is_set_aside_by_the_extraction(small, tmp_path, command):
    root, _ = small
    header, first, *rows = (root / TRAIN).read_text().splitlines()
    name = first.split(",")[0]
    (root / TRAIN).write_text("\n".join([header, f"{name},0 days 00:00:00,0 days 00:01:00,A", *rows]) + "\n")
    done = command("extract", root, "--blocks", "zcr", "--out", tmp_path / "features.parquet", "--json")
    assert done.status == 0, done.messages
    (refused,) = done.json["quarantine"]
    assert refused["file"].endswith(name)
    assert done.json["rows"] == 23


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "db.yaml").write_text("name: [", "utf-8"), "db.yaml: cannot be read as the header"),
        (lambda root: (root / "db.yaml").write_text("- a", "utf-8"), "db.yaml: cannot be read as the header"),
        (lambda root: (root / "db.yaml").unlink(), "no db.yaml in this folder"),
        (lambda root: (root / TRAIN).unlink(), f"has no file {TRAIN}"),
        (lambda root: (root / TRAIN).write_bytes(b"file,start\n\xff\xfe,1\n"), f"{TRAIN}: cannot be read as a table"),
        (lambda root: (root / TRAIN).rename(root / TRAIN.replace(".csv", ".parquet")), "cannot be read as a table"),
        (lambda root: (root / TRAIN).rename(root / TRAIN.replace(".csv", ".pkl")), "only as a pickle"),
    ],
)
def test_a_damaged_database_is_a_sentence(small, damage, message):
    root, _ = small
    damage(root)
    with pytest.raises(CorpusError, match=message):
        list_rows(root, "audformat")


def bombed(root):
    """Nine levels of lists, each of ten aliases of the one before: 10 ** 9 values in 400 bytes."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    header = (root / "db.yaml").read_text()
    (root / "db.yaml").write_text(header + "meta:\n" + "".join(f"  {level}\n" for level in levels))


def unknown_scheme(root):
    header = (root / "db.yaml").read_text()
    (root / "db.yaml").write_text(header.replace("scheme_id: emotion", "scheme_id: nope"))


def odd_labels(root):
    header = (root / "db.yaml").read_text()
    (root / "db.yaml").write_text(header.replace("gender: female", "gender: [1, 2]"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (bombed, r"db.yaml: cannot be read as the header .*1.*e\+09 values, aliases included"),
        (unknown_scheme, "nope"),
        (odd_labels, "does not fit the header|cannot be read as the header"),
        (
            lambda root: swapped(root / "db.all.csv"),
            "its columns are file, emotion.ann, emotion.gold; expected those of",
        ),
    ],
)
def test_a_header_that_does_not_fit_is_a_sentence_at_once(small, damage, message):
    root, _ = small
    damage(root)
    with pytest.raises(FusionserError, match=message):
        list_rows(root, "audformat", parts=["all"], columns={"emotion": "emotion.gold"})


def swapped(file):
    file.write_text(file.read_text().replace("file,emotion.gold,emotion.ann", "file,emotion.ann,emotion.gold"))


def test_segments_that_end_before_they_begin_are_set_aside_one_by_one(small):
    root, _ = small
    header, *rows = (root / TRAIN).read_text().splitlines()
    names = [row.split(",")[0] for row in rows]
    wrong = [f"{names[0]},0 days 00:00:00.5,0 days 00:00:00.2,A", f"{names[1]},-1 days +23:59:59,0 days 00:00:01,A"]
    (root / TRAIN).write_text("\n".join([header, *wrong, *rows[2:]]) + "\n")
    listing = list_rows(root, parts=[TRAIN.removeprefix("db.").removesuffix(".csv")])
    assert len(listing.rows) == 13
    assert (
        listing.quarantine["reason"]
        .tolist()[0]
        .endswith("the segment has start = 0.5 and end = 0.2 s; expected 0 <= start < end")
    )
    assert "start = -1 and end = 1 s" in listing.quarantine["reason"].tolist()[1]


def test_labels_that_a_scheme_does_not_have_are_named(small):
    root, _ = small
    header, first, *rows = (root / TRAIN).read_text().splitlines()
    (root / TRAIN).write_text("\n".join([header, first.rpartition(",")[0] + ",furious", *rows]) + "\n")
    notes = list_rows(root, parts=[TRAIN.removeprefix("db.").removesuffix(".csv")]).notes
    assert any(str(note.value).endswith("does not have are left out: furious") for note in notes)


def test_a_header_and_a_pickle_cannot_run_code(small, tmp_path):
    root, _ = small
    made = tmp_path / "made"

    class Evil:
        def __reduce__(self):
            return Path.touch, (made,)

    pd.to_pickle(Evil(), root / TRAIN.replace(".csv", ".pkl"))
    assert len(list_rows(root).rows) == 24
    assert not made.exists()
    text = (root / "db.yaml").read_text()
    (root / "db.yaml").write_text(f"{text}\nmeta: !!python/object/apply:os.mkdir ['{made}']\n")
    with pytest.raises(CorpusError, match=r"db\.yaml: cannot be read"):
        list_rows(root)
    assert not made.exists()
    # The reader of the package itself would do both.
    audformat.Database.load(str(root))
    assert made.exists()


@pytest.mark.parametrize(("package", "place"), [("audformat", None), ("audb", "audb:voices")])
def test_an_absent_package_is_a_sentence_with_the_command(small, monkeypatch, package, place):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FusionserError, match=rf'needs the package {package}, .*pip install "fusionser\[audformat\]"'):
        list_rows(place or small[0])


@pytest.fixture
def published(small, tmp_path, monkeypatch):
    """A database in a repository on this machine, and the settings of audb by which it is found."""
    root, _ = small
    repository = audb.Repository("repository", str(tmp_path / "host"), "file-system")
    (tmp_path / "host" / "repository").mkdir(parents=True)
    home = tmp_path / "home"
    (home / ".config").mkdir(parents=True)
    (home / ".config" / "audb.yaml").write_text(
        f"cache_root: {home / 'audb'}\nshared_cache_root: {home / 'shared'}\nrepositories:\n"
        f"  - name: repository\n    backend: file-system\n    host: {tmp_path / 'host'}\n"
    )
    monkeypatch.setattr(audb.config, "CACHE_ROOT", str(home / "audb"))
    audb.publish(str(root), "1.0.0", repository, verbose=False)
    return {"HOME": str(home), "AUDB_CACHE_ROOT": str(home / "audb"), "AUDB_SHARED_CACHE_ROOT": str(home / "shared")}


def test_a_database_of_audb_is_downloaded_only_if_that_is_asked_for(published, command):
    asked = ("corpora", "check", "audformat", "audb:voices==1.0.0", "--json")
    refused = command(*asked, env=published)
    assert refused.status == 1
    assert "--download" in refused.messages
    assert not (Path(published["HOME"]) / "audb").exists()
    downloaded = command(*asked, "--download", env=published)
    assert downloaded.status == 0, downloaded.messages
    # From now on it is there; also without a version.
    for place in ("audb:voices==1.0.0", "audb:voices"):
        again = command("corpora", "check", "audformat", place, "--json", env=published)
        assert again.status == 0, again.messages
        assert (again.json["recordings"], again.json["speakers"], again.json["unusable"]) == (24, 8, [])
    other = command("corpora", "check", "audformat", "audb:voices==2.0.0", env=published)
    assert "versions there: 1.0.0" in other.messages
    unknown = command("corpora", "check", "audformat", "audb:nobody", "--download", env=published)
    assert unknown.status == 1
    assert "cannot be downloaded" in unknown.messages
    assert "expected audb:name==version" in command("corpora", "check", "audformat", "audb:a b", env=published).messages


def test_a_header_from_a_repository_cannot_run_code(published, tmp_path, command):
    (header,) = (tmp_path / "host").rglob("db.yaml")
    made = tmp_path / "made"
    header.write_text(f"{header.read_text()}\nmeta: !!python/object/apply:os.mkdir ['{made}']\n")
    done = command("corpora", "check", "audformat", "audb:voices==1.0.0", "--download", env=published)
    assert done.status == 1
    assert "cannot be downloaded" in done.messages
    assert not made.exists()
