"""The scripts of docs/gallery: the quick ones run here; `make docs` runs all."""

import ast
import runpy

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from conftest import ROOT

SCRIPTS = sorted((ROOT / "docs" / "gallery").glob("plot_*.py"))
QUICK = ("plot_03_own_block",)


def test_there_are_ten():
    assert len(SCRIPTS) == 10


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_has_a_title_sentences_and_a_picture(script):
    text = script.read_text()
    title, line, *rest = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    assert title and line == "=" * len(title) and "".join(rest).strip()
    assert text.count("\n# %%\n") >= 3
    assert "plt.subplots" in text
    assert "FUSIONSER_GALLERY_CORPUS" in text


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_script_runs_and_draws(name, monkeypatch):
    monkeypatch.delenv("FUSIONSER_GALLERY_CORPUS", raising=False)
    monkeypatch.setattr(plt, "show", lambda: None)
    with mpl.rc_context({"backend": "agg"}):
        plt.close("all")
        runpy.run_path(str(ROOT / "docs" / "gallery" / f"{name}.py"))
        figures = [plt.figure(number) for number in plt.get_fignums()]
        plt.close("all")
    assert figures and all(figure.axes and figure.axes[0].has_data() for figure in figures)
