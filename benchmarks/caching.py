"""Features that are known against features that are computed, in a warm process."""

import time
from pathlib import Path

from benchmarks.measuring import Figure, files
from fusionser.features import Cache, FeatureExtractor, wide

CLIPS = 480


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the third target."""
    names = files(ravdess, CLIPS)
    cache = Cache(scratch)
    extractor = wide()
    extractor.run(names[:3], n_jobs=1)
    cold = _seconds(extractor, names, cache)
    warm = _seconds(extractor, names, cache)
    one = _seconds(wide().set_params(mfcc__n_mfcc=13), names, cache)
    mfcc = dict(wide().set_params(mfcc__n_mfcc=14).blocks)["mfcc"]
    alone = _seconds(FeatureExtractor(blocks=[("mfcc", mfcc)]), names, cache)
    return [
        Figure(what=f"wide set of {CLIPS} clips, computed", value=round(cold, 2), unit="s"),
        Figure(what="the same, known", value=round(warm, 2), unit="s"),
        Figure(what="known against computed", value=round(cold / warm, 1), unit="times", asked=10),
        Figure(what="the same with another number of MFCC", value=round(one, 2), unit="s"),
        Figure(what="that block alone, of which nothing is known", value=round(alone, 2), unit="s"),
    ]


def _seconds(extractor: FeatureExtractor, names: list[str], cache: Cache) -> float:
    began = time.perf_counter()
    extractor.run(names, cache=cache, n_jobs=1)
    return time.perf_counter() - began
