"""What an extraction takes for one clip, as it was measured."""

from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fusionser.errors import FusionserError, SettingsError, unknown_name
from fusionser.facts import Record, what_differs
from fusionser.files import parse_toml, write_text
from fusionser.results import Provenance

__all__ = [
    "CLIPS",
    "CLUSTER",
    "Asking",
    "ClusterRates",
    "Decoding",
    "PresetRates",
    "Rates",
    "Recordings",
    "included_rates",
    "read_rates",
    "write_rates",
]

CLIPS, CLUSTER = "clips", "cluster"
"""What the rates are of, as named in `Rates.measured`: what `measure_rates` measures, and the other ones."""

Amount = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Recordings(Record):
    """The recordings that were measured.

    Parameters
    ----------
    kind : str
        Their format, rate and channels.
    count : int
    seconds : float
        Mean duration.
    bytes_per_second : float
        Bytes of their files for a second of audio.
    """

    kind: str
    count: Annotated[int, Field(ge=1)]
    seconds: Positive
    bytes_per_second: Positive


class Decoding(Record):
    """Seconds of a core to decode a clip: for each clip, and for each second of audio in it."""

    per_clip: Amount
    per_second: Amount


class PresetRates(Record):
    """What the columns of a preset take, without the decoding.

    Parameters
    ----------
    per_clip, per_second : float
        Seconds of a worker's core for each clip, and for each second of audio in it.
    collecting : float
        Seconds for each clip to collect and write the columns, on the machine that runs the command.
    columns : int
    bytes_per_row : float
        Bytes of a row in the features file.
    """

    per_clip: Amount
    per_second: Amount
    collecting: Amount
    columns: Annotated[int, Field(ge=1)]
    bytes_per_row: Positive


class Asking(Record):
    """What a clip takes on the machine that runs the command, besides the collecting.

    Parameters
    ----------
    listing : float
        Seconds to read the header of a recording.
    naming : float
        Seconds to put a row into a part of a dataset, whose name is a hash of its rows.
    memory : float
        Bytes of a row in memory.
    """

    listing: Amount
    naming: Amount
    memory: Amount


class ClusterRates(Record):
    """What a Dask cluster takes to move rows: seconds for each row and for each group of rows, and bytes of a row.

    Parameters
    ----------
    scheduler_per_row, scheduler_per_group : float
        Seconds of the scheduler.
    asking_per_row, asking_per_group : float
        Seconds of the machine that runs the command.
    worker_per_row, worker_per_group : float
        Seconds of a worker.
    task_bytes : float
        Bytes that describe a row, on their way to a worker.
    answer_bytes : float
        Bytes of the answer for a row, besides four for each column.
    """

    scheduler_per_row: Amount
    scheduler_per_group: Amount
    asking_per_row: Amount
    asking_per_group: Amount
    worker_per_row: Amount
    worker_per_group: Amount
    task_bytes: Amount
    answer_bytes: Amount


class Rates(Record):
    """All rates from which a projection is computed.

    Parameters
    ----------
    recordings : Recordings
    decoding : Decoding
    presets : dict of str to PresetRates
    asking : Asking
    cluster : ClusterRates
    measured : dict of str to dict
        How these were measured: the provenance of ``clips`` (recordings, decoding, presets, listing) and of
        ``cluster`` (cluster, memory).

    Examples
    --------
    >>> sorted(included_rates().presets)
    ['fusionnet', 'robust', 'wide']
    """

    recordings: Recordings
    decoding: Decoding
    presets: dict[str, PresetRates]
    asking: Asking
    cluster: ClusterRates
    measured: dict[str, Provenance]

    def preset(self, name: str) -> PresetRates:
        """Return the rates of a preset; raise `SettingsError` if it was not measured."""
        if name not in self.presets:
            raise unknown_name("preset", name, self.presets)
        return self.presets[name]


def included_rates() -> Rates:
    """Return the rates that come with fusionser, which `python -m benchmarks.scale` measured."""
    return _parsed((resources.files("fusionser.planning") / "rates.toml").read_text(encoding="utf-8"), "rates.toml")


def read_rates(path: str | Path) -> Rates:
    """Read rates that `write_rates` wrote.

    Raises
    ------
    SettingsError
        If the file cannot be read, or holds anything else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: the rates cannot be read ({getattr(error, 'strerror', None) or error}); write them with "
            "'fusionser plan --measure RECORDINGS --rates FILE.toml'"
        ) from error
    return _parsed(text, str(path))


def _parsed(text: str, name: str) -> Rates:
    try:
        return Rates.model_validate(parse_toml(text))
    except ValueError as error:
        raise SettingsError(
            f"{name}: not a file of rates ({what_differs(error)}); write one with 'fusionser plan --measure RECORDINGS "
            "--rates FILE.toml'"
        ) from error


def write_rates(rates: Rates, path: str | Path) -> Path:
    """Write rates as TOML.

    Raises
    ------
    FusionserError
        If the file is not named ``.toml``, or cannot be written.
    """
    import tomli_w

    if Path(path).suffix.lower() != ".toml":
        raise FusionserError(f"{path}: rates are written as TOML; expected a file ending in .toml")
    return write_text(path, tomli_w.dumps(rates.model_dump()))
