"""What the page says of the model."""

from fusionser.model import ModelCard
from fusionser.results import Result
from fusionser.tested import corpora_text, counted, speakers_text, where_tested

__all__ = ["card_sentences"]


def card_sentences(card: ModelCard, *, tells_unlikeness: bool) -> list[str]:
    """Return what visitors should know of a model: its answers, its training data and its scores.

    Parameters
    ----------
    card : ModelCard
    tells_unlikeness : bool
        Whether it is told where a recording is unlike the training recordings.

    Examples
    --------
    >>> from fusionser.model import load_model
    >>> card_sentences(load_model().card, tells_unlikeness=True)[1]
    'It was trained on 7438 recordings of 91 speakers: CREMA-D.'
    """
    corpora = corpora_text(card.corpus.split(", "))
    told = [
        f"It answers one of {', '.join(card.classes)}, and nothing else: another emotion gets one of these, too.",
        f"It was trained on {_heard(card)} of {speakers_text(card.training_speakers)}: {corpora}.",
        _score(card),
    ]
    if not tells_unlikeness:
        told.append(
            "Here it cannot tell whether a sound is unlike the recordings that it was trained on. Its answers to such "
            "sounds cannot be relied on."
        )
    return told


def _heard(card: ModelCard) -> str:
    files = card.training_recordings
    if files and files < card.training_rows:
        return f"{counted(card.training_rows, 'part')} of {counted(files, 'recording')}"
    return counted(card.training_rows, "recording")


def _score(card: ModelCard) -> str:
    if not isinstance(card.estimate, Result):
        return "Its scores are not known."
    score, chance = 100 * card.estimate.pooled.uar, 100 / len(card.classes)
    known = (
        "" if card.estimate.protocol.speaker_independent else " It is not known how well it answers for new speakers."
    )
    return (
        f"{where_tested(card.estimate)}, it reached an unweighted average recall (UAR) of {score:.1f} %; chance is "
        f"{chance:.1f} %.{known} On other recordings it is less."
    )
