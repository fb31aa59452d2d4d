"""What is used where nothing is named, and that what is stored keeps its meaning when a default changes."""

import json
import tomllib

import pytest
from conftest import ROOT

from fusionser.classifiers import LateFusion
from fusionser.legacy import current_spec
from fusionser.model import ModelCard
from fusionser.pipeline import PipelineSpec, Place, build_features, build_pipeline, prepare, resolve
from fusionser.registry import PRESETS
from fusionser.results import read_result
from fusionser.scaling import LIMIT
from fusionser.spec import Config, ProtocolSpec
from fusionser.studies.ablation import run_ablation, stored_ablation
from fusionser.studies.factorial import Factorial
from fusionser.studies.named import NamedStudy
from fusionser.studies.recipe import keep_recipe, kept_recipe, read_recipe


def scaling(features, **more):
    return PipelineSpec(features=features, **more).explicit().classifier.scaling


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({}, "bounded"),
        ({"preset": "robust", "gender": "estimated"}, "bounded"),
        ({"preset": "wide"}, "standard"),
        ({"preset": "fusionnet"}, "standard"),
        ({"preset": "ser-fusionnet"}, "standard"),
        ({"blocks": ["modulation"]}, "bounded"),
        ({"blocks": ["prosody", "relative-cepstra", "gender"]}, "bounded"),
        ({"blocks": [{"kind": "prosody", "name": "mine"}]}, "bounded"),
        ({"blocks": ["prosody", "mfcc"]}, "standard"),
        ({"blocks": ["gender"]}, "standard"),
    ],
)
def test_the_scaling_is_that_of_the_features(features, expected):
    assert scaling(features) == expected
    assert scaling(features, classifier={"scaling": "quantile"}) == "quantile"
    assert build_pipeline(PipelineSpec(features=features))["scale"].scaling == expected


def test_a_preset_of_ones_own_declares_its_scaling_and_its_fusion(monkeypatch):
    def ranked(**options):
        return PRESETS["wide"](**options)

    ranked.scaling, ranked.fusion = "quantile", "weighted"
    monkeypatch.setitem(PRESETS._added, "ranked", ranked)
    assert scaling({"preset": "ranked"}) == "quantile"
    assert build_pipeline(PipelineSpec(features={"preset": "ranked"}))["classifier"].method == "weighted"


BEST = {"features": {"preset": "best"}}


def test_best_fuses_late_one_member_for_robust_one_for_each_set_and_the_networks():
    pipeline = build_pipeline(PipelineSpec(**BEST))
    last = pipeline["classifier"]
    assert isinstance(last, LateFusion) and last.method == "average" and not last.by_block
    assert tuple(last.apart) == ("fisher-vectors", "fisher-vectors-short")
    blocks = dict(pipeline["features"].blocks)
    assert list(blocks) == [
        "prosody",
        "relative-cepstra",
        "modulation",
        "fisher-vectors",
        "fisher-vectors-short",
        "conv2d",
        "conv2d-mfcc",
    ]
    assert [blocks[name].output for name in ("conv2d", "conv2d-mfcc")] == ["scores", "scores"]
    assert (blocks["fisher-vectors-short"].context, blocks["fisher-vectors-short"].spacing) == (2, 2)
    # Class scores of networks are not scaled; the columns of the others are limited, as those of robust.
    assert pipeline["scale"].scaling == {"": "bounded", "conv2d": "none", "conv2d-mfcc": "none"}


def test_the_clip_of_best_is_that_of_all_its_blocks():
    blocks = dict(PRESETS["best"](offset=0.5).blocks)
    assert blocks.pop("conv2d-mfcc").front_end.offset == 0.5
    for block in blocks.values():
        assert getattr(block, "front_end", None) is None or block.front_end.offset == 0.5
        assert hasattr(block, "front_end") or block.offset == 0.5


@pytest.mark.parametrize(
    ("given", "resolved", "plain", "stored"),
    [
        ({}, "early", None, None),
        ({"fusion": "early"}, "early", None, None),
        ({"fusion": "weighted"}, "weighted", "weighted", "weighted"),
        (BEST, "average", None, "average"),
        ({**BEST, "fusion": "early"}, "early", "early", "early"),
        ({**BEST, "fusion": "stacked"}, "stacked", "stacked", "stacked"),
    ],
)
def test_the_fusion_is_that_of_the_features_unless_it_is_given(given, resolved, plain, stored):
    spec = PipelineSpec(**given)
    assert spec.resolved_fusion == resolved
    assert spec.plain().get("fusion") == plain and PipelineSpec(**spec.plain()) == spec
    explicit = spec.explicit()
    assert (
        explicit.plain().get("fusion") == stored and PipelineSpec(**explicit.plain()) == explicit == explicit.explicit()
    )


