"""Labels: one spelling for each, and other names for emotions, so that different corpora can be used together."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fusionser.errors import ProtocolError, SettingsError
from fusionser.facts import Stamp
from fusionser.names import UNNAMED

__all__ = [
    "LabelMap",
    "fold_labels",
    "joined_labels",
    "named_labels",
    "rename_labels",
    "renamed_labels",
    "respelt",
    "spelt_as",
]

LabelMap = Mapping[str, str | Mapping[str, str]]
"""New name by emotion. Names for a single corpus are in a map of their own, by corpus, and take precedence."""


SEPARATORS = r"[;,|/+&]"
"""What stands between several emotions in one label."""


def fold_labels(emotions: pd.Series) -> tuple[pd.Series, dict[str, list[str]]]:
    """Give labels that differ only in case, blanks or Unicode form the same spelling.

    Returns
    -------
    emotions : Series
        The spelling in small letters if there is one, else the most frequent one.
    folded : dict of str to list of str
        The other spellings of each label that has any.

    Examples
    --------
    >>> fold_labels(pd.Series(["sad", "Sad", "very  happy", "Very happy", "Very happy"]))[1]
    {'sad': ['Sad'], 'Very happy': ['very  happy']}
    """
    counts = Counter(emotions)
    groups: dict[str, list[str]] = {}
    for label, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        groups.setdefault(_folded(label), []).append(label)
    names = {key: key if key in labels else labels[0] for key, labels in groups.items()}
    folded = {
        names[key]: sorted(set(labels) - {names[key]}) for key, labels in sorted(groups.items()) if len(labels) > 1
    }
    return (emotions.map(lambda label: names[_folded(label)]) if folded else emotions), folded


def _folded(label: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def spelt_as(names: Sequence[str], emotions: Iterable[str]) -> list[str]:
    """Return names in the spelling that the emotions have; one that is none of them stays as it is.

    Examples
    --------
    >>> spelt_as(["SAD", "calm"], ["sad", "angry"])
    ['sad', 'calm']
    """
    there = set(emotions)
    spellings = {_folded(emotion): emotion for emotion in sorted(there)}
    return [name if name in there else spellings.get(_folded(name), name) for name in names]


def respelt(labels: LabelMap, emotions: Iterable[str]) -> dict[str, Any]:
    """Return a map of labels whose emotions have the spelling that they have in rows.

    Examples
    --------
    >>> respelt({"SAD": "low", "emodb": {"Angry": "high"}}, ["sad", "angry"])
    {'sad': 'low', 'emodb': {'angry': 'high'}}
    """
    there = set(emotions)
    return {
        (spelt_as([name], there)[0] if isinstance(new, str) else name): new
        if isinstance(new, str)
        else respelt(new, there)
        for name, new in labels.items()
    }


def joined_labels(emotions: Iterable[str]) -> list[str]:
    """Return the labels that are several other labels in one, sorted.

    Examples
    --------
    >>> joined_labels(["angry", "happy", "angry;happy", "n/a"])
    ['angry;happy']
    """
    known = {_folded(label) for label in emotions}
    parts = {label: [_folded(part) for part in re.split(SEPARATORS, label)] for label in set(emotions)}
    return sorted(label for label, found in parts.items() if len(found) > 1 and known.issuperset(found))


def named_labels(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse pairs ``emotion=name`` and ``corpus.emotion=name``.

    Raises
    ------
    SettingsError
        If a text is not such a pair, or renames an emotion again.

    Examples
    --------
    >>> named_labels(["boredom=neutral", "emodb.calm=neutral"])
    {'boredom': 'neutral', 'emodb': {'calm': 'neutral'}}
    """
    labels: dict[str, Any] = {}
    for text in pairs:
        place, _, new = (part.strip() for part in text.partition("="))
        corpus, dot, emotion = place.rpartition(".")
        if not emotion or not new or (dot and not corpus):
            raise SettingsError(f"--rename got '{text}'; expected emotion=name, or corpus.emotion=name")
        part = labels.setdefault(corpus, {}) if corpus else labels
        if not isinstance(part, dict) or emotion in part:
            raise SettingsError(f"--rename got '{place}' twice; expected one name for each emotion")
        part[emotion] = new
    return labels


def rename_labels(rows: pd.DataFrame, labels: LabelMap) -> pd.Series:
    """Return the emotions of rows, with those in the map renamed.

    Parameters
    ----------
    rows : DataFrame
    labels : mapping
        A `LabelMap`. Rows without a corpus belong to the corpus ``unnamed``.

    Raises
    ------
    ProtocolError
        If an emotion or a corpus of the map does not occur.

    Examples
    --------
    >>> rows = pd.DataFrame({"corpus": ["emodb", "ravdess"], "emotion": ["boredom", "calm"]})
    >>> rename_labels(rows, {"calm": "neutral", "emodb": {"boredom": "neutral"}}).tolist()
    ['neutral', 'neutral']
    """
    given = rows["emotion"]
    corpora = rows["corpus"].replace("", UNNAMED)
    everywhere = {old: new for old, new in labels.items() if isinstance(new, str)}
    renamed = _renamed(given, everywhere, "recording")
    for corpus, own in labels.items():
        if not isinstance(own, str):
            if corpus not in set(corpora):
                raise ProtocolError(
                    f"emotions of the corpus '{corpus}' are renamed, but it is not used; there are "
                    f"{', '.join(dict.fromkeys(corpora))}"
                )
            of_corpus = corpora == corpus
            alone = _renamed(given[of_corpus], own, f"recording of {corpus}")
            changed = given[of_corpus].isin(own)
            renamed = renamed.mask(of_corpus & changed.reindex(rows.index, fill_value=False), alone)
    return renamed


def _renamed(emotions: pd.Series, names: Mapping[str, str], what: str) -> pd.Series:
    there = sorted(set(emotions) - {""})
    for name in names:
        if name not in there:
            raise ProtocolError(
                f"no {what} has the emotion '{name}', which is to be renamed; there are {', '.join(there) or 'none'}"
            )
    return emotions.map(lambda emotion: names.get(emotion, emotion))


def renamed_labels(notes: Iterable[Stamp]) -> dict[str, Any]:
    """Return the label map in the notes of a result; empty if none is there."""
    return next((dict(note.value) for note in notes if note.kind == "labels-renamed"), {})
