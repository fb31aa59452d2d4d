"""Facts and sentences: every fact has its sentence, and nothing is read out of a sentence."""

import ast
import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT
from made_results import made

from fusionser.corpora import Listing
from fusionser.facts import Stamp
from fusionser.pipeline.listing import left_out_stamps
from fusionser.reporting import words
from fusionser.reporting.ablation import AblationText, page_values, write_ablation
from fusionser.reporting.page import StudyText, headline, result_page, study_page
from fusionser.reporting.tables.reproduction import reproduction_stamps, verdict
from fusionser.reporting.words import group_stamps, note_lines, result_stamps, selection_text, stamp_text, stamp_texts
from fusionser.results import ProtocolStamp
from fusionser.results_format_1 import STAMPS as READ
from fusionser.spec import ProtocolSpec
from fusionser.studies.contrasts import estimate_effects
from fusionser.studies.factorial import Factorial
from fusionser.studies.papers import paper_recipes
from fusionser.studies.reproduction import Reproduction

SOURCES = sorted((ROOT / "fusionser").rglob("*.py"))

LEVEL = np.linspace(0.4, 0.6, 24)


def stamped(*stamps, name="speaker-kfold", random=False, notes=(), **more):
    """A result whose protocol has some stamps."""
    protocol = ProtocolStamp(
        name=name, settings={}, setting="inductive", selection="fixed", stamps=stamps, random=random
    )
    provenance = {"command": "fusionser evaluate", "commit": "", "date": "", "versions": {}, "machine": ""}
    parts = {"protocol": protocol, "notes": notes, "provenance": provenance, **more}
    return made(("none", "none"), "svm", LEVEL).model_copy(update=parts)


@pytest.mark.parametrize(
    ("stamp", "sentence"),
    [
        (Stamp(kind="shared-speakers", value=24), "speakers shared by training and test: up to 24 per fold"),
        (Stamp(kind="shared-statements", value=2), "statements shared by training and test: up to 2 per fold"),
        (Stamp(kind="speakers-unknown", value=240), "speakers unknown, so they may be on both sides"),
        (Stamp(kind="gender-given"), "gender of the test speakers as labelled"),
        (
            Stamp(kind="gender-estimated", value={"accuracy": 0.9949, "clips": 240}),
            "gender of the test speakers estimated from the voice: accuracy 99.5 % of 240 test clips",
        ),
        (
            Stamp(kind="inner-folds-by-clip", value=["f1", "f2 to m1"]),
            "inner folds by clip and not by speaker, because too few training speakers have every class (test "
            "fold f1, f2 to m1)",
        ),
        (
            Stamp(kind="partial-corpus", value={"corpus": "tess", "found": 210, "expected": 2800}),
            "partial: 210 of 2800 recordings of tess",
        ),
        (Stamp(kind="left-out-speakers", value=["ravdess/01"]), "1 speaker left out: ravdess/01"),
        (Stamp(kind="doubled", value=7), "7 further copies of recordings were left out"),
        (
            Stamp(kind="initial-weights", value={"network": "vgg16", "weights": None}),
            "vgg16 starts from random weights",
        ),
        (Stamp(kind="initial-weights", value={"network": "vgg16", "weights": "a.st"}), "vgg16 starts from a.st"),
        (
            Stamp(kind="pretrained", value={"what": "conv2d", "on": "crema-d, emodb", "licence": "ODbL"}),
            "pretrained: conv2d on CREMA-D, EMO-DB (licence: ODbL); fusionser did not check whether it has heard "
            "these clips",
        ),
        (
            Stamp(kind="pretrained", value={"what": "ge2e", "on": "LibriSpeech, VoxCeleb1", "licence": "Apache 2.0"}),
            "pretrained: ge2e on LibriSpeech, VoxCeleb1 (licence: Apache 2.0); fusionser did not check whether it "
            "has heard these clips",
        ),
        (
            Stamp(kind="quick", value={"epochs": 3, "used": 40, "recordings": 240}),
            "quick: 3 epochs, 40 of 240 recordings",
        ),
        (Stamp(kind="count-differs", value={"what": "speakers", "found": 7, "expected": 8}), "7 of 8 speakers"),
        (Stamp(kind="missing-recording", value="03a01Fa"), "missing: 03a01Fa"),
        (Stamp(kind="text", value="the cache is full"), "the cache is full"),
        (
            Stamp(kind="clips-drawn", value={"used": 100, "found": 535, "seed": 2}),
            "100 of 535 recordings, drawn at random with seed 2, balanced over emotions and speakers",
        ),
        (
            Stamp(kind="clips-drawn", value={"used": 9, "found": 10, "seed": 0, "balanced_over": ["speakers"]}),
            "9 of 10 recordings, drawn at random with seed 0, balanced over speakers",
        ),
        (Stamp(kind="trained-on-corpora", value=["ravdess", "tess"]), "the model was trained on ravdess, tess, so it"),
        (
            Stamp(kind="other-emotions", value={"clips": 14, "emotions": ["boredom"]}),
            "14 recordings with an emotion that is not a class of the model (boredom)",
        ),
        (
            Stamp(kind="one-answer", value={"answer": "fear", "share": 0.97}),
            "the answer to 97.0 % of the clean clips is fear: few changes do not show",
        ),
        (Stamp(kind="part-of-folds", value={"used": 3, "folds": 11}), "3 of 11 folds"),
        (Stamp(kind="unusable", value=1), "1 recording that cannot be used was left out"),
        (Stamp(kind="unusable", value=4), "4 recordings that cannot be used were left out"),
        (Stamp(kind="codec-missing", value="mp3-64-kbps"), "left out: mp3-64-kbps, because this libsndfile lacks"),
    ],
)
def test_a_fact_as_a_sentence(stamp, sentence):
    assert stamp_text(stamp).startswith(sentence)


