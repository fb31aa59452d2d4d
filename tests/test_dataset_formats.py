"""What formats of datasets have in common, and one that a program adds."""

from pathlib import Path

import pytest

from fusionser.corpora import DATASET_FORMATS, DatasetFormat, dataset_format, list_rows
from fusionser.corpora.datasets import Entries, Wanted, row_of
from fusionser.errors import CorpusError, SettingsError


class Listed(DatasetFormat):
    """Text files with a path and an emotion in each line, for a test."""

    name = "listed"

    def recognises(self, place):
        return place.endswith(".listed")

    def listing(self, place, wanted):
        entries = Entries()
        for number, line in enumerate(Path(place).read_text().splitlines()):
            file, emotion = line.split()
            entries.records.append(row_of({"emotion": emotion}, "mine", str(number), file))
        return entries.listing(wanted, place)


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(DATASET_FORMATS, "_added", {})
    DATASET_FORMATS.register("listed", Listed)


def test_a_format_of_another_package_is_recognised_and_used(registered, demo_rows, tmp_path):
    place = tmp_path / "a.listed"
    place.write_text("".join(f"{file} {emotion}\n" for file, emotion in demo_rows[["file", "emotion"]].to_numpy()))
    assert dataset_format(place) == "listed"
    for corpus in (None, "listed"):
        rows = list_rows(place, corpus).rows
        assert rows["emotion"].tolist() == demo_rows["emotion"].tolist()
        assert rows["end"].tolist() == pytest.approx(demo_rows["end"].tolist())


def test_a_class_that_is_no_format_is_refused():
    with pytest.raises(SettingsError, match="expected a subclass of DatasetFormat"):
        DATASET_FORMATS.register("list", list)


def test_clips_that_are_there_twice_are_used_once_or_set_aside(demo_rows):
    files = demo_rows["file"].tolist()
    entries = Entries()
    given = [
        (0, "sad", "train"), (0, "sad", "train"),
        (1, "sad", "train"), (1, "happy", "train"),
        (2, "sad", "train"), (2, "sad", "test"),
    ]  # fmt: skip
    for place, emotion, split in given:
        entries.records.append(row_of({"emotion": emotion, "split": split}, "mine", str(place), files[place]))
    listing = entries.listing(Wanted(), "here")
    assert listing.rows["file"].tolist() == files[:1]
    assert listing.doubled == [(files[0], files[0])]
    assert [reason.partition(", ")[2] for reason in listing.quarantine["reason"]] == [
        "with the labels 'happy', 'sad'",
        "in the splits 'test', 'train'",
    ]


def test_nothing_to_use_is_an_error_with_the_first_reason():
    entries = Entries()
    entries.refuse("a.wav", "is empty")
    with pytest.raises(CorpusError, match="here: none of 1 recordings can be used; the first: a.wav: is empty"):
        entries.listing(Wanted(), "here")


def test_values_become_texts():
    row = row_of({"emotion": ["sad", None, "calm"], "speaker": 3.0, "gender": "Diverse", "split": None}, "c", "k", "f")
    assert (row["emotion"], row["speaker"], row["gender"], row["split"]) == ("sad;calm", "c/3", "", "")
