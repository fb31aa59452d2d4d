"""Audits of who speaks what: speakers and classes without a partner, and speakers who tell the class."""

from itertools import product
from math import comb

import pandas as pd
import pytest

from fusionser.audit.leaks import audit_split
from fusionser.audit.sides import side_facts
from fusionser.audit.split_table import table_split
from fusionser.reporting.audit import audit_page, verdicts


def spoken(**classes):
    """Rows of speakers, each with a letter per recording: its class."""
    pairs = [(speaker, emotion) for speaker, letters in classes.items() for emotion in letters]
    return pd.DataFrame(pairs, columns=["speaker", "emotion"])


def split_of(train, test):
    table = pd.concat([train.assign(split="train"), test.assign(split="test")], ignore_index=True)
    return table_split(table.assign(file=[f"clip_{number}" for number in range(len(table))]))


def test_speakers_with_one_class_are_planted_and_found():
    train = spoken(ann="aaaaaa", ben="ssssss", cat="asasas", dan="s")
    test = spoken(ann="aas", ben="ss", cat="as", eve="as")
    result = audit_split(split_of(train, test)).result
    found = {side.side: [(one.speaker, one.emotion, one.recordings) for one in side.one_class] for side in result.sides}
    assert found == {"train": [("ann", "a", 6), ("ben", "s", 6)], "test": [("ben", "s", 2)]}
    assert [side.confounded for side in result.sides] == [True, False]
    (between,) = result.between
    # Two of ann, and two of ben, have the only class that the training has of them.
    assert between.told_by_speaker == 4
    assert between.speakers == ("ann", "ben", "cat")
    assert between.speakers_only == (("dan",), ("eve",))
    assert "confounded" in result.faults and "confounded" not in result.leaks
    told = verdicts(result)["confounded"]
    assert "2 of 4 speakers in train with one class only" in told
    assert "ann (a, 6), ben (s, 6)" in told and "4 of 9 recordings of test" in told
    assert "| split | train | ann | a | 6 |" in audit_page(result)


def test_speakers_with_all_classes_are_not_confounded():
    result = audit_split(split_of(spoken(ann="asasas", ben="ssaaas"), spoken(cat="asa", dan="ssa"))).result
    assert not any(side.one_class for side in result.sides)
    assert "confounded" not in result.faults and result.between[0].told_by_speaker == 0


def test_what_chance_gives_is_the_share_of_all_ways_to_deal_out_the_classes():
    # Each class of 4 recordings of two speakers with 2 each, dealt out in all ways.
    ways = [letters for letters in product("as", repeat=4) if letters.count("a") == 2]
    alone = [sum(len(set(letters[first : first + 2])) == 1 for first in (0, 2)) for letters in ways]
    facts = side_facts(spoken(ann="aa", ben="ss"), "split", "train")
    assert facts.expected == pytest.approx(sum(alone) / len(ways))
    assert facts.expected == pytest.approx(2 * 2 * comb(2, 2) / comb(4, 2))
    assert not facts.confounded


def test_many_speakers_with_two_recordings_are_explained_by_chance():
    rows = spoken(**{f"s{number}": ("aa", "as", "sa", "ss")[number % 4] for number in range(40)})
    facts = side_facts(rows, "split", "train")
    assert len(facts.one_class) == 20
    # Without replacement, a second recording has the class of the first with 39 of 79.
    assert facts.expected == pytest.approx(40 * 39 / 79)
    assert 0.3 < facts.chance < 0.7 and not facts.confounded


def test_one_class_on_a_side_is_no_confusion_but_a_class_without_a_partner():
    result = audit_split(split_of(spoken(ann="aaaa", ben="aaaa"), spoken(cat="asas"))).result
    assert not any(side.one_class for side in result.sides)
    assert result.between[0].classes_only == ((), ("s",))
    assert verdicts(result)["classes"] == "Classes without a partner: s in test and not in train."


def test_unknown_speakers_and_classes_do_not_count():
    rows = pd.DataFrame({"speaker": ["", "", "ann", "ann"], "emotion": ["a", "a", "s", ""]})
    facts = side_facts(rows, "split", "test")
    assert (facts.speakers, facts.classes, facts.one_class, facts.expected) == (1, {"a": 2, "s": 1}, (), 0.0)


def test_the_command_tells_and_can_fail_on_it(command, tmp_path):
    rows = pd.concat(
        [spoken(ann="aaaaaa", ben="ssssss").assign(split="train"), spoken(cat="asas", dan="asas").assign(split="test")]
    )
    rows.assign(file=[f"c{number}" for number in range(len(rows))]).to_csv(tmp_path / "s.csv", index=False)
    done = command("audit", tmp_path / "s.csv")
    assert done.status == 0 and "confounded: 2 of 2 speakers in train with one class only" in done.output
    failed = command("audit", tmp_path / "s.csv", "--fail-on", "confounded", "--json")
    assert failed.status == 1
    assert failed.json["leaks"] == ["confounded"]
    assert failed.json["sides"][0]["one_class"][0] == {"speaker": "ann", "emotion": "a", "recordings": 6}
