"""Features as a dataset of parts: the same rows as one file, resumed, added to, and read lazily."""

import json
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from fusionser.errors import RowsError
from fusionser.execution import Processes, executing_on
from fusionser.feature_dataset import FeatureDataset
from fusionser.features import ZeroCrossingRate
from fusionser.pipeline import PipelineSpec, Place, Wishes, extract_dataset, extract_file

SPEC = PipelineSpec(features={"blocks": ["zcr", "rms"]})
ROWS = "fusionser.pipeline.dataset_plan.ROWS_OF_A_PART"


@pytest.fixture
def calls(demo_folder, tmp_path, monkeypatch):
    """A folder with 60 recordings, of which 25 make a part."""
    monkeypatch.setattr(ROWS, 25)
    folder = tmp_path / "calls"
    folder.mkdir()
    for path in sorted(demo_folder.iterdir()):
        if path.name.split("_")[1] in ("f1", "m1"):
            shutil.copy2(path, folder / path.name)
    return folder


def extract(calls, out, spec=SPEC, **options):
    return extract_dataset([Place(calls, "demo")], spec, out, **options)


def contents(out):
    return {path.name: path.read_bytes() for path in (out / "parts").iterdir()}


def test_the_rows_are_those_of_a_features_file(calls, tmp_path):
    done = extract(calls, tmp_path / "set")
    file = extract_file([Place(calls, "demo")], SPEC, tmp_path / "f.parquet")
    dataset = FeatureDataset.open(tmp_path / "set")
    assert [part.rows for part in dataset.manifest.parts] == [25, 25, 10]
    assert (done.rows, done.columns, dataset.rows) == (file.rows, file.columns, 60)
    expected = pd.read_parquet(tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(dataset.read(), expected)
    assert dataset.columns == list(expected.columns)


def test_other_processes_write_the_same_bytes(calls, tmp_path):
    extract(calls, tmp_path / "one")
    with executing_on(Processes(2)):
        extract(calls, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_stopped_run_goes_on_where_it_ended(calls, tmp_path):
    extract(calls, tmp_path / "whole")
    out = tmp_path / "set"
    stop = RuntimeError("stopped")

    def stopping(done, total):
        if done >= 50:
            raise stop

    with pytest.raises(RuntimeError, match="stopped"):
        extract(calls, out, progress=stopping)
    assert len(contents(out)) == 2 and not (out / "manifest.json").exists()
    told = []
    done = extract(calls, out, progress=lambda *counts: told.append(counts))
    assert told == [(10, 10)] and done.rows == 60
    assert contents(out) == contents(tmp_path / "whole")


def test_new_recordings_are_added_and_removed_ones_leave(calls, tmp_path):
    out, moved = tmp_path / "set", tmp_path / "moved"
    moved.mkdir()
    late = sorted(calls.iterdir())[-12:]
    for path in late:
        shutil.move(path, moved / path.name)
    extract(calls, out)
    before = contents(out)
    for path in late:
        shutil.move(moved / path.name, path)
    told = []
    extract(calls, out, progress=lambda *counts: told.append(counts))
    assert told[-1] == (12, 12)
    assert before.items() <= contents(out).items()
    expected = extract_file([Place(calls, "demo")], SPEC, tmp_path / "f.parquet")
    assert FeatureDataset.open(out).rows == expected.rows
    pd.testing.assert_frame_equal(FeatureDataset.open(out).read(), pd.read_parquet(tmp_path / "f.parquet"))
    late[0].unlink()
    done = extract(calls, out)
    assert [note.value for note in done.notes if "left the dataset" in str(note.value)] == [
        "recordings that left the dataset, as they are not among those given: 1; give all it should have"
    ]
    assert not FeatureDataset.open(out).read()["file"].str.endswith(late[0].name).any()


def test_a_changed_recording_is_analysed_again(calls, tmp_path):
    out = tmp_path / "set"
    extract(calls, out)
    one, other = sorted(calls.iterdir())[:2]
    shutil.copy(other, one)
    extract(calls, out)
    table = FeatureDataset.open(out).read()
    columns = [name for name in table if name.startswith("zcr__")]
    first, second = (table[table["file"] == str(path)][columns].to_numpy() for path in (one, other))
    np.testing.assert_array_equal(first, second)


def test_other_settings_replace_all_parts(calls, tmp_path):
    out = tmp_path / "set"
    extract(calls, out)
    before = set(contents(out))
    extract(calls, out, PipelineSpec(features={"blocks": ["zcr"]}))
    assert not before & set(contents(out))
    assert not any(name.startswith("rms__") for name in FeatureDataset.open(out).columns)


def test_recordings_that_cannot_be_read_are_set_aside_and_remembered(calls, tmp_path):
    broken = calls / "synthetic_f1_angry_s1_01.wav"
    broken.write_bytes(b"RIFF is not a recording")
    done = extract(calls, tmp_path / "set")
    assert done.rows == 59
    assert [entry["file"] for entry in done.quarantine] == [str(broken)]
    told = []
    again = extract(calls, tmp_path / "set", progress=lambda *counts: told.append(counts))
    assert not told and again.quarantine == done.quarantine


class Deadly(ZeroCrossingRate):
    """A block that one recording kills."""

    def compute(self, clip):
        if clip.name.endswith("synthetic_f1_angry_s1_02.wav"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().compute(clip)


def test_a_recording_that_ends_its_process_is_set_aside_alone(calls, tmp_path, monkeypatch):
    from fusionser.features import FeatureExtractor

    monkeypatch.setattr(
        "fusionser.pipeline.dataset_writer.extractor_for",
        lambda spec, places: (spec, FeatureExtractor(blocks=[("zcr", Deadly())])),
    )
    with executing_on(Processes(2)):
        done = extract(calls, tmp_path / "set")
    assert done.rows == 59
    assert "synthetic_f1_angry_s1_02.wav: its process was ended" in done.quarantine[0]["reason"]


def test_columns_and_rows_that_are_not_wanted_are_not_read(calls, tmp_path, monkeypatch):
    extract(calls, tmp_path / "set")
    dataset = FeatureDataset.open(tmp_path / "set")
    table = pd.concat(dataset.parts(["speaker", "rms__mean"], [("speaker", "not in", ["demo/f1"])]))
    assert list(table) == ["speaker", "rms__mean"] and set(table["speaker"]) == {"demo/m1"}
    whole = dataset.read()
    np.testing.assert_array_equal(
        np.sort(table["rms__mean"]), np.sort(whole[whole["speaker"] == "demo/m1"]["rms__mean"])
    )


def test_windows_and_classes(calls, tmp_path):
    from fusionser.timeline.windows import WindowSettings

    wishes = Wishes(classes=("angry", "sad"), windows=WindowSettings(length=0.5, hop=0.25))
    extract_dataset([Place(calls, "demo")], SPEC, tmp_path / "set", wishes)
    extract_file([Place(calls, "demo")], SPEC, tmp_path / "f.parquet", wishes)
    got, expected = FeatureDataset.open(tmp_path / "set").read(), pd.read_parquet(tmp_path / "f.parquet")
    keys = ["source", "start"]
    pd.testing.assert_frame_equal(
        got.sort_values(keys, ignore_index=True), expected.sort_values(keys, ignore_index=True)
    )


def test_a_lost_or_damaged_part_is_told_and_made_again(calls, tmp_path):
    out = tmp_path / "set"
    extract(calls, out)
    before = contents(out)
    first, second, _ = sorted((out / "parts").iterdir())
    kept = first.read_bytes()
    first.unlink()
    with pytest.raises(RowsError, match=r"this part is not there; remove .*extract' again"):
        FeatureDataset.open(out).read()
    first.write_bytes(kept)
    second.write_bytes(second.read_bytes()[:100])
    with pytest.raises(RowsError, match=r"this part is damaged; remove .*extract' again"):
        FeatureDataset.open(out).read()
    first.unlink()
    extract(calls, out)
    assert contents(out) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["parts"][0].update(name="../../secret.parquet"),
        lambda manifest: manifest.pop("columns"),
        lambda manifest: manifest["parts"].append({"name": "x", "rows": -1}),
    ],
)
def test_a_damaged_manifest_is_told(calls, tmp_path, change):
    out = tmp_path / "set"
    extract(calls, out)
    manifest = json.loads((out / "manifest.json").read_text())
    change(manifest)
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RowsError, match="this manifest is damaged"):
        FeatureDataset.open(out)


