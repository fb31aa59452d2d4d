"""Build the features of a specification."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionser.block_text import block_of
from fusionser.corpora import CORPORA, Card
from fusionser.errors import SettingsError, unknown_name
from fusionser.features import BLOCKS, EstimatedGender, FeatureExtractor, LearnedBlock, preset, wide
from fusionser.features.external.columns import GivenColumns, matching_columns
from fusionser.features.framing import build_block
from fusionser.features.presets import PAPER_CLIP, PAPER_PRESETS
from fusionser.features.store import read_settings
from fusionser.names import DEFAULT_PRESET, GROUPS, WIDE, block_names
from fusionser.registry import NETWORKS
from fusionser.spec import FeaturesSpec, PipelineSpec
from fusionser.tables import column_names, is_table

__all__ = ["Place", "build_features", "card_of", "resolve"]

NOT_IN_TEXT = ("cache", "n_jobs", "front_end", "device")
"""Parameters of blocks that a text does not give: where they run, and the input of a network."""


@dataclass(frozen=True)
class Place:
    """An input: a folder with its corpus, or a table (``corpus`` is None). The rest is as in `list_rows`."""

    path: str | Path
    corpus: str | None = None
    layout: str | None = None
    accept_truncated: bool = False
    columns: Mapping[str, str] | None = None
    channel: str | None = None
    parts: Sequence[str] = ()
    download: bool = False


def card_of(corpus: str | None) -> Card | None:
    """Return the card of a known corpus, or else None."""
    return CORPORA[corpus].card if corpus is not None and corpus in CORPORA else None


def resolve(spec: PipelineSpec, places: Sequence[Place]) -> PipelineSpec:
    """Complete a specification: the blocks of a features file, the offset of a corpus, the names of its defaults.

    Parameters
    ----------
    spec : PipelineSpec
    places : sequence of Place
        The settings of features files are used if the specification names no features. The card of a single corpus
        gives the offset of SER-FusionNet's blocks.

    Raises
    ------
    SettingsError
        If features files have different settings, or the specification would change their settings.
    """
    features = spec.features
    stored = None if spec.network or features.named else _stored(places, features)
    if stored is not None:
        return spec.changed(features=stored).explicit()
    if features.columns:
        features = features.changed(columns=_columns(places, features.columns))
        spec = spec.changed(features=features)
    settled = bool(features.blocks) and all(not isinstance(block, str) for block in features.blocks)
    if settled or features.corpus_offset is not None:
        return spec.explicit()
    card = card_of(places[0].corpus) if len(places) == 1 else None
    offset = card.protocol.clip_offset if card is not None else 0.0
    return spec.changed(features=features.changed(corpus_offset=offset)).explicit()


def _columns(places: Sequence[Place], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that patterns name in the tables, which must all have them."""
    found: list[list[str]] = []
    for place in places:
        path = Path(place.path)
        if not path.exists():
            raise SettingsError(f"{path}: no such table")
        if not is_table(path):
            raise SettingsError(
                f"--columns names columns of tables, and {path} is no table; give a table of recordings with them"
            )
        found.append(matching_columns(column_names(path, place.columns), patterns))
    for place, names in zip(places, found, strict=True):
        if lacking := [name for name in found[0] if name not in names]:
            raise SettingsError(f"{place.path}: has no column '{lacking[0]}', but {places[0].path} has; expected both")
    return tuple(found[0])


def _stored(places: Sequence[Place], wanted: FeaturesSpec) -> FeaturesSpec | None:
    """Return the features of features files, which must all be the same, or None for other places."""
    stored = [read_settings(place.path) for place in places]
    for place, settings in zip(places, stored, strict=True):
        if settings is None:
            _refuse_unsettled(place)
    first = stored[0] if stored else None
    if first is None:
        return None
    if any(other is None or other.extractor.digests() != first.extractor.digests() for other in stored):
        raise SettingsError(
            "the inputs were extracted with different settings; name the features with --preset or --blocks"
        )
    if wanted.clip.given() or wanted.gender is not None:
        raise SettingsError(
            f"the features file was extracted as '{first.name}' with its own settings; to change them, name the "
            "features with --preset or --blocks as well"
        )
    return wanted.changed(name=first.name, blocks=tuple(first.extractor.settings()))


def _refuse_unsettled(place: Place) -> None:
    """Refuse a table with columns of features whose settings are not in it: it is not known what they are."""
    path = Path(place.path)
    if not is_table(path):
        return
    columns = [name for name in column_names(path, place.columns) if "__" in name and name.split("__")[0] in BLOCKS]
    if columns:
        raise SettingsError(
            f"{path}: has {len(columns)} columns of features, such as {columns[0]}, and not their settings: another "
            "program wrote this file. Give the file that 'fusionser extract' wrote, or name the features with --preset "
            "or --blocks: those with the same settings are used, and the others are computed from the recordings"
        )


