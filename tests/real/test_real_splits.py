"""Public split lists on the real corpora, through the public commands. Without them these tests skip, and say so."""

from pathlib import Path

import pandas as pd
import pytest

from fusionser.corpora import list_rows
from fusionser.rows import write_table

pytestmark = pytest.mark.corpora


@pytest.mark.parametrize(
    ("corpus", "listed", "folds", "shared"), [("emodb", "emobox_emodb", 5, 10), ("ravdess", "emobox_ravdess", 6, None)]
)
def test_a_public_list_is_followed_and_its_shared_speakers_are_stamped(
    corpus_folder, tmp_path, command, corpus, listed, folds, shared
):
    public = pd.read_csv(corpus_folder("splits") / f"{listed}.csv", dtype=str)
    rows = list_rows(corpus_folder(corpus), corpus).rows
    rows["stem"] = [Path(file).stem for file in rows["file"]]
    table = rows.merge(public[["fold", "split", "file"]].rename(columns={"file": "stem"}), on="stem")
    assert len(table) == len(public)
    path = write_table(table.drop(columns="stem"), tmp_path / "rows.csv")
    done = command("evaluate", path, "--protocol", "given-split", "--blocks", "zcr", "--json")
    assert done.status == 0, done.messages
    counts = public.groupby(["fold", "split"]).size()
    found = {fold["name"]: (fold["train_rows"], fold["test_rows"]) for fold in done.json["folds"]}
    assert found == {fold: (counts[fold, "train"], counts[fold, "test"]) for fold in public["fold"].unique()}
    assert len(found) == folds
    stamps = {stamp["kind"]: stamp["value"] for stamp in done.json["protocol"]["stamps"]}
    # The lists of EMO-DB are by clip, those of RAVDESS by speaker.
    assert stamps.get("shared-speakers") == shared
