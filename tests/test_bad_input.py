"""What bad input gets, through the command line: a sentence, an exit status, never a traceback."""

import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone
from fusionser_cli.checks import PATH_OPTIONS
from option_help import option_texts

from fusionser.errors import FusionserError
from fusionser.files import write_text
from fusionser.registry import AUGMENTATIONS

EVALUATE = ["--corpus", "demo", "--preset", "fusionnet"]


@pytest.fixture(scope="module")
def refused(command):
    """Run a command that must fail, and return what it says, on one line."""

    def run(*arguments, **options):
        done = command(*arguments, **options)
        assert done.status == 1, (done.output, done.messages)
        assert done.output == ""
        return " ".join(done.messages.split())

    return run


@pytest.fixture
def part(demo_folder, tmp_path):
    """Copy some recordings of the demo corpus."""

    def copy(pattern):
        folder = tmp_path / "part"
        folder.mkdir(exist_ok=True)
        for file in demo_folder.glob(pattern):
            shutil.copy(file, folder)
        return folder

    return copy


def test_a_missing_folder(refused, tmp_path):
    assert "no such folder" in refused("evaluate", tmp_path / "nowhere", *EVALUATE)
    assert "no such folder or table" in refused("evaluate", tmp_path / "nowhere")


def test_a_folder_without_audio(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    assert "no audio files in it; expected files ending in .wav" in refused(
        "extract", tmp_path, "--corpus", "demo", "--out", tmp_path / "f.parquet"
    )


def test_a_folder_of_another_corpus(refused, demo_folder):
    assert "240 audio files, but no file name matches those of RAVDESS" in refused(
        "evaluate", demo_folder, "--corpus", "ravdess"
    )


def test_a_folder_of_no_corpus(refused, demo_folder, tmp_path):
    for number, file in enumerate(sorted(demo_folder.iterdir())[:4]):
        shutil.copy(file, tmp_path / f"{number}.wav")
    assert "neither folders nor names of files tell the emotions" in refused("evaluate", tmp_path)


BAD = {
    "text renamed": lambda file: file.write_text("this is text\n" * 99),
    "empty file": lambda file: file.write_bytes(b""),
    "no samples": lambda file: soundfile.write(file, np.zeros(0), 16000),
    "NaN samples": lambda file: soundfile.write(file, np.r_[tone(200), np.nan], 16000, subtype="FLOAT"),
    "silence": lambda file: soundfile.write(file, np.zeros(16000), 16000),
    "too short": lambda file: soundfile.write(file, tone(200)[:100], 16000),
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:30]),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_bad_recording_is_set_aside_and_strict_stops(command, refused, part, tmp_path, kind):
    folder = part("*_neutral_*")
    bad = folder / "synthetic_f1_sad_s1_01.wav"
    shutil.copy(next(folder.iterdir()), bad)
    BAD[kind](bad)
    out = tmp_path / "features.parquet"
    done = command("extract", folder, *EVALUATE, "--out", out)
    assert done.status == 0
    assert "1 recording set aside as unusable:" in done.messages
    assert len(pd.read_parquet(out)) == 80
    listed = pd.read_csv(tmp_path / "features.quarantine.csv")
    assert listed["file"].tolist() == [str(bad)]
    assert "synthetic_f1_sad_s1_01.wav" in refused("extract", folder, *EVALUATE, "--out", out, "--strict")


def test_nothing_but_bad_recordings(refused, tmp_path):
    for number in (1, 2):
        soundfile.write(tmp_path / f"synthetic_f1_sad_s1_0{number}.wav", np.zeros(16000), 16000)
    assert "none of 2 recordings can be used; the first:" in refused("evaluate", tmp_path, *EVALUATE)


