"""Model files: every byte of a small one flipped, and members changed under right hashes."""

import io
import json
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fusionser import PipelineSpec, fit, load_model, save_model
from fusionser.corpora import generate_demo
from torture.area import ANSWERED, Area, expect, generator
from torture.changes import change_value, changed

INPUTS = 11000
KINDS: dict[str, dict[str, Any]] = {
    "svm": {}, "linear-svm": {"n_components": 5}, "random-forest": {"n_estimators": 3}, "xgboost": {"n_estimators": 3},
    "mlp": {"epochs": 2},
}  # fmt: skip


class Models(Area):
    """One model file each time: refused, or loaded and asked for finite probabilities."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        generate_demo(folder / "demo")
        rng = np.random.default_rng(seed)
        self.clip = folder / "clip.wav"
        soundfile.write(self.clip, 0.1 * rng.normal(size=4000), 16000)
        self.contents = {}
        for kind, parameters in KINDS.items():
            spec = PipelineSpec.model_validate(
                {"features": {"blocks": ["zcr"]}, "classifier": {"name": kind, "parameters": parameters}}
            )
            model = fit(folder / "demo", spec, corpus="demo", protocol=None)
            self.contents[kind] = save_model(model, folder / "model.fusionser").read_bytes()
            if kind == "svm":
                self.small = save_model(replace(model, unlikeness=None), folder / "model.fusionser").read_bytes()

    def attempt(self, number: int) -> str:
        rng = generator(self.seed, number)
        file = self.folder / "hostile.fusionser"
        small = self.small
        if number < len(small):
            file.write_bytes(small[:number] + bytes([small[number] ^ int(rng.integers(1, 256))]) + small[number + 1 :])
        else:
            kinds = sorted(self.contents)
            self._rehashed(file, self.contents[kinds[int(rng.integers(len(kinds)))]], rng)
        answer = load_model(file).predict([self.clip]).iloc[0].to_dict()
        chances = [value for name, value in answer.items() if name.startswith("probability_")]
        if answer["error"] == "":
            expect(bool(np.isfinite(chances).all()) and abs(sum(chances) - 1) < 1e-6, f"probabilities {chances}")
        return ANSWERED

    def _rehashed(self, file: Path, content: bytes, rng: np.random.Generator) -> None:
        """Write a model with a changed member, and a manifest that tells the truth about it."""
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(parts.pop("manifest.json"))
        manifest.pop("members")
        if rng.random() < 0.3:
            change_value(manifest, rng)
        else:
            name = sorted(parts)[int(rng.integers(len(parts)))]
            inside = zipfile.is_zipfile(io.BytesIO(parts[name])) and rng.random() < 0.8
            parts[name] = _changed_inside(parts[name], rng) if inside else changed(parts[name], rng)
        listed = {name: {"size": len(part), "sha256": sha256(part).hexdigest()} for name, part in parts.items()}
        written = {**manifest, "members": listed} if isinstance(manifest, dict) else manifest
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            # Python's JSON has numbers that are not finite.
            archive.writestr("manifest.json", json.dumps(written))
            for name, part in parts.items():
                archive.writestr(name, part)


def _changed_inside(content: bytes, rng: np.random.Generator) -> bytes:
    """Change one file in a zip file, such as the schema or an array of the estimators."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = sorted(parts)[int(rng.integers(len(parts)))]
    if name.endswith(".json") and rng.random() < 0.8:
        value = json.loads(parts[name])
        change_value(value, rng)
        parts[name] = json.dumps(value).encode()
    else:
        parts[name] = changed(parts[name], rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for each, written in parts.items():
            archive.writestr(each, written)
    return buffer.getvalue()


AREA = Models
