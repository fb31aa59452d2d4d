"""The examples of docs/examples run as they are: a web service, a table, a notebook."""

import asyncio
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import ROOT
from running_server import Server

from fusionser.model import load_model
from fusionser.serving.stream import FAULT, FINISHED, LATER, POLICY, TOO_LARGE, UNSUPPORTED, Start
from fusionser.timeline import predict_timeline

EXAMPLES = ROOT / "docs" / "examples"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clip(demo_rows):
    return demo_rows["file"][0]


def test_the_service_answers_recordings_and_refuses_the_rest(clip):
    testclient = pytest.importorskip("fastapi.testclient")
    client = testclient.TestClient(loaded("service").app)
    answer = client.post("/emotion", files={"recording": Path(clip).read_bytes()})
    expected = load_model().predict(clip, abstain=True, most_unlike=1).iloc[0]
    assert answer.status_code == 200
    assert answer.json()["emotion"] == expected["emotion"]
    assert answer.json()["probability"] == pytest.approx(expected["probability"])
    answer = client.post("/emotion", files={"recording": b"not audio"})
    assert answer.status_code == 422 and "not readable as audio" in answer.json()["detail"]


def test_the_stream_prints_the_windows_of_a_recording(saved, demo_rows, tmp_path, capsys):
    websocket = pytest.importorskip("websockets")
    samples = np.concatenate([soundfile.read(file)[0] for file in demo_rows["file"][:5]])
    soundfile.write(tmp_path / "talk.wav", samples, 16000)
    expected = predict_timeline(str(tmp_path / "talk.wav"), load_model(saved["svm"])).windows
    server = Server(saved["svm"], "--workers", 1)
    try:
        asyncio.run(loaded("stream").follow(str(tmp_path / "talk.wav"), f"ws://127.0.0.1:{server.port}/stream"))
    finally:
        server.stop()
    assert (
        websocket
        and [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == expected["emotion"].tolist()
    )


def test_the_page_on_the_stream_names_its_fields_and_codes():
    text = (ROOT / "docs" / "stream.md").read_text()
    for name in Start.model_fields:
        assert f"`{name}`" in text
    for code in (FINISHED, UNSUPPORTED, POLICY, TOO_LARGE, FAULT, LATER):
        assert f"| {code} |" in text


def test_the_table_keeps_its_columns_and_gets_the_answers(demo_rows, tmp_path, capsys):
    shutil.copy(demo_rows["file"][2], tmp_path / "third.wav")
    calls = pd.DataFrame({"file": [*demo_rows["file"][:2], "third.wav", "missing.wav"], "agent": [7, 8, 9, 10]})
    calls.to_csv(tmp_path / "calls.csv", index=False)
    loaded("table").main(str(tmp_path / "calls.csv"), str(tmp_path / "answered.csv"))
    answered = pd.read_csv(tmp_path / "answered.csv")
    assert answered["agent"].tolist() == [7, 8, 9, 10]
    assert answered["emotion"][:3].tolist() == load_model().predict(demo_rows["file"][:3].tolist())["emotion"].tolist()
    assert "1 of 4 cannot be used" in capsys.readouterr().out


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    names = {}
    for cell in cells:
        assert not cell.get("outputs")
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "notebook", "exec"), names)
    assert len(names["answers"]) == len(names["table"]) > 10
    seconds = sum(soundfile.info(file).duration for file in names["table"]["file"][:8])
    assert names["timeline"].seconds == pytest.approx(seconds)
    assert "matplotlib" in sys.modules


def test_mixed_features_are_searched_and_scored(demo_rows, capsys):
    pytest.importorskip("opensmile", reason="the extra 'opensmile' is not installed")
    if importlib.util.find_spec("resemblyzer") is None:
        pytest.skip("the weights of 'ge2e' are not installed")
    example = loaded("mixed_features")
    example.main(str(Path(demo_rows["file"][0]).parent), "demo")
    said = capsys.readouterr().out
    assert float(said.split("UAR ")[1].split(",")[0]) > 0.5
    assert "research" in said and "- pretrained: ge2e (Resemblyzer) on LibriSpeech" in said
