"""Audits of splits: planted faults are found, other performances are not taken for copies, wrong input is refused."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from made_voices import RATE, voice, write_voice

from fusionser.audit.changes import changes_between
from fusionser.audit.coherence import best_match
from fusionser.audit.copies import find_copies
from fusionser.audit.detail import DetailMap, detail_of, unpacked
from fusionser.audit.leaks import audit_split
from fusionser.audit.result import read_audit
from fusionser.audit.split_places import SplitOptions, read_split
from fusionser.audit.split_table import table_split
from fusionser.augmentation import recording_chain as chain
from fusionser.augmentation.conditions import CONDITIONS
from fusionser.errors import RowsError, SettingsError
from fusionser.features.clip import Clip
from fusionser.reporting.audit import write_audit
from fusionser.reporting.tables.audit import between_table, sides_table
from fusionser.reporting.words import stamp_texts


def condition(name):
    return lambda samples: CONDITIONS[name].apply(samples, RATE)


def changed(samples, rate=RATE):
    return chain.Changed(np.ascontiguousarray(samples, dtype=np.float32), rate)


COPIES = {
    "mp3": condition("mp3-64-kbps"),
    "opus": condition("opus-24-kbps"),
    "8 kHz": condition("sampling-rate-8-khz"),
    "cut": lambda samples: changed(samples[4000:-4000]),
    "padded": lambda samples: changed(np.pad(samples, (8000, 16000))),
    "clipped": condition("gain-plus-12-db-clipped"),
    "low-pass": condition("lowpass-4-khz"),
    "telephone": condition("telephone"),
    "equalised": lambda samples: chain.equalise(samples, RATE, 1, decibels=6.0),
    "white noise": condition("white-noise-20-db"),
    "pink noise": condition("pink-noise-20-db"),
    "room": condition("room-300-ms"),
    "pitch": condition("pitch-plus-1-semitone"),
    "tempo": condition("tempo-90-percent"),
    "speed": lambda samples: changed(soxr.resample(samples, 1.08, 1.0)),
}


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """Twenty performances, and a copy of each kind of the first ones."""
    folder = tmp_path_factory.mktemp("voices")
    made = [voice(seed, pitch=110.0 + 6 * seed) for seed in range(20)]
    files = [write_voice(folder / f"original_{number:02d}.wav", one) for number, one in enumerate(made)]
    for number, (_, change) in enumerate(COPIES.items()):
        copy = change(made[number])
        files.append(write_voice(folder / f"copy_{number:02d}.wav", copy.samples, copy.sampling_rate))
    seconds = [soundfile.info(file).duration for file in files]
    return pd.DataFrame({"file": map(str, files), "start": 0.0, "end": seconds})


@pytest.fixture(scope="module")
def heard(voices):
    return find_copies(voices)


@pytest.mark.parametrize("number", range(len(COPIES)), ids=list(COPIES))
def test_a_copy_of_each_kind_is_found(heard, number):
    found = {(one.first, one.second) for one in heard.copies}
    assert (number, 20 + number) in found


def test_no_other_pair_is_taken_for_a_copy(heard):
    assert {(one.first, one.second) for one in heard.copies} == {(number, 20 + number) for number in range(len(COPIES))}


def test_a_copy_says_how_it_was_changed(heard):
    names = list(COPIES)
    told = {names[one.first]: (one.kind, {change.kind: change.value for change in one.changes}) for one in heard.copies}
    assert told["cut"][1] == pytest.approx({"begins-later": 0.25, "ends-earlier": 0.25}, abs=0.017)
    assert told["padded"][1] == pytest.approx({"begins-later": -0.5, "ends-earlier": -1.0}, abs=0.017)
    assert told["tempo"] == ("augmented", pytest.approx({"tempo": 0.9}, abs=0.01))
    assert told["pitch"] == ("augmented", pytest.approx({"pitch": 1.0}))
    assert told["speed"][1] == pytest.approx({"speed": 1.08}, abs=0.01)
    assert told["low-pass"][0] == "near"
    assert "level" in told["clipped"][1]


def test_the_map_survives_packing():
    samples = voice(3)
    packed = DetailMap().compute(Clip({"waveform": samples, "sampling_rate": RATE}))
    made, back = detail_of(samples, RATE), unpacked(packed)
    assert np.abs(made.cells - back.cells).max() < 1 / 6 + 1e-3
    assert np.abs(made.level - back.level).max() < 1 / 6 + 1e-3


def test_a_gain_is_measured_in_decibels():
    samples = voice(5)
    match = best_match(detail_of(samples, RATE), detail_of(samples / 2, RATE))
    told = changes_between((samples, RATE), (samples / 2, RATE), match)
    assert {one.kind: one.value for one in told} == pytest.approx({"level": 20 * np.log10(0.5)}, abs=0.001)


def test_silent_and_short_recordings_are_no_copies(tmp_path):
    rng = np.random.default_rng(0)
    sounds = [np.zeros(RATE), np.zeros(RATE + 1), 0.1 * rng.normal(size=400), 0.1 * rng.normal(size=500)]
    files = [write_voice(tmp_path / f"{number}.wav", one) for number, one in enumerate(sounds)]
    ends = [len(one) / RATE for one in sounds]
    found = find_copies(pd.DataFrame({"file": map(str, files), "start": 0.0, "end": ends}))
    assert found.copies == [] and found.failures == {}


@pytest.fixture
def leaking(tmp_path):
    """A table with a shared speaker, an identical recording, and a louder one, on two sides."""
    made = {f"ann_{number}": voice(40 + number) for number in range(4)} | {
        f"ben_{number}": voice(50 + number, pitch=95.0) for number in range(4)
    }
    made |= {"cat_0": made["ann_0"], "cat_1": made["ben_1"] / 3}
    for name, samples in made.items():
        write_voice(tmp_path / "wav" / f"{name}.wav", samples)
    sides = ["train"] * 3 + ["dev"] + ["Training"] * 4 + ["test"] * 2
    emotions = ["sad", "calm"] * 5
    table = pd.DataFrame({"file": list(made), "split": sides, "emotion": emotions, "statement": "s1"})
    table["speaker"] = [name[:3] for name in table["file"]]
    return table, tmp_path


def test_the_command_tells_what_leaks_and_fails(leaking, command):
    table, folder = leaking
    table.to_csv(folder / "split.csv", index=False)
    done = command(
        "audit", folder / "split.csv", "--audio", folder / "wav", "--json", "--no-score", "--out", folder / "o"
    )
    assert done.status == 1, done.messages
    between = {tuple(one["sides"]): one for one in done.json["between"]}
    assert between["train", "validation"]["speakers"] == ["ann"]
    assert between["train", "test"]["speakers"] == []
    pairs = {(one["first"], one["second"]): one["kind"] for one in done.json["copies"]}
    assert pairs == {("ann_0", "cat_0"): "identical", ("ben_1", "cat_1"): "near"}
    assert between["train", "test"]["copied"] == 2
    assert done.json["faults"] == ["copies", "speakers", "performances", "statements", "classes"]
    stored = read_audit(folder / "o" / "audit.json")
    assert [one.kind for one in stored.copies] == ["identical", "near"]
    page = (folder / "o" / "report.html").read_text()
    assert page.count("<audio") == 4
    assert soundfile.info(folder / "o" / "evidence" / "01-first.wav").duration == pytest.approx(2.5)
    assert "ben\\_1" in (folder / "o" / "report.md").read_text() or "ben_1" in (folder / "o" / "report.md").read_text()


def test_the_command_says_which_recordings_its_page_contains(leaking, command):
    table, folder = leaking
    table.to_csv(folder / "split.csv", index=False)
    done = command("audit", folder / "split.csv", "--audio", folder / "wav", "--no-score", "--out", folder / "o")
    assert "note: it contains 2 pairs of copies to listen to; --listen 0 leaves them out" in done.messages


def test_the_status_is_that_of_what_counts_as_a_leak(leaking, command):
    table, folder = leaking
    table.to_csv(folder / "split.csv", index=False)
    run = partial(command, "audit", folder / "split.csv", "--audio", folder / "wav", "--no-score")
    assert run("--fail-on", "scaled").status == 0
    assert run("--fail-on", "none").status == 0
    assert run("--fail-on", "statements").status == 1
    wrong = run("--fail-on", "speaker")
    assert wrong.status == 2 and "did you mean 'speakers'" in wrong.messages


def test_folders_are_sides(leaking, command):
    table, folder = leaking
    for name, side in zip(table["file"], table["split"], strict=True):
        place = folder / ("test" if side == "test" else "train") / f"{name}.wav"
        place.parent.mkdir(exist_ok=True)
        (folder / "wav" / f"{name}.wav").rename(place)
    done = command("audit", folder / "train", folder / "test", "--json")
    assert done.status == 1, done.messages
    assert done.json["faults"] == ["copies"]
    assert done.json["speakers_known"] is False and done.json["worth"] is None


def test_a_split_without_leaks_passes_and_is_scored(demo_folder, demo_rows, tmp_path, command):
    rows = demo_rows[demo_rows["speaker"].isin(["demo/f1", "demo/m1", "demo/f2", "demo/m2"])].copy()
    rows["split"] = np.where(rows["speaker"].isin(["demo/f1"]), "test", "train")
    rows[["file", "split", "speaker", "emotion", "statement"]].to_csv(tmp_path / "split.csv", index=False)
    out = tmp_path / "o"
    done = command("audit", tmp_path / "split.csv", "--json", "--fail-on", "speakers", "--out", out)
    assert done.status == 0, done.messages
    worth = done.json["worth"]
    assert worth is not None, done.json["notes"]
    assert worth["speaker_folds"] == 4 and worth["chance"] == pytest.approx(0.2)
    assert 0.2 < worth["by_split"]["uar"] <= 1
    # One speaker is tested, and intervals need eight.
    assert worth["split_interval"] is None
    for page in ("report.md", "report.html"):
        assert "A score of fewer than eight test speakers has no interval." in (out / page).read_text()


def test_recordings_named_from_the_working_folder_are_scored(demo_folder, demo_rows, tmp_path, monkeypatch, command):
    rows = demo_rows[demo_rows["speaker"].isin(["demo/f1", "demo/m1", "demo/f2"])]
    sides = np.where(rows["speaker"] == "demo/f1", "test", "train")
    listed = pd.DataFrame({"file": [Path(name).name for name in rows["file"]], "split": sides})
    listed.to_csv(tmp_path / "split.csv", index=False)
    monkeypatch.chdir(demo_folder.parent)
    done = command("audit", tmp_path / "split.csv", "--corpus", "demo", "--audio", demo_folder.name, "--json")
    assert done.json["worth"] is not None, done.json["notes"]


def test_the_score_by_a_split_of_many_speakers_has_the_interval_of_its_evaluation(demo_rows, tmp_path, command):
    rows = demo_rows.groupby(["speaker", "emotion"]).head(2)[["file", "speaker", "emotion"]]
    men = rows["speaker"].str.contains("/m")
    folds = [
        rows.assign(fold=str(fold), split=np.where(men == tested, "test", "train"))
        for fold, tested in enumerate((True, False))
    ]
    pd.concat(folds).to_csv(tmp_path / "split.csv", index=False)
    features = ("--blocks", "zcr,mfcc", "--classifier", "svm", "--json")
    worth = command("audit", tmp_path / "split.csv", *features).json["worth"]
    scored = command("evaluate", tmp_path / "split.csv", *features, "--protocol", "given-split").json
    assert worth["by_split"]["uar"] == scored["pooled"]["uar"]
    assert worth["split_interval"] == scored["intervals"]["uar"] is not None


@pytest.fixture
def by_clip(demo_rows, tmp_path):
    """A list of four speakers who are on both sides."""
    rows = demo_rows[demo_rows["speaker"].isin(["demo/f1", "demo/m1", "demo/f2", "demo/m2"])].reset_index(drop=True)
    rows["split"] = np.where(np.arange(len(rows)) % 3 == 0, "test", "train")
    rows[["file", "split", "speaker", "emotion"]].to_csv(tmp_path / "clips.csv", index=False)
    return tmp_path / "clips.csv"


def test_features_and_classifier_of_the_scores_are_chosen(by_clip, command):
    given = ("--blocks", "mfcc[n_mfcc=5],zcr", "--classifier", "random-forest", "--scaling", "robust")
    done = command("audit", by_clip, "--json", *given)
    assert done.status == 1, done.messages
    worth = done.json["worth"]
    assert (worth["features"], worth["classifier"]) == ("mfcc[n_mfcc=5]+zcr", "random-forest")
    for given, told in (
        (("--blocks", "mfccs"), "did you mean 'mfcc'"),
        (("--preset", "robust", "--blocks", "mfcc"), "--preset and --blocks are both given"),
        (("--no-score", "--blocks", "mfcc"), "--blocks is for the scores, which --no-score leaves out"),
        (("--classifier", "smv"), "did you mean 'svm'"),
    ):
        wrong = command("audit", by_clip, *given)
        assert wrong.status == 2 and told in " ".join(wrong.messages.split())


def test_tables_are_written_in_all_formats_and_again(by_clip, command, tmp_path):
    out = tmp_path / "o"
    given = ("--out", out, "--tables", "latex,csv,markdown,html", "--blocks", "zcr")
    assert command("audit", by_clip, *given).status == 1
    names = {"between", "sides", "classes", "copies", "scores"}
    written = {path.name: path.read_text() for path in (out / "tables").iterdir()}
    assert set(written) == {f"{name}{suffix}" for name in names for suffix in (".tex", ".csv", ".md", ".html")} | {
        "index.json"
    }
    stored = read_audit(out / "audit.json")
    scores = pd.read_csv(out / "tables" / "scores.csv")
    uar = scores[scores["measure"] == "uar"].set_index("split")["value"]
    assert uar["this split"] == stored.worth.by_split.uar and uar["by speaker, 3 folds"] == stored.worth.by_speaker.uar
    shared = pd.read_csv(out / "tables" / "between.csv").set_index("measure")["value"]
    assert shared["speakers_shared"] == 4 and shared["with_a_copy"] == stored.between[0].copied
    again = command("report", out, "--tables", "csv")
    assert again.status == 0, again.messages
    assert {path.name for path in (out / "tables").iterdir()} == {f"{name}.csv" for name in names} | {"index.json"}
    assert (out / "tables" / "sides.csv").read_text() == written["sides.csv"]
    assert "an audit has no figures" in command("report", out, "--figures", "pdf").messages


def test_a_second_audit_leaves_no_recordings_of_the_first(leaking, command):
    table, folder = leaking
    table.to_csv(folder / "split.csv", index=False)
    run = partial(
        command, "audit", folder / "split.csv", "--audio", folder / "wav", "--no-score", "--out", folder / "o"
    )
    run()
    assert len(list((folder / "o" / "evidence").iterdir())) == 4
    run("--listen", 1)
    assert sorted(path.name for path in (folder / "o" / "evidence").iterdir()) == ["01-first.wav", "01-second.wav"]


def test_a_table_scaled_as_a_whole_is_told(leaking):
    table, _ = leaking
    values = np.random.default_rng(0).normal(size=(len(table), 3))
    plain = table_split(table.assign(**{f"x{one}": values[:, one] for one in range(3)}))
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    scaled = table_split(table.assign(**{f"x{one}": standard[:, one] for one in range(3)}))
    assert plain.scaled is None and scaled.scaled == "standard"
    assert "scaled" in audit_split(scaled).result.faults


def test_names_alone_are_audited_and_said_so(command, tmp_path):
    names = ["03a01Fa", "08a01Na", "03a01Nc", "08a02Wb"]
    pd.DataFrame({"file": names, "split": ["train", "train", "test", "test"]}).to_csv(tmp_path / "s.csv", index=False)
    done = command("audit", tmp_path / "s.csv", "--corpus", "emodb", "--json")
    assert done.status == 1
    assert done.json["audio"] is False
    assert done.json["between"][0]["speakers"] == ["emodb/03", "emodb/08"]
    assert done.json["between"][0]["classes_only"] == [["happy"], ["angry"]]
    assert [note["kind"] for note in done.json["notes"]] == ["names-only"]


def test_names_alone_do_not_tell_that_there_are_no_copies(command, tmp_path):
    names = pd.DataFrame({"file": ["DC_a01", "JE_a01"], "split": ["train", "test"], "speaker": ["DC", "JE"]})
    names.to_csv(tmp_path / "names.csv", index=False)
    done = command("audit", tmp_path / "names.csv")
    said = " ".join(done.output.split())
    assert "No leak was found in names.csv. Checked: speakers on both sides, a table scaled as a whole." in said
    assert "so copies are unknown" in said


def test_what_cannot_be_told_is_unknown_in_tables_and_no_count():
    speakers = ["ann", "ann", "", "ben"]
    table = pd.DataFrame({"file": ["a", "b", "c", "d"], "split": ["train", "test"] * 2, "speaker": speakers})
    result = audit_split(table_split(table)).result
    between = {line["measure"]: line["value"] for line in between_table(result).long()}
    # A shared speaker is one, even if others are not known; no copies, performances and statements can be told.
    assert between["speakers_shared"] == 1
    assert [between[name] for name in ("with_a_copy", "identical", "repeated_performances", "statements_shared")] == [
        None
    ] * 4
    assert between_table(result).texts()[0].count("unknown") == 8
    assert [line["value"] for line in sides_table(result).long() if line["measure"] == "classes"] == [None, None]


def test_rows_without_a_side_are_told():
    table = pd.DataFrame({"file": ["03a01Fa", "08a01Na", "08a02Wb"], "split": ["train", "test", ""]})
    split = table_split(table, corpus="emodb")
    assert len(split.rows) == 2
    assert stamp_texts(split.notes) == ["1 row left out, because the column 'split' is empty there"]


def test_names_that_a_corpus_cannot_read_are_told():
    table = pd.DataFrame({"file": ["03a01Fa", "08a01Na", "x.wav"], "split": ["train", "test", "test"]})
    note = next(note for note in table_split(table, corpus="emodb").notes if note.kind == "names-unread")
    assert note.value == {"corpus": "emodb", "count": 1, "first": "x.wav"}


def test_folds_are_compared_one_by_one():
    table = pd.DataFrame(
        {"file": ["03a01Fa", "03a02Nc", "08a01Na"] * 2, "fold": [1, 1, 1, 2, 2, 2],
         "split": ["train", "test", "test", "train", "train", "test"]}
    )  # fmt: skip
    result = audit_split(table_split(table, corpus="emodb")).result
    assert [(one.fold, one.speakers) for one in result.between] == [("1", ("emodb/03",)), ("2", ())]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"file": ["a"], "side": ["train"]}, "no column 'split'"),
        ({"path": ["a"], "split": ["train"]}, "no column 'file'"),
        ({"file": ["a", "b"], "split": ["train", "tset"]}, "row 1: column 'split': split is 'tset'"),
        ({"file": ["a", "b"], "split": ["train", "train"]}, "there is one side only, train"),
        ({"file": ["a", ""], "split": ["train", "test"]}, "row 1: empty 'file'"),
        ({"file": ["a", "a", "b"], "split": ["train", "train", "test"]}, "row 1: 'a' is on the side 'train' more than"),
        ({"file": ["a"], "split": [""]}, "no row has a side, because the column 'split' is empty"),
        ({"file": [], "split": []}, "the split has no rows"),
    ],
)
def test_wrong_tables_are_refused_with_a_reason(table, told):
    with pytest.raises(RowsError, match=told):
        table_split(pd.DataFrame(table))


def test_missing_and_corrupt_recordings_are_set_aside(leaking, command):
    table, folder = leaking
    (folder / "wav" / "ann_1.wav").unlink()
    (folder / "wav" / "ann_2.wav").write_bytes(b"not audio")
    table.to_csv(folder / "split.csv", index=False)
    done = command("audit", folder / "split.csv", "--audio", folder / "wav", "--json", "--no-score")
    assert done.status == 1
    reasons = " ".join(entry["reason"] for entry in done.json["quarantine"])
    assert len(done.json["quarantine"]) == 2 and "not found in" in reasons and "ann_2" in reasons
    assert done.json["recordings"] == 8


def test_a_folder_without_the_recordings_is_refused(leaking, tmp_path):
    table, folder = leaking
    (tmp_path / "empty").mkdir()
    table.to_csv(folder / "split.csv", index=False)
    with pytest.raises(RowsError, match="none of 10 recordings is in"):
        read_split([folder / "split.csv"], SplitOptions(audio=tmp_path / "empty"))
    with pytest.raises(SettingsError, match="expected one table"):
        read_split([folder / "wav"])


def test_a_stopped_audit_resumes_from_the_cache(leaking, tmp_path, monkeypatch):
    from fusionser.cache import Cache

    table, folder = leaking
    rows = table_split(table, audio=folder / "wav").rows
    first = find_copies(rows, cache=Cache(tmp_path / "cache"))
    monkeypatch.setattr(DetailMap, "compute", lambda self, clip: pytest.fail("it was computed again"))
    again = find_copies(rows, cache=Cache(tmp_path / "cache"))
    assert [(one.first, one.second) for one in again.copies] == [(one.first, one.second) for one in first.copies]


def test_a_report_is_written_again_from_what_is_stored(leaking, tmp_path, command):
    table, folder = leaking
    audited = audit_split(table_split(table, audio=folder / "wav"))
    page = write_audit(audited, tmp_path / "o")
    first = page.read_text()
    page.unlink()
    assert command("report", tmp_path / "o").status == 0
    assert page.read_text() == first
    assert json.loads((tmp_path / "o" / "audit.json").read_text())["format"] == 1
    assert not (tmp_path / "o" / "evidence").exists()
    assert read_audit(tmp_path / "o" / "audit.json") == audited.result
