"""The commands with networks in them, as a user runs them."""

import signal
import time

import pandas as pd
import pytest
from command_process import start_command

DEEP = ["--corpus", "demo", "--epochs", 2]


def test_everything_at_once_is_fitted_saved_and_predicts(command, demo_folder, tmp_path):
    blocks = ["--blocks", "acoustic,statistics,gender,conv1d", "--classifier", "bilstm", "--imbalance", "weights"]
    copies = ["--augment", "noise,pitch,stretch,lowpass", "--copies", 2, "--gender", "estimated", "--device", "auto"]
    done = command("fit", demo_folder, *DEEP, *blocks, *copies, cwd=tmp_path)
    assert done.status == 0, done.messages
    assert "model.fusionser: bilstm on acoustic+statistics+gender+conv1d, 5 classes" in done.output
    clip = sorted(demo_folder.iterdir())[0]
    answer = command("predict", tmp_path / "model.fusionser", clip, "--json").json[0]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_networks_leave_their_learning_curves_beside_the_report(command, demo_folder, tmp_path):
    options = ["--preset", "ser-fusionnet", "--classifier", "mlp", "--folds", 2, "--out", tmp_path]
    done = command("evaluate", demo_folder, *DEEP, *options)
    assert done.status == 0, done.messages
    assert "mlp on demo, ser-fusionnet (39 columns)" in done.output
    curves = pd.read_csv(tmp_path / "learning_curves.csv")
    assert set(curves["network"]) == {"conv1d", "classifier"}
    assert curves.groupby(["fold", "network"])["epoch"].max().tolist() == [2.0] * 4
    assert {"training_loss", "validation_loss", "validation_uar", "learning_rate"} <= set(curves.columns)
    page = (tmp_path / "report.md").read_text()
    assert "learning_curves.png" in page
    assert "gender of the test speakers estimated from the voice" in page


@pytest.mark.parametrize("fusion", ["average", "stacked"])
def test_late_fusion_at_the_command_line(command, demo_folder, fusion):
    options = ["--blocks", "mfcc,conv1d", "--fusion", fusion, "--protocol", "speaker-holdout", "--json"]
    folds = ["--cross-fit", 2] if fusion == "stacked" else []
    result = command("evaluate", demo_folder, *DEEP, *options, *folds).json
    assert result["classifier_settings"]["fusion"] == fusion
    assert result["feature_count"] == 20 + 5
    assert result["features"][1]["output"] == "scores"


def test_a_network_of_a_paper_is_an_ordinary_choice(command, demo_folder, tmp_path):
    options = ["--network", "conv1d-lstm-speech", "--corpus", "demo", "--epochs", 1]
    done = command("evaluate", demo_folder, *options, "--protocol", "speaker-holdout", "--out", tmp_path)
    assert done.status == 0, done.messages
    assert "network-alone on demo, conv1d-lstm-speech (5 columns)" in done.output
    model = tmp_path / "network.fusionser"
    fitted = command("fit", demo_folder, *options, "--out", model, "--no-estimate")
    assert fitted.status == 0 and "network-alone on conv1d-lstm-speech" in fitted.output
    answer = command("predict", model, sorted(demo_folder.iterdir())[0], "--json").json[0]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "lstm"], "unknown network 'lstm'"),
        (["--network", "crnn", "--classifier", "svm"], "--network answers by itself; leave out --classifier"),
        (["--network", "crnn", "--blocks", "mfcc"], "a network reads the recording itself"),
        (
            ["--network", "crnn", "--gender", "estimated"],
            "got --network with --gender; a network that answers by itself",
        ),
        (["--network", "crnn", "--duration", 0.5], "pools of 2, 4, 4, 4 need 128 or more"),
    ],
)
def test_networks_that_cannot_be_had(command, demo_folder, options, message):
    done = command("evaluate", demo_folder, *DEEP, *options)
    assert done.status == 1
    assert message in done.messages


def test_settings_that_a_network_replaces_are_named_once(command, demo_folder, tmp_path):
    written = tmp_path / "settings.toml"
    written.write_text('[pipeline]\nfusion = "average"\n\n[pipeline.classifier]\ntune = true\n')
    options = ["--config", written, "--network", "conv1d", "--epochs", 1, "--protocol", "speaker-holdout"]
    done = command("evaluate", demo_folder, "--corpus", "demo", *options)
    assert done.status == 0, done.messages
    assert done.messages.count("so these settings of the file are not used: classifier, fusion") == 1


def test_a_given_value_that_a_search_does_not_try_is_named(command, demo_folder, tmp_path):
    written = tmp_path / "settings.toml"
    written.write_text("[pipeline.classifier]\ntune = true\n\n[pipeline.classifier.parameters]\nC = 5.0\n")
    options = ["--config", written, "--blocks", "rms", "--classifier", "svm", "--protocol", "speaker-holdout"]
    done = command("evaluate", demo_folder, "--corpus", "demo", *options)
    assert done.status == 0, done.messages
    said = " ".join(done.messages.split())
    assert "C = 5.0 of the settings file is not tried: the search chooses C from 1.0, 10.0, 100.0" in said


def test_what_learns_is_not_extracted_beforehand(command, demo_folder, tmp_path):
    options = ["--blocks", "mfcc,conv1d", "--out", tmp_path / "f.parquet"]
    done = command("extract", demo_folder, "--corpus", "demo", *options)
    assert done.status == 1
    assert "conv1d learns from training rows, so it cannot be extracted beforehand" in done.messages


def test_a_run_that_keeps_nothing_leaves_nothing(command, demo_folder, tmp_path):
    kept, temporary = tmp_path / "kept", tmp_path / "temporary"
    temporary.mkdir()
    env = {"FUSIONSER_CACHE": str(kept), "TMPDIR": str(temporary)}
    options = ["--preset", "ser-fusionnet", "--protocol", "speaker-holdout", "--no-cache", "--jobs", 1]
    done = command("evaluate", demo_folder, *DEEP, *options, env=env)
    assert done.status == 0, done.messages
    options = ["--blocks", "mfcc", "--augment", "noise", "--no-cache", "--jobs", 1, "--protocol", "speaker-holdout"]
    done = command("evaluate", demo_folder, "--corpus", "demo", *options, env=env)
    assert done.status == 0, done.messages
    assert not kept.exists()
    assert list(temporary.glob("fusionser-*")) == []


def kept_networks(folder):
    return {path.name for path in folder.glob("[!.]*") if ".checkpoint" not in path.name}


def test_ctrl_c_in_a_training_stops_and_what_was_trained_is_found_again(demo_folder, tmp_path, command):
    """The first fold's network is kept; the one that was being trained is not."""
    options = ["--blocks", "conv1d", "--epochs", 15, "--folds", 4]
    running = start_command(
        "evaluate", demo_folder, "--corpus", "demo", *options, env={"FUSIONSER_CACHE": str(tmp_path)}
    )
    networks = tmp_path / "networks"
    deadline = time.monotonic() + 120
    while not kept_networks(networks):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    messages = running.communicate(timeout=60)[1]
    assert running.returncode == 130, messages
    assert "stopped. Run the same command again to continue" in messages
    assert "Traceback" not in messages
    kept = kept_networks(networks)
    assert 1 <= len(kept) < 4
    done = command("evaluate", demo_folder, "--corpus", "demo", *options, env={"FUSIONSER_CACHE": str(tmp_path)})
    assert done.status == 0
    assert kept < kept_networks(networks)
