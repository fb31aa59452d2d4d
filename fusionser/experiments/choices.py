"""What is chosen before a run: the input, the front end, the protocol, and what is left out follows the corpus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from fusionser.corpora import CORPORA, Card
from fusionser.corpora.super_set import SuperSet
from fusionser.errors import SettingsError, unknown_name
from fusionser.features import BLOCKS, PRESETS, EstimatedGender, FeatureExtractor, LearnedBlock, preset, wide
from fusionser.features.framing import build_block
from fusionser.features.presets import GROUPS
from fusionser.features.store import read_settings
from fusionser.networks import NETWORKS
from fusionser.splits import Protocol, protocol

__all__ = ["DEEP_PRESETS", "GENDERS", "Features", "Place", "block_names", "choose_features", "choose_protocol"]

DEEP_PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType({"ser-fusionnet": ("conv1d", "statistics", "gender")})
"""Presets with blocks that learn: SER-FusionNet's 39 columns, 32 deep, 6 statistical and 1 gender."""

GENDERS = ("given", "estimated", "none")
PAPER_CLIP = 2.5


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


def block_names() -> list[str]:
    """Return every name that a list of blocks may hold."""
    return [*GROUPS, "wide", *BLOCKS, *NETWORKS]


def choose_features(
    places: Sequence[Place],
    *,
    preset_name: str | None = None,
    blocks: Sequence[str] = (),
    gender: str | None = None,
    clip: dict[str, Any] | None = None,
) -> Features:
    """Choose the front end: blocks by name, else a preset, else that of the features file, else ``wide``.

    Parameters
    ----------
    places : sequence of Place
        A single features file brings its own settings; the card of a single corpus tells how much of a clip
        SER-FusionNet's blocks skip.
    preset_name : str, optional
        A key of `PRESETS` or `DEEP_PRESETS`.
    blocks : sequence of str
        Out of `block_names`.
    gender : {"given", "estimated", "none"}, optional
        Whether the gender is a feature, and whether it is read off the rows or estimated from the voice; when
        None, estimated where the preset or the blocks have it.
    clip : dict, optional
        Parameters of the clip and its frames that differ from the preset's.
    """
    given = dict(clip or {})
    if gender not in (None, *GENDERS):
        raise unknown_name("kind of gender", str(gender), GENDERS)
    if blocks and preset_name:
        raise SettingsError("got both --preset and --blocks; expected one of them")
    card = card_of(places[0].corpus) if len(places) == 1 else None
    offset = 0.0 if card is None else card.protocol.clip_offset
    if preset_name in DEEP_PRESETS:
        return Features(str(preset_name), _named(DEEP_PRESETS[str(preset_name)], gender, given, offset))
    if blocks:
        if gender == "none" and "gender" in blocks:
            raise SettingsError("got the block 'gender' and --gender none; leave one of them out")
        return Features("+".join(blocks), _named(blocks, gender, given, offset))
    if preset_name is not None and preset_name not in PRESETS:
        raise unknown_name("preset", preset_name, [*PRESETS, *DEEP_PRESETS])
    if preset_name is None:
        stored = _stored(places, changed=bool(given) or gender is not None)
        if stored is not None:
            return stored
    return _plain_preset(preset_name or "wide", gender, given, card)


def _plain_preset(name: str, gender: str | None, clip: dict[str, Any], card: Card | None) -> Features:
    if name == "fusionnet" and card is not None:
        clip.setdefault("offset", card.protocol.clip_offset)
    bare = preset(name, gender=False, **clip)
    kind = gender or ("estimated" if name == "fusionnet" else "none")
    if kind != "none":
        bare.blocks = [*bare.blocks, ("gender", _gender(kind))]
    return Features(name, bare)


def _stored(places: Sequence[Place], *, changed: bool) -> Features | None:
    """Return the features of features files, which must all be the same; None where the places are none."""
    stored = [read_settings(place.path) for place in places]
    first = stored[0] if stored else None
    if first is None:
        return None
    if any(one is None or one.extractor.digests() != first.extractor.digests() for one in stored):
        raise SettingsError(
            "the inputs were extracted with different settings; name the features with --preset or --blocks"
        )
    if changed:
        raise SettingsError(
            f"the features file was extracted as '{first.name}' with settings of its own; to change them, name "
            "the features with --preset or --blocks as well"
        )
    return Features(first.name, first.extractor)


def _gender(kind: str) -> Any:
    return BLOCKS["gender"]() if kind == "given" else EstimatedGender()


def _named(names: Sequence[str], gender: str | None, clip: Mapping[str, Any], offset: float) -> FeatureExtractor:
    """Build blocks by name; the handcrafted ones beside SER-FusionNet's see the same part of the clip."""
    listed = list(dict.fromkeys(one for name in names for one in GROUPS.get(name, (name,))))
    if not listed:
        raise SettingsError(f"no blocks were named; choose from {', '.join(block_names())}")
    if gender == "none":
        listed = [name for name in listed if name != "gender"]
    elif gender is not None and "gender" not in listed:
        listed.append("gender")
    paper = {"duration": PAPER_CLIP, "offset": offset, **clip}
    own = paper if {"acoustic", "conv1d"} & set(names) else dict(clip)
    blocks: list[tuple[str, Any]] = []
    for name in listed:
        if name == "wide":
            blocks += wide(**clip).blocks
        elif name == "gender":
            blocks.append((name, _gender(gender or "estimated")))
        elif name in BLOCKS or name in NETWORKS:
            kind = BLOCKS[name] if name in BLOCKS else NETWORKS[name]
            if issubclass(kind, LearnedBlock):
                built = kind()
                built.front_end = built.default_front_end().set_params(**(paper if name == "conv1d" else clip))
            else:
                built = build_block(kind, own)
            blocks.append((name, built))
        else:
            raise unknown_name("feature block", name, block_names())
    extractor = FeatureExtractor(blocks=blocks)
    extractor.check()
    return extractor


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
        A key of `fusionser.splits.PROTOCOLS`.
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