def test_a_fact_is_said_once_and_where_it_is_not_of_all_of_which():
    shared = Stamp(kind="shared-statements", value=2)
    random = stamped(shared, Stamp(kind="shared-speakers", value=24), name="random-kfold", random=True)
    by_speaker = stamped(shared, notes=(Stamp(kind="precision", value="bfloat16"),))
    assert result_stamps([by_speaker, random]) == [
        "statements shared by training and test: up to 2 per fold",
        "trained in bfloat16 (speaker-kfold)",
        "speakers shared by training and test: up to 24 per fold (random-kfold)",
    ]
    assert result_stamps([stamped()]) == ["none"]
    assert stamp_texts([shared, shared]) == ["statements shared by training and test: up to 2 per fold"]
    assert note_lines(by_speaker) == ["trained in bfloat16"]


def test_how_parameters_were_chosen_is_told():
    assert selection_text("fixed") == "fixed parameters"
    assert selection_text("inner-folds") == "parameters chosen by inner folds of the training rows"
    by_trials = "parameters of the best of 20 trials on inner folds of the training rows"
    assert selection_text("inner-folds", 20) == by_trials


def stamp_kinds(path):
    """Yield the kind of every stamp that a file makes: a text, or the code that gives it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Stamp":
            (kind,) = [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
            yield kind.value if isinstance(kind, ast.Constant) else ast.unparse(kind)


MADE_OF = {
    ("evaluation/stamps.py", "f'shared-{kind}'"): {
        f"shared-{kind}" for kind in ("speakers", "sources", "audio", "statements")
    },
    ("pipeline/listing.py", "kind"): {
        "doubled",
        "ignored",
        "labels-exact",
        "labels-folded",
        "labels-joined",
        "labels-missing",
        "labels-renamed",
    },
}
"""Kinds that are put together, and what of."""


def test_a_page_explains_the_times_of_trainings_if_it_has_any():
    text = StudyText(title="Title", question="Question?", command="the command")
    plain = made(("none", "none"), "svm", LEVEL)
    trained = plain.model_copy(update={"seconds": {**plain.seconds, "training": 12.0}})
    page = study_page(text, [trained])
    assert "| training |" in page and "training is the time of all networks" in page
    assert "training is the time" not in study_page(text, [plain])


def test_every_kind_of_stamp_has_words_and_all_words_are_used():
    used = {(path.relative_to(ROOT / "fusionser").as_posix(), kind) for path in SOURCES for kind in stamp_kinds(path)}
    written = {kind for place, kind in used if (place, kind) not in MADE_OF}
    made_up = {kind for kinds in MADE_OF.values() for kind in kinds}
    assert set(MADE_OF) <= used
    assert written | made_up == set(words.STAMPS)
    # So have those that stored results of format 1 give.
    assert {kind for _, kind, _ in READ} - {"shared-{what}"} <= set(words.STAMPS)


def test_what_is_left_out_of_a_listing_is_counted():
    listing = Listing(rows=None, quarantine=None, doubled=[("a", "b")] * 3, ignored=["c"])
    assert left_out_stamps(listing) == [Stamp(kind="doubled", value=3), Stamp(kind="ignored", value=1)]
    assert left_out_stamps(replace(listing, doubled=[], ignored=[])) == []


READING = {"startswith", "endswith", "partition", "rpartition", "removeprefix", "removesuffix", "fullmatch"}
ALLOWED = {
    # Names of modules.
    "cli/app.py": {"partition"},
    # Blank lines of a template.
    "fusionser/reporting/page.py": {"re.sub"},
    # Types of bodies, paths, and the ends of messages and files.
    "fusionser/serving/app.py": {"partition"},
    "fusionser/serving/guards.py": {"startswith"},
    "fusionser/serving/worker.py": {"endswith"},
    # Letters that Markdown reads as marks.
    "fusionser/reporting/markdown.py": {"re.compile"},
    # The script's name before a recorded command.
    "fusionser/reporting/reproduction.py": {"partition"},
    # The markup of a page in Markdown, which becomes another one.
    "fusionser/reporting/web_page.py": {
        *("re.compile", "re.sub", "re.search", "re.match", "re.findall", "re.DOTALL", "re.Match"),
        *("fullmatch", "partition"),
    },
    # Names of files, and names that are made for them.
    "cli/show.py": {"re.sub", "removeprefix"},
    "fusionser/reporting/figures.py": {"removeprefix", "partition"},
    "fusionser/reporting/letters.py": {"endswith"},
    "fusionser/studies/runner.py": {"endswith"},
    "fusionser/evaluation/stress.py": {"startswith"},
    "fusionser/reporting/misclassified.py": {"rpartition"},
    "fusionser/studies/ablation.py": {"endswith"},
    "fusionser/studies/study.py": {"endswith"},
    "fusionser/studies/papers.py": {"endswith", "removesuffix"},
    "fusionser/studies/recipe.py": {"endswith", "removesuffix", "re.sub"},
    "fusionser/studies/reproduce.py": {"re.sub"},
    "fusionser/studies/reproduction.py": {"re.compile", "re.escape", "fullmatch"},
    # The parameters that are called cache.
    "fusionser/pipeline/build.py": {"endswith"},
    # Names of parameters, with the part that they belong to.
    "fusionser/pipeline/estimator.py": {"rpartition", "removeprefix"},
    "fusionser/pipeline/parameter_space.py": {"endswith", "rpartition", "removeprefix"},
    # The block before a column's name.
    "fusionser/evaluation/importance.py": {"partition"},
    # Options as they are given, and as far as they are typed.
    "cli/checks.py": {"partition", "startswith"},
    "cli/naming.py": {"rpartition", "startswith"},
    "cli/known_names.py": {"partition"},
    # A reason without the file that stands in the column beside it.
    "fusionser/reporting/answers.py": {"removeprefix"},
}
"""What takes text apart that is no sentence about a result."""


def taken_apart(path):
    """Return what of Python's a file takes text apart with."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re":
            found.add(f"re.{node.attr}")
        elif isinstance(node, ast.Attribute) and node.attr in READING:
            found.add(node.attr)
    return found


