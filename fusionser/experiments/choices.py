"""What is chosen before a run: the input, the front end, the protocol, and what is left out follows the corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.corpora import CORPORA, Card
from fusionser.corpora.super_set import SuperSet
from fusionser.errors import SettingsError
from fusionser.evaluation import Protocol, protocol
from fusionser.features import FeatureExtractor, preset
from fusionser.features.presets import blocks_extractor
from fusionser.features.store import read_settings

__all__ = ["Features", "Place", "choose_features", "choose_protocol"]


@dataclass(frozen=True)
class Features:
    """An extractor, and the name it goes by."""

    name: str
    extractor: FeatureExtractor


def card_of(corpus: str | None) -> Card | None:
    """Return the card of a corpus that has one."""
    return CORPORA[corpus].card if corpus is not None and corpus in CORPORA else None


@dataclass(frozen=True)
class Place:
    """An input: a folder and its corpus, or a table (``corpus`` is None)."""

    path: str | Path
    corpus: str | None = None


def choose_features(
    places: Sequence[Place],
    *,
    preset_name: str | None = None,
    blocks: Sequence[str] = (),
    gender: bool | None = None,
    clip: dict[str, Any] | None = None,
) -> Features:
    """Choose the front end: blocks by name, else a preset, else that of the features file, else ``wide``.

    Parameters
    ----------
    places : sequence of Place
        A single features file brings its own settings; the card of a single corpus tells how much of a clip
        SER-FusionNet's preset skips.
    preset_name : str, optional
    blocks : sequence of str
    gender : bool, optional
        Whether the gender as given by the rows is a feature; as the preset has it when None.
    clip : dict, optional
        Parameters of the clip and its frames that differ from the preset's.
    """
    given = dict(clip or {})
    if blocks and preset_name:
        raise SettingsError("got both --preset and --blocks; expected one of them")
    if blocks:
        if gender is not None:
            raise SettingsError("--gender goes with a preset; name or leave out the block 'gender' in --blocks")
        return Features("+".join(blocks), blocks_extractor(blocks, **given))
    stored = [] if preset_name else [read_settings(place.path) for place in places]
    first = stored[0] if stored else None
    if first is not None:
        if any(one is None or one.extractor.digests() != first.extractor.digests() for one in stored):
            raise SettingsError(
                "the inputs were extracted with different settings; name the features with --preset or --blocks"
            )
        if given or gender is not None:
            raise SettingsError(
                f"the features file was extracted as '{first.name}' with settings of its own; to change them, name "
                "the features with --preset or --blocks as well"
            )
        return Features(first.name, first.extractor)
    name = preset_name or "wide"
    card = card_of(places[0].corpus) if len(places) == 1 else None
    if name == "fusionnet" and card is not None:
        given.setdefault("offset", card.protocol.clip_offset)
    options = {} if gender is None else {"gender": gender}
    return Features(name, preset(name, **options, **given))


def _card_of_rows(rows: pd.DataFrame) -> Card | None:
    corpora = set(rows["corpus"])
    if len(corpora) == 1:
        return card_of(corpora.pop())
    parts = {part.name for part in SuperSet.parts}
    return SuperSet().card if corpora <= parts else None


def choose_protocol(name: str, rows: pd.DataFrame, settings: dict[str, Any] | None = None) -> Protocol:
    """Build a protocol, with the corpus's own hold-out and number of folds where none are given.

    Parameters
    ----------
    name : str
        A key of `fusionser.evaluation.PROTOCOLS`.
    rows : DataFrame
        What will be split; when all rows are of one known corpus, its card is asked.
    settings : dict, optional
    """
    given = dict(settings or {})
    card = _card_of_rows(rows)
    if card is not None and name == "speaker-holdout" and not {"speakers", "share"} & set(given):
        present = set(rows["speaker"])
        tested = [speaker for speaker in card.protocol.holdout_speakers if speaker in present]
        if tested and set(tested) < present:
            given["speakers"] = tuple(tested)
    if name == "speaker-kfold" and "folds" not in given:
        speakers = int(rows["speaker"].nunique())
        given["folds"] = max(2, min(card.protocol.folds if card is not None else 5, speakers))
    return protocol(name, **given)
