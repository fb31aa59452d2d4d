"""The rows that a training is validation by."""

import numpy as np
import pandas as pd
import pytest

from fusionser.errors import SettingsError
from fusionser.networks import hold_out


def table_of(speakers, copies=0):
    originals = pd.DataFrame(
        {"speaker": speakers, "source": [f"clip{number}" for number in range(len(speakers))], "augmentation": ""}
    )
    made = [originals.assign(augmentation=f"noise(10.0)#{number + 1}") for number in range(copies)]
    return pd.concat([originals, *made], ignore_index=True)


def test_watched_rows_are_originals_of_speakers_that_nobody_learns_from():
    table = table_of([f"s{number % 6}" for number in range(48)], copies=2)
    labels = np.array([f"class{number // 6 % 2}" for number in range(48)] * 3)
    train_positions, validation = hold_out(table, labels, 0.3, seed=0)
    learned, seen = table.iloc[train_positions], table.iloc[validation]
    assert set(seen["augmentation"]) == {""}
    assert not seen["source"].duplicated().any()
    assert set(learned["speaker"]) & set(seen["speaker"]) == set()
    assert set(learned["source"]) & set(seen["source"]) == set()
    assert (learned["augmentation"] != "").sum() == 2 * (learned["augmentation"] == "").sum()


def test_single_clips_are_held_out_where_that_is_asked_for():
    table = table_of([f"s{number}" for number in range(5) for _ in range(20)])
    labels = np.array(list("xy") * 50)
    train_positions, validation = hold_out(table, labels, 0.2, seed=0, by="sources")
    assert len(validation) == 20
    speakers, sources = table["speaker"].to_numpy(), table["source"].to_numpy()
    assert set(speakers[validation]) == set(speakers[train_positions]) == set(speakers)
    assert not set(sources[validation]) & set(sources[train_positions])
    assert not set(speakers[hold_out(table, labels, 0.2, seed=0)[1]]) & set(
        speakers[hold_out(table, labels, 0.2, seed=0)[0]]
    )
    with pytest.raises(SettingsError, match="'clips'.*Known: speakers, sources"):
        hold_out(table, labels, 0.2, seed=0, by="clips")


def test_repeated_rows_are_watched_once_and_their_twins_are_not_learned_from():
    table = table_of([f"s{number % 4}" for number in range(16)])
    table = pd.concat([table, table.iloc[:8]], ignore_index=True)
    labels = np.array(["a", "a", "a", "a", "b", "b", "b", "b"] * 3)
    train_positions, validation = hold_out(table, labels, 0.25, seed=0)
    assert not table["source"].iloc[validation].duplicated().any()
    assert set(table["source"].iloc[validation]) & set(table["source"].iloc[train_positions]) == set()


@pytest.mark.parametrize("speaker", ["", "s1"])
def test_without_several_speakers_whole_sources_are_held_out(speaker):
    table = table_of([speaker] * 20, copies=3)
    labels = np.array(["a", "b"] * 10 * 4)
    train_positions, validation = hold_out(table, labels, 0.2, seed=0)
    assert 0 < len(validation) <= 5
    assert set(table["augmentation"].iloc[validation]) == {""}
    assert set(table["source"].iloc[validation]) & set(table["source"].iloc[train_positions]) == set()
    assert len(train_positions) == 80 - 4 * len(validation)


def test_a_class_that_one_speaker_alone_has_keeps_copies_off_both_sides():
    table = table_of(["s1"] * 10 + ["s2"] * 10, copies=1)
    labels = np.array((["a"] * 10 + ["b"] * 10) * 2)
    train_positions, validation = hold_out(table, labels, 0.25, seed=0)
    assert set(labels[validation]) == set(labels[train_positions]) == {"a", "b"}
    assert set(table["source"].iloc[validation]) & set(table["source"].iloc[train_positions]) == set()


def test_files_tell_repeated_rows_apart_where_no_source_does():
    table = pd.DataFrame({"file": list("aabbccddeeff")})
    labels = np.array(["x", "x", "y", "y"] * 3)
    for given in (table, table.assign(source="", speaker=np.nan, augmentation=np.nan), table["file"].tolist()):
        train_positions, validation = hold_out(given, labels, 0.34, seed=0)
        files = table["file"].to_numpy()
        assert len(validation) >= 2
        assert set(files[validation]) & set(files[train_positions]) == set()
        assert len(set(files[validation])) == len(validation)


def test_nobody_is_held_out_where_that_is_wanted_or_cannot_be():
    labels = np.array(["a", "b"] * 4)
    for share, given in ((0.0, labels), (0.2, np.array(["a"] * 7 + ["b"]))):
        train_positions, validation = hold_out(table_of(["s1"] * 8), given, share, seed=0)
        assert len(train_positions) == 8
        assert len(validation) == 0
