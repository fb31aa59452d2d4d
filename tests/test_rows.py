import numpy as np
import pandas as pd
import pytest

from fusionser.errors import FusionserError, RowsError
from fusionser.rows import (
    COLUMNS,
    check_rows,
    feature_columns,
    make_rows,
    ordered_speakers,
    read_table,
    with_times,
    write_table,
)


def test_missing_columns_are_filled_and_ordered():
    table = make_rows([{"emotion": "sad", "file": "a.wav", "end": 2.0, "extra": 1}])
    assert tuple(table.columns) == (*COLUMNS, "extra")
    row = table.iloc[0]
    assert (row["start"], row["end"], row["source"], row["channel"], row["speaker"]) == (
        0.0,
        2.0,
        "a.wav",
        "speech",
        "",
    )


def test_parts_of_one_file_are_sources_of_their_own():
    table = make_rows([{"file": "a.wav", "end": 1.0}, {"file": "a.wav", "start": 1.0, "end": 2.0}])
    assert table["source"].nunique() == 2


def test_overlapping_parts_of_a_file_share_a_source():
    """They have samples in common, so that training on one and testing on another is testing on what was learned."""
    parts = [("a", 2.0, 5.0), ("a", 0.0, 3.0), ("a", 5.0, 6.0), ("b", 2.5, 4.0), ("a", 7.0, np.nan), ("a", 9.0, 10.0)]
    records = [{"file": "x.wav", "speaker": speaker, "start": start, "end": end} for speaker, start, end in parts]
    table = check_rows(pd.DataFrame([*records, {"file": "y.wav", "start": 1.0}], index=[0] * 7))
    expected = ["x.wav", "x.wav", "x.wav#5", "x.wav#2.5", "x.wav#7", "x.wav#7", "y.wav#1"]
    assert table["source"].tolist() == expected


def test_speakers_on_channels_of_their_own_are_sources_of_their_own():
    table = check_rows(
        pd.DataFrame(
            {
                "file": ["call.wav", "call.wav", "call.wav", "one.wav"],
                "speaker": ["a", "b", "b", "a"],
                "audio_channel": ["left", "right", "right", "left"],
                "start": [0.0, 0.0, 4.0, 0.0],
                "end": [3.0, 3.0, 5.0, 3.0],
            }
        )
    )
    assert table["source"].tolist() == ["call.wav@left", "call.wav@right", "call.wav@right#4", "one.wav"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"path": "a.wav"}, "no column 'file'; got: path"),
        ({"file": " ", "end": 1.0}, "empty 'file'"),
        (
            {"file": "a.wav", "end": 1.0, "gender": "f"},
            "column 'gender' holds 'f'; expected 'female', 'male' or nothing",
        ),
        ({"file": "a.wav", "start": 2.0, "end": 1.0}, "expected 0 <= start < end"),
        ({"file": "a.wav", "start": -1.0, "end": 1.0}, "expected 0 <= start < end"),
        ({"file": "a.wav", "end": "long"}, "column 'end' holds 'long'; expected seconds"),
    ],
)
def test_what_cannot_be_right_is_refused(record, message):
    with pytest.raises(RowsError, match=message):
        make_rows([record])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_come_back_as_they_were(tmp_path, suffix):
    table = make_rows(
        [{"file": str(tmp_path / "a.wav"), "end": 1.5, "speaker": "x/01", "emotion": "NA", "statement": "07"}]
    )
    write_table(table, tmp_path / f"rows.{suffix}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"rows.{suffix}"), table, check_dtype=False)


def test_relative_files_are_taken_from_the_tables_folder(tmp_path):
    (tmp_path / "rows.csv").write_text("file,emotion\nclips/a.wav,sad\n")
    assert read_table(tmp_path / "rows.csv")["file"].tolist() == [str(tmp_path / "clips/a.wav")]


@pytest.mark.parametrize("content", ["", "file,emotion\n"])
def test_an_empty_table_is_refused(tmp_path, content):
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(RowsError, match="rows.csv"):
        read_table(tmp_path / "rows.csv")


def test_a_foreign_file_is_no_table(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(RowsError, match="cannot be read as a table"):
        read_table(tmp_path / "rows.parquet")
    with pytest.raises(FusionserError, match="expected .parquet or .csv"):
        write_table(make_rows([{"file": "a", "end": 1}]), tmp_path / "rows.xlsx")


def test_speakers_come_in_the_order_of_their_corpora():
    table = check_rows(
        pd.DataFrame(
            {"file": list("abcd"), "end": 1.0, "speaker": ["ravdess/10", "tess/OAF", "ravdess/02", "crema-d/1"]}
        )
    )
    assert ordered_speakers(table) == ["ravdess/02", "ravdess/10", "tess/OAF", "crema-d/1"]
    with pytest.raises(RowsError, match="1 of 4 rows has no speaker"):
        ordered_speakers(table.assign(speaker=["a", "", "b", "c"]))


def test_features_are_the_columns_with_a_block():
    assert feature_columns(pd.DataFrame(columns=["file", "mfcc__00_mean", "audio"])) == ["mfcc__00_mean"]


def test_the_same_relative_name_in_two_tables_is_two_recordings(tmp_path):
    sources = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_text("file,emotion\na.wav,sad\n")
        sources.append(read_table(tmp_path / name / "rows.csv")["source"][0])
    assert sources[0] != sources[1]


def test_bare_speakers_are_ordered_by_name():
    table = make_rows([{"file": f"{n}.wav", "end": 1, "speaker": n} for n in ("03", "01", "02")])
    assert ordered_speakers(table) == ["01", "02", "03"]


@pytest.mark.parametrize("value", [1 + 2j, 10**400, [1.0], "x"])
def test_times_that_are_no_seconds(value):
    given = pd.DataFrame({"file": ["a.wav", "b.wav"], "start": pd.Series([value, 0.5], dtype=object)})
    for read in (check_rows, with_times):
        with pytest.raises(RowsError, match="a.wav: column 'start' holds .*; expected seconds as a number"):
            read(given)
    wrong = {}
    assert check_rows(given, wrong)["start"].tolist() == [0.5] and list(wrong) == [0]


def test_times_of_any_type_become_seconds():
    given = pd.DataFrame({"file": ["a.wav", "b.wav"], "start": [0, 1], "end": pd.to_timedelta([1.5, None], unit="s")})
    for table in (given, given.convert_dtypes(), given.assign(start=["0", "1"])):
        times = with_times(table)
        assert times["start"].tolist() == [0.0, 1.0]
        assert times["end"].tolist() == [1.5, pytest.approx(np.nan, nan_ok=True)]


@pytest.mark.parametrize("name", ["file", "start", "emotion", "mine"])
def test_two_columns_of_one_name(name):
    given = pd.DataFrame([["a.wav", 0.0, "sad", 1, "x"]], columns=["file", "start", "emotion", "mine", name])
    with pytest.raises(RowsError, match=f"have a name twice: {name}"):
        check_rows(given)
