"""Ctrl-C while soundfile writes or reads an object of Python ends in KeyboardInterrupt, and prints nothing."""

import io
import signal
import threading

import numpy as np
import pytest
import soundfile

from fusionser.augmentation import recording_chain
from fusionser.augmentation.recording_chain import encode
from fusionser.interrupts import held_interrupts
from fusionser.opening import Sequential


class Interrupting(io.BytesIO):
    """A file whose user presses Ctrl-C at the given number of calls."""

    calls = 0

    def _press(self):
        type(self).calls += 1
        if self.calls == 3:
            signal.raise_signal(signal.SIGINT)

    def write(self, content):
        self._press()
        return super().write(content)

    def readinto(self, buffer):
        self._press()
        return super().readinto(buffer)


@pytest.fixture(autouse=True)
def pressed(monkeypatch):
    monkeypatch.setattr(Interrupting, "calls", 0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


NOISE = np.random.default_rng(0).uniform(-0.1, 0.1, 48000).astype(np.float32)


def test_while_a_clip_is_encoded(monkeypatch, capfd):
    monkeypatch.setattr(recording_chain.io, "BytesIO", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        encode(NOISE, 16000, 0, codec="mp3", kbps=64.0)
    assert Interrupting.calls >= 3 and capfd.readouterr().err == ""


def test_while_a_recording_is_read(capfd):
    file = io.BytesIO()
    soundfile.write(file, NOISE, 16000, format="FLAC")
    with pytest.raises(KeyboardInterrupt):
        Sequential(Interrupting(file.getvalue())).read(NOISE.size)
    assert Interrupting.calls >= 3 and capfd.readouterr().err == ""


def test_in_another_thread_nothing_is_held():
    handlers = []

    def run():
        with held_interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
