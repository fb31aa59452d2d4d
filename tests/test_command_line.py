"""The main job through the command line, on the demo corpus."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
from command_process import start_command

from fusionser.classifiers import CLASSIFIERS
from fusionser.features import PRESETS
from fusionser.names import FUSIONS, IMBALANCE, SETTINGS
from fusionser.networks import computes_bfloat16
from fusionser.scaling import SCALERS


@pytest.fixture(scope="module")
def features(command, demo_folder, session_folder):
    file = session_folder / "features.parquet"
    done = command(
        "extract",
        demo_folder,
        "--corpus",
        "demo",
        "--preset",
        "fusionnet",
        "--gender",
        "none",
        "--out",
        file,
        "--jobs",
        2,
    )
    assert done.status == 0, done.messages
    assert "240 recordings, 168 columns (fusionnet)" in done.output
    return file


@pytest.fixture(scope="module")
def model(command, features, session_folder):
    file = session_folder / "demo.fusionser"
    done = command("fit", features, "--classifier", "svm", "--out", file)
    assert done.status == 0, done.messages
    assert "trained on 240 recordings of 8 speakers of demo" in done.output
    assert "Expected performance (estimated by speaker-holdout" in done.output
    return file


def test_the_features_file_holds_rows_features_and_settings(features):
    table = pd.read_parquet(features)
    assert len(table) == 240
    assert not table.isna().any().any()
    assert {"file", "speaker", "emotion", "audio", "mfcc__00_mean"} <= set(table.columns)
    described = json.loads(pq.read_schema(features).metadata[b"fusionser"])
    assert described["name"] == "fusionnet"
    assert described["features"][2]["kind"] == "mfcc"
    assert described["features"][2]["duration"] == 2.5
    assert described["provenance"]["versions"]["soxr"]


def test_evaluate_takes_a_folder_a_table_and_a_features_file(command, demo_folder, features, tmp_path):
    pd.read_parquet(features)[["file", "emotion", "speaker", "gender"]].to_csv(tmp_path / "rows.csv", index=False)
    options = ["--preset", "fusionnet", "--gender", "none", "--json", "--folds", 4]
    scores = [
        command("evaluate", *place, *options).json["pooled"]
        for place in ([demo_folder, "--corpus", "demo"], [tmp_path / "rows.csv"], [features])
    ]
    assert scores[0] == scores[1] == scores[2]
    assert scores[0]["uar"] > 0.6


def test_evaluate_writes_a_report(command, features, tmp_path):
    done = command("evaluate", features, "--protocol", "leave-one-speaker-out", "--out", tmp_path / "report")
    assert done.status == 0
    assert "SYNTHETIC RECORDINGS" in done.output
    assert "leave-one-speaker-out, 8 folds; inductive; fixed parameters" in done.output
    assert (tmp_path / "report" / "report.md").is_file()


@pytest.mark.parametrize(
    ("protocol", "folds"),
    [
        (["speaker-kfold", "--folds", "4"], 4),
        (["speaker-holdout", "--test-speakers", "f1,m2"], 1),
        (["speaker-holdout", "--test-share", "0.5"], 1),
        (["leave-one-statement-out"], 2),
        (["random-kfold", "--folds", "3", "--stratified"], 3),
        (["random-holdout", "--test-share", "0.2"], 1),
    ],
)
def test_every_protocol_runs(command, features, protocol, folds):
    result = command("evaluate", features, "--protocol", *protocol, "--json").json
    assert len(result["folds"]) == folds
    assert result["protocol"]["name"] == protocol[0]


@pytest.mark.parametrize(
    "options",
    [
        ["--classifier", "random-forest", "--imbalance", "weights"],
        ["--classifier", "xgboost"],
        ["--tune"],
        ["--tune-trials", "2"],
        ["--setting", "speaker-normalised"],
        ["--setting", "adapted", "--adaptation", "coral"],
        ["--scaling", "robust"],
        ["--blocks", "mfcc,pitch", "--duration", "2.5"],
        ["--classes", "angry,sad"],
    ],
)
def test_every_choice_of_evaluate_changes_what_is_run(command, features, options):
    result = command(
        "evaluate", features, "--protocol", "speaker-holdout", "--test-speakers", "f1,m1", *options, "--json"
    ).json
    assert result["pooled"]["uar"] > 0.5
    told = json.dumps(
        {**result["classifier_settings"], **result["protocol"], "c": result["classes"], "f": result["features_name"]}
    )
    expected = {
        "random-forest": "balanced",
        "xgboost": "colsample_bytree",
        "--tune": "inner-folds",
        "--tune-trials": '"trials": 2',
        "speaker-normalised": "speaker-normalised",
        "coral": '"adaptation": "coral"',
        "robust": "robust",
        "mfcc,pitch": "mfcc+pitch",
        "angry,sad": '["angry", "sad"]',
    }
    assert next(mark for name, mark in expected.items() if name in options) in told


@pytest.mark.parametrize("job", [["evaluate"], ["fit", "--out", "m.fusionser"]])
def test_a_split_that_cannot_be_made_is_told_before_features_are_computed(command, tmp_path, job):
    for place in range(8):
        folder = tmp_path / "folder" / ("angry" if place < 4 else "sad")
        folder.mkdir(parents=True, exist_ok=True)
        # Too short for any feature: whatever computes features says so.
        soundfile.write(folder / f"{place}.wav", np.full(10, place / 10), 16000)
    done = command(*job, tmp_path / "folder", "--protocol", "leave-one-speaker-out", cwd=tmp_path)
    assert done.status == 1
    assert "8 of 8 rows have no speaker" in done.messages


def test_cross_corpus_takes_two_folders(command, demo_folder, features, tmp_path):
    table = pd.read_parquet(features, columns=["file", "emotion", "speaker"])
    half = table[table["speaker"].isin(["demo/f1", "demo/m1"])].assign(corpus="other", speaker="other/x")
    half.to_csv(tmp_path / "other.csv", index=False)
    left = table[~table["speaker"].isin(["demo/f1", "demo/m1"])].assign(corpus="demo")
    left.to_csv(tmp_path / "demo.csv", index=False)
    options = ["--preset", "fusionnet", "--gender", "none", "--json"]
    split = ["--protocol", "cross-corpus", "--test-corpora", "other"]
    done = command("evaluate", tmp_path / "demo.csv", tmp_path / "other.csv", *split, *options)
    assert done.json["folds"][0]["test_rows"] == 60
    assert done.json["corpora"] == ["demo", "other"]


def test_predict_answers_files_folders_lists_and_standard_input(command, demo_folder, model, tmp_path):
    files = sorted(demo_folder.iterdir())[:3]
    folder = tmp_path / "clips"
    folder.mkdir()
    for file in files:
        (folder / file.name).symlink_to(file)
    (tmp_path / "list.txt").write_text("\n".join(map(str, files)) + "\n")
    pd.DataFrame({"file": list(map(str, files))}).to_csv(tmp_path / "list.csv", index=False)
    ways = [
        command("predict", model, *files, "--json"),
        command("predict", model, folder, "--json"),
        command("predict", model, "--list", tmp_path / "list.txt", "--json"),
        command("predict", model, "--list", tmp_path / "list.csv", "--json"),
        command("predict", model, "-", "--json", stdin="\n".join(map(str, files))),
    ]
    answers = [[one["probabilities"] for one in way.json] for way in ways]
    assert all(answer == answers[0] for answer in answers)
    assert all(sum(probabilities.values()) == pytest.approx(1) for probabilities in answers[0])
    shown = command("predict", model, files[0], "--out", tmp_path / "answers.csv")
    assert files[0].name not in shown.output
    assert "answers.csv: 1 recording" in shown.output
    assert pd.read_csv(tmp_path / "answers.csv")["emotion"][0] in answers[0][0]


def test_predict_counts_answers_that_are_not_the_most_probable_class(command, features, tmp_path):
    """As an SVM's are that compares classes in pairs, here with labels that were shuffled."""
    table = pd.read_parquet(features)[["file", "speaker", "emotion"]]
    table["emotion"] = table["emotion"].sample(frac=1, random_state=0).to_numpy()
    table.to_csv(tmp_path / "shuffled.csv", index=False)
    command("fit", tmp_path / "shuffled.csv", "--classifier", "svm", "--no-estimate", "--out", tmp_path / "m.fusionser")
    done = command("predict", tmp_path / "m.fusionser", tmp_path / "shuffled.csv", "--json")
    answers = done.json
    less = sum(max(one["probabilities"], key=one["probabilities"].get) != one["emotion"] for one in answers)
    assert less and f"{less} of 240 answers are not the class with the highest probability" in done.messages


