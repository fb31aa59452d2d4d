"""A model that runs in the visitor's browser, in a real Chromium, from the folder that ``export --web`` writes."""

import base64
import functools
import http.server
import json
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr
from browser import browsers

from fusionser.decoding import decode
from fusionser.errors import ExportError
from fusionser.export import export_web
from fusionser.export.web import RUNTIME_FILES, runtime_files
from fusionser.features.recording import Recording
from fusionser.jobs import fit
from fusionser.model import load_model
from fusionser.spec import PipelineSpec
from fusionser.timeline import predict_timeline
from fusionser.timeline.speech import speech_frames


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """ONNX Runtime Web, from the registry of npm."""
    try:
        files = runtime_files()
    except ExportError as error:
        pytest.skip(f"ONNX Runtime Web is not at hand: {error}")
    folder = tmp_path_factory.mktemp("runtime")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def served(folder):
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def site_folder(saved, runtime, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    card = export_web(load_model(saved["bilstm"]), folder, runtime=runtime)
    assert card.whole
    return folder


@pytest.fixture(scope="module")
def site(site_folder):
    """The address of the exported page."""
    with served(site_folder) as address:
        yield address


@pytest.fixture(scope="module")
def talk(demo_rows, tmp_path_factory):
    talk = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(talk, np.concatenate([soundfile.read(file)[0] for file in demo_rows["file"][:8]]), 16000)
    return talk


@pytest.fixture(scope="module")
def browser_page(talk):
    """Open a page in a browser with a microphone that plays a recording."""
    microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with browsers([*microphone, f"--use-file-for-fake-audio-capture={talk}"]) as (browser,):
        yield functools.partial(_opened, browser)


def _opened(browser, address):
    page = browser.new_context(permissions=["microphone"]).new_page()
    page.asked, page.problems = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.goto(address)
    until(page, "document.querySelectorAll('#bars li').length > 0")
    return page


@pytest.fixture(scope="module")
def page(browser_page, site):
    return browser_page(site)


ASKED = """async given => {
  const service = await import("/page/service.js");
  await service.model();
  return service.answer(Float32Array.from(given), 22050);
}"""


def until(page, condition):
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition}: {page.inner_text('body')}")


def test_the_browser_has_the_numbers_of_the_model(page, saved, demo_rows):
    model = load_model(saved["bilstm"])
    names = [f"probability_{name}" for name in model.card.classes]
    for file in demo_rows["file"][::60]:
        samples = soxr.resample(soundfile.read(file, dtype="float32")[0], 16000, 22050).astype(np.float32)
        found = page.evaluate(
            ASKED,
            samples.tolist(),
        )
        assert found["probabilities"] == pytest.approx(
            model.predict([(samples, 22050)])[names].iloc[0].tolist(), abs=1e-3
        )


def _disturbed(samples):
    """A recording as it is, quiet, clipped, in noise, by telephone, with a hum, with digital silence; and no speech."""
    random = np.random.default_rng(0)
    noise = random.normal(size=samples.size).astype(np.float32)
    times = np.arange(samples.size, dtype=np.float32) / 22050
    yield from (samples, samples / 300, np.clip(20 * samples, -0.5, 0.5), samples + 0.05 * noise)
    yield soxr.resample(soxr.resample(samples, 22050, 8000), 8000, 22050)
    yield samples + 0.02 * np.sin(2 * np.pi * 50 * times, dtype=np.float32)
    yield np.concatenate([np.zeros(11025, dtype=np.float32), samples])
    yield samples[:4000]
    yield from (0.1 * noise, 0.1 * np.sin(2 * np.pi * 200 * times, dtype=np.float32), np.zeros(22050, dtype=np.float32))


def test_the_browser_hears_speech_and_unlikeness_as_the_model_does(page, saved, demo_rows):
    model = load_model(saved["bilstm"])
    samples = soxr.resample(soundfile.read(demo_rows["file"][0], dtype="float32")[0], 16000, 22050)
    spoken = 0
    for clip in map(np.float32, _disturbed(samples.astype(np.float32))):
        found = page.evaluate(ASKED, clip.tolist())
        share = speech_frames(clip, 22050).speech.mean()
        assert found["speech"] == pytest.approx(share, abs=1e-3)
        if share < 0.1:
            assert found["probabilities"] is None and found["unlikeness"] is None
            continue
        spoken += 1
        expected = model.predict([(clip, 22050)])["unlikeness"].iloc[0]
        # Behind digital silence, only the echo of the filter that changes the rate is left, and filters differ.
        assert found["unlikeness"] == pytest.approx(expected, abs=1e-3 if clip.any() and clip[0] else 2e-3)
    assert spoken >= 7


