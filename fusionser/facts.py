"""Facts about results and listings, as values. Only `fusionser.reporting` turns them into sentences."""

import math
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fusionser.files import parse_json

__all__ = [
    "Count",
    "QuarantineList",
    "Record",
    "Share",
    "Stamp",
    "json_value",
    "left_out_speakers",
    "read_json",
    "what_differs",
]

Model = TypeVar("Model", bound=BaseModel)


class Record(BaseModel):
    """A frozen record that rejects unknown fields, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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


def left_out_speakers(notes: Iterable[Stamp]) -> tuple[str, ...]:
    """Return the speakers that are in neither training nor test, in the notes of a result."""
    return next((tuple(note.value) for note in notes if note.kind == "left-out-speakers"), ())


Share = Annotated[float, Field(ge=0, le=1 + 1e-9)]
"""A score or a probability, 0 to 1. Means of numbers that are all 1 may exceed it by a rounding error."""

Count = Annotated[int, Field(ge=0, le=2**53)]
"""A number of rows, clips or speakers."""


def _with_reasons(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    if not all({"file", "reason"} <= entry.keys() for entry in entries):
        raise ValueError("an entry has no file or no reason; expected both")
    return entries


QuarantineList = Annotated[list[dict[str, str]], AfterValidator(_with_reasons)]
"""Recordings that were left out, each with its ``file`` and the ``reason``."""


def json_value(value: Any) -> Any:
    """Return a value of a table as a JSON value. What is missing or infinite, which JSON cannot say, is None.

    Examples
    --------
    >>> import numpy as np
    >>> json_value(np.float32(0.5)), json_value(np.inf), json_value(np.datetime64("NaT")), json_value(np.array([1, 2]))
    (0.5, None, None, [1, 2])
    """
    # Records are read where nothing else needs these.
    import numpy as np
    import pandas as pd

    if isinstance(value, np.ndarray | list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(name): json_value(item) for name, item in value.items()}
    value = value.item() if isinstance(value, np.generic) else value
    if pd.isna(value) or (isinstance(value, float) and math.isinf(value)):
        return None
    return value if isinstance(value, str | int | float) else str(value)


def read_json(kind: type[Model], content: str | bytes) -> Model:
    """Return a record from its JSON text, read by `parse_json`; raise `ValueError` if it is anything else."""
    return kind.model_validate(parse_json(content))


def what_differs(error: ValueError) -> str:
    """Return why a text is not a record, without what it holds."""
    if not isinstance(error, ValidationError):
        return str(error)
    return f"{error.error_count()} field{'s differ' if error.error_count() > 1 else ' differs'}"
