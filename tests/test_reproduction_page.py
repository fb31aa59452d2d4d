"""What the page of published results says of each: computed from the results, and nothing that they do not show."""

from dataclasses import replace

from made_results import made

from fusionser.reporting.reproduction import reading, write_reproduction
from fusionser.reporting.tables.reproduction import verdict
from fusionser.studies.best_epoch import BestEpoch
from fusionser.studies.reproduction import Reproduction

PROVENANCE = {"command": "fusionser reproduce x", "commit": "c", "versions": {}, "machine": "m", "date": "d"}


def of_wars(wars, test_rows=60):
    """Results of these accuracies in percent, of the seeds 0, 1 and so on."""
    plain = made(("none", "none"), "network-alone", [0.5] * 24)
    folds = [plain.folds[0].model_copy(update={"test_rows": test_rows})]
    return [
        plain.model_copy(
            update={"pooled": plain.pooled.model_copy(update={"war": war / 100}), "folds": folds, "seed": seed}
        )
        for seed, war in enumerate(wars)
    ]


def best_epochs(accuracies):
    unused = {"epoch": 1, "epochs": 1, "settings": [], "rows_settings": {}, "protocol": {}, "rows": 1, "seconds": 1.0}
    return [
        BestEpoch(recipe="x", seed=seed, accuracy=accuracy / 100, provenance=PROVENANCE, **unused)
        for seed, accuracy in enumerate(accuracies)
    ]


def test_what_is_read_of_a_row_is_computed(small, tmp_path):
    _, recipe = small
    # Mean 60, deviation 1, three values: Student's 95 % interval is 60 +- 4.303 / sqrt(3), 57.516 to 62.484.
    three, figures = [59.0, 60.0, 61.0], {}
    for figure in (62.48, 62.49, 57.0):
        tested = recipe.changed(measure="test", figure=figure)
        found = Reproduction("x", tested, paper=of_wars(three), independent=of_wars([52.5])[0])
        figures[figure] = reading(found)
        assert figures[figure][1:] == ["Evaluated by speaker, the accuracy is 7.5 points lower."]
        assert verdict(found) == ("reached" if figure < 62.484 else "not reached")
    interval = "our mean (60.0, 95 % interval 57.5 to 62.5), by the measure that the paper reports."
    assert [told[0] for told in figures.values()] == [
        f"The paper's figure is reached: it lies 2.5 points above {interval}",
        f"The paper's figure is not reached: it lies 2.5 points above {interval}",
        f"The paper's figure is reached: it lies 3.0 points below {interval}",
    ]


def test_what_is_read_of_a_row_is_by_the_measure_that_the_paper_reports(small):
    _, recipe = small
    own = recipe.changed(figure=80.0)
    found = Reproduction("x", own, paper=of_wars([50.0, 52.0, 54.0]), best=best_epochs([71.0, 72.0, 73.0]))
    # 72 +- 2.484 of the best epochs; the test scores are 52 in the mean.
    assert reading(found) == [
        "The paper's figure is not reached: it lies 8.0 points above our mean (72.0, 95 % interval 69.5 to 74.5), by "
        "the measure that the paper reports.",
        "Another training, at its best epoch on the test rows, has 20.0 points more accuracy.",
    ]
    # Of the seeds that have both.
    assert reading(replace(found, best=best_epochs([71.0]))) == [
        "Another training of seed 0, at its best epoch on the test rows, has 21.0 points more accuracy."
    ]
    worse = replace(found, recipe=own.changed(figure=None), best=best_epochs([49.0, 50.0, 51.0]))
    assert reading(worse) == ["Another training, at its best epoch on the test rows, has 2.0 points less accuracy."]
    tested = own.changed(measure="test")
    (first, second) = reading(replace(found, recipe=tested))
    assert "not reached: it lies 28.0 points above our mean (52.0, 95 % interval 47.0 to 57.0)" in first
    assert second == "Another training, at its best epoch on the test rows, has 20.0 points more accuracy."


def test_nothing_is_read_that_the_numbers_do_not_show(small):
    _, recipe = small
    tested = recipe.changed(measure="test", figure=20.0)
    three = of_wars([59.0, 60.0, 61.0], test_rows=49)
    few = "With 49 test recordings, each one counts for 2.0 points of accuracy."
    # Two seeds, a part of a run, or no figure: no verdict.
    for found in (
        Reproduction("x", tested, paper=three[:2]),
        Reproduction("x", tested, "quick", paper=three),
        Reproduction("x", tested.changed(figure=None), paper=three),
    ):
        assert reading(found) == [few]
    assert reading(Reproduction("x", tested)) == []
    both = {"paper": of_wars([50.0], test_rows=50), "independent": of_wars([51.0])[0]}
    assert reading(Reproduction("x", tested, **both)) == ["Evaluated by speaker, the accuracy is 1.0 points higher."]
    # The scores of a trial are not compared.
    assert reading(Reproduction("x", tested, "quick", **both)) == []


def test_the_reading_stands_on_the_page(small, tmp_path):
    _, recipe = small
    paper = [one.model_copy(update={"provenance": PROVENANCE}) for one in of_wars([59.0, 60.0, 61.0])]
    found = Reproduction("x", recipe.changed(measure="test", figure=62.49), paper=paper)
    page = write_reproduction([found], {"y": ""}, {}, tmp_path).read_text()
    assert f"**x.** {reading(found)[0]} All of it. `fusionser reproduce x --no-by-speaker`; commit c; m; d." in page
    row = "| x | Nobody: a small network on synthetic voices | 62.49 | test | 60.0 ± 1.0 (57.5 to 62.5; 3 seeds) | "
    assert f"{row}not reported by the paper | not reached | - | - |" in page
    assert "\nNor were these recipes run, and their cost was not measured: y.\n" in page.split("## Not run")[1]


def test_the_verdict_is_by_the_measure_that_the_paper_reports(small, monkeypatch):
    _, recipe = small

    def reached(figure, measure, best, own):
        monkeypatch.setattr(Reproduction, "best_accuracies", lambda self: best)
        monkeypatch.setattr(Reproduction, "accuracies", lambda self: own)
        return Reproduction("x", recipe.model_copy(update={"figure": figure, "measure": measure})).reached()

    # Mean 60, deviation 1, three values: Student's interval is 60 +- 2.484.
    assert reached(62.4, "best validation epoch", [59.0, 60.0, 61.0], [0.0, 0.0]) is True
    assert reached(62.6, "best validation epoch", [59.0, 60.0, 61.0], [90.0, 90.0]) is False
    assert reached(62.4, "test", [0.0, 0.0], [59.0, 60.0, 61.0]) is True
    assert reached(62.4, "test", [99.0, 99.0], [59.0]) is None
    # Student's interval of two values holds anything: 14.9 to 91.1 for these.
    assert reached(90.0, "test", [], [50.0, 56.0]) is None
    short = Reproduction("x", recipe.model_copy(update={"measure": "test"}), "epochs-1")
    assert short.reached() is None and verdict(short) == "not a full run"
