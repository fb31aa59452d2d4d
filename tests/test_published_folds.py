"""Published folds: the lists in the cards, the protocol, and its errors."""

from collections import Counter

import pandas as pd
import pytest
from fusionser_cli.options import Split
from test_protocols import table

from fusionser.corpora import CORPORA, read_card
from fusionser.errors import ProtocolError
from fusionser.pipeline import choose_protocol
from fusionser.spec import Config, ProtocolSpec
from fusionser.splits import AddedCorpora, PublishedFolds, protocol

SPEAKERS = [f"ravdess/{number:02d}" for number in range(1, 25)]
ROWS = pd.DataFrame({"corpus": "ravdess", "speaker": SPEAKERS, "emotion": "sad"})


def test_the_five_folds_are_those_of_the_paper():
    listed = [[2, 5, 14, 15, 16], [3, 6, 7, 13, 18], [10, 11, 12, 19, 20], [8, 17, 21, 23, 24], [1, 4, 9, 22]]
    chosen = choose_protocol("published-folds", ROWS, {"split_name": "five-folds"})
    tested = [[int(ROWS.loc[row, "speaker"][-2:]) for row in test] for _, _, test in chosen.named_folds(ROWS)]
    assert tested == listed
    assert chosen.settings() == {"split_name": "five-folds"}


@pytest.mark.parametrize("name", [name for name in CORPORA if read_card(name).splits])
def test_each_split_of_a_card_tests_every_speaker_once(name):
    card = read_card(name)
    speakers = card.counts.speakers or (card.counts.female_speakers or 0) + (card.counts.male_speakers or 0)
    for split in card.splits.values():
        counts = Counter(speaker for fold in split.folds for speaker in fold)
        assert set(counts.values()) == {1}
        assert len(counts) == speakers
        assert {speaker.partition("/")[0] for speaker in counts} == {name}


def test_training_and_test_share_no_speaker():
    for _, train, test in choose_protocol("published-folds", ROWS, {"split_name": "emobox"}).named_folds(ROWS):
        assert not set(ROWS["speaker"].iloc[train]) & set(ROWS["speaker"].iloc[test])
        assert len(train) + len(test) == 24
        assert len(test) == 4


def test_song_can_be_added_to_the_five_folds_of_speech():
    rows = pd.concat([ROWS, ROWS.assign(corpus="ravdess-song")], ignore_index=True)
    settings = {"test": ["ravdess"], "split_name": "five-folds"}
    folds = choose_protocol("speaker-kfold-added-corpora", rows, settings).named_folds(rows)
    speech = choose_protocol("published-folds", ROWS, {"split_name": "five-folds"}).named_folds(ROWS)
    for (_, train, test), (_, speech_train, speech_test) in zip(folds, speech, strict=True):
        assert test.tolist() == speech_test.tolist()
        assert train.tolist() == [*speech_train, *(speech_train + 24)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split_name": "six"}, "split_name is 'six'; expected one of"),
        ({"split_name": ["six"]}, r"split_name is '\['six'\]'; expected one of"),
        ({"test": "ravdess"}, "test is 'ravdess'; expected a list of names"),
        ({"test": ["tess"]}, "no rows of the corpus 'tess'"),
        ({"test": []}, r"name the corpora to test on \(--test-corpora\)"),
        ({"test": ["ravdess", "ravdess-song"]}, "no folds are known for recordings without a card, or of several"),
        ({"folds": 4}, r"got both split_name \(--split\) and folds; expected one of them"),
        ({"fold_speakers": [["ravdess/01"]]}, r"got both split_name \(--split\) and fold_speakers"),
    ],
)
def test_what_cannot_be_split_with_added_corpora_is_an_error(changes, words):
    rows = pd.concat([ROWS, ROWS.assign(corpus="ravdess-song")], ignore_index=True)
    settings = {"test": ["ravdess"], "split_name": "five-folds"} | changes
    with pytest.raises(ProtocolError, match=f"speaker-kfold-added-corpora: .*{words}"):
        choose_protocol("speaker-kfold-added-corpora", rows, settings).named_folds(rows)


