"""Tables as spreadsheets and other tools write them."""

import csv
import io
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from fusionser.errors import RowsError, SettingsError
from fusionser.rows import check_rows, read_table
from fusionser.tables import load_table, named_columns

HEADER = ["file", "emotion", "note"]
ROWS = [["clips/a.wav", "sad", "one; two, three\tfour"], ["clips/b.wav", "wütend", 'said "no"\nand left']]


def written(separator, encoding, *, end="", before=""):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([HEADER, *ROWS])
    lines = text.getvalue()
    if end:
        head, _, rest = lines.partition("\r\n")
        lines = f"{head}\r\n{rest[:-2].replace(chr(34) + chr(13), chr(34) + end + chr(13))}"
    return (before + lines).encode(encoding)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_any_dialect_is_read(tmp_path, separator, encoding):
    # The suffix decides whatever its case.
    path = tmp_path / "rows.CSV"
    path.write_bytes(written(separator, encoding))
    table = load_table(path)
    assert table.columns.tolist() == HEADER and table.to_numpy().tolist() == ROWS


def test_excels_line_with_the_separator_is_no_header(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(written(";", "utf-8", before="sep=;\r\n"))
    assert load_table(path).to_numpy().tolist() == ROWS


@pytest.mark.parametrize(
    "text",
    [
        "file,emotion\na.wav,sad,\nb.wav,happy,\n",
        "file,emotion,\na.wav,sad,\nb.wav,happy,\n",
        "file,emotion\na.wav,sad\n,\nb.wav,happy\n\n",
    ],
)
def test_separators_at_the_end_and_empty_lines_shift_nothing(tmp_path, text):
    (tmp_path / "rows.csv").write_text(text)
    table = load_table(tmp_path / "rows.csv")
    assert table.columns.tolist() == ["file", "emotion"]
    assert table.to_numpy().tolist() == [["a.wav", "sad"], ["b.wav", "happy"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"file,emotion\na.wav,sad,happy\n", "line 2: has 3 values for 2 columns; put quotation marks"),
        (b"file,emotion\na.wav\n", "line 2: has 1 values for 2 columns"),
        (b"file,file\na.wav,b.wav\n", "has the column 'file' twice"),
        ("file,emotion\na.wav,w\u00fctend\n".encode("cp1252"), "it is not UTF-8 .* at byte 20.*save it as 'CSV UTF-8'"),
        (b"PK\x03\x04\0\0", "it has null characters"),
        (b'file,emotion\n"a.wav,sad\n', "cannot be read as a table"),
        (b"file,emotion\n", "has no rows"),
    ],
)
def test_what_is_no_table_is_told_with_its_line(tmp_path, content, told):
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(RowsError, match=f"rows.csv.*{told}"):
        load_table(tmp_path / "rows.csv")


def test_lists_in_a_column_are_refused(tmp_path):
    pd.DataFrame({"file": ["a.wav"], "mfcc": [np.zeros(13)]}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(RowsError, match="column 'mfcc' holds lists .* spread it over one column per value"):
        load_table(tmp_path / "rows.parquet")


def test_an_index_of_files_and_times_is_read_as_columns(tmp_path):
    index = pd.MultiIndex.from_arrays(
        [["a.wav", "a.wav"], pd.to_timedelta([0.0, 1.5], unit="s"), pd.to_timedelta([1.5, None], unit="s")],
        names=["file", "start", "end"],
    )
    pd.DataFrame({"emotion": ["sad", "happy"]}, index=index).to_parquet(tmp_path / "rows.PARQUET")
    rows = read_table(tmp_path / "rows.PARQUET")
    assert rows["start"].tolist() == [0.0, 1.5]
    assert rows["end"][0] == 1.5 and np.isnan(rows["end"][1])


@pytest.mark.parametrize(
    "end",
    [
        pd.to_timedelta(["1.5 s", "2 s"]),
        np.array([1_500_000_000, 2_000_000_000], dtype="timedelta64[ns]"),
        np.array([1500, 2000], dtype="timedelta64[ms]"),
        [timedelta(seconds=1.5), timedelta(seconds=2)],
        ["0 days 00:00:01.500000", "00:00:02"],
        [timedelta(seconds=1.5), "2"],
        [1.5, 2],
    ],
)
def test_times_are_seconds(end):
    assert check_rows(pd.DataFrame({"file": ["a", "b"], "end": end}))["end"].tolist() == [1.5, 2.0]


def test_points_in_time_are_no_seconds():
    with pytest.raises(RowsError, match="'start' holds points in time .*expected seconds"):
        check_rows(pd.DataFrame({"file": ["a"], "start": pd.to_datetime(["2020-01-01"])}))


def test_blanks_of_a_path_are_kept_if_there_is_such_a_file(tmp_path):
    (tmp_path / " a.wav").touch()
    (tmp_path / "b.wav").touch()
    (tmp_path / "rows.csv").write_text("file\n a.wav\n b.wav\n")
    assert read_table(tmp_path / "rows.csv")["file"].tolist() == [str(tmp_path / " a.wav"), str(tmp_path / "b.wav")]
    assert check_rows(pd.DataFrame({"file": ["c.wav "]}))["file"].tolist() == ["c.wav "]


def test_columns_of_other_names_are_mapped(command, demo_rows, tmp_path):
    theirs = demo_rows[["file", "emotion", "speaker"]].set_axis(["path", "label", "who"], axis=1)
    # Its own column "emotion" means something else.
    theirs.assign(emotion="unknown").to_csv(tmp_path / "theirs.csv", sep=";", index=False)
    names = "file=path, emotion=label,speaker=who"
    done = command("evaluate", tmp_path / "theirs.csv", "--map", names, "--blocks", "zcr", "--folds", 2, "--json")
    assert done.json["classes"] == sorted(set(demo_rows["emotion"])) and done.json["speaker_count"] == 8
    done = command("predict", "--list", tmp_path / "theirs.csv", "--map", "file=path", "--json")
    assert len(done.json) == len(demo_rows)
    done = command("evaluate", tmp_path / "theirs.csv", "--map", "file=paths", "--blocks", "zcr")
    assert "has no column 'paths', which --map gives for 'file'; got: path, label" in done.messages
    with pytest.raises(SettingsError, match="--map got 'file'; expected column=name"):
        named_columns("file")


def test_an_index_that_repeats_a_column_or_has_no_name(tmp_path):
    table = pd.DataFrame({"file": ["a.wav", "b.wav"], "emotion": ["sad", "calm"]})
    path = tmp_path / "rows.parquet"
    for names in ("emotion", None):
        table.set_index(pd.Index(["x", "y"], name=names)).to_parquet(path)
        assert load_table(path).to_dict("list") == table.to_dict("list")
    levels = pd.MultiIndex.from_arrays([["x", "y"], [1, 2]], names=[None, "take"])
    table.set_index(levels).to_parquet(path)
    assert load_table(path)["take"].tolist() == [1, 2]
    table.set_index(levels.set_names(["take", "take"])).to_parquet(path)
    with pytest.raises(RowsError, match="cannot be read as a table"):
        load_table(path)
