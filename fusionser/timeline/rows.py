"""Rows of recordings to rows of their windows."""

import pandas as pd

from fusionser.decoding import duration_of
from fusionser.errors import AudioError
from fusionser.timeline.windows import SHORTEST, WindowSettings

__all__ = ["window_rows"]


def window_rows(rows: pd.DataFrame, settings: WindowSettings) -> pd.DataFrame:
    """Return one row per window of each recording or part of one.

    The windows are those of `predict_timeline`: window k begins at k times the hop, and the last one ends with the
    recording. They keep the label and the source of their recording, so that no split parts them. A recording without
    samples, or that cannot be opened, stays one row.

    Parameters
    ----------
    rows : DataFrame
        Rows as of `fusionser.rows.check_rows`.
    settings : WindowSettings

    Examples
    --------
    >>> from fusionser.rows import make_rows
    >>> rows = make_rows([{"file": "a.wav", "start": 10.0, "end": 12.2, "emotion": "sad"}])
    >>> cut = window_rows(rows, WindowSettings(length=1.0, hop=0.5))
    >>> cut[["start", "end", "source"]].to_numpy().tolist()[-1]
    [11.5, 12.2, 'a.wav#10']
    """
    places, starts, ends = [], [], []
    for number, (file, start, end) in enumerate(zip(rows["file"], rows["start"], rows["end"], strict=True)):
        for first, last in _windows(float(start), _end(str(file), float(end)), settings) or [(start, end)]:
            places.append(number)
            starts.append(first)
            ends.append(last)
    return rows.iloc[places].assign(start=starts, end=ends).reset_index(drop=True)


def _end(file: str, end: float) -> float:
    if end == end:
        return end
    try:
        return duration_of(file)
    except AudioError:
        # The extraction says what is wrong with it.
        return end


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
