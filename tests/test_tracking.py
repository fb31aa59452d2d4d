"""Runs are recorded by MLflow and TensorBoard: a real server, and real event files, read back."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd
import pytest

from fusionser.errors import SettingsError
from fusionser.files import public_command, without_credentials
from fusionser.registry import TRACKERS
from fusionser.results import read_result
from fusionser.tracking import Tracker, TrackingError, TrackingRun, open_tracker, record_run
from fusionser.tracking.runs import flat

NETWORK = ["--corpus", "demo", "--network", "conv1d", "--epochs", 2, "--folds", 2]


def server_program():
    """The program mlflow of the whole package; what is installed here is its client, which comes without a server."""
    named = os.environ.get("FUSIONSER_MLFLOW")
    if named:
        return named
    try:
        # mlflow-skinny has the program, too, but no server.
        distribution("mlflow")
    except PackageNotFoundError:
        pytest.skip("no server of MLflow: name the program mlflow of an environment that has it by FUSIONSER_MLFLOW")
    return str(Path(sys.executable).with_name("mlflow"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of MLflow on this machine."""
    program = server_program()
    folder = tmp_path_factory.mktemp("mlflow")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    places = ["--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", str(folder / "files")]
    settings = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *places], cwd=folder, env=settings, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.fixture(scope="module")
def client(server):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server)


