"""Training by the votes of the raters of a real corpus. Without it these tests skip, and say so."""

import numpy as np
import pandas as pd
import pytest

from fusionser.corpora import list_rows

pytestmark = pytest.mark.corpora

NAMES = {"A": "angry", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
VOICE = 100_000
"""Added to the number of a clip where raters heard the voice alone."""


@pytest.fixture(scope="module")
def voted(corpus_folder, tmp_path_factory):
    """Return a table of ten actors of CREMA-D with one column for each vote, and the emotions published as winners."""
    folder = corpus_folder("crema_d")
    tables = sorted(folder.rglob("tabulatedVotes.csv*"))
    if not tables:
        pytest.skip("the table of CREMA-D's votes is not there (processedResults/tabulatedVotes.csv)")
    counts = pd.read_csv(tables[0], index_col=0)
    counts = counts[counts.index // VOICE == 1].set_index("fileName")
    rows = list_rows(folder, "crema-d").rows
    rows = rows[rows["speaker"].between("crema-d/1001", "crema-d/1010")].reset_index(drop=True)
    stems = rows["file"].map(lambda file: file.split("/")[-1].split(".")[0])
    cast = [[NAMES[name] for name in NAMES for _ in range(counts.loc[stem, name])] for stem in stems]
    columns = {
        f"vote_{number:02d}": [one[number] if number < len(one) else "" for one in cast]
        for number in range(max(map(len, cast)))
    }
    path = tmp_path_factory.mktemp("votes") / "rows.csv"
    pd.concat([rows, pd.DataFrame(columns)], axis=1).to_csv(path, index=False)
    return path, dict(zip(rows["file"].astype(str), counts.loc[stems, "emoVote"], strict=True))


def test_soft_labels_bring_probabilities_closer_to_the_votes(voted, tmp_path, command):
    table, published = voted
    features = tmp_path / "features.parquet"
    options = ("--raters", "vote_*")
    assert command("extract", table, *options, "--preset", "robust", "--out", features).status == 0
    # Those who published the votes write ties as several letters.
    settled = {file: NAMES[winner] for file, winner in published.items() if winner in NAMES}
    ours = pd.read_parquet(features).set_index("file")["emotion"]
    silent = set(settled) - set(ours.index)
    assert set(ours.index) <= set(settled) and len(silent) <= 1
    assert ours.to_dict() == {file: settled[file] for file in ours.index}
    nats = {}
    for how in ("--hard-labels", "--soft-labels"):
        run = command("evaluate", features, *options, "--classifier", "mlp", how, "--folds", "5", "--json")
        assert run.status == 0, run.messages
        stamps = {stamp["kind"]: stamp["value"] for stamp in run.json["protocol"]["stamps"]}
        assert ("soft-labels" in stamps) == (how == "--soft-labels")
        nats[how] = stamps["votes-cross-entropy"]["nats"]
        assert np.sum(run.json["confusion"]) == len(ours)
    assert nats["--soft-labels"] < nats["--hard-labels"] - 0.05
