"""Which settings of a stored evaluation differ from those of the one to run, in words."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["MISSING", "by_block", "differing"]

MISSING = "none"
"""What stands for a setting that one side lacks."""

LONGEST = 40
"""Characters of a value; of a longer one only the name is told."""


def differing(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that differ, each with the stored value and that of today.

    Examples
    --------
    >>> list(differing({"folds": 3, "seed": 0}, {"folds": 4, "seed": 0, "stratified": True}))
    ['folds (3, now 4)', 'stratified (none, now true)']
    """
    for name in dict.fromkeys((*stored, *wanted)):
        values = [settings.get(name, MISSING) for settings in (stored, wanted)]
        if values[0] != values[1]:
            texts = [value if isinstance(value, str) else json.dumps(value, default=str) for value in values]
            yield name if max(map(len, texts)) > LONGEST else f"{name} ({texts[0]}, now {texts[1]})"


def by_block(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings of blocks in one table, and the names of the blocks in their order.

    Examples
    --------
    >>> by_block([{"name": "a", "kind": "mfcc", "n_mfcc": 20}])
    {'blocks': 'a', 'a.kind': 'mfcc', 'a.n_mfcc': 20}
    """
    names = [str(block.get("name", block.get("kind"))) for block in blocks]
    return {
        "blocks": ", ".join(names),
        **{
            f"{name}.{key}": value
            for name, block in zip(names, blocks, strict=True)
            for key, value in block.items()
            if key != "name"
        },
    }
