"""Recordings, features, models and reports in object stores, on servers and in archives, by their addresses."""

from fusionser.storage.addresses import address_of, known_protocols, redacted
from fusionser.storage.copies import at_hand, fetched_ahead, fetching_ahead, local_copy
from fusionser.storage.places import (
    called,
    check_output,
    elsewhere,
    input_place,
    output_file,
    output_folder,
    recordings_below,
    remove_below,
    shown,
    write_back,
)
from fusionser.storage.transfers import content_mark, listed_state

__all__ = [
    "address_of",
    "at_hand",
    "called",
    "check_output",
    "content_mark",
    "elsewhere",
    "fetched_ahead",
    "fetching_ahead",
    "input_place",
    "known_protocols",
    "listed_state",
    "local_copy",
    "output_file",
    "output_folder",
    "recordings_below",
    "redacted",
    "remove_below",
    "shown",
    "write_back",
]
