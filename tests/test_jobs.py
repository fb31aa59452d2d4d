"""The main jobs from Python and from the command line, and that settings which were kept give the numbers again."""

import json
import shutil
import tomllib

import numpy as np
import pandas as pd
import pytest

from fusionser.corpora import list_rows
from fusionser.errors import ProtocolError, SettingsError
from fusionser.facts import Stamp
from fusionser.features.store import read_settings
from fusionser.jobs import evaluate, extract, fit
from fusionser.model import load_model
from fusionser.pipeline import PipelineSpec
from fusionser.results import read_result
from fusionser.spec import ClassifierSpec
from fusionser.temperature import tempered

MADE = ("seconds", "provenance")
"""What differs from one run of the same settings to the next."""


def numbers(result):
    """What must be the same again of a result, as plain values."""
    found = {name: value for name, value in result.items() if name not in MADE}
    return {**found, "folds": [{**fold, "fit_seconds": None} for fold in found["folds"]]}


HANDCRAFTED = [
    "--preset", "fusionnet", "--gender", "estimated", "--duration", 1.5, "--offset", 0.1, "--classifier", "xgboost",
    "--scaling", "robust", "--imbalance", "oversample", "--augment", "noise,stretch(1.1)", "--copies", 2,
    "--augment-classes", "scarce", "--impose-imbalance", 4, "--setting", "speaker-normalised", "--seed", 7,
    "--protocol", "random-kfold", "--folds", 3, "--stratified", "--drop-classes", "happy",
]  # fmt: skip
FUSED = [
    "--blocks", "mfcc,pitch,mfcc-frames", "--gender", "given", "--fusion", "stacked", "--cross-fit", 2, "--epochs", 2,
    "--classifier", "mlp", "--imbalance", "weights", "--protocol", "speaker-holdout", "--test-share", 0.3, "--seed", 3,
]  # fmt: skip
NETWORK = [
    "--network", "mfcc-frames", "--epochs", 2, "--precision", "bfloat16", "--duration", 1.0, "--augment", "speed",
    "--protocol", "speaker-holdout", "--test-speakers", "f1,m2", "--classes", "angry,sad,fear",
]  # fmt: skip
SEARCHED = ["--preset", "fusionnet", "--gender", "none", "--tune", "--equal-blocks", "--folds", 2]


@pytest.mark.parametrize("options", [HANDCRAFTED, FUSED, NETWORK, SEARCHED], ids=["made", "fused", "network", "tuned"])
def test_a_results_own_settings_give_it_again(command, demo_folder, tmp_path, options):
    given = ["evaluate", demo_folder, "--corpus", "demo", "--json"]
    first = command(*given, *options)
    assert first.status == 0, first.messages
    path = tmp_path / "result.json"
    path.write_text(first.output)
    again = command(*given, "--config", path, "--save-config", tmp_path / "settings.toml")
    assert again.status == 0, again.messages
    assert numbers(again.json) == numbers(first.json)
    # A file of settings that was written of them does as well.
    third = command(*given, "--config", tmp_path / "settings.toml")
    assert third.status == 0, third.messages
    assert numbers(third.json) == numbers(first.json)


def test_what_was_asked_for_stands_in_the_specification(command, demo_folder):
    spec = command("evaluate", demo_folder, "--corpus", "demo", "--json", *HANDCRAFTED).json["spec"]
    assert PipelineSpec(**spec) == PipelineSpec(
        features={
            "preset": "fusionnet",
            "gender": "estimated",
            "clip": {"offset": 0.1, "duration": 1.5},
            "corpus_offset": 0.0,
        },
        rows={
            "impose_imbalance": 4,
            "augment": ["noise", "stretch(1.1)"],
            "copies": 2,
            "augment_classes": "scarce",
            "imbalance": "oversample",
        },
        classifier={"name": "xgboost", "scaling": "robust"},
        setting="speaker-normalised",
        seed=7,
    )


@pytest.fixture(scope="module")
def features(command, demo_folder, tmp_path_factory):
    file = tmp_path_factory.mktemp("jobs") / "features.parquet"
    options = ["--blocks", "mfcc,pitch,gender", "--gender", "given", "--duration", 1.5]
    done = command("extract", demo_folder, "--corpus", "demo", *options, "--out", file)
    assert done.status == 0, done.messages
    return file