@pytest.mark.parametrize(("columns", "header"), [(80, "probability"), (200, "angry")])
def test_predict_leaves_the_classes_out_where_the_terminal_is_narrow(demo_folder, model, columns, header):
    file = sorted(demo_folder.iterdir())[0]
    reader, terminal = pty.openpty()
    given = [sys.executable, "-m", "fusionser", "predict", str(model), str(file)]
    with os.fdopen(reader, "rb", buffering=0) as shown:
        done = subprocess.Popen(
            given, stdout=terminal, stderr=subprocess.DEVNULL, env={**os.environ, "COLUMNS": str(columns)}
        )
        os.close(terminal)
        text = b""
        # At the end of a terminal, reading fails.
        with suppress(OSError):
            while piece := shown.read(4096):
                text += piece
        assert done.wait(60) == 0
    first = next(line for line in text.decode().splitlines() if "emotion" in line)
    assert header in first and ("probability" in first) != ("angry" in first)


def test_predict_advises_windows_for_long_recordings(command, demo_folder, model, tmp_path):
    clips = [soundfile.read(file)[0] for file in sorted(demo_folder.iterdir())]
    soundfile.write(tmp_path / "long.wav", np.resize(np.concatenate(clips), 16000 * 31), 16000)
    told = "note: 1 recording of more than 30 s got one answer for the whole; --windows 3"
    files = sorted(demo_folder.iterdir())[:2]
    assert told in command("predict", model, *files, tmp_path / "long.wav").messages
    assert "got one answer" not in command("predict", model, *files).messages
    # One that is refused got none.
    soundfile.write(tmp_path / "hours.flac", np.zeros(16 * 901_000, dtype=np.int16), 16000)
    refused = command("predict", model, tmp_path / "hours.flac")
    assert "expected at most 900 s" in " ".join(refused.output.split()) and "got one answer" not in refused.messages


