"""Studies by name: what they evaluate, what they contrast, and what they do on recordings."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from made_results import made

from fusionser.errors import SettingsError
from fusionser.reporting.ablation import summary
from fusionser.results import Result, read_result
from fusionser.spec import ProtocolSpec
from fusionser.studies.contrasts import estimate_effects
from fusionser.studies.named import STUDIES, NamedStudy


def study(name, **changed):
    given = {"corpus": "ravdess", "classifiers": ["svm"], "protocol": ProtocolSpec(name="speaker-kfold")}
    return NamedStudy(study=name, **{"preset": "fusionnet", **given, **changed})


def test_each_block_is_alone_and_left_out():
    blocks = study("blocks", gender="given")
    kept = {one.name: one.spec.features.keep for one in blocks.recipe().pipelines}
    names = ["zcr", "chroma", "mfcc", "rms", "mel", "statistics", "gender"]
    assert kept["all blocks"] == ()
    assert [kept[f"{name} alone"] for name in names] == [(name,) for name in names]
    assert all(set(names) - set(kept[f"without {name}"]) == {name} for name in names)
    assert [one.without for one in blocks.contrasts()] == [f"without {name}" for name in names]


def test_protocols_have_folds_alike():
    """Else one would learn from more rows than the other, and that would be what is compared."""
    (corpus,) = study("protocol").recipe().corpora
    assert corpus.classes == ()
    assert [(one.name, one.settings.get("folds")) for one in corpus.protocols] == [
        ("random-kfold", 6),
        ("leave-one-statement-out", None),
        ("speaker-kfold", 6),
    ]
    few = study("protocol", protocol=ProtocolSpec(name="speaker-kfold", settings={"folds": 3}))
    assert [one.settings.get("folds") for one in few.recipe().corpora[0].protocols] == [3, None, 3]


def test_several_corpora_are_scored_by_the_speakers_and_classes_of_one():
    six = ("angry", "disgust", "fear", "happy", "neutral", "sad")
    alone, added = study("corpora", also=["emodb"]).recipe().corpora
    assert (alone.corpus, alone.also, alone.classes) == ("ravdess", (), six)
    assert (added.corpus, added.also, added.classes) == ("ravdess", ("emodb",), six)
    assert [one.name for one in (*alone.protocols, *added.protocols)] == [
        "speaker-kfold",
        "speaker-kfold-added-corpora",
    ]
    assert added.protocols[0].settings == {"test": ["ravdess"], "folds": 6}
    own, across = study("protocol", also=["emodb"]).recipe().corpora
    assert (len(own.protocols), own.classes) == (3, six)
    assert (across.also, across.protocols[0].settings) == (("emodb",), {"test": ["ravdess"]})
    asked = [one.text for one in study("protocol", also=["emodb"]).contrasts()]
    assert asked[-1] == "training on another corpus against folds by speaker"


def test_results_of_other_protocols_are_compared_only_where_the_study_is_about_them():
    level = np.linspace(0.3, 0.5, 24)
    results = [
        made(("none", "none"), "svm", level, protocol="speaker-kfold"),
        made(("none", "none"), "svm", level + 0.2, protocol="random-kfold"),
    ]
    (effect,) = estimate_effects(study("protocol"), results)
    assert effect.contrast.text == "random folds against folds by speaker"
    assert effect.uar.mean == pytest.approx(0.2)
    told = summary(study("protocol"), [effect], results)
    assert told[0] == "The UAR is highest for 'random folds' (60.0 %) and lowest for 'folds by speaker' (40.0 %)."
    assert told[1].startswith("The only contrast, random folds against folds by speaker, is significant: +20.0 points")
    with pytest.raises(SettingsError, match="results of different protocols cannot be compared"):
        estimate_effects(study("gender"), results)


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("voices", {}, "unknown study 'voices'"),
        ("blocks", {"preset": None, "blocks": ("mfcc",)}, "got one block, 'mfcc'; expected two or more"),
        ("gender", {"classifiers": ["oracle"]}, "unknown classifier 'oracle'"),
        ("gender", {"also": ["emodb"]}, "the study 'gender' uses one corpus; leave --also out"),
        ("corpora", {"also": ["ravdess"]}, "--also names ravdess, which is the corpus of the study itself"),
        ("protocol", {"also": ["voices"]}, "unknown corpus 'voices'"),
    ],
)
def test_studies_that_make_no_sense_are_told(name, changed, told):
    with pytest.raises(SettingsError, match=told):
        study(name, **changed).recipe()


def test_a_network_is_added_to_the_features_of_the_paper_and_takes_their_place():
    with pytest.raises(SettingsError, match="always uses SER-FusionNet's features"):
        study("deep", preset="wide").recipe()
    made_of = {
        one.name: (one.spec.features_name, one.spec.networks.cross_fit) for one in study("deep").recipe().pipelines
    }
    assert made_of == {
        "no network": ("fusionnet", 0),
        "units of Conv1D beside": ("acoustic+statistics+gender+conv1d", 0),
        "class scores of Conv1D beside": ("acoustic+statistics+gender+conv1d", 3),
        "units of Conv1D in place of its inputs": ("ser-fusionnet", 0),
    }


@pytest.mark.parametrize("name", sorted(set(STUDIES) - {"deep", "corpora"}))
def test_a_study_on_recordings(name, command, demo_folder, tmp_path):
    given = ["ablate", demo_folder, "--corpus", "demo", "--study", name, "--folds", "4", "--out", tmp_path / "out"]
    answer = command(*given, "--json")
    assert answer.status == 0, answer.messages
    asked = [one.text for one in study(name, corpus="demo").contrasts()]
    assert [one["contrast"]["text"] for one in answer.json] == asked
    page = (tmp_path / "out" / "report.md").read_text()
    assert all(text in page for text in asked)
    html = (tmp_path / "out" / "report.html").read_text()
    assert all(text in html for text in asked)
    again = tmp_path / "again.html"
    assert command("report", tmp_path / "out", "--html", again).status == 0
    assert again.read_text() == html


def test_a_study_of_networks_shows_how_they_learned(command, demo_folder, tmp_path):
    given = ["ablate", demo_folder, "--corpus", "demo", "--study", "deep", "--folds", "2", "--epochs", "2"]
    answer = command(*given, "--gender", "none", "--out", tmp_path, "--json")
    assert answer.status == 0, answer.messages
    assert len(answer.json) == 4
    # The paper's 162 and 6 columns, beside them 32 units or a score a class, and the 32 in place of the 162.
    cells = [read_result(path) for path in (tmp_path / "cells").glob("*.json")]
    classes = len(cells[0].classes)
    assert {one.features_name: one.feature_count for one in cells} == {
        "no network": 168,
        "units of Conv1D beside": 200,
        "class scores of Conv1D beside": 168 + classes,
        "units of Conv1D in place of its inputs": 38,
    }
    curves = {path.stem.split("_")[-2]: pd.read_csv(path) for path in (tmp_path / "curves").glob("*.csv")}
    assert set(curves) == {
        "units-of-Conv1D-beside",
        "class-scores-of-Conv1D-beside",
        "units-of-Conv1D-in-place-of-its-inputs",
    }
    assert all(set(table["network"]) == {"conv1d"} and table["epoch"].max() == 2 for table in curves.values())
    html = (tmp_path / "report.html").read_text()
    assert html.count('<svg class="curve"') == 3
    lines = re.findall(r'<polyline class="training_loss" points="([^"]+)"/>', html)
    # From the left edge to the right, and none above the largest loss.
    points = [[tuple(map(float, point.split(","))) for point in line.split()] for line in lines]
    assert all([x for x, _ in line] == [0.0, 300.0] for line in points)
    assert all(0.0 <= y <= 160.0 for line in points for _, y in line)
    units = curves["units-of-Conv1D-beside"]
    most = units[["training_loss", "validation_loss"]].to_numpy().max()
    assert points[0][0][1] == pytest.approx(160 * (1 - units["training_loss"][0] / most), abs=0.06)


def test_a_block_alone_is_what_it_is_by_itself(command, demo_folder, tmp_path):
    """The columns that a part reads off the table of all blocks, against features of that block and nothing else."""
    out = tmp_path / "out"
    shared = ["--corpus", "demo", "--folds", "4"]
    blocks = ["--blocks", "mfcc,chroma"]
    assert command("ablate", demo_folder, *shared, "--study", "blocks", *blocks, "--out", out).status == 0
    alone = command("evaluate", demo_folder, *shared, "--blocks", "mfcc", "--protocol", "speaker-kfold", "--json")
    (path,) = (out / "cells").glob("*mfcc-alone*.json")
    stored = Result.model_validate_json(path.read_text())
    assert json.loads(stored.model_dump_json())["confusion"] == alone.json["confusion"]


def test_what_has_no_part_in_a_study_is_told(command, demo_folder, tmp_path):
    given = ["ablate", demo_folder, "--corpus", "demo", "--out", tmp_path / "out"]
    answer = command(*given, "--study", "blocks", "--copies", "3")
    assert answer.status != 0
    assert "--copies has no effect in the study 'blocks'; leave it out" in answer.messages
    answer = command(*given, "--study", "corpora")
    assert "the study 'corpora' adds other corpora to the training rows; name at least one" in answer.messages
    answer = command(*given, "--also", f"emodb={demo_folder}")
    assert "--also is only for the studies protocol and corpora" in answer.messages
    answer = command(*given, "--study", "gender", "--gender", "given")
    assert "--gender has no effect in the study 'gender'" in answer.messages
