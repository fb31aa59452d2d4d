"""The formats that a report is written in besides its page: files of its tables, and its figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusionser.errors import unknown_name
from fusionser.facts import Record, read_json
from fusionser.files import is_file, remove_files, write_text
from fusionser.names import FIGURE_FORMATS
from fusionser.registry import TABLE_FORMATS
from fusionser.reporting.tables.table import Table

__all__ = ["PAGE_ONLY", "TABLES", "Formats", "write_tables"]

TABLES = "tables"
"""Folder of the files of tables, in the folder of the report."""

INDEX = "index.json"


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Formats of a report besides its page.

    Parameters
    ----------
    tables : sequence of str, default=()
        Keys of `TABLE_FORMATS`, such as ``"latex"`` and ``"csv"``. Each table becomes a file in the folder ``tables``.
    figures : sequence of {"pdf", "svg"}, default=()
        Each figure gets a file beside its PNG, with its texts as text.

    Raises
    ------
    SettingsError
        If a format is unknown.

    Examples
    --------
    >>> Formats(tables=["latex", "csv"], figures=["pdf"]).figures
    ['pdf']
    >>> Formats(figures=["gif"])
    Traceback (most recent call last):
    ...
    fusionser.errors.UnknownNameError: unknown figure format 'gif'. Known: pdf, svg
    """

    tables: Sequence[str] = ()
    figures: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise `SettingsError` for an unknown format."""
        for name in self.tables:
            TABLE_FORMATS.named(name)
        for name in self.figures:
            if name not in FIGURE_FORMATS:
                raise unknown_name("figure format", name, FIGURE_FORMATS)


PAGE_ONLY = Formats()
"""The page with its pictures, and nothing else."""


class _Index(Record):
    files: tuple[str, ...]


def write_tables(tables: Mapping[str, Table], folder: str | Path, formats: Iterable[str]) -> list[Path]:
    """Write tables to files in the folder ``tables`` of a report, instead of those that were written there before.

    Parameters
    ----------
    tables : mapping of str to Table
    folder : str or Path
        Folder of the report.
    formats : iterable of str
        Keys of `TABLE_FORMATS`; none removes the earlier files.

    Returns
    -------
    list of Path
        The files, which are named after the tables.

    Raises
    ------
    FusionserError
        If a file cannot be written or removed.
    """
    place = Path(folder) / TABLES
    made = [TABLE_FORMATS.named(name) for name in dict.fromkeys(formats)]
    remove_files(place, [*_written(place), INDEX])
    if not made:
        return []
    # First, so that the files of a run that stops here are known to the next one.
    names = [f"{name}{form.suffix}" for name in tables for form in made]
    write_text(place / INDEX, _Index(files=tuple(names)).model_dump_json(indent=2) + "\n")
    return [
        write_text(place / f"{name}{form.suffix}", form.text(table).rstrip("\n") + "\n")
        for name, table in tables.items()
        for form in made
    ]


def _written(place: Path) -> list[str]:
    """Return the files that are known to be of an earlier report; a stranger's list names nothing elsewhere."""
    try:
        index = read_json(_Index, (place / INDEX).read_bytes())
    except (OSError, ValueError):
        return []
    return [name for name in index.files if Path(name).name == name and is_file(place / name)]
