"""Names that options give, checked as soon as they are read: what uses them takes seconds to import."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fusionser.errors import unknown_name


class Known(NamedTuple):
    """What the names of an option stand for, the names that an error lists, and others that are accepted, too."""

    kind: str
    listed: Sequence[str]
    others: Sequence[str] = ()


FIXED = {
    "adaptations": "adaptation",
    "copied_classes": "value of --augment-classes",
    "copies_for": "value of --augment-for",
    "figure_formats": "figure format",
    "fusions": "fusion",
    "gender_features": "kind of gender",
    "imbalance": "imbalance strategy",
    "importance": "kind of importance",
    "precisions": "precision",
    "scalings": "scaling",
    "settings": "setting",
    "studies": "study",
}
"""What the names of `fusionser.names` stand for, by placeholder."""


def known_names(key: str) -> Known:
    """Return the names of a placeholder; this imports nothing large."""
    from fusionser import names
    from fusionser.registry import BLOCKS, DATASET_FORMATS, REGISTRIES

    if key in FIXED:
        return Known(FIXED[key], getattr(names, key.upper()))
    if key == "blocks":
        return Known(BLOCKS.kind, names.block_names())
    registry = REGISTRIES[key.replace("_", "-")]
    if key == "corpora":
        return Known(registry.kind, [*registry, names.FOLDERS, *DATASET_FORMATS])
    # With --targets, the name is that of a regressor.
    return Known(registry.kind, list(registry), list(REGISTRIES["regressors"]) if key == "classifiers" else ())


def check_names(key: str, *, several: bool = False) -> Callable[[str | None], str | None]:
    """Return a callback that rejects unknown names; `several` are separated by commas.

    Examples
    --------
    >>> check_names("presets")("robst")
    Traceback (most recent call last):
    ...
    fusionser.errors.UnknownNameError: unknown preset 'robst'; did you mean 'robust'? Known: wide, fusionnet, ...
    """

    def check(text: str | None) -> str | None:
        if text is not None:
            known = known_names(key)
            for name in _names_in(text, key) if several else [text]:
                if name not in known.listed and name not in known.others:
                    raise unknown_name(known.kind, name, known.listed)
        return text

    return check


def _names_in(text: str, key: str) -> list[str]:
    if key == "blocks":
        from fusionser.block_text import block_of, split_blocks

        return [block_of(part)[0] for part in split_blocks(text)]
    parts = [part.strip() for part in text.split(",") if part.strip()]
    # A kind of augmentation may have its parameter: stretch(1.1).
    return [part.partition("(")[0] for part in parts] if key == "augmentations" else parts
