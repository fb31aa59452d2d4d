"""Settings, recipes and stored results: damaged files, and values of the wrong type or size."""

import json
import tomllib
from pathlib import Path

import tomli_w

from fusionser.evaluation.stress import read_stress
from fusionser.results import read_result
from fusionser.spec import Config
from fusionser.studies.recipe import read_recipe
from torture.area import ANSWERED, Area, expect, generator
from torture.changes import change_value, changed

INPUTS = 1500
ROOT = Path(__file__).parents[2]
CONFIG = """
[pipeline.features]
preset = "robust"
[pipeline.classifier]
name = "mlp"
parameters = { epochs = 3 }
[pipeline.rows]
augment = ["noise"]
copies = 2
[protocol]
name = "speaker-kfold"
"""


class Settings(Area):
    """One file each time, read as what it was before its change."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        recipes = sorted((ROOT / "fusionser" / "studies" / "recipes").glob("*.toml"))
        results = sorted((ROOT / "reports" / "in-the-wild" / "cells").glob("*.json"))[:3]
        stress = sorted((ROOT / "reports" / "stress").glob("*/stress.json"))[:1]
        self.files = [
            *((read_recipe, ".toml", path.read_text()) for path in recipes),
            (Config.load, ".toml", CONFIG),
            *((read_result, ".json", path.read_text()) for path in results),
            *((Config.load, ".json", path.read_text()) for path in results[:1]),
            *((read_stress, ".json", path.read_text()) for path in stress),
        ]
        for number, (read, suffix, text) in enumerate(self.files):
            whole = folder / f"whole-{number}{suffix}"
            whole.write_text(text)
            expect(read(str(whole)) is not None, "a whole file is not read")

    def attempt(self, number: int) -> str:
        rng = generator(self.seed, number)
        read, suffix, text = self.files[int(rng.integers(len(self.files)))]
        file = self.folder / f"hostile{suffix}"
        if rng.random() < 0.4:
            file.write_bytes(changed(text.encode(), rng))
        else:
            value = tomllib.loads(text) if suffix == ".toml" else json.loads(text)
            for _ in range(int(rng.integers(1, 4))):
                change_value(value, rng)
            try:
                file.write_text(tomli_w.dumps(value) if suffix == ".toml" else json.dumps(value))
            except TypeError:
                # TOML has no null.
                file.write_text(json.dumps(value))
        read(str(file))
        return ANSWERED


AREA = Settings