def test_one_speaker_only(refused, part, command, tmp_path):
    folder = part("synthetic_f1_*")
    named = [*EVALUATE, "--protocol", "speaker-kfold"]
    assert "all 30 rows are of one speaker (demo/f1)" in refused("evaluate", folder, *named)
    assert "all recordings are of one speaker; the scores say" in command("evaluate", folder, *EVALUATE).messages
    out = tmp_path / "m.fusionser"
    message = refused("fit", folder, *named, "--out", out)
    assert "of one speaker" in message
    assert "--no-estimate" in message
    assert not out.exists()
    assert "no estimate was made" in command("fit", folder, *EVALUATE, "--no-estimate", "--out", out).output


def test_one_class_only(refused, part, tmp_path):
    folder = part("*_neutral_*")
    assert "all 80 rows have one class, 'neutral'; two or more are needed" in refused("evaluate", folder, *EVALUATE)
    assert "one class" in refused("fit", folder, *EVALUATE, "--out", tmp_path / "m.fusionser")


def test_a_label_never_seen(refused, part, demo_folder):
    assert "no recording has the emotion 'bored'; there are angry, fear, happy, neutral, sad" in refused(
        "evaluate", demo_folder, *EVALUATE, "--classes", "angry,bored"
    )
    folder = part("*_neutral_*")
    part("*_angry_*")
    part("synthetic_m1_fear_*")
    message = refused("evaluate", folder, *EVALUATE, "--folds", 8)
    assert "the test rows have the class fear, but the training rows do not" in message


def test_more_folds_than_speakers(refused, demo_folder):
    assert "folds is 9; expected 2 to 8, the number of speakers" in refused(
        "evaluate", demo_folder, *EVALUATE, "--folds", 9
    )


def test_speakers_that_nobody_knows(refused, demo_folder, tmp_path):
    files = sorted(map(str, demo_folder.iterdir()))
    pd.DataFrame({"file": files, "emotion": [file.split("_")[-3] for file in files]}).to_csv(
        tmp_path / "r.csv", index=False
    )
    named = ["--blocks", "mfcc", "--protocol", "leave-one-speaker-out"]
    assert "240 of 240 rows have no speaker" in refused("evaluate", tmp_path / "r.csv", *named)


