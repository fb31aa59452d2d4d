"""A factorial of balancing strategies and augmentations: its cells, its contrasts, and their effects."""

import json
import re
from shutil import copy

import numpy as np
import pytest
from conftest import ROOT
from made_results import SPEAKERS, made
from scipy.stats import chi2

from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.reporting.ablation import AblationText, summary
from fusionser.reporting.ablation_web_page import _shade, write_ablation_html
from fusionser.reporting.breakdown import by_class, by_speaker, change_by_classifier, gender_gap, rankings
from fusionser.reporting.words import design_notes, result_stamps
from fusionser.results import ClassResult, ProtocolStamp
from fusionser.spec import ProtocolSpec, RowsSpec
from fusionser.studies.contrasts import estimate_effects
from fusionser.studies.factorial import Factorial, cell_label


def factorial(**changed):
    given = {
        "corpus": "demo",
        "imbalance": ["none", "weights", "smote"],
        "augmentation": ["none", "noise", "all"],
        "classifiers": ["svm", "mlp"],
        "protocol": ProtocolSpec(name="speaker-kfold"),
    }
    return Factorial(**{**given, **changed})


def all_cells(table, effect, rng):
    """Results of every cell: each speaker a level of their own, noise, and the effect of the cell."""
    level = rng.uniform(0.4, 0.7, len(SPEAKERS))
    return [
        made(
            (strategy, kind), name, np.clip(level + effect(strategy, kind) + rng.normal(0, 0.03, len(SPEAKERS)), 0, 0.9)
        )
        for strategy in table.imbalance
        for kind in table.augmentation
        for name in table.classifiers
    ]


def test_a_study_of_gender_needs_known_genders(command, demo_folder, tmp_path):
    for file in sorted(demo_folder.iterdir())[::40]:
        speaker, emotion = file.stem.split("_")[1:3]
        (tmp_path / "mine" / speaker / emotion).mkdir(parents=True, exist_ok=True)
        copy(file, tmp_path / "mine" / speaker / emotion / "take.wav")
    given = ("--layout", "{speaker}/{emotion}/*", "--study", "gender", "--out", tmp_path / "out")
    told = command("ablate", tmp_path / "mine", *given)
    assert told.status == 1 and "the gender of no speaker is known" in told.messages
    assert "--layout" in told.messages and "--gender" not in told.messages and "column" not in told.messages


def test_the_cells_are_the_table():
    table = factorial(imposed=5.0, copies=3, only_scarce=True)
    recipe = table.recipe()
    assert len(recipe.pipelines) == 9
    by_name = {one.name: one for one in recipe.pipelines}
    last = by_name["imbalance smote, augmentation all"]
    assert last.spec.rows == RowsSpec(
        augment=("noise", "pitch", "stretch", "lowpass"),
        copies=3,
        augment_classes="scarce",
        imbalance="smote",
        impose_imbalance=5.0,
    )
    # A cell without augmentation has none for the scarce classes either.
    plain = by_name["imbalance smote, augmentation none"].spec.rows
    assert (plain.augment, plain.augment_classes) == ((), "all")
    assert last.classifiers == ("svm", "mlp")


def test_where_networks_are_compared_is_told_where_none_is_in_the_table():
    assert "a study of their own, deep" in design_notes(factorial(preset="fusionnet"))[-1]
    assert "a study of their own, deep" not in " ".join(design_notes(factorial(preset="ser-fusionnet")))
    assert "a study of their own, deep" not in " ".join(design_notes(factorial(blocks=["wide", "conv2d"])))


def test_the_contrasts_are_settled_beforehand():
    asked = factorial().contrasts()
    expected = [
        (("none", "none"), ("weights", "none")),
        (("none", "none"), ("smote", "none")),
        (("none", "none"), ("none", "all")),
        (("weights", "none"), ("weights", "all")),
        (("none", "all"), ("weights", "all")),
    ]
    assert [(one.without, one.having) for one in asked] == [
        (f"imbalance {strategy}, augmentation {kind}", f"imbalance {other}, augmentation {augmented}")
        for (strategy, kind), (other, augmented) in expected
    ]
    assert [one.text for one in asked] == [
        "weights against none",
        "smote against none",
        "augmentation (all) against none",
        "weights with augmentation (all) against weights alone",
        "weights with augmentation (all) against augmentation (all) alone",
    ]


