"""From the paper's design to the preset best: the time of a prediction, and the size of the file, of each step."""

import statistics
from pathlib import Path

from benchmarks.measuring import Figure, files, fit_model, spent_on
from fusionser.model import load_model

CLIPS = 24

FISHER_VECTORS = ("fisher-vectors", "fisher-vectors[context=2,spacing=2,name=fisher-vectors-short]")
NETWORKS = ("conv2d", "conv2d-mfcc")

TRAINED = ("--epochs", "1")
"""For networks: a model of an epoch answers as fast as any."""


def _late(*blocks: str) -> list[str]:
    return ["--blocks", ",".join(blocks), "--fusion", "average", "--scaling", "bounded"]


STEPS = {
    "SER-FusionNet, random forest": ["--preset", "ser-fusionnet", "--classifier", "random-forest", *TRAINED],
    "robust, SVM": ["--preset", "robust", "--classifier", "svm"],
    "robust, kernel ridge": ["--preset", "robust", "--classifier", "kernel-ridge"],
    "robust + Fisher vectors, kernel ridge": [*_late("robust", *FISHER_VECTORS), "--classifier", "kernel-ridge"],
    "conv2d + conv2d-mfcc": [*_late(*NETWORKS), *TRAINED],
    "best": ["--preset", "best", *TRAINED],
}
ASKED = {"best": 25.0}
"""Milliseconds."""


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of every step."""
    names = files(ravdess, CLIPS)
    figures = []
    for place, (name, options) in enumerate(STEPS.items()):
        path = fit_model(ravdess, scratch / f"{place}.fusionser", *options)
        spent = round(statistics.median(spent_on(load_model(path).predict_proba, names)), 1)
        what = f"{name}, one core, a file, p50"
        figures += [
            Figure(what=what, value=spent, unit="ms", asked=ASKED.get(name), at_most=True),
            Figure(what=f"{name}, file of the model", value=round(path.stat().st_size / 1e6, 1), unit="MB"),
        ]
        path.unlink()
    return figures
