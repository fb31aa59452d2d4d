"""The tables of an audit."""

from collections.abc import Callable, Mapping, Sequence

from fusionser.audit.changes import Change
from fusionser.audit.result import AuditResult, Between, CopyPair, Fault, Side, Worth
from fusionser.reporting.tables.cells import count, number, score_columns, share
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.reporting.words import stamp_texts
from fusionser.studies.recipe import file_name

__all__ = ["FEW", "audit_tables", "between_table", "copies_table", "few", "sides_table"]

FEW = 8
"""Names in one cell or sentence."""

CHANGES: Mapping[str, Callable[[float], str]] = {
    "level": lambda value: f"{abs(value):.1f} dB {'louder' if value > 0 else 'quieter'}",
    "begins-later": lambda value: f"{abs(value):.2f} s {'cut off' if value > 0 else 'added'} at the beginning",
    "ends-earlier": lambda value: f"{abs(value):.2f} s {'cut off' if value > 0 else 'added'} at the end",
    "bandwidth": lambda value: f"bandwidth {value / 1000:.1f} kHz",
    "noise": lambda value: f"pauses {abs(value):.0f} dB {'louder' if value > 0 else 'quieter'}",
    "tempo": lambda value: f"{value:.2f} times the tempo",
    "pitch": lambda value: f"{value:+g} semitones",
    "speed": lambda value: f"{value:.2f} times the speed",
    "samples": lambda value: (
        f"re-encoded or filtered (difference {value:.0f} dB below)" if value > 0 else "strongly re-encoded or filtered"
    ),
}
"""Functions that turn the value of a change into words, by its kind."""

UNKNOWN = Cell("unknown", None)
"""A count that cannot be told."""

FAULT_OF: Mapping[str, Fault] = {
    "speakers_shared": "speakers",
    "only_in_first": "speakers",
    "only_in_second": "speakers",
    "with_a_copy": "copies",
    "identical": "copies",
    "near": "copies",
    "augmented": "copies",
    "repeated_performances": "performances",
    "told_by_speaker": "confounded",
    "statements_shared": "statements",
    "speakers": "speakers",
    "classes": "classes",
    "one_class": "confounded",
    "one_class_by_chance": "confounded",
}
"""The fault that a measure is about. If it cannot be told, a count of 0 says nothing."""

KINDS = {
    "identical": "identical samples",
    "near": "the same performance, recorded or encoded otherwise",
    "augmented": "the same performance at another tempo or pitch",
}


def audit_tables(result: AuditResult) -> dict[str, Table]:
    """Return the tables of an audit, by name; those that would be empty are left out."""
    tables = [
        between_table(result),
        sides_table(result),
        _classes(result),
        _one_class(result),
        copies_table(result),
        _scores(result),
        _set_aside(result),
    ]
    return {table.name: table for table in tables if table.rows}


def few(names: Sequence[str]) -> str:
    """Return names for one cell or sentence, and how many more there are.

    Examples
    --------
    >>> few(["a", "b"]), few("abcdefghij")
    ('a, b', 'a, b, c, d, e, f, g, h and 2 more')
    """
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more} more" if more > 0 else "")


def _table(result: AuditResult, name: str, caption: str, columns: list[Column], rows: list[Row]) -> Table:
    stamps = stamp_texts(result.notes)
    return Table(
        name=name,
        report=file_name(f"audit-{result.name}"),
        caption=f"{caption} of {result.name}",
        notes=[f"{result.recordings} recordings", *(["Notes: " + "; ".join(stamps)] if stamps else [])],
        columns=columns,
        rows=rows,
        facts={
            "split": result.name,
            "stamps": "; ".join(stamps),
            "seed": str(result.seed),
            "commit": result.provenance["commit"],
            "fusionser": result.provenance["versions"].get("fusionser", ""),
        },
    )


def between_table(result: AuditResult) -> Table:
    """Return what each two sides of each fold share."""
    columns = [Column(name="fold"), Column(name="first"), Column(name="second")]
    columns += [Column(name=name.replace("_", " "), measure=name) for name in _shared(result.between[0])]
    rows = [Row([one.fold, *one.sides, *_told(result, _shared(one))]) for one in result.between]
    return _table(result, "between", "What two sides share", columns, rows)


def _told(result: AuditResult, cells: Mapping[str, Cell]) -> list[Cell]:
    """Return cells, given by the names of their measures, with those that cannot be told as such."""
    unknown = result.unknown
    return [UNKNOWN if not cell.exact and FAULT_OF.get(measure) in unknown else cell for measure, cell in cells.items()]


