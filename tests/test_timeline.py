"""Long recordings: windows, speech, segments, streams, and what is written of them."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import soundfile

from fusionser.decoding import decode
from fusionser.errors import AudioError, FusionserError, SettingsError
from fusionser.isolation import isolated_decoding
from fusionser.long_recordings import open_long
from fusionser.model import load_model
from fusionser.reporting.timeline import clock, timeline_json, write_timeline
from fusionser.timeline import NO_SPEECH, StreamPredictor, predict_timeline
from fusionser.timeline.segments import Cells, segments_of, summary_of
from fusionser.timeline.sketch import BANDS, RATE, Sketch, mel_filters
from fusionser.timeline.speech import FRAME_SECONDS, speech_frames
from fusionser.timeline.stream import Answered
from fusionser.timeline.windows import Resampler, WindowCutter, WindowSettings

LEVELS = ("a", "b")


@pytest.fixture(scope="module")
def model(saved):
    return load_model(saved["svm"])


@pytest.fixture(scope="module")
def talk(demo_rows, tmp_path_factory):
    """A file of eight clips, each followed by a second and a half of silence, at 24 kHz with two channels."""
    rate, parts = 24000, []
    for file in demo_rows["file"].head(8):
        samples, own = decode(file)
        heard = np.interp(np.arange(0, len(samples) / own, 1 / rate), np.arange(len(samples)) / own, samples)
        parts += [heard, np.zeros(3 * rate // 2)]
    place = tmp_path_factory.mktemp("talk") / "talk.flac"
    mono = np.concatenate(parts)
    soundfile.write(place, np.stack([mono, 0.5 * mono], axis=1), rate)
    return place


def windows_of(total, length, hop, piece, rate=100):
    cutter = WindowCutter(rate, WindowSettings(length, hop))
    samples = np.arange(total, dtype=np.float32)
    found = [window for first in range(0, total, piece) for window in cutter.feed(samples[first : first + piece])]
    return [*found, *cutter.finish()]


@pytest.mark.parametrize("piece", [1, 7, 100, 10_000])
@pytest.mark.parametrize(("length", "hop"), [(1.0, 0.5), (1.0, 1.0), (0.7, 0.3), (3.0, 0.05)])
def test_windows_do_not_depend_on_the_pieces(piece, length, hop):
    total = 737
    windows = windows_of(total, length, hop, piece)
    for number, window in enumerate(windows):
        assert window.start == round(number * hop * 100)
        np.testing.assert_array_equal(window.samples, np.arange(window.start, window.end))
    assert all(window.end - window.start == round(length * 100) for window in windows[:-1])
    assert total - windows[-1].end <= 25


def test_the_last_window_ends_with_the_recording():
    assert [(window.start, window.end) for window in windows_of(230, 1.0, 0.5, 50)][-2:] == [(100, 200), (150, 230)]
    assert [(window.start, window.end) for window in windows_of(200, 1.0, 0.5, 50)][-1] == (100, 200)
    assert [(window.start, window.end) for window in windows_of(40, 1.0, 0.5, 50)] == [(0, 40)]
    # What is too short for a window of its own is left out.
    assert [(window.start, window.end) for window in windows_of(210, 1.0, 1.0, 50)] == [(0, 100), (100, 200)]
    assert windows_of(0, 1.0, 0.5, 50) == []


@pytest.mark.parametrize(
    ("length", "hop", "told"),
    [(0.1, 0.1, "windows is 0.1"), (3.0, 4.0, "hop is 4.0"), (3.0, 0.0, "hop is 0.0"), ("3", 0.5, "windows is '3'")],
)
def test_windows_out_of_range_are_told(length, hop, told):
    with pytest.raises(SettingsError, match=told):
        WindowSettings(length, hop)
    with pytest.raises(SettingsError, match="windows is nan; expected 0.25 to 900 seconds"):
        WindowSettings(float("nan"), 1.0)


@pytest.mark.parametrize("piece", [17, 1000, 44100])
def test_resampling_does_not_depend_on_the_pieces(piece):
    import soxr

    samples = np.random.default_rng(0).normal(size=44100).astype(np.float32) * 0.1
    resampler = Resampler(44100, 16000)
    parts = [resampler.feed(samples[first : first + piece]) for first in range(0, samples.size, piece)]
    together = np.concatenate([*parts, resampler.finish()])
    np.testing.assert_allclose(together, soxr.resample(samples, 44100, 16000, quality="HQ"), atol=1e-6)


def test_a_higher_rate_is_not_made_up():
    assert Resampler(8000, 16000).rate == 8000 and Resampler(8000, None).feed(np.ones(3)).tolist() == [1, 1, 1]


def coloured(power, seconds=3.0, rate=16000, seed=0):
    """Noise whose power falls with the frequency to a power."""
    count = int(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    shaped = np.fft.irfft(spectrum / np.arange(1, spectrum.size + 1) ** (power / 2), n=count)
    return (0.3 * shaped / np.abs(shaped).max()).astype(np.float32)


@pytest.mark.parametrize("power", [0, 1, 2])
def test_noise_is_no_speech(power):
    shares = [speech_frames(coloured(power, seed=seed), 16000).speech.mean() for seed in range(5)]
    assert np.mean(shares) < 0.1


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_hums_clicks_and_silence_are_no_speech(rate):
    times = np.arange(3 * rate) / rate
    hum = 0.1 * np.sin(2 * np.pi * 100 * times) + 0.05 * np.sin(2 * np.pi * 300 * times)
    pulses = np.where(np.arange(3 * rate) % (rate // 190) == 0, 0.3, 0.0)
    for sound in (hum, pulses, np.zeros(3 * rate), 1e-6 * coloured(0, rate=rate), np.zeros(0)):
        assert not speech_frames(np.asarray(sound, dtype=np.float32), rate).speech.any()


@pytest.mark.parametrize(("snr", "right"), [(30, 0.97), (5, 0.85)])
def test_a_voice_is_found_where_it_is(snr, right):
    """Harmonics of a falling pitch with syllables, from 1 to 2 s, in noise."""
    rate = 16000
    times = np.arange(3 * rate) / rate
    phase = 2 * np.pi * np.cumsum(180 - 20 * times) / rate
    voice = sum(np.sin(number * phase) / number for number in range(1, 15)) * (
        0.6 + 0.4 * np.sin(2 * np.pi * 4 * times)
    )
    voice = np.where((times >= 1) & (times < 2), voice, 0.0)
    noise = np.random.default_rng(0).normal(size=times.size)
    noise *= np.sqrt((voice[rate : 2 * rate] ** 2).mean()) * 10 ** (-snr / 20)
    heard = speech_frames((0.1 * (voice + noise)).astype(np.float32), rate)
    frames = (np.arange(heard.speech.size) + 0.5) * FRAME_SECONDS
    assert heard.speech[(frames > 1) & (frames < 2)].all()
    # What is within 0.2 s of a voice counts as speech.
    assert not heard.speech[(frames < 0.75) | (frames > 2.25)].any()
    voiced = (frames > 1.1) & (frames < 1.9) & (heard.pitch > 0)
    assert voiced.sum() > 30
    away = np.abs(heard.pitch[voiced] / (180 - 20 * frames[voiced]) - 1)
    assert np.median(away) < 0.015 and (away < 0.04).mean() >= right


def cells(values, speech=None, hop=0.5):
    """Steps with the probability of the first of two classes."""
    made = Cells(hop, hop * len(values), LEVELS)
    for place, value in enumerate(values):
        spoken = 1.0 if speech is None else speech[place]
        marks = np.arange(round(hop / FRAME_SECONDS)) < spoken * hop / FRAME_SECONDS
        answer = {"emotion": "", "probability_a": value, "probability_b": 1 - value}
        made.add(Answered(place * hop, (place + 1) * hop, answer, marks, np.zeros(marks.size)))
    return made


def spans(table):
    return [(one["start"], one["end"], one["emotion"]) for one in table.to_dict("records")]


def test_segments_of_steps():
    found = segments_of(cells([0.9, 0.9, 0.9, 0.2, 0.2, 0.2]))
    assert spans(found) == [(0.0, 1.5, "a"), (1.5, 3.0, "b")]
    np.testing.assert_allclose(found["probability"], [0.9, 0.8])
    np.testing.assert_allclose(found["probability_a"], [0.9, 0.2])


def test_a_short_segment_is_joined_to_the_neighbour_that_is_more_probable():
    assert spans(segments_of(cells([0.9, 0.9, 0.4, 0.9, 0.9]))) == [(0.0, 2.5, "a")]
    three = cells([0.9, 0.9, 0.9])
    assert spans(segments_of(three)) == [(0.0, 1.5, "a")]
    # A recording of one short step is one short segment.
    assert spans(segments_of(cells([0.3]))) == [(0.0, 0.5, "b")]


def test_pauses_and_gaps():
    values = [0.9] * 12
    assert spans(segments_of(cells(values, [1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0]))) == [(0.0, 2.5, "a"), (4.0, 5.0, "a")]
    assert segments_of(cells(values, [0] * 12)).empty


def test_abstaining_segments():
    found = segments_of(cells([0.45] * 4), abstain=True)
    assert spans(found) == [(0.0, 2.0, "b")]
    three = Cells(1.0, 2.0, ("a", "b", "c"))
    for start in (0.0, 1.0):
        answer = {"emotion": "a", "probability_a": 0.4, "probability_b": 0.3, "probability_c": 0.3}
        three.add(Answered(start, start + 1, answer, np.ones(50, dtype=bool), np.zeros(50)))
    assert spans(segments_of(three, abstain=True)) == [(0.0, 2.0, "unsure")]
    assert spans(segments_of(three)) == [(0.0, 2.0, "a")]


def of_windows(rows, hop=1.0):
    """Steps of one window each, with its answer and the probability of the first of two classes."""
    made = Cells(hop, hop * len(rows), LEVELS)
    for place, (emotion, value) in enumerate(rows):
        answer = {"emotion": emotion, "probability_a": value, "probability_b": 1 - value}
        made.add(Answered(place * hop, (place + 1) * hop, answer, np.ones(50, dtype=bool), np.zeros(50)))
    return made


def test_segments_of_unsure_windows_are_unsure_and_joined():
    """Windows are also unsure because they are unlike the training recordings, whatever their probability."""
    rows = [("unsure", 0.9), ("unsure", 0.8), ("unsure", 0.1), ("unsure", 0.1), ("a", 0.9), ("a", 0.9)]
    assert spans(segments_of(of_windows(rows), abstain=True)) == [(0.0, 4.0, "unsure"), (4.0, 6.0, "a")]
    assert spans(segments_of(of_windows(rows))) == [(0.0, 2.0, "a"), (2.0, 4.0, "b"), (4.0, 6.0, "a")]


def test_a_segment_has_the_emotion_that_is_most_probable_in_it():
    """One of two long parts is hardly more probable than the other class, and a short part strongly less."""
    values = [0.55, 0.55, 0.0, 0.55, 0.55, 0.0, 0.55, 0.55]
    found = segments_of(cells(values, hop=0.5))
    for row in found.to_dict("records"):
        assert row["probability"] == max(row["probability_a"], row["probability_b"])
    assert spans(found) == [(0.0, 3.0, "b"), (3.0, 4.0, "a")]


def test_overlapping_windows_count_by_the_distance_of_their_middle():
    made = Cells(1.0, 3.0, LEVELS)
    for start, value in ((0.0, 1.0), (1.0, 0.0)):
        answer = {"emotion": "", "probability_a": value, "probability_b": 1 - value}
        made.add(Answered(start, start + 2.0, answer, np.ones(100, dtype=bool), np.zeros(100)))
    # The middle second belongs to both, and is as far from the middle of one as of the other.
    np.testing.assert_allclose(made.probabilities[:, 0], [1.0, 0.5, 0.0])


def test_times_of_borders_have_tenths_and_a_time_line_is_told_in_a_line():
    assert (clock(61.5, tenths=True), clock(59.96, tenths=True)) == ("1:01.5 min", "1:00.0 min")
    assert (clock(3661.25, tenths=True), clock(3599.97, tenths=True)) == ("1:01:01.2", "1:00:00.0")
    timeline = predict_timeline((0.1 * np.random.default_rng(0).normal(size=32000), 16000))
    assert repr(timeline) == "<Timeline of waveform: 2.0 s, 1 windows, 0 segments>"
    with pytest.raises(SettingsError, match="model is a str; expected a Model"):
        predict_timeline((np.zeros(16000), 16000), "model.fusionser")
    with pytest.raises(SettingsError, match="model is a str; expected a Model"):
        StreamPredictor("model.fusionser", 16000)


def test_the_summary_counts_time():
    found = summary_of(segments_of(cells([0.9, 0.9, 0.9, 0.9, 0.2, 0.2])))
    assert found["emotion"].tolist() == ["a", "b"]
    np.testing.assert_allclose(found["seconds"], [2.0, 1.0])
    np.testing.assert_allclose(found["share"], [2 / 3, 1 / 3])
    np.testing.assert_allclose(found["probability"], [0.9, 0.8])
    assert summary_of(segments_of(cells([0.5], [0]))).empty


@pytest.mark.parametrize("piece", [160, 4001, 24000 * 60])
def test_a_stream_gives_the_windows_of_the_whole(model, talk, piece):
    expected = predict_timeline(talk, model, windows=2.0, hop=0.75).windows
    samples, rate = soundfile.read(talk, dtype="float32")
    predictor = StreamPredictor(model, rate, windows=2.0, hop=0.75)
    parts = [predictor.feed(samples[first : first + piece]) for first in range(0, len(samples), piece)]
    found = pd.concat([*parts, predictor.finish()], ignore_index=True)
    assert list(found) == list(expected) and len(found) == len(expected) > 15
    for name in expected:
        if name != "file" and expected[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected[name], atol=1e-6, err_msg=name)
    assert found["emotion"].tolist() == expected["emotion"].tolist()
    assert (found["file"] == "stream").all() and predictor.finish().empty
    with pytest.raises(FusionserError, match="the stream was finished"):
        predictor.feed(samples)


def test_a_window_has_the_answer_of_its_samples(model, talk):
    table = predict_timeline(talk, model, windows=1.0, hop=1.0).windows
    samples, rate = decode(talk)
    spoken = table[table["emotion"] != NO_SPEECH]
    assert 3 < len(spoken) < len(table)
    given = [(samples[round(one.start * rate) : round(one.end * rate)], rate) for one in spoken.itertuples()]
    alone = model.predict(given)
    # Resampled as a whole, a window has other samples than alone where it begins and ends.
    np.testing.assert_allclose(spoken.filter(like="probability_"), alone.filter(like="probability_"), atol=0.06)
    assert (table.loc[table["emotion"] == NO_SPEECH, "speech"] < 0.1).all()


def test_every_form_of_a_long_recording(model, talk):
    samples, rate = soundfile.read(talk, dtype="float32")
    options = {"windows": 3.0, "hop": 1.5}
    expected = predict_timeline(talk, model, **options).windows.drop(columns="file")
    with isolated_decoding():
        apart = predict_timeline(talk, model, **options)
    for given in (
        apart,
        predict_timeline(talk.read_bytes(), model, **options),
        predict_timeline((samples, rate), model, **options),
        predict_timeline(samples, model, sampling_rate=rate, **options),
        predict_timeline(samples.T, model, sampling_rate=rate, **options),
    ):
        pd.testing.assert_frame_equal(given.windows.drop(columns="file"), expected, atol=1e-6)
    assert predict_timeline(talk.read_bytes(), model, **options).file == "recording 0"
    left = predict_timeline(talk, model, channel=1, **options).windows
    assert left["emotion"].tolist() == expected["emotion"].tolist()
    with pytest.raises(SettingsError, match="for one recording"):
        predict_timeline([talk, talk], model)
    with pytest.raises(SettingsError, match="for one recording"):
        predict_timeline(pd.DataFrame({"file": [talk]}), model)


def test_pieces_with_fewer_samples_than_channels(model):
    """Such an array alone does not say which of its axes is time."""
    predictor = StreamPredictor(model, 16000)
    np.testing.assert_allclose(predictor._mono(np.array([[0.1, 0.3], [0.2, 0.4]])), [0.2, 0.3], atol=1e-7)
    np.testing.assert_allclose(predictor._mono(np.array([[0.1, 0.3]])), [0.2], atol=1e-7)
    with pytest.raises(AudioError, match="expected samples, or samples by channels"):
        predictor._mono(np.zeros((2, 2, 2)))
    noise = 0.1 * np.random.default_rng(0).normal(size=(160_001, 2))
    for samples in (noise, noise.T):
        assert predict_timeline((samples, 16000), model).seconds == 160_001 / 16000


def test_a_part_that_is_there_of_a_long_recording(tmp_path, model, talk):
    whole = talk.read_bytes()
    file = tmp_path / "cut.flac"
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match="get a whole copy, or use what is there with --accept-truncated"):
        predict_timeline(file, model)
    assert predict_timeline(file, model, end=4.0).seconds == pytest.approx(4.0)


def test_antiphase_channels_of_a_long_recording(tmp_path, model, talk):
    samples, rate = decode(talk)
    soundfile.write(tmp_path / "anti.wav", np.stack([samples, -samples], axis=1), rate)
    with pytest.raises(AudioError, match="cancel each other"):
        predict_timeline(tmp_path / "anti.wav", model)
    assert not predict_timeline(tmp_path / "anti.wav", model, channel=2).segments.empty


def test_pieces_of_a_long_recording(tmp_path):
    noise = 0.1 * np.random.default_rng(0).normal(size=(200_001, 2)).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", noise, 8000, subtype="FLOAT")
    with open_long(tmp_path / "long.wav") as opened:
        pieces = list(opened.pieces)
    assert len(pieces) == 4 and opened.sampling_rate == 8000 and opened.seconds == 200_001 / 8000
    np.testing.assert_allclose(np.concatenate(pieces), noise.mean(axis=1), atol=1e-7)
    noise[150_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", noise, 8000, subtype="FLOAT")
    with open_long(tmp_path / "nan.wav") as opened, pytest.raises(AudioError, match="NaN"):
        list(opened.pieces)
    for missing in ("nothing.wav",):
        with pytest.raises(AudioError, match="cannot be opened"), open_long(tmp_path / missing):
            pass


def test_a_drawing_in_constant_memory():
    """A tone is drawn at its place, whatever the duration, with a bounded number of columns."""
    for seconds, rate in ((3, 16000), (100, 48000)):
        sketch = Sketch()
        times = np.arange(seconds * rate) / rate
        tone = (0.5 * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
        for first in range(0, tone.size, 50_000):
            sketch(rate, tone[first : first + 50_000])
        sketch.finish()
        columns = len(sketch.outline())
        assert columns <= 4096 and columns * sketch.seconds_a_column == pytest.approx(seconds, abs=0.1)
        middle = sketch.spectrogram()[:, columns // 2]
        centres = (mel_filters() * (np.arange(257) * RATE / 512)[:, None]).sum(axis=0)
        assert sketch.spectrogram().shape == (BANDS, columns)
        assert centres[middle.argmax()] == pytest.approx(1000, abs=40)
        np.testing.assert_allclose(
            sketch.outline()[columns // 4 : columns // 2], [[-0.5, 0.5]] * (columns // 2 - columns // 4), atol=0.02
        )
        assert sketch.sound()[:2] == b"\xff\xf3"


def intervals_of(text):
    """Read the tiers of a TextGrid: name, and (xmin, xmax, text) of each interval."""
    tiers = {}
    for tier in re.split(r"item \[\d+\]:", text)[1:]:
        name = re.search(r'name = "(.*)"', tier)[1]
        found = re.findall(r'xmin = ([\d.]+)\n\s+xmax = ([\d.]+)\n\s+text = "(.*)"', tier)
        tiers[name] = [(float(first), float(last), label) for first, last, label in found]
    return tiers


def test_what_is_written_says_the_same(model, talk, tmp_path):
    sketch = Sketch()
    timeline = predict_timeline(talk, model, windows=2.0, hop=0.5, listener=sketch)
    sketch.finish()
    expected = spans(timeline.segments)
    assert len(expected) >= 4
    table = pd.read_csv(write_timeline(timeline, tmp_path / "t.csv"))
    assert spans(table) == expected
    stated = json.loads(write_timeline(timeline, tmp_path / "t.json").read_text())
    assert stated == timeline_json(timeline)
    assert [(one["start"], one["end"], one["emotion"]) for one in stated["segments"]] == expected
    assert len(stated["windows"]) == len(timeline.windows)
    labels = [line.split("\t") for line in write_timeline(timeline, tmp_path / "t.txt").read_text().splitlines()]
    assert [(float(one), float(other), text.split()[0]) for one, other, text in labels] == expected
    tiers = intervals_of(write_timeline(timeline, tmp_path / "t.TextGrid").read_text())
    assert [one for one in tiers["emotion"] if one[2]] == expected
    for tier in tiers.values():
        assert tier[0][0] == 0 and tier[-1][1] == pytest.approx(timeline.seconds, abs=1e-5)
        assert all(one[1] == other[0] for one, other in pairwise(tier))
    page = write_timeline(timeline, tmp_path / "t.html", sketch=sketch, model="<b>mine</b>").read_text()
    assert "&lt;b&gt;mine" in page and "data:audio/mpeg;base64,//" in page and "data:image/png;base64,iVBOR" in page
    assert len(re.findall(r'data-start="[\d.]+"', page)) == len(expected)
    with pytest.raises(SettingsError, match="expected a file ending in"):
        write_timeline(timeline, tmp_path / "t.pdf")


def test_hostile_names_in_a_time_line(model, talk, tmp_path):
    timeline = predict_timeline(talk, model, windows=2.0, hop=1.0)
    name = '</script><script>alert(1)</script><the sound>"'
    hostile = replace(timeline, file=name, segments=timeline.segments.assign(emotion='=cmd|"\t<i>'))
    hostile = replace(
        hostile, classes=('=cmd|"\t<i>', *timeline.classes[1:]), summary=timeline.summary.assign(emotion='=cmd|"\t<i>')
    )
    hostile = replace(
        hostile,
        probabilities=timeline.probabilities.rename(
            columns={f"probability_{timeline.classes[0]}": 'probability_=cmd|"\t<i>'}
        ),
    )
    page = write_timeline(hostile, tmp_path / "t.html").read_text()
    assert "<script>alert" not in page and "<i>" not in page
    assert "\"'=cmd" in write_timeline(hostile, tmp_path / "t.csv").read_text()
    assert '""' in write_timeline(hostile, tmp_path / "t.TextGrid").read_text()
    split = replace(timeline, segments=timeline.segments.assign(emotion="a\n9.0\t10.0\tfalse\r\u2028b"))
    labels = write_timeline(split, tmp_path / "t.txt").read_text().splitlines()
    assert len(labels) == len(timeline.segments)
    assert all(line.split("\t")[2].startswith("a 9.0 10.0 false b ") for line in labels)
    assert 'text = "a 9.0 10.0 false b"' in write_timeline(split, tmp_path / "t.TextGrid").read_text()


def test_clock():
    assert [clock(value) for value in (0, 59.94, 60, 61.6, 3600)] == [
        "0.0 s",
        "59.9 s",
        "1:00 min",
        "1:02 min",
        "1:00:00",
    ]


def test_the_command(command, saved, talk, tmp_path):
    model = saved["svm"]
    done = command("predict", model, talk, "--windows", "2", "--hop", "1", "--json")
    assert done.status == 0
    [stated] = done.json
    assert {"summary", "segments", "windows", "classes"} <= set(stated) and stated["hop"] == 1.0
    done = command("predict", model, talk, "--timeline", tmp_path / "t.html", "--out", tmp_path / "w.csv")
    card = load_model(model).card
    assert f"trained on {card.corpus}" in (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "Somebody speaks for" in done.output and (tmp_path / "t.html").stat().st_size > 100_000
    assert pd.read_csv(tmp_path / "w.csv")["end"].iloc[0] == 3.0
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    done = command("predict", model, talk, tmp_path / "bad.wav", "--windows", "3")
    assert done.status == 0 and "1 recording cannot be used" in done.messages
    assert command("predict", model, tmp_path / "bad.wav", "--windows", "3").status == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--hop", "1"], "--hop has no effect without --windows or --timeline"),
        (["--windows", "3", "--adapt"], "--adapt has no effect with --windows"),
        (["--windows", "3", "--jobs", "2"], "--jobs has no effect with --windows"),
        (["--windows", "2", "--hop", "3"], "hop is 3.0; expected 0.05 to 2 seconds, the length of a window (--hop)"),
        (["--timeline", "x.pdf"], "expected a file ending in .html, .csv"),
        (["--timeline", "nowhere/x.html", "second.wav"], "--timeline is for one recording; got 2"),
    ],
)
def test_what_the_command_refuses(command, saved, talk, options, told):
    done = command("predict", saved["svm"], talk, *options)
    assert done.status != 0 and told in " ".join(done.messages.split())


def test_windows_of_recordings_are_rows_that_share_a_source(command, demo_rows, tmp_path):
    """The windows are those of a time line; parts of a file keep their borders, and no split parts windows."""
    files = demo_rows["file"].tolist()[:2]
    seconds = soundfile.info(files[0]).duration
    listed = pd.DataFrame(
        {
            "file": [files[0], files[1], tmp_path / "missing.wav"],
            "start": [0.0, 0.2, 0.0],
            "end": [np.nan, 0.9, np.nan],
            "emotion": ["sad", "happy", "sad"],
        }
    )
    listed.to_csv(tmp_path / "listed.csv", index=False)
    out = tmp_path / "features.parquet"
    given = ["extract", tmp_path / "listed.csv", "--blocks", "zcr", "--out", out]
    done = command(*given, "--windows", 0.4, "--hop", 0.2, "--json")
    assert done.status == 0, done.messages
    assert "recordings cut into windows of 0.4 s, one every 0.2 s; a row is a window" in done.json["notes"]
    assert [entry["file"] for entry in done.json["quarantine"]] == [str(tmp_path / "missing.wav")]
    table = pd.read_parquet(out)
    first, second = table[table["file"] == files[0]], table[table["file"] == files[1]]
    (samples, rate) = soundfile.read(files[0], dtype="float32")
    windows = predict_timeline((samples, rate), windows=0.4, hop=0.2).windows
    assert first["start"].to_numpy() == pytest.approx(windows["start"].to_numpy(), abs=1e-3)
    assert first["end"].to_numpy() == pytest.approx(windows["end"].to_numpy(), abs=1e-3)
    assert first["end"].iloc[-1] == pytest.approx(seconds)
    assert second[["start", "end"]].round(3).to_numpy().tolist() == [[0.2, 0.6], [0.4, 0.8], [0.6, 0.9]]
    assert first["source"].nunique() == second["source"].nunique() == 1
    assert (first["emotion"] == "sad").all() and (second["emotion"] == "happy").all()
    done = command(*given, "--hop", 0.2)
    assert done.status == 1 and "--hop has no effect without --windows" in done.messages
    # A part that ends after its file is set aside once, and not a window at a time.
    listed.assign(end=[899.0, 0.9, np.nan]).to_csv(tmp_path / "listed.csv", index=False)
    done = command(*given, "--windows", 0.4, "--hop", 0.2, "--json")
    assert len(done.json["quarantine"]) == 2 and done.json["rows"] == 3


def test_windows_of_a_recording_that_is_too_long_for_one_clip(command, tmp_path):
    """901 s at 8 kHz: as a clip it is set aside, and as 301 windows of 3 s it is used."""
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 901 * 8000), 8000)
    pd.DataFrame({"file": ["long.wav"], "emotion": ["sad"]}).to_csv(tmp_path / "listed.csv", index=False)
    given = ["extract", tmp_path / "listed.csv", "--blocks", "zcr", "--out", tmp_path / "features.parquet"]
    done = command(*given)
    told = " ".join(done.messages.split())
    assert done.status == 1 and "none of 1 recordings can be used" in told and "901 s long" in told
    done = command(*given, "--windows", 3, "--hop", 3)
    assert done.status == 0 and "features.parquet: 301 windows, " in done.output
    assert pd.read_parquet(tmp_path / "features.parquet")["end"].tolist()[-2:] == [900.0, 901.0]


def test_an_evaluation_of_windows_says_so(command, demo_folder, tmp_path):
    out = tmp_path / "features.parquet"
    command(
        "extract", demo_folder, "--corpus", "demo", "--blocks", "zcr", "--windows", 0.5, "--hop", 0.25, "--out", out
    )
    done = command("evaluate", out, "--protocol", "random-kfold", "--folds", 2)
    said = " ".join(done.output.split())
    assert done.status == 0 and "recordings cut into windows of 0.5 s, one every 0.25 s; a row is a window" in said
    assert "sources shared" not in said


def test_a_list_with_windows_keeps_its_columns_and_its_unusable_recordings(command, demo_rows, tmp_path):
    listed = pd.DataFrame(
        {"file": [demo_rows["file"][0], tmp_path / "missing.wav"], "customer": [7, 8], "emotion": ["sad", "angry"]}
    )
    listed.to_csv(tmp_path / "calls.csv", index=False)
    given = ["predict", tmp_path / "calls.csv", "--windows", 0.5, "--hop", 0.25]
    done = command(*given, "--out", tmp_path / "windows.csv")
    assert done.status == 0 and "cannot be opened" in done.messages
    table = pd.read_csv(tmp_path / "windows.csv")
    heard = table[table["error"].isna()]
    assert len(heard) == len(table) - 1 >= 2
    assert (heard["customer"] == 7).all() and (heard["truth"] == "sad").all()
    assert table["file"].iloc[-1] == str(tmp_path / "missing.wav") and "cannot be opened" in table["error"].iloc[-1]
    answers = command(*given, "--json").json
    assert answers[0]["given"] == {"truth": "sad", "customer": "7"} and "error" in answers[1]
    done = command("predict", demo_rows["file"][0], "--windows", 0)
    assert done.status == 1 and "windows is 0.0; expected 0.25 to 900 seconds (--windows)" in done.messages


def test_windows_need_recordings_and_two_outputs_two_files(command, demo_rows, tmp_path):
    demo_rows[["file", "emotion"]][:4].to_csv(tmp_path / "few.csv", index=False)
    given = ["extract", tmp_path / "few.csv", "--blocks", "zcr"]
    assert command(*given, "--out", tmp_path / "f.parquet").status == 0
    done = command("extract", tmp_path / "f.parquet", "--windows", 0.5, "--out", tmp_path / "w.parquet")
    assert done.status == 1 and "a features file has the features of whole recordings" in done.messages
    both = ["--timeline", tmp_path / "t.csv", "--out", tmp_path / "t.csv"]
    done = command("predict", demo_rows["file"][0], *both)
    assert done.status == 1 and "--timeline and --out are both" in done.messages and not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [({"windows": "3"}, "windows is '3'; expected"), ({"hop": True}, "hop is True; expected"),
     ({"end": "a"}, "end is 'a'; expected"), ({"channel": 0}, "channel is '0'; expected")],
)  # fmt: skip
def test_settings_that_are_no_numbers_are_told(model, settings, told):
    with pytest.raises(SettingsError, match=told):
        predict_timeline((np.zeros(16000, dtype=np.float32), 16000), model, **settings)


def test_pieces_without_a_shape_are_told(model):
    with pytest.raises(AudioError, match="the samples are no array"):
        StreamPredictor(model, 16000).feed([[0.0, 0.1], [0.2]])


def test_errors_name_bytes_as_a_recording_and_not_their_temporary_file(model):
    with pytest.raises(AudioError, match="^recording 0: not readable as audio"):
        predict_timeline(b"rubbish", model)
