"""Prepared rows under other specifications, for tests."""

from dataclasses import replace
from typing import Any

from fusionser.pipeline import Prepared


def under(prepared: Prepared, **parts: Any) -> Prepared:
    """Return the rows and features of `prepared` under another specification: its own, but for the parts given."""
    return replace(prepared, spec=prepared.spec.changed(**parts))
