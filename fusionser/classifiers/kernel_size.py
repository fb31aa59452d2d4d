"""The number of training rows up to which a kernel machine is fitted in a sensible time."""

import numpy as np

from fusionser.errors import SettingsError

__all__ = ["MOST_ROWS", "check_kernel_size"]

MOST_ROWS = 30_000
"""For so many rows of `robust`, with 198 columns, `SVM` takes 9 minutes on one core.

It takes 1 minute for 12 000 rows, 4 minutes for 20 000, and would take hours for 100 000."""


def check_kernel_size(rows: int, most: int | None, name: str = "svm", power: str = "square") -> None:
    """Raise `SettingsError` for more rows than `most`; None is no limit.

    Parameters
    ----------
    rows : int
    most : int, optional
    name : str, default="svm"
        Name of the classifier.
    power : str, default="square"
        With which power of the rows its time grows.

    Examples
    --------
    >>> check_kernel_size(20_000, MOST_ROWS)
    """
    if most is not None and (isinstance(most, bool) or not isinstance(most, int | np.integer)):
        raise SettingsError(f"most_rows is {most!r}; expected a whole number, or None for no limit")
    if most is not None and rows > most:
        fewer = f" svm takes up to {MOST_ROWS}." if name != "svm" and rows <= MOST_ROWS else ""
        raise SettingsError(
            f"{name} got {rows} training rows; expected at most {most}, since its time grows with their {power}. Use "
            f"linear-svm (--classifier linear-svm), whose time grows with the rows.{fewer} To wait for {name}, set its "
            "parameter most_rows to a larger number (in a settings file, --config)"
        )