def test_a_name_of_folds_does_not_stand_for_others():
    rows = pd.concat([ROWS, ROWS.assign(corpus="ravdess-song")], ignore_index=True)
    with pytest.raises(ProtocolError, match="got 0 lists of speakers"):
        AddedCorpora(test=("ravdess",), split_name="five-folds").named_folds(rows)
    with pytest.raises(ProtocolError, match=r"published-folds: got both split_name \(--split\) and fold_speakers"):
        choose_protocol("published-folds", ROWS, {"split_name": "five-folds", "fold_speakers": [SPEAKERS[:1]]})


@pytest.mark.parametrize(
    ("settings", "corpus", "words"),
    [
        ({}, "ravdess", ["no split was named", "five-folds, emobox"]),
        ({"split_name": "six"}, "ravdess", ["split_name is 'six'", "five-folds, emobox"]),
        ({"split_name": 5}, "ravdess", ["split_name is '5'", "five-folds"]),
        ({"split_name": "five-folds"}, "emodb", ["no folds are known for the corpus 'emodb'", "known for ravdess"]),
        ({"split_name": "five-folds"}, "", ["without a card", "known for ravdess"]),
        ({"fold_speakers": ["ravdess/01"]}, "ravdess", ["fold_speakers is", "a list of lists of names"]),
        ({"fold_speakers": [["ravdess/01"]]}, "ravdess", ["got 1 lists", "at least two"]),
        ({"fold_speakers": [SPEAKERS, ["ravdess/01"]]}, "ravdess", ["ravdess/01 is in more than one fold"]),
        ({"fold_speakers": [SPEAKERS[:12], SPEAKERS[12:23]]}, "ravdess", ["ravdess/24 is in no fold"]),
        ({"fold_speakers": [SPEAKERS, ["ravdess/25"]]}, "ravdess", ["fold 'fold 1' has no training rows"]),
        (
            {"folds": 5, "split_name": "five-folds"},
            "ravdess",
            ["does not take folds", "split_name (--split), fold_speakers"],
        ),
    ],
)
def test_errors_say_what_was_expected(settings, corpus, words):
    rows = ROWS.assign(corpus=corpus)
    with pytest.raises(ProtocolError) as error:
        choose_protocol("published-folds", rows, settings).named_folds(rows)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_folds_of_ones_own():
    rows = table(3, clips=2)
    speakers = sorted(set(rows["speaker"]))
    chosen = protocol("published-folds", fold_speakers=[speakers[:1], speakers[1:]])
    assert [len(test) for _, _, test in chosen.named_folds(rows)] == [2, 4]
    assert chosen.settings() == {"fold_speakers": [speakers[:1], speakers[1:]]}
    assert PublishedFolds(**chosen.settings()) == chosen


def test_the_option_names_the_split_and_the_result_says_it(corpus_folder, command):
    done = command(
        "evaluate", corpus_folder("ravdess"), "--corpus", "ravdess", "--blocks", "zcr", "--split", "five-folds"
    )
    assert "published-folds 'five-folds', 5 folds; inductive" in done.output


@pytest.mark.parametrize(
    ("stored", "given", "expected"),
    [
        (("speaker-kfold-added-corpora", {"test": ["a"], "split_name": "five-folds"}), {"folds": 4}, {"folds": 4}),
        (("speaker-kfold-added-corpora", {"test": ["a"], "folds": 4}), {"split": "emobox"}, {"split_name": "emobox"}),
        (("speaker-kfold", {"folds": 4}), {"split": "emobox"}, {"split_name": "emobox"}),
    ],
)
def test_folds_and_splits_on_the_command_line_replace_each_other(stored, given, expected):
    name, settings = stored
    config = Config(protocol=ProtocolSpec(name=name, settings=settings))
    options = {option: given.get(option) for option in Split.members()}
    changed = Split(**options).over(config, None, "speaker-kfold", None).protocol
    added = name == "speaker-kfold-added-corpora"
    assert changed.name == (name if added else "published-folds")
    assert changed.settings == ({"test": ["a"]} if added else {}) | expected
