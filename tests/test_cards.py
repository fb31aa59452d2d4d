"""The cards of corpora: every parser does what its card says, and a card alone can be a corpus."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import PurePath

import pytest
from card_checks import card_problems
from conftest import ROOT
from joblib import Parallel, delayed
from test_corpora import record_tree

from fusionser.corpora import CORPORA, CardCorpus, card_from, list_rows, read_card
from fusionser.errors import CorpusError, SettingsError
from fusionser.registry import OWN_OBJECTS

OF_A_CARD = sorted(name for name, place in OWN_OBJECTS["corpora"].items() if place == f"corpora.from_card:{name}")

TIDES = """
name = "tides"
title = "Tides"
language = "Frisian"
licence = "CC0"
citation = "none"
address = "https://example.org/tides"
download = "tides.zip"
description = "Two speakers, two sentences, two emotions. Made for a test."
example = "lilka/w1_tide1_blij.wav"
naming = "This test."
examples = [{ path = "lilka/w1_tide1_blij.wav", speaker = "tides/w1", gender = "female", emotion = "happy", statement = "one" }]
others = ["lilka/w3_tide1_blij.wav"]

[names]
form = "{speaker}_{statement}_{label}"

[names.values]
statement = { tide1 = "one", tide2 = "two" }

[names.gender]
female = ["w1"]
male = ["m1"]

[counts]
files = 8
female_speakers = 1
male_speakers = 1
emotions = { happy = 4, sad = 4 }