def test_a_table_without_its_columns(refused, demo_folder, tmp_path):
    (tmp_path / "a.csv").write_text("path,emotion\na.wav,sad\n")
    assert "the table has no column 'file'; got: path, emotion" in refused("evaluate", tmp_path / "a.csv")
    file = next(demo_folder.iterdir())
    (tmp_path / "b.csv").write_text(f"file,speaker\n{file},x\n")
    assert "1 of 1 rows has no emotion" in refused("evaluate", tmp_path / "b.csv", "--blocks", "mfcc")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--classifier", "smv"],
            "unknown classifier 'smv'; did you mean 'svm'? Known: svm, linear-svm, kernel-ridge, random-forest",
        ),
        (["--preset", "wild"], "unknown preset 'wild'; did you mean 'wide'? Known: wide, fusionnet, ser-fusionnet"),
        (["--blocks", "mfc"], "unknown feature block 'mfc'; did you mean 'mfcc'? Known: acoustic, robust, wide, zcr"),
        (["--blocks", "mfcc", "--preset", "wide"], "got both a preset and blocks (--preset, --blocks)"),
        (["--blocks", "mfcc,gender", "--gender", "none"], "leave one of them out"),
        (["--protocol", "loso"], "unknown protocol 'loso'. Known: speaker-holdout, speaker-kfold"),
        (["--protocol", "leave-one-speaker-out", "--folds", "3"], "does not take folds"),
        (
            ["--protocol", "speaker-holdout", "--test-speakers", "f9"],
            "'f9' (--test-speakers) names no speaker; the speakers are demo/f1",
        ),
        (["--scaling", "standrad"], "unknown scaling 'standrad'; did you mean 'standard'"),
        (["--imbalance", "magic"], "unknown imbalance strategy 'magic'. Known: none, weights"),
        (["--device", "cuda:99"], "this machine has no device 'cuda:99'; available here: auto, cpu"),
        (["--fusion", "late"], "unknown fusion 'late'. Known: early, average, weighted, stacked"),
        (["--augment", "echo"], f"unknown augmentation 'echo'. Known: {', '.join(AUGMENTATIONS)}"),
        (["--precision", "int8"], "unknown precision 'int8'. Known: float32, bfloat16"),
        (["--blocks", "conv1", "--gender", "given"], "unknown feature block 'conv1'; did you mean 'conv1d'?"),
        (["--blocks", "conv1d", "--cross-fit", "1"], "cross_fit is 1; expected 0"),
        (["--blocks", "mfcc,conv1d", "--fusion", "stacked"], "the class scores of conv1d are in-fold"),
        (["--blocks", "mfcc", "--fusion", "average"], "late fusion needs two or more blocks; got only 'mfcc'"),
        (["--cross-fit", "4"], "--cross-fit is for networks, but there are none among the blocks"),
        (["--blocks", "conv1d", "--fusion", "average", "--tune"], "but here networks classify without it"),
        (["--blocks", "mfcc,rms", "--fusion", "average", "--equal-blocks"], "leave it out with late fusion"),
        (["--blocks", "gender", "--gender", "given", "--trim"], "trim has no effect: none of the blocks gender has"),
        (["--copies", "3"], "--copies needs --augment"),
        (["--drop-classes", "calm"], "no recording has the emotion 'calm'; there are angry, fear"),
        (
            ["--setting", "transductive"],
            "unknown setting 'transductive'; did you mean 'inductive'? Known: inductive, speaker",
        ),
        (["--gender", "male"], "unknown kind of gender 'male'. Known: given, estimated, none"),
        (["--duration", "-1"], "duration is -1.0; expected more than 0"),
        (["--sampling-rate", "10"], "sampling_rate is 10; expected 1000"),
        (["--jobs", "0"], "--jobs is 0; expected a number of processes"),
        (["--jobs", "100000"], "--jobs is 100000, and this machine has "),
        (["--classes", ""], "--classes is ''; expected names, separated by commas"),
        (["--blocks", ","], "--blocks is ','; expected names, separated by commas"),
        (["--offset", "99"], "nothing is left after an offset of 99 s"),
        (["--corpus", "demos"], "unknown corpus 'demos'; did you mean 'demo'"),
        (["--corpus", "demo,ravdess"], "got 2 corpora for 1 places"),
    ],
)
def test_names_and_numbers_that_are_off(refused, demo_folder, options, message):
    assert message in refused("evaluate", demo_folder, "--corpus", "demo", *options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[pipeline.classifier.parameters]\nC = -1.0", "svm cannot be fitted with C=-1.0"),
        ("[pipeline.classifier]\nname = 'xgboost'\nparameters = { max_depth = 'deep' }", "max_depth='deep'"),
        (
            "[pipeline.features]\nblocks = [{ kind = 'mfcc', n_mfcc = 'many' }]",
            "n_mfcc is 'many'; expected a whole number",
        ),
        ("[pipeline.features]\ncorpus_offset = -3.0", "corpus_offset: Input should be greater than or equal to 0"),
        ("[pipeline.networks.parameters]\noptimiser = 'sgd'", "there are none among the blocks"),
        ("[protocol]\nname = 'speaker-kfold'\nsettings = { fold = 6 }", "does not take fold; it takes folds"),
        ("[protocol]\nname = 'speaker-kfold'\nsettings = { folds = 2.5 }", "folds is 2.5; expected a whole number"),
        ("[protocol]\nname = 'speaker-holdout'\nsettings = { speakers = 5 }", "is 5; expected a list of names"),
    ],
)
def test_settings_in_a_file_that_are_off(refused, demo_folder, tmp_path, settings, message):
    (tmp_path / "settings.toml").write_text(settings)
    given = ["--corpus", "demo", "--config", tmp_path / "settings.toml"]
    preset = [] if "features" in settings else ["--preset", "fusionnet"]
    assert message in refused("evaluate", demo_folder, *given, *preset)