def test_fit_says_when_a_model_cannot_be_told_from_chance(command, features, model, tmp_path):
    table = pd.read_parquet(features)[["file", "speaker", "emotion"]]
    table["emotion"] = table["emotion"].sample(frac=1, random_state=0).to_numpy()
    table.to_csv(tmp_path / "shuffled.csv", index=False)
    out = tmp_path / "m.fusionser"
    shuffled = command("fit", tmp_path / "shuffled.csv", "--protocol", "speaker-kfold", "--out", out)
    assert "cannot be told from chance" in shuffled.output
    assert "cannot be told from chance" not in command("fit", features, "--out", out).output


def test_fit_does_not_write_a_model_under_the_name_of_another_kind_of_file(command, features, tmp_path):
    done = command("fit", features, "--out", tmp_path / "m.onnx")
    assert done.status != 0 and "expected a file ending in .fusionser" in done.messages
    assert not (tmp_path / "m.onnx").exists()


def test_predict_answers_for_what_it_cannot_use(command, demo_folder, model, tmp_path):
    good = sorted(demo_folder.iterdir())[0]
    (tmp_path / "bad.wav").write_text("text")
    done = command("predict", model, good, tmp_path / "bad.wav", tmp_path / "gone.wav", "--json")
    assert done.status == 0
    assert [bool(one["error"]) for one in done.json] == [False, True, True]
    assert done.json[1]["emotion"] is None
    assert "cannot be used: not readable as audio" in command("predict", model, tmp_path / "bad.wav").output
    assert command("predict", model, tmp_path / "bad.wav").status == 1
    counted = command("predict", model, good, tmp_path / "bad.wav", "--out", tmp_path / "answers.csv")
    assert command("predict", model, good, "--out", tmp_path / "answers").status == 0
    assert (tmp_path / "answers" / "answers.csv").read_text().count("\n") == 2
    assert "cannot be used: 1 recording; see the column 'error'" in counted.output
    assert "answers.csv: 2 recordings" in counted.output


@pytest.mark.parametrize("option", [("--epochs", "3"), ("--precision", "bfloat16")])
def test_an_option_of_networks_is_refused_where_there_is_none(command, demo_folder, option):
    done = command("evaluate", demo_folder, "--blocks", "rms", *option)
    assert done.status == 1
    assert f"{option[0]} has no effect, because there is no network that takes it" in done.messages


