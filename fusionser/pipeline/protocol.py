"""Build protocols with the defaults of a corpus's card."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fusionser.corpora import CORPORA, Card
from fusionser.corpora.super_set import SuperSet
from fusionser.errors import ProtocolError
from fusionser.facts import Stamp
from fusionser.names import CLASSES
from fusionser.pipeline.features import card_of
from fusionser.registry import PROTOCOLS
from fusionser.spec import ParameterSearch, PipelineSpec, ProtocolSpec
from fusionser.splits import AddedCorpora, Protocol, protocol

__all__ = [
    "DEFAULT",
    "choose_protocol",
    "protocol_or_default",
    "protocol_without_speakers",
    "random_split_text",
    "searched_stamps",
]

DEFAULT = "default"
"""Stands for a protocol by speaker, or a random one where the speakers are unknown."""

BY_SPEAKER = ("speaker-kfold", "speaker-holdout")
"""Protocols that need two speakers."""

RANDOM, RANDOM_SHARE = "random-kfold", "random-holdout"
MOST_FOLDS = 5


def _card_of_rows(rows: pd.DataFrame) -> Card | None:
    corpora = set(rows["corpus"])
    if len(corpora) == 1:
        return card_of(corpora.pop())
    return SuperSet().card if corpora <= {part.name for part in SuperSet.parts} else None


def random_split_text(chosen: ProtocolSpec, rows: pd.DataFrame) -> str:
    """Return why rows are split at random, and what that costs."""
    if set(rows["speaker"]) - {""}:
        return (
            f"the split is random ({chosen.name}), because all recordings are of one speaker; the scores say nothing "
            "about others"
        )
    return (
        f"the split is random ({chosen.name}), because no speakers are known: the same voice may be in training and "
        "test, which makes scores higher than for a new speaker"
    )


def protocol_or_default(
    name: str, by_speaker: str, rows: pd.DataFrame, settings: Mapping[str, Any] | None, spec: PipelineSpec
) -> Protocol:
    """Build the protocol that is named; with `DEFAULT`, one by speaker, or a random one.

    Parameters
    ----------
    name : str
        A key of `PROTOCOLS`, or `DEFAULT`.
    by_speaker : str
        The protocol that `DEFAULT` stands for.
    rows : DataFrame
        The rows to split. With `DEFAULT`, if they do not tell two speakers, they are split at random, with a
        `RuntimeWarning`.
    settings : mapping or None
        Parameters of the protocol.
    spec : PipelineSpec
        Specification of the pipeline; its task and its seed count.
    """
    if name != DEFAULT:
        return choose_protocol(name, rows, settings, seed=spec.seed)
    wanted = ProtocolSpec(name=by_speaker, settings=dict(settings or {}))
    chosen = protocol_without_speakers(wanted, rows, stratified=spec.task == CLASSES)
    if chosen.name != by_speaker:
        # The line that is named is that of the caller of 'evaluate' or 'fit'.
        warnings.warn(random_split_text(chosen, rows), RuntimeWarning, stacklevel=3)
    return choose_protocol(chosen.name, rows, chosen.settings, seed=spec.seed)


def choose_protocol(
    name: str, rows: pd.DataFrame, settings: Mapping[str, Any] | None = None, *, seed: int | None = None
) -> Protocol:
    """Build a protocol. The corpus's card gives test speakers, number of folds, or folds if `settings` does not.

    Parameters
    ----------
    name : str
        A key of `PROTOCOLS`.
    rows : DataFrame
        The rows to split. If all are of one known corpus, its card is used.
    settings : mapping, optional
        Parameters of the protocol.
    seed : int, optional
        The seed for protocols that take one, unless `settings` has a seed.
    """
    chosen = dict(settings or {})
    kind = PROTOCOLS.named(name)
    if seed is not None and kind.seeded:
        chosen.setdefault("seed", seed)
    card = _card_of_rows(rows)
    if card is not None and name == "speaker-holdout" and not {"speakers", "share"} & set(chosen):
        present = set(rows["speaker"])
        tested = [speaker for speaker in card.protocol.holdout_speakers if speaker in present]
        if tested and set(tested) < present:
            chosen["speakers"] = tuple(tested)
    if name == "speaker-kfold" and "folds" not in chosen:
        speakers = int(rows["speaker"].nunique())
        chosen["folds"] = max(2, min(card.protocol.folds if card is not None else 5, speakers))
    if "split_name" in chosen:
        _check_alone(name, chosen)
    if name == "published-folds" and "fold_speakers" not in chosen:
        chosen |= _published(card, chosen.get("split_name", ""), name)
    if name == AddedCorpora.name and chosen.get("split_name"):
        chosen |= _added(rows, chosen)
    return protocol(name, **chosen)


def _check_alone(name: str, chosen: Mapping[str, Any]) -> None:
    """Raise `ProtocolError` if other folds are given beside the name of published ones."""
    if both := [key for key in ("fold_speakers", *(["folds"] if name == AddedCorpora.name else [])) if key in chosen]:
        raise ProtocolError(
            f"{name}: got both split_name (--split) and {both[0]}; expected one of them", parameter=both[0]
        )


def _added(rows: pd.DataFrame, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the published folds of the tested corpora, to which others are added; none if these are not there."""
    tested = chosen.get("test")
    known = set(rows["corpus"])
    if not isinstance(tested, Sequence) or isinstance(tested, str) or not tested or not known.issuperset(tested):
        # The protocol says what is wrong with them.
        return {}
    return _published(_card_of_rows(rows[rows["corpus"].isin(list(tested))]), chosen["split_name"], AddedCorpora.name)