def test_other_features_bring_their_own_fusion():
    robust, best = PipelineSpec(features={"preset": "robust"}), PipelineSpec(**BEST)
    assert best.explicit().with_features(robust.features).resolved_fusion == "early"
    assert robust.explicit().with_features(best.features).resolved_fusion == "average"
    asked = PipelineSpec(**BEST, fusion="stacked")
    assert asked.with_features(robust.features).resolved_fusion == "stacked"


def test_the_default_is_robust_with_limited_columns(demo_rows):
    pipeline = build_pipeline(PipelineSpec())
    assert [name for name, _ in pipeline["features"].blocks] == ["prosody", "relative-cepstra", "modulation"]
    assert build_features(PipelineSpec()).settings() == PRESETS["robust"]().settings()
    rows = demo_rows.iloc[::12].reset_index(drop=True)
    scaled = pipeline[:2].fit_transform(rows, rows["emotion"])
    columns = scaled[[name for name in scaled if "__" in name]]
    assert columns.shape == (len(rows), 198) and columns.abs().to_numpy().max() == LIMIT


def test_what_is_completed_stays_so_and_follows_new_features():
    spec = PipelineSpec(features={"preset": "wide"}).explicit()
    assert spec.explicit() == spec
    other = PipelineSpec(features={"preset": "robust"}).features
    assert spec.with_features(other).explicit().classifier.scaling == "bounded"
    asked = spec.changed(classifier=spec.classifier.changed(scaling="minmax"))
    assert asked.with_features(other).classifier.scaling == "minmax"


def test_a_features_file_brings_the_scaling_of_its_blocks(demo_folder, tmp_path, command):
    for options, expected in (([], "bounded"), (["--blocks", "zcr"], "standard")):
        out = tmp_path / f"{expected}.parquet"
        assert command("extract", demo_folder, "--corpus", "demo", *options, "--out", out).status == 0
        assert resolve(PipelineSpec(), [Place(out)]).classifier.scaling == expected


def stored_without_names(result):
    """A result as earlier versions stored it: the default preset without its name."""
    stored = result.model_dump(mode="json")
    stored["spec"]["features"]["preset"] = None
    return stored


def test_a_stored_result_without_names_was_made_with_the_earlier_default(command, demo_folder, tmp_path):
    given = ["evaluate", demo_folder, "--corpus", "demo", "--protocol", "speaker-holdout", "--test-speakers", "f1"]
    made = command(*given, "--preset", "wide", "--out", tmp_path / "new", "--json")
    assert made.status == 0, made.messages
    new = read_result(tmp_path / "new" / "result.json")
    assert (new.spec.features.preset, new.spec.classifier.scaling) == ("wide", "standard")
    old = tmp_path / "result.json"
    old.write_text(json.dumps(stored_without_names(new)))
    assert read_result(old) == new
    assert Config.load(old).pipeline == new.spec
    again = command(*given[:4], "--config", old, "--json")
    assert again.json["features_name"] == "wide" and again.json["pooled"] == made.json["pooled"]
    assert "names no features" not in again.messages
    # Other features take their own scaling along.
    other = command(*given[:4], "--config", old, "--preset", "robust", "--json").json["spec"]
    assert (other["features"]["preset"], other["classifier"]["scaling"]) == ("robust", "bounded")


def test_a_stored_model_card_is_read_like_a_result():
    card = {
        "spec": {"seed": 3}, "features": [], "features_name": "wide", "classifier": "svm", "classifier_settings": {},
        "classes": ["a", "b"], "corpus": "demo", "training_rows": 2, "training_speakers": 1, "estimate": None,
        "versions": {}, "created": "2026-01-01",
    }  # fmt: skip
    spec = ModelCard.model_validate(card).spec
    assert spec == PipelineSpec(features={"preset": "wide"}, classifier={"scaling": "standard"}, seed=3)


@pytest.mark.parametrize("spec", [None, 3, {"network": "crnn"}, {"features": 3, "classifier": None}])
def test_what_names_no_features_otherwise_is_left_alone(spec):
    assert current_spec(spec) == spec