def test_a_folder_with_other_files_is_refused(calls, tmp_path, command):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("precious")
    answer = command("extract", calls, "--corpus", "demo", "--blocks", "zcr", "--out", out)
    assert answer.status == 1 and "with other files in it, such as thesis.txt" in answer.messages


def test_commands_take_a_dataset_where_they_take_a_features_file(calls, tmp_path, command):
    out, file = tmp_path / "set", tmp_path / "f.parquet"
    answer = command("extract", calls, "--corpus", "demo", "--blocks", "zcr,rms", "--out", out, "--json")
    assert answer.status == 0, answer.messages
    assert answer.json["rows"] == 60 and answer.json["out"] == str(out)
    command("extract", calls, "--corpus", "demo", "--blocks", "zcr,rms", "--out", file)
    scores = []
    for place in (out, file):
        answer = command("evaluate", place, "--classifier", "svm", "--folds", "2", "--json")
        assert answer.status == 0, answer.messages
        scores.append({name: answer.json[name] for name in ("metrics", "confusion") if name in answer.json})
    assert scores[0] and scores[0] == scores[1]
    assert pyarrow.parquet.read_schema(next((out / "parts").iterdir())).metadata[b"fusionser"]


def test_nothing_but_parts_is_ever_removed(calls, tmp_path, command):
    """Recordings in a folder called parts, a link to a folder, and files beside it are refused and stay."""
    for number, make in enumerate(
        (
            lambda out: shutil.copytree(calls, out / "parts"),
            lambda out: (out / "parts").symlink_to(calls),
            lambda out: (out / "parts-of-a-thesis").write_text("precious"),
            lambda out: (out / "parts" / "deep").mkdir(parents=True),
        )
    ):
        out = tmp_path / f"out{number}"
        out.mkdir()
        make(out)
        before = sorted(path.name for path in out.rglob("*"))
        given = out / "parts" if number < 2 else calls
        answer = command("extract", given, "--corpus", "demo", "--blocks", "zcr", "--out", out)
        refusal = "which contains" if number == 0 else "with other files in it"
        assert answer.status == 1 and refusal in answer.messages
        assert sorted(path.name for path in out.rglob("*")) == before
    assert len(list(calls.iterdir())) == 60