def test_the_browser_describes_a_recording_by_the_columns_of_the_block(page, demo_rows):
    """At 16 kHz without resampling, so that nothing but the description is compared."""
    samples = soundfile.read(demo_rows["file"][0], dtype="float32")[0]
    for clip in map(np.float32, _disturbed(samples)):
        if np.ptp(clip) < 1e-3:
            continue
        expected = Recording().transform([clip], sampling_rate=16000)[0]
        found = page.evaluate(
            "async given => (await import('/page/recording.js')).describe(Float32Array.from(given), 16000)",
            clip.tolist(),
        )
        assert found == pytest.approx(expected.tolist(), abs=2e-3), dict(zip(Recording().names(), found, strict=True))


def test_a_model_that_cannot_tell_unlikeness_says_so(saved, runtime, tmp_path):
    export_web(replace(load_model(saved["bilstm"]), unlikeness=None), tmp_path, runtime=runtime)
    assert json.loads((tmp_path / "page" / "model.json").read_text())["tells_unlikeness"] is False
    assert (tmp_path / "page" / "training.json").read_text() == "null"


def test_windows_are_those_of_the_library(page):
    from fusionser.timeline.windows import WindowCutter, WindowSettings

    for count in (300, 800, 1000, 1234, 2600):
        samples = np.arange(1, count + 1, dtype=np.float32)
        cutter = WindowCutter(100, WindowSettings(3.0, 0.5))
        expected = [(one.start, one.end) for one in [*cutter.feed(samples), *cutter.finish()]]
        found = page.evaluate(
            """async count => {
              const { cut } = await import("/page/windows.js");
              const cutter = cut(100, 3, 0.5), windows = [];
              const samples = Float32Array.from({ length: count }, (_, place) => place + 1);
              for (let start = 0; start < count; start += 70)
                windows.push(...cutter.feed(samples.slice(start, start + 70)));
              windows.push(...cutter.finish());
              return windows.map((one) => [one.start * 100, one.end * 100, one.samples[0], one.samples.length]);
            }""",
            count,
        )
        assert [(round(start), round(end)) for start, end, _, _ in found] == expected
        assert [(first, size) for _, _, first, size in found] == [(start + 1, end - start) for start, end in expected]


def test_the_microphone_is_answered_and_nothing_is_sent(page, site, talk):
    page.click("#listen")
    until(page, "document.querySelectorAll('#rows tr').length >= 2")
    page.click("#listen")
    assert "do not leave this computer" in page.inner_text("#privacy")
    page.set_input_files("#file", talk)
    until(page, "!document.getElementById('player').hidden")
    assert page.inner_text("#emotion")
    assert page.problems == []
    assert all(url.startswith((site, f"blob:{site}", "data:")) for url in page.asked)


def test_models_that_have_no_place_in_a_browser(demo_folder, runtime, tmp_path, command, saved):
    robust = fit(demo_folder, PipelineSpec(), corpus="demo", protocol=None)
    with pytest.raises(ExportError, match="has only the waveform: 'prosody' cannot be computed in a graph"):
        export_web(robust, tmp_path / "site", runtime=runtime)
    with pytest.raises(ExportError, match=f"expected the files {RUNTIME_FILES[0]}"):
        export_web(load_model(saved["svm"]), tmp_path / "site", runtime=tmp_path)
    assert not (tmp_path / "site").exists()
    done = command("export", saved["svm"], "--onnxruntime-web", runtime)
    assert "--onnxruntime-web has no effect without --web" in done.messages
    done = command("export", saved["svm"], "--web", tmp_path / "site", "--onnxruntime-web", runtime, "--json")
    assert json.loads(done.output)["whole"]
    assert (tmp_path / "site" / "index.html").exists()
    # The page can be written again, and no other page is replaced.
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "index.html").write_text("theirs")
    for folder, told in (("site", ""), ("theirs", "holds another page")):
        done = command("export", saved["svm"], "--web", tmp_path / folder, "--onnxruntime-web", runtime)
        assert (done.status, told in done.messages) == (1 if told else 0, True)
    assert (tmp_path / "theirs" / "index.html").read_text() == "theirs"


def test_a_long_recording_does_not_stop_the_page(page, tmp_path):
    """Windows are cut part by part: a piece of 20 minutes is not copied once for each of its windows."""
    copied = page.evaluate(
        """async () => {
          const { cut } = await import("/page/windows.js");
          const cutter = cut(100, 3, 0.5), slice = Float32Array.prototype.slice;
          let copied = 0;
          Float32Array.prototype.slice = function (...given) {
            const made = slice.apply(this, given);
            copied += made.length;
            return made;
          };
          const windows = cutter.feed(new Float32Array(120000)).length;
          Float32Array.prototype.slice = slice;
          return [windows, copied];
        }"""
    )
    assert copied[0] == 2395 and copied[1] < 2 * 2395 * 300