@pytest.fixture(scope="module")
def evaluated(command, demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    place = f"tensorboard:{folder / 'runs'}"
    done = command("evaluate", demo_folder, *NETWORK, "--out", folder / "out", "--track", place)
    assert done.status == 0, done.messages
    return folder


@pytest.fixture(scope="module")
def sent(command, demo_folder, server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sent")
    done = command("evaluate", demo_folder, *NETWORK, "--out", folder / "out", "--track", f"mlflow:{server}")
    assert done.status == 0, done.messages
    return folder


def expected_scores(result):
    scores = {name: getattr(result.pooled, name) for name in ("war", "uar", "macro_f1")}
    scores |= {f"recall.{name}": one.recall for name, one in result.per_class.items()}
    scores |= {f"{name}_low": low for name, (low, _) in (result.intervals or {}).items()}
    scores |= {f"{name}_high": high for name, (_, high) in (result.intervals or {}).items()}
    return scores | {"calibration_error": result.calibration_error}


def the_run(client, **more):
    experiment = client.get_experiment_by_name("fusionser")
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"], **more)[0]


def curves_of(folder):
    return pd.read_csv(folder / "out" / "learning_curves.csv")


def test_an_evaluation_is_read_back_from_a_server_of_mlflow(sent, client, tmp_path):
    result = read_result(sent / "out" / "result.json")
    run = the_run(client, filter_string="attributes.run_name LIKE 'network-alone%'")
    assert run.info.status == "FINISHED"
    spec = json.loads((sent / "out" / "result.json").read_text())["spec"]
    recorded = run.data.params
    assert {name: text for name, text in recorded.items() if name.startswith("pipeline.")} == flat(spec, "pipeline.")
    assert recorded["pipeline.networks.epochs"] == "2" and recorded["protocol.settings.folds"] == "2"
    assert "uar_low" in expected_scores(result)
    assert {name: run.data.metrics[name] for name in expected_scores(result)} == expected_scores(result)
    curves = curves_of(sent)
    for (network, fold), part in curves.groupby(["network", "fold"]):
        history = client.get_metric_history(run.info.run_id, f"{network}/{fold}/training_loss".replace(",", "_"))
        assert [(one.step, one.value) for one in history] == list(
            zip(part["epoch"], part["training_loss"], strict=True)
        )
    assert len(curves) == 4
    files = {one.path for one in client.list_artifacts(run.info.run_id)}
    # The page in HTML may contain recordings, which stay here.
    assert files == {path.name for path in (sent / "out").iterdir()} - {"report.html"}
    for name in files:
        path = client.download_artifacts(run.info.run_id, name, str(tmp_path))
        assert Path(path).read_bytes() == (sent / "out" / name).read_bytes()


def test_an_evaluation_is_read_back_from_event_files(evaluated):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (evaluated / "runs").iterdir()
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    result = read_result(evaluated / "out" / "result.json")
    for name, value in expected_scores(result).items():
        # Event files hold numbers of 32 bits.
        assert [one.value for one in events.Scalars(f"scores/{name}")] == pytest.approx([value], rel=1e-6)
    for (network, fold), part in curves_of(evaluated).groupby(["network", "fold"]):
        curve = events.Scalars(f"{network}/{fold}/training_loss")
        assert [one.step for one in curve] == part["epoch"].tolist()
        assert [one.value for one in curve] == pytest.approx(part["training_loss"].tolist(), rel=1e-6)
    for path in (folder / "artefacts").iterdir():
        assert path.read_bytes() == (evaluated / "out" / path.name).read_bytes()


def test_a_fitted_model_is_the_artefact(command, demo_folder, server, client, tmp_path):
    model = tmp_path / "model.fusionser"
    options = ["--corpus", "demo", "--blocks", "mfcc", "--out", model, "--track", f"mlflow:{server}"]
    done = command("fit", demo_folder, *options)
    assert done.status == 0, done.messages
    run = the_run(client)
    (tmp_path / "back").mkdir()
    path = client.download_artifacts(run.info.run_id, "model.fusionser", str(tmp_path / "back"))
    assert Path(path).read_bytes() == model.read_bytes()
    assert run.data.params["pipeline.classifier.name"] == "svm" and "uar" in run.data.metrics


def test_each_evaluation_of_a_study_is_a_run_in_that_of_the_study(command, demo_folder, server, client, tmp_path):
    options = [
        "--corpus",
        "demo",
        "--study",
        "blocks",
        "--blocks",
        "zcr,rms",
        "--folds",
        "2",
        "--out",
        tmp_path / "out",
    ]
    done = command("ablate", demo_folder, *options, "--track", f"mlflow:{server}")
    assert done.status == 0, done.messages
    cells = {path.stem for path in (tmp_path / "out" / "cells").glob("*.json")}
    parent = the_run(client, filter_string=f"params.evaluations = '{len(cells)}'")
    inside = client.search_runs(
        [parent.info.experiment_id], filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert {run.info.run_name for run in inside} == cells
    for run in inside:
        result = read_result(tmp_path / "out" / "cells" / f"{run.info.run_name}.json")
        assert run.data.metrics["uar"] == result.pooled.uar


def test_a_server_that_is_away_costs_no_result_and_shows_no_password(command, demo_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    place = "mlflow:http://me:secret@127.0.0.1:9"
    options = ["--corpus", "demo", "--blocks", "zcr", "--folds", 2, "--out", tmp_path / "out", "--track", place]
    done = command("evaluate", demo_folder, *options)
    assert done.status == 1
    assert "error: the run was not recorded by mlflow:http://***@127.0.0.1:9" in done.messages
    assert "secret" not in done.messages + done.output
    assert read_result(tmp_path / "out" / "result.json").classifier == "svm"
    for path in (tmp_path / "out").iterdir():
        assert b"secret" not in path.read_bytes()


class Dying(Tracker):
    """A place that is gone after the parent run."""

    name = "dying"

    def write(self, run, parent):
        self.begun = True
        raise ConnectionError("gone, with http://me:secret@host in its message")


def test_what_was_recorded_in_part_is_told_and_does_not_keep_others_from_recording(monkeypatch):
    seen = []

    class Remembering(Tracker):
        """A place that remembers."""

        name = "remembering"

        def write(self, run, parent):
            seen.append(run.name)

    monkeypatch.setattr(TRACKERS, "_added", {})
    TRACKERS.register("dying", Dying)
    TRACKERS.register("remembering", Remembering)
    trackers = [open_tracker("dying:x"), open_tracker("remembering")]
    (error,) = record_run(trackers, TrackingRun(name="r"))
    assert isinstance(error, TrackingError) and error.begun
    assert "not recorded completely by dying:x" in str(error) and "secret" not in str(error)
    assert seen == ["r"]
    assert [tracker.complete for tracker in trackers] == [False, True]


def test_trackers_are_checked_before_the_work(command, demo_folder):
    for text, message in (
        ("mlfow", "unknown tracker 'mlfow'; did you mean 'mlflow'?"),
        ("tensorboard", "expected a folder, such as tensorboard:runs"),
        (f"tensorboard:{Path(__file__)}", "it is a file; expected a folder"),
        ("mlflow:ftp://x", "which MLflow cannot open"),
    ):
        done = command("evaluate", demo_folder, "--corpus", "demo", "--track", text)
        assert done.status == 1 and message in done.messages


@pytest.mark.parametrize(("name", "module"), [("mlflow", "mlflow"), ("tensorboard:x", "tensorboard")])
def test_a_missing_package_is_named(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf'needs the package {module}, .*pip install "fusionser\[{module}\]"'):
        open_tracker(name)


def test_passwords_are_no_part_of_recorded_commands():
    words = ["fusionser", "evaluate", "x", "--track=mlflow:http://me:s@c/ret@host/x", "--track", "mlflow:https://a:b@c"]
    assert "a:b" not in public_command(words) and "***@c" in public_command(words)
    assert without_credentials("sqlite:////folder/a@b") == "sqlite:////folder/a@b"


def test_in_python(demo_folder, tmp_path):
    import fusionser

    spec = fusionser.PipelineSpec(features={"blocks": ["zcr"]})
    # The server is gone when there is something to record.
    with pytest.warns(RuntimeWarning, match="not recorded by mlflow"):
        place = "mlflow:http://127.0.0.1:9"
        result = fusionser.evaluate(demo_folder, spec, corpus="demo", protocol_settings={"folds": 2}, track=[place])
    assert result.classifier == "svm"
    fusionser.fit(demo_folder, spec, corpus="demo", protocol=None, track=[f"tensorboard:{tmp_path / 'runs'}"])
    assert [path.name for path in (tmp_path / "runs").rglob("*.fusionser")] == ["model.fusionser"]
