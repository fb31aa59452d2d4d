"""Tests and effect sizes whose units are speakers: clips of one voice are not independent of each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from fusionser.errors import SettingsError
from fusionser.evaluation.metrics import FEWEST_SPEAKERS, Counts, unweighted_average_recall

__all__ = [
    "Change",
    "GroupGap",
    "PairedTest",
    "Ranking",
    "compare_ranks",
    "group_gap",
    "holm",
    "least_p",
    "mean_change",
    "paired_test",
]

Array = npt.NDArray[np.float64]

MOST_CONTRASTS = 10
"""Questions that may be asked of one study; each more costs all others some of their power."""

FEWEST_METHODS, MOST_METHODS = 3, 6
RESAMPLES = 99_999
LEVEL = 0.95


@dataclass(frozen=True)
class Change:
    """What a pair of systems differs by, over speakers.

    Parameters
    ----------
    mean : float
        Of the speakers' differences, in the unit of the scores.
    interval : (float, float) or None
        95 %, a percentile bootstrap over speakers; None below eight speakers.
    """

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedTest(Change):
    """What a pair of systems differs by, and whether chance gives as much.

    Parameters
    ----------
    mean, interval
        See `Change`.
    p : float
        Two-sided, of the permutation test.
    least_p : float
        The smallest that so many speakers allow.
    effect : float
        Mean over standard deviation of the differences (Cohen's d of pairs); 0 where all differences are 0.
    better, speakers : int
        Speakers who gain, and all.
    """

    p: float
    least_p: float
    effect: float
    better: int
    speakers: int


def least_p(speakers: int) -> float:
    """Return the smallest two-sided p that a permutation test of so many pairs can give.

    There are ``2^n`` ways to swap the signs of n differences, two of which are as extreme as all of one sign. Where not
    all are tried, the tail that is doubled holds one at least: the differences themselves.

    Examples
    --------
    >>> round(least_p(10), 5), least_p(4)
    (0.00195, 0.125)
    """
    return max(2.0 / 2.0**speakers, 2.0 / (RESAMPLES + 1))


def mean_change(differences: npt.ArrayLike, *, draws: int = 2000, seed: int = 0) -> Change:
    """Return the mean of what each speaker gains, and its interval.

    Examples
    --------
    >>> mean_change([0.125, 0.25, 0.375])
    Change(mean=0.25, interval=None)
    """
    gains = np.asarray(differences, dtype=np.float64)
    interval = None
    if len(gains) >= FEWEST_SPEAKERS:
        drawn = gains[np.random.default_rng(seed).integers(len(gains), size=(draws, len(gains)))].mean(axis=1)
        low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
        interval = (float(low), float(high))
    return Change(mean=float(gains.mean()), interval=interval)


def paired_test(differences: Sequence[float], *, draws: int = 2000, seed: int = 0) -> PairedTest:
    """Test whether a difference is more than chance gives, by swapping its sign speaker by speaker.

    If two systems were alike, either of a speaker's scores could as well be the other's (Fisher 1935). All ways are
    looked at where there are fewer than a hundred thousand, as many drawn at random otherwise.

    Parameters
    ----------
    differences : sequence of float
        One for each speaker.
    draws : int, default=2000
        Of the bootstrap.
    seed : int, default=0

    Raises
    ------
    SettingsError
        With fewer than two speakers.

    Examples
    --------
    >>> found = paired_test([0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 0.2, 0.1])
    >>> found.p, found.better, round(found.effect, 2)
    (0.0078125, 8, 2.18)
    """
    gains = np.asarray(differences, dtype=np.float64)
    if gains.ndim != 1 or len(gains) < 2:
        raise SettingsError(f"a paired test needs the differences of two speakers or more; got {gains.size}")
    # Scores that are equal but for rounding are equal, or a swap of nothing would count as less extreme.
    gains = np.where(np.abs(gains) < 1e-12, 0.0, gains)
    rng = np.random.default_rng(seed)
    outcome = stats.permutation_test(
        (gains,), np.mean, permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, rng=rng
    )
    std = float(gains.std(ddof=1))
    change = mean_change(gains, draws=draws, seed=seed)
    return PairedTest(
        mean=change.mean,
        interval=change.interval,
        p=float(outcome.pvalue),
        least_p=least_p(len(gains)),
        effect=float(gains.mean()) / std if std > 0 else 0.0,
        better=int((gains > 0).sum()),
        speakers=len(gains),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm 1979), in the order given.

    The smallest is multiplied by their number, the next by one less, and so on; none becomes smaller than one before.

    Examples
    --------
    >>> [round(one, 3) for one in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    scaled = given[order] * np.arange(len(given), 0, -1)
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(p) for p in corrected]


@dataclass(frozen=True)
class Ranking:
    """How several methods rank over speakers.

    Parameters
    ----------
    ranks : dict of str to float
        Mean rank of each method, 1 being the best.
    p : float
        Of Friedman's test that all are alike.
    critical_difference : float
        Mean ranks that lie further apart differ by Nemenyi's test at 0.05.
    pairs : dict of (str, str) to float
        Nemenyi's p of each pair.
    speakers : int
    """

    ranks: dict[str, float]
    p: float
    critical_difference: float
    pairs: dict[tuple[str, str], float]
    speakers: int


def compare_ranks(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Compare methods by their ranks within each speaker (Friedman 1937; Nemenyi 1963; Demsar 2006).

    Parameters
    ----------
    scores : mapping of str to sequence of float
        Of each method one score a speaker, all in one order; higher is better.

    Raises
    ------
    SettingsError
        With fewer than three methods or more than six, or scores of unlike numbers of speakers.

    Examples
    --------
    >>> found = compare_ranks({"a": [3, 3, 3, 3], "b": [2, 2, 2, 1], "c": [1, 1, 1, 2]})
    >>> found.ranks
    {'a': 1.0, 'b': 2.25, 'c': 2.75}
    """
    names = list(scores)
    if not FEWEST_METHODS <= len(names) <= MOST_METHODS:
        raise SettingsError(f"ranks are compared of {FEWEST_METHODS} to {MOST_METHODS} methods; got {len(names)}")
    counts = {len(score) for score in scores.values()}
    if len(counts) > 1 or min(counts) < 2:
        raise SettingsError(
            f"ranks need the same two speakers or more of every method; got {', '.join(map(str, sorted(counts)))}"
        )
    table = np.array([scores[name] for name in names], dtype=np.float64).T
    ranks = stats.rankdata(-table, axis=1).mean(axis=0)
    unlike = np.ptp(table, axis=1).any()
    p = float(stats.friedmanchisquare(*table.T).pvalue) if unlike else 1.0
    unit = rank_unit(len(names), len(table))
    pairs = {
        (name, other): float(stats.studentized_range.sf(abs(ranks[i] - ranks[j]) / unit, len(names), np.inf))
        for i, name in enumerate(names)
        for j, other in enumerate(names)
        if i < j
    }
    return Ranking(
        ranks=dict(zip(names, map(float, ranks), strict=True)),
        p=p,
        critical_difference=critical_difference(len(names), len(table)),
        pairs=pairs,
        speakers=len(table),
    )


def rank_unit(methods: int, speakers: int) -> float:
    """Return the standard error of a mean rank, over the root of 2: what the studentised range is in."""
    return float(np.sqrt(methods * (methods + 1) / (12.0 * speakers)))


def critical_difference(methods: int, speakers: int, level: float = LEVEL) -> float:
    """Return the difference of mean ranks beyond which Nemenyi's test tells two methods apart.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)  # the worked example of Demsar (2006)
    1.25
    """
    return float(stats.studentized_range.ppf(level, methods, np.inf)) * rank_unit(methods, speakers)


@dataclass(frozen=True)
class GroupGap:
    """How much better one group of speakers is recognised than another.

    Parameters
    ----------
    uar : dict of str to float
        Of each group, 0 to 1.
    recall : dict of str to list of float
        Of each group, by class; NaN where a group has no clip of one.
    gap : float
        UAR of the first group less that of the second.
    interval : (float, float) or None
        95 %, speakers drawn within each group; None where a group has fewer than four.
    """

    uar: dict[str, float]
    recall: dict[str, list[float]]
    gap: float
    interval: tuple[float, float] | None


FEWEST_OF_GROUP = FEWEST_SPEAKERS // 2


def group_gap(
    confusions: Mapping[str, Counts], groups: Mapping[str, str], *, draws: int = 2000, seed: int = 0
) -> GroupGap | None:
    """Compare two groups of speakers; None unless the speakers are of exactly two.

    Parameters
    ----------
    confusions : mapping of str to ndarray of shape (n_classes, n_classes)
        Of each speaker.
    groups : mapping of str to str
        Group of each speaker; others are left out.
    draws : int, default=2000
    seed : int, default=0

    Examples
    --------
    >>> right, wrong = np.diag([4, 4]), np.array([[2, 2], [2, 2]])
    >>> found = group_gap({"a": right, "b": wrong}, {"a": "female", "b": "male"})
    >>> found.gap
    0.5
    """
    names = sorted({groups[speaker] for speaker in confusions if groups.get(speaker)})
    if len(names) != 2:
        return None
    stacks = [
        np.stack(
            [np.asarray(confusions[confusion]) for confusion in sorted(confusions) if groups.get(confusion) == name]
        )
        for name in names
    ]
    pooled = [stack.sum(axis=0) for stack in stacks]
    scores = [float(unweighted_average_recall(matrix)) for matrix in pooled]
    interval = None
    if min(map(len, stacks)) >= FEWEST_OF_GROUP:
        rng = np.random.default_rng(seed)
        drawn = []
        for stack in stacks:
            counts = rng.multinomial(len(stack), np.full(len(stack), 1 / len(stack)), size=draws)
            drawn.append(unweighted_average_recall(np.tensordot(counts, stack, axes=1)))
        low, high = np.percentile(drawn[0] - drawn[1], [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
        interval = (float(low), float(high))
    return GroupGap(
        uar=dict(zip(names, scores, strict=True)),
        recall={
            name: (np.diagonal(matrix) / np.where(matrix.sum(axis=1) > 0, matrix.sum(axis=1), np.nan)).tolist()
            for name, matrix in zip(names, pooled, strict=True)
        },
        gap=scores[0] - scores[1],
        interval=interval,
    )