def test_settings_that_are_saved_name_what_was_used(command, demo_folder, tmp_path):
    settings = tmp_path / "settings.toml"
    given = ["evaluate", demo_folder, "--corpus", "demo", "--json"]
    first = command(*given, "--protocol", "speaker-holdout", "--test-speakers", "f1", "--save-config", settings)
    assert first.status == 0, first.messages
    assert first.json["features_name"] == "robust" and first.json["classifier_settings"]["scaling"] == "bounded"
    assert tomllib.loads(settings.read_text())["pipeline"] == {
        "features": {"preset": "robust"},
        "classifier": {"scaling": "bounded"},
    }
    again = command(*given, "--config", settings)
    assert again.json["pooled"] == first.json["pooled"] and "names no features" not in again.messages
    # A file that names none may be of an earlier version.
    settings.write_text('[protocol]\nname = "speaker-holdout"\nsettings = { speakers = ["f1"] }\n')
    unnamed = command(*given, "--config", settings)
    assert unnamed.json["pooled"] == first.json["pooled"]
    assert f"{settings} names no features; the default is used, robust" in " ".join(unnamed.messages.split())
    named = command(*given, "--config", settings, "--blocks", "zcr")
    assert named.status == 0 and "names no features" not in named.messages


UNNAMED = """
title = "Title"
question = "Question?"
[[pipelines]]
name = "mine"
classifiers = ["svm"]
[[corpora]]
corpus = "demo"
protocols = [{ name = "speaker-kfold" }]
"""


def test_a_kept_recipe_names_what_was_used(tmp_path):
    (tmp_path / "mine.toml").write_text(UNNAMED)
    recipe = read_recipe(str(tmp_path / "mine.toml"))
    keep_recipe("mine.toml", recipe, tmp_path)
    (pipeline,) = kept_recipe(tmp_path)[1].pipelines
    assert (pipeline.spec.features.preset, pipeline.spec.classifier.scaling) == ("robust", "bounded")
    # Earlier versions kept what differed from their defaults.
    kept = json.loads((tmp_path / "recipe.json").read_text())
    del kept["recipe"]["pipelines"][0]["spec"]
    (tmp_path / "recipe.json").write_text(json.dumps(kept))
    (pipeline,) = kept_recipe(tmp_path)[1].pipelines
    assert (pipeline.spec.features.preset, pipeline.spec.classifier.scaling) == ("wide", "standard")


def test_kept_recipes_of_committed_studies_mean_what_they_meant():
    robust, network = ("robust", ()), ("conv1d-relative",)
    meant = {
        "robust": (*robust, "bounded"),
        "wide": ("wide", (), "standard"),
        "robust, perceptron of 256 units": (*robust, "bounded"),
        "conv1d-relative": (None, network, "standard"),
        "robust with perceptron, and conv1d-relative, averaged": (None, ("robust", *network), "bounded"),
    }
    kept = {
        pipeline.name: (pipeline.spec.features.preset, tuple(pipeline.spec.features.blocks), pipeline.spec.scaling)
        for pipeline in kept_recipe(ROOT / "reports" / "in-the-wild")[1].pipelines
    }
    assert kept == meant
    for name in ("classical-baseline", "ser-fusionnet"):
        stored = kept_recipe(ROOT / "reports" / name)[1]
        assert {one.spec.scaling for one in stored.pipelines} == {"standard"}
        assert stored.explicit().pipelines == read_recipe(name).explicit().pipelines


def test_a_design_names_its_features(demo_folder, tmp_path):
    protocol = ProtocolSpec(name="speaker-holdout", settings={"speakers": ["f1", "m1"]})
    common = {"corpus": "demo", "classifiers": ["svm"], "protocol": protocol}
    named = NamedStudy(study="normalisation", **common)
    assert (named.preset, named.blocks) == ("robust", ())
    assert Factorial(imbalance=["none"], augmentation=["none"], **common).preset == "robust"
    assert Factorial(imbalance=["none"], augmentation=["none"], blocks=["zcr"], **common).preset is None
    assert NamedStudy(study="deep", **common).preset is None
    # An earlier version stored a design without names under the names that its evaluations had.
    run_ablation(NamedStudy(study="normalisation", blocks=["wide"], **common), {"demo": demo_folder}, tmp_path)
    path = tmp_path / "design.json"
    stored = json.loads(path.read_text())
    stored["design"]["blocks"] = []
    path.write_text(json.dumps(stored))
    ablation = stored_ablation(tmp_path)
    assert (ablation.design.preset, tuple(ablation.design.blocks)) == (None, ("wide",))
    assert len(ablation.run.results) == 2 and ablation.run.missing == []
    assert {result.features_name for result in ablation.run.results} == {"all blocks"}
    assert all(result.feature_count >= 900 for result in ablation.run.results)


def test_rows_of_another_default_are_not_reused(demo_folder, tmp_path):
    wide = prepare([Place(demo_folder, "demo")], PipelineSpec(features={"preset": "wide"}))
    assert wide.spec.classifier.scaling == "standard"
    assert not build_features(PipelineSpec()).table(wide.table).held().any()
