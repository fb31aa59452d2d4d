"""Tables in LaTeX, with the rules of the package booktabs."""

import string
from collections.abc import Iterable

from fusionser.reporting.markdown import one_line
from fusionser.reporting.tables.table import Table, TableFormat

__all__ = ["LATEX", "escape_latex"]

SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        '"': r"\textquotedbl{}",
        "±": r"\textpm{}",
        # At the beginning of a row it would be an argument of the line break before.
        "[": "{[}",
        "]": "{]}",
        **{letter: f"\\{letter}" for letter in "$&#_%"},
    }
)
LONGEST = 40
"""Rows from which a table may break over pages."""

LONGEST_CAPTION = 1000
"""Letters of a caption from which its notes stand below the table; TeX cannot measure much longer ones."""

WIDE = 36
"""Letters from which the texts of a column are wrapped."""

SIZES = ((100, r"\scriptsize"), (70, r"\small"))
"""Size of the letters, by the number of them in the widest row."""


def escape_latex(text: str) -> str:
    r"""Return a text that LaTeX prints as it is, on one line.

    Examples
    --------
    >>> print(escape_latex("50 % of a_b & {c}"))
    50 \% of a\_b \& \{c\}
    """
    # Two hyphens would become a dash, and options are not recognised then.
    return one_line(text).translate(SPECIAL).replace("--", "-{}-")


class _LaTeX(TableFormat):
    r"""Tables for papers: with caption, label and the rules of booktabs.

    Long tables break over pages.

    The document needs ``\usepackage[T1]{fontenc}`` and ``\usepackage{booktabs,longtable}``; for names in other than
    Latin letters, LuaLaTeX or XeLaTeX with a font that has them.

    Examples
    --------
    >>> from fusionser.reporting.tables import Column, Row, Table
    >>> columns = [Column(name="emotion"), Column(name="recall, %", measure="recall")]
    >>> table = Table(name="t", report="svm", caption="By class", columns=columns, rows=[Row(["sad", "-5.0"])])
    >>> print(LATEX.text(table))
    % Needs \usepackage[T1]{fontenc} and \usepackage{booktabs}
    \begin{table}
    \centering
    \caption{By class.}
    \label{tab:svm-t}
    \begin{tabular}{lr}
    \toprule
    emotion & recall, \% \\
    \midrule
    sad & $-$5.0 \\
    \bottomrule
    \end{tabular}
    \end{table}
    """

    name = "latex"
    suffix = ".tex"

    def text(self, table: Table) -> str:
        """Return the environment, with what it needs in a comment."""
        head = _line(map(escape_latex, table.headings()))
        body = [_line(_shown(texts, table.numeric())) for texts in table.texts()]
        name = "-".join(filter(None, [table.report, table.name]))
        below = len(table.title) > LONGEST_CAPTION
        caption = f"{table.caption}." if below else table.title
        titled = rf"\caption{{{escape_latex(caption)}}}", rf"\label{{tab:{name}}}"
        notes = [rf"\par\medskip{{\footnotesize {escape_latex(table.title)}\par}}"] if below else []
        make = _long if below or len(body) > LONGEST else _short
        return "\n".join(make(titled, _layout(table), _size(table), head, body, notes))


def _shown(texts: list[str], numeric: list[bool]) -> list[str]:
    return [
        _with_minus(escape_latex(text)) if number else escape_latex(text)
        for text, number in zip(texts, numeric, strict=True)
    ]


def _with_minus(text: str) -> str:
    """Return numbers with minus signs instead of hyphens; a single hyphen stands for nothing."""
    signs = {f"{before}-{digit}": f"{before}$-${digit}" for before in (" ", "(") for digit in string.digits}
    text = f" {text}"
    for hyphen, minus in signs.items():
        text = text.replace(hyphen, minus)
    return text[1:]


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _widths(table: Table) -> list[int]:
    columns = zip(table.headings(), *table.texts(), strict=True)
    return [max(map(len, texts)) for texts in columns]


def _layout(table: Table) -> str:
    """Return the alignment of the columns; long texts are wrapped."""
    widths, numeric = _widths(table), table.numeric()
    wrapped = [width > WIDE and not number for width, number in zip(widths, numeric, strict=True)]
    share = 0.8 / max(sum(wrapped), 2)
    return "".join(
        rf"p{{{share:.2f}\linewidth}}" if wrap else "r" if number else "l"
        for wrap, number in zip(wrapped, numeric, strict=True)
    )


def _size(table: Table) -> list[str]:
    width = sum(_widths(table))
    return next(([size] for most, size in SIZES if width > most), [])


def _short(
    titled: tuple[str, str], layout: str, size: list[str], head: str, body: list[str], notes: list[str]
) -> list[str]:
    return [
        r"% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        *titled,
        *size,
        rf"\begin{{tabular}}{{{layout}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *notes,
        r"\end{table}",
    ]


def _long(
    titled: tuple[str, str], layout: str, size: list[str], head: str, body: list[str], notes: list[str]
) -> list[str]:
    begin, end = ([r"\begingroup", *size], [r"\endgroup"]) if size else ([], [])
    return [
        r"% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs,longtable}",
        *begin,
        rf"\begin{{longtable}}{{{layout}}}",
        "".join(titled) + r" \\",
        r"\toprule",
        head,
        r"\midrule",
        r"\endfirsthead",
        r"\toprule",
        head,
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *body,
        r"\end{longtable}",
        *notes,
        *end,
    ]


LATEX = _LaTeX()
