"""Results of format 1, whose facts were sentences: all that are stored open, and what they say is kept as values."""

import json
import re

import pytest
from conftest import ROOT

from fusionser.errors import FusionserError
from fusionser.facts import Stamp
from fusionser.features import FeatureExtractor
from fusionser.registry import CLASSIFIERS
from fusionser.reporting.settings import OF_THE_PLAN
from fusionser.reporting.words import STAMPS as WORDS
from fusionser.reporting.words import stamp_text
from fusionser.results import Result, read_result
from fusionser.results_format_1 import STAMPS
from fusionser.splits import PROTOCOLS
from fusionser.studies.ablation import stored_ablation
from fusionser.studies.best_epoch import read_best_epoch
from fusionser.studies.papers import paper_recipes
from fusionser.studies.reproduction import stored_reproductions

REPORTS = ROOT / "reports"
CELLS = sorted(REPORTS.glob("**/cells/*.json"))
BEST_EPOCHS = [path for path in CELLS if path.stem.endswith("_best-epoch")]
RESULTS = [path for path in CELLS if path not in BEST_EPOCHS and not path.name.endswith(".failed.json")]
STUDIES = sorted({path.parent.parent for path in RESULTS})


TODAY = {
    r"rightly for ([\d.]+) %": r"accuracy \1 %",
    r"up to (\d+) a fold": r"up to \1 per fold",
    r"recordings are there twice; one of each is used": "recordings occur twice; one copy of each is used",
    r"audio files are not of this corpus": "audio files are not part of this corpus",
    r"not by speaker, since": "not by speaker, because",
    r"begins with weights at random": "starts from random weights",
    r"begins with": "starts from",
    r"in place of the recipe's": "instead of the recipe's number",
}
"""What format 1 said in other words than today."""


def as_today(text):
    """Return a sentence of format 1 in today's words."""
    for old, new in TODAY.items():
        text = re.sub(old, new, text)
    return text


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.relative_to(REPORTS).as_posix())
def test_every_stored_result_opens_and_says_what_it_said(folder):
    for path in (path for path in RESULTS if path.parent.parent == folder):
        stored, result = json.loads(path.read_text()), read_result(path)
        stamps = (*result.protocol.stamps, *result.notes)
        assert [stamp.kind for stamp in stamps if stamp.kind == "text"] == []
        assert all(stamp.allowed for stamp in stamps)
        assert result.format == 2
        # Its parameters go by the names of today, so that a study takes what it has.
        FeatureExtractor.from_settings(result.features)
        if result.classifier in CLASSIFIERS:
            parameters = set(result.classifier_settings) - {*OF_THE_PLAN, "equal_blocks", "augmentation_revision"}
            assert parameters - {"cache"} <= set(CLASSIFIERS[result.classifier]().get_params())
        assert result.pooled.model_dump() == stored["pooled"]
        assert result.confusion == stored["confusion"]
        # What the folds tell in numbers is what the stamps tell.
        protocol = result.protocol
        for what in ("speakers", "sources", "audio", "statements"):
            most = max(getattr(fold, f"shared_{what}") for fold in result.folds)
            told = [stamp.value for stamp in protocol.stamps if stamp.kind == f"shared-{what}"]
            assert told == ([most] if most else [])
        assert protocol.stamped("one-split") == (len(result.folds) == 1)
        assert protocol.stamped("speaker-normalised") == (protocol.setting == "speaker-normalised")
        assert protocol.gender_given == any(block["kind"] == "gender" for block in result.features)
        estimated = any(block["kind"] == "estimated-gender" for block in result.features)
        assert protocol.stamped("gender-estimated") == estimated
        assert protocol.allows == tuple(sorted(PROTOCOLS[protocol.name].allows))
        assert protocol.random == PROTOCOLS[protocol.name].random
        if stored["format"] == 1:
            assert result.spec is None
            old = [*stored["protocol"]["stamps"], *stored["notes"]]
            said = [as_today(text) for text in old]
            assert [stamp_text(stamp) for stamp in stamps] == said


def test_there_are_stored_results_to_open():
    assert len(RESULTS) > 600 and len(BEST_EPOCHS) > 30
    assert all(read_best_epoch(path) is not None for path in BEST_EPOCHS)


@pytest.mark.parametrize("path", sorted(REPORTS.glob("**/design.json")), ids=lambda path: path.parent.as_posix()[-30:])
def test_every_stored_ablation_opens_with_its_effects(path):
    stored = stored_ablation(path.parent)
    assert len(stored.run.outcomes) == len(list((path.parent / "cells").glob("*.json")))
    assert [effect.contrast for effect in stored.effects] == stored.design.contrasts()
    assert stored.command.startswith("fusionser ablate ")


