"""Notes on listed recordings."""

from collections.abc import Collection, Sequence

from fusionser.facts import Stamp

__all__ = ["less_unused"]


def less_unused(notes: Sequence[Stamp], used: Collection[str]) -> list[Stamp]:
    """Return notes in which columns of the table that are used do not count as unused.

    Parameters
    ----------
    notes : sequence of Stamp
    used : collection of str
        Names of columns.

    Examples
    --------
    >>> [note.value for note in less_unused([Stamp(kind="unused-columns", value=["age", "town"])], {"age"})]
    [['town']]
    """
    kept = []
    for note in notes:
        unused = [name for name in note.value if name not in used] if note.kind == "unused-columns" else None
        if unused is None:
            kept.append(note)
        elif unused:
            kept.append(Stamp(kind="unused-columns", value=unused))
    return kept