def test_a_slow_precision_is_told_where_networks_are_trained(command, demo_folder, tmp_path):
    note = "note: the processor of this machine does not support bfloat16, so networks train more slowly in it"
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        'title = "Small"\nquestion = "Q?"\nprecision = "bfloat16"\nsettings = ["inductive"]\n'
        '[[pipelines]]\nname = "rms"\nclassifiers = ["svm"]\nspec.features = { blocks = ["rms"] }\n'
        '[[corpora]]\ncorpus = "demo"\npipelines = ["rms"]\n[[corpora.protocols]]\nname = "speaker-kfold"\n'
    )
    study = ["study", recipe, "--place", f"demo={demo_folder}", "--out", tmp_path / "study"]
    network = ["evaluate", demo_folder, "--network", "conv1d", "--folds", 2, "--epochs", 1]
    slow = not computes_bfloat16("auto")
    assert (note in command(*study).messages) == slow
    assert note not in command(*study, "--partial").messages
    assert (note in command(*network, "--precision", "bfloat16").messages) == slow
    assert note not in command(*network).messages


def test_predict_adapts_a_model_to_the_recordings_that_it_is_given(command, demo_folder, model):
    files = sorted(demo_folder.iterdir())[:12]
    plain, adapted = (command("predict", model, *files, "--json", *more) for more in ([], ["--adapt"]))
    assert ["setting" in one for one in plain.json] == [False] * 12
    assert [one["setting"] for one in adapted.json] == ["adapted"] * 12
    assert [one["probabilities"] for one in adapted.json] != [one["probabilities"] for one in plain.json]
    assert "note: adapted to fewer than 50 recordings" in adapted.messages
    assert "adapted to 12 recordings, without their labels" in command("predict", model, *files, "--adapt").output
    few = command("predict", model, *files[:9], "--adapt")
    assert few.status == 1
    assert "got 9 usable clips to adapt to; expected 10 or more (50 are advisable)" in few.messages


def test_a_model_that_is_fitted_to_be_adapted_says_so(command, demo_folder, features, tmp_path):
    model = tmp_path / "m.fusionser"
    done = command("fit", features, "--setting", "adapted", "--no-estimate", "--out", model)
    assert "it has to be adapted to the clips that it predicts: 'fusionser predict --adapt'" in done.output
    files = sorted(demo_folder.iterdir())[:12]
    refused = command("predict", model, *files)
    assert refused.status == 1 and "adapt it first" in refused.messages
    assert command("predict", model, *files, "--adapt", "--json").json[0]["setting"] == "adapted"


def test_settings_that_a_command_cannot_use_are_refused(command, features, tmp_path):
    alone = command("evaluate", features, "--adaptation", "coral")
    assert "--adaptation is for --setting adapted, but the setting is inductive; leave it out" in alone.messages
    kept = command("fit", features, "--setting", "speaker-normalised", "--out", tmp_path / "m.fusionser")
    assert "cannot be saved" in kept.messages and "use --setting inductive or adapted" in kept.messages
    assert alone.status == kept.status == 1


def test_a_model_with_the_gender_asks_for_it(command, demo_folder, tmp_path):
    model = tmp_path / "m.fusionser"
    command(
        "fit",
        demo_folder,
        "--corpus",
        "demo",
        "--preset",
        "fusionnet",
        "--gender",
        "given",
        "--no-estimate",
        "--out",
        model,
    )
    clip = sorted(demo_folder.iterdir())[0]
    refused = command("predict", model, clip)
    assert refused.status == 1
    assert "give --gender female or --gender male" in refused.messages
    assert command("predict", model, clip, "--gender", "female", "--json").json[0]["emotion"]


def test_corpora_are_listed_checked_and_generated(command, demo_folder, tmp_path):
    listed = command("corpora", "--json", env={"FUSIONSER_DATA": str(demo_folder.parent)}).json
    found = {one["name"]: one["recordings_found"] for one in listed["corpora"]}
    assert found["demo"] == 240
    assert found["savee"] is None
    assert "zenodo.org/records/1188976" in command("corpora", env={"FUSIONSER_DATA": ""}).output
    checked = command("corpora", "check", "demo", demo_folder)
    assert "complete; every recording can be used" in checked.output
    made = command("corpora", "generate", tmp_path / "demo", "--seed", 3, "--json").json
    assert made == {"folder": str(tmp_path / "demo"), "recordings": 240, "synthetic": True}


