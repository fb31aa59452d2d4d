import json
import re

import pytest
from made_results import made
from matplotlib.image import imread

from fusionser.errors import FusionserError
from fusionser.jobs import evaluate_prepared
from fusionser.pipeline import PipelineSpec, Place, prepare
from fusionser.reporting.across import across_tables
from fusionser.reporting.by_corpus import corpus_scores
from fusionser.reporting.figures import save_figure, study_figures
from fusionser.reporting.page import StudyText, result_page, study_page, study_tables, write_report, write_study
from fusionser.reporting.result_figures import confusion_figure, speakers_figure
from fusionser.reporting.words import one_sided
from fusionser.splits import RandomKFold, SpeakerHoldout, SpeakerKFold

TEXT = StudyText(title="Title", question="Question?", command="the command")


@pytest.fixture(scope="module")
def evaluated(demo_folder):
    spec = PipelineSpec(features={"preset": "fusionnet", "gender": "given"})
    prepared = prepare([Place(demo_folder, "demo")], spec)
    splits = (SpeakerKFold(folds=4), SpeakerHoldout(speakers=("f1", "m1")), RandomKFold(folds=3))
    return [evaluate_prepared(prepared, split) for split in splits]


def test_a_report_is_a_page_its_numbers_and_its_pictures(evaluated, tmp_path):
    result, found = evaluated[0]
    page = write_report(result, found, tmp_path).read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html",
        "report.md",
        "result.json",
        "predictions.csv",
        "confusion.png",
        "reliability.png",
        "speakers.png",
    }
    for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page):
        assert imread(tmp_path / name).std() > 0.05
    assert json.loads((tmp_path / "result.json").read_text())["pooled"]["uar"] == result.pooled.uar
    assert f"| UAR | {100 * result.pooled.uar:.1f} % |" in page
    for name, scores in result.per_class.items():
        assert f"| {name} | {100 * scores.precision:.1f} | {100 * scores.recall:.1f} |" in page
    assert "SYNTHETIC RECORDINGS" in page
    assert "**inductive**; no speaker is on both sides" in page
    assert "gender of the test speakers as labelled" in page
    assert "nan" not in page.lower().split()


def test_pictures_are_the_same_for_the_same_result(evaluated, tmp_path):
    result, found = evaluated[0]
    for name in ("a", "b"):
        write_report(result, found, tmp_path / name)
    for picture in ("confusion.png", "reliability.png", "speakers.png"):
        assert (tmp_path / "a" / picture).read_bytes() == (tmp_path / "b" / picture).read_bytes()


def test_fewer_than_eight_speakers_are_shown_one_by_one(evaluated):
    page = result_page(evaluated[1][0])
    assert "Fewer than eight test speakers" in page
    assert "see by speaker" in page
    assert "| demo/f1 |" in page


def test_a_leaking_split_says_so_on_its_page(evaluated):
    page = result_page(evaluated[2][0])
    assert "SPEAKERS ARE ON BOTH SIDES: not an estimate for new speakers" in page
    assert "On speakers that it was trained on" in page


