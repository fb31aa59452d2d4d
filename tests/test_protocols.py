import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

from fusionser.errors import ProtocolError, RowsError, SettingsError
from fusionser.rows import make_rows
from fusionser.splits import (
    PROTOCOLS,
    AddedCorpora,
    CrossCorpus,
    InnerFolds,
    LeaveOneCorpusOut,
    LeaveOneSpeakerOut,
    LeaveOneStatementOut,
    RandomHoldout,
    RandomKFold,
    SpeakerHoldout,
    SpeakerKFold,
    protocol,
)


def table(speakers=12, corpus="ravdess", clips=4):
    return make_rows(
        {
            "file": f"{corpus}/{speaker:02d}/{clip}.wav",
            "end": 1.0,
            "corpus": corpus,
            "speaker": f"{corpus}/{speaker:02d}",
            "emotion": ["sad", "happy"][clip % 2],
            "statement": ["kids", "dogs"][clip // 2],
        }
        for speaker in range(1, speakers + 1)
        for clip in range(clips)
    )


SPLITS = [
    SpeakerHoldout(speakers=("1", "02", "ravdess/03")),
    SpeakerHoldout(share=0.25, seed=3),
    SpeakerKFold(folds=5),
    LeaveOneSpeakerOut(),
    LeaveOneStatementOut(),
    RandomKFold(folds=4),
    RandomKFold(folds=4, stratified=True),
    RandomHoldout(share=0.2),
    RandomHoldout(share=0.25, stratified=True),
]


@pytest.mark.parametrize("split", SPLITS, ids=repr)
def test_the_sides_of_every_fold_are_disjoint_and_every_row_is_tested_at_most_once(split):
    rows = table()
    tested = []
    for _, train, test in split.named_folds(rows):
        assert not set(train) & set(test)
        assert len(set(train)) + len(set(test)) == len(rows)
        tested += list(test)
    assert len(tested) == len(set(tested))
    if "holdout" not in split.name:
        assert sorted(tested) == list(range(len(rows)))
    assert split.get_n_splits(rows) == len(list(split.split(rows)))


@pytest.mark.parametrize("split", SPLITS[:4], ids=repr)
def test_splits_by_speaker_share_no_speaker(split):
    rows = table()
    for train, test in split.split(rows.sample(frac=1, random_state=0).reset_index(drop=True)):
        shuffled = rows.sample(frac=1, random_state=0).reset_index(drop=True)
        assert not set(shuffled["speaker"][train]) & set(shuffled["speaker"][test])


def test_some_of_the_folds_by_speaker_are_the_same_folds():
    rows = table()
    every, some = SpeakerKFold(folds=4).named_folds(rows), SpeakerKFold(folds=4, only=[1, 4]).named_folds(rows)
    assert [fold[0] for fold in some] == [every[0][0], every[3][0]]
    for found, expected in zip(some, (every[0], every[3]), strict=True):
        np.testing.assert_array_equal(found[1], expected[1])
        np.testing.assert_array_equal(found[2], expected[2])
    assert SpeakerKFold(folds=4).settings() == {"folds": 4}
    assert SpeakerKFold(folds=4, only=[1, 4]).settings() == {"folds": 4, "only": [1, 4]}


def test_six_folds_of_ravdess_are_four_actors_in_order():
    rows = table(speakers=24)
    found = [sorted(set(rows["speaker"].iloc[test])) for _, test in SpeakerKFold(folds=6).split(rows)]
    assert found == [[f"ravdess/{actor:02d}" for actor in range(first, first + 4)] for first in range(1, 25, 4)]


def test_eleven_folds_of_the_super_set_are_eleven_speakers_by_corpus():
    rows = pd.concat(
        [table(24, "ravdess", 2), table(91, "crema-d", 2), table(4, "savee", 2), table(2, "tess", 2)], ignore_index=True
    )
    folds = SpeakerKFold(folds=11).named_folds(rows)
    assert [rows["speaker"].iloc[test].nunique() for _, _, test in folds] == [11] * 11
    assert set(rows["corpus"].iloc[folds[0][2]]) == {"ravdess"}
    assert set(rows["corpus"].iloc[folds[-1][2]]) == {"crema-d", "savee", "tess"}


def test_a_holdout_takes_the_speakers_it_is_told_and_draws_by_seed():
    rows = table()
    _, test = next(SpeakerHoldout(speakers=("1", "ravdess/04")).split(rows))
    assert set(rows["speaker"].iloc[test]) == {"ravdess/01", "ravdess/04"}
    drawn = [frozenset(rows["speaker"].iloc[next(SpeakerHoldout(seed=seed).split(rows))[1]]) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 2


def test_stratified_folds_keep_the_shares():
    rows = table()
    for _, test in RandomKFold(folds=4, stratified=True).split(rows):
        assert rows["emotion"].iloc[test].value_counts().tolist() == [6, 6]


def test_cross_corpus_trains_on_the_others_or_on_those_named():
    rows = pd.concat([table(3, name) for name in ("a", "b", "c")], ignore_index=True)
    ((train, test),) = CrossCorpus(test=("c",)).split(rows)
    assert (set(rows["corpus"].iloc[train]), set(rows["corpus"].iloc[test])) == ({"a", "b"}, {"c"})
    ((train, _),) = CrossCorpus(test=("c",), train=("a",)).split(rows)
    assert set(rows["corpus"].iloc[train]) == {"a"}


def test_cross_corpus_leaves_out_what_one_side_alone_has():
    rows = pd.concat([table(3, name) for name in ("a", "b", "c")], ignore_index=True)
    # Calm is in the training corpora, and surprise in the tested one.
    rows.loc[[0, 12], "emotion"] = "calm"
    rows.loc[[24, 25], "emotion"] = "surprise"
    protocol = CrossCorpus(test=("c",))
    ((train, test),) = protocol.split(rows)
    assert sorted([*train, *test]) == sorted(set(range(36)) - {0, 12, 24, 25})
    assert protocol.classes_left_out(rows) == {"a": ["calm"], "b": ["calm"], "c": ["surprise"]}
    # A corpus that is neither trained on nor tested counts for nothing.
    assert CrossCorpus(test=("c",), train=("a",)).classes_left_out(rows) == {"a": ["calm"], "c": ["surprise"]}


def test_each_corpus_is_left_out_once_with_the_classes_that_another_has_too():
    rows = pd.concat([table(3, name) for name in ("a", "b", "c")], ignore_index=True)
    # Calm is in a alone; angry is in b and c.
    rows.loc[[0, 1], "emotion"] = "calm"
    rows.loc[rows["file"].isin(["b/01/0.wav", "b/02/0.wav", "c/01/0.wav"]), "emotion"] = "angry"
    protocol = LeaveOneCorpusOut()
    folds = protocol.named_folds(rows)
    assert [name for name, _, _ in folds] == ["a", "b", "c"]
    for name, train, test in folds:
        assert set(rows["corpus"].iloc[test]) == {name}
        assert set(rows["corpus"].iloc[train]) == {"a", "b", "c"} - {name}
        assert "calm" not in set(rows["emotion"].iloc[[*train, *test]])
        assert len(train) + len(test) == len(rows) - 2
    assert protocol.classes_left_out(rows) == {"a": ["calm"]}
    assert protocol.classes_left_out(rows[2:]) == {}


def test_a_tested_speaker_is_not_learned_from_in_another_corpus():
    rows = pd.concat([table(4, "song"), table(4, "speech"), table(2, "z")], ignore_index=True)
    rows["speaker"] = rows["corpus"].replace({"song": "ravdess", "speech": "ravdess"}) + rows["speaker"].str[-3:]
    for name, train, test in LeaveOneCorpusOut().named_folds(rows):
        assert not set(rows["speaker"].iloc[train]) & set(rows["speaker"].iloc[test])
        assert set(rows["corpus"].iloc[train]) == ({"song", "speech"} if name == "z" else {"z"})


def test_corpora_without_speakers_are_left_out_too():
    rows = pd.concat([table(3, name) for name in ("a", "b")], ignore_index=True).assign(speaker="")
    assert [(len(train), len(test)) for train, test in LeaveOneCorpusOut().split(rows)] == [(12, 12), (12, 12)]


def test_added_corpora_are_learned_from_in_every_fold_and_never_tested():
    rows = pd.concat([table(4, "a"), table(3, "b")], ignore_index=True)
    rows["speaker"] = rows["corpus"] + "/" + rows["speaker"]
    folds = list(AddedCorpora(test=("a",), folds=2).split(rows))
    assert len(folds) == 2
    tested = [set(rows["speaker"].iloc[test]) for _, test in folds]
    assert tested[0] | tested[1] == set(rows.loc[rows["corpus"] == "a", "speaker"])
    assert not tested[0] & tested[1]
    others = set(np.flatnonzero(rows["corpus"] == "b"))
    for train, test in folds:
        assert others <= set(train)
        assert not set(rows["speaker"].iloc[train]) & set(rows["speaker"].iloc[test])
        assert len(train) + len(test) == len(rows)


def test_what_a_tested_speaker_did_in_an_added_corpus_is_on_neither_side():
    rows = pd.concat([table(4, "speech"), table(4, "song")], ignore_index=True)
    rows["speaker"] = "ravdess/" + rows["speaker"].str.rpartition("/")[2]
    folds = list(AddedCorpora(test=("speech",), folds=2).split(rows))
    tested = np.concatenate([test for _, test in folds])
    assert sorted(tested) == np.flatnonzero(rows["corpus"] == "speech").tolist()
    for train, test in folds:
        assert not set(rows["speaker"].iloc[train]) & set(rows["speaker"].iloc[test])
        assert set(rows["corpus"].iloc[train]) == {"speech", "song"}
        # Half of the speakers: a fourth of the rows is tested, and as many are sung by those who are.
        assert (len(train), len(test)) == (len(rows) // 2, len(rows) // 4)


def test_added_corpora_can_have_listed_folds():
    rows = pd.concat([table(4, "speech"), table(4, "song"), table(2, "other")], ignore_index=True)
    number = rows["speaker"].str.rpartition("/")[2]
    rows["speaker"] = np.where(rows["corpus"] == "other", "other/", "ravdess/") + number
    listed = [["ravdess/01", "ravdess/04"], ["ravdess/03"], ["ravdess/02"]]
    folds = AddedCorpora(test=("speech",), fold_speakers=listed).named_folds(rows)
    assert [name for name, _, _ in folds] == ["fold 1", "fold 2", "fold 3"]
    for (_, train, test), tested in zip(folds, listed, strict=True):
        assert set(rows["speaker"].iloc[test]) == set(tested)
        assert set(rows["corpus"].iloc[test]) == {"speech"}
        expected = np.flatnonzero(~rows["speaker"].isin(tested))
        assert train.tolist() == expected.tolist()


def test_settings_of_added_corpora_name_the_split_the_lists_or_the_number_of_folds():
    assert AddedCorpora(test=("a",)).settings() == {"test": ("a",), "folds": 6}
    assert AddedCorpora(test=("a",), fold_speakers=[["a/1"], ["a/2"]]).settings() == {
        "test": ("a",),
        "fold_speakers": [["a/1"], ["a/2"]],
    }
    named = AddedCorpora(test=("a",), split_name="halves", fold_speakers=[["a/1"], ["a/2"]])
    assert named.settings() == {"test": ("a",), "split_name": "halves"}


@pytest.mark.parametrize(
    ("split", "rows", "message"),
    [
        (
            AddedCorpora(test=("ravdess",), fold_speakers=[["ravdess/01"], ["ravdess/02"]]),
            table().assign(corpus=["ravdess"] * 40 + ["song"] * 8),
            "speaker-kfold-added-corpora: ravdess/03, .* are in no fold",
        ),
        (SpeakerKFold(folds=4, only=[0, 2]), table(), r"only is \[0, 2\]; expected numbers from 1 to 4"),
        (SpeakerKFold(folds=13), table(), "folds is 13; expected 2 to 12, the number of speakers"),
        (SpeakerKFold(folds=1), table(), "folds is 1; expected 2 to 12"),
        (SpeakerKFold(folds=2), table(1), "all 4 rows are of one speaker"),
        (LeaveOneSpeakerOut(), table(1), "of one speaker"),
        (
            SpeakerHoldout(speakers=("99",)),
            table(),
            r"'99' \(--test-speakers\) names no speaker; the speakers are ravdess/01",
        ),
        (SpeakerHoldout(speakers=tuple(map(str, range(1, 13)))), table(), "none is left to train on"),
        (SpeakerHoldout(share=1.5), table(), "share is 1.5"),
        (LeaveOneStatementOut(), table().assign(statement="kids"), "at least two values"),
        (LeaveOneStatementOut(), table().assign(statement=""), "must be filled"),
        (RandomKFold(folds=100), table(), "expected 2 to 48"),
        (RandomHoldout(share=2.0), table(), "share is 2.0; expected more than 0 and less than 1"),
        (
            CrossCorpus(test=("emodb",)),
            table(),
            r"no rows of the corpus 'emodb' \(--test-corpora\); the table has ravdess",
        ),
        (AddedCorpora(test=("emodb",)), table(), "no rows of the corpus 'emodb'"),
        (
            AddedCorpora(test=("ravdess",)),
            table(),
            r"name the corpora to test on \(--test-corpora\), and leave one to train on; the table has ravdess",
        ),
        (LeaveOneCorpusOut(), table(), "all 48 rows are of ravdess; expected two corpora or more"),
        (
            LeaveOneCorpusOut(),
            table().assign(corpus=["ravdess"] * 40 + [""] * 8),
            r"8 of 48 rows do not say their corpus; fill in the column 'corpus', or .* \(--protocol speaker-kfold\)",
        ),
        (CrossCorpus(test=("emodb",)), table().assign(corpus=""), "the table has no names of corpora"),
        (CrossCorpus(), table(), "name the corpora to test"),
        (CrossCorpus(test=("ravdess",)), table(), "no training rows"),
        (CrossCorpus(test=("ravdess",), train=("ravdess",)), table(), "got ravdess both to train on and to test on"),
        (SpeakerKFold(folds=2), np.zeros((4, 2)), "expected the table of rows"),
        (SpeakerKFold(folds=2), pd.DataFrame({"x": [1, 2]}), "no column 'speaker'"),
    ],
)
def test_what_cannot_be_split_so_is_told(split, rows, message):
    with pytest.raises(ProtocolError, match=message):
        split.named_folds(rows)


def test_unknown_speakers_cannot_be_split_by():
    with pytest.raises(RowsError, match="48 of 48 rows have no speaker"):
        SpeakerKFold(folds=2).named_folds(table().assign(speaker=""))


def test_names_and_settings_unknown_are_told():
    with pytest.raises(SettingsError, match="unknown protocol 'loso'. Known: speaker-holdout"):
        protocol("loso")
    with pytest.raises(ProtocolError, match="'leave-one-speaker-out' does not take folds"):
        protocol("leave-one-speaker-out", folds=3)
    with pytest.raises(ProtocolError, match=r"speaker-kfold: only is \['1'\]; expected a list of whole numbers"):
        protocol("speaker-kfold", only=["1"])
    with pytest.raises(ProtocolError, match="cross-corpus: test is 'emodb'; expected a list of names"):
        protocol("cross-corpus", test="emodb")
    with pytest.raises(ProtocolError, match="random-kfold: stratified is 'no'; expected true or false"):
        protocol("random-kfold", stratified="no")
    assert all(kind.name == name for name, kind in PROTOCOLS.items())


def test_inner_folds_are_by_speaker_else_by_source_else_by_clip():
    rows = table()
    labels = rows["emotion"].to_numpy()
    for train, test in InnerFolds(folds=4).split(rows, labels):
        assert not set(rows["speaker"].iloc[train]) & set(rows["speaker"].iloc[test])
        assert set(labels[train]) == {"sad", "happy"}
    copies = pd.concat([rows, rows], ignore_index=True).assign(speaker="")
    for train, test in InnerFolds(folds=4).split(copies, np.tile(labels, 2)):
        assert not set(copies["source"].iloc[train]) & set(copies["source"].iloc[test])
    assert InnerFolds(folds=4).get_n_splits(np.zeros((48, 2)), labels) == 4
    with pytest.raises(ProtocolError, match="two clips of every class"):
        list(InnerFolds().split(np.zeros((3, 2)), np.array(["a", "a", "b"])))


def test_all_folds_by_number_are_the_whole_protocol():
    whole = [SpeakerKFold(folds=3, only=only).folds_of_whole() for only in ((), (1, 2, 3), (2,), (1, 3))]
    assert whole == [None, None, 3, 3]


@pytest.mark.parametrize("protocol", [RandomKFold(folds=3), RandomKFold(folds=3, stratified=True), RandomHoldout()])
def test_random_splits_keep_the_windows_of_a_recording_together(protocol):
    rows = pd.DataFrame({"source": np.repeat(list("abcdefghijkl"), 5), "emotion": np.repeat(["sad", "calm"] * 6, 5)})
    folds = protocol.named_folds(rows)
    for _, train, test in folds:
        sides = [set(rows["source"].iloc[side]) for side in (train, test)]
        assert not sides[0] & sides[1] and sides[0] | sides[1] == set(rows["source"])
        assert sorted([*train, *test]) == list(range(60))
    # Where each row is a recording of its own, the split is scikit-learn's.
    alone = rows.assign(source=[str(number) for number in range(60)])
    (_, train, test), *_ = protocol.named_folds(alone)
    if protocol == RandomKFold(folds=3):
        expected = next(KFold(3, shuffle=True, random_state=0).split(alone))
        assert [train.tolist(), test.tolist()] == [side.tolist() for side in expected]


def test_groups_are_speakers_as_for_scikit_learn():
    from sklearn.model_selection import cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    speakers, labels = np.repeat(list("abcd"), 6), ["x", "y"] * 12
    folds = list(SpeakerKFold(folds=4).split(np.zeros((24, 1)), labels, speakers))
    assert [set(speakers[test]) for _, test in folds] == [
        {speaker} for speaker in dict.fromkeys(speakers[np.concatenate([test for _, test in folds])])
    ]
    assert all(not set(speakers[train]) & set(speakers[test]) for train, test in folds)
    scores = cross_val_score(
        DecisionTreeClassifier(), np.zeros((24, 1)), labels, groups=speakers, cv=SpeakerKFold(folds=4)
    )
    assert scores.tolist() == [0.5] * 4
    with pytest.raises(ProtocolError, match="groups has 3 entries, and X has 4"):
        next(SpeakerKFold(folds=2).split(list("abcd"), None, list("abc")))
