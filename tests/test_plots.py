"""Pictures: what they show, against scikit-learn and closed forms; and that they can be read."""

import io
import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone
from made_results import made
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import norm
from sklearn.calibration import calibration_curve

import fusionser
from fusionser.errors import AudioError, FusionserError, RowsError, SettingsError
from fusionser.evaluation.calibration import reliability, share_interval, uar_interval
from fusionser.evaluation.metrics import expected_calibration_error
from fusionser.features.filters import mel_edges
from fusionser.model import Predictor
from fusionser.plots import (
    HeardRecording,
    StoredResult,
    confusion_figure,
    corpus_figure,
    curves_figure,
    hear,
    measure_occlusion,
    occlusion_figure,
    read_stored_result,
    reliability_figure,
    result_figure,
    sound_figure,
    speakers_figure,
    write_figure,
)
from fusionser.plots.corpus_numbers import class_table, corpus_facts, recording_levels
from fusionser.reporting.breakdown import Breakdown, breakdown_figure
from fusionser.reporting.drawing import Figure
from fusionser.reporting.figures import shorts, speaker_names
from fusionser.reporting.letters import _fonts_with, lacking_letters, with_letters
from fusionser.results import Scores
from fusionser.rows import check_rows

RATE = 16000


def drawn(figure):
    """Let a figure find the place of everything, as when it is written."""
    FigureCanvasAgg(figure).draw()
    return figure


def titles(figure):
    return [title for axes in figure.axes if (title := axes.get_title(loc="left") or axes.get_title())]


def overlapping(labels):
    """Return pairs of neighbouring texts that cover each other."""
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    return [pair for pair in pairwise(boxes) if pair[0].overlaps(pair[1])]


