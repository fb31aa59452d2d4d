"""What a part is given."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Given"]


@dataclass(frozen=True)
class Given:
    """What a part is given.

    Parameters
    ----------
    data : Path
        Folder with the folders `ravdess` and `emodb/wav`.
    scratch : Path
        A folder that is removed afterwards.
    out : Path
        Folder of the report, with the figures of other parts.
    rates : Path
        Where the rates are written.
    small : bool
        Whether the part should be short, to try it.
    most_seconds : float, default=3600
        Numbers of rows that would take longer, by the number before, are left out (`whole`).
    """

    data: Path
    scratch: Path
    out: Path
    rates: Path
    small: bool
    most_seconds: float = 3600.0

    @property
    def ravdess(self) -> Path:
        """RAVDESS speech, 48 kHz."""
        return self.data / "ravdess"

    @property
    def emodb(self) -> Path:
        """EMO-DB, 16 kHz."""
        return self.data / "emodb" / "wav"
