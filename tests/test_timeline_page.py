"""The page of a time line, in a real Chromium: what it shows, where it goes when asked, and that it needs no more."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from browser import browsers

from fusionser.model import load_model
from fusionser.reporting.timeline import COLOURS, write_timeline
from fusionser.timeline import predict_timeline
from fusionser.timeline.segments import summary_of
from fusionser.timeline.sketch import Sketch


@pytest.fixture(scope="module")
def browser():
    with browsers(["--autoplay-policy=no-user-gesture-required"]) as (started,):
        yield started


@pytest.fixture(scope="module")
def written(demo_rows, saved, tmp_path_factory):
    """A time line of clips of two emotions, and its page."""
    rows = demo_rows[demo_rows["emotion"].isin(["angry", "sad"])].groupby("emotion").head(4)
    samples = np.concatenate([soundfile.read(file, dtype="float32")[0] for file in rows["file"]])
    file = tmp_path_factory.mktemp("page") / "talk.wav"
    soundfile.write(file, samples, 16000)
    sketch = Sketch()
    timeline = predict_timeline(file, load_model(saved["svm"]), windows=1.0, hop=0.25, listener=sketch)
    sketch.finish()
    made = [(0.0, 3.0, "angry", 0.91), (3.0, 6.5, "sad", 0.62), (7.5, 11.0, "angry", 0.77)]
    segments = pd.DataFrame(made, columns=["start", "end", "emotion", "probability"])
    timeline = replace(timeline, segments=segments, summary=summary_of(segments))
    return timeline, write_timeline(timeline, file.with_suffix(".html"), sketch=sketch, model="Model: svm")


def until(page, condition):
    """Wait for a condition. The page forbids what Playwright's own waiting does, to make code of text."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


@pytest.fixture
def shown(browser, written):
    """The page at the width of a desk; it may ask nobody for anything, and make no errors."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(written[1].as_uri())
    until(page, "document.getElementById('sound').readyState >= 1")
    yield page
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []
    context.close()


def said(segment):
    return f"{segment['emotion']}, {100 * segment['probability']:.0f} %"


def test_each_button_goes_to_its_segment(shown, written):
    segments = written[0].segments.to_dict("records")
    buttons = shown.locator("#segments button")
    assert buttons.count() == len(segments)
    for place, segment in enumerate(segments):
        buttons.nth(place).click()
        shown.evaluate("document.getElementById('sound').pause()")
        until(shown, f"document.getElementById('now').textContent === {said(segment)!r}")
        assert shown.locator("#segments tr.here").count() == 1
        assert shown.locator("#segments tr.here button").get_attribute("data-start") == f"{segment['start']:.3f}"
        assert shown.evaluate("document.getElementById('sound').currentTime") == pytest.approx(
            segment["start"], abs=0.3
        )


def test_the_sound_moves_the_cursor(shown, written):
    shown.evaluate("void document.getElementById('sound').play()")
    until(shown, "document.getElementById('sound').currentTime > 0.6")
    first = written[0].segments.iloc[0]
    shown.evaluate("document.getElementById('sound').pause()")
    assert shown.inner_text("#now") == said(first)
    seconds = shown.evaluate("document.getElementById('sound').duration")
    assert seconds == pytest.approx(written[0].seconds, abs=0.1)


def pixel(page, share, height):
    """The colour of the drawing at a share of its width, `height` pixels below its top."""
    return page.evaluate(
        """([share, height]) => {
            const canvas = document.getElementById("lanes"), ratio = canvas.width / canvas.clientWidth;
            const data = canvas.getContext("2d").getImageData(share * canvas.width, height * ratio, 1, 1).data;
            return "#" + [...data].slice(0, 3).map(one => one.toString(16).padStart(2, "0")).join("");
        }""",
        [share, height],
    )


def test_segments_are_drawn_where_they_are_and_in_their_colour(shown, written):
    timeline = written[0]
    colours = dict(zip(timeline.classes, COLOURS, strict=False))
    for segment in timeline.segments.to_dict("records"):
        # Below the middle of the lane there is no text.
        middle = (segment["start"] + segment["end"]) / 2 / timeline.seconds
        assert pixel(shown, middle, 3) == colours[segment["emotion"]]


def test_keys_move_and_zoom(shown, written):
    shown.locator("#lanes").focus()
    shown.keyboard.press("ArrowRight")
    step = written[0].seconds / 50
    until(shown, f"Math.abs(document.getElementById('sound').currentTime - {step}) < 0.1")
    before = [pixel(shown, share / 20, 3) for share in range(1, 20)]
    shown.keyboard.press("+")
    shown.keyboard.press("+")
    # A quarter of the recording fills the width, and so one segment more of it.
    assert [pixel(shown, share / 20, 3) for share in range(1, 20)] != before


def test_dark_and_on_a_phone(browser, written):
    colours = []
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        page.goto(written[1].as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    light, dark = ([int(part) for part in colour.strip("rgba()").split(",")[:3]] for colour in colours)
    assert min(light) > 200 and max(dark) < 60
