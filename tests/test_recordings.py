"""A model takes recordings as an application has them, from any thread."""

import asyncio
import io
import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from fusionser.errors import FusionserError
from fusionser.model import load_model
from fusionser.recordings import as_clips


@pytest.fixture(scope="module")
def model(saved):
    return load_model(saved["svm"])


@pytest.fixture(scope="module")
def clip(demo_rows):
    return Path(demo_rows["file"].iloc[0])


def probabilities(answers):
    return answers.filter(like="probability_").to_numpy()


def forms(clip):
    content = clip.read_bytes()
    samples, rate = soundfile.read(clip)
    return {
        "a path": (clip, {}, str(clip)),
        "a text": (str(clip), {}, str(clip)),
        "bytes": (content, {}, "recording 0"),
        "a bytearray": (bytearray(content), {}, "recording 0"),
        "a memoryview": (memoryview(content), {}, "recording 0"),
        "a buffer": (io.BytesIO(content), {}, "recording 0"),
        "samples": (samples, {"sampling_rate": rate}, "waveform 0"),
        "two channels": (np.stack([samples, samples], axis=1), {"sampling_rate": rate}, "waveform 0"),
        "a pair": ((samples, rate), {}, "waveform 0"),
        "a table": (pd.DataFrame({"file": [str(clip)], "note": ["mine"]}), {}, str(clip)),
    }


def test_every_form_of_a_recording_has_the_same_answer(model, clip):
    expected = model.predict([str(clip)])
    for form, (given, options, name) in forms(clip).items():
        answers = model.predict(given, **options)
        assert answers["file"].tolist() == [name], form
        assert answers["error"].tolist() == [""], form
        np.testing.assert_allclose(probabilities(answers), probabilities(expected), atol=1e-6, err_msg=form)
    with clip.open("rb") as file:
        answers = model.predict(file)
    assert answers["file"].tolist() == [str(clip)]
    np.testing.assert_array_equal(probabilities(answers), probabilities(expected))
    proba = model.predict_proba(clip)
    assert proba.columns.tolist() == list(model.card.classes)
    np.testing.assert_array_equal(proba.to_numpy(), probabilities(expected))


def test_a_list_may_mix_them_and_keeps_its_order(model, demo_rows):
    files = demo_rows["file"].head(12).tolist()
    expected = probabilities(model.predict(files))
    mixed = [Path(file).read_bytes() if place % 2 else file for place, file in enumerate(files)]
    mixed[4] = soundfile.read(files[4])
    answers = model.predict([*mixed, b"", b"no recording" * 9])
    np.testing.assert_allclose(probabilities(answers)[:12], expected, atol=1e-6)
    assert answers["file"].tolist()[9:] == ["recording 9", files[10], "recording 11", "recording 12", "recording 13"]
    assert answers["error"].iloc[12] == "recording 12: the file is empty (0 bytes)"
    assert answers["error"].iloc[13].startswith("recording 13: not readable as audio")
    assert np.isnan(model.predict_proba([*mixed, b""]).to_numpy()[12]).all()
    # What a web service sends.
    assert json.loads(answers.to_json(orient="records"))[12]["probability"] is None


def test_a_table_keeps_its_own_columns(model, clip):
    table = pd.DataFrame({"file": [str(clip), "gone.wav"], "call": [7, 8], "emotion": ["sad", "happy"]}, index=[5, 3])
    answers = model.predict(table)
    assert answers["call"].tolist() == [7, 8] and answers["truth"].tolist() == ["sad", "happy"]


def test_nothing_stays_on_disk(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with as_clips([clip.read_bytes()]) as clips:
        assert Path(clips.items[0]).read_bytes() == clip.read_bytes() and tmp_path in Path(clips.items[0]).parents
    assert list(tmp_path.iterdir()) == []


class Upload:
    """A file as web frameworks have it."""

    async def read(self):
        return b""


def test_what_cannot_be_read_as_bytes_is_told(model):
    with pytest.raises(FusionserError, match="got a StringIO that gives str; expected bytes, so open .* mode 'rb'"):
        model.predict(io.StringIO("text"))
    with pytest.raises(FusionserError, match="got a Upload that is read asynchronously; await its read"):
        asyncio.run(asyncio.to_thread(model.predict, [Upload()]))


def test_adapting_takes_the_same_forms(model, demo_rows):
    files = demo_rows["file"].head(12).tolist()
    adapted, other = model.adapt(files), model.adapt([Path(file).read_bytes() for file in files])
    np.testing.assert_array_equal(*(probabilities(one.predict(files)) for one in (adapted, other)))


@pytest.mark.parametrize("name", ["svm", "xgboost", "included"])
def test_many_threads_share_a_model(saved, demo_rows, name):
    model, files = load_model(saved.get(name)), demo_rows["file"].head(8).tolist()
    expected = [probabilities(model.predict(file)) for file in files]
    found: dict[int, list[np.ndarray]] = {}

    def work(number: int) -> None:
        given = files if number % 2 else [Path(file).read_bytes() for file in files]
        found[number] = [probabilities(model.predict(one)) for one in given]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for answers in found.values():
        np.testing.assert_array_equal(answers, expected)
