"""The scores of a result in each of the corpora that it was tested on."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from fusionser.evaluation.metrics import METRICS, Counts, speaker_intervals
from fusionser.results import Result, Scores

__all__ = ["CorpusScores", "corpus_of", "corpus_scores"]


@dataclass(frozen=True)
class CorpusScores:
    """Scores of the recordings of one corpus, pooled over its speakers.

    Parameters
    ----------
    speakers : int
        Number of speakers.
    scores : Scores
    intervals : mapping of str to (float, float), optional
        95 % intervals from resampling the speakers of the corpus; None with too few of them.
    """

    speakers: int
    scores: Scores
    intervals: Mapping[str, tuple[float, float]] | None


def corpus_of(speaker: str, corpora: Collection[str]) -> str:
    """Return the corpus that a speaker of several corpora is of; empty if the name does not tell.

    Examples
    --------
    >>> corpus_of("emodb/03", ["ravdess", "emodb"]), corpus_of("03", ["emodb"])
    ('emodb', '')
    """
    first = speaker.split("/")[0]
    return first if first in corpora else ""


def corpus_scores(result: Result) -> dict[str, CorpusScores]:
    """Return the scores in each corpus, by its name; nothing if all test speakers are of one corpus, or unknown."""
    confusions: dict[str, dict[str, Counts]] = {}
    for speaker, counts in result.speaker_confusions.items():
        confusions.setdefault(corpus_of(speaker, result.corpora), {})[speaker] = np.asarray(counts)
    if len(confusions) < 2 or "" in confusions:
        return {}
    return {
        corpus: CorpusScores(
            speakers=len(of_speakers),
            scores=_pooled(of_speakers.values()),
            intervals=speaker_intervals(of_speakers, seed=result.seed),
        )
        for corpus, of_speakers in confusions.items()
    }


def _pooled(confusions: Iterable[Counts]) -> Scores:
    matrix = np.sum([*confusions], axis=0)
    return Scores(**{name: float(metric(matrix)) for name, metric in METRICS.items()})