def test_equal_rows_stay_as_many_as_they_are(calls, tmp_path):
    files = sorted(map(str, calls.iterdir()))[:2]
    table = pd.DataFrame({"file": [files[0], files[0], files[1]], "emotion": "sad", "speaker": "a"})
    table.to_csv(tmp_path / "rows.csv", index=False)
    for _ in range(3):
        done = extract_dataset([Place(tmp_path / "rows.csv")], SPEC, tmp_path / "set")
        assert done.rows == 3
    assert len(contents(tmp_path / "set")) == 1


def test_a_recording_that_was_not_there_is_tried_again(calls, tmp_path):
    late, away = sorted(calls.iterdir())[3], tmp_path / "away.wav"
    rows = pd.DataFrame({"file": sorted(map(str, calls.iterdir())), "emotion": "sad", "speaker": "a"})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    shutil.move(late, away)
    first = extract_dataset([Place(tmp_path / "rows.csv")], SPEC, tmp_path / "set")
    assert first.rows == 59 and first.quarantine[0]["file"] == str(late)
    shutil.move(away, late)
    again = extract_dataset([Place(tmp_path / "rows.csv")], SPEC, tmp_path / "set")
    assert again.rows == 60 and not again.quarantine


def test_damage_inside_a_part_is_told(calls, tmp_path):
    extract(calls, tmp_path / "set")
    part = max((tmp_path / "set" / "parts").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(part.read_bytes())
    content[200:260] = bytes(60)
    part.write_bytes(content)
    with pytest.raises(RowsError, match=r"this part is damaged; remove it if it is there"):
        FeatureDataset.open(tmp_path / "set").read()
    part.unlink()
    extract(calls, tmp_path / "set")
    assert len(FeatureDataset.open(tmp_path / "set").read()) == 60


@pytest.mark.parametrize("change", [{"rows": 24}, {"columns": ["file"]}])
def test_a_part_that_is_not_what_the_manifest_says_is_told(calls, tmp_path, change):
    extract(calls, tmp_path / "set")
    path = tmp_path / "set" / "manifest.json"
    manifest = json.loads(path.read_text())
    if "rows" in change:
        manifest["parts"][0].update(change)
    else:
        manifest.update(change)
    path.write_text(json.dumps(manifest))
    with pytest.raises(RowsError, match=r"this part has 25 rows and \d+ columns, and the manifest has"):
        FeatureDataset.open(tmp_path / "set").read()
