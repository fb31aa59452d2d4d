"""Tables and figures of reports as files: LaTeX that compiles, exact numbers as CSV, PDF and SVG with texts as text."""

import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from made_results import made

from fusionser.errors import SettingsError
from fusionser.registry import TABLE_FORMATS
from fusionser.reporting.formats import Formats, write_tables
from fusionser.reporting.page import StudyText, study_tables
from fusionser.reporting.tables import Cell, Column, Row, Table
from fusionser.reporting.tables.latex import LATEX, escape_latex
from fusionser.reporting.tables.result import result_tables
from fusionser.results import read_result

HOSTILE = r"\input{x} $a_b$ ^~#%&{}<>|`\"[]"


def table_of(rows, **more):
    columns = [Column(name="name"), Column(name="UAR", measure="uar", interval="interval")]
    return Table(name="t", report="r", caption="c", columns=columns, rows=rows, **more)


def compiles(folder, *files):
    """Let LaTeX set tables; without it, only their structure is checked."""
    for file in files:
        text = file.read_text()
        assert text.count(r"\begin{") == text.count(r"\end{") >= 1
        rows = [line for line in text.splitlines() if line.endswith(r"\\") and " & " in line]
        # Of every row, separators that are not escaped.
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in rows}) == 1
    if shutil.which("pdflatex") is None:
        return
    inputs = "".join(rf"\input{{{file.resolve()}}}\clearpage " for file in files)
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs,longtable}"
    (folder / "all.tex").write_text(rf"\documentclass{{article}}{packages}\begin{{document}}{inputs}\end{{document}}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.fixture(scope="module")
def report(command, demo_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "out"
    options = ["--corpus", "demo", "--blocks", "mfcc", "--folds", 2, "--importance", "blocks", "--out", out]
    done = command("evaluate", demo_folder, *options, "--tables", "latex,csv", "--figures", "pdf,svg")
    assert done.status == 0, done.messages
    return out


def test_every_table_of_an_evaluation_becomes_files(report, tmp_path):
    result = read_result(report / "result.json")
    names = set(result_tables(result))
    assert names >= {"scores", "by-class", "by-fold", "by-speaker", "confusion", "importance"}
    files = {path.name for path in (report / "tables").iterdir()} - {"index.json"}
    assert files == {f"{name}{suffix}" for name in names for suffix in (".tex", ".csv")}
    text = (report / "tables" / "by-class.tex").read_text()
    assert all(part in text for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:", "speaker-kfold"))
    assert "SYNTHETIC RECORDINGS" in text
    compiles(tmp_path, *sorted((report / "tables").glob("*.tex")))


def test_a_csv_file_has_the_exact_numbers_and_what_they_rest_on(report):
    result = read_result(report / "result.json")
    scores = pd.read_csv(report / "tables" / "scores.csv").set_index("score")
    assert scores.loc["UAR", "value"] == result.pooled.uar
    assert tuple(scores.loc["UAR", ["low", "high"]]) == result.intervals["uar"]
    assert set(scores["setting"]) == {"inductive"} and set(scores["corpora"]) == {"demo"}
    assert "statements shared" in scores["stamps"].iloc[0]
    classes = pd.read_csv(report / "tables" / "by-class.csv")
    found = classes[classes["measure"] == "recall"].set_index("emotion")["value"].to_dict()
    assert found == {name: one.recall for name, one in result.per_class.items()}
    confusion = pd.read_csv(report / "tables" / "confusion.csv")["value"]
    assert confusion.to_numpy().reshape(len(result.classes), -1).tolist() == result.confusion


def test_figures_keep_their_texts(report):
    for name in ("confusion", "speakers"):
        svg = (report / f"{name}.svg").read_text()
        assert "<text" in svg and "angry</text>" in svg if name == "confusion" else "pooled" in svg
        pdf = (report / f"{name}.pdf").read_bytes()
        # A font that is embedded as TrueType, and not as outlines of single letters.
        assert pdf.startswith(b"%PDF") and b"/FontFile2" in pdf and b"/Type3" not in pdf


def test_a_report_is_written_again_and_leaves_nothing_that_was_not_asked_for(command, report, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(report, copy)
    (copy / "tables" / "mine.tex").write_text("kept")
    assert command("report", copy, "--tables", "csv", "--figures", "svg").status == 0
    assert {path.suffix for path in (copy / "tables").iterdir()} == {".csv", ".json", ".tex"}
    assert [path.name for path in (copy / "tables").glob("*.tex")] == ["mine.tex"]
    assert not list(copy.glob("*.pdf"))
    for name in ("report.md", "confusion.svg", "confusion.png", "tables/scores.csv"):
        assert (copy / name).read_bytes() == (report / name).read_bytes()
    assert command("report", copy).status == 0
    assert [path.name for path in (copy / "tables").iterdir()] == ["mine.tex"]


@pytest.mark.parametrize("name", ["gender", "stress/default", "timeline/emodb-2s", "reproduction", "ser-fusionnet"])
def test_committed_reports_become_tables_of_latex_without_numbers_that_are_none(command, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "reports" / name, copy)
    assert command("report", copy, "--tables", "latex,csv").status == 0
    compiles(tmp_path, *sorted((copy / "tables").glob("*.tex")))
    for path in (copy / "tables").glob("*.csv"):
        with path.open(newline="") as stream:
            cells = {cell.lower() for line in csv.reader(stream) for cell in line}
        assert not cells & {"nan", "inf", "-inf", "none"}, path


def test_names_of_others_are_printed_by_latex_and_not_run(tmp_path):
    rows = [Row([HOSTILE, Cell("-1.0", -0.01, (-0.02, 0.0), "-2.0 to 0.0")])] * 50
    (tmp_path / "long.tex").write_text(LATEX.text(table_of(rows, notes=[HOSTILE] * 50)))
    (tmp_path / "short.tex").write_text(LATEX.text(table_of(rows[:2], notes=[HOSTILE])))
    assert r"\input{" not in (tmp_path / "short.tex").read_text()
    assert r"$-$1.0 & $-$2.0 to 0.0 \\" in (tmp_path / "short.tex").read_text()
    compiles(tmp_path, tmp_path / "long.tex", tmp_path / "short.tex")
    assert escape_latex("a\nb --folds") == "a b -{}-folds"


def test_names_of_others_are_no_formulas_in_csv():
    text = TABLE_FORMATS["csv"].text(table_of([Row(["=1+1", Cell("-1.0", -0.01)])]))
    assert next(csv.DictReader(text.splitlines())) == {
        "table": "t", "name": "'=1+1", "measure": "uar", "value": "-0.01", "low": "", "high": "",
    }  # fmt: skip


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_cell_holds_what_is_no_number(value):
    with pytest.raises(ValueError, match="finite"):
        Cell("x", value)
    with pytest.raises(ValueError, match="finite"):
        Cell("x", 0.5, (0.1, value))


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="has 1 cells; expected 2"):
        table_of([Row(["a"])])


def test_unknown_formats_are_refused_before_the_work(command, demo_folder, tmp_path):
    common = ["evaluate", demo_folder, "--corpus", "demo"]
    done = command(*common, "--out", tmp_path / "out", "--tables", "latx")
    assert done.status == 1 and "unknown table format 'latx'; did you mean 'latex'?" in done.messages
    done = command(*common, "--out", tmp_path / "out", "--figures", "gif")
    assert done.status == 1 and "unknown figure format 'gif'. Known: pdf, svg" in done.messages
    done = command(*common, "--tables", "latx")
    assert done.status == 1 and "did you mean 'latex'?" in done.messages
    done = command(*common, "--tables", "csv")
    assert done.status == 1 and "it needs --out" in done.messages
    assert not (tmp_path / "out").exists()


def test_a_list_of_files_by_a_stranger_removes_nothing_elsewhere(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "mine").write_text("kept")
    files = ["../mine", "..", "", str(tmp_path / "mine")]
    (tmp_path / "tables" / "index.json").write_text(json.dumps({"files": files}))
    write_tables({}, tmp_path, [])
    assert (tmp_path / "mine").read_text() == "kept"


def test_a_program_may_add_a_format(monkeypatch, tmp_path):
    from fusionser.reporting.tables import TableFormat

    class Plain(TableFormat):
        """Tables of names alone, as a third party would add them."""

        name = "plain"
        suffix = ".txt"

        def text(self, table):
            return " ".join(table.headings())

    monkeypatch.setattr(TABLE_FORMATS, "_added", {})
    TABLE_FORMATS.register("plain", Plain())
    (path,) = write_tables({"t": table_of([])}, tmp_path, Formats(tables=["plain"]).tables)
    assert path.read_text() == "name UAR interval\n"
    with pytest.raises(SettingsError, match="unknown table format 'none'"):
        Formats(tables=["none"])


def test_tables_of_a_study_have_names_of_their_own():
    results = [made(("none", "none"), "svm", [0.5] * 24, protocol=name) for name in ("speaker-kfold", "random-kfold")]
    tables = study_tables(StudyText(title="T", question="Q?", command="x"), results).by_name()
    labels = ("01-demo-speaker-kfold-2-classes", "02-demo-random-kfold-2-classes")
    groups = [f"{label}{part}" for label in labels for part in ("", "-by-speaker")]
    assert list(tables) == [*groups, "best-by-class", "best-by-speaker"]
