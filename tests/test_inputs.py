import numpy as np
import pandas as pd
import pytest

from fusionser.errors import FusionserError
from fusionser.features.inputs import rows_of


def test_a_table_gives_the_rows_that_pandas_gives_without_features():
    table = pd.DataFrame(
        {
            "file": ["a.wav", "b.wav"],
            "end": [1.5, np.nan],
            "speaker": ["x", None],
            "take": [1, 2],
            "channel": pd.Categorical(["speech", "song"]),
            "mel__00_mean": [0.1, 0.2],
        },
        index=[7, 5],
    )
    expected = table.drop(columns="mel__00_mean").to_dict("records")
    rows = rows_of(table)
    assert repr(rows) == repr(expected)
    assert [type(value) for value in rows[0].values()] == [type(value) for value in expected[0].values()]
    assert rows_of(table.iloc[:0]) == []


def test_paths_and_waveforms_are_rows_of_their_own():
    first, second = rows_of(["a.wav", np.array([0.5, -0.5])])
    assert first == {"file": "a.wav"}
    assert second["waveform"].dtype == np.float32
    assert second["waveform"].tolist() == [0.5, -0.5]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a.wav", "got str for X; expected a table, a list of paths, or waveforms"),
        (pd.DataFrame({"path": ["a.wav"]}), "no column 'file'; got path"),
        ([np.zeros((2, 3))], "got an item of type ndarray, 2 dimensions"),
        ([np.zeros(9, dtype=np.int16)], "divide by 32768"),
    ],
)
def test_what_is_no_clip_is_refused(given, message):
    with pytest.raises(FusionserError, match=message):
        rows_of(given)
