"""What the sides of a split share."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.audit.copies import Copy, find_copies
from fusionser.audit.result import LEAKS, AuditResult, Between, CopyPair, Fault, Worth
from fusionser.audit.sides import one_class_speakers, side_facts
from fusionser.audit.split import SIDES, Fold, Split, with_usable
from fusionser.cache import Cache
from fusionser.facts import Stamp
from fusionser.files import public_paths
from fusionser.results import provenance, public_quarantine

__all__ = ["Audited", "audit_split"]

PERFORMED = ["speaker", "statement", "emotion"]
"""Columns that are the same in repeated performances."""


class Audited:
    """A result, the rows that were compared, and the copies among them.

    Parameters
    ----------
    result : AuditResult
    split : Split
        Without the recordings that cannot be used.
    pairs : list of Copy
        In the order of ``result.copies``, by the places of their rows.
    """

    def __init__(self, result: AuditResult, split: Split, pairs: list[Copy]) -> None:
        self.result, self.split, self.pairs = result, split, pairs


def audit_split(
    split: Split,
    *,
    cache: Cache | None = None,
    n_jobs: int | None = None,
    seed: int = 0,
    failing: Sequence[Fault] = LEAKS,
    step: Callable[[str, int, int], None] | None = None,
    worth: Callable[[Split], Worth | Stamp] | None = None,
) -> Audited:
    """Tell what a split leaks.

    Parameters
    ----------
    split : Split
    cache, n_jobs, seed, step
        As for `find_copies`.
    failing : sequence of str
        The faults that count as leaks, of `fusionser.audit.result.FAULTS`.
    worth : callable, optional
        Returns the scores of a split without the recordings that cannot be used, or why there are none.

    Returns
    -------
    Audited

    Raises
    ------
    RowsError
        If no recording of a side can be used.
    """
    copies: list[Copy] = []
    notes = list(split.notes)
    if split.audio:
        heard = find_copies(split.rows, cache=cache, n_jobs=n_jobs, seed=seed, step=step)
        split, copies = _usable(split, heard.failures, heard.copies)
    else:
        notes.append(Stamp(kind="names-only", value=len(split.rows)))
    scores = worth(split) if worth is not None and split.audio else None
    if isinstance(scores, Stamp):
        notes.append(scores)
    sides = [(fold.name, _sides_of(fold)) for fold in split.folds]
    apart = {place: _where_apart(one, sides) for place, one in enumerate(copies)}
    crossing = sorted((place for place in apart if apart[place]), key=lambda place: _worst(copies[place]))
    rows = _with_public_names(split.rows)
    result = AuditResult(
        name=split.name,
        failing=tuple(failing),
        recordings=len(rows),
        speakers=int(rows.loc[rows["speaker"] != "", "speaker"].nunique()),
        audio=split.audio,
        speakers_known=bool((rows["speaker"] != "").all()),
        statements_known=bool((rows["statement"] != "").all()),
        emotions_known=bool((rows["emotion"] != "").all()),
        between=_all_between(rows, split.folds, copies),
        sides=tuple(
            side_facts(rows.iloc[fold.sides[side]], fold.name, side) for fold in split.folds for side in _ordered(fold)
        ),
        copies=[_pair(copies[place], rows, apart[place]) for place in crossing],
        copies_within=len(copies) - len(crossing),
        scaled=split.scaled,
        worth=scores if isinstance(scores, Worth) else None,
        notes=tuple(notes),
        quarantine=public_quarantine(split.quarantine),
        seed=seed,
        provenance=provenance(),
    )
    return Audited(result, split, [copies[place] for place in crossing])


def _usable(split: Split, failures: Mapping[int, str], copies: Sequence[Copy]) -> tuple[Split, list[Copy]]:
    """Return the split and the copies without the recordings that cannot be used."""
    if not failures:
        return split, list(copies)
    kept = [place for place in range(len(split.rows)) if place not in failures]
    new = {old: place for place, old in enumerate(kept)}
    refused = [{"file": str(split.rows["file"][place]), "reason": reason} for place, reason in failures.items()]
    moved = [replace(one, first=new[one.first], second=new[one.second]) for one in copies]
    return with_usable(split, split.rows.iloc[kept].reset_index(drop=True), kept, refused), moved


def _ordered(fold: Fold) -> list[str]:
    return [side for side in SIDES if side in fold.sides]


def _sides_of(fold: Fold) -> dict[int, str]:
    return {int(place): side for side, places in fold.sides.items() for place in places}


def _where_apart(one: Copy, folds: Sequence[tuple[str, Mapping[int, str]]]) -> dict[str, tuple[str, str]]:
    """Return the folds, given as a name and the side of each place, in which two recordings are on different sides."""
    apart = {}
    for name, sides in folds:
        there = (sides.get(one.first), sides.get(one.second))
        if there[0] is not None and there[1] is not None and there[0] != there[1]:
            apart[name] = (there[0], there[1])
    return apart


def _worst(one: Copy) -> tuple[int, float]:
    """Return the order of copies: identical ones first, then by their coherence."""
    return ("identical", "near", "augmented").index(one.kind), -one.match.coherence


def _with_public_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose sources do not tell where the recordings are on this machine."""
    public = public_paths(one for one in rows["source"] if Path(one).is_absolute())
    return rows.assign(source=rows["source"].map(lambda one: public.get(one, one)))


