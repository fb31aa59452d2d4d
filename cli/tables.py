"""Tables on a terminal: as wide as it is and without broken words, or else a few lines for each row."""

import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

BORDERS = 3
"""Characters beside the text of a column; one more is at the end of the table."""

LEAST_FOLDED = 28
"""Characters that a column gets whose words may be broken, such as paths."""

LEAST_TEXT = 20
"""Characters a line that the lines of a row are wrapped to, even on a narrower terminal."""


@dataclass(frozen=True)
class Kinds:
    """What is special about the columns of a table, by their names.

    Parameters
    ----------
    numbers : collection of str
        Aligned right; their values are never wrapped.
    unbroken : collection of str
        Never wrapped.
    folded : collection of str
        Their words may be broken: paths.
    spare : sequence of str
        Left out, the last one first, where there is no room for them.
    """

    numbers: Collection[str] = ()
    unbroken: Collection[str] = ()
    folded: Collection[str] = ()
    spare: Sequence[str] = ()


def fitted(
    columns: Sequence[str], rows: Sequence[Sequence[str]], kinds: Kinds, width: int
) -> tuple[Table | None, list[str]]:
    """Return a table of a width, and the columns that are left out of it; None if it cannot be so narrow."""
    out: list[str] = []
    for name in (None, *reversed(kinds.spare)):
        out += [] if name is None else [name]
        places = [place for place, column in enumerate(columns) if column not in out]
        shown = [columns[place] for place in places]
        cells = [[row[place] for place in places] for row in rows]
        widths = _widths(shown, cells, kinds, width - BORDERS * len(shown) - 1)
        if widths is not None:
            return _table(shown, cells, kinds, widths), [column for column in columns if column in out]
    return None, []


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], kinds: Kinds, widths: Sequence[int]) -> Table:
    table = Table()
    for name, width in zip(columns, widths, strict=True):
        table.add_column(Text(name), justify="right" if name in kinds.numbers else "left", overflow="fold", width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], kinds: Kinds, room: int) -> list[int] | None:
    """Return the characters of each column, at most `room` together; None if words would have to be broken."""
    cells = [[row[place] for row in rows] for place in range(len(columns))]
    widths = [max(map(_longest_line, [name, *column])) for name, column in zip(columns, cells, strict=True)]
    least = [_least(name, column, kinds) for name, column in zip(columns, cells, strict=True)]
    if sum(least) > room:
        return None
    while sum(widths) > room:
        # The widest of those that can be narrower.
        place = max((place for place in range(len(widths)) if widths[place] > least[place]), key=widths.__getitem__)
        widths[place] -= 1
    return widths


def _least(name: str, cells: Sequence[str], kinds: Kinds) -> int:
    """Return the characters that a column needs."""
    if name in kinds.unbroken:
        return max(map(_longest_line, [name, *cells]))
    if name in kinds.numbers:
        return max(_longest_word(name), *map(_longest_line, cells), 0)
    longest = max(map(_longest_word, [name, *cells]))
    return min(longest, LEAST_FOLDED) if name in kinds.folded else longest


def _longest_line(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def row_lines(columns: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    """Return a row as lines: its first cell, then each other one that is not empty, after its name.

    Examples
    --------
    >>> row_lines(["corpus", "speakers", "licence"], ["emodb", "10", ""], 80)
    ['emodb', '  speakers  10']
    """
    longest = max(map(cell_len, columns[1:]), default=0)
    first, *others = row
    lines = [first]
    for name, text in zip(columns[1:], others, strict=True):
        if text.strip():
            begin = f"  {name}{' ' * (longest - cell_len(name))}  "
            lines += textwrap.wrap(
                " ".join(text.split()),
                max(width, len(begin) + LEAST_TEXT),
                initial_indent=begin,
                subsequent_indent=" " * len(begin),
                break_long_words=False,
                break_on_hyphens=False,
            )
    return lines
