"""What the sections of the page have in common."""

from collections.abc import Sequence

from fusionser.registry import TABLE_FORMATS
from fusionser.reporting.tables.table import Cell, Column, Row, Table

__all__ = ["markdown_table", "times"]


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 1) -> str:
    """Return a table whose columns after the first `numbers` ones have numbers."""
    columns = [Column(name=name, measure=name if place >= numbers else "") for place, name in enumerate(headings)]
    table = Table(
        name="", report="", caption="", columns=columns, rows=[Row([Cell(text, text) for text in row]) for row in rows]
    )
    return str(TABLE_FORMATS.named("markdown").text(table))


def times(count: int) -> str:
    """Return a number of rounds in words."""
    return f"{count} round{'' if count == 1 else 's'}"
