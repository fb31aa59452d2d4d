"""Facts about results and listings, as values. Only `fusionser.reporting` turns them into sentences."""

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Record", "Stamp"]


class Record(BaseModel):
    """A frozen record that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stamp(Record):
    """A fact that a reader of a result, or of a listing of recordings, must know.

    Parameters
    ----------
    kind : str
        The kind of fact; `fusionser.reporting.words` has a sentence for each kind.
    value : object
        A number, a string, or a list or mapping of these.
    allowed : bool, default=True
        Whether the protocol allows it. What it forbids is an error, and is stamped only if that error was overruled.

    Examples
    --------
    >>> Stamp(kind="shared-speakers", value=24).model_dump()
    {'kind': 'shared-speakers', 'value': 24, 'allowed': True}
    """

    kind: str
    value: Any = None
    allowed: bool = True