def test_an_effect_is_found_and_averaged_over_the_classifiers():
    table = factorial()
    rng = np.random.default_rng(0)
    results = all_cells(table, lambda strategy, kind: 0.08 * (kind == "all") - 0.05 * (strategy == "smote"), rng)
    effects = {one.contrast.text: one for one in estimate_effects(table, results)}
    augmented = effects["augmentation (all) against none"]
    assert augmented.corrected < 0.001
    assert augmented.classifiers == 2
    # By hand: the mean over classifiers and speakers.
    cells = {(one.features_name, one.classifier): one for one in results}
    by_hand = np.mean(
        [
            cells[cell_label("none", "all"), name].speakers[speaker].uar
            - cells[cell_label("none", "none"), name].speakers[speaker].uar
            for name in ("svm", "mlp")
            for speaker in SPEAKERS
        ]
    )
    assert augmented.uar.mean == pytest.approx(by_hand)
    assert augmented.recall["calm"] == pytest.approx(augmented.recall["angry"]) == pytest.approx(by_hand)
    assert effects["smote against none"].uar.mean < 0 and effects["smote against none"].corrected < 0.05
    assert effects["weights against none"].corrected > 0.05
    text = " ".join(summary(table, list(effects.values())))
    assert "Without augmentation, 1 of 2 balancing strategies changed the UAR significantly" in text
    assert "that of smote: -" in text
    assert "Without a balancing strategy, augmentation (all) changed the UAR significantly: +" in text


def test_a_change_that_is_of_one_classifier_is_told_as_such():
    table = factorial()
    level = np.linspace(0.4, 0.7, len(SPEAKERS))
    results = [
        made((strategy, kind), name, level + 0.06 * (strategy == "smote" and name == "mlp"))
        for strategy in table.imbalance
        for kind in table.augmentation
        for name in table.classifiers
    ]
    effects = estimate_effects(table, results)
    shown = change_by_classifier(table, effects, results)
    assert shown.columns == ["svm", "mlp"]
    assert shown.labels == [one.contrast.text for one in effects]
    smote = shown.labels.index("smote against none")
    np.testing.assert_allclose(shown.values[smote], [0.0, 0.06], atol=1e-12)
    assert effects[smote].uar.mean == pytest.approx(0.03)
    assert np.abs(np.delete(shown.values, smote, axis=0)).max() < 1e-12
    assert ", 0.0 to +6.0 by classifier)." in summary(table, effects, results)[0]


def test_what_is_worse_together_is_not_better_than_either():
    table = factorial()
    rng = np.random.default_rng(2)
    results = all_cells(table, lambda strategy, kind: -0.08 * (strategy == "weights" and kind == "all"), rng)
    effects = estimate_effects(table, results)
    assert effects[-1].corrected < 0.05 and effects[-1].uar.mean < 0
    told = summary(table, effects)[-1]
    assert told.startswith(
        "Combined, weights and augmentation (all) are not significantly better than weights alone, -"
    )
    assert " or augmentation (all) alone, -" in told


def test_where_there_is_no_effect_a_study_seldom_finds_one():
    table = factorial()
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(60):
        effects = estimate_effects(table, all_cells(table, lambda strategy, kind: 0.0, rng))
        found += any(one.corrected < 0.05 for one in effects)
    # The chance of any false one among all contrasts of a study is 0.05: 8 or more of 60 have one of a hundred.
    assert found < 8


def test_results_that_cannot_be_compared_are_refused():
    table = factorial()
    level = np.full(24, 0.5)
    mixed = [
        made(("none", "none"), "svm", level),
        made(("weights", "none"), "svm", level, protocol="random-kfold"),
    ]
    with pytest.raises(SettingsError, match="results of different protocols cannot be compared: random-kfold of demo"):
        estimate_effects(table, mixed)