def test_a_features_file_brings_its_settings_into_the_result(command, demo_folder, features, tmp_path):
    options = ["--equal-blocks", "--classifier", "svm", "--protocol", "speaker-kfold", "--folds", 2]
    out = tmp_path / "report"
    first = command("evaluate", features, *options, "--out", out, "--json").json
    assert first["spec"]["features"]["blocks"] == read_settings(features).extractor.settings()
    assert numbers(json.loads((out / "result.json").read_text())) == numbers(first)
    result = read_result(out / "result.json")
    assert read_result(result.save(tmp_path / "again.json")) == result
    settings = tmp_path / "settings.toml"
    again = command("evaluate", features, "--config", out / "result.json", "--save-config", settings, "--json")
    assert again.status == 0, again.messages
    assert numbers(again.json) == numbers(first)
    # The settings are all there: the recordings themselves do as well as what was extracted from them.
    whole = command("evaluate", demo_folder, "--corpus", "demo", "--config", settings, "--json")
    assert whole.status == 0, whole.messages
    assert numbers(whole.json) == numbers(first)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--duration", 1.0], "blocks with all their settings"),
        (["--no-trim"], "blocks with all their settings"),
        (["--gender", "none"], "blocks with all their settings"),
        (["--gender", "estimated"], "blocks with all their settings"),
    ],
)
def test_settings_of_a_features_file_are_not_changed_without_a_word(command, features, tmp_path, options, told):
    path = tmp_path / "result.json"
    path.write_text(command("evaluate", features, "--folds", 2, "--json").output)
    refused = command("evaluate", features, "--config", path, *options)
    assert refused.status == 1
    assert told in refused.messages and "--preset or --blocks" in refused.messages


def test_options_override_a_file_of_settings(command, demo_folder, tmp_path):
    given = ["evaluate", demo_folder, "--corpus", "demo", "--json"]
    path = tmp_path / "result.json"
    path.write_text(command(*given, *HANDCRAFTED).output)
    changes = [
        "--blocks", "mfcc", "--gender", "none", "--duration", 1.0, "--classifier", "svm", "--scaling", "standard",
        "--augment", "", "--augment-classes", "all", "--imbalance", "none", "--setting", "inductive",
        "--folds", 2, "--seed", 1, "--drop-classes", "sad,fear", "--impose-imbalance", 5,
    ]  # fmt: skip
    changed = command(*given, "--config", path, *changes)
    assert changed.status == 0, changed.messages
    spec = PipelineSpec(**changed.json["spec"])
    assert spec == PipelineSpec(
        features={
            "blocks": ["mfcc"],
            "gender": "none",
            # What is not overridden stays.
            "clip": {"offset": 0.1, "duration": 1.0},
            "corpus_offset": 0.0,
        },
        rows={"impose_imbalance": 5, "copies": 2},
        classifier={"scaling": "standard"},
        seed=1,
    )
    assert changed.json["protocol"]["name"] == "random-kfold"
    assert changed.json["protocol"]["settings"] == {"folds": 2, "stratified": True, "seed": 1}
    # The file names the classes that its rows had, happy not among them.
    assert changed.json["classes"] == ["angry", "neutral"]
    other = command(
        *given, "--config", path, "--protocol", "speaker-holdout", "--test-speakers", "f1", "--preset", "wide"
    )
    assert other.json["protocol"]["settings"] == {"speakers": ["f1"]}
    assert other.json["spec"]["features"]["preset"] == "wide" and other.json["features_name"] == "wide"
    assert other.json["spec"]["classifier"]["scaling"] == "robust"
    network = command(*given, "--config", path, "--network", "mfcc-frames", "--epochs", 1, "--setting", "inductive")
    assert network.status == 0, network.messages
    spec = PipelineSpec(**network.json["spec"])
    assert (spec.network, spec.classifier, spec.fusion) == ("mfcc-frames", ClassifierSpec(), None)
    both = command(*given, "--config", path, "--network", "mfcc-frames", "--classifier", "svm")
    assert both.status == 1 and "leave out --classifier, --scaling" in both.messages