def _shared(one: Between) -> dict[str, Cell]:
    """Return what two sides share, by the name of the measure."""
    return {
        "speakers_shared": count(len(one.speakers)),
        "only_in_first": count(len(one.speakers_only[0])),
        "only_in_second": count(len(one.speakers_only[1])),
        "with_a_copy": count(one.copied),
        "identical": count(one.identical),
        "near": count(one.near),
        "augmented": count(one.augmented),
        "repeated_performances": count(one.performances),
        "told_by_speaker": count(one.told_by_speaker),
        "statements_shared": count(len(one.statements)),
    }


def sides_table(result: AuditResult) -> Table:
    """Return what is on each side of each fold."""
    columns = [
        Column(name="fold"),
        Column(name="side"),
        Column(name="recordings", measure="recordings"),
        Column(name="speakers", measure="speakers"),
        Column(name="classes", measure="classes"),
        Column(name="speakers with one class", measure="one_class"),
        Column(name="by chance", measure="one_class_by_chance"),
    ]
    return _table(
        result,
        "sides",
        "What is on each side",
        columns,
        [Row([one.fold, one.side, *_told(result, _side(one))]) for one in result.sides],
    )


def _side(one: Side) -> dict[str, Cell]:
    """Return what is on a side, by the name of the measure."""
    return {
        "recordings": count(one.recordings),
        "speakers": count(one.speakers),
        "classes": count(len(one.classes)),
        "one_class": count(len(one.one_class)),
        "one_class_by_chance": number(one.expected, ".1f"),
    }


def _classes(result: AuditResult) -> Table:
    names = sorted({name for one in result.sides for name in one.classes})
    columns = [Column(name="fold"), Column(name="side"), *(Column(name=name, measure=name) for name in names)]
    rows = [
        Row([one.fold, one.side, *(count(one.classes.get(name, 0)) for name in names)]) for one in result.sides if names
    ]
    return _table(result, "classes", "Recordings of each class on each side", columns, rows)


def _one_class(result: AuditResult) -> Table:
    columns = [Column(name=name) for name in ("fold", "side", "speaker", "only class")]
    rows = [
        Row([side.fold, side.side, one.speaker, one.emotion, count(one.recordings)])
        for side in result.sides
        for one in side.one_class
    ]
    columns.append(Column(name="recordings", measure="recordings"))
    return _table(result, "one-class", "Speakers with one class only", columns, rows)


def copies_table(result: AuditResult, most: int | None = None) -> Table:
    """Return the copies on different sides, the clearest first; all, or the first ones."""
    names = ("first", "second", "kind", "what was changed", "labels", "folds")
    columns = [*(Column(name=name) for name in names), Column(name="coherence", measure="coherence")]
    return _table(
        result, "copies", "Copies on different sides", columns, [Row(_copy(one)) for one in result.copies[:most]]
    )


def _copy(pair: CopyPair) -> list[Cell | str]:
    how = ", ".join(map(_change_text, pair.changes)) or KINDS[pair.kind]
    first, second = (
        f"{name} ({side})" if name else side for name, side in zip((pair.first, pair.second), pair.sides, strict=True)
    )
    labels = pair.emotions if len(set(pair.emotions)) > 1 else pair.emotions[:1]
    named = " / ".join(name or "-" for name in labels)
    return [first, second, pair.kind, how, named, few(pair.folds), number(pair.coherence, ".2f")]


def _change_text(change: Change) -> str:
    return CHANGES[change.kind](change.value) if change.kind in CHANGES else f"{change.kind} {change.value:g}"


def _scores(result: AuditResult) -> Table:
    columns = [Column(name="split"), *score_columns("UAR, 95 %")]
    rows = [] if result.worth is None else _score_rows(result.worth)
    return _table(result, "scores", "Scores by the split and by speaker", columns, rows)


def _score_rows(worth: Worth) -> list[Row]:
    facts = {"features": worth.features, "classifier": worth.classifier}
    each = {
        "this split": (worth.by_split, worth.split_interval),
        f"by speaker, {worth.speaker_folds} folds": (worth.by_speaker, worth.speaker_interval),
    }
    return [
        Row([name, share(found.war), share(found.uar, interval), share(found.macro_f1)], facts)
        for name, (found, interval) in each.items()
    ]


def _set_aside(result: AuditResult) -> Table:
    columns = [Column(name="file"), Column(name="reason")]
    return _table(
        result,
        "set-aside",
        "Recordings set aside",
        columns,
        [Row([entry["file"], entry["reason"]]) for entry in result.quarantine],
    )
