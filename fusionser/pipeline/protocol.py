"""Build protocols with the defaults of a corpus's card."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fusionser.corpora import Card
from fusionser.corpora.super_set import SuperSet
from fusionser.pipeline.features import card_of
from fusionser.registry import PROTOCOLS
from fusionser.splits import Protocol, protocol

__all__ = ["choose_protocol"]


def _card_of_rows(rows: pd.DataFrame) -> Card | None:
    corpora = set(rows["corpus"])
    if len(corpora) == 1:
        return card_of(corpora.pop())
    return SuperSet().card if corpora <= {part.name for part in SuperSet.parts} else None


def choose_protocol(
    name: str, rows: pd.DataFrame, settings: Mapping[str, Any] | None = None, *, seed: int | None = None
) -> Protocol:
    """Build a protocol. The corpus's card gives the test speakers and the number of folds if `settings` does not.

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
    return protocol(name, **chosen)
