"""Rows of recordings to rows of their windows."""

import pandas as pd

from fusionser.decoding import duration_of
from fusionser.errors import AudioError
from fusionser.samples import END_TOLERANCE
from fusionser.timeline.windows import SHORTEST, WindowSettings

__all__ = ["window_rows"]


def window_rows(rows: pd.DataFrame, settings: WindowSettings) -> pd.DataFrame:
    """Return one row per window of each recording or part of one.

    The windows are those of `predict_timeline`: window k begins at k times the hop, and the last one ends with the
    recording. They keep the label and the source of their recording, so that no split parts them. A recording that
    cannot be opened, and a part that ends after its file, stay one row.

    Parameters
    ----------
    rows : DataFrame
        Rows as of `fusionser.rows.check_rows`.
    settings : WindowSettings

    Examples
    --------
    >>> from fusionser.rows import make_rows
    >>> rows = make_rows([{"file": "missing.wav", "emotion": "sad"}])
    >>> len(window_rows(rows, WindowSettings(length=1.0, hop=0.5)))
    1
    """
    places, starts, ends = [], [], []
    seconds = {str(file): _duration(str(file)) for file in rows["file"].unique()}
    for number, (file, start, end) in enumerate(zip(rows["file"], rows["start"], rows["end"], strict=True)):
        whole = seconds[str(file)]
        last = whole if end != end else float(end)
        # The extraction says what is wrong with a file, and with a part that ends after it.
        usable = last <= whole + END_TOLERANCE
        for first, stop in (_windows(float(start), last, settings) if usable else []) or [(start, end)]:
            places.append(number)
            starts.append(first)
            ends.append(stop)
    return rows.iloc[places].assign(start=starts, end=ends).reset_index(drop=True)


def _duration(file: str) -> float:
    """Return the duration of a file in seconds; NaN if it cannot be read."""
    try:
        return duration_of(file)
    except AudioError:
        return float("nan")


def _windows(start: float, end: float, settings: WindowSettings) -> list[tuple[float, float]]:
    """Return where the windows of a part begin and end, in seconds; nothing if it has no samples."""
    windows: list[tuple[float, float]] = []
    while True:
        first = start + len(windows) * settings.hop
        last = first + settings.length
        if last > end:
            break
        windows.append((round(first, 6), round(last, 6)))
    covered = windows[-1][1] if windows else start
    if end > covered and (not windows or end - first >= SHORTEST):
        windows.append((round(first, 6), end))
    return windows
