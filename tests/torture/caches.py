"""Damaged caches: the numbers are always those without a cache."""

import shutil
from pathlib import Path

import numpy as np
import soundfile

from fusionser import FeatureExtractor
from fusionser.cache import Cache
from fusionser.classifiers import MLP
from fusionser.features import MFCC, ZeroCrossingRate
from torture.area import ANSWERED, REFUSED, Area, expect, generator
from torture.changes import changed

INPUTS = 500


class Caches(Area):
    """One damaged file of a cache each time, of features or of a trained network."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        rng = np.random.default_rng(seed)
        self.clips = [str(folder / f"{number}.wav") for number in range(4)]
        for clip in self.clips:
            soundfile.write(clip, 0.1 * rng.normal(size=3000), 16000)
        self.inputs, self.targets = rng.normal(size=(40, 3)).astype(np.float32), np.repeat(["a", "b"], 20)
        self.cache = Cache(folder / "whole")
        self.features, self.probabilities = self._computed(None), self._trained(None)
        self._computed(self.cache)
        self._trained(self.cache)
        self.files = sorted(path for path in (folder / "whole").rglob("*") if path.is_file())

    def _computed(self, cache: Cache | None) -> np.ndarray:
        extractor = FeatureExtractor(blocks=[("zcr", ZeroCrossingRate()), ("mfcc", MFCC())], cache=cache)
        return np.asarray(extractor.fit_transform(self.clips))

    def _trained(self, cache: Cache | None) -> np.ndarray:
        return MLP(epochs=2, cache=cache, random_state=0).fit(self.inputs, self.targets).predict_proba(self.inputs)

    def attempt(self, number: int) -> str:
        rng = generator(self.seed, number)
        copy = self.folder / str(number)
        try:
            shutil.copytree(self.folder / "whole", copy)
            damaged = copy / self.files[int(rng.integers(len(self.files)))].relative_to(self.folder / "whole")
            damaged.write_bytes(changed(damaged.read_bytes(), rng))
            if damaged.suffix == ".safetensors":
                expect(np.array_equal(self._trained(Cache(copy)), self.probabilities), "another network")
                return ANSWERED
            try:
                expect(np.array_equal(self._computed(Cache(copy)), self.features), "other features")
            except Exception as error:
                if type(error).__name__ == "FusionserError" and "delete it" in str(error):
                    return REFUSED
                raise
            return ANSWERED
        finally:
            shutil.rmtree(copy)


AREA = Caches
