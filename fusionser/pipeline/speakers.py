"""Rows without those of some speakers, who are kept for a later test."""

from collections.abc import Sequence
from dataclasses import replace

from fusionser.errors import SettingsError
from fusionser.pipeline.prepare import Prepared
from fusionser.splits.base import speakers_of
from fusionser.splits.protocols import match_speaker

__all__ = ["leave_out_speakers"]


def leave_out_speakers(
    prepared: Prepared, speakers: Sequence[str], flag: str = "--leave-out-speakers"
) -> tuple[Prepared, tuple[str, ...]]:
    """Return prepared rows without those of some speakers, and the whole names of these.

    Parameters
    ----------
    prepared : Prepared
    speakers : sequence of str
        Names, with or without that of the corpus.
    flag : str, default="--leave-out-speakers"
        The option that named them, for errors.

    Raises
    ------
    ProtocolError
        If one of them is unknown.
    SettingsError
        If nobody is left.
    """
    if not speakers:
        return prepared, ()
    known = speakers_of(prepared.table, flag)
    names = tuple(dict.fromkeys(match_speaker(speaker, known, flag) for speaker in speakers))
    kept = prepared.table[~prepared.table["speaker"].isin(names)].reset_index(drop=True)
    if kept.empty:
        raise SettingsError(f"{flag} names all speakers; leave some for training and test")
    return replace(prepared, table=kept), names