def test_check_lists_what_is_missing_doubled_identical_and_unusable(command, demo_folder, tmp_path):
    import shutil

    folder = tmp_path / "demo"
    shutil.copytree(demo_folder, folder)
    names = sorted(path.name for path in folder.iterdir())
    (folder / names[0]).unlink()
    (folder / names[1]).write_text("text")
    shutil.copy(folder / names[2], folder / names[3])
    (folder / "again").mkdir()
    shutil.copy(folder / names[4], folder / "again" / names[4])
    (folder / "stranger.wav").write_bytes(b"")
    found = command("corpora", "check", "demo", folder, "--json").json
    assert any(names[0].removesuffix(".wav") in line for line in found["missing"])
    assert names[1] in found["unusable"][0]["reason"]
    assert [sorted(path.split("/")[-1] for path in group) for group in found["identical_audio"]] == [
        [names[2], names[3]]
    ]
    assert found["doubled"] == [[str(folder / "again" / names[4]), str(folder / names[4])]]
    assert found["ignored"] == [str(folder / "stranger.wav")]
    shown = command("corpora", "check", "demo", folder).output
    for mark in (
        "differs from the complete corpus",
        "duplicate recordings",
        "same audio under several names",
        "cannot be used",
    ):
        assert mark in shown


def test_the_same_command_gives_the_same_numbers(command, features):
    runs = [command("evaluate", features, "--classifier", "xgboost", "--folds", 2, "--json").json for _ in range(2)]
    assert runs[0]["pooled"] == runs[1]["pooled"]
    assert runs[0]["intervals"] == runs[1]["intervals"]


def test_an_interrupted_extraction_goes_on_where_it_was(command, demo_folder, tmp_path):
    env = {"FUSIONSER_CACHE": str(tmp_path / "cache")}
    arguments = ["extract", demo_folder, "--corpus", "demo", "--out", tmp_path / "f.parquet", "--jobs", 1]
    running = start_command(*arguments, env=env)
    import sqlite3
    from contextlib import closing

    def kept():
        try:
            with closing(sqlite3.connect(tmp_path / "cache" / "features.sqlite")) as connection:
                return connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
        except sqlite3.Error:
            return 0

    while running.poll() is None and kept() == 0:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, messages = running.communicate(timeout=60)
    assert running.returncode == 130, messages
    assert "stopped. Run the same command again to continue" in messages
    assert "Traceback" not in messages
    assert not (tmp_path / "f.parquet").exists()
    done = command(*arguments, "--json", env=env).json
    assert 0 < done["computed"] < 240
    assert done["rows"] == 240


def test_help_and_version(command):
    assert "extract" in command("--help").output
    assert command("--version").output.startswith("fusionser ")
    told = command("evaluate", "--help-all", env={"COLUMNS": "400"}).output
    for name in (*PRESETS, *CLASSIFIERS, *SCALERS, *IMBALANCE, *FUSIONS, *SETTINGS):
        assert re.search(rf"\b{name}\b", told), name
    for name in ("extract", "fit", "evaluate", "predict", "study", "corpora"):
        told = command(name, "--help")
        assert told.status == 0
        assert command(name, "-h").output == told.output


def test_ctrl_c_while_the_commands_are_imported():
    code = """
import sys

class Stops:
    def find_spec(self, name, path, target=None):
        if name == "fusionser_cli.corpora":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Stops())
from fusionser_cli.start import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.startswith("stopped. ") and "Traceback" not in done.stderr


MEETS_CTRL_C = """
import signal, sys, time
import fusionser_cli.app
from fusionser_cli.start import main

class Destroyed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        for _ in range(100):
            pass

def command():
    {command}
    print("went on")

