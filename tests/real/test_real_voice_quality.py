"""Voice quality of real recordings, against Praat."""

import pytest

pytestmark = pytest.mark.corpora

TOLERANCES = {
    "jitter": (0.8, 0.5),
    "shimmer": (0.7, 2.0),
    "shimmer_db": (0.6, 0.2),
    "hnr": (0.85, 3.0),
    "cpps": (0.9, 2.0),
    "f1": (0.9, 0.1),
    "f2": (0.8, 0.1),
    "f3": (0.75, 0.1),
    "alpha_ratio": (0.98, 0.5),
}
"""Least correlation over clips, and largest median difference: per cent, decibels or octaves."""


@pytest.mark.parametrize(("corpus", "folder"), [("ravdess", "ravdess"), ("emodb", "emodb/wav")])
def test_measures_agree_with_praat(corpus, folder, corpus_folder):
    pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    from benchmarks.voice import agreements

    found = agreements(corpus_folder(folder), corpus, count=25)
    for name, (correlation, difference) in TOLERANCES.items():
        assert found[name].correlation >= correlation, (name, found[name])
        assert abs(found[name].difference) <= difference, (name, found[name])
