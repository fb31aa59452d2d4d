"""A table as data: what pages show of each number, the exact number, its interval, and what the numbers rest on."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Cell", "Column", "Row", "Table", "TableFormat"]

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
        Heading.
    measure : str, default=""
        Name of the measure in long tables; empty for a column of texts, which tell rows apart.
    interval : str, optional
        Heading of a column with the intervals of this one; None if they are not shown.
    """

    name: str
    measure: str = ""
    interval: str | None = None


@dataclass(frozen=True)
class Cell:
    """One value of a table.

    Parameters
    ----------
    text : str
        What pages show.
    exact : float, int, str or None
        The value itself; None if there is none.
    interval : (float, float), optional
        The ends of its interval.
    interval_text : str, default="-"
        What pages show of the interval, or why there is none.

    Raises
    ------
    ValueError
        If a number is not finite.
    """

    text: str
    exact: float | int | str | None
    interval: Interval | None = None
    interval_text: str = "-"

    def __post_init__(self) -> None:
        """Refuse numbers that no table may hold."""
        numbers = [value for value in (self.exact, *(self.interval or ())) if isinstance(value, float)]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"a cell has the numbers {numbers}; expected finite ones, or None where there is none")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Parameters
    ----------
    cells : sequence of Cell or str
        One for each column; a text stands for itself.
    facts : mapping of str to str
        What this row rests on, such as its setting and its stamps.
    """

    cells: Sequence[Cell | str]
    facts: Mapping[str, str] = field(default_factory=dict)

    def values(self) -> list[Cell]:
        """Return the cells."""
        return [Cell(cell, cell) if isinstance(cell, str) else cell for cell in self.cells]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that can be written in several formats.

    Parameters
    ----------
    name : str
        Name of the table's files, without a suffix.
    report : str
        Name of the report, which makes labels of tables of several reports differ.
    caption : str
        What the table shows, as the beginning of a sentence.
    notes : sequence of str
        What a reader must know besides: units, protocol, stamps. Each is part of a sentence.
    columns : sequence of Column
    rows : sequence of Row
    facts : mapping of str to str
        What all rows rest on.

    Raises
    ------
    ValueError
        If a row has another number of cells than there are columns.

    Examples
    --------
    >>> uar = Column(name="UAR", measure="uar", interval="interval")
    >>> row = Row(["svm", Cell("56.7", 0.5671, (0.519, 0.617), "51.9 to 61.7")])
    >>> table = Table(name="scores", report="", caption="Scores", columns=[Column(name="classifier"), uar], rows=[row])
    >>> table.headings(), table.texts()
    (['classifier', 'UAR', 'interval'], [['svm', '56.7', '51.9 to 61.7']])
    >>> [line["value"] for line in table.long()]
    [0.5671]
    """

    name: str
    report: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the columns."""
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"a row of '{self.name}' has {len(row.cells)} cells; expected {len(self.columns)}")

    @property
    def title(self) -> str:
        """The caption and the notes, as sentences."""
        return " ".join(f"{text.rstrip('.')}." for text in (self.caption, *self.notes))

    def headings(self) -> list[str]:
        """Return the headings that pages show, those of intervals included."""
        return [text for text, _ in self._shown()]

    def numeric(self) -> list[bool]:
        """Return whether each shown column has numbers or intervals."""
        return [number for _, number in self._shown()]

    def texts(self) -> list[list[str]]:
        """Return what pages show, row by row."""
        return [list(self._texts(row)) for row in self.rows]

    def long(self) -> Iterator[dict[str, float | int | str | None]]:
        """Yield a record for each exact value: the texts of its row, measure, value, interval, and facts.

        A table without measures has a record for each row.
        """
        for row in self.rows:
            pairs = list(zip(self.columns, row.values(), strict=True))
            facts = {**self.facts, **row.facts}
            keys = {column.name or "score": cell.exact for column, cell in pairs if not column.measure}
            rest = {name: text for name, text in facts.items() if name not in keys}
            measured = [(column, cell) for column, cell in pairs if column.measure]
            for column, cell in measured:
                low, high = cell.interval or (None, None)
                number = {"measure": column.measure, "value": cell.exact, "low": low, "high": high}
                yield {"table": self.name, **keys, **number, **rest}
            if not measured:
                yield {"table": self.name, **keys, **rest}

    def _shown(self) -> Iterator[tuple[str, bool]]:
        for column in self.columns:
            yield column.name, bool(column.measure)
            if column.interval is not None:
                yield column.interval, True

    def _texts(self, row: Row) -> Iterator[str]:
        for column, cell in zip(self.columns, row.values(), strict=True):
            yield cell.text
            if column.interval is not None:
                yield cell.interval_text


class TableFormat:
    """A format that tables are written in.

    Attributes
    ----------
    name : str
        Name of the format, as options have it.
    suffix : str
        Suffix of its files, with a dot.
    """

    name: str
    suffix: str

    def text(self, table: Table) -> str:
        """Return the table in this format.

        Parameters
        ----------
        table : Table

        Returns
        -------
        str
        """
        raise NotImplementedError
