"""Datasets of the package datasets, saved by it, with synthetic voices; decoded by fusionser."""

import json
import shutil
import sys
from pathlib import Path

import datasets
import huggingface_hub.constants
import pyarrow
import pytest
import soundfile

from fusionser.corpora import list_rows
from fusionser.errors import CorpusError, FusionserError, SettingsError
from fusionser.rows import write_table

EMOTIONS = ["angry", "fear", "happy", "neutral", "sad"]
SPLITS = {"f1": "test", "m1": "test", "m2": "validation"}


def inside(rows, audio=lambda file: {"bytes": Path(file).read_bytes(), "path": Path(file).name}, typed=True):
    """A dataset of rows; writing recordings would need torchcodec, so the column becomes one afterwards."""
    kind = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    features = datasets.Features(
        {
            "audio": kind,
            "label": datasets.ClassLabel(names=EMOTIONS),
            "speaker_id": datasets.Value("string"),
            "sex": datasets.Value("string"),
        }
    )
    made = [
        {
            "audio": audio(row["file"]),
            "label": EMOTIONS.index(row["emotion"]),
            "speaker_id": row["speaker"].removeprefix("demo/"),
            "sex": row["gender"][0].upper(),
        }
        for row in rows.to_dict("records")
    ]
    dataset = datasets.Dataset.from_list(made, features=features)
    return dataset.cast_column("audio", datasets.Audio(decode=False)) if typed else dataset


def split_rows(rows):
    """Rows of the synthetic corpus by the split of their speaker."""
    split = rows["speaker"].str.removeprefix("demo/").map(SPLITS).fillna("train")
    return {name: rows[split == name] for name in ("train", "validation", "test")}


@pytest.fixture(autouse=True, scope="module")
def quiet():
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture(scope="module", params=["saved", "published"])
def voices(request, demo_rows, tmp_path_factory):
    """A dataset with three splits: as save_to_disk writes it, or as Parquet files with a card."""
    folder = tmp_path_factory.mktemp(request.param) / "voices"
    made = datasets.DatasetDict({name: inside(rows) for name, rows in split_rows(demo_rows).items()})
    if request.param == "saved":
        made.save_to_disk(folder)
    else:
        (folder / "data").mkdir(parents=True)
        (folder / "README.md").write_text("# Voices\n")
        for name, part in made.items():
            part.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    return folder


def test_its_rows_are_what_was_put_in(voices, demo_rows):
    rows = list_rows(voices).rows
    parts = split_rows(demo_rows)
    for name, expected in parts.items():
        found = rows[rows["split"] == name]
        assert found["emotion"].tolist() == expected["emotion"].tolist()
        assert found["speaker"].tolist() == expected["speaker"].str.replace("demo", "voices").tolist()
        assert found["gender"].tolist() == expected["gender"].tolist()
        for file, original in zip(found["file"], expected["file"], strict=True):
            assert Path(file).read_bytes() == Path(original).read_bytes()
    assert rows["source"].is_unique


def test_it_is_checked_extracted_and_evaluated_by_its_own_split(voices, demo_rows, tmp_path, command):
    checked = command("corpora", "check", "huggingface", voices, "--json")
    assert checked.status == 0, checked.messages
    assert checked.messages == ""
    assert (checked.json["recordings"], checked.json["speakers"]) == (len(demo_rows), 8)
    assert checked.json["emotions"] == demo_rows["emotion"].value_counts().to_dict()
    features = tmp_path / "features.parquet"
    done = command("extract", voices, "--corpus", "huggingface", "--blocks", "zcr,mfcc", "--out", features)
    assert done.status == 0, done.messages
    scored = command("evaluate", features, "--protocol", "given-split", "--json")
    assert scored.status == 0, scored.messages
    (fold,) = scored.json["folds"]
    parts = split_rows(demo_rows)
    assert (fold["train_rows"], fold["test_rows"]) == (len(parts["train"]), len(parts["test"]))
    assert sorted(scored.json["speakers"]) == ["voices/f1", "voices/m1"]