def test_every_stored_reproduction_opens():
    folder = REPORTS / "reproduction"
    found = [one for name, recipe in paper_recipes().items() for one in stored_reproductions(name, recipe, folder)]
    assert sum(len(one.results()) + len(one.best) + one.left_out for one in found) == len(
        list((folder / "cells").glob("*.json"))
    )


SCORES = {"war": 0.5, "uar": 0.4, "macro_f1": 0.3}
SAID = {
    "speakers shared by training and test: up to 24 a fold": ("shared-speakers", 24),
    "sources shared by training and test: up to 3 a fold": ("shared-sources", 3),
    "audio shared by training and test: up to 1 a fold": ("shared-audio", 1),
    "statements shared by training and test: up to 2 a fold": ("shared-statements", 2),
    "speakers unknown, so they may be on both sides": ("speakers-unknown", None),
    "each speaker standardised by their own unlabelled clips": ("speaker-normalised", None),
    "gender of the test speakers as labelled": ("gender-given", None),
    "gender of the test speakers estimated from the voice: rightly for 99.2 % of 240 test clips": (
        "gender-estimated",
        {"accuracy": 0.992, "clips": 240},
    ),
    "one split": ("one-split", None),
    "inner folds by clip and not by speaker, since too few speakers have every class: a, b, c to d": (
        "inner-folds-by-clip",
        ["a", "b", "c to d"],
    ),
}
NOTED = {
    "partial: 210 of 2800 recordings of tess": ("partial-corpus", {"corpus": "tess", "found": 210, "expected": 2800}),
    "7 recordings are there twice; one of each is used": ("doubled", 7),
    "3 audio files are not of this corpus and were left out": ("ignored", 3),
    "5 augmented copies cannot be used and are left out": ("unusable-augmentations", 5),
    "vgg16 begins with weights at random": ("initial-weights", {"network": "vgg16", "weights": None}),
    "vgg16 begins with vgg16.safetensors, sha256 0a1b": (
        "initial-weights",
        {"network": "vgg16", "weights": "vgg16.safetensors, sha256 0a1b"},
    ),
    "quick: 3 epochs, 40 of 1440 recordings": ("quick", {"epochs": 3, "used": 40, "recordings": 1440}),
    "25 epochs in place of the recipe's": ("epochs", 25),
    "trained in bfloat16": ("precision", "bfloat16"),
    "the speakers are unknown: splits by speaker need label/speaker/clip.wav, or a table with a column 'speaker'": (
        "no-speaker-folders",
        None,
    ),
    "no VideoDemographics.csv in data/crema or beside it, so the gender of the speakers is unknown; get it from "
    "https://example.org/crema": (
        "genders-unknown",
        {"table": "VideoDemographics.csv", "folder": "data/crema", "address": "https://example.org/crema"},
    ),
    "data/VideoDemographics.csv does not name the actors crema-d/1001, crema-d/1002": (
        "speakers-not-in-table",
        {"table": "data/VideoDemographics.csv", "speakers": ["crema-d/1001", "crema-d/1002"]},
    ),
    "no recordings of SAVEE; get them from https://example.org/savee": (
        "part-missing",
        {"corpus": "SAVEE", "address": "https://example.org/savee"},
    ),
    "a sentence that no version wrote": ("text", "a sentence that no version wrote"),
}


def format_1(**changed):
    """A result as it was stored before format 2, whole."""
    fold = {
        "name": "1",
        "train_rows": 30,
        "test_rows": 10,
        "test_speakers": 2,
        "scores": SCORES,
        **{f"shared_{what}": 0 for what in ("speakers", "sources", "audio", "statements")},
        "parameters": {},
        "fit_seconds": 0.5,
    }
    return {
        "format": 1,
        "corpus": "ravdess, emodb",
        "rows": 40,
        "speaker_count": 8,
        "classes": ["angry", "sad"],
        "protocol": {
            "name": "random-kfold",
            "settings": {"folds": 5, "stratified": True, "seed": 0},
            "setting": "speaker-normalised",
            "selection": "parameters chosen by inner folds of the training speakers",
            "stamps": list(SAID),
        },
        "features": [{"name": "mfcc", "kind": "mfcc", "statistics": ["mean", "deviation"], "held_out": "speakers"}],
        "features_name": "mfcc",
        "feature_count": 40,
        "classifier": "svm",
        "classifier_settings": {"C": 10.0},
        "pooled": SCORES,
        "intervals": {"war": [0.3, 0.5], "uar": [0.3, 0.5], "macro_f1": [0.3, 0.5]},
        "per_class": {name: {"precision": 1, "recall": 0.5, "f1": 0.6, "support": 20} for name in ("angry", "sad")},
        "confusion": [[10, 10], [10, 10]],
        "folds": [fold],
        "speakers": {"ravdess/01": SCORES},
        "notes": list(NOTED),
        "seed": 0,
        "seconds": {"evaluation": 1.0},
        "provenance": {"command": "", "commit": "", "versions": {}, "machine": "", "date": ""},
        **changed,
    }