def test_a_study_is_drawn(evaluated, tmp_path):
    page = write_study(TEXT, [result for result, _ in evaluated], tmp_path).read_text()
    (name,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
    assert imread(tmp_path / name).std() > 0.05


def test_a_picture_tells_the_two_directions_of_a_pair_apart(evaluated):
    result = evaluated[1][0]

    def under(name, **settings):
        protocol = result.protocol.model_copy(update={"name": name, "settings": settings})
        return result.model_copy(update={"corpora": ("emodb", "tess", "ravdess"), "protocol": protocol})

    crossed = [
        under("cross-corpus", test=["emodb"], train=[]),
        under("cross-corpus", test=["tess", "ravdess"], train=[]),
        under("cross-corpus", test=["emodb"], train=["tess"]),
        under("leave-one-corpus-out"),
    ]
    (axes,) = study_figures(crossed)[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "fusionnet, svm (TESS, RAVDESS speech -> EMO-DB)",
        "fusionnet, svm (EMO-DB -> TESS, RAVDESS speech)",
        "fusionnet, svm (TESS -> EMO-DB)",
        "fusionnet, svm",
    ]


def test_the_legend_of_many_protocols_is_inside_the_picture(evaluated):
    result = evaluated[1][0]
    many = [("published-folds", {"split_name": f"the-folds-of-{n}-others"}) for n in range(6)]
    results = [
        result.model_copy(update={"protocol": result.protocol.model_copy(update={"name": name, "settings": settings})})
        for name, settings in many
    ]
    figure = study_figures(results)[0]
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert len(figure.legends[0].get_texts()) == 6
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_what_a_random_split_adds_is_told_by_one_protocol_if_there_is_one(evaluated):
    known, random = evaluated[1][0], evaluated[2][0]

    def under(features, result, **settings):
        name = "published-folds" if settings else result.protocol.name
        protocol = result.protocol.model_copy(update={"name": name, "settings": settings})
        return result.model_copy(update={"features_name": features, "protocol": protocol})

    results = [
        under("first", known, split_name="six"),
        under("first", known, split_name="five"),
        under("second", known, split_name="five"),
        *(under(name, random) for name in ("first", "second")),
    ]
    gaps = study_tables(TEXT, results).gaps
    assert [row.cells[3].text.partition("(")[2] for row in gaps.rows] == ["published-folds 'five')"] * 2


def test_recordings_that_were_set_aside_are_counted_above_the_table_of_a_study(evaluated):
    result = evaluated[0][0]
    for count, said in (
        (0, ""),
        (1, " 1 unusable recording was set aside."),
        (2, " 2 unusable recordings were set aside."),
    ):
        quarantine = [{"file": f"{n}.wav", "reason": "silent"} for n in range(count)]
        page = study_page(TEXT, [result.model_copy(update={"quarantine": quarantine})])
        assert f"classes.{said} No speaker is on both sides." in page


def test_a_study_keeps_protocols_apart_and_shows_the_leak(evaluated):
    results = [result for result, _ in evaluated]
    page = study_page(TEXT, results)
    assert page.count("\n## Demo corpus, ") == 3
    gap = 100 * (results[2].pooled.uar - results[0].pooled.uar)
    assert (
        f"{100 * results[0].pooled.uar:.1f} (speaker-kfold) | {100 * results[2].pooled.uar:.1f} | {gap:+.1f} |" in page
    )
    assert "    the command" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_a_page_says_where_most_answers_are_one_emotion():
    result = made(("none", "none"), "svm", [0.5] * 24)
    even = result.model_copy(update={"confusion": [[6, 4], [6, 4]], "classes": ("calm", "sad")})
    single = result.model_copy(update={"confusion": [[0, 10], [1, 9]], "classes": ("calm", "sad")})
    # 12 of 20 are exactly the limit, 19 of 20 above it.
    assert one_sided([even]) == []
    (line,) = one_sided([even, single])
    assert line.startswith("svm with") and line.endswith("95.0 % of the answers are 'sad'")


def of_two_corpora():
    """One corpus with eight speakers who are right in 3 of 4 clips of one class and 1 of 2 of another; one with two."""
    confusions = {f"large/{name}": [[3, 1], [1, 1]] for name in "abcdefgh"}
    confusions |= {f"small/{name}": [[2, 0], [2, 0]] for name in "xy"}
    plain = made(("none", "none"), "svm", [0.5] * 24)
    scores = next(iter(plain.speakers.values()))
    return plain.model_copy(
        update={
            "corpora": ("large", "small"),
            "classes": ("angry", "sad"),
            "per_class": {"angry": plain.per_class["angry"], "sad": plain.per_class["calm"]},
            "speaker_confusions": confusions,
            "speakers": dict.fromkeys(confusions, scores),
        }
    )


def test_scores_in_each_corpus_and_their_intervals():
    found = corpus_scores(of_two_corpora())
    assert list(found) == ["large", "small"]
    large, small = found.values()
    assert (large.speakers, large.scores.war, large.scores.uar) == (8, 4 / 6, (3 / 4 + 1 / 2) / 2)
    # Speakers who are all the same give an interval without width.
    assert large.intervals["uar"] == pytest.approx((0.625, 0.625))
    assert (small.speakers, small.scores.uar, small.intervals) == (2, 0.5, None)
    assert corpus_scores(made(("none", "none"), "svm", [0.5] * 24)) == {}


def test_pages_show_each_corpus_of_several():
    result = of_two_corpora()
    row = "| inductive | " + f"{result.features_name} | svm | 62.5 (62.5 to 62.5) | 50.0 |"
    page = study_page(StudyText(command="x", title="t", question="q"), [result])
    assert "| setting | features | classifier | large (8 speakers) | small (2 speakers) |" in page
    assert row in page
    page = result_page(result)
    assert "| large | 8 | 66.7 | 62.5 | 62.5 to 62.5 | " in page
    assert "| small | 2 | 50.0 | 50.0 | - | " in page


def test_labels_in_scripts_that_the_font_lacks_are_no_warnings(tmp_path, recwarn):
    result = made(("none", "none"), "svm", [0.5] * 24).model_copy(update={"classes": ("\u6012\u308a", "\u0627")})
    save_figure(confusion_figure(result), tmp_path / "confusion.png")
    assert [str(warning.message) for warning in recwarn] == []


def test_speakers_are_drawn_in_the_colour_of_their_corpus():
    axes = speakers_figure(of_two_corpora()).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()][2:] == ["large", "small"]
    large, small = (bars.lines[0] for bars in axes.containers)
    assert (len(large.get_xdata()), len(small.get_xdata())) == (8, 2)
    assert large.get_color() != small.get_color() and large.get_marker() != small.get_marker()


