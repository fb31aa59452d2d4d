"""Recordings as an application has them: a path, bytes, an open file, samples, a list of any of these, or a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isawaitable, iscoroutine
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from fusionser.errors import FusionserError
from fusionser.files import write_bytes
from fusionser.folders import brief_folder
from fusionser.waveform import MOST_CHANNELS, split_pair

__all__ = ["Clips", "as_clips"]


class Clips(NamedTuple):
    """Recordings in the form that `fusionser.features.FeatureExtractor` takes."""

    items: Any
    """A table, or a list of paths, waveforms and pairs (samples, rate)."""

    names: dict[str, str]
    """What to call the recordings that were bytes, by the paths of their temporary files."""

    def shown(self, text: str) -> str:
        """Return a text that calls these recordings by their names."""
        for path, name in self.names.items():
            text = text.replace(path, name)
        return text


@contextmanager
def as_clips(X: Any) -> Iterator[Clips]:
    """Bring recordings into the form that extractors take, for as long as the context lasts.

    Bytes and open files are written to temporary files, since programs that decode them apart need files.

    Parameters
    ----------
    X : str, path, bytes, binary file, array, pair (samples, rate), sequence of any of these, or DataFrame
        A one-dimensional array is a waveform, and so is a two-dimensional one of samples by channels.

    Yields
    ------
    Clips

    Raises
    ------
    FusionserError
        If a file is not open for reading bytes.

    Examples
    --------
    >>> with as_clips("clip.wav") as clips:
    ...     clips.items
    ['clip.wav']
    >>> import io
    >>> from pathlib import Path
    >>> with as_clips([io.BytesIO(b"RIFF"), "clip.wav"]) as clips:
    ...     Path(clips.items[0]).read_bytes(), list(clips.names.values())
    (b'RIFF', ['recording 0'])
    """
    items = [X] if _is_one(X) else X
    if not isinstance(items, (list, tuple)) or not any(map(_is_encoded, items)):
        yield Clips(items, {})
        return
    listed, names = list(items), {}
    with brief_folder() as folder:
        for place, item in enumerate(items):
            if _is_encoded(item):
                listed[place] = str(write_bytes(folder / f"{place}.audio", _content(item)))
                names[listed[place]] = _name(item, place)
        yield Clips(listed, names)


def _is_one(X: Any) -> bool:
    """Tell whether X is a single recording."""
    if isinstance(X, (str, PathLike)) or _is_encoded(X):
        return True
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiu":
        return X.ndim == 1 or (X.ndim == 2 and X.shape[1] <= MOST_CHANNELS < X.shape[0])
    return isinstance(X, (tuple, list)) and split_pair(X)[1] is not None


def _is_encoded(item: Any) -> bool:
    """Tell whether an item is the content of a file, or an open file."""
    return isinstance(item, (bytes, bytearray, memoryview)) or (hasattr(item, "read") and not isinstance(item, type))


def _content(item: Any) -> bytes:
    try:
        read = item.read() if hasattr(item, "read") else bytes(item)
    except (OSError, ValueError) as error:
        raise FusionserError(f"got a {type(item).__name__} that cannot be read ({error}); open it again") from error
    if isawaitable(read):
        if iscoroutine(read):
            read.close()
        wanted = "that is read asynchronously; await its read(), and give the bytes"
    elif isinstance(read, (bytes, bytearray, memoryview)):
        return bytes(read)
    else:
        wanted = f"that gives {type(read).__name__}; expected bytes, so open the recording with mode 'rb'"
    raise FusionserError(f"got a {type(item).__name__} {wanted}")


def _name(item: Any, place: int) -> str:
    """Return what an open file says of its name, or a number."""
    name = getattr(item, "name", None)
    return name if isinstance(name, str) and name else f"recording {place}"