def test_an_empty_cell_leaves_its_contrast_open():
    table = factorial()
    level = np.linspace(0.4, 0.6, 24)
    effects = estimate_effects(
        table, [made(("none", "none"), "svm", level), made(("smote", "none"), "svm", level + 0.02)]
    )
    assert [one.contrast.text for one in effects] == ["smote against none"]
    assert "No contrast can be estimated yet" in summary(table, [])[0]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"imbalance": ["weights"]}, "imbalance is weights; expected 'none' among them"),
        ({"augmentation": ["none", "echo"]}, "unknown augmentation 'echo'"),
        ({"augmentation": ["none", "noise+noise"]}, "names a kind twice"),
        ({"imbalance": ["none", "magic"]}, "unknown imbalance strategy 'magic'"),
        ({"classifiers": ["svm", "oracle"]}, "unknown classifier 'oracle'"),
        (
            {
                "imbalance": [
                    "none",
                    "weights",
                    "smote",
                    "adasyn",
                    "smote-enn",
                    "smote-tomek",
                    "oversample",
                    "undersample",
                    "borderline-smote",
                ]
            },
            "the study has 11 contrasts; with more than 10, each has too little power",
        ),
    ],
)
def test_tables_that_make_no_sense_are_told(changed, told):
    with pytest.raises(SettingsError, match=told):
        factorial(**changed)


def test_a_gap_of_gender_is_of_the_speakers():
    confusions = {name: [[8, 2], [2, 8]] if place % 2 else [[5, 5], [5, 5]] for place, name in enumerate(SPEAKERS)}
    genders = {name: "female" if place % 2 else "male" for place, name in enumerate(SPEAKERS)}
    found = gender_gap(made(("none", "none"), "svm", np.full(24, 0.5), confusions=confusions, genders=genders))
    assert found.gap == pytest.approx(0.3)
    assert found.interval == pytest.approx((0.3, 0.3))


def test_methods_are_ranked_by_speaker():
    # Every speaker: mlp above svm above bilstm, whatever the cell; smote above none above weights; augmentations alike.
    by_classifier, by_strategy = {"mlp": 0.2, "svm": 0.1, "bilstm": 0.0}, {"smote": 0.02, "none": 0.01, "weights": 0.0}
    level = np.linspace(0.4, 0.6, 24)
    table = factorial(classifiers=list(by_classifier))
    results = [
        made((strategy, kind), name, level + by_classifier[name] + by_strategy[strategy])
        for strategy in table.imbalance
        for kind in table.augmentation
        for name in table.classifiers
    ]
    found = dict(rankings(table, results))
    assert found["classifier"].ranks == {"mlp": 1.0, "svm": 2.0, "bilstm": 3.0}
    assert found["balancing strategy"].ranks == {"smote": 1.0, "none": 2.0, "weights": 3.0}
    assert found["classifier"].p == pytest.approx(chi2.sf(2 * 24, 2))
    assert set(found["augmentation"].ranks.values()) == {2.0} and found["augmentation"].p == 1.0
    # Without one of its evaluations a method would be averaged over other ones than its rivals.
    assert rankings(table, results[1:]) == []


def test_an_estimated_gender_is_stamped_once_with_its_range():
    told = "gender of the test speakers estimated from the voice: accuracy {} % of 535 test clips"
    results = [
        made(("none", "none"), "svm", np.full(24, 0.5)).model_copy(
            update={
                "protocol": ProtocolStamp(
                    name="speaker-kfold",
                    settings={},
                    setting="inductive",
                    selection="fixed",
                    stamps=(Stamp(kind="gender-estimated", value={"accuracy": share, "clips": 535}), *more),
                )
            }
        )
        for share, more in ((0.95, ()), (0.931, (Stamp(kind="one-split"),)), (0.959, ()))
    ]
    assert result_stamps(results) == [told.format("93.1 to 95.9"), "one split (speaker-kfold)"]
    assert result_stamps(results[:1]) == [told.format("95.0")]


def test_classes_and_speakers_are_averaged_over_the_classifiers():
    table = factorial(augmentation=["none", "noise"])
    results = [
        made((strategy, kind), name, np.full(24, level + (0.1 if name == "mlp" else 0.0)))
        for strategy, kind, level in (("none", "none", 0.3), ("smote", "noise", 0.5))
        for name in table.classifiers
    ]
    speakers = by_speaker(table, results)
    assert speakers.labels == [cell_label("none", "none"), cell_label("smote", "noise")]
    assert speakers.columns == SPEAKERS
    np.testing.assert_allclose(speakers.values, np.repeat([[0.35], [0.55]], 24, axis=1))
    classes = by_class(table, results)
    assert classes.columns == ["angry", "calm"]
    np.testing.assert_allclose(classes.values, [[0.25, 0.45], [0.45, 0.65]])


