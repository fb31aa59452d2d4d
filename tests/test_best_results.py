"""The best result of each table of a study, by class, gender and speaker."""

import numpy as np
from made_results import SPEAKERS, made

from fusionser.facts import Stamp
from fusionser.reporting.page import StudyText, best_results, study_page, study_tables
from fusionser.reporting.tables.best_results import best_by_class, best_by_speaker, taken_for
from fusionser.results import ClassResult

CLASSES = ("angry", "calm", "sad")
CONFUSION = [[6, 1, 3], [0, 5, 5], [0, 0, 20]]

SHARED = Stamp(kind="shared-speakers", value={"most": 2})


def result(uar, **changes):
    """A result of 24 speakers."""
    return made(("none", "none"), "svm", uar).model_copy(update={"features_name": "mfcc", **changes})


def texts(table):
    return [[getattr(cell, "text", cell) for cell in row.cells] for row in table.rows]


def test_the_most_frequent_wrong_answers_of_each_class():
    three = result(
        [0.5] * 24,
        classes=CLASSES,
        confusion=CONFUSION,
        per_class={
            "angry": ClassResult(precision=1.0, recall=0.6, f1=0.75, support=10),
            "calm": ClassResult(precision=5 / 6, recall=0.5, f1=0.625, support=10),
            "sad": ClassResult(precision=20 / 28, recall=1.0, f1=5 / 6, support=20),
        },
    )
    assert taken_for(three, "angry") == [("sad", 0.3), ("calm", 0.1)]
    assert taken_for(three, "calm") == [("sad", 0.5)]
    assert taken_for(three, "sad") == []
    where = ["Demo corpus, speaker-kfold, 3 classes", "mfcc / svm"]
    assert texts(best_by_class([three], "r")) == [
        [*where, "angry", "10", "60.0", "100.0", "sad (30.0), calm (10.0)"],
        [*where, "calm", "10", "50.0", "83.3", "sad (50.0)"],
        [*where, "sad", "20", "100.0", "71.4", "-"],
    ]


def test_the_speakers_that_are_left_out_are_named_where_a_result_is():
    one = result([0.5] * 24, notes=(Stamp(kind="left-out-speakers", value=["demo/f1", "demo/m1"]),))
    where = "Demo corpus, speaker-kfold, without demo/f1, demo/m1, 2 classes"
    assert {row[0] for row in texts(best_by_class([one], "r"))} == {where}
    page = study_page(StudyText(command="", title="T", question="Q"), [one])
    assert f"- {where}, inductive: the UAR is 50.0 %" in page


def test_genders_and_the_speakers_at_both_ends():
    scores = np.linspace(0.4, 0.86, 24)
    # Women are right in three of four recordings of each class, men in half of them.
    right, wrong = np.array([[3, 1], [1, 3]]), np.array([[2, 2], [2, 2]])
    genders = {name: "female" if place % 2 else "male" for place, name in enumerate(SPEAKERS)}
    one = result(
        scores,
        genders=genders,
        speaker_confusions={name: (right if genders[name] == "female" else wrong).tolist() for name in SPEAKERS},
    )
    ((where, method, female, male, gap, *speakers),) = texts(best_by_speaker([one], "r"))
    assert (where, method, female, male) == ("Demo corpus, speaker-kfold, 2 classes", "mfcc / svm", "75.0", "50.0")
    assert gap == "+25.0 (+25.0 to +25.0)"
    assert speakers == ["24", "40.0", "demo/s00", "63.0", "86.0", "demo/s23"]
    ((_, _, *unknown),) = texts(best_by_speaker([result(scores)], "r"))
    assert unknown[:3] == ["-", "-", "-"]
    counts = dict.fromkeys(SPEAKERS, right.tolist())
    women = result([0.5] * 24, genders=dict.fromkeys(SPEAKERS, "female"), speaker_confusions=counts)
    ((_, _, *alone),) = texts(best_by_speaker([women], "r"))
    assert alone == ["75.0", "-", "-", "24", "50.0", "demo/s00 and 23 others", "50.0", "50.0", "demo/s00 and 23 others"]
    assert best_by_speaker([result(scores, speakers={})], "r").rows == []


def test_rows_say_which_table_they_are_of():
    folds = [
        result(
            [0.5] * 24,
            protocol=made(("none", "none"), "svm", [0.5] * 24, protocol=name).protocol.model_copy(
                update={"settings": settings, **more}
            ),
        )
        for name, settings, more in (
            ("speaker-kfold", {"folds": 3, "seed": 0}, {}),
            ("speaker-kfold", {"folds": 6}, {}),
            (
                "random-holdout",
                {"share": 0.2, "stratified": False},
                {"stamps": (SHARED,)},
            ),
        )
    ]
    assert [row[0] for row in texts(best_by_speaker(folds, "r"))] == [
        "Demo corpus, speaker-kfold (folds = 3), 2 classes",
        "Demo corpus, speaker-kfold (folds = 6), 2 classes",
        "Demo corpus, random-holdout (share = 0.2), 2 classes, speakers on both sides",
    ]


def test_a_class_without_a_recording_has_no_recall():
    scores = {name: ClassResult(precision=0.0, recall=0.0, f1=0.0, support=0) for name in ("angry", "calm")}
    empty = result([0.5] * 24, per_class=scores, confusion=[[0, 0], [0, 0]])
    assert [row[2:] for row in texts(best_by_class([empty], "r"))] == [
        ["angry", "0", "-", "-", "-"],
        ["calm", "0", "-", "-", "-"],
    ]


def test_each_table_and_setting_has_its_best_result():
    level = [0.5] * 24
    results = [
        result(level),
        result([0.6] * 24, classifier="mlp"),
        result([0.7] * 24, protocol=made(("none", "none"), "svm", level, protocol="random-kfold").protocol),
    ]
    assert [(one.protocol.name, one.classifier) for one in best_results(results)] == [
        ("speaker-kfold", "mlp"),
        ("random-kfold", "svm"),
    ]
    text = StudyText(title="T", question="Q?", command="x")
    page = study_page(text, results)
    assert "in each table above and in each setting, chosen by its test score" in page
    assert {row[1] for row in texts(study_tables(text, results).best_by_class)} == {"mfcc / mlp", "mfcc / svm"}
    many = [result(level, corpora=(f"c{number}",)) for number in range(8)]
    assert "The pipeline of each table above, in each setting (the first 6 of 8). " in study_page(text, many)
    assert len(study_tables(text, many).best_by_speaker.rows) == 6
