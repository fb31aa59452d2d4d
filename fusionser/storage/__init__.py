"""Recordings, features, models and reports in object stores, on servers and in archives, by their addresses."""

from fusionser.storage.addresses import address_of, in_address, known_protocols, redacted, suffix_of
from fusionser.storage.copies import HEADER, at_hand, fetched_ahead, fetching_ahead, local_copy
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
from fusionser.storage.transfers import (
    content_mark,
    listed,
    listed_state,
    read_object,
    reading,
    remove,
    upload,
    write_object,
)

__all__ = [
    "HEADER",
    "address_of",
    "at_hand",
    "called",
    "check_output",
    "content_mark",
    "elsewhere",
    "fetched_ahead",
    "fetching_ahead",
    "in_address",
    "input_place",
    "known_protocols",
    "listed",
    "listed_state",
    "local_copy",
    "output_file",
    "output_folder",
    "read_object",
    "reading",
    "recordings_below",
    "redacted",
    "remove",
    "remove_below",
    "shown",
    "suffix_of",
    "upload",
    "write_back",
    "write_object",
]
