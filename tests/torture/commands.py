"""The command line on messy folders: what is good in them is used, and no traceback is printed."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from command_process import Outcome, run_command

from torture.area import ANSWERED, Area, expect, generator
from torture.audio import KINDS, Audio

INPUTS = 60
GOOD, HOSTILE = 6, 20
EMOTIONS = ("sad", "happy")
MODEL = Path(__file__).parents[1] / "reference" / "wide-svm.fusionser"


class Commands(Area):
    """One messy folder and one command each time."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.audio = Audio(_made(folder / "audio"), seed)
        rng = np.random.default_rng(seed)
        self.good = {}
        for number in range(GOOD):
            path = folder / f"good-{number}.wav"
            soundfile.write(path, 0.1 * rng.normal(size=8000), 16000)
            self.good[path.name] = path.read_bytes()
        self.env = {"FUSIONSER_CACHE": str(folder / "cache")}
        self.expected = {
            Path(answer["file"]).name: answer["probabilities"]
            for answer in self._run("predict", MODEL, *sorted(folder.glob("good-*.wav")), "--json").json
        }

    def _run(self, *arguments: object) -> Outcome:
        done = run_command(*arguments, env=self.env)
        for sign in ("Traceback", "internal error", "Warning"):
            at = done.messages.find(sign)
            expect(at < 0, f"{arguments[0]}: {done.messages[max(at - 100, 0) : at + 200]}")
        expect(done.status in (0, 1, 2), f"{arguments[0]}: status {done.status}: {done.messages[-300:]}")
        return done

    def attempt(self, number: int) -> str:
        rng = generator(self.seed, number)
        tree = self.folder / f"tree-{number}"
        try:
            self._fill(tree, rng)
            USES[number % len(USES)](self, tree, rng)
        finally:
            shutil.rmtree(tree, ignore_errors=True)
        return ANSWERED

    def _fill(self, tree: Path, rng: np.random.Generator) -> None:
        """Write good recordings of two emotions, hostile ones, links in circles, and files of other kinds."""
        for place, (name, content) in enumerate(self.good.items()):
            folder = _made(tree / EMOTIONS[place % 2])
            (folder / name).write_bytes(content)
        for number in range(HOSTILE):
            place = _made(self.folder / "hostile" / str(number))
            made = KINDS[int(rng.integers(len(KINDS)))](self.audio, place, rng)
            if not os.path.lexists(made):
                continue
            target = tree / EMOTIONS[int(rng.integers(2))] / f"{number}-{made.name[:200]}"
            made.rename(target)
        shutil.rmtree(self.folder / "hostile")
        (tree / "sad" / "loop").symlink_to(tree)
        for path in [path for path in tree.rglob("*") if path.is_file() and rng.random() < 0.5]:
            # What macOS writes beside each file on the disks of other systems.
            path.with_name(f"._{path.name[:240]}").write_bytes(b"\0\5\x16\7" + rng.bytes(int(rng.integers(0, 200))))
        (tree / "Thumbs.db").write_bytes(rng.bytes(100))
        (tree / "happy" / "linked").symlink_to(tree / "sad")

    def expect_good(self, answers: dict[str, object]) -> None:
        """Expect the answers of the good recordings to be those of undisturbed ones."""
        for name, probabilities in self.expected.items():
            expect(answers.get(name) == probabilities, f"{name} has another answer than alone")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def predict(area: Commands, tree: Path, rng: np.random.Generator) -> None:
    options = [["--isolate"], ["--jobs", "2"], ["--accept-truncated"], []][int(rng.integers(4))]
    answers = area._run("predict", MODEL, tree, "--json", *options).json
    area.expect_good({Path(answer["file"]).name: answer["probabilities"] for answer in answers if not answer["error"]})
    expect(all(answer["error"] or answer["emotion"] for answer in answers), "neither an answer nor an error")


def check(area: Commands, tree: Path, rng: np.random.Generator) -> None:
    found = area._run("corpora", "check", "folders", tree, "--layout", "{emotion}/*", "--json").json
    expect(found["recordings"] >= GOOD, f"{found['recordings']} recordings of at least {GOOD}")
    refused = {Path(entry["file"]).name for entry in found["unusable"]}
    expect(not refused & set(area.good), "good recordings are refused")


def extract(area: Commands, tree: Path, rng: np.random.Generator) -> None:
    out = tree.with_suffix(".parquet")
    area._run("extract", tree, "--corpus", "folders", "--layout", "{emotion}/*", "--blocks", "zcr,rms", "--out", out)
    table = pd.read_parquet(out)
    out.unlink()
    expect(set(area.good) <= {Path(file).name for file in table["file"]}, "good recordings are missing")
    values = table.filter(like="__").to_numpy(dtype=float)
    expect(bool(np.isfinite(values).all()), "a feature that is not finite")


def moving(area: Commands, tree: Path, rng: np.random.Generator) -> None:
    """Predict while other files vanish, grow, and are cut."""
    stop = threading.Event()
    others = [
        path for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and path.name not in area.good
    ]

    def move() -> None:
        while not stop.is_set() and others:
            path = others.pop(int(rng.integers(len(others))))
            kind = int(rng.integers(3))
            try:
                if kind == 0:
                    path.unlink()
                elif kind == 1:
                    os.truncate(path, int(rng.integers(0, 4000)))
                else:
                    with path.open("ab") as stream:
                        stream.write(rng.bytes(5000))
            except OSError:
                continue
            time.sleep(0.05)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        predict(area, tree, rng)
    finally:
        stop.set()
        mover.join()


def listed(area: Commands, tree: Path, rng: np.random.Generator) -> None:
    """Predict from a list of all names, those of absent files included."""
    files = [str(path) for path in sorted(tree.rglob("*")) if "\n" not in str(path)]
    names = tree.with_suffix(".txt")
    names.write_bytes(b"\n".join(map(os.fsencode, [*files, str(tree / "absent.wav")])))
    answers = area._run("predict", MODEL, "--list", names, "--json").json
    area.expect_good({Path(answer["file"]).name: answer["probabilities"] for answer in answers if not answer["error"]})


def fit_and_predict(area: Commands, tree: Path, rng: np.random.Generator) -> None:
    out = tree.with_suffix(".fusionser")
    done = area._run(
        "fit",
        tree,
        "--corpus",
        "folders",
        "--layout",
        "{emotion}/*",
        "--blocks",
        "zcr",
        "--no-estimate",
        "--out",
        out,
        "--json",
    )
    expect(done.status == 0 and out.is_file(), f"no model: {done.messages[-300:]}")
    answers = area._run(
        "predict",
        out,
        *[tree / EMOTIONS[0] / name for name in area.good if (tree / EMOTIONS[0] / name).exists()],
        "--json",
    ).json
    out.unlink()
    expect(all(not answer["error"] for answer in answers) and bool(json.dumps(answers)), "good recordings are refused")


USES = (predict, check, extract, moving, listed, fit_and_predict)
AREA = Commands
