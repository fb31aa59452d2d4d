"""The options of `fusionser show`, and which of them are for what it shows."""

from pathlib import Path

from fusionser.errors import SettingsError

from .known_names import check_names
from .option_checks import check_channel, check_file_to_write, check_jobs, decode_apart
from .option_groups import Group, option
from .option_texts import (
    CHANNEL_HELP,
    DOWNLOAD_HELP,
    ISOLATE_HELP,
    JOBS_HELP,
    LAYOUT_HELP,
    MAP_HELP,
    PARTS_HELP,
    TRUNCATED_HELP,
)

RECORDING, CORPUS, RESULT = "recording", "corpus", "result"
"""What a place can be."""


def check_picture(out: Path | None) -> Path | None:
    """Reject a picture that cannot be written, or is of an unknown format."""
    from fusionser.names import PICTURE_SUFFIXES

    if out is not None and out.suffix.lower() not in PICTURE_SUFFIXES:
        raise SettingsError(f"--out is {out}; expected a file ending in {', '.join(PICTURE_SUFFIXES)}")
    return check_file_to_write(out, "--out")


class OfRecording(Group):
    """The options for a recording."""

    panel = "Recording"
    answer: bool = option(
        "Also show which part influenced the answer of the included model most: how its probability changes when the "
        "part is replaced by quiet noise.",
        False,
        "--answer",
    )
    model: Path | None = option("As --answer, for the model that 'fusionser fit' or 'fusionser export' wrote.")
    start: float | None = option("Second from which the recording is shown, by default 0.", min=0.0)
    end: float | None = option("Second up to which it is shown, by default its end.", min=0.0)


class OfCorpus(Group):
    """The options for a corpus."""

    panel = "Corpus"
    corpus: str | None = option(
        "Corpus of a folder: {corpora}, or folders for any others.", callback=check_names("corpora", several=True)
    )
    layout: str | None = option(LAYOUT_HELP)
    columns: str | None = option(MAP_HELP, flag="--map")
    parts: str | None = option(PARTS_HELP)
    download: bool = option(DOWNLOAD_HELP, False, "--download")
    decode: bool = option(
        "Decode every recording for its level, or read only headers and leave levels out.", True, "--decode/--headers"
    )
    jobs: int = option(JOBS_HELP, -1, callback=check_jobs)


class Asked(Group):
    """The options of the command."""

    out: Path | None = option(
        "Picture to write (.png, .svg or .pdf); by default a .png in the working folder that is named after what is "
        "shown, such as clip-sound.png.",
        callback=check_picture,
    )
    of_recording: OfRecording
    of_corpus: OfCorpus
    channel: str | None = option(CHANNEL_HELP, callback=check_channel)
    accept_truncated: bool = option(TRUNCATED_HELP, False, "--accept-truncated")
    isolate: bool = option(ISOLATE_HELP, False, "--isolate", callback=decode_apart)
    json: bool = option("Print JSON on standard output.", False, "--json")


def refuse_others(kind: str, place: str, asked: Asked) -> None:
    """Raise `SettingsError` if an option is given that is for another kind of place."""
    recording, corpus = asked.of_recording, asked.of_corpus
    audio = {
        "--channel": asked.channel is not None,
        "--accept-truncated": asked.accept_truncated,
        "--isolate": asked.isolate,
    }
    single = {
        "--answer": recording.answer,
        "--model": recording.model is not None,
        "--start": recording.start is not None,
        "--end": recording.end is not None,
    }
    several = {
        "--corpus": corpus.corpus is not None,
        "--layout": corpus.layout is not None,
        "--map": corpus.columns is not None,
        "--parts": corpus.parts is not None,
        "--download": corpus.download,
        "--headers": not corpus.decode,
        "--jobs": corpus.jobs != -1,
    }
    refused = {RECORDING: [several], CORPUS: [single], RESULT: [audio, single, several]}[kind]
    for flag, given in ((flag, given) for options in refused for flag, given in options.items()):
        if given:
            meant = "a recording" if flag in single else "a corpus" if flag in several else "recordings"
            raise SettingsError(f"{flag} is for {meant}, but {place} is a {kind}; leave it out")
