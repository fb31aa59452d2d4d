"""The generated demo corpus, in the folder where pages run their commands."""

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from fusionser.corpora import generate_demo

WORK = Path(__file__).parents[1] / "_build" / "work"
"""Folder in which the commands of pages run."""

SHORT_NAMES = {"clip.wav": "synthetic_f1_angry_s1_01.wav", "other.wav": "synthetic_m3_sad_s2_02.wav"}
"""Recordings whose names leave room for the tables that commands print."""


LEFT_OUT = "m3"
"""The speaker whom the model of the first tutorial never hears."""


def generate(app: Sphinx, config: Config) -> None:
    """Write the demo corpus, and most of it again as folders of speakers with folders of emotions."""
    del app, config
    generate_demo(WORK / "recordings")
    for name, source in SHORT_NAMES.items():
        shutil.copy2(WORK / "recordings" / source, WORK / name)
    # An earlier build may have sorted the recordings in another way.
    shutil.rmtree(WORK / "voices", ignore_errors=True)
    for path in (WORK / "recordings").glob("*.wav"):
        _, speaker, emotion, name = path.name.split("_", 3)
        if speaker != LEFT_OUT:
            folder = WORK / "voices" / speaker / emotion
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Generate it before pages are read."""
    app.connect("config-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
