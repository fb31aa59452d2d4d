"""Decoding a whole corpus, to find what headers do not tell."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from fusionser.audio import ClipSettings, decode, fingerprint, prepare
from fusionser.errors import AudioError

__all__ = ["decode_all"]


def decode_all(rows: pd.DataFrame, progress: Callable[..., None]) -> tuple[list[dict[str, str]], list[list[str]]]:
    """Decode every row.

    Returns
    -------
    refused : list of dict
        ``file`` and ``reason`` of each recording that is damaged, silent or not finite.
    identical : list of list of str
        Groups of files with the very same audio.
    """
    refused: list[dict[str, Any]] = []
    same: dict[str, list[str]] = {}
    for done, (file, start, end) in enumerate(rows[["file", "start", "end"]].itertuples(index=False)):
        try:
            samples, rate = decode(file, start, end)
            prepare(samples, rate, ClipSettings(sampling_rate=max(rate, 1000)), name=file)
        except AudioError as error:
            refused.append({"file": file, "reason": str(error)})
        else:
            same.setdefault(fingerprint(samples, rate), []).append(file)
        progress(done + 1, len(rows))
    return refused, [files for files in same.values() if len(files) > 1]