def test_another_classifier_does_not_take_the_parameters_of_the_file(command, features, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[pipeline.classifier]\nname = 'svm'\nscaling = 'robust'\nparameters = { C = 3.0 }\n")
    given = ["evaluate", features, "--folds", 2, "--json", "--config", path]
    assert command(*given, "--classifier", "svm").json["spec"]["classifier"]["parameters"] == {"C": 3.0}
    other = command(*given, "--classifier", "random-forest")
    assert PipelineSpec(**other.json["spec"]).classifier == ClassifierSpec(name="random-forest", scaling="robust")
    told = command(*given, "--classifier", "random-forest").messages.replace("\n", " ")
    assert "note: the parameters C of the settings file are for svm, and --classifier is random-forest" in told
    assert "note: the parameters" not in command(*given, "--classifier", "svm").messages


def test_a_share_of_the_speakers_overrides_speakers_by_name(command, features, tmp_path):
    path = tmp_path / "result.json"
    options = ["--protocol", "speaker-holdout", "--json"]
    path.write_text(command("evaluate", features, *options, "--test-speakers", "f1").output)
    assert json.loads(path.read_text())["protocol"]["settings"] == {"speakers": ["f1"]}
    changed = command("evaluate", features, *options, "--config", path, "--test-share", 0.5).json
    assert changed["protocol"]["settings"] == {"share": 0.5, "seed": 0}
    back = tmp_path / "share.json"
    back.write_text(json.dumps(changed))
    named = command("evaluate", features, *options, "--config", back, "--test-speakers", "m1").json
    assert named["protocol"]["settings"] == {"speakers": ["m1"]}


def test_fit_keeps_its_settings_and_takes_them_again(command, demo_folder, tmp_path):
    given = ["fit", demo_folder, "--corpus", "demo", "--json"]
    options = [
        "--blocks", "mfcc,pitch", "--duration", 1.5, "--classifier", "xgboost", "--scaling", "quantile", "--augment",
        "noise", "--imbalance", "weights", "--seed", 5, "--protocol", "speaker-kfold", "--folds", 2,
        "--classes", "angry,sad,fear",
    ]  # fmt: skip
    settings = tmp_path / "settings.toml"
    first = command(*given, *options, "--out", tmp_path / "first.fusionser", "--save-config", settings)
    assert first.status == 0, first.messages
    assert tomllib.loads(settings.read_text()) == {
        "pipeline": {
            "features": {"blocks": ["mfcc", "pitch"], "clip": {"duration": 1.5}},
            "rows": {"augment": ["noise"], "imbalance": "weights"},
            "classifier": {"name": "xgboost", "scaling": "quantile"},
            "seed": 5,
        },
        "protocol": {"name": "speaker-kfold", "settings": {"folds": 2}},
        "classes": ["angry", "sad", "fear"],
    }
    again = command(*given, "--config", settings, "--out", tmp_path / "again.fusionser")
    assert again.status == 0, again.messages
    models = [load_model(tmp_path / f"{name}.fusionser") for name in ("first", "again")]
    clips = [str(path) for path in sorted(demo_folder.iterdir())[::40]]
    pd.testing.assert_frame_equal(*(model.predict(clips) for model in models))
    cards = [model.card.model_dump(mode="json") for model in models]
    estimates = [numbers(card.pop("estimate")) for card in cards]
    assert cards[0] == cards[1] and estimates[0] == estimates[1]
    assert cards[0]["spec"]["seed"] == 5 and cards[0]["classes"] == ["angry", "fear", "sad"]
    other = command(*given, "--config", settings, "--classifier", "svm", "--no-estimate", "--out", tmp_path / "x")
    assert (other.json["classifier"], other.json["spec"]["classifier"]["scaling"]) == ("svm", "quantile")
    assert other.json["estimate"] is None


def test_a_file_of_settings_that_is_wrong_is_told(command, demo_folder, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('[pipeline.classifier]\nname = "smv"\n')
    for name in ("evaluate", "fit", "extract"):
        out = ["--out", tmp_path / "f.parquet"] if name == "extract" else []
        done = command(name, demo_folder, "--corpus", "demo", "--config", path, *out)
        assert done.status == 1
        assert f"{path}: pipeline: unknown classifier 'smv'; did you mean 'svm'" in done.messages


SPEC = PipelineSpec(
    features={"blocks": ["mfcc", "statistics"], "clip": {"duration": 1.5}},
    rows={"augment": ["noise"], "copies": 2},
    classifier={"name": "random-forest", "scaling": "minmax"},
    seed=2,
)
OPTIONS = [
    "--blocks", "mfcc,statistics", "--duration", 1.5, "--augment", "noise", "--copies", 2,
    "--classifier", "random-forest", "--scaling", "minmax", "--seed", 2,
]  # fmt: skip
FEATURES = OPTIONS[:4]


def test_extract_from_python_is_the_command(command, demo_folder, tmp_path):
    files = [tmp_path / name for name in ("here.parquet", "there.parquet")]
    here = extract(demo_folder, files[0], SPEC, corpus="demo")
    there = command("extract", demo_folder, "--corpus", "demo", *FEATURES, "--out", files[1], "--json").json
    pd.testing.assert_frame_equal(*map(pd.read_parquet, files))
    stored = [read_settings(file) for file in files]
    assert stored[0].extractor.settings() == stored[1].extractor.settings()
    assert stored[0].name == stored[1].name == "mfcc+statistics" == there["features"] == here.features_name
    assert (here.rows, here.columns) == (there["rows"], there["columns"]) == (240, 26)
    assert here.quarantine == there["quarantine"] == [] == here.notes == there["notes"]


def test_what_learns_is_not_extracted_from_python_either(demo_folder, tmp_path):
    told = {
        "conv1d learns from training rows, so it cannot be extracted beforehand; leave it out here, and": {
            "blocks": ["mfcc", "conv1d"]
        },
        r"learn from training rows, so they cannot .* leave them out here \(--gender given or none\)": {
            "blocks": ["mfcc", "gender", "conv1d"],
            "gender": "estimated",
        },
    }
    for message, features in told.items():
        with pytest.raises(SettingsError, match=message):
            extract(demo_folder, tmp_path / "f.parquet", PipelineSpec(features=features), corpus="demo")
    assert list(tmp_path.iterdir()) == []


def test_evaluate_from_python_is_the_command(command, demo_folder):
    split = {"folds": 3, "stratified": True}
    here = evaluate(
        demo_folder,
        SPEC,
        corpus="demo",
        protocol="random-kfold",
        protocol_settings=split,
        importance="blocks",
    )
    options = ["--protocol", "random-kfold", "--folds", 3, "--stratified", "--importance", "blocks", "--json"]
    there = command("evaluate", demo_folder, "--corpus", "demo", *OPTIONS, *options)
    assert there.status == 0, there.messages
    assert numbers(here.model_dump(mode="json")) == numbers(there.json)
    assert set(here.importance) == {"mfcc", "statistics"}
    assert here.protocol.settings == {"folds": 3, "stratified": True, "seed": 2}
    # Without a cache it takes longer, and is the same.
    plain = evaluate(
        demo_folder, SPEC, corpus="demo", protocol="random-kfold", protocol_settings=split, importance="blocks"
    )
    assert numbers(plain.model_dump(mode="json")) == numbers(here.model_dump(mode="json"))


def test_defaults_from_python_are_those_of_the_command(command, features):
    here = evaluate(features)
    there = command("evaluate", features, "--json").json
    assert numbers(here.model_dump(mode="json")) == numbers(there)
    assert (here.protocol.name, here.classifier) == ("speaker-kfold", "svm")
    model = fit([features])
    assert model.card.estimate.protocol.name == "speaker-holdout"


def test_several_places_from_python_are_several_of_the_command(command, demo_folder, tmp_path):
    table = pd.DataFrame({"file": [str(path) for path in sorted(demo_folder.iterdir())]})
    names = table["file"].str.split("_")
    table = table.assign(emotion=names.str[2], speaker=names.str[1])
    places = []
    for corpus in ("one", "two"):
        part = table[table["speaker"].isin(["f1", "m1"] if corpus == "two" else ["f2", "f3", "m2"])]
        places.append(tmp_path / f"{corpus}.csv")
        part.assign(corpus=corpus).to_csv(places[-1], index=False)
    spec = PipelineSpec(features={"blocks": ["mfcc"]})
    here = evaluate(places, spec, protocol="cross-corpus", protocol_settings={"test": ["two"]})
    options = ["--blocks", "mfcc", "--protocol", "cross-corpus", "--test-corpora", "two", "--json"]
    there = command("evaluate", *places, *options).json
    assert numbers(here.model_dump(mode="json")) == numbers(there)
    assert here.corpora == ("one", "two")


def test_fit_from_python_is_the_command(command, demo_folder, tmp_path):
    here = fit(demo_folder, SPEC, corpus="demo", protocol_settings={"speakers": ["f1", "m1"]})
    file = tmp_path / "model.fusionser"
    options = ["--test-speakers", "f1,m1", "--out", file]
    there = command("fit", demo_folder, "--corpus", "demo", *OPTIONS, *options)
    assert there.status == 0, there.messages
    cards = [card.model_dump(mode="json") for card in (here.card, load_model(file).card)]
    estimates = [numbers(card.pop("estimate")) for card in cards]
    assert cards[0] == cards[1] and estimates[0] == estimates[1]
    clips = [str(path) for path in sorted(demo_folder.iterdir())[::40]]
    pd.testing.assert_frame_equal(here.predict(clips), load_model(file).predict(clips), check_dtype=False, rtol=1e-12)
    assert here.card.spec.classifier == SPEC.classifier
    # What is of this machine, and who said what, is no business of a model's users.
    estimate = here.card.estimate
    assert (estimate.quarantine, estimate.speaker_confusions, estimate.genders) == ([], {}, {})
    alone = fit(demo_folder, SPEC, corpus="demo", protocol=None)
    assert alone.card.estimate is None
    # Without an estimate, the probabilities cannot be calibrated.
    plain, calibrated = (model.predict(clips).filter(like="probability_") for model in (alone, here))
    np.testing.assert_array_equal(tempered(plain, here.card.temperature), calibrated)


def test_what_python_gets_wrong_is_told(demo_folder, tmp_path):
    with pytest.raises(ProtocolError, match="unknown setting|folds"):
        evaluate(demo_folder, SPEC, corpus="demo", protocol_settings={"folds": 99})
    with pytest.raises(SettingsError, match="unknown protocol 'speaker-kfolds'; did you mean 'speaker-kfold'"):
        evaluate(demo_folder, SPEC, corpus="demo", protocol="speaker-kfolds")


def test_settings_that_are_saved_of_a_features_file_hold_its_features(command, demo_folder, tmp_path):
    file, settings = tmp_path / "features.parquet", tmp_path / "settings.toml"
    extracted = command("extract", demo_folder, "--corpus", "demo", "--blocks", "zcr,rms", "--out", file)
    assert extracted.status == 0, extracted.messages
    first = command("evaluate", file, "--folds", 4, "--save-config", settings, "--json").json
    again = command("evaluate", demo_folder, "--corpus", "demo", "--config", settings, "--json").json
    assert again["features"] == first["features"]
    assert [block["name"] for block in first["features"]] == ["zcr", "rms"]
    assert again["pooled"] == first["pooled"]


def test_what_is_no_path_is_refused(demo_folder):
    rows = list_rows(demo_folder, "demo").rows
    for data, kind in [(rows, "DataFrame"), (3, "int"), ([3], "list")]:
        with pytest.raises(SettingsError, match=f"data is {kind}; expected the path of a folder or of a table"):
            evaluate(data)


def test_a_model_tells_how_many_recordings_could_not_be_used_and_not_which(demo_folder, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(demo_folder, own)
    for file in sorted(own.glob("*f2*.wav"))[:2]:
        file.write_text("text")
    fitted = fit(own, SPEC, corpus="demo", protocol_settings={"speakers": ["f1", "m1"]})
    assert Stamp(kind="unusable", value=2) in fitted.card.estimate.notes
    assert fitted.card.estimate.quarantine == []
