import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from fusionser.evaluation import macro_f1, unweighted_average_recall, weighted_average_recall
from fusionser.evaluation.evaluate import calibration_error
from fusionser.evaluation.metrics import class_scores, confusion, expected_calibration_error, speaker_intervals

CLASSES = ["angry", "calm", "happy", "sad"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn, on classes that do not occur
@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=40))
def test_scores_are_scikit_learns(pairs):
    truth, predicted = map(list, zip(*pairs, strict=True))
    matrix = confusion(truth, predicted, CLASSES)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, predicted, labels=CLASSES))
    assert weighted_average_recall(matrix) == pytest.approx(sk.accuracy_score(truth, predicted))
    assert unweighted_average_recall(matrix) == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
    assert macro_f1(matrix) == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, predicted, labels=CLASSES, zero_division=0
    )
    for number, (name, scores) in enumerate(class_scores(matrix, CLASSES).items()):
        assert name == CLASSES[number]
        expected = [precision[number], recall[number], f1[number], support[number]]
        assert list(scores.values()) == pytest.approx(expected)


def test_classes_that_do_not_occur_do_not_count():
    matrix = confusion(["angry", "calm"], ["angry", "happy"], CLASSES)
    assert unweighted_average_recall(matrix) == pytest.approx(0.5)
    assert macro_f1(matrix) == pytest.approx(1 / 3)
    assert class_scores(matrix, CLASSES)["sad"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}


def test_a_stack_of_matrices_is_scored_one_by_one():
    stack = np.random.default_rng(0).integers(1, 9, (7, 4, 4))
    for metric in (weighted_average_recall, unweighted_average_recall, macro_f1):
        np.testing.assert_allclose(metric(stack), [metric(one) for one in stack])


def test_speakers_who_are_all_alike_leave_no_doubt():
    matrices = {str(n): np.array([[7, 3], [1, 9]]) for n in range(10)}
    intervals = speaker_intervals(matrices)
    assert intervals["war"] == pytest.approx((0.8, 0.8))
    assert intervals["uar"] == pytest.approx((0.8, 0.8))


def test_the_interval_of_the_mean_of_speakers_is_the_textbooks():
    """With clips spread evenly, WAR is a mean over speakers; its standard error has a closed form."""
    rng = np.random.default_rng(0)
    right = rng.integers(30, 70, 400)
    matrices = {f"{n:03d}": np.array([[count, 100 - count], [0, 0]]) for n, count in enumerate(right)}
    low, high = speaker_intervals(matrices, draws=5000)["war"]
    error = right.std() / 100 / np.sqrt(400)
    assert (low + high) / 2 == pytest.approx(right.mean() / 100, abs=0.2 * error)
    assert (high - low) == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_intervals_follow_the_seed_and_not_the_order_of_the_speakers():
    rng = np.random.default_rng(0)
    matrices = {str(n): rng.integers(0, 9, (3, 3)) for n in range(9)}
    turned = dict(reversed(matrices.items()))
    assert (
        speaker_intervals(matrices, seed=1) == speaker_intervals(turned, seed=1) != speaker_intervals(matrices, seed=2)
    )


def test_fewer_than_eight_speakers_have_no_interval():
    matrices = {str(n): np.eye(2, dtype=int) for n in range(8)}
    assert speaker_intervals(matrices) is not None
    matrices.popitem()
    assert speaker_intervals(matrices) is None


def test_thecalibration_error_of_answers_that_are_right_as_often_as_they_claim_is_zero():
    claimed = np.repeat([0.55, 0.75, 0.95], 100)
    right = np.concatenate([np.arange(100) < count for count in (55, 75, 95)])
    assert expected_calibration_error(claimed, right) == pytest.approx(0.0, abs=1e-12)


def test_thecalibration_error_weights_the_gap_of_each_bin_by_its_answers():
    claimed = np.repeat([0.5, 0.9, 1.0], [10, 30, 60])
    right = np.concatenate([np.arange(10) < 2, np.arange(30) < 18, np.arange(60) < 60])
    expected = 0.1 * abs(0.2 - 0.5) + 0.3 * abs(0.6 - 0.9) + 0.6 * abs(1.0 - 1.0)
    assert expected_calibration_error(claimed, right) == pytest.approx(expected)


def test_gaps_cancel_within_a_bin_only():
    # 15 bins: from 6/15 to 7/15, and from 7/15 to 8/15.
    within, across = [0.42, 0.46], [0.46, 0.48]
    assert expected_calibration_error(within, [False, True]) == pytest.approx(abs(0.44 - 0.5))
    assert expected_calibration_error(across, [False, True]) == pytest.approx((0.46 + 0.52) / 2)


def test_an_always_certain_classifier_has_its_share_of_errors():
    right = np.arange(50) < 30
    assert expected_calibration_error(np.ones(50), right) == pytest.approx(0.4)


def test_thecalibration_error_of_an_evaluation_is_of_the_probabilities_of_its_answers():
    # An SVM can decide for a class to which its calibration gives a lower probability.
    rows = {"truth": ["a", "a"], "predicted": ["a", "b"], "probability_a": [0.4, 0.3], "probability_b": [0.6, 0.7]}
    assert calibration_error(pd.DataFrame(rows), ("a", "b", "c")) == pytest.approx((0.6 + 0.7) / 2)
    assert calibration_error(pd.DataFrame(rows)[["truth", "predicted"]], ("a", "b")) is None
