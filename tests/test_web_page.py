"""Reports as HTML: one file, with the same content as the page in Markdown, which reads well on any screen."""

import base64
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
from browser import browsers
from matplotlib.image import imsave

from fusionser.reporting.misclassified import heard_in, most_misclassified, players
from fusionser.reporting.web_page import LONG, SHOWN_ROWS, page_of_markdown, web_page

PAGE = """# svm on mine

57.1 % & more.

- Two points.

![A picture](p.png) ![Another](p.png)

## Scores

| what | change | note |
|---|---|---|
| a | -0.5 | x-1 |
| b | +1.2 | -2 |

## How it was measured

| | |
|---|---|
| protocol | speaker-kfold |

## Scores

The end.
"""


@pytest.fixture
def page(tmp_path):
    imsave(tmp_path / "p.png", np.zeros((2, 2, 3)))
    return page_of_markdown(PAGE, tmp_path, added="<h2>Heard</h2>")


def test_what_comes_first_is_the_answer(page):
    (answer,) = re.findall(r'<div class="answer">(.*?)</div>', page, re.DOTALL)
    assert re.sub(r"<[^>]+>|\s", "", answer) == "57.1%&amp;more.Twopoints."
    assert "<title>svm on mine</title>" in page


def test_all_is_in_one_file(page, tmp_path):
    picture = base64.b64encode((tmp_path / "p.png").read_bytes()).decode()
    assert page.count(f'src="data:image/png;base64,{picture}"') == 2
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_headings_have_anchors_of_their_own(page):
    assert re.findall(r'<li><a href="#([^"]+)">([^<]+)</a>', page) == [
        ("scores", "Scores"),
        ("heard", "Heard"),
        ("how-it-was-measured", "How it was measured"),
        ("scores-2", "Scores"),
    ]
    for name in ("scores", "scores-2", "heard"):
        assert page.count(f'id="{name}"') == 1


def test_numbers_are_aligned_and_have_minus_signs(page):
    assert "<td class=number>\u22120.5</td>" in page and "<td class=number>+1.2</td>" in page
    # One cell of this column is a text.
    assert "<td>x-1</td>" in page and "<td>-2</td>" in page
    assert '<table class="settings">' in page


@pytest.mark.parametrize(("rows", "folded"), [(LONG - 1, False), (LONG, True)])
def test_long_tables_show_their_first_rows(rows, folded, tmp_path):
    table = "\n".join(f"| {place} | 1 |" for place in range(rows))
    page = page_of_markdown(f"# t\n\n| n | m |\n|---|---|\n{table}\n", tmp_path)
    assert ("show all" in page) is folded
    assert not folded or f"{SHOWN_ROWS} of {rows} rows" in page


def test_what_others_named_is_text(tmp_path):
    page = page_of_markdown("# a <script>x</script>\n\n<b>bold</b>\n\n## <i>h</i>\n\n![x](../secret.png)\n", tmp_path)
    assert "<b>" not in page and "<i>" not in page and page.count("<script>") == 1
    assert "&lt;script&gt;" in page and 'src="../secret.png"' in page


def test_the_surest_wrong_answers_of_different_pairs_come_first():
    table = pd.DataFrame(
        {
            "truth": ["a", "a", "b", "a", "b"],
            "predicted": ["b", "b", "a", "a", "c"],
            "probability_a": [0.3, 0.1, 0.6, 1.0, 0.0],
            "probability_b": [0.7, 0.9, 0.4, 0.0, 0.5],
            "probability_c": [0.0, 0.0, 0.0, 0.0, 0.5],
        }
    )
    assert most_misclassified(table, 10).index.tolist() == [1, 2, 4, 0]
    assert most_misclassified(table, 2).index.tolist() == [1, 2]


def test_players_need_a_report(command, tmp_path):
    told = command("evaluate", tmp_path, "--players", 3)
    assert told.status == 1 and "--players has no effect without --out" in told.messages


def test_players_have_the_sound_of_what_is_there(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    soundfile.write(tmp_path / "tone.wav", tone, 16000)
    rows = {"start": 0.0, "end": 0.5, "truth": "a", "predicted": "<b>"}
    table = pd.DataFrame([{"file": str(tmp_path / name), **rows} for name in ("tone.wav", "none.wav")])
    section = players(table, 5)
    (sound,) = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', section)
    (tmp_path / "heard.mp3").write_bytes(base64.b64decode(sound))
    heard, rate = soundfile.read(tmp_path / "heard.mp3")
    assert rate == 16000 and np.abs(np.fft.rfft(heard)).argmax() * rate / len(heard) == pytest.approx(440, abs=3)
    assert "<strong>&lt;b&gt;</strong>" in section
    assert players(table.iloc[1:], 5) == ""
    page = tmp_path / "page.html"
    page.write_text(web_page("t", section), encoding="utf-8")
    assert heard_in(page) == 1


@pytest.fixture(scope="module")
def report(command, demo_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    options = ["--corpus", "demo", "--blocks", "zcr,rms", "--classifier", "svm", "--folds", 2, "--players", 3]
    done = command("evaluate", demo_folder, *options, "--out", out)
    assert done.status == 0, done.messages
    assert (
        f"report: {out}/report.html" in done.output and "contains 3 recordings that were misclassified" in done.messages
    )
    return out / "report.html"


def test_reports_in_a_browser(report):
    with browsers([]) as (browser,):
        for width, scheme in ((1400, "light"), (390, "dark")):
            page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
            problems, asked = [], []
            page.on("pageerror", lambda error, problems=problems: problems.append(str(error)))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(report.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 100)")
            page.evaluate("document.querySelector('audio').load()")
            page.wait_for_function("document.querySelector('audio').duration > 0.5")
            recall = "#by-class ~ div table tbody tr td:nth-child(3)"
            page.locator("#by-class ~ div table thead th:nth-child(3) button").first.click()
            shown = [float(text) for text in page.locator(recall).all_inner_texts()[:5]]
            assert shown == sorted(shown) and len(set(shown)) > 1
            assert problems == [] and all(url.startswith(("file:", "data:")) for url in asked)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
                "rgb(20, 24, 29)" if scheme == "dark" else "rgb(255, 255, 255)"
            )