def test_a_table_on_recordings(command, demo_folder, tmp_path):
    table = ["--imbalance", "none,smote", "--augmentation", "none,noise", "--impose-imbalance", "4", "--gender", "none"]
    given = ["ablate", demo_folder, "--corpus", "demo", *table, "--folds", "4", "--out", tmp_path / "out"]
    answer = command(*given, "--json")
    assert answer.status == 0, answer.messages
    assert [one["contrast"]["text"] for one in answer.json] == [
        "smote against none",
        "augmentation (noise) against none",
        "smote with augmentation (noise) against smote alone",
        "smote with augmentation (noise) against augmentation (noise) alone",
    ]
    assert answer.json[0]["uar"]["least_p"] == pytest.approx(2 / 2**8)
    page = (tmp_path / "out" / "report.md").read_text()
    assert "an imbalance of 1 to 4 imposed on the training rows" in page
    assert "## Gender" in page
    for picture in ("table", "contrasts", "classes", "speakers"):
        assert f"({picture}.png)" in page and (tmp_path / "out" / f"{picture}.png").stat().st_size > 0
    cells = sorted((tmp_path / "out" / "cells").glob("*.json"))
    assert len(cells) == 4
    stored = json.loads(cells[-1].read_text())
    assert stored["classifier_settings"]["imposed"] == stored["spec"]["rows"]["impose_imbalance"] == 4.0
    before = [cell.stat().st_mtime_ns for cell in cells]
    assert command(*given).status == 0
    assert [cell.stat().st_mtime_ns for cell in cells] == before
    # One file that needs nothing else, the same when it is made again of what is kept.
    html = (tmp_path / "out" / "report.html").read_text()
    assert not re.search(r"https?:|src=|<link|@import|url\(", html)
    assert html.count("<svg") == 1 and 'role="img" aria-label="Change of UAR and WAR' in html
    assert answer.json[0]["contrast"]["text"] in html and "prefers-color-scheme: dark" in html
    again = tmp_path / "again.html"
    assert command("report", tmp_path / "out", "--html", again).status == 0
    assert sorted(re.findall(r"<td>[^<]*</td>", again.read_text())) == sorted(re.findall(r"<td>[^<]*</td>", html))
    wrong = command("report", tmp_path, "--html", again)
    assert wrong.status != 0 and "expected a folder of 'fusionser ablate'" in wrong.messages


def test_names_in_the_page_are_text_and_no_markup(tmp_path):
    table = factorial(imbalance=["none"], augmentation=["none", "noise"], classifiers=["svm"])
    level = np.linspace(0.4, 0.6, 24)
    odd = [
        made(("none", kind), "svm", level + shift).model_copy(
            update={
                "classes": ("<b>angry</b>", "calm"),
                "per_class": {
                    name: ClassResult(precision=0.5, recall=0.5, f1=0.5, support=12)
                    for name in ("<b>angry</b>", "calm")
                },
            }
        )
        for kind, shift in (("none", 0.0), ("noise", 0.02))
    ]
    effects = estimate_effects(table, odd)
    page = write_ablation_html(table, effects, odd, AblationText(command="fusionser ablate"), tmp_path / "page.html")
    assert "&lt;b&gt;angry&lt;/b&gt;" in page.read_text() and "<b>angry" not in page.read_text()


def luminance(colour):
    """Relative luminance as WCAG 2.2 defines it, of red, green and blue from 0 to 255."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in np.array(colour) / 255]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_the_darkest_cells_are_legible(mode):
    style = (ROOT / "fusionser" / "reporting" / "templates" / "page.html.j2").read_text()
    ink, paper, mark = (
        np.array(list(bytes.fromhex(re.findall(rf"--{name}: #([0-9a-f]{{6}})", style)[mode])), float)
        for name in ("ink", "paper", "mark")
    )
    share = _shade(1.0, 0.0, 1.0) / 100
    levels = sorted((luminance(ink), luminance(share * mark + (1 - share) * paper)))
    # WCAG asks for this contrast of text of normal size.
    assert (levels[1] + 0.05) / (levels[0] + 0.05) >= 4.5
