"""Tables in Markdown and HTML, for pages, and as CSV, for programs."""

import html

import pandas as pd

from fusionser.reporting.markdown import escape
from fusionser.reporting.tables.table import Table, TableFormat
from fusionser.tables import quoting_of, without_formulas

__all__ = ["CSV", "HTML", "MARKDOWN"]


class _Markdown(TableFormat):
    r"""Tables with bars between the columns, for pages in Markdown.

    Examples
    --------
    >>> from fusionser.reporting.tables import Column, Row, Table
    >>> columns = [Column(name="emotion"), Column(name="recall", measure="recall")]
    >>> table = Table(name="t", report="", caption="", columns=columns, rows=[Row(["happy|sad", "50.0"])])
    >>> print(MARKDOWN.text(table))
    | emotion | recall |
    |---|---|
    | happy\|sad | 50.0 |
    """

    name = "markdown"
    suffix = ".md"

    def text(self, table: Table) -> str:
        """Return the lines of the table."""
        headings = table.headings()
        return "\n".join([_line(headings), "|" + "---|" * len(headings), *map(_line, table.texts())])


def _line(cells: list[str]) -> str:
    return "|" + "".join(f" {escape(cell)} |" if cell else " |" for cell in cells)


class _HTML(TableFormat):
    """Tables of a web page, each with its caption.

    Examples
    --------
    >>> from fusionser.reporting.tables import Column, Row, Table
    >>> table = Table(name="t", report="", caption="a & b", columns=[Column(name="emotion")], rows=[Row(["<b>"])])
    >>> print(HTML.text(table))
    <table class="sorted"><caption>a &amp; b</caption>
    <thead><tr><th scope="col">emotion</th></tr></thead>
    <tbody><tr><td>&lt;b&gt;</td></tr>
    </tbody></table>
    """

    name = "html"
    suffix = ".html"

    def text(self, table: Table) -> str:
        """Return the element; columns of texts at its beginning are words, which are aligned left."""
        words = " words" if table.numeric()[:2] == [False, False] else ""
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.headings())
        body = "".join(f"<tr>{''.join(map(_cell, texts))}</tr>\n" for texts in table.texts())
        caption = f"<caption>{html.escape(table.caption)}</caption>"
        return f'<table class="sorted{words}">{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'


def _cell(text: str) -> str:
    return f"<td>{html.escape(text)}</td>"


class _CSV(TableFormat):
    """Long tables of exact numbers, each with its interval and stamps.

    Shares are between 0 and 1. What is shown without a number, such as a dash, is empty.

    Examples
    --------
    >>> from fusionser.reporting.tables import Cell, Column, Row, Table
    >>> columns = [Column(name="emotion"), Column(name="recall", measure="recall")]
    >>> row = Row(["happy", Cell("33.3", 1 / 3)], {"setting": "inductive"})
    >>> print(CSV.text(Table(name="t", report="", caption="", columns=columns, rows=[row])), end="")
    table,emotion,measure,value,low,high,setting
    t,happy,recall,0.3333333333333333,,,inductive
    """

    name = "csv"
    suffix = ".csv"

    def text(self, table: Table) -> str:
        """Return the lines, the names of the columns first."""
        lines = pd.DataFrame(table.long(), dtype=object)
        text: str = without_formulas(lines).to_csv(index=False, quoting=quoting_of(lines), lineterminator="\n")
        return text


MARKDOWN, HTML, CSV = _Markdown(), _HTML(), _CSV()