def test_no_sentence_is_read_back():
    places = ["reporting", "studies", "evaluation", "pipeline", "model", "serving", "jobs"]
    places = [*(f"fusionser/{place}" for place in places), "cli"]
    files = [path for place in places for path in (ROOT / place).rglob("*.py")]
    files += [ROOT / "fusionser" / f"{name}.py" for name in ("results", "facts")]
    found = {path.relative_to(ROOT).as_posix(): taken_apart(path) for path in files}
    more = {name: marks - ALLOWED.get(name, set()) for name, marks in found.items()}
    assert {name: marks for name, marks in more.items() if marks} == {}
    # Templates are told facts, and ask for kinds.
    for template in (ROOT / "fusionser" / "reporting" / "templates").iterdir():
        asked = re.findall(r'"kind", "in", \[([^\]]+)\]', template.read_text())
        kinds = {kind for listed in asked for kind in re.findall(r'"([^"]+)"', listed)}
        assert kinds <= set(words.STAMPS)
        assert not re.search(r"startswith|regex|\.match\(", template.read_text())


@pytest.fixture
def other_words(monkeypatch):
    """Words as a translator would have them."""

    def turn():
        monkeypatch.setattr(words, "STAMPS", {kind: lambda value, kind=kind: f"~{len(kind)}~" for kind in words.STAMPS})

    return turn