def test_what_a_command_does_not_take_is_refused_before_it_runs(refused, demo_folder, tmp_path):
    save = refused("evaluate", demo_folder, "--corpus", "demo", "--save-config", tmp_path / "settings.json")
    assert "expected a file ending in .toml" in save
    (tmp_path / "rows.csv").write_text("file,emotion\n")
    table = refused("ablate", tmp_path / "rows.csv", "--corpus", "demo", "--out", tmp_path / "out")
    assert "expected a folder of recordings of one corpus" in table
    assert "is not a folder" in refused("report", tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv"]


def test_rows_that_go_past_their_file_or_on_for_ever(command, refused, demo_folder, tmp_path):
    files = sorted(map(str, demo_folder.iterdir()))[:60]
    table = pd.DataFrame({"file": files, "speaker": ["a", "b"] * 30, "emotion": ["x", "x", "y", "y"] * 15})
    table.assign(end=["99"] + [""] * 59).to_csv(tmp_path / "past.csv", index=False)
    done = command("evaluate", tmp_path / "past.csv", "--blocks", "mfcc", "--folds", 2)
    assert done.status == 0
    assert "past the end of the file" in done.messages
    table.assign(start=["50"] + ["0"] * 59).to_csv(tmp_path / "after.csv", index=False)
    assert "holds nothing from 50 s on" in command("evaluate", tmp_path / "after.csv", "--blocks", "mfcc").messages
    table.assign(end="inf").to_csv(tmp_path / "inf.csv", index=False)
    assert "expected 0 <= start < end" in refused("evaluate", tmp_path / "inf.csv", "--blocks", "mfcc")


def test_a_name_that_is_not_utf_8(refused, demo_folder, tmp_path):
    shutil.copy(next(demo_folder.iterdir()), os.fsdecode(os.fsencode(tmp_path) + b"/synthetic_f1_sad_s1_\xff.wav"))
    told = refused("extract", tmp_path, *EVALUATE, "--out", tmp_path / "f.parquet")
    assert "synthetic_f1_sad_s1_\\xff.wav: this name is not UTF-8; rename" in told


def test_a_list_with_a_name_that_is_not_utf_8_is_answered(command, demo_folder, tmp_path):
    good = str(next(demo_folder.iterdir()))
    content = os.fsencode(good) + b"\n" + os.fsencode(tmp_path) + b"/b\xff.wav\n"
    (tmp_path / "list.txt").write_bytes(content)
    done = command("predict", "--list", tmp_path / "list.txt", "--json")
    first, second = done.json
    assert first["file"] == good and not first["error"] and done.status == 0
    assert second["file"].endswith("b\\xff.wav") and "this name is not UTF-8; rename" in second["error"]


def test_a_list_that_is_no_text(refused, tmp_path):
    (tmp_path / "list.txt").write_text("a.wav\n", encoding="utf-16")
    told = refused("predict", "--list", tmp_path / "list.txt")
    assert "list.txt: the list cannot be read (a zero byte at byte 3); expected lines of text in UTF-8" in told


def test_features_whose_audio_is_gone(command, refused, part, tmp_path):
    folder, out = part("*_s1_01.wav"), tmp_path / "f.parquet"
    command("extract", folder, *EVALUATE, "--out", out)
    shutil.rmtree(folder)
    assert "cannot be opened (no such file or folder)" in refused("evaluate", out, "--preset", "wide")
    assert command("evaluate", out, "--folds", 4).status == 0


def test_an_output_of_the_wrong_kind(refused, demo_folder, tmp_path):
    assert "expected a file ending in .parquet" in refused(
        "extract", demo_folder, *EVALUATE, "--out", tmp_path / "f.csv"
    )


def test_models_that_are_none(refused, demo_folder, tmp_path):
    clip = next(demo_folder.iterdir())
    assert "no such file" in refused("predict", tmp_path / "none.fusionser", clip)
    (tmp_path / "text.fusionser").write_text("text")
    assert "truncated, or not a model saved by fusionser" in refused("predict", tmp_path / "text.fusionser", clip)


def test_nothing_to_predict(command, refused, demo_folder, tmp_path):
    model = tmp_path / "m.fusionser"
    command("fit", demo_folder, "--corpus", "demo", "--blocks", "mfcc", "--no-estimate", "--out", model)
    assert "nothing to predict" in refused("predict", model)
    assert "the list cannot be read" in refused("predict", model, "--list", tmp_path / "none.txt")
    (tmp_path / "empty").mkdir()
    assert "no audio files in this folder" in refused("predict", model, tmp_path / "empty")


def test_a_place_that_cannot_be_written_to_is_said_before_the_work(refused, demo_folder, tmp_path):
    (tmp_path / "taken").write_text("text")
    for name in ("ablate", "evaluate"):
        said = refused(name, demo_folder, "--corpus", "demo", "--out", tmp_path / "taken")
        assert "taken, which is a file; expected a folder" in said
    for name in ("fit", "predict"):
        said = refused(name, demo_folder, "--out", tmp_path / "taken" / "out.csv")
        assert "taken is a file; choose another path" in said
    assert "which is a folder; expected a file" in refused("fit", demo_folder, "--out", tmp_path)
    said = refused("predict", demo_folder, "--out", tmp_path / "out.txt")
    assert "out.txt; expected a file ending in .csv or .parquet" in said


def test_a_disk_without_room(refused, command, demo_folder, tmp_path):
    """No file may grow beyond 20 kB, the cache's neither."""
    out = tmp_path / "here"
    env = {"FUSIONSER_CACHE": "off"}
    message = refused("extract", demo_folder, *EVALUATE, "--out", out / "f.parquet", env=env, largest_file=20_000)
    assert "cannot write" in message
    assert "File too large" in message
    assert list(out.iterdir()) == []
    message = refused(
        "fit", demo_folder, *EVALUATE, "--no-estimate", "--out", out / "m.fusionser", env=env, largest_file=20_000
    )
    assert "cannot write" in message
    assert list(out.iterdir()) == []


def test_a_disk_that_is_truly_full(refused, demo_folder, tmp_path):
    """The same on a file system of 64 kB, where this machine lets one be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small file system here")
    try:
        message = refused("extract", demo_folder, *EVALUATE, "--out", place / "f.parquet")
        assert "No space left on device" in message
        assert list(place.iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_cache_without_room_costs_nothing_but_the_cache(command, demo_folder, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small file system here")
    try:
        done = command(
            "extract", demo_folder, *EVALUATE, "--out", tmp_path / "f.parquet", env={"FUSIONSER_CACHE": str(place)}
        )
        assert done.status == 0
        assert "cannot be read or written" in done.messages
        assert len(pd.read_parquet(tmp_path / "f.parquet")) == 240
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corpora", "generate", ""], "error: got an empty argument; a shell variable may not be set"),
        (["evaluate", "x", "--out", ""], "error: got an empty value for --out; a shell variable may not be set"),
        (["evaluate", "x", "--out="], "error: got an empty value for --out; a shell variable may not be set"),
    ],
)
def test_an_empty_path_is_not_the_working_folder(refused, tmp_path, arguments, message):
    assert message in refused(*arguments, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--out", "--timeline"])
@pytest.mark.parametrize("place", ["loop", "loop/t.csv"])
def test_a_link_to_itself_is_no_place_for_results(refused, tmp_path, option, place):
    (tmp_path / "loop").symlink_to("loop")
    told = refused("predict", "clip.wav", option, place, cwd=tmp_path)
    assert told == f"error: {option} is {place}, where a link leads back to itself; choose another path"
    with pytest.raises(FusionserError, match="a link on its path leads back to itself"):
        write_text(tmp_path / place, "text")
    assert (tmp_path / "loop").is_symlink()


@pytest.mark.parametrize("date", ["abc", "-5", "99999999999999999", "1.5", "9" * 5000])
def test_a_date_that_cannot_be_right(refused, date):
    """NumPy would end in a ValueError when it is imported."""
    said = refused("list", "corpora", env={"SOURCE_DATE_EPOCH": date})
    assert f"error: SOURCE_DATE_EPOCH is '{date[:40]}'; expected seconds since 1970" in said


def test_the_demo_corpus_is_not_written_between_other_recordings(refused, tmp_path):
    (tmp_path / "mine.wav").write_bytes(b"mine")
    said = refused("corpora", "generate", tmp_path)
    assert "holds 'mine.wav', which is not of the demo corpus; choose a new or empty folder" in said
    assert [file.name for file in tmp_path.iterdir()] == ["mine.wav"]


def test_every_option_that_takes_a_path_refuses_an_empty_one():
    """The list stands beside the commands, since typer makes the working folder of an empty path."""
    commands = [
        "ablate",
        "corpora check",
        "corpora generate",
        "evaluate",
        "evaluate-timeline",
        "extract",
        "fit",
        "info",
    ]
    commands += ["listen", "plan", "predict", "report", "reproduce", "show", "stress", "study"]
    names = {name for command in commands for name, text in option_texts(command).items() if "<path>" in text}
    assert {name for name in names if name.startswith("--")} == PATH_OPTIONS


def test_a_name_that_is_not_utf_8_is_refused_alone(command, demo_folder, tmp_path):
    odd = os.fsencode(tmp_path) + b"/bad\xff.wav"
    shutil.copy(os.fsencode(demo_folder / "synthetic_f1_angry_s1_01.wav"), odd)
    for options in ([], ["--windows", 1], ["--json"]):
        done = command("predict", os.fsdecode(odd), *options)
        assert done.status == 1 and "name" in done.messages + done.output


@pytest.mark.parametrize(
    "text",
    [f"seed = {'9' * 5000}", f"{'.'.join(['a'] * 5000)} = 1", f"x = {'[' * 3000}{']' * 3000}"],
    ids=["a long number", "deep keys", "deep lists"],
)
def test_settings_and_recipes_that_python_cannot_take(refused, demo_folder, tmp_path, text):
    (tmp_path / "odd.toml").write_text(text)
    said = refused("study", tmp_path / "odd.toml", "--out", tmp_path / "out")
    assert "is not valid: " in said and "This is a bug" not in said
    said = refused("evaluate", demo_folder, "--corpus", "demo", "--config", tmp_path / "odd.toml")
    assert "odd.toml: cannot be read as settings" in said


def test_more_folds_than_there_can_be(command, demo_folder):
    # A list of all their numbers would fill the memory.
    done = command("evaluate", demo_folder, "--corpus", "demo", "--blocks", "zcr", "--folds", 10**15)
    assert done.status == 1 and "expected 2 to 8, the number of speakers" in " ".join(done.messages.split())


def test_classes_that_models_answer_when_they_give_none(command, demo_folder, tmp_path):
    for name in ("no speech", "unsure"):
        given = ["--corpus", "demo", "--blocks", "zcr", "--rename", f"sad={name}", "--no-estimate"]
        done = command("fit", demo_folder, *given, "--out", tmp_path / "m.fusionser")
        assert done.status == 1 and f"a class is named '{name}'" in " ".join(done.messages.split())


@pytest.mark.parametrize("status", [0, 3])
def test_a_plugin_that_ends_the_program_is_told(monkeypatch, capsys, status):
    elsewhere = {"__name__": "elsewhere"}
    exec(f"import sys\ndef app(**_): sys.exit({status})", elsewhere)
    monkeypatch.setattr("fusionser_cli.app.app", elsewhere["app"])
    monkeypatch.setattr("sys.argv", ["fusionser", "list"])
    from fusionser_cli.app import main

    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert "a plugin ended the program" in capsys.readouterr().err
