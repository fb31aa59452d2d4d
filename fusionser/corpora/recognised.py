"""Which corpus a folder of recordings is, by the names of its recordings."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from fusionser.corpora.audio_files import audio_files
from fusionser.corpora.base import Corpus
from fusionser.corpora.known_words import is_emotion
from fusionser.errors import CorpusError
from fusionser.registry import CORPORA

__all__ = ["recognised_corpus"]

MOST, SOME = 0.9, 0.2
"""Share of the recordings whose names make a folder a corpus, and that no other folder has by chance."""


def recognised_corpus(folder: Path) -> str | None:
    """Return the name of the corpus whose naming scheme the recordings of a folder have; None if they have none.

    Raises
    ------
    CorpusError
        If the names are those of several corpora, and no folder is named by an emotion.
    """
    paths = [file.relative_to(folder) for file in audio_files(folder).files]
    if not paths:
        return None
    corpora = {name: CORPORA[name] for name in CORPORA.loadable()}
    counts = {name: _count(corpus, paths) for name, corpus in corpora.items()}
    most = max(counts.values())
    whole = most >= MOST * len(paths)
    if not whole and (most < SOME * len(paths) or _named_by_emotion(paths)):
        return None
    found = [name for name, count in counts.items() if count == most or not (whole or count < SOME * len(paths))]
    found = _without_joined(found, corpora)
    if whole and len(found) == 1:
        return found[0]
    shown = ", ".join(f"{counts[name]} of {name}" for name in found)
    raise CorpusError(
        f"{folder}: the names of {len(paths)} recordings do not tell one corpus ({shown}); say which one to read with "
        "--corpus"
    )


def _count(corpus: Corpus, paths: Sequence[PurePath]) -> int:
    """Return how many recordings belong to a corpus."""
    try:
        return sum(corpus.parse(path) is not None for path in paths)
    except Exception:
        # A corpus of another package that cannot parse any name must not harm those who do not use it.
        return 0


def _named_by_emotion(paths: Sequence[PurePath]) -> bool:
    return any(is_emotion(part) for path in paths for part in path.parts[:-1])


def _without_joined(names: Sequence[str], corpora: Mapping[str, Corpus]) -> list[str]:
    """Leave out a corpus that consists of others, if only one of these is there."""
    parts = {name: {part.name for part in getattr(corpora[name], "parts", ())} for name in names}
    return [name for name in names if len(parts[name] & set(names)) != 1]
