"""Audits of real corpora through the public command. Without the corpora these tests skip, and say so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from fusionser.augmentation.conditions import CONDITIONS
from fusionser.corpora import list_rows
from fusionser.decoding import decode

pytestmark = pytest.mark.corpora

PLANTED = {
    "emodb": ("08", ["mp3-64-kbps", "telephone", "white-noise-20-db", "pitch-plus-1-semitone", "tempo-90-percent"]),
    "ravdess": (
        "07",
        ["opus-24-kbps", "lowpass-4-khz", "pink-noise-10-db", "pitch-minus-1-semitone", "tempo-110-percent"],
    ),
}


@pytest.mark.parametrize("corpus", list(PLANTED))
def test_planted_copies_are_found_and_repeated_performances_are_not(corpus_folder, tmp_path, command, corpus):
    speaker, conditions = PLANTED[corpus]
    rows = list_rows(corpus_folder(corpus), corpus).rows
    rows = rows[rows["speaker"] == f"{corpus}/{speaker}"].reset_index(drop=True)
    table = [{"file": file, "split": "train"} for file in rows["file"]]
    expected = set()
    for number, name in enumerate(conditions):
        original = rows["file"][5 * number + 1]
        changed = CONDITIONS[name].apply(*decode(original))
        copy = tmp_path / f"{name}.wav"
        soundfile.write(copy, np.clip(changed.samples, -1, 1), changed.sampling_rate)
        table.append({"file": str(copy), "split": "test"})
        expected.add((Path(original).stem, name))
    pd.DataFrame(table).to_csv(tmp_path / "split.csv", index=False)
    done = command("audit", tmp_path / "split.csv", "--json", "--no-score")
    assert done.status == 1, done.messages
    found = {(Path(pair["first"]).stem, Path(pair["second"]).stem) for pair in done.json["copies"]}
    assert found == expected
    # RAVDESS has one recording of this actor under two names.
    assert done.json["copies_within"] == (1 if corpus == "ravdess" else 0)


def test_a_public_list_by_clip_shares_speakers_and_one_by_speaker_does_not(corpus_folder, command):
    lists = corpus_folder("splits")
    by_clip = command("audit", lists / "emobox_emodb.csv", "--corpus", "emodb", "--json")
    by_speaker = command("audit", lists / "emobox_ravdess.csv", "--corpus", "ravdess", "--json")
    assert by_clip.status == 1 and len(by_clip.json["between"][0]["speakers"]) == 10
    assert by_speaker.status == 0 and "speakers" not in by_speaker.json["faults"]
