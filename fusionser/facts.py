"""Facts about results and listings, as values: sentences are made of them in `fusionser.reporting` alone."""

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Record", "Stamp"]


class Record(BaseModel):
    """A frozen record that knows no other fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stamp(Record):
    """One thing that a reader must know of a result, or of a listing of recordings.

    Parameters
    ----------
    kind : str
        What it is; `fusionser.reporting.words` has a sentence for each.
    value : object
        Plain values: a number, text, a list or a mapping.
    allowed : bool, default=True
        Whether the protocol allows it; what it does not allow is refused, and stamped only where that was overruled.

    Examples
    --------
    >>> Stamp(kind="shared-speakers", value=24).model_dump()
    {'kind': 'shared-speakers', 'value': 24, 'allowed': True}
    """

    kind: str
    value: Any = None
    allowed: bool = True
