"""`fusionser listen`, with a package in the place of sounddevice whose microphone plays a file."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from fusionser.model import load_model
from fusionser.timeline import predict_timeline

MICROPHONE = """
import os, threading, time
import soundfile

def query_devices(device=None, kind=None):
    devices = [
        {"name": "Loud Speaker", "max_input_channels": 0, "default_samplerate": 44100.0},
        {"name": "Desk\\nMic", "max_input_channels": 1, "default_samplerate": float(os.environ.get("RATE", 16000))},
    ]
    if kind is None:
        return devices
    if device is None or device == 1 or str(device) in "Desk Mic":
        return devices[1]
    raise ValueError(f"No input device matching {device!r}")

class InputStream:
    def __init__(self, samplerate, blocksize, device, channels, callback):
        assert (samplerate, blocksize, channels) == (16000, 1600, 1)
        if "BUSY" in os.environ:
            raise RuntimeError("Device unavailable")
        self.callback, self.blocksize, self.open = callback, blocksize, True

    def play(self):
        samples, _ = soundfile.read(os.environ["PLAYED"], dtype="float32", always_2d=True)
        if "BROKEN" in os.environ:
            samples[64000:] = float("nan")
        for first in range(0, len(samples), self.blocksize):
            block = samples[first : first + self.blocksize].copy()
            if first == 64000 and "BROKEN" in os.environ:
                time.sleep(2)
            self.callback(block, len(block), None, None)
            block[:] = 9.0
        while self.open and "SILENT" not in os.environ:
            self.callback(samples[:0], 0, None, None)
            time.sleep(0.02)

    def __enter__(self):
        threading.Thread(target=self.play, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.open = False
"""


@pytest.fixture(scope="module")
def microphone(tmp_path_factory, demo_rows):
    """A folder with the package, and 6 s of speech."""
    folder = tmp_path_factory.mktemp("microphone")
    (folder / "sounddevice.py").write_text(MICROPHONE)
    samples = np.concatenate([soundfile.read(file, dtype="float32")[0] for file in demo_rows["file"][:8]])[: 6 * 16000]
    assert len(samples) == 6 * 16000
    soundfile.write(folder / "played.wav", samples, 16000, subtype="FLOAT")
    return folder


@pytest.fixture
def listen(command, microphone):
    def run(*arguments, **env):
        given = {"PYTHONPATH": str(microphone), "PLAYED": str(microphone / "played.wav"), **env}
        return command("listen", *arguments, env=given)

    return run


def test_what_is_heard_is_what_a_file_with_the_same_samples_gives(listen, microphone, tmp_path):
    done = listen("--seconds", 6, "--hop", 1, "--json", "--out", tmp_path / "heard.csv")
    assert done.status == 0, done.messages
    assert "listening to 'Desk Mic' at 16000 Hz; the first answer comes after 3 s" in " ".join(done.messages.split())
    lines = [json.loads(line) for line in done.output.splitlines()]
    expected = predict_timeline(str(microphone / "played.wav"), load_model(), windows=3.0, hop=1.0).windows
    assert [line["start"] for line in lines] == expected["start"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert [line["emotion"] for line in lines] == expected["emotion"].tolist()
    found = [line["probability"] for line in lines]
    assert found == pytest.approx(expected["probability"].tolist(), abs=1e-6)
    assert pd.read_csv(tmp_path / "heard.csv")["emotion"].tolist() == expected["emotion"].tolist()


def test_lines_for_people(listen, saved):
    done = listen(saved["svm"], "--seconds", 2, "--windows", 1, "--hop", 0.5)
    assert done.status == 0, done.messages
    lines = done.output.splitlines()
    assert len(lines) == 3 and lines[0].startswith("0.0 s to 1.0 s") and lines[0].endswith(" %") and "█" in lines[0]
    assert "3 windows: " in done.messages


def test_less_than_a_window_has_one_answer(listen):
    done = listen("--seconds", 0.2)
    assert done.status == 0 and len(done.output.splitlines()) == 1 and "1 window: " in done.messages


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        (
            ["--microphone", "Studio"],
            {},
            "no microphone 'Studio' (No input device matching 'Studio'); there are: Desk Mic",
        ),
        ([], {"BUSY": "1"}, "the microphone 'Desk Mic' cannot be opened (Device unavailable)"),
        ([], {"RATE": "nan"}, "the microphone 'Desk Mic' states a rate of nan Hz; choose another with --microphone"),
        ([], {"SILENT": "1"}, "the microphone 'Desk Mic' gives no samples; is it plugged in"),
        (["--seconds", "inf"], {}, "--seconds is inf; expected more than 0"),
        (["--seconds", "-1"], {}, "--seconds is -1; expected more than 0"),
        (["--windows", "0.1"], {}, "windows is 0.1; expected 0.25 to 900 seconds (--windows)"),
    ],
)
def test_what_cannot_be_is_told(listen, arguments, env, message):
    done = listen(*arguments, **env)
    assert done.status == 1 and message in " ".join(done.messages.split())


def test_without_the_package_the_remedy_is_told(command, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise ImportError")
    done = command("listen", env={"PYTHONPATH": str(tmp_path)})
    assert done.status == 1
    assert "listening needs the package sounddevice; install it with: pip install 'fusionser[microphone]'" in " ".join(
        done.messages.split()
    )
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    done = command("listen", env={"PYTHONPATH": str(tmp_path)})
    assert done.status == 1 and "apt install libportaudio2" in " ".join(done.messages.split())


def test_what_was_heard_is_kept_when_the_microphone_breaks(listen, saved, tmp_path):
    given = [saved["svm"], "--windows", 1, "--hop", 0.5, "--out", tmp_path / "heard.csv"]
    done = listen(*given, BROKEN="1")
    assert done.status == 1 and "NaN or infinite" in done.messages
    assert 1 <= len(pd.read_csv(tmp_path / "heard.csv")) <= 7
    done = listen(tmp_path / "heard.csv", "--out", tmp_path / "heard.csv")
    assert done.status == 1 and "which is read, too" in done.messages
