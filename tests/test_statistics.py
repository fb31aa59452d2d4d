"""Tests over speakers, against scipy, published worked examples, and what chance allows."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from fusionser.errors import SettingsError
from fusionser.evaluation.statistics import (
    compare_ranks,
    critical_difference,
    group_gap,
    holm,
    least_p,
    paired_test,
    rank_unit,
)

# Weights of fifteen pairs of plants, Darwin's maize as Fisher (1935) takes it up, in eighths of an inch.
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]


def test_the_permutation_test_is_fishers_on_darwins_maize():
    found = paired_test(DARWIN)
    # Of 2^15 ways to swap the pairs, 1 726 are as far from none as what was seen (Fisher 1935, section 21).
    assert found.p == pytest.approx(1726 / 2**15, abs=1e-12)
    assert found.mean == pytest.approx(314 / 15)
    assert found.better == 13
    assert found.effect == pytest.approx(stats.ttest_1samp(DARWIN, 0).statistic / np.sqrt(15))
    low, high = found.interval
    assert low < found.mean < high


def test_a_small_test_is_what_counting_gives():
    gains = np.array([0.3, -0.1, 0.2, 0.25, 0.05])
    extreme = [abs((gains * signs).mean()) >= gains.mean() - 1e-12 for signs in product((1, -1), repeat=5)]
    found = paired_test(gains)
    assert found.p == pytest.approx(np.mean(extreme))
    assert found.interval is None
    assert found.least_p == least_p(5) == 2 / 32
    assert paired_test([0.5] * 5).p == least_p(5)
    # Too many speakers to try all ways: the drawn ones allow no less than this.
    assert paired_test([0.5] * 24).p == least_p(24) == 2e-5


def test_no_difference_is_no_difference():
    found = paired_test([0.0] * 12)
    assert (found.p, found.mean, found.effect, found.better) == (1.0, 0.0, 0.0, 0)
    with pytest.raises(SettingsError, match="two speakers or more; got 1"):
        paired_test([0.1])


def test_where_there_is_nothing_it_is_seldom_found():
    rng = np.random.default_rng(0)
    p_values = np.array([paired_test(rng.normal(0, 0.1, 10)).p for _ in range(400)])
    # A binomial of 400 with 0.05 is below 33 in 99 of 100.
    assert (p_values <= 0.05).sum() <= stats.binom.ppf(0.995, 400, 0.05)
    assert (p_values <= 0.05).sum() >= stats.binom.ppf(0.005, 400, 0.05)


def test_what_is_there_is_found():
    rng = np.random.default_rng(1)
    assert paired_test(rng.normal(0.08, 0.05, 24)).p < 0.001


def test_holm_is_the_worked_example_and_the_definition():
    given = [0.01, 0.04, 0.03, 0.005]
    assert holm(given) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    rng = np.random.default_rng(0)
    many = rng.uniform(0, 0.2, 9)
    corrected = np.array(holm(many))
    # Step down: reject while the i-th smallest is at most alpha over the number that is left.
    for alpha in (0.01, 0.05, 0.2, 0.5):
        rejected = np.zeros(9, dtype=bool)
        for step, place in enumerate(np.argsort(many)):
            if many[place] > alpha / (9 - step):
                break
            rejected[place] = True
        assert ((corrected <= alpha) == rejected).all()


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850)])
def test_critical_differences_are_those_of_the_table(methods, q):
    # Demsar (2006), table 5a: the studentised range over the root of 2, at 0.05.
    assert critical_difference(methods, 20) == pytest.approx(q * np.sqrt(methods * (methods + 1) / 120), abs=2e-3)


def test_ranks_are_scipys_and_nemenyis():
    rng = np.random.default_rng(0)
    scores = {name: rng.normal(shift, 1, 12).tolist() for name, shift in (("a", 1.5), ("b", 0.0), ("c", 0.2))}
    found = compare_ranks(scores)
    assert found.p == pytest.approx(stats.friedmanchisquare(*scores.values()).pvalue)
    assert sum(found.ranks.values()) == pytest.approx(6)
    assert found.ranks["a"] < found.ranks["b"]
    # At the critical difference itself the p of a pair is 0.05.
    assert stats.studentized_range.sf(found.critical_difference / rank_unit(3, 12), 3, np.inf) == pytest.approx(
        0.05, abs=1e-6
    )
    apart = abs(found.ranks["a"] - found.ranks["b"])
    assert (found.pairs["a", "b"] < 0.05) == (apart > found.critical_difference)


def test_equal_methods_rank_equally():
    found = compare_ranks({"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [1.0, 2.0]})
    assert found.ranks == {"a": 2.0, "b": 2.0, "c": 2.0}
    assert found.p == 1.0
    with pytest.raises(SettingsError, match="3 to 6 methods; got 2"):
        compare_ranks({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    with pytest.raises(SettingsError, match="got 1, 2"):
        compare_ranks({"a": [1.0], "b": [1.0, 2.0], "c": [1.0, 2.0]})


def test_a_gap_between_genders_has_its_interval():
    rng = np.random.default_rng(0)
    groups = {f"s{place}": "female" if place % 2 else "male" for place in range(24)}

    def heard(share):
        right = rng.binomial(20, share, 3)
        return np.diag(right) + np.roll(np.diag(20 - right), 1, axis=1)

    confusions = {name: heard(0.8 if group == "female" else 0.6) for name, group in groups.items()}
    found = group_gap(confusions, groups)
    pooled = {group: sum(confusions[name] for name in groups if groups[name] == group) for group in ("female", "male")}
    recall = {group: np.diagonal(one) / one.sum(axis=1) for group, one in pooled.items()}
    assert found.gap == pytest.approx(recall["female"].mean() - recall["male"].mean())
    assert found.recall["male"] == pytest.approx(recall["male"].tolist())
    low, high = found.interval
    assert 0.1 < low < found.gap < high < 0.3
    assert group_gap({name: one for name, one in confusions.items() if groups[name] == "male"}, groups) is None
    few = {name: confusions[name] for name in ("s0", "s1", "s2", "s3")}
    assert group_gap(few, groups).interval is None