[labels]
blij = "happy"
droevig = "sad"
"""  # noqa: E501


@pytest.fixture
def changed(tmp_path):
    """A function that writes a card with one piece of text replaced, and returns its corpus."""

    def write(old="", new=""):
        assert old in TIDES
        (tmp_path / "card.toml").write_text(TIDES.replace(old, new, 1))
        return CardCorpus(card_from(tmp_path / "card.toml"))

    return write


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_a_corpus_does_what_its_card_says(name):
    assert card_problems(CORPORA[name]) == []
    card = CORPORA[name].card
    assert card.naming or not card.uncertain


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('speaker = "tides/w1"', 'speaker = "tides/m1"', "the speaker of 'lilka/w1_tide1_blij.wav' is read as"),
        ('emotion = "happy"', 'emotion = "sad"', "the emotion of 'lilka/w1_tide1_blij.wav' is read as 'happy'"),
        (', gender = "female"', "", "the gender of 'lilka/w1_tide1_blij.wav' is read as 'female'; stated: None"),
        ('path = "lilka/w1', 'path = "lilka/w2', "'lilka/w2_tide1_blij.wav' is no recording of the corpus"),
        ('example = "lilka/w1', 'example = "lilka/w2', "example 'lilka/w2_tide1_blij.wav' is no recording"),
        ('others = ["lilka/w3', 'others = ["lilka/m1', "others: 'lilka/m1_tide1_blij.wav' is read as a recording"),
        ("files = 8", "files = 9", "counts: recordings: the names give 8; stated: 9"),
        ("happy = 4", "happy = 5", "recordings by emotion: the names give {'happy': 4, 'sad': 4}; stated:"),
        ("\nmale_speakers = 1", "\nmale_speakers = 2", "male speakers: the names give 1; stated: 2"),
    ],
)
def test_a_card_with_a_fault_is_told(changed, old, new, told):
    assert card_problems(changed()) == []
    (problem,) = card_problems(changed(old, new))
    assert told in problem


def test_a_card_without_examples_is_told(changed):
    start = TIDES.index("examples = ")
    assert "no examples" in card_problems(changed(TIDES[start : TIDES.index("\n", start)], ""))[0]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("_{label}", "_{label}_{take}", "names: the form has the field 'take', and there are no values for it"),
        ("[names.gender]", '[names.values.take]\n"1" = "1"\n[names.gender]', "values for 'take', which is not in"),
        ("_{label}", "", "expected {label} in it"),
        ("{speaker}_", "", "expected {speaker} in it"),
        ('"{speaker}_', '"/{speaker}_', "the form is '/{speaker}_{statement}_{label}'; expected the names of"),
        ('"{speaker}_', '"a\\\\{speaker}_', "expected the names of folders with one / between them"),
        ("_{label}", "_{label}.WAV", "the form is '{speaker}_{statement}_{label}.WAV'; expected it without '.wav'"),
        ("_{label}", "_e\u0301{label}", "with accents as characters of their own (decomposed Unicode)"),
        ('["m1"]', '["e\u0301"]', "a value of 'male' is 'e\u0301', with accents as characters of their own"),
        ("blij =", '"e\u0301" =', "a label is 'e\u0301', with accents as characters of their own"),
        ("_{label}", "_{label", "names: the form is '{speaker}_{statement}_{label': expected '}'"),
        ("_{label}", "_{label:>3}", "names: the form has '{label}'; expected fields such as {speaker}"),
        ("_{label}", "_{}{label}", "names: the form has '{}'; expected fields such as {speaker}"),
        ("[names.values]", '[names.values]\nlabel = ["blij"]', "there are values for 'label'; expected none"),
        ("[names.values]", '[names.values]\nspeaker = ["w1"]', "expected no values for 'speaker' and 'gender'"),
        ('male = ["m1"]', 'male = ["w1"]', "the speaker 'w1' has two genders"),
        ('["m1"]', '["m1", "m1"]', "the values of 'male' are ['m1', 'm1']; expected at least one, and each once"),
        ('["m1"]', "[]", "the values of 'male' are []; expected at least one"),
        ('["m1"]', "'m(1'", "the regular expression of 'male' is 'm(1': missing )"),
        ('["m1"]', "'(m)1'", "the regular expression of 'male' is '(m)1'; expected (?:...) for each (...)"),
        ('["m1"]', "'(?i)m1'", "do not fit together: global flags not at the start"),
        ('["m1"]', "1", "names.gender.male"),
        ("[names.values]", "[names.value]", "names.value: Extra inputs are not permitted"),
        ('title = "Tides"', "", "title: Field required"),
        ('title = "Tides"', "title = ", "not read as a card of a corpus: "),
    ],
)  # fmt: skip
def test_a_card_that_is_wrong_is_refused_with_the_reason(changed, old, new, told):
    with pytest.raises(CorpusError) as error:
        changed(old, new)
    assert told in str(error.value) and "card.toml: " in str(error.value)


def test_a_card_without_names_is_no_corpus_by_itself():
    with pytest.raises(CorpusError, match=r"card of the corpus 'ravdess' has no table \[names\]"):
        CardCorpus(read_card("ravdess")).parse(PurePath("x.wav"))


def test_names_are_read_in_both_forms_of_unicode(changed):
    corpus = changed('["m1"]', '["\u00e9"]')
    composed, decomposed = (corpus.parse(PurePath(f"{name}_tide1_blij.wav")) for name in ("\u00e9", "e\u0301"))
    assert composed == decomposed and composed["speaker"] == "tides/\u00e9"


def test_a_card_with_too_many_names_is_told_without_listing_them(changed):
    digits = ", ".join(f'"{number}"' for number in range(1000))
    take = f"[names.values]\na = [{digits}]\nb = [{digits}]\nc = [{digits}]\n"
    text = TIDES.replace('"{speaker}_', '"{a}-{b}-{c}-{speaker}_').replace("[names.values]\n", take)
    corpus = changed(TIDES, text)
    with pytest.raises(CorpusError, match="of 'tides' has 8000000000 names; expected at most 1000000"):
        corpus.expected()


def test_folders_fields_that_return_and_regular_expressions(changed):
    corpus = changed('"{speaker}_{statement}_{label}"', '"{label}/{speaker}/{speaker}-{statement}"')
    record = corpus.parse(PurePath("any/blij/m1/m1-tide2.flac"))
    assert record == {
        "id": "blij/m1/m1-tide2",
        "speaker": "tides/m1",
        "gender": "male",
        "emotion": "happy",
        "statement": "two",
    }
    assert corpus.parse(PurePath("blij/m1/w1-tide2.flac")) is None and corpus.parse(PurePath("m1-tide2.flac")) is None
    assert all(corpus.parse(PurePath(f"{name}.wav"))["id"] == name for name in corpus.expected())
    assert len(corpus.expected()) == 8
    numbered = changed('["m1"]', r"'m\d+'")
    assert numbered.parse(PurePath("m17_tide1_droevig.wav"))["speaker"] == "tides/m17"
    assert numbered.parse(PurePath("m_tide1_droevig.wav")) is None and numbered.expected() == set()


@pytest.mark.parametrize("name", OF_A_CARD)
def test_a_corpus_of_a_card_alone_goes_to_workers(name):
    corpus, path = CORPORA[name], PurePath(CORPORA[name].card.example)
    record = corpus.parse(path)
    assert record is not None and pickle.loads(pickle.dumps(corpus)).parse(path) == record


def test_workers_of_joblib_read_names_by_a_card():
    corpus, path = CORPORA["emovo"], PurePath("f2/gio-f2-b2.wav")
    records = Parallel(n_jobs=2)(delayed(corpus.parse)(path) for _ in range(2))
    assert records == [corpus.parse(path)] * 2


def copied_package(folder, **lines):
    """Make copies of the packages by links, with lines that are added to groups of the registry."""
    (folder / "fusionser_cli").symlink_to(ROOT / "cli")
    for name, source in (("fusionser", "fusionser"), ("fusionser_data", "data")):
        (folder / name).mkdir()
        for part in (ROOT / source).iterdir():
            (folder / name / part.name).symlink_to(part)
    registry = folder / "fusionser" / "registry.py"
    text = registry.read_text()
    registry.unlink()
    for group, line in lines.items():
        text = text.replace(f'    "{group}": {{\n', f'    "{group}": {{\n        {line}\n')
    registry.write_text(text)


def test_a_corpus_takes_one_card_and_one_line_as_contributing_says(tmp_path):
    """With copies of the package and of its data, of which only these two are changed."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    line = '"tides": "corpora.from_card:tides",'
    assert line.replace("tides", "<name>") in text and "`data/<name>/card.toml`" in text
    copied_package(tmp_path, corpora=line)
    (tmp_path / "fusionser_data" / "tides").mkdir()
    (tmp_path / "fusionser_data" / "tides" / "card.toml").write_text(TIDES)
    tree = ["w1_tide1_blij.wav", "m1_tide2_droevig.wav", "other.wav"]
    folder = record_tree(tmp_path / "here", tree, rate=16000)
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        sys.path.insert(1, {str(ROOT / "tests")!r})
        from card_checks import card_problems
        from fusionser.corpora import CORPORA, list_rows
        listing = list_rows({str(folder)!r}, "tides")
        print(listing.rows[["source", "speaker", "gender", "emotion", "statement"]].to_numpy().tolist())
        print(len(listing.ignored), card_problems(CORPORA["tides"]), CORPORA.summary("tides"))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "[['tides/m1_tide2_droevig', 'tides/m1', 'male', 'sad', 'two'], "
        "['tides/w1_tide1_blij', 'tides/w1', 'female', 'happy', 'one']]",
        "1 [] Two speakers, two sentences, two emotions (Tides, Frisian).",
    ]


