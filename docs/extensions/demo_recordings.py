"""The generated demo corpus, in the folder where pages run their commands."""

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from fusionser.corpora import generate_demo, list_rows

WORK = Path(__file__).parents[1] / "_build" / "work"
"""Folder in which the commands of pages run."""

SHORT_NAMES = {"clip.wav": "synthetic_f1_angry_s1_01.wav", "other.wav": "synthetic_m3_sad_s2_02.wav"}
"""Recordings whose names leave room for the tables that commands print."""


def generate(app: Sphinx, config: Config) -> None:
    """Write the demo corpus, and most of it again as folders of speakers with folders of emotions."""
    del app, config
    generate_demo(WORK / "recordings")
    for name, source in SHORT_NAMES.items():
        shutil.copy2(WORK / "recordings" / source, WORK / name)
    for row in list_rows(WORK / "recordings", "demo").rows.itertuples():
        path = Path(row.file)
        goal = WORK / "voices" / row.speaker.rpartition("/")[2] / row.emotion / "_".join(path.name.split("_")[-2:])
        if not goal.exists() and row.emotion != "fear":
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, goal)


def setup(app: Sphinx) -> dict[str, Any]:
    """Generate it before pages are read."""
    app.connect("config-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
