"""Changes to the bytes of a file, and to nested values."""

import copy
from typing import Any

import numpy as np

EXTREMES = (
    b"\0\0\0\0",
    b"\1\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"\x80\0\0\0",
)
HEAD = 128
"""Bytes at the beginning in which most formats have their header."""


def changed(content: bytes, rng: np.random.Generator) -> bytes:
    """Return content after one to three changes."""
    for _ in range(int(rng.integers(1, 4))):
        content = CHANGES[int(rng.integers(len(CHANGES)))](content, rng)
    return content


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content) + 1))]


def cut_in_head(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, HEAD))]


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """Return content with some bits flipped, half of the time in the header."""
    if not content:
        return content
    array = np.frombuffer(content, dtype=np.uint8).copy()
    within = min(HEAD, len(array)) if rng.random() < 0.5 else len(array)
    for place in rng.integers(0, within, int(rng.integers(1, 17))):
        array[place] ^= 1 << int(rng.integers(8))
    return array.tobytes()


def lying(content: bytes, rng: np.random.Generator) -> bytes:
    """Return content with an extreme number in its header."""
    place = int(rng.integers(0, HEAD)) // 2 * 2
    return content[:place] + EXTREMES[int(rng.integers(len(EXTREMES)))] + content[place + 4 :]


def random_block(content: bytes, rng: np.random.Generator) -> bytes:
    first, count = int(rng.integers(0, len(content) + 1)), int(rng.integers(1, 300))
    return content[:first] + rng.bytes(count) + content[first + count :]


def inserted(content: bytes, rng: np.random.Generator) -> bytes:
    first = int(rng.integers(0, len(content) + 1))
    return content[:first] + rng.bytes(int(rng.integers(1, 50))) + content[first:]


def removed(content: bytes, rng: np.random.Generator) -> bytes:
    first = int(rng.integers(0, len(content) + 1))
    return content[:first] + content[first + int(rng.integers(1, 300)) :]


def repeated(content: bytes, rng: np.random.Generator) -> bytes:
    return content + content[int(rng.integers(0, len(content) + 1)) :]


CHANGES = (cut, cut_in_head, flipped, flipped, lying, lying, random_block, inserted, removed, repeated)

STRANGE: tuple[Any, ...] = (
    *(None, "", "x", -1, 0, 1e308, float("inf"), True, 2**62, [], {}, [1], [[]], [[0, 1]]),
    *("../../x", "svm", "os", "system", "__class__", "\x00", "x" * 5000),
)


def change_value(value: Any, rng: np.random.Generator) -> None:
    """Change, remove or rename a random value in nested dicts and lists, in place."""
    while value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[int(rng.integers(len(keys)))]
        if isinstance(value[key], (dict, list)) and value[key] and rng.random() < 0.85:
            value = value[key]
            continue
        if rng.random() < 0.2:
            del value[key]
        elif rng.random() < 0.2 and isinstance(value, dict):
            value[f"{key}x"] = value.pop(key)
        else:
            # Later changes of the value would change the list for all.
            value[key] = copy.deepcopy(STRANGE[int(rng.integers(len(STRANGE)))])
        return