def test_what_a_sentence_said_is_a_value():
    result = Result.model_validate(format_1())
    assert list(result.protocol.stamps) == [Stamp(kind=kind, value=value) for kind, value in SAID.values()]
    assert list(result.notes) == [Stamp(kind=kind, value=value) for kind, value in NOTED.values()]
    # Every sentence that is read is read here.
    kinds = {kind for _, kind, _ in STAMPS} - {"shared-{what}"}
    assert kinds <= {kind for kind, _ in (*SAID.values(), *NOTED.values())} <= set(WORDS)


def test_the_rest_of_a_result_of_format_1():
    result = Result.model_validate(format_1())
    assert (result.format, result.spec) == (2, None)
    assert (result.corpora, result.corpus) == (("ravdess", "emodb"), "ravdess, emodb")
    protocol = result.protocol
    assert (protocol.selection, protocol.random, protocol.allows) == (
        "inner-folds",
        True,
        ("audio", "sources", "speakers"),
    )
    assert not protocol.speaker_independent and not protocol.speakers_known and protocol.gender_given
    assert result.features[0]["statistics"] == ["mean", "std"] and result.features[0]["validate_by"] == "speakers"
    assert (result.speaker_confusions, result.genders, result.importance, result.quarantine) == ({}, {}, {}, [])
    plain = format_1()["protocol"]
    own = {**plain, "name": "speaker-kfold", "selection": "fixed parameters", "stamps": ["one split"]}
    alone = Result.model_validate(format_1(protocol=own, notes=[])).protocol
    assert (alone.selection, alone.random, alone.allows) == ("fixed", False, ())
    assert alone.speaker_independent and alone.speakers_known and not alone.gender_given
    # A protocol of a package that is not installed any more.
    gone = Result.model_validate(format_1(protocol={**plain, "name": "by-the-moon"})).protocol
    assert (gone.random, gone.allows) == (False, ())


def test_it_is_saved_as_format_2_and_reads_back_equal(tmp_path):
    result = Result.model_validate(format_1())
    path = result.save(tmp_path / "result.json")
    stored = json.loads(path.read_text())
    assert stored["format"] == 2 and "corpus" not in stored and stored["corpora"] == ["ravdess", "emodb"]
    assert stored["notes"][0] == {
        "kind": "partial-corpus",
        "value": {"corpus": "tess", "found": 210, "expected": 2800},
        "allowed": True,
    }
    assert read_result(path) == result
    for cell in RESULTS[:: len(RESULTS) // 20]:
        own = read_result(cell)
        assert read_result(own.save(path)) == own


@pytest.mark.parametrize(
    "damaged",
    [
        {"format": 1},
        {"format": 1, "corpus": "demo", "protocol": 3},
        {"format": 1, "corpus": 5, "protocol": {"name": "random-kfold", "selection": "", "stamps": []}},
        {"format": 1, "corpus": "demo", "protocol": {"name": "random-kfold", "selection": "", "stamps": [3]}},
        {name: value for name, value in format_1().items() if name != "pooled"},
        {"format": 2},
        [],
        3,
    ],
    ids=range(8),
)
def test_what_is_damaged_is_told_and_never_a_bug(tmp_path, damaged):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(damaged))
    with pytest.raises(FusionserError, match=r"result\.json: not a result that this version reads"):
        read_result(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b'"text"'])
def test_what_is_no_json_is_told(tmp_path, content):
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(FusionserError, match=r"result\.json: not a result that this version reads"):
        read_result(tmp_path / "result.json")
    with pytest.raises(FusionserError, match="cannot be read"):
        read_result(tmp_path / "none.json")


@pytest.mark.parametrize(
    "changed",
    [
        {"pooled": {"war": 0.5, "uar": 9.9, "macro_f1": 0.5}},
        {"folds": []},
        {"confusion": [[1]]},
        {"speaker_confusions": {"s": [[1, 2], [3]]}},
        {"intervals": {}},
        {"intervals": {"war": [0, 1], "uar": [0, 99], "macro_f1": [0, 1]}},
        {"rows": -3},
        {"calibration_error": 2.0},
        {"per_class": {}},
        {"rows": 10**30},
        {"protocol": {"name": "speaker-kfold", "settings": {}, "setting": "zzz", "selection": "fixed"}},
        {"provenance": {"command": "", "commit": "", "versions": {"fusionser": 7}, "machine": "", "date": ""}},
    ],
    ids=str,
)
def test_an_edited_result_of_today_is_refused(tmp_path, changed):
    stored = json.loads(Result.model_validate(format_1()).model_dump_json())
    path = tmp_path / "result.json"
    path.write_text(json.dumps(stored))
    assert read_result(path).rows == stored["rows"]
    path.write_text(json.dumps(stored | changed))
    with pytest.raises(FusionserError, match=r"result\.json: not a result that this version reads"):
        read_result(path)
