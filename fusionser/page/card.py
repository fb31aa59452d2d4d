"""What the page says of the model."""

from fusionser.model import ModelCard
from fusionser.results import Result
from fusionser.tested import corpora_text, counted, speakers_text, where_tested

__all__ = ["card_sentences", "training_text"]


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
        f"It was trained on {training_text(card)}: {corpora}.",
        _score(card),
    ]
    if not tells_unlikeness:
        told.append(
            "Here it cannot tell whether a sound is unlike the recordings that it was trained on. Its answers to such "
            "sounds cannot be relied on."
        )
    return told


def training_text(card: ModelCard) -> str:
    """Return what a model was trained on: how many recordings, or parts of them, of how many speakers."""
    rows, files, speakers = card.training_rows, card.training_recordings, card.training_speakers
    parts = "" if files is None or files >= rows else f"{counted(rows, 'part')} of "
    heard = counted(files if parts and files is not None else rows, "recording")
    return f"{parts}{heard} of {speakers_text(speakers)}"


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