def test_a_faulty_card_or_line_breaks_only_its_own_name(tmp_path):
    blocks = '"mantle": "features.clip_blocks:Mantle", "crumb": "features.crumb:Crumb",'
    copied_package(tmp_path, corpora='"tides": "corpora.from_card:tides",', blocks=blocks)
    data = tmp_path / "fusionser_data"
    for name, fault in (("emovo", "title ="), ("ravdess", "")):
        (data / name).unlink()
        (data / name).mkdir()
        (data / name / "card.toml").write_text(fault)
    places = {"PYTHONPATH": str(tmp_path), "FUSIONSER_DATA": ""}

    def run(*arguments):
        done = [sys.executable, "-m", "fusionser", *arguments]
        done = subprocess.run(
            done, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **places}
        )
        assert "internal error" not in done.stderr, done.stderr
        return done

    listed = json.loads(run("list", "--json").stdout)
    problems = {one["name"]: one["problem"] for kind in ("blocks", "corpora") for one in listed[kind] if one["problem"]}
    assert set(problems) == {"tides", "emovo", "ravdess", "mantle", "crumb"}
    assert "the card of the corpus 'emovo' cannot be read" in problems["emovo"]
    assert "title: Field required" in problems["ravdess"]
    assert "No such file" in problems["tides"]
    assert problems["mantle"] == "AttributeError: module 'fusionser.features.clip_blocks' has no attribute 'Mantle'"
    assert problems["crumb"] == "ModuleNotFoundError: No module named 'fusionser.features.crumb'"
    assert len(listed["recipes"]) > 10
    told = run("corpora", "--json")
    assert told.returncode == 0
    assert len(json.loads(told.stdout)["corpora"]) == len(CORPORA) + 1 - len({"tides", "emovo", "ravdess"})
    assert "note: the corpus 'tides' of fusionser cannot be loaded" in told.stderr
    for command, name in (
        (("corpora", "describe", "emovo"), "emovo"),
        (("evaluate", ".", "--blocks", "mantle"), "mantle"),
    ):
        refused = run(*command)
        assert refused.returncode == 1
        assert f"'{name}' of fusionser cannot be loaded, from '" in refused.stderr
        assert "Repair that line of OWN_OBJECTS in fusionser/registry.py" in refused.stderr


def test_a_program_registers_a_corpus_by_its_card(changed, tmp_path):
    CORPORA.register("tides", changed())
    try:
        folder = record_tree(tmp_path / "here", ["w1_tide1_blij.wav"], rate=16000)
        assert list_rows(folder, "tides").rows["emotion"].tolist() == ["happy"]
    finally:
        del CORPORA._added["tides"]
    with pytest.raises(SettingsError, match="its attribute 'name' is 'tides'; expected 'ebbs'"):
        CORPORA.register("ebbs", changed())