def skeleton(page):
    """The tables and titles of a page: what does not consist of sentences."""
    return [line for line in page.splitlines() if line.startswith(("|", "#"))]


def test_facts_do_not_hang_on_words(other_words):
    leaky = stamped(Stamp(kind="shared-speakers", value=24), name="random-kfold", random=True)
    unknown = stamped(Stamp(kind="speakers-unknown", value=3), name="random-holdout", random=True)
    labelled = stamped(Stamp(kind="gender-given"), Stamp(kind="one-split"))
    results = [labelled, leaky, unknown]

    def facts():
        return [
            (one.protocol.speaker_independent, one.protocol.speakers_known, one.protocol.gender_given, headline(one))
            for one in results
        ]

    before = facts()
    assert [fact[:3] for fact in before] == [(True, True, True), (False, True, False), (False, False, False)]
    text = StudyText(title="Title", question="Question?", command="the command")
    page, alone = study_page(text, results), result_page(leaky)
    # The leak is found, paired and marked.
    assert page.count("\n## Demo corpus, ") == 3
    assert "## What the random split adds" in page and "Features marked * hold the gender" in page
    assert "| imbalance none, augmentation none\\* (1) |" in page
    for unsafe in ("SPEAKERS ARE ON BOTH SIDES", "SPEAKERS UNKNOWN, MAYBE ON BOTH SIDES"):
        assert page.count(f"**{unsafe}: not an estimate for new speakers.**") == 1
    other_words()
    assert "~" in stamp_text(Stamp(kind="one-split"))
    assert facts() == before
    turned = study_page(text, results)
    assert skeleton(turned) == skeleton(page)
    speakers = "speakers shared by training and test: up to 24 per fold"
    unknown = "speakers unknown, so they may be on both sides"
    assert turned.replace("~9~", "one split").replace("~15~", speakers).replace("~16~", unknown) == page
    assert result_page(leaky).replace("~15~", speakers) == alone


def test_verdicts_do_not_hang_on_words(other_words):
    recipe = paper_recipes()["s1-ravdess-holdout"].model_copy(update={"figure": 60.0})
    leaks = (Stamp(kind="shared-speakers", value=24), Stamp(kind="one-split"))
    notes = (Stamp(kind="precision", value="bfloat16"),)
    scores = [made(("none", "none"), "svm", LEVEL + shift).pooled for shift in (-0.01, 0.0, 0.01)]
    paper = [stamped(*leaks, notes=notes, pooled=score) for score in scores]
    found = Reproduction("s1-ravdess-holdout", recipe, paper=paper, left_out=2)
    assert verdict(found) == "reached"
    said = reproduction_stamps(found)
    assert said == [
        "trained in bfloat16",
        "speakers shared by training and test: up to 24 per fold",
        "left out: 2 evaluations with other settings or versions",
    ]
    other_words()
    assert (verdict(found), found.reached()) == ("reached", True)
    # As many, of the same kinds: what leaks is told, and the single split is not.
    assert reproduction_stamps(found) == ["~9~", "~15~", "~8~"]