def build_features(spec: PipelineSpec) -> FeatureExtractor:
    """Build the blocks that a specification names, with their settings.

    Examples
    --------
    >>> [name for name, _ in build_features(PipelineSpec(features={"blocks": ["pitch", "acoustic"]})).blocks]
    ['pitch', 'zcr', 'chroma', 'mfcc', 'rms', 'mel']
    """
    features = spec.features
    names = (spec.network,) if spec.network else features.blocks
    by_preset = features.preset or not (names or features.columns)
    extractor = _preset(features) if by_preset else _named(names, features)
    if features.columns:
        extractor.blocks = [*extractor.blocks, (GivenColumns.kind, GivenColumns(columns=features.columns))]
    if features.keep:
        there = dict(extractor.blocks)
        for name in features.keep:
            if name not in there:
                raise unknown_name("feature block to keep", name, there)
        extractor = FeatureExtractor(blocks=[(name, there[name]) for name in there if name in features.keep])
    _check_clip(extractor, features.clip.given())
    extractor.check()
    return extractor


def _check_clip(extractor: FeatureExtractor, clip: Mapping[str, Any]) -> None:
    """Refuse a setting of the clip that no block uses."""
    heard = [block for _, block in extractor.blocks if getattr(block, "uses_audio", True)]
    inputs = [block.resolved_front_end() if isinstance(block, LearnedBlock) else block for block in heard]
    used = {name for block in inputs for name in block.get_params(deep=False)}
    for name in clip:
        if name not in used:
            raise SettingsError(
                f"{name} has no effect: none of the blocks {', '.join(name for name, _ in extractor.blocks)} has that "
                "parameter; leave it out"
            )


def _preset(features: FeaturesSpec) -> FeatureExtractor:
    name = features.preset or DEFAULT_PRESET
    of_the_paper = name in PAPER_PRESETS
    clip = {**({"offset": features.corpus_offset or 0.0} if of_the_paper else {}), **features.clip.given()}
    extractor = preset(name, gender=False, **clip)
    kind = features.gender or ("estimated" if of_the_paper else "none")
    if kind != "none":
        extractor.blocks = [*extractor.blocks, ("gender", _gender(kind))]
    return extractor


def _gender(kind: str) -> Any:
    return BLOCKS["gender"]() if kind == "given" else EstimatedGender()


def _named(names: Sequence[str | dict[str, Any]], features: FeaturesSpec) -> FeatureExtractor:
    """Build blocks by name. With SER-FusionNet's blocks, all handcrafted ones use the same part of the clip."""
    listed: list[Any] = []
    for name in names:
        members = GROUPS.get(name, (name,)) if isinstance(name, str) else (name,)
        listed += [member for member in members if member not in listed]
    if features.gender not in (None, "none") and "gender" not in listed:
        listed.append("gender")
    clip = features.clip.given()
    paper = {"duration": PAPER_CLIP, "offset": features.corpus_offset or 0.0, **clip}
    handcrafted = paper if "acoustic" in names or "conv1d" in names else clip
    blocks: list[tuple[str, Any]] = []
    for name in listed:
        if isinstance(name, dict):
            blocks += FeatureExtractor.from_settings([name]).blocks
        elif name == WIDE:
            blocks += wide(**clip).blocks
        elif name == "gender":
            blocks.append((name, _gender(features.gender or "estimated")))
        else:
            kind, parameters = block_of(name)
            own = parameters.pop("name", kind)
            blocks.append((str(own), _block(kind, handcrafted, paper if kind == "conv1d" else clip, parameters)))
    return FeatureExtractor(blocks=blocks)


def _block(name: str, handcrafted: dict[str, Any], learned: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """Build a block with the clip settings for its kind, and with parameters of its own."""
    if name not in BLOCKS and name not in NETWORKS:
        raise unknown_name("feature block", name, block_names())
    kind = BLOCKS[name] if name in BLOCKS else NETWORKS[name]
    known = [known for known in kind._get_param_names() if known not in NOT_IN_TEXT]
    if unknown := [given for given in parameters if given not in known]:
        raise unknown_name(f"parameter of the block '{name}'", unknown[0], known)
    if not issubclass(kind, LearnedBlock):
        return build_block(kind, {**handcrafted, **parameters})
    block = kind(**parameters)
    block.front_end = block.default_front_end().set_params(**learned)
    return block
