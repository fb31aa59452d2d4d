"""Labels by several raters: votes, agreement, rows without a majority."""

from collections import Counter

import pandas as pd
import pytest
from command_process import run_command

from fusionser.corpora import list_rows
from fusionser.corpora.raters import krippendorff_alpha, vote

# Four observers and twelve units, with gaps: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", part C.
PUBLISHED = {
    "a": [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    "b": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    "c": [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    "d": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
}


def test_the_agreement_is_that_of_the_published_example():
    units = [[str(column[place]) for column in PUBLISHED.values() if column[place]] for place in range(12)]
    assert krippendorff_alpha([Counter(unit) for unit in units]) == pytest.approx(0.743, abs=5e-4)
    rows = pd.DataFrame(
        {"corpus": "x", **{name: pd.Series(values, dtype=object) for name, values in PUBLISHED.items()}}
    )
    found = vote(rows, list(PUBLISHED), {})
    assert found.agreement == pytest.approx(0.743, abs=5e-4)
    # The sixth unit has four different values.
    assert found.emotions.tolist() == ["1", "2", "3", "3", "2", "", "4", "1", "2", "5", "1", "3"]
    assert found.reasons == {5: "1 1, 2 1, 3 1, 4 1"}


def test_the_agreement_of_nothing_is_none_and_of_opposites_below_chance():
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([Counter(a=2), Counter(a=3)]) is None
    assert krippendorff_alpha([Counter(a=1, b=1), Counter(a=1, b=1)]) == pytest.approx(1 - 3 * 4 / 8)


def test_emotions_are_renamed_before_the_vote():
    rows = pd.DataFrame(
        {"corpus": "x", "r1": ["excited"], "r2": ["Happy"], "r3": ["sad"], "r4": ["sad"], "r5": ["happy"]}
    )
    raters = ["r1", "r2", "r3", "r4", "r5"]
    assert vote(rows, raters, {}).emotions.tolist() == [""]
    assert vote(rows, raters, {"excited": "happy"}).emotions.tolist() == ["happy"]
    assert vote(rows, raters, {}, exact=True).emotions.tolist() == ["sad"]


@pytest.fixture
def table(demo_folder, tmp_path):
    """Return a table whose raters agree with the corpus but for planted rows, and the number of these."""
    rows = list_rows(demo_folder, "demo").rows
    truth = rows["emotion"].copy()
    emotions = sorted(set(truth))
    rows = rows.assign(emotion="", rater_1=truth, rater_2=truth, rater_3=truth)
    other = {name: emotions[(place + 1) % len(emotions)] for place, name in enumerate(emotions)}
    rows.loc[:3, "rater_1"] = truth[:4].map(other)
    rows.loc[:1, "rater_2"] = ""
    rows["note"] = "x"
    file = tmp_path / "rows.csv"
    rows.to_csv(file, index=False)
    return file


def test_rows_without_a_majority_are_set_apart_at_the_command_line(table, tmp_path):
    run = run_command("evaluate", table, "--raters", "rater_*", "--preset", "fusionnet", "--gender", "none", "--json")
    assert run.status == 0, run.messages
    found = run.json
    (note,) = [note for note in found["notes"] if note["kind"] == "raters"]
    # Rows 0 and 1 have one vote for each of two emotions; rows 2 and 3 two votes for one.
    assert note["value"]["unsettled"] == 2
    assert note["value"]["columns"] == ["rater_1", "rater_2", "rater_3"]
    assert 0.9 < note["value"]["agreement"] < 1
    assert len(found["quarantine"]) == 2
    assert all("no label has most votes (" in entry["reason"] for entry in found["quarantine"])
    assert "3 raters (their agreement, Krippendorff's alpha: 0.9" in " ".join(run.messages.split())
    assert "not used: note" in run.messages


def test_the_votes_of_a_features_file_and_a_result_are_counted_again(table, tmp_path):
    features = tmp_path / "features.parquet"
    run = run_command(
        "extract", table, "--raters", "rater_*", "--preset", "fusionnet", "--gender", "none", "--out", features
    )
    assert run.status == 0, run.messages
    first = run_command("evaluate", features, "--json").json
    (tmp_path / "result.json").write_text(run_command("evaluate", table, "--raters", "rater_*", "--json").output)
    again = run_command("evaluate", table, "--config", tmp_path / "result.json", "--json").json
    assert sum(sum(row) for row in first["confusion"]) == sum(sum(row) for row in again["confusion"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--raters", "rater_1"], "names the column rater_1 alone; expected two raters or more"),
        (["--raters", "voter_*"], "unknown column 'voter_*'"),
        (["--raters", "rater_*", "--strict"], "no label has most votes"),
    ],
)
def test_what_is_wrong_with_raters_is_told(table, options, message):
    run = run_command("evaluate", table, *options)
    assert run.status == 1
    assert message in " ".join(run.messages.split())
    assert "Traceback" not in run.messages
