"""What a result was tested on, in words: its corpora, its speakers, and whether training had them, too."""

from collections.abc import Sequence

from fusionser.dimension_results import AnyResult
from fusionser.names import corpus_text
from fusionser.registry import CORPORA, OWN_OBJECTS
from fusionser.splits import CrossCorpus, LeaveOneCorpusOut

__all__ = ["corpora_text", "counted", "speakers_text", "where_tested"]


def corpora_text(names: Sequence[str]) -> str:
    """Return corpora by the names that people call them by.

    Those of other packages keep the names that results have: a page is written again where the package is not, too.

    Examples
    --------
    >>> corpora_text(["ravdess", "emodb", "mine"])
    'RAVDESS speech, EMO-DB, mine'
    """
    return ", ".join(
        CORPORA[name].card.short_title if name in OWN_OBJECTS["corpora"] else corpus_text(name) for name in names
    )


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> counted(1, "clip"), counted(2, "clip")
    ('1 clip', '2 clips')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def speakers_text(count: int) -> str:
    """Return how many speakers there are.

    Examples
    --------
    >>> speakers_text(24), speakers_text(0)
    ('24 speakers', 'unknown speakers')
    """
    return counted(count, "speaker") if count else "unknown speakers"


def _heard_corpora(result: AnyResult) -> set[str]:
    """Return the tested corpora that a network started from."""
    stamps = (*result.protocol.stamps, *result.notes)
    heard = (name for stamp in stamps if stamp.kind == "pretrained" for name in str(stamp.value["on"]).split(", "))
    return set(heard) & set(result.corpora)


def where_tested(result: AnyResult) -> str:
    """Return what the test recordings were to the pipeline, as the beginning of a sentence."""
    if result.protocol.name == LeaveOneCorpusOut.name:
        return "On corpora that it was not trained on"
    if result.protocol.name == CrossCorpus.name:
        tested = result.protocol.settings["test"]
        trained = [name for name in result.corpora if name not in tested]
        return f"On recordings of {corpora_text(tested)}, trained on {corpora_text(trained)}"
    if result.protocol.speaker_independent:
        if _heard_corpora(result):
            return "On speakers whose recordings its networks may have heard"
        return "On speakers that it was not trained on"
    return f"On speakers that it {'was' if result.protocol.speakers_known else 'may have been'} trained on"