@pytest.fixture(scope="module")
def glide():
    """Two seconds: a pause, a glide from 150 Hz to 300 Hz, a pause."""
    pitch = np.geomspace(150, 300, RATE)
    sound = sum(np.sin(k * 2 * np.pi * np.cumsum(pitch) / RATE) / k for k in range(1, 9))
    noise = 1e-4 * np.random.default_rng(0).normal(size=2 * RATE)
    noise[RATE // 2 : RATE // 2 + RATE] += 0.2 * sound * np.hanning(RATE) ** 0.25
    return noise.astype(np.float32)


def test_the_frames_of_a_tone():
    heard = hear((tone(440), RATE))
    assert heard.times[[0, 50, 100]].tolist() == [0.0, 0.5, 1.0]
    inner = slice(10, -10)
    np.testing.assert_allclose(heard.level[inner], 20 * np.log10(0.5 / 2**0.5), atol=0.1)
    # A tone is in the bands between whose borders it lies; A is the tenth pitch class from C.
    edges = slaney_edges(RATE / 2, 82)
    np.testing.assert_allclose(mel_edges(RATE, 80, None), edges)
    band = int(np.median(heard.log_mel[:, inner].argmax(axis=0)))
    assert edges[band] < 440 < edges[band + 2]
    assert (heard.chroma[:, inner].argmax(axis=0) == 9).all()


def slaney_edges(highest, count):
    """Slaney's scale: 3 mel for 200 Hz up to 1000 Hz, then 27 mel for a factor of 6.4."""
    most = 15 + 27 * np.log(highest / 1000) / np.log(6.4)
    mels = np.linspace(0, most, count)
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


def test_the_pitch_and_the_speech_of_a_glide(glide):
    heard = hear((glide, RATE), start=0.25)
    voiced = heard.pitch.voiced
    expected = 150 * 2 ** np.clip(heard.times - 0.5, 0, 1)
    np.testing.assert_allclose(heard.pitch.frequency[voiced], expected[voiced], rtol=0.04)
    facts = heard.facts()
    assert facts["seconds"] == 1.75 and facts["sampling_rate"] == RATE and facts["channels"] == 1
    # The median of a glide in octaves is in its middle.
    assert facts["median_pitch_hz"] == pytest.approx(150 * 2**0.5, rel=0.03)
    assert 1 / 1.75 <= facts["speech_share"] <= 1.45 / 1.75
    ((first, length),) = heard.speech_seconds()
    assert first == pytest.approx(0.3, abs=0.1) and first + length == pytest.approx(1.7, abs=0.1)


def test_levels_are_those_of_a_sine():
    facts = hear((tone(440, amplitude=0.5), RATE)).facts()
    assert facts["level_dbfs"] == pytest.approx(20 * np.log10(0.5 / 2**0.5), abs=0.06)
    assert facts["peak_dbfs"] == pytest.approx(20 * np.log10(0.5), abs=0.06)


def test_channels_and_parts_of_a_file(tmp_path):
    file = tmp_path / "stereo.wav"
    soundfile.write(file, np.stack([tone(200, 2.0), tone(300, 2.0)], axis=1), RATE)
    pitches = [hear(file, channel=channel).facts()["median_pitch_hz"] for channel in ("left", "right")]
    assert pitches == pytest.approx([200, 300], abs=1)
    heard = hear(file, start=0.5, end=1.25)
    assert (heard.channels, heard.start, heard.seconds) == (2, 0.5, 0.75)
    assert sound_figure(heard).axes[0].get_xlim() == (0.5, 1.25)
    assert "2 channels" in sound_figure(file).get_suptitle()
    with pytest.raises(SettingsError, match="when you call hear"):
        sound_figure(heard, start=0.5)


def test_a_recording_has_a_panel_for_each_quantity_on_one_axis_of_time(glide, tmp_path):
    figure = drawn(sound_figure((glide, RATE)))
    assert [title.split(",")[0].split(":")[0] for title in titles(figure)] == [
        "Waveform",
        "Log-mel spectrogram",
        "Pitch",
        "Energy",
        "Chroma",
    ]
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert {axes.get_xlim() for axes in panels} == {(0.0, 2.0)}
    assert len({(round(axes.get_position().x0, 6), round(axes.get_position().x1, 6)) for axes in panels}) == 1
    assert [axes.get_xlabel() for axes in panels] == [*[""] * 4, "time, s"]
    assert [axes.get_ylabel() for axes in panels] == [
        "amplitude",
        "frequency, Hz",
        "pitch, Hz",
        "level, dBFS",
        "pitch class",
    ]
    for axes in panels:
        assert overlapping(axes.get_yticklabels()) == []


@pytest.mark.parametrize("count", [1, 500, 3000])
def test_very_short_recordings_are_drawn(count):
    figure = drawn(sound_figure((tone(200)[5 : 5 + count] if count > 1 else np.array([0.5]), RATE)))
    assert len(titles(figure)) in (1, 5)


def test_a_silent_recording_says_so():
    figure = drawn(sound_figure((np.zeros(RATE), RATE)))
    assert titles(figure) == ["Waveform, full scale is -1 to 1"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["silent: nothing can be measured"]
    facts = hear((np.zeros(RATE), RATE)).facts()
    assert facts["level_dbfs"] == -100 and facts["median_pitch_hz"] is None and facts["speech_share"] == 0


def test_noise_has_no_pitch():
    noise = 0.1 * np.random.default_rng(0).normal(size=RATE)
    figure = sound_figure((noise, RATE))
    assert "no voiced frames" in [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 48000])
def test_frequencies_end_at_half_the_rate_of_the_analysis(rate):
    heard = hear((tone(200, rate=rate), rate))
    assert heard.frames.sampling_rate == min(max(rate, 8000), 16000)
    labels = [label.get_text() for label in sound_figure(heard).axes[2].get_yticklabels()]
    assert labels[-1] == {4000: "4000", 8000: "4000", 11025: "4000", 48000: "8000"}[rate]


def test_the_outline_of_a_long_recording_has_its_peaks(tmp_path):
    samples = np.zeros(40 * RATE, dtype=np.float32)
    samples[123_456], samples[500_000] = 0.9, -0.7
    axes = sound_figure((samples, RATE)).axes[0]
    points = axes.collections[0].get_paths()[0].vertices
    assert points[:, 1].max() == pytest.approx(0.9) and points[:, 1].min() == pytest.approx(-0.7)
    assert points[points[:, 1].argmax(), 0] == pytest.approx(123_456 / RATE, abs=0.021)


def test_bytes_and_open_files_and_wrong_parts(tmp_path):
    content = io.BytesIO()
    soundfile.write(content, tone(200), RATE, format="WAV")
    assert hear(content.getvalue()).seconds == 1.0
    with pytest.raises(AudioError, match="recording 0: not readable as audio"):
        hear(b"not a recording at all, but a text")
    with pytest.raises(SettingsError, match=r"end is 1 s; expected more than the start, 2 s"):
        hear((tone(200), RATE), start=2, end=1)
    with pytest.raises(SettingsError, match=r"start is -1"):
        hear((tone(200), RATE), start=-1)
    for part in ({"end": 2.0}, {"start": 1.5}):
        with pytest.raises(AudioError, match=r"the recording: 1.00 s long, so it has no"):
            hear((tone(200), RATE), **part)
    with pytest.raises(AudioError, match="400 s are too long for a picture; expected at most 300 s"):
        hear((np.zeros(400 * 1000), 1000))
    with pytest.raises(SettingsError, match="shows one recording; got several"):
        hear(["a.wav", "b.wav"])


class ByEnergy(Predictor):
    """A model that answers "loud" by the samples from 1.0 to 1.4 s, and by nothing else."""

    card = SimpleNamespace(check_classes=lambda what: None, classes=("loud", "quiet"))
    unlikeness = None
    needs_gender = False

    def _table(self, items, sampling_rate):
        raise NotImplementedError

    def _answered(self, table, result):
        raise NotImplementedError

    def predict(self, X, **options):
        return self.predict_proba(X).assign(emotion="loud", error="", probability=lambda table: table["loud"])

    def predict_proba(self, X, **options):
        loud = [float(np.abs(samples[rate : rate + 2 * rate // 5]).mean()) for samples, rate in X]
        return pd.DataFrame({"loud": loud, "quiet": [1 - one for one in loud]})


def test_occlusion_finds_the_stretch_that_a_model_hears():
    samples = np.tile(np.array([0.5, -0.5], dtype=np.float32), 3 * RATE // 2)
    done = []
    found = measure_occlusion((samples, RATE), ByEnergy(), stretch=0.4, progress=lambda *at: done.append(at))
    assert done[-1] == (14, 14)
    assert (found.answer, found.probability, found.stretch) == ("loud", 0.5, 0.4)
    np.testing.assert_allclose(found.edges, np.arange(16) * 0.2)
    # Stretches begin at 0, 0.2 and so on: that at 1.0 covers all of what is heard, those at 0.8 and 1.2 a half of it.
    by_stretch = np.zeros(14)
    by_stretch[[4, 5, 6]] = -0.25, -0.5, -0.25
    expected = np.convolve(by_stretch, [0.5, 0.5])
    expected[[0, -1]] = by_stretch[[0, -1]]
    np.testing.assert_allclose(found.change, expected, atol=0.01)
    assert found.facts()["largest_fall_at"] in ([1.0, 1.2], [1.2, 1.4])
    assert titles(drawn(occlusion_figure(found)))[0].startswith("Answer 'loud' (50 %): change of its probability")


def test_occlusion_of_what_it_cannot_be_asked_of():
    with pytest.raises(SettingsError, match="stretch is 2"):
        measure_occlusion((tone(200), RATE), ByEnergy(), stretch=2.0)
    with pytest.raises(SettingsError, match="expected a Model"):
        measure_occlusion((tone(200), RATE), "model.fusionser")
    with pytest.raises(AudioError, match=r"the recording: silent"):
        measure_occlusion((np.zeros(RATE), RATE))


def test_the_included_model_answers_as_without_the_picture(demo_folder):
    file = sorted(demo_folder.iterdir())[0]
    found = measure_occlusion(file, stretch=0.8)
    (answer,) = fusionser.load_model().predict([str(file)]).to_dict("records")
    assert found.answer == answer["emotion"]
    assert found.probability == pytest.approx(answer["probability"], abs=1e-6)
    assert np.abs(found.change).max() <= 1


@pytest.fixture
def rows(tmp_path):
    """Three levels, two speakers, one recording without a label, and a silent one."""
    records = []
    for number, (amplitude, emotion, speaker) in enumerate(
        [(0.5, "sad", "c/a"), (0.05, "sad", "c/a"), (0.005, "happy", "c/b"), (0.0, "", "c/b")]
    ):
        file = tmp_path / f"{number}.wav"
        soundfile.write(file, tone(440, 1.0 + number, amplitude=amplitude), RATE, subtype="FLOAT")
        records.append({"file": str(file), "end": 1.0 + number, "emotion": emotion, "speaker": speaker, "corpus": "c"})
    return check_rows(pd.DataFrame(records))


def test_the_numbers_of_a_corpus(rows):
    levels = recording_levels(rows)
    np.testing.assert_allclose(levels[:3], 20 * np.log10(np.array([0.5, 0.05, 0.005]) / 2**0.5), atol=0.01)
    assert np.isnan(levels[3])
    facts = corpus_facts(rows, levels)
    assert facts["emotions"] == {"happy": 1, "no label": 1, "sad": 2}
    assert (facts["recordings"], facts["speakers"], facts["without_level"]) == (4, 2, 1)
    assert facts["seconds"] == {"lowest": 1.0, "median": 2.5, "highest": 4.0}
    assert facts["level_dbfs"]["median"] == -29.0
    assert class_table(rows, levels)[2] == ["sad", "2", "50.0", "1", "0.1", "1.50", "-19.0"]


@pytest.mark.filterwarnings("error")
def test_very_long_names_leave_room_for_what_is_drawn(rows, tmp_path):
    names = [f"{'calm and very ' * 20}{end}" for end in ("slow", "quick")]
    long = rows.assign(emotion=[names[0], names[0], names[1], names[1]], speaker=rows["speaker"] + "x" * 250)
    figure = corpus_figure(long)
    write_figure(figure, tmp_path / "corpus.png")
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [
        "calm and very c…ry quick",
        "calm and very c…ery slow",
    ]
    file = tmp_path / f"{'b' * 200}.wav"
    soundfile.write(file, tone(220, 1.0), RATE)
    write_figure(sound_figure(file), tmp_path / "sound.png")


def test_a_corpus_is_drawn_with_counts_and_without_levels(rows):
    figure = drawn(corpus_figure(rows))
    assert titles(figure)[0] == "Recordings by class" and titles(figure)[-1] == "Recordings by class and speaker"
    assert "4 recordings, 2 speakers, 0.2 minutes" in figure.get_suptitle()
    cells = [text.get_text() for text in figure.axes[3].texts]
    assert cells == ["0", "1", "0", "1", "2", "0"]
    missing = rows.assign(file="nowhere.wav", speaker="")
    figure = drawn(corpus_figure(missing))
    # What cannot be drawn has no empty panel, and is told below the picture.
    assert not any("peaker" in axes.get_xlabel() or "level" in axes.get_xlabel() for axes in figure.axes)
    told = figure.get_supxlabel()
    assert "since no recording can be decoded" in told and "speakers, who are unknown" in told
    with pytest.raises(RowsError, match="no rows"):
        corpus_figure(rows.iloc[:0])


@pytest.mark.parametrize("count", [3, 24, 91, 400])
def test_names_of_speakers_do_not_cover_each_other(count):
    names = [f"c/{1001 + number}" for number in range(count)]
    rows = check_rows(pd.DataFrame({"file": "a.wav", "end": 1.0, "emotion": "sad", "speaker": names, "corpus": "c"}))
    figure = drawn(corpus_figure(rows, levels=False))
    (panel,) = [axes for axes in figure.axes if axes.get_title(loc="left") == "Recordings by class and speaker"]
    assert overlapping(panel.get_xticklabels()) == []
    result = made(("none", "none"), "svm", [0.5] * 24)
    scores = {name: Scores(war=0.5, uar=0.2 + 0.6 * number / count, macro_f1=0.5) for number, name in enumerate(names)}
    figure = drawn(speakers_figure(result.model_copy(update={"speakers": scores})))
    assert figure.get_figwidth() <= 11 and figure.get_figheight() <= 4
    axes = figure.axes[0]
    assert overlapping(axes.get_xticklabels()) == []
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == sorted(shown) and len(shown) == {3: 3, 12: 12, 24: 24, 91: 20, 400: 0}[count]


def test_speakers_are_sorted_and_have_intervals_by_their_clips():
    result = made(("none", "none"), "svm", [0.75, 0.25, *[0.5] * 22])
    first, second, *_ = result.speakers
    counts = {first: [[9, 1], [6, 4]], second: [[2, 8], [7, 3]]}
    axes = speakers_figure(result.model_copy(update={"speaker_confusions": counts})).axes[0]
    points = axes.containers[0].lines[0].get_ydata()
    assert points.tolist() == sorted(points) == [25.0, *[50.0] * 22, 75.0]
    bars = axes.containers[0].lines[2][0].get_segments()
    title = drawn(axes.figure).axes[0].title.get_window_extent()
    assert title.x0 >= 0 and title.x1 <= axes.figure.bbox.x1
    expected = 100 * np.array(uar_interval(np.array(counts[second])))
    assert bars[0][:, 1] == pytest.approx(expected)
    # Without counts there is no interval.
    assert bars[1][:, 1].tolist() == [50.0, 50.0]


def wilson(right, clips):
    z = norm.ppf(0.975)
    share, weight = right / clips, z * z / clips
    middle = (share + weight / 2) / (1 + weight)
    half = z * np.sqrt(share * (1 - share) / clips + weight / (4 * clips)) / (1 + weight)
    return middle - half, middle + half


def test_intervals_of_shares_and_of_a_uar():
    assert share_interval(3, 10) == pytest.approx(wilson(3, 10))
    low_a, high_a = wilson(9, 10)
    low_b, high_b = wilson(4, 16)
    uar = (0.9 + 0.25) / 2
    low = uar - np.hypot(0.9 - low_a, 0.25 - low_b) / 2
    high = uar + np.hypot(high_a - 0.9, high_b - 0.25) / 2
    assert uar_interval(np.array([[9, 1], [12, 4]])) == pytest.approx((low, high))
    # A class without clips does not count, and all clips right leave room below only.
    low, high = uar_interval(np.array([[5, 0, 0], [0, 0, 0], [0, 0, 5]]))
    assert high == pytest.approx(1.0) and low == pytest.approx(1 - (1 - wilson(5, 5)[0]) / 2**0.5)


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(1)
    top = rng.uniform(0.5, 1.0, 400)
    answers = rng.choice(["angry", "calm"], 400)
    other = np.where(answers == "angry", "calm", "angry")
    truth = np.where(rng.random(400) < top - 0.1, answers, other)
    angry = np.where(answers == "angry", top, 1 - top)
    return pd.DataFrame(
        {"truth": truth, "predicted": answers, "probability_angry": angry, "probability_calm": 1 - angry}
    )


def test_reliability_is_scikit_learns(predictions):
    found = reliability(predictions, ("angry", "calm"))
    top = predictions[["probability_angry", "probability_calm"]].max(axis=1).to_numpy()
    right = predictions["truth"] == predictions["predicted"]
    accuracy, probability = calibration_curve(right, top, n_bins=15)
    np.testing.assert_allclose([one.accuracy for one in found], accuracy)
    np.testing.assert_allclose([one.probability for one in found], probability)
    error = sum(one.clips * abs(one.accuracy - one.probability) for one in found) / 400
    assert error == pytest.approx(expected_calibration_error(top, right))
    assert reliability(predictions[["truth", "predicted"]], ("angry", "calm")) == []


def curves(networks=("conv1d",), epochs=5):
    records = [
        {"fold": fold, "network": network, "epoch": float(epoch), "training_loss": 1 / epoch, "validation_uar": 0.5}
        for network in networks
        for fold in ("1", "2")
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(records)


@pytest.mark.parametrize("epochs", [1, 2, 5, 300])
def test_epochs_are_whole(epochs):
    figure = drawn(curves_figure(curves(("conv1d", "conv2d"), epochs)))
    assert len(figure.axes) == 4
    for axes in figure.axes[2:]:
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert ticks and all(float(tick).is_integer() for tick in ticks)


def test_a_confusion_has_percent_and_counts():
    result = made(("none", "none"), "svm", [0.5] * 24).model_copy(update={"confusion": [[30, 10], [0, 20]]})
    axes = confusion_figure(result).axes[0]
    assert [text.get_text() for text in axes.texts] == ["75 %\n30", "25 %\n10", "0", "100 %\n20"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["angry (40)", "calm (20)"]


def test_a_result_is_one_picture_of_all_that_it_has(predictions):
    result = made(("none", "none"), "svm", [0.5] * 24).model_copy(update={"calibration_error": 0.1})
    figure = drawn(result_figure(StoredResult(result, predictions, curves())))
    assert [title.split(",")[0].split(":")[0] for title in titles(figure)] == [
        "Confusion",
        "Reliability of the probabilities",
        "UAR of each test speaker",
        "conv1d",
    ]
    assert len(titles(result_figure(result))) == 2


def test_every_format_is_written_and_the_same_picture_has_the_same_pixels(glide, tmp_path):
    for suffix, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert write_figure(sound_figure((glide, RATE)), tmp_path / f"a.{suffix}").read_bytes().startswith(start)
    assert "Log-mel spectrogram" in (tmp_path / "a.svg").read_text()
    again = write_figure(sound_figure((glide, RATE)), tmp_path / "b.png").read_bytes()
    assert again == (tmp_path / "a.png").read_bytes()


def test_a_name_with_signs_of_formulas_is_drawn_as_it_is():
    heard = HeardRecording("a$b^{c_" + "x" * 200 + "$.wav", tone(200), RATE)
    figure = drawn(sound_figure(heard))
    box = figure.get_tightbbox()
    assert box.x0 >= -0.2 and box.x1 <= figure.get_figwidth() + 0.2


def panel_of(figure, title):
    (found,) = [axes for axes in figure.axes if (axes.get_title(loc="left") or axes.get_title()).startswith(title)]
    return found


def of_classes(count, predictions=True):
    """A result of many classes, and predictions that belong to it."""
    names = tuple(f"emotion-{number:02d}" for number in range(count))
    counts = np.full((count, count), 7) + np.diag(np.full(count, 90))
    plain = made(("none", "none"), "svm", [0.5] * 24)
    by_class = dict.fromkeys(names, plain.per_class["calm"])
    scored = {"classes": names, "confusion": counts.tolist(), "calibration_error": 0.1, "per_class": by_class}
    result = plain.model_copy(update=scored)
    shares = np.random.default_rng(0).dirichlet(np.ones(count), 200)
    table = pd.DataFrame(shares, columns=[f"probability_{name}" for name in names])
    table["predicted"] = [names[place] for place in shares.argmax(axis=1)]
    return StoredResult(result, table.assign(truth=names[0]))


@pytest.mark.parametrize(
    ("count", "wide", "named"), [(4, False, 4), (11, False, 11), (12, True, 12), (30, True, 30), (90, True, 45)]
)
def test_a_confusion_of_many_classes_can_be_read(count, wide, named):
    figure = drawn(result_figure(of_classes(count)))
    axes = panel_of(figure, "Confusion")
    width, height = axes.get_window_extent().size / figure.dpi
    assert (width > 6) == wide and height / count > 0.1
    # No number leaves its cell.
    for text in axes.texts:
        assert text.get_window_extent().width <= 1.02 * axes.get_window_extent().width / count
        assert text.get_window_extent().height <= 1.02 * axes.get_window_extent().height / count
    assert len(axes.texts) == (count**2 if count <= 30 else 0)
    names = [label for label in axes.get_yticklabels() if label.get_text()]
    assert len(names) == named and overlapping(names) == []
    # Turned letters are as high as the distance between two lines of them.
    places = [label.get_window_extent().x1 for label in axes.get_xticklabels()]
    size = axes.get_xticklabels()[0].get_fontsize() * figure.dpi / 72
    assert (np.diff(places) > 0.95 * size).all()
    assert figure.get_figwidth() == 11 and figure.get_figheight() < 30


LONG = [f"demo/participant-of-the-session-{number:03d}" for number in range(8)]


def of_speakers(names, corpora=("demo",)):
    result = made(("none", "none"), "svm", [0.5] * 24)
    scores = {name: Scores(war=0.5, uar=0.2 + 0.1 * place, macro_f1=0.5) for place, name in enumerate(names)}
    counts = {name: [[8, 2], [1, 9]] for name in names}
    return result.model_copy(update={"speakers": scores, "speaker_confusions": counts, "corpora": corpora})


@pytest.mark.parametrize("draw", [speakers_figure, result_figure])
def test_long_names_of_speakers_leave_room(draw):
    figure = drawn(draw(of_speakers(LONG)))
    axes = panel_of(figure, "UAR of each")
    panel = axes.get_window_extent()
    assert panel.height > 2 * figure.dpi
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == [f"participan…n-{number:03d}" for number in range(8)]
    legend = axes.get_legend().get_window_extent()
    title = axes.title.get_window_extent()
    assert legend.y0 >= panel.y1 and title.y0 >= legend.y1 - 1
    for box in (legend, title, *[label.get_window_extent() for label in axes.get_xticklabels()]):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1


def test_all_titles_are_within_the_picture():
    long = tuple(f"a very long name of an emotion {number}" for number in range(6))
    stored = of_classes(6)
    names = dict(zip(stored.predictions, [f"probability_{name}" for name in long], strict=False))
    predictions = stored.predictions.rename(columns=names).assign(truth=long[0], predicted=long[1])
    figure = drawn(result_figure(StoredResult(stored.result.model_copy(update={"classes": long}), predictions)))
    for axes in figure.axes:
        box = axes.title.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


@pytest.mark.parametrize(
    ("names", "corpora", "expected"),
    [
        (["demo/a", "demo/b"], ["demo"], ["a", "b"]),
        (["site-a/01", "site-b/01"], ["demo"], ["site-a/01", "site-b/01"]),
        (["<script>alert(1)</script>", "b"], ["demo"], ["<script>alert(1)</script>", "b"]),
        (["demo/site-a/01", "demo/site-b/01"], ["demo"], ["site-a/01", "site-b/01"]),
        (["x/03", "y/03"], ["x", "y"], ["x/03", "y/03"]),
        (["x/03", "y/04"], ["x", "y"], ["03", "04"]),
        (["demo/a", "a"], ["demo"], ["demo/a", "a"]),
        (["demo/", "b"], ["demo"], ["demo/", "b"]),
    ],
)
def test_speakers_are_named_without_their_corpus(names, corpora, expected):
    assert speaker_names(names, corpora) == expected


def test_pictures_tell_speakers_of_two_sites_apart():
    names = ["site-a/01", "site-b/01"]
    axes = speakers_figure(of_speakers(names)).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == names
    rows = check_rows(pd.DataFrame({"file": "a.wav", "end": 1.0, "emotion": "sad", "speaker": names, "corpus": "demo"}))
    figure = corpus_figure(rows, levels=False)
    assert [label.get_text() for label in panel_of(figure, "Recordings by class and").get_xticklabels()] == names
    shown = Breakdown(["x"], names, np.array([[0.5, 0.6]]), corpora=("demo",))
    assert [label.get_text() for label in breakdown_figure(shown).axes[0].get_xticklabels()] == names


def test_long_names_that_differ_in_the_middle_stay_different():
    names = [f"{'a' * 18}{number}{'b' * 18}" for number in range(5)]
    assert len(set(shorts(names))) == 5
    assert shorts(["calm", "sad"]) == ["calm", "sad"]


def test_counts_of_one_and_of_many():
    one = check_rows(pd.DataFrame({"file": "a.wav", "end": 1.0, "emotion": "sad", "speaker": ["x"]}))
    assert "1 recording, 1 speaker, 0.0 minutes" in corpus_figure(one, levels=False).get_suptitle()
    many = check_rows(pd.DataFrame({"file": "a.wav", "emotion": "sad", "speaker": [f"s{n:03d}" for n in range(91)]}))
    axes = panel_of(corpus_figure(many, levels=False), "Recordings by class and")
    assert axes.get_xlabel() == "speaker (91, one of 3 is named)"


def test_a_picture_of_an_unknown_format_is_refused(tmp_path):
    for name in ("x.txt", "x", "x.jpg"):
        with pytest.raises(SettingsError, match=r"expected a file ending in \.png, \.svg, \.pdf"):
            write_figure(sound_figure((tone(200), RATE)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def report(tmp_path):
    """The folder of an evaluation."""
    stored = of_classes(3)
    stored.result.save(tmp_path / "result.json")
    stored.predictions.to_csv(tmp_path / "predictions.csv")
    curves().to_csv(tmp_path / "learning_curves.csv")
    return tmp_path


@pytest.mark.parametrize("draw", [confusion_figure, speakers_figure, reliability_figure, curves_figure, result_figure])
def test_every_picture_of_a_result_takes_its_folder(draw, report):
    for place in (report, str(report), report / "result.json", read_stored_result(report)):
        assert draw(place).axes
    with pytest.raises(FusionserError, match="no such file"):
        draw(report / "nowhere")


def test_what_a_result_lacks_is_told(report):
    (report / "predictions.csv").unlink()
    (report / "learning_curves.csv").unlink()
    with pytest.raises(RowsError, match=r"there are no probabilities; expected .*'probability_emotion-00'"):
        reliability_figure(report)
    with pytest.raises(RowsError, match="there are no learning curves"):
        curves_figure(report)
    numbers = SimpleNamespace(targets=("arousal",))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fusionser.plots.result.DimensionResult", SimpleNamespace)
        with pytest.raises(RowsError, match=r"of numbers \(arousal\)"):
            confusion_figure(StoredResult(numbers))


CIRCLED = "\N{CIRCLED LATIN CAPITAL LETTER A}"
"""A letter that the font of pictures lacks, and that a font which comes with matplotlib has."""


def saying(text):
    figure = Figure()
    figure.text(0.5, 0.5, text)
    return figure


def test_letters_are_taken_from_other_fonts():
    figure = saying(f"caf\u00e9 {CIRCLED}")
    with pytest.warns(UserWarning, match="Glyph .* missing"):
        drawn(figure)
    before = figure.texts[0].get_fontfamily()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with with_letters(figure, "png"):
            drawn(figure)
    assert figure.texts[0].get_fontfamily() == before
    assert lacking_letters(figure, "png") == lacking_letters(saying("calm"), "png") == ""


def test_letters_that_no_font_has_are_told(command, monkeypatch, tmp_path):
    monkeypatch.setattr("fusionser.reporting.letters.font_manager", lambda: SimpleNamespace(ttflist=[]))
    _fonts_with.cache_clear()
    assert lacking_letters(saying("\u5f20\u4f1f calm"), "png") == "\u4f1f\u5f20"
    assert lacking_letters(saying("\u5f20\u4f1f calm"), "svg") == ""
    _fonts_with.cache_clear()
    # A letter of a planned script, for which there are no fonts.
    soundfile.write(tmp_path / "a.wav", tone(220, 1.0), RATE)
    pd.DataFrame({"file": "a.wav", "emotion": ["x\U00011280"], "speaker": "s"}).to_csv(tmp_path / "rows.csv")
    told = "no installed font has 1 letter of the names (\U00011280)"
    for name, expected in (("a.png", True), ("a.svg", False)):
        done = command("show", tmp_path / "rows.csv", "--out", tmp_path / name)
        assert done.status == 0 and (told in " ".join(done.messages.split())) == expected, done.messages
