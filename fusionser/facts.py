"""Facts about results and listings, as values. Only `fusionser.reporting` turns them into sentences."""

import math
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

__all__ = ["Record", "Stamp", "json_value"]


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


def json_value(value: Any) -> Any:
    """Return a value of a table as a JSON value. What is missing or infinite, which JSON cannot say, is None.

    Examples
    --------
    >>> json_value(np.float32(0.5)), json_value(np.inf), json_value(pd.NaT), json_value(np.array([1, 2]))
    (0.5, None, None, [1, 2])
    """
    if isinstance(value, np.ndarray | list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {str(name): json_value(item) for name, item in value.items()}
    value = value.item() if isinstance(value, np.generic) else value
    if pd.isna(value) or (isinstance(value, float) and math.isinf(value)):
        return None
    return value if isinstance(value, str | int | float) else str(value)