def _pair(one: Copy, rows: pd.DataFrame, apart: Mapping[str, tuple[str, str]]) -> CopyPair:
    first, second = (str(rows["source"][place]) for place in (one.first, one.second))
    emotions = (str(rows["emotion"][one.first]), str(rows["emotion"][one.second]))
    match = one.match
    return CopyPair(
        first=first,
        second=second,
        kind=one.kind,
        sides=next(iter(apart.values())),
        folds=tuple(apart),
        coherence=round(match.coherence, 3),
        tempo=round(match.tempo, 3),
        semitones=match.semitones,
        start=round(match.start, 3),
        changes=one.changes,
        emotions=emotions,
    )


def _all_between(rows: pd.DataFrame, folds: Sequence[Fold], copies: Sequence[Copy]) -> list[Between]:
    """Return what each two sides of each fold share."""
    return [_between(rows, fold, sides, copies) for fold in folds for sides in combinations(_ordered(fold), 2)]


def _between(rows: pd.DataFrame, fold: Fold, sides: tuple[str, str], copies: Sequence[Copy]) -> Between:
    one, other = (rows.iloc[fold.sides[side]] for side in sides)
    left, right = (set(map(int, fold.sides[side])) for side in sides)
    kinds: Counter[str] = Counter()
    copied = set()
    for copy in copies:
        for first, second in ((copy.first, copy.second), (copy.second, copy.first)):
            if first in left and second in right:
                kinds[copy.kind] += 1
                copied.add(second)
    # A recording that is itself on both sides is its own copy.
    both = left & right
    return Between(
        fold=fold.name,
        sides=sides,
        recordings=(len(one), len(other)),
        speakers=_shared(one, other, "speaker"),
        copied=len(copied | both),
        identical=kinds["identical"] + len(both),
        near=kinds["near"],
        augmented=kinds["augmented"],
        performances=_performances(one, other),
        statements=_shared(one, other, "statement"),
        classes_only=(_only(one, other, "emotion"), _only(other, one, "emotion")),
        speakers_only=(_only(one, other, "speaker"), _only(other, one, "speaker")),
        told_by_speaker=_told_by_speaker(one, other),
        both=tuple(sorted(str(rows["source"][place]) for place in both)),
    )


def _shared(one: pd.DataFrame, other: pd.DataFrame, column: str) -> tuple[str, ...]:
    return tuple(sorted((set(one[column]) & set(other[column])) - {""}))


def _only(one: pd.DataFrame, other: pd.DataFrame, column: str) -> tuple[str, ...]:
    """Return the classes, or speakers, that only the first side has."""
    return tuple(sorted(set(one[column]) - set(other[column]) - {""}))


def _told_by_speaker(one: pd.DataFrame, other: pd.DataFrame) -> int:
    """Return how many rows of the second side have the only class that their speaker has on the first."""
    classes = {found.speaker: found.emotion for found in one_class_speakers(one)}
    known = zip(other["speaker"], other["emotion"], strict=True)
    return sum(classes.get(speaker) == emotion for speaker, emotion in known)


def _performances(one: pd.DataFrame, other: pd.DataFrame) -> int:
    """Return how many rows of the second side repeat a performance of the first."""
    known = {key for key in _keys(one) if all(key)}
    return sum(key in known for key in _keys(other))


def _keys(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(rows[PERFORMED].itertuples(index=False, name=None))
