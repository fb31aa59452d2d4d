"""Tables of features that another program wrote, without their settings, and columns of the user."""

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def features(demo_rows, tmp_path_factory):
    """A features file, and copies that pandas wrote."""
    from fusionser import PipelineSpec, extract

    folder = tmp_path_factory.mktemp("features")
    demo_rows.to_csv(folder / "rows.csv", index=False)
    extract(folder / "rows.csv", folder / "own.parquet", PipelineSpec(features={"blocks": ["zcr", "rms"]}))
    table = pd.read_parquet(folder / "own.parquet").assign(session="s1", age=30, my__note="x")
    table.to_parquet(folder / "theirs.parquet")
    table.to_csv(folder / "theirs.csv", index=False)
    return folder


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_features_without_their_settings_are_refused_unless_they_are_named(command, features, suffix):
    done = command("evaluate", features / f"theirs.{suffix}", "--folds", 2)
    assert done.status == 1
    words = " ".join(done.messages.split())
    assert "has 2 columns of features, such as zcr__mean, and not their settings" in words and "--preset" in words
    named = command("evaluate", features / f"theirs.{suffix}", "--blocks", "zcr,rms", "--folds", 2, "--json")
    own = command("evaluate", features / "own.parquet", "--folds", 2, "--json")
    assert named.json["pooled"] == own.json["pooled"] and named.json["feature_count"] == own.json["feature_count"] == 2
    assert {"kind": "unused-columns", "value": ["age", "session"], "allowed": True} in named.json["notes"]
    assert "columns of the table that are not used: age, session" in " ".join(named.messages.split())
    assert [note for note in own.json["notes"] if note["kind"] == "unused-columns"] == []


def test_a_column_that_only_looks_like_a_feature_is_none(command, features, demo_rows):
    demo_rows[["file", "emotion", "speaker"]].assign(my__note="x").to_csv(features / "noted.csv", index=False)
    assert command("evaluate", features / "noted.csv", "--blocks", "zcr", "--folds", 2).status == 0
    assert command("extract", features / "noted.csv", "--out", features / "again.parquet").status == 0
