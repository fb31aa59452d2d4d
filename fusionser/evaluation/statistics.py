"""Tests and effect sizes over speakers, since clips of one speaker are not independent of each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import stats

from fusionser.errors import SettingsError
from fusionser.evaluation.metrics import (
    DRAWS,
    FEWEST_SPEAKERS,
    LEVEL,
    Counts,
    percentile_interval,
    recalls,
    resampled,
    unweighted_average_recall,
)

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

MOST_CONTRASTS = 10
"""Contrasts that one study may test; each further one reduces the power of all others."""

FEWEST_METHODS, MOST_METHODS = 3, 6
FEWEST_OF_GROUP = FEWEST_SPEAKERS // 2
RESAMPLES = 99_999


@dataclass(frozen=True)
class Change:
    """Difference of two systems over speakers.

    Parameters
    ----------
    mean : float
        Mean of the speakers' differences, in the unit of the scores.
    interval : (float, float) or None
        95 %, a percentile bootstrap over speakers; None below eight speakers.
    """

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedTest(Change):
    """Difference of two systems over speakers, and the test that it is not due to chance.

    Parameters
    ----------
    mean, interval
        See `Change`.
    p : float
        Two-sided p of the permutation test.
    least_p : float
        The smallest p that this number of speakers allows.
    effect : float
        Mean over standard deviation of the differences (Cohen's d of pairs); 0 where all differences are 0.
    better, speakers : int
        Number of speakers who gain, and of all speakers.
    """

    p: float
    least_p: float
    effect: float
    better: int
    speakers: int


def least_p(speakers: int) -> float:
    """Return the smallest two-sided p that a permutation test with this number of pairs can give.

    There are ``2^n`` ways to swap the signs of n differences, and two of them are as extreme as all of one sign. A
    random sample of them counts the observed differences as well, so the tail that is doubled has at least one.

    Examples
    --------
    >>> round(least_p(10), 5), least_p(4)
    (0.00195, 0.125)
    """
    return max(2.0 / 2.0**speakers, 2.0 / (RESAMPLES + 1))


def mean_change(differences: npt.ArrayLike, *, seed: int = 0) -> Change:
    """Return the mean of the speakers' differences and its bootstrap interval.

    Examples
    --------
    >>> mean_change([0.125, 0.25, 0.375])
    Change(mean=0.25, interval=None)
    """
    gains = np.asarray(differences, dtype=np.float64)
    interval = None
    if len(gains) >= FEWEST_SPEAKERS:
        drawn = gains[np.random.default_rng(seed).integers(len(gains), size=(DRAWS, len(gains)))]
        interval = percentile_interval(drawn.mean(axis=1))
    return Change(mean=float(gains.mean()), interval=interval)


def paired_test(differences: Sequence[float], *, seed: int = 0) -> PairedTest:
    """Test a mean difference by permutation: swap the sign of each speaker's difference.

    If the two systems were equal, the two scores of a speaker could as well be swapped (Fisher 1935). All swaps are
    tried if there are fewer than 100 000, and 99 999 random ones otherwise.

    Parameters
    ----------
    differences : sequence of float
        One for each speaker.
    seed : int, default=0
        Of the bootstrap and of random swaps.

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
    # Treat rounding errors as equal scores; otherwise swapping such a difference would change how extreme the mean is.
    gains = np.where(np.abs(gains) < 1e-12, 0.0, gains)
    outcome = stats.permutation_test(
        (gains,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    std = float(gains.std(ddof=1))
    return PairedTest(
        **vars(mean_change(gains, seed=seed)),
        p=float(outcome.pvalue),
        least_p=least_p(len(gains)),
        effect=float(gains.mean()) / std if std > 0 else 0.0,
        better=int((gains > 0).sum()),
        speakers=len(gains),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for multiple tests (Holm 1979), in the order given.

    The smallest of n is multiplied by n, the next by n - 1, and so on; no corrected p is below a smaller one's.

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
    return corrected.tolist()


@dataclass(frozen=True)
class Ranking:
    """Ranks of several methods over speakers.

    Parameters
    ----------
    ranks : dict of str to float
        Mean rank of each method; 1 is the best.
    p : float
        p of Friedman's test that all methods are equal.
    critical_difference : float
        Methods whose mean ranks lie further apart differ by Nemenyi's test at 0.05.
    pairs : dict of (str, str) to float
        p of Nemenyi's test for each pair.
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
        For each method one score per speaker, in the same order of speakers; higher is better.

    Raises
    ------
    SettingsError
        With fewer than three methods or more than six, with fewer than two speakers, or when methods have scores of
        different numbers of speakers.

    Examples
    --------
    >>> found = compare_ranks({"a": [3, 3, 3, 3], "b": [2, 2, 2, 1], "c": [1, 1, 1, 2]})
    >>> found.ranks
    {'a': 1.0, 'b': 2.25, 'c': 2.75}
    """
    names = list(scores)
    if not FEWEST_METHODS <= len(names) <= MOST_METHODS:
        raise SettingsError(f"ranks compare {FEWEST_METHODS} to {MOST_METHODS} methods; got {len(names)}")
    counts = sorted({len(score) for score in scores.values()})
    if len(counts) > 1 or counts[0] < 2:
        raise SettingsError(
            f"ranks need scores of the same speakers, two or more, for every method; got {', '.join(map(str, counts))}"
        )
    table = np.array(list(scores.values()), dtype=np.float64).T
    ranks = stats.rankdata(-table, axis=1).mean(axis=0).tolist()
    differ = np.ptp(table, axis=1).any()
    unit = rank_unit(len(names), len(table))
    return Ranking(
        ranks=dict(zip(names, ranks, strict=True)),
        p=float(stats.friedmanchisquare(*table.T).pvalue) if differ else 1.0,
        critical_difference=critical_difference(len(names), len(table)),
        pairs={
            (name, other): float(stats.studentized_range.sf(abs(rank - other_rank) / unit, len(names), np.inf))
            for (name, rank), (other, other_rank) in combinations(zip(names, ranks, strict=True), 2)
        },
        speakers=len(table),
    )


def rank_unit(methods: int, speakers: int) -> float:
    """Return the standard error of a mean rank divided by the square root of 2, the unit of the studentised range."""
    return float(np.sqrt(methods * (methods + 1) / (12.0 * speakers)))


def critical_difference(methods: int, speakers: int) -> float:
    """Return the difference of mean ranks above which two methods differ by Nemenyi's test at 0.05.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)  # the worked example of Demsar (2006)
    1.25
    """
    return float(stats.studentized_range.ppf(LEVEL, methods, np.inf)) * rank_unit(methods, speakers)


@dataclass(frozen=True)
class GroupGap:
    """Difference in recognition between two groups of speakers.

    Parameters
    ----------
    uar : dict of str to float
        UAR of each group, 0 to 1.
    recall : dict of str to list of float
        Recall by class of each group; NaN for a class without clips in the group.
    gap : float
        UAR of the first group minus that of the second.
    interval : (float, float) or None
        95 %, with speakers resampled within each group; None if a group has fewer than four.
    """

    uar: dict[str, float]
    recall: dict[str, list[float]]
    gap: float
    interval: tuple[float, float] | None


def group_gap(confusions: Mapping[str, Counts], groups: Mapping[str, str], *, seed: int = 0) -> GroupGap | None:
    """Compare two groups of speakers; return None unless the speakers belong to exactly two.

    Parameters
    ----------
    confusions : mapping of str to ndarray of shape (n_classes, n_classes)
        Confusion matrix of each speaker.
    groups : mapping of str to str
        Group of each speaker; speakers without one are left out.
    seed : int, default=0

    Examples
    --------
    >>> right, wrong = np.diag([4, 4]), np.array([[2, 2], [2, 2]])
    >>> found = group_gap({"a": right, "b": wrong}, {"a": "female", "b": "male"})
    >>> found.gap
    0.5
    """
    members: dict[str, list[Counts]] = {}
    for speaker in sorted(confusions):
        if groups.get(speaker):
            members.setdefault(groups[speaker], []).append(np.asarray(confusions[speaker]))
    if len(members) != 2:
        return None
    stacks = {name: np.stack(members[name]) for name in sorted(members)}
    uar = {name: float(unweighted_average_recall(stack.sum(axis=0))) for name, stack in stacks.items()}
    first, second = uar.values()
    interval = None
    if min(map(len, stacks.values())) >= FEWEST_OF_GROUP:
        rng = np.random.default_rng(seed)
        drawn = [unweighted_average_recall(resampled(stack, rng)) for stack in stacks.values()]
        interval = percentile_interval(drawn[0] - drawn[1])
    return GroupGap(
        uar=uar,
        recall={name: recalls(stack.sum(axis=0)).tolist() for name, stack in stacks.items()},
        gap=first - second,
        interval=interval,
    )