@pytest.fixture(scope="module")
def model_without_chroma(demo_folder):
    """The tuning of chroma is the most frequent of a hundred, which the least difference can change."""
    spec = PipelineSpec(features={"blocks": ["mfcc", "mel", "rms", "zcr"]}, classifier={"name": "svm"})
    return fit(demo_folder, spec, corpus="demo", protocol=None)


@pytest.fixture(scope="module")
def page_without_chroma(model_without_chroma, runtime, browser_page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("without")
    export_web(model_without_chroma, folder, runtime=runtime)
    with served(folder) as address:
        yield browser_page(address)


def test_recordings_of_any_rate_have_the_answers_of_the_model(
    page_without_chroma, model_without_chroma, demo_rows, tmp_path
):
    page, model = page_without_chroma, model_without_chroma
    names = [f"probability_{name}" for name in model.card.classes]
    samples = np.concatenate([soundfile.read(file, dtype="float32")[0] for file in demo_rows["file"][:4]])
    for rate in (8000, 16000, 44100, 48000):
        stereo = np.stack([soxr.resample(samples, 16000, rate)] * 2, axis=1)
        for suffix in ("wav", "flac"):
            soundfile.write(tmp_path / f"clip.{suffix}", stereo, rate)
            expected = predict_timeline(str(tmp_path / f"clip.{suffix}"), model).windows
            content = base64.b64encode((tmp_path / f"clip.{suffix}").read_bytes()).decode()
            found = page.evaluate(
                """async content => {
                  const service = await import("/page/service.js");
                  await service.model();
                  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                  return service.timeline(new Blob([bytes]), () => true);
                }""",
                content,
            )["windows"]
            assert [one["emotion"] for one in found] == expected["emotion"].tolist()
            for one, own in zip(found, expected.to_dict("records"), strict=True):
                assert one["speech"] == pytest.approx(own["speech"], abs=1e-3)
                if one["probabilities"]:
                    assert list(one["probabilities"].values()) == pytest.approx([own[name] for name in names], abs=2e-3)
                    assert one["unlikeness"] == pytest.approx(own["unlikeness"], abs=1e-3)


def test_samples_that_are_no_numbers_are_told(page):
    told = page.evaluate(
        """async () => {
          const service = await import("/page/service.js");
          await service.model();
          return service.answer(Float32Array.from([0, NaN, 1]), 22050).catch((problem) => problem.message);
        }"""
    )
    assert "samples that are no numbers" in told


def test_a_class_may_have_the_name_of_what_objects_inherit(browser_page, site_folder, demo_rows, tmp_path):
    odd = tmp_path / "odd"
    shutil.copytree(site_folder, odd)
    described = json.loads((odd / "page" / "model.json").read_text())
    described["card"]["classes"][:2] = ["__proto__", "constructor"]
    (odd / "page" / "model.json").write_text(json.dumps(described))
    with served(odd) as address:
        page = browser_page(address)
        page.set_input_files("#file", demo_rows["file"][0])
        until(page, "!document.getElementById('player').hidden")
        assert page.is_hidden("#problem") and page.problems == []
        assert page.inner_text("#measure") == "Share of the windows with speech"


def test_rates_are_read_from_the_header(page, tmp_path):
    samples = 0.1 * np.sin(np.arange(48000) * 0.05)
    formats = {"wav": (8000, 44100), "flac": (11025, 96000), "ogg": (22050, 48000), "mp3": (16000, 32000, 44100)}
    for suffix, rates in formats.items():
        for rate in rates:
            soundfile.write(tmp_path / f"a.{suffix}", samples, rate)
            found = page.evaluate(
                """async content => (await import("/page/file_rate.js")).fileRates(Uint8Array.from(content).buffer)""",
                list((tmp_path / f"a.{suffix}").read_bytes()),
            )
            assert found == {"decoded": rate, "recorded": rate}
    soundfile.write(tmp_path / "a.opus", samples, 16000, format="OGG", subtype="OPUS")
    content = list((tmp_path / "a.opus").read_bytes())
    opus = page.evaluate(
        "async content => (await import('/page/file_rate.js')).fileRates(Uint8Array.from(content).buffer)", content
    )
    assert opus == {"decoded": 48000, "recorded": 16000} and decode(tmp_path / "a.opus")[1] == 16000


def test_a_program_that_cannot_be_loaded_is_told(browser_page, site_folder, demo_rows, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(site_folder, broken)
    (broken / "page" / "ort.wasm.min.js").unlink()
    with served(broken) as address:
        page = browser_page(address)
        page.wait_for_timeout(1000)
        page.set_input_files("#file", demo_rows["file"][0])
        until(page, "!document.getElementById('problem').hidden")
        assert "The model cannot run in this browser" in page.inner_text("#problem")