fusionser_cli.app.main = command
main()
"""


def test_ctrl_c_in_a_destructor_is_not_forgotten():
    code = MEETS_CTRL_C.format(command="Destroyed(); time.sleep(60)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.startswith("stopped. ") and done.stderr.count("\n") == 1


def test_ctrl_c_after_the_work_is_done_leaves_nothing_half_removed():
    code = MEETS_CTRL_C.format(command="import atexit; atexit.register(signal.raise_signal, signal.SIGINT)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_the_package_is_run_as_the_command():
    by_name, by_package = (
        subprocess.run([*start, "-h"], capture_output=True, text=True, check=True)
        for start in ([Path(sys.executable).with_name("fusionser")], [sys.executable, "-m", "fusionser"])
    )
    assert "Usage: fusionser " in by_package.stdout
    assert by_package.stdout == by_name.stdout


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--protocol", "speaker-kfold", "--folds", 99], "--folds"),
        (["--protocol", "random-holdout", "--test-share", 3], "--test-share"),
        (["--protocol", "speaker-holdout", "--test-speakers", "nobody"], "--test-speakers"),
        (["--protocol", "cross-corpus"], "--test-corpora"),
        (["--protocol", "cross-corpus", "--test-corpora", "emodb"], "--test-corpora"),
        (["--duration=-1"], "--duration"),
        (["--offset", 1e308], "--offset"),
        (["--impose-imbalance", 0.5], "--impose-imbalance"),
        (["--seed", "x"], "--seed"),
    ],
)
def test_an_error_names_the_option(command, demo_folder, options, named):
    done = command("evaluate", demo_folder, "--corpus", "demo", "--blocks", "zcr", *options)
    assert done.status != 0 and named in done.messages


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_names_that_the_encoding_of_a_pipe_does_not_have(command, saved, demo_rows, tmp_path, encoding):
    clip = tmp_path / "中e\u0301😀.wav"
    clip.write_bytes(Path(demo_rows["file"][0]).read_bytes())
    env = {"PYTHONIOENCODING": encoding}
    shown = command("predict", saved["svm"], clip, env=env)
    assert shown.status == 0 and r"\u4e2d" in shown.output
    assert command("predict", saved["svm"], clip, "--json", env=env).json[0]["file"] == str(clip)


@pytest.mark.parametrize("threads", ["abc", "-5", "0", "2,x"])
def test_numbers_of_threads_in_the_environment(command, threads):
    done = command("list", "blocks", env={"OMP_NUM_THREADS": threads})
    assert done.status == 1 and "libgomp" not in done.messages
    assert f"OMP_NUM_THREADS is '{threads}'; expected a number of threads" in done.messages


@pytest.mark.parametrize("logs", ["nonsense", "dynamo"])
def test_logs_in_the_environment(logs):
    # In a new process, since torch reads the variable when it is loaded.
    done = subprocess.run(
        [sys.executable, "-m", "fusionser", "list", "blocks"],
        env={**os.environ, "TORCH_LOGS": logs},
        capture_output=True,
        text=True,
    )
    told = "TORCH_LOGS is 'nonsense'; expected logs that torch knows" in done.stderr
    assert (done.returncode, told) == ((1, True) if logs == "nonsense" else (0, False))


def test_a_working_folder_that_was_deleted(tmp_path):
    (tmp_path / "gone").mkdir()
    script = 'cd "$1/gone" && rmdir "$1/gone" && exec "$2" list blocks'
    fusionser = Path(sys.executable).with_name("fusionser")
    done = subprocess.run(["sh", "-c", script, "sh", tmp_path, fusionser], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "the working folder does not exist any more" in done.stderr


def test_standard_input_that_is_closed(saved):
    fusionser = Path(sys.executable).with_name("fusionser")
    script = 'exec "$1" predict "$2" - <&-'
    done = subprocess.run(
        ["sh", "-c", script, "sh", fusionser, saved["svm"]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "standard input is closed" in done.stderr


@pytest.mark.parametrize("kibibytes", [350_000, 900_000, 1_100_000, 1_400_000])
def test_too_little_memory_ends_in_a_sentence(demo_folder, tmp_path, kibibytes):
    fusionser = Path(sys.executable).with_name("fusionser")
    script = 'ulimit -v "$1" && exec "$2" extract "$3" --corpus demo --blocks rms --out "$4" --jobs 1'
    done = subprocess.run(
        ["sh", "-c", script, "sh", str(kibibytes), fusionser, demo_folder, tmp_path / "x.parquet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    assert ("expected 1024 or more" in done.stderr) == (kibibytes < 2**20)


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["--help"], ["audit", "--help-all"]])
def test_output_that_nobody_reads_ends_the_command_as_in_other_programs(arguments):
    running = subprocess.Popen(
        [sys.executable, "-m", "fusionser", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    running.stdout.close()
    # 128 and the number of SIGPIPE, as a shell shows it; of an audit, 1 would be a leak.
    assert (running.stderr.read(), running.wait()) == (b"", 128 + 13)
    running.stderr.close()
