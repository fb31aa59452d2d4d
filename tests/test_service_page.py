"""The page of a service, in a real Chromium with a microphone that plays a file."""

import numpy as np
import pytest
import soundfile
from browser import browsers
from running_server import Server

from fusionser.model import load_model
from fusionser.reporting.timeline import COLOURS
from fusionser.timeline import predict_timeline


@pytest.fixture(scope="module")
def talk(demo_rows, tmp_path_factory):
    """A recording of ten seconds."""
    samples = np.concatenate([soundfile.read(file, dtype="float32")[0] for file in demo_rows["file"][:9]])
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.resize(samples, 160000), 16000)
    return path


@pytest.fixture(scope="module")
def server(saved):
    started = Server(saved["svm"], "--workers", 1)
    yield started
    started.stop()


@pytest.fixture(scope="module", name="browsers")
def with_and_without_microphone(talk):
    """Start Chromium, with or without the right to the microphone."""
    plain = ["--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"]
    heard = [*plain, "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={talk}"]
    with browsers(heard, plain) as (one, other):
        yield {"heard": one, "denied": other}


def opened(browser, server, **options):
    """Open the page; collect what goes wrong, and what is asked of others."""
    page = browser.new_context(viewport={"width": 1100, "height": 1200}, **options).new_page()
    page.problems, page.asked = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.goto(server.url)
    until(page, "document.querySelectorAll('#bars li').length > 0")
    return page


def until(page, condition, seconds=30):
    for _ in range(seconds * 20):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition}: {page.inner_text('body')}")


def drawn(page, canvas):
    """Return how many colours a picture has."""
    return page.evaluate(
        """name => {
          const picture = document.getElementById(name);
          const pixels = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height).data;
          const colours = new Set();
          for (let place = 0; place < pixels.length; place += 4)
            colours.add(`${pixels[place]},${pixels[place + 1]},${pixels[place + 2]},${pixels[place + 3]}`);
          return colours.size;
        }""",
        canvas,
    )


def test_the_microphone_is_answered_while_it_speaks(browsers, server, saved):
    page = opened(browsers["heard"], server, permissions=["microphone"])
    classes = load_model(saved["svm"]).card.classes
    assert [item.split()[0] for item in page.locator("#bars li").all_inner_texts()] == list(classes)
    page.click("#listen")
    until(page, "document.querySelectorAll('#rows tr').length >= 3")
    assert page.inner_text("#listen") == "Stop"
    assert page.inner_text("#emotion") in (*classes, "no speech")
    assert page.evaluate("document.getElementById('level').value") > -60
    assert all(drawn(page, name) > 5 for name in ("probabilities", "waveform", "spectrogram"))
    page.click("#listen")
    until(page, "document.getElementById('listen').textContent === 'Listen'")
    count = page.locator("#rows tr").count()
    page.wait_for_timeout(1500)
    assert page.locator("#rows tr").count() <= count + 1
    assert page.is_hidden("#problem")
    assert page.problems == []
    assert all(url.startswith((server.url, "data:")) for url in page.asked)


def test_a_recording_has_the_answers_of_the_model(browsers, server, saved, talk):
    page = opened(browsers["heard"], server)
    page.set_input_files("#file", talk)
    until(page, "!document.getElementById('player').hidden")
    expected = predict_timeline(talk, load_model(saved["svm"]))
    page.locator("details").evaluate("one => { one.open = true; }")
    found = [row.split("\t")[2] for row in page.locator("#rows tr").all_inner_texts()]
    assert found == expected.windows["emotion"].tolist()
    # An SVM's answer is not always the class with the highest probability.
    shown = [row.split("\t")[3].strip() for row in page.locator("#rows tr").all_inner_texts()]
    assert shown == [f"{100 * share:.0f}\N{NO-BREAK SPACE}%" for share in expected.windows["probability"]]
    assert page.inner_text("#emotion") == expected.summary["emotion"][0]
    samples = page.locator("#legend canvas").evaluate_all(
        "all => all.map(one => new Set(one.getContext('2d').getImageData(0, 0, one.width, one.height).data).size)"
    )
    assert len(samples) == len(expected.windows.filter(like="probability_").columns)
    assert min(samples) > 1
    page.evaluate("document.getElementById('player').play()")
    until(page, "document.getElementById('player').currentTime > 1")
    assert page.problems == []


def test_the_bars_are_the_shares_of_the_speech(browsers, server, saved, talk):
    page = opened(browsers["heard"], server)
    page.set_input_files("#file", talk)
    until(page, "!document.getElementById('player').hidden")
    model = load_model(saved["svm"])
    shares = predict_timeline(talk, model).summary.set_index("emotion")["share"]
    found = [item.split()[1:2] for item in page.locator("#bars li").all_inner_texts()]
    assert [int(one[0]) for one in found] == [round(100 * shares.get(name, 0.0)) for name in model.card.classes]


