"""Names that others chose neither become HTML, nor break tables, nor become formulas of a spreadsheet."""

import csv
import json
import re

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from fusionser.reporting.markdown import escape, plain
from fusionser.rows import check_rows, read_table, write_table
from fusionser.tables import load_table

HOSTILE = {
    "angry": "<script>alert(1)</script>",
    "happy": "happy | very\nhappy",
    "sad": "=HYPERLINK('http://x')",
    "fear": "[click](javascript:alert(1))",
    "neutral": "`code` \\ *",
}


@pytest.fixture(scope="module")
def hostile(demo_rows, tmp_path_factory):
    rows = demo_rows[["file", "emotion", "speaker"]].copy()
    rows["emotion"] = rows["emotion"].map(HOSTILE)
    rows["speaker"] = [f"=s|<i>{name}" for name in rows["speaker"]]
    path = tmp_path_factory.mktemp("hostile") / "rows.parquet"
    rows.to_parquet(path)
    return path


def is_safe(page):
    assert re.search(r"(?<!\\)<(script|i|b)>", page) is None
    # A link needs brackets that are not escaped.
    assert re.search(r"(?<!\\)\](\(|\[)\s*javascript", page) is None
    for table in re.findall(r"(?:^\|.*\n)+", page, flags=re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table


def test_pages_and_tables_of_an_evaluation(command, hostile, tmp_path):
    options = ["--blocks", "mfcc", "--classifier", "random-forest", "--folds", 2, "--out", tmp_path]
    assert command("evaluate", hostile, *options).status == 0
    page = (tmp_path / "report.md").read_text()
    is_safe(page)
    assert "&lt;script>alert(1)&lt;/script>" in page and r"happy \| very happy" in page
    for path in tmp_path.glob("*.csv"):
        with path.open(newline="") as stream:
            assert [cell for line in csv.reader(stream) for cell in line if cell.startswith("=")] == []


def test_the_card_of_a_model_and_its_answers(command, hostile, tmp_path):
    model = tmp_path / "m.fusionser"
    options = ["--blocks", "mfcc", "--classifier", "random-forest", "--protocol", "speaker-kfold", "--folds", 2]
    command("fit", hostile, *options, "--out", model)
    card = command("info", model).output
    is_safe(card)
    # In a terminal, names are as they are.
    assert "<script>" in plain(card) and "happy | very happy" in plain(card)
    done = command("predict", model, "--list", hostile, "--out", tmp_path / "answers.csv")
    assert done.status == 0, done.messages
    text = (tmp_path / "answers.csv").read_text()
    assert ",'=HYPERLINK" in text and ",=" not in text and "\n=" not in text
    again = load_table(tmp_path / "answers.csv")
    assert "probability_=HYPERLINK('http://x')" in again.columns
    assert set(again["truth"]) == set(HOSTILE.values())
    command("stress", model, hostile, "--conditions", "gain-plus-12-db", "--limit", 10, "--out", tmp_path / "stress")
    is_safe((tmp_path / "stress" / "report.md").read_text())


def test_the_page_of_edited_cells(command, demo_folder, tmp_path):
    options = ["--corpus", "demo", "--study", "blocks", "--blocks", "zcr,rms", "--folds", "2", "--classifier", "svm"]
    assert command("ablate", demo_folder, *options, "--out", tmp_path / "study").status == 0
    for cell in sorted((tmp_path / "study" / "cells").glob("*.json")):
        stored = json.loads(cell.read_text())
        stored["provenance"]["versions"]["soxr"] = stored["provenance"]["machine"] = "<script>alert(1)</script>"
        cell.write_text(json.dumps(stored))
    assert command("report", tmp_path / "study").status == 0
    is_safe((tmp_path / "study" / "report.md").read_text())


EMPHASISED = {
    "angry": "*star*",
    "happy": "$E=mc^2$",
    "sad": "~~gone~~",
    "fear": "_under_",
    "neutral": "a_b_c",
}


def test_emphasis_and_formulas_in_names_are_shown_as_letters(command, demo_rows, tmp_path):
    few = demo_rows["speaker"].str.endswith(("f1", "f2", "m1", "m2"))
    rows = demo_rows.loc[few, ["file", "emotion", "speaker"]].copy()
    rows["emotion"] = rows["emotion"].map(EMPHASISED)
    rows["speaker"] = ["_" + name[-2:] + "_" for name in rows["speaker"]]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    options = ["--blocks", "mfcc", "--classifier", "random-forest", "--folds", 2, "--out", tmp_path / "out"]
    assert command("evaluate", tmp_path / "rows.csv", *options).status == 0
    page = (tmp_path / "out" / "report.md").read_text()
    assert "\n| a_b_c |" in page
    # A viewer with formulas reads dollars that no backslash is before.
    assert re.search(r"(?<!\\)\$E", page) is None and "\n| \\$E=mc^2\\$ |" in page
    viewed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(page)
    assert "<s>" not in viewed and not re.search("<(em|strong)>(star|under)", viewed)
    for shown in (viewed, (tmp_path / "out" / "report.html").read_text()):
        for name in EMPHASISED.values():
            assert re.search(rf"<td[^>]*>{re.escape(name)}</td>", shown), name
        assert re.search("<td[^>]*>_f1_</td>", shown)
        text = re.sub("<(script|style).*?</(script|style)>", "", shown, flags=re.DOTALL)
        assert re.search(r"\\[*$~_]", text) is None


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("text", ["=1+1", "+49", "-x.wav", "@home", "'=quoted", "plain", "a=b", "'s"])
def test_tables_come_back_as_they_were(tmp_path, text, suffix):
    # A column whose name begins with @ would be one of arrays.
    column = text.replace("@", "x@")
    rows = check_rows(pd.DataFrame({"file": [str(tmp_path / text)], "emotion": [text], "end": [1.0], column: [text]}))
    write_table(rows, tmp_path / f"rows.{suffix}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"rows.{suffix}"), rows, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\x00\x1b[0mc", r"a  b  \[0mc"),
        ("R&B <3", "R&amp;B &lt;3"),
        ("sad_2 (very)", "sad_2 (very)"),
        ("x._y __z__ é_a", r"x.\_y \_\_z\_\_ é_a"),
    ],
)
def test_texts_are_shown_on_one_line(text, shown):
    assert escape(text) == shown
