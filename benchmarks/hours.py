"""An hour of speech, from an MP3 file to a time line: how much faster than it is spoken, and the memory."""

import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import soundfile
import soxr

from benchmarks.measuring import Figure, files, fit_model

RATE = 16000
HOUR, PART = 3600, 600
PAUSE = 0.5
CLIPS = 200
NETWORK = "log-mel-frames"
MODELS = {
    "SVM on robust": (("--preset", "robust", "--classifier", "svm"), 60),
    NETWORK: (("--blocks", NETWORK, "--epochs", "1"), 20),
}
"""Options of `fusionser fit`, and how many times faster than the speech the time line is asked to be."""

MOST_MEBIBYTES = 500


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return seconds of speech per second of processor time, and peak memory, of `fusionser predict --timeline`."""
    names = files(ravdess, CLIPS)
    hour, part = (_joined(names, seconds, scratch / f"{seconds}.mp3") for seconds in (HOUR, PART))
    found = []
    for name, (chosen, asked) in MODELS.items():
        model = fit_model(ravdess, scratch / f"{name.split()[0]}.fusionser", *chosen)
        _, few = _time_line(model, part, scratch)
        spent, most = _time_line(model, hour, scratch)
        plain, _ = _time_line(model, hour, scratch, "line.json")
        found += [
            Figure(what=f"{name}: an hour to a page, with its sound, faster than it is spoken",
                   value=round(HOUR / spent, 1), unit="times", asked=asked),
            Figure(what=f"{name}: an hour to JSON, faster than it is spoken", value=round(HOUR / plain, 1),
                   unit="times"),
            Figure(what=f"{name}: peak memory for an hour", value=most, unit="MiB", asked=MOST_MEBIBYTES, at_most=True,
                   note=f"{few} MiB for ten minutes"),
        ]  # fmt: skip
    return found


def _joined(names: list[str], seconds: int, target: Path) -> Path:
    """Write clips one after the other, with pauses, until the recording is long enough."""
    left = seconds * RATE
    with soundfile.SoundFile(target, "w", RATE, 1, format="MP3") as joined:
        for name in cycle(names):
            samples, own = soundfile.read(name, dtype="float32")
            heard = soxr.resample(samples, own, RATE)[:left]
            joined.write(heard)
            pause = min(round(PAUSE * RATE), left - heard.size)
            joined.write([0.0] * pause)
            left -= heard.size + pause
            if left == 0:
                return target
    raise AssertionError("names are repeated without end")


def _time_line(model: Path, recording: Path, scratch: Path, line: str = "line.html") -> tuple[float, int]:
    """Return the seconds of processor time, from the start of the process to its end, and the peak memory in MiB."""
    code = "from fusionser_cli.start import main; main()"
    given = ["predict", str(model), str(recording), "--timeline", str(scratch / line)]
    with (scratch / "told.txt").open("w") as told:
        running = subprocess.Popen([sys.executable, "-c", code, *given], stdout=told, stderr=told)
        _, status, used = os.wait4(running.pid, 0)
    if status:
        raise RuntimeError(f"fusionser {' '.join(given)} failed: {(scratch / 'told.txt').read_text()}")
    return used.ru_utime + used.ru_stime, round(used.ru_maxrss / 1024)
