"""Waveforms in memory: any samples, rates, types and shapes, through every preset and the included model."""

from pathlib import Path
from typing import Any

import numpy as np

from fusionser import load_model, robust, wide
from torture.area import ANSWERED, Area, expect, generator

INPUTS = 600
RATES = (1000, 4000, 7999, 8000, 11025, 16000, 22050, 44100, 96000, 384000)
TYPES = ("float16", "float32", "float64", "int16", "int32", "int8", "uint8", "uint16", "int64", "bool", "complex64")


class Arrays(Area):
    """One array each time: the features of two presets, and the answer of the included model."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self.extractors = {name: made() for name, made in (("robust", robust), ("wide", wide))}
        self.model = load_model()

    def attempt(self, number: int) -> str:
        rng = generator(self.seed, number)
        item = (
            self._samples(rng),
            int(rng.choice(RATES)) if rng.random() < 0.95 else rng.choice([0, -1, 999, 1e9, 8000.5]),
        )
        for name, extractor in self.extractors.items():
            values = np.asarray(extractor.fit_transform([item]))
            names = extractor.get_feature_names_out()
            expect(values.shape == (1, len(names)), f"{name}: {values.shape} for {len(names)} names")
            expect(bool(np.isfinite(values).all()), f"{name}: {names[~np.isfinite(values[0])][:3]} not finite")
        answer = self.model.predict([item]).iloc[0]
        expect(answer["error"] == "" and 0 <= answer["unlikeness"] <= 1, f"no answer: {answer['error']}")
        return ANSWERED

    def _samples(self, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        count = int(rng.choice([0, 1, 2, 100, 511, 2047, 2048, 2049, 8000, 30000]))
        times = np.arange(count)
        makers = (
            lambda: rng.normal(size=count) * 10.0 ** rng.uniform(-6, 0),
            lambda: np.sin(times * rng.uniform(0, np.pi)) * 10.0 ** rng.uniform(-5, 0),
            lambda: np.full(count, rng.uniform(-1, 1)),
            lambda: np.where(times % int(rng.integers(1, 50)) == 0, 1.0, 0.0),
            lambda: np.sign(rng.normal(size=count)),
            lambda: rng.normal(size=count) * (rng.random(count) < 0.01),
            lambda: np.concatenate([np.zeros(count // 2), rng.normal(size=count - count // 2) * 0.3]),
            lambda: rng.normal(size=count) * rng.choice([np.nan, np.inf, 1e30, 1e-38, 1e300]),
            lambda: times / max(count, 1),
        )
        with np.errstate(all="ignore"):
            samples = makers[int(rng.integers(len(makers)))]()
            if rng.random() < 0.3:
                samples = np.stack([samples] * int(rng.integers(1, 4)), axis=int(rng.integers(2)))
            if rng.random() < 0.3:
                samples = (samples * 100).astype(str(rng.choice(TYPES)))
        return np.asarray(samples)


AREA = Arrays
