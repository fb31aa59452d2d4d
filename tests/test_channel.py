"""The channel of a recording that is used."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import ROOT, tone

from fusionser import load_model
from fusionser.checks import channel_number
from fusionser.corpora import list_rows
from fusionser.decoding import decode
from fusionser.errors import AudioError, RowsError, SettingsError
from fusionser.features import ZeroCrossingRate
from fusionser.reader import read_row
from fusionser.rows import check_rows

MODEL = ROOT / "tests" / "reference" / "wide-svm.fusionser"
RATE = 16000
LEFT, RIGHT, THIRD = (0.5 * tone(hertz, 1.5, RATE) for hertz in (220, 330, 550))


@pytest.fixture
def stereo(tmp_path):
    soundfile.write(tmp_path / "stereo.wav", np.stack([LEFT, RIGHT], axis=1), RATE, subtype="FLOAT")
    return tmp_path / "stereo.wav"


@pytest.mark.parametrize(
    ("channel", "expected"),
    [("left", 1), ("Right", 2), ("7", 7), (3, 3), (2.0, 2), ("mean", None), ("", None), (None, None), (np.nan, None)],
)
def test_names(channel, expected):
    assert channel_number(channel) == expected


@pytest.mark.parametrize("channel", ["middle", "0", -1, 1.5, "1025", "²", "9" * 5000, "00000102499", "left,right"])
def test_wrong_names(channel):
    with pytest.raises(SettingsError, match=r"expected left, right, mean, or a number from 1 to 1024"):
        channel_number(channel)


@pytest.mark.parametrize("count", [2, 3])
def test_one_channel(tmp_path, count):
    channels = [LEFT, RIGHT, THIRD][:count]
    file = tmp_path / "clip.wav"
    soundfile.write(file, np.stack(channels, axis=1), RATE, subtype="FLOAT")
    for number, expected in enumerate(channels, 1):
        np.testing.assert_array_equal(decode(file, channel=number)[0], expected)
        np.testing.assert_array_equal(decode(file, 0.5, 1.0, number)[0], expected[RATE // 2 : RATE])
        row = {"waveform": np.stack(channels, axis=1), "sampling_rate": RATE, "audio_channel": str(number)}
        np.testing.assert_array_equal(read_row(row)[0], expected)
    np.testing.assert_allclose(
        read_row({"file": file, "audio_channel": "mean"})[0], np.mean(channels, axis=0), atol=1e-6
    )
    with pytest.raises(AudioError, match=f"has {count} channels, and no channel {count + 1}; choose another"):
        decode(file, channel=count + 1)


def test_channels_that_cancel_out(tmp_path, command):
    file = tmp_path / "antiphase.wav"
    soundfile.write(file, np.stack([LEFT, -LEFT], axis=1), RATE)
    with pytest.raises(AudioError, match=r"cancel each other out .*; use one of them with --channel"):
        decode(file)
    assert "--channel left" in command("predict", MODEL, file, "--json").json[0]["error"]
    assert command("predict", MODEL, file, "--channel", "left", "--json").json[0]["error"] is None


def test_predictions_are_those_of_the_channel(command, stereo, tmp_path):
    answers = {}
    for channel, samples in {"left": LEFT, "2": RIGHT, "mean": (LEFT + RIGHT) / 2}.items():
        soundfile.write(tmp_path / "alone.wav", samples, RATE, subtype="FLOAT")
        alone, used = (
            command("predict", MODEL, *given, "--json").json[0]["probabilities"]
            for given in ((tmp_path / "alone.wav",), (stereo, "--channel", channel))
        )
        assert used == alone
        answers[channel] = str(used)
    assert len(set(answers.values())) == 3
    refused = command("predict", MODEL, stereo, "--channel", "middle")
    assert refused.status != 0 and "--channel" in refused.messages


def test_the_cache_keeps_channels_apart(command, stereo, tmp_path):
    tables = {}
    for channel in ("left", "right", "mean", None):
        (tmp_path / "tree" / "sad").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / "sad" / "a.wav").write_bytes(stereo.read_bytes())
        out = tmp_path / f"{channel}.parquet"
        given = ["--channel", channel] if channel else []
        done = command(
            "extract", tmp_path / "tree", "--corpus", "folders", "--blocks", "zcr", *given, "--out", out,
            env={"FUSIONSER_CACHE": str(tmp_path / "cache")},
        )  # fmt: skip
        assert done.status == 0
        tables[channel] = pd.read_parquet(out)
    rates = {channel: float(table["zcr__mean"].iloc[0]) for channel, table in tables.items()}
    assert rates["left"] < rates["right"] and rates["mean"] == rates[None]
    assert len({table["audio"].iloc[0] for table in tables.values()}) == 3
    # The table says which channel it holds.
    assert tables["right"]["audio_channel"].tolist() == ["right"] and "audio_channel" not in tables[None]


def test_features_of_another_channel_are_not_used(command, stereo, tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "mean.parquet"
    (tree / "sad").mkdir(parents=True)
    (tree / "sad" / "a.wav").write_bytes(stereo.read_bytes())
    assert command("extract", tree, "--corpus", "folders", "--blocks", "zcr", "--out", out).status == 0
    again = tmp_path / "again.parquet"
    for channel, samples in (("left", LEFT), ("right", RIGHT)):
        assert command("extract", out, "--channel", channel, "--out", again).status == 0
        expected = ZeroCrossingRate().transform([(samples, RATE)])[0]
        np.testing.assert_allclose(pd.read_parquet(again).filter(like="zcr__").to_numpy()[0], expected, rtol=1e-6)
    # Of the same channel, they are.
    (tree / "sad" / "a.wav").unlink()
    assert command("extract", again, "--channel", "right", "--out", tmp_path / "kept.parquet").status == 0


def test_a_table_names_channels(stereo):
    table = pd.DataFrame({"file": [str(stereo)] * 3, "audio_channel": ["left", 2, None]})
    answers = load_model(MODEL).predict(table)
    assert (answers["error"] == "").all() and answers["probability"].nunique() == 3
    assert "audio_channel" not in answers
    with pytest.raises(RowsError, match="column 'audio_channel': channel is 'both'"):
        check_rows(table.assign(audio_channel="both"))


def test_rows_of_a_folder(stereo):
    with pytest.raises(SettingsError, match="channel is 'both'"):
        list_rows(stereo.parent, "folders", channel="both")
