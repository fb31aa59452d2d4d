"""What commands print, in pages: the commands of a lesson are run one after the other on synthetic voices."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from fusionser.corpora import generate_demo

__all__ = ["alike", "command_of", "prepare", "printed"]

SHORT_NAMES = {"clip.wav": "synthetic_f1_angry_s1_01.wav", "other.wav": "synthetic_m3_sad_s2_02.wav"}
"""Recordings that the first lesson copies."""

LEFT_OUT = "m3"
"""The speaker whom the model of the first lesson never hears."""

WIDTH = "76"
"""Width of the tables that commands print into pages."""

NUMBER = re.compile(r"\d+(?:\.\d+)?(?: s\b)?")


def prepare(folder: Path) -> None:
    """Write the recordings of the lessons into a folder, as their readers have them."""
    generate_demo(folder / "recordings")
    for name, source in SHORT_NAMES.items():
        shutil.copy2(folder / "recordings" / source, folder / name)
    for path in (folder / "recordings").glob("*.wav"):
        _, speaker, emotion, name = path.name.split("_", 3)
        if speaker != LEFT_OUT:
            place = folder / "voices" / speaker / emotion
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place / name)


def command_of(part: str) -> str:
    """Return the command of a part of a page that shows one with its output."""
    return part.partition("$ ")[2].partition("\n")[0]


def printed(command: str, folder: Path) -> str:
    """Run a command of fusionser in a folder, and return it with what it prints, as a page has it."""
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=folder,
        env={**os.environ, "COLUMNS": WIDTH, "FUSIONSER_CACHE": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=True,
    )
    lines = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return f"```console\n$ {command}\n{lines}\n```"


def alike(one: str, other: str) -> bool:
    """Return whether two texts differ only in durations, and in numbers by 1 %, as those of two machines do."""
    if NUMBER.sub("0", one) != NUMBER.sub("0", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(a.endswith("s") or abs(float(a) - float(b)) <= 0.01 * max(float(a), float(b)) for a, b in pairs)
