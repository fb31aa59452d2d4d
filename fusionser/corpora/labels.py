"""Label maps: emotions of corpora under other names, so that corpora whose labels differ can be used together."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fusionser.errors import ProtocolError, SettingsError
from fusionser.facts import Stamp

__all__ = ["LabelMap", "named_labels", "rename_labels", "renamed_labels"]

LabelMap = Mapping[str, str | Mapping[str, str]]
"""New name by emotion. Names for a single corpus are in a map of their own, by corpus, and take precedence."""


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
    corpora = rows["corpus"].replace("", "unnamed")
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