def test_the_page_of_an_ablation_does_not_hang_on_words(other_words, tmp_path):
    table = Factorial(
        corpus="demo",
        imbalance=["none", "smote"],
        augmentation=["none", "all"],
        classifiers=["svm"],
        protocol=ProtocolSpec(name="speaker-kfold"),
    )
    estimated = [Stamp(kind="gender-estimated", value={"accuracy": share, "clips": 240}) for share in (0.9, 0.95)]
    results = [
        made((strategy, kind), "svm", LEVEL + 0.05 * (kind == "all") - 0.01 * (strategy == "smote")).model_copy(
            update={"protocol": stamped(estimated[kind == "all"]).protocol}
        )
        for strategy in table.imbalance
        for kind in table.augmentation
    ]
    effects = estimate_effects(table, results)
    page = write_ablation(table, effects, results, AblationText(command="x"), tmp_path).read_text()
    assert "estimated from the voice: accuracy 90.0 to 95.0 % of 240 test clips" in page
    before = page_values(table, effects, results, AblationText(command="x"))
    other_words()
    after = page_values(table, effects, results, AblationText(command="x"))
    for name in ("sentences", "effects", "protocols", "columns", "design_notes", "where_asked"):
        assert after[name] == before[name]
    assert {name: table.texts() for name, table in after["tables"].items()} == {
        name: table.texts() for name, table in before["tables"].items()
    }
    assert skeleton(
        write_ablation(table, effects, results, AblationText(command="x"), tmp_path).read_text()
    ) == skeleton(page)


def test_a_study_tells_how_right_an_estimated_gender_is_and_which_features_hold_it():
    estimated = [Stamp(kind="gender-estimated", value={"accuracy": share, "clips": 240}) for share in (0.9, 0.95)]
    results = [
        made(("none", "none"), "svm", LEVEL).model_copy(
            update={"protocol": stamped(*stamps).protocol, "features_name": features}
        )
        for features, stamps in (("voice", estimated[:1]), ("voice, twice", estimated[1:]), ("plain", []))
    ]
    text = "gender of the test speakers estimated from the voice: accuracy {} % of 240 test clips"
    assert group_stamps(results) == [text.format("90.0 to 95.0") + " ('voice', 'voice, twice')"]
    assert group_stamps(results[:1]) == [text.format("90.0")]
    assert group_stamps(results[2:]) == []


def test_a_study_tells_which_features_are_pretrained_and_which_start_from_a_file():
    heard = Stamp(kind="pretrained", value={"what": "ge2e", "on": "VoxCeleb1", "licence": "Apache 2.0"})
    started = Stamp(kind="initial-weights", value={"network": "conv2d", "weights": "a.fusionser"})
    voice, both, plain = (
        made(("none", "none"), "svm", LEVEL).model_copy(
            update={"protocol": stamped(*stamps).protocol, "notes": notes, "features_name": features}
        )
        # A stamp that is there twice is told once.
        for features, stamps, notes in (("voice", [heard], (heard,)), ("both", [heard], (started,)), ("plain", [], ()))
    )
    said = (
        "pretrained: ge2e on VoxCeleb1 (licence: Apache 2.0); fusionser did not check whether it has heard these clips"
    )
    assert group_stamps([voice, both, plain]) == [
        f"{said} ('voice', 'both')",
        "conv2d starts from a.fusionser ('both')",
    ]
    assert group_stamps([voice, both]) == [said, "conv2d starts from a.fusionser ('both')"]