def _published(card: Card | None, split: Any, protocol: str) -> dict[str, Any]:
    """Return the settings of the published folds of that name, or of the only ones, in the card of a corpus."""
    if card is None or not card.splits:
        corpus = "recordings without a card, or of several corpora" if card is None else f"the corpus '{card.name}'"
        listed = ", ".join(name for name in CORPORA.loadable() if CORPORA[name].card.splits)
        raise ProtocolError(f"{protocol}: no folds are known for {corpus}. They are known for {listed}")
    name = split or (next(iter(card.splits)) if len(card.splits) == 1 else "")
    if not isinstance(name, str) or name not in card.splits:
        got = f"split_name is '{name}'" if name else "no split was named"
        raise ProtocolError(
            f"{protocol}: {got}; expected one of {card.name}'s: {', '.join(card.splits)}", parameter="split_name"
        )
    return {"split_name": name, "fold_speakers": card.splits[name].folds}


def protocol_without_speakers(wanted: ProtocolSpec, rows: pd.DataFrame, *, stratified: bool = True) -> ProtocolSpec:
    """Return a random protocol in the place of one by speaker, if the rows do not tell at least two speakers.

    Parameters
    ----------
    wanted : ProtocolSpec
        The protocol that is used where nobody names one.
    rows : DataFrame
        The rows to split.
    stratified : bool, default=True
        Keep the shares of the emotions equal in all folds, as far as possible.

    Raises
    ------
    ProtocolError
        If an emotion has a single recording, which cannot be in training and test.

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": "", "emotion": ["sad", "calm"] * 3})
    >>> protocol_without_speakers(ProtocolSpec(name="speaker-kfold"), rows)
    ProtocolSpec(name='random-kfold', settings={'stratified': True, 'folds': 3})
    """
    known = set(rows["speaker"]) - {""}
    if wanted.name not in BY_SPEAKER or len(known) > 1 or "speakers" in wanted.settings:
        return wanted
    settings: dict[str, Any] = {"stratified": True} if stratified else {}
    recordings = rows.drop_duplicates("source") if "source" in rows else rows
    smallest = len(recordings)
    if stratified:
        counts = recordings["emotion"].value_counts()
        smallest = int(counts.min())
        if smallest < 2:
            raise ProtocolError(
                f"there is one recording of '{counts.idxmin()}'; expected two or more of each emotion, for training "
                f"and for test. Leave it out with --drop-classes {counts.idxmin()}, or add recordings"
            )
    if "share" in wanted.settings:
        return wanted.changed(name=RANDOM_SHARE, settings=settings | wanted.settings)
    return wanted.changed(name=RANDOM, settings={**settings, "folds": min(MOST_FOLDS, smallest), **wanted.settings})


def searched_stamps(searched: ParameterSearch | None, rows: pd.DataFrame, split: Protocol | None) -> list[Stamp]:
    """Return the stamp of parameters that a search chose: how many of the tested speakers it saw.

    Parameters
    ----------
    searched : ParameterSearch, optional
        What the search looked at; None if there was none.
    rows : DataFrame
        The rows that are split.
    split : Protocol, optional
        None if nothing is tested.

    Examples
    --------
    >>> from fusionser.splits import LeaveOneSpeakerOut
    >>> rows = pd.DataFrame({"speaker": ["a/1", "a/2", "a/3"]})
    >>> searched_stamps(ParameterSearch(trials=20, speakers=("a/1", "a/2")), rows, LeaveOneSpeakerOut())[0].value
    {'trials': 20, 'tested': 2}
    """
    if searched is None or split is None:
        return []
    tested = {rows["speaker"].iloc[row] for _, _, test in split.named_folds(rows) for row in test}
    value = {"trials": searched.trials, "tested": len(tested & set(searched.speakers))}
    return [Stamp(kind="parameters-searched", value=value)]