def test_some_splits_are_read_and_written_to_the_cache_once(voices, demo_rows):
    rows = list_rows(voices, parts=["test"]).rows
    assert len(rows) == len(split_rows(demo_rows)["test"])
    times = [Path(file).stat().st_mtime_ns for file in rows["file"]]
    again = list_rows(voices, parts=["test"]).rows
    assert again["file"].tolist() == rows["file"].tolist()
    assert [Path(file).stat().st_mtime_ns for file in again["file"]] == times


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"parts": ["dev"]}, "unknown split of .* 'dev'.*Known: train, validation, test"),
        ({"columns": {"speaker": "who"}}, "no column 'who', .*the columns are label, speaker_id, sex"),
        ({"columns": {"file": "wav"}}, "no column 'wav', .*the columns are audio, label, speaker_id, sex"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(voices, asked, message):
    with pytest.raises(SettingsError, match=message):
        list_rows(voices, "huggingface", **asked)


def test_splits_of_other_names_give_none_and_are_named(demo_rows, tmp_path):
    part = inside(demo_rows[:4])
    datasets.DatasetDict({"fold1": part, "test": part.select(range(2))}).save_to_disk(tmp_path / "voices")
    listing = list_rows(tmp_path / "voices")
    assert listing.rows["split"].tolist() == ["", "", "", "", "test", "test"]
    assert [note.value.rpartition(": ")[2] for note in listing.notes] == ["fold1"]


def test_a_dataset_without_labels_says_how_to_name_them(demo_rows, tmp_path):
    inside(demo_rows[:3]).rename_column("label", "mood").save_to_disk(tmp_path / "voices")
    with pytest.raises(SettingsError, match="--map emotion=COLUMN. The columns are mood, speaker_id, sex"):
        list_rows(tmp_path / "voices")
    rows = list_rows(tmp_path / "voices", columns={"emotion": "mood"}).rows
    assert rows["emotion"].tolist() == demo_rows["emotion"][:3].tolist()


def test_recordings_that_cannot_be_used_are_set_aside(demo_rows, tmp_path, command):
    file = str(demo_rows["file"][0])
    flac = tmp_path / "x.flac"
    soundfile.write(flac, *soundfile.read(file))
    given = {
        "good": {"bytes": Path(file).read_bytes(), "path": None},
        "flac without a name": {"bytes": flac.read_bytes(), "path": None},
        "on this machine": {"bytes": None, "path": file},
        "noise": {"bytes": b"noise" * 100, "path": "noise.wav"},
        "empty": {"bytes": b"", "path": "empty.wav"},
        "absent": {"bytes": None, "path": "absent.wav"},
        "elsewhere": {"bytes": None, "path": "https://example.org/a.wav"},
        "nothing": {"bytes": None, "path": None},
        "a path that leads out": {"bytes": Path(file).read_bytes(), "path": "../../../out.wav"},
    }
    rows = demo_rows.iloc[[0] * len(given)]
    audio = iter(given.values())
    # The package would put the recordings that it finds into the dataset, if it knew the column to hold recordings.
    inside(rows, lambda _: next(audio), typed=False).save_to_disk(tmp_path / "voices")
    done = command("corpora", "check", "huggingface", tmp_path / "voices", "--json")
    assert done.status == 0, done.messages
    # The same bytes get the same content, and different rows.
    assert done.json["recordings"] == 4
    reasons = " ".join(entry["reason"] for entry in done.json["unusable"])
    assert len(done.json["unusable"]) == 5
    for part in (
        "row-000003",
        "is empty",
        "absent.wav",
        "https://example.org/a.wav, which is not on this machine",
        "neither",
    ):
        assert part in reasons
    assert not list(tmp_path.rglob("out*.wav"))


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
def test_a_damaged_dataset_is_a_sentence(demo_rows, tmp_path, name):
    inside(demo_rows[:3]).save_to_disk(tmp_path / "voices")
    path = tmp_path / "voices" / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(CorpusError, match="cannot be read"):
        list_rows(tmp_path / "voices", "huggingface")
    assert not datasets.config.HF_HUB_OFFLINE


def test_a_damaged_parquet_file_is_a_sentence(voices, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("# Voices\n")
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(b"PAR1" + b"x" * 50)
    with pytest.raises(CorpusError, match="cannot be read"):
        list_rows(tmp_path)


def test_a_script_and_other_readers_are_not_run(tmp_path):
    made = tmp_path / "made"
    folder = tmp_path / "voices"
    folder.mkdir()
    (folder / "voices.py").write_text(f"import pathlib\npathlib.Path({str(made)!r}).touch()\n")
    with pytest.raises(CorpusError):
        list_rows(folder, "huggingface")
    (folder / "voices.py").unlink()
    (folder / "notes.txt").write_text("a text")
    with pytest.raises(CorpusError, match="would be read as text; expected"):
        list_rows(folder, "huggingface")
    assert not made.exists()


def test_a_name_on_the_hub_is_not_asked_for_without_the_option(command, tmp_path):
    done = command("corpora", "check", "huggingface", "hf:nobody/nothing", env={"HF_HOME": str(tmp_path)})
    assert done.status == 1
    assert "it is not on this machine" in done.messages
    assert "--download" in done.messages
    assert "expected hf:owner/name" in command("corpora", "check", "huggingface", "hf:").messages


def test_a_name_on_the_hub_that_is_in_the_cache_is_read(demo_rows, tmp_path, command):
    folder, cached = tmp_path / "voices", tmp_path / "home" / "datasets"
    (folder / "data").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    inside(demo_rows).to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    builder = datasets.load_dataset_builder(str(folder), cache_dir=str(tmp_path / "made"))
    builder.download_and_prepare()
    # As the package keeps a dataset that it downloaded by this name.
    place = Path(builder.cache_dir)
    shutil.copytree(place, cached / "owner___voices" / "default" / "0.0.0" / place.name)
    home = {"HF_HOME": str(tmp_path / "home")}
    done = command("corpora", "check", "huggingface", "hf:owner/voices", "--json", env=home)
    assert done.status == 0, done.messages
    assert (done.json["recordings"], done.json["speakers"]) == (len(demo_rows), 8)
    assert done.json["emotions"] == demo_rows["emotion"].value_counts().to_dict()
    other = command("corpora", "check", "huggingface", "hf:owner/voices:other", env=home)
    assert other.status == 1
    assert "'other'" in other.messages


def test_the_settings_of_the_package_are_as_before(voices):
    before = (datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE)
    level = datasets.logging.get_verbosity()
    list_rows(voices, parts=["test"])
    assert before == (datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE)
    assert datasets.logging.get_verbosity() == level


def test_an_absent_package_is_a_sentence_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(FusionserError, match=r'needs the package datasets, .*pip install "fusionser\[huggingface\]"'):
        list_rows("hf:nobody/nothing")


def test_options_for_datasets_are_refused_for_other_places(demo_folder, demo_rows, tmp_path):
    table = write_table(demo_rows, tmp_path / "rows.csv")
    for place, corpus in ((demo_folder, "demo"), (table, None)):
        with pytest.raises(SettingsError, match="--parts is for datasets"):
            list_rows(place, corpus, parts=["train"])


def test_labels_that_are_no_text_are_told(demo_rows, tmp_path):
    files = demo_rows["file"].tolist()[:4]
    made = datasets.Dataset.from_dict({"audio": files, "emotion": [{"a": 1}] * 4})
    made.cast_column("audio", datasets.Audio(decode=False)).save_to_disk(tmp_path / "odd")
    with pytest.raises(CorpusError, match="the column for 'emotion' holds .*'a': 1.*; expected a text or a number"):
        list_rows(tmp_path / "odd")


def test_several_labels_are_one_text(demo_rows, tmp_path):
    one = inside(demo_rows[:2])
    labels = datasets.Sequence(datasets.ClassLabel(names=EMOTIONS))
    column = pyarrow.array([[0, 4], [2]], type=pyarrow.list_(pyarrow.int64()))
    several = one.remove_columns("label").add_column("label", column).cast_column("label", labels)
    several.save_to_disk(tmp_path / "voices")
    assert json.loads((tmp_path / "voices" / "dataset_info.json").read_text())["features"]["label"]
    assert list_rows(tmp_path / "voices").rows["emotion"].tolist() == ["angry;sad", "happy"]