def test_the_recording_that_was_opened_last_is_shown(browsers, server, tmp_path, talk):
    page = opened(browsers["heard"], server)
    short = tmp_path / "short.wav"
    samples, rate = soundfile.read(talk)
    soundfile.write(short, samples[: 2 * rate], rate)
    page.evaluate(
        """() => {
          const ask = window.fetch;
          let first = true;
          window.fetch = async (...given) => {
            const answer = await ask(...given);
            if (first && given[0] === "/predict/timeline") {
              first = false;
              await new Promise((go) => setTimeout(go, 3000));
              window.late = true;
            }
            return answer;
          };
        }"""
    )
    page.set_input_files("#file", talk)
    page.set_input_files("#file", short)
    until(page, "window.late === true")
    page.wait_for_timeout(500)
    assert page.locator("#rows tr").count() == 1
    assert page.inner_text("#sure").startswith("short.wav, 2.0 s: ")


def test_an_example_can_be_chosen_with_the_keyboard(browsers, server):
    page = opened(browsers["heard"], server, color_scheme="dark")
    page.focus("#example")
    page.keyboard.press("ArrowDown")
    until(page, "document.querySelectorAll('#rows tr').length > 0")
    assert page.inner_text("#emotion")
    for control in ("#listen", "#file", "#example"):
        page.focus(control)
        assert page.evaluate("document.activeElement.id") == control[1:]


def test_what_cannot_be_heard_is_told(browsers, server, tmp_path):
    page = opened(browsers["denied"], server)
    page.click("#listen")
    until(page, "!document.getElementById('problem').hidden")
    assert "The microphone is not allowed" in page.inner_text("#problem")
    (tmp_path / "notes.txt").write_text("no audio")
    page.set_input_files("#file", tmp_path / "notes.txt")
    until(page, "document.getElementById('problem').textContent.includes('not readable as audio')")
    assert page.inner_text("#emotion") == "No answer"
    (tmp_path / "empty.wav").write_bytes(b"")
    page.set_input_files("#file", tmp_path / "empty.wav")
    until(page, "document.getElementById('problem').textContent.includes('This file is empty')")
    assert page.inner_text("#emotion") == "No answer"


def test_the_phone_needs_no_sideways_scrolling(browsers, server):
    context = browsers["heard"].new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto(server.url)
    until(page, "document.querySelectorAll('#bars li').length > 0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_key_is_asked_for(browsers, saved):
    server = Server(saved["svm"], "--workers", 1, FUSIONSER_API_KEY="secret")
    try:
        page = browsers["heard"].new_context(permissions=["microphone"]).new_page()
        page.goto(server.url)
        until(page, "!document.getElementById('keyline').hidden")
        page.fill("#key", "secret")
        page.keyboard.press("Enter")
        page.evaluate("document.activeElement.blur()")
        until(page, "document.querySelectorAll('#bars li').length > 0")
        page.click("#listen")
        until(page, "document.querySelectorAll('#rows tr').length >= 1")
    finally:
        server.stop()


def test_a_class_has_the_colour_that_it_has_in_time_lines(browsers, server):
    page = opened(browsers["heard"], server)
    found = page.evaluate(
        "async () => { const { colour } = await import('/page/draw.js'); return [...Array(9).keys()].map(colour); }"
    )
    assert tuple(found) == COLOURS


def test_a_recording_that_is_opened_while_it_listens_is_alone(browsers, server, saved, tmp_path, talk):
    samples, rate = soundfile.read(talk)
    soundfile.write(tmp_path / "short.wav", samples[: 2 * rate], rate)
    expected = predict_timeline(str(tmp_path / "short.wav"), load_model(saved["svm"]))
    page = opened(browsers["heard"], server)
    page.click("#listen")
    until(page, "document.querySelectorAll('#rows tr').length >= 2")
    page.set_input_files("#file", tmp_path / "short.wav")
    until(page, "!document.getElementById('player').hidden")
    page.wait_for_timeout(1500)
    assert page.locator("#rows tr").count() == len(expected.windows)
    assert page.inner_text("#emotion") == expected.summary["emotion"][0]
    assert page.inner_text("#sure").startswith("short.wav, 2.0 s: ")
    assert page.inner_text("#measure") == "Share of the speech"


def test_what_plays_ends_with_the_next_recording(browsers, server, talk, tmp_path):
    (tmp_path / "rubbish.wav").write_bytes(b"rubbish")
    page = opened(browsers["heard"], server)
    for following in ("listen", "rubbish"):
        page.set_input_files("#file", talk)
        until(page, "!document.getElementById('player').hidden")
        page.evaluate("document.getElementById('player').play()")
        until(page, "document.getElementById('player').currentTime > 0.2")
        if following == "listen":
            page.click("#listen")
        else:
            page.set_input_files("#file", tmp_path / "rubbish.wav")
        until(page, "document.getElementById('player').hidden")
        assert page.evaluate("document.getElementById('player').paused")