def test_pipelines_over_all_tables():
    """Two pipelines in three tables; a table that lacks one of them does not count."""

    def one(corpus, features, setting, uar):
        plain = made(("none", "none"), "svm", [uar] * 24)
        protocol = plain.protocol.model_copy(update={"setting": setting})
        return plain.model_copy(update={"corpora": (corpus,), "features_name": features, "protocol": protocol})

    given = {
        "a": {("x", "inductive"): 0.4, ("x", "adapted"): 0.5, ("y", "inductive"): 0.3, ("y", "adapted"): 0.6},
        "b": {("x", "inductive"): 0.5, ("x", "adapted"): 0.4, ("y", "inductive"): 0.4, ("y", "adapted"): 0.5},
        "c": {("x", "inductive"): 0.6, ("x", "adapted"): 0.6, ("y", "inductive"): 0.6, ("y", "adapted"): 0.4},
        "d": {("x", "inductive"): 0.9, ("x", "adapted"): 0.9},
    }
    groups = {(corpus, ""): [one(corpus, *key, uar) for key, uar in table.items()] for corpus, table in given.items()}
    count, (x, y) = across_tables(groups)
    assert count == 3
    assert (x.inductive, x.adapted, x.best_inductive, x.best_adapted, x.higher) == pytest.approx((0.5, 0.5, 3, 1, 1))
    assert (y.best_inductive, y.best_adapted, y.higher) == (1, 2, 2)
    assert (y.lowest_change, y.highest_change) == pytest.approx((-0.2, 0.3))
    page = study_page(
        StudyText(command="x", title="t", question="q"), [one for group in groups.values() for one in group]
    )
    assert "| x | svm | 50.0 | 3 | 50.0 | 1 | 1 of 3 | -10.0 to +10.0 |" in page
    assert across_tables({key: group for key, group in groups.items() if key[0] in "ab"}) == (0, [])


def test_nothing_of_an_earlier_result_stays_beside_a_new_one(evaluated, tmp_path, monkeypatch):
    result, found = evaluated[0]
    write_report(result, found, tmp_path)
    (tmp_path / "learning_curves.png").write_bytes(b"of an earlier run")
    (tmp_path / "mine.txt").write_text("kept")

    def full(*_):
        raise FusionserError("cannot write: No space left on device")

    monkeypatch.setattr("fusionser.reporting.figures.save_figure", full)
    with pytest.raises(FusionserError, match="No space left"):
        write_report(evaluated[2][0], evaluated[2][1], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"result.json", "predictions.csv", "mine.txt"}
    assert json.loads((tmp_path / "result.json").read_text())["pooled"]["uar"] == evaluated[2][0].pooled.uar
