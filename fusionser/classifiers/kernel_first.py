"""Kernel machines fitted to a kernel that is computed beforehand, as one product of matrices."""

from typing import Any, Self, cast

import numpy as np
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel

from fusionser.classifiers.kernel_features import kernel_width
from fusionser.linear_algebra import one_thread

__all__ = ["MOST_AT_ONCE", "KernelFirst"]

MOST_AT_ONCE = 10_000
"""Rows whose kernel is computed at once; it then has 0.8 GB."""


class KernelFirst:
    """Added to `SVC` or `SVR` of scikit-learn: fits the same machine faster.

    libsvm computes each entry of the kernel by itself, and again for every pair of classes. With thousands of columns
    this takes nearly all of the time. Here, one product of matrices yields all entries. The fitted machine has the
    attributes of one that computed its own kernel, and differs from it by rounding only. More rows than `MOST_AT_ONCE`
    are left to libsvm, which keeps only a part of the kernel in memory.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the machine to rows of shape (n_rows, n_columns) and their targets, shape (n_rows,)."""
        machine, plain = cast("Any", self), cast("Any", super())
        values = np.ascontiguousarray(X, dtype=np.float64)
        machine._validate_params()
        name, gamma = machine.kernel, _width(machine.gamma, values)
        if len(values) > MOST_AT_ONCE or name not in ("linear", "rbf"):
            plain.fit(values, y)
            return self
        with one_thread():
            kernel = linear_kernel(values) if name == "linear" else rbf_kernel(values, gamma=gamma)
        machine.kernel = "precomputed"
        try:
            plain.fit(kernel, y)
        finally:
            machine.kernel = name
        machine.support_vectors_, machine.shape_fit_ = values[machine.support_], values.shape
        machine.n_features_in_, machine._gamma = values.shape[1], gamma
        return self


def _width(gamma: float | str, values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return the number that stands for `gamma`, as scikit-learn defines "scale" and "auto"."""
    if not isinstance(gamma, str):
        return float(gamma)
    columns = values.shape[1]
    return 1.0 / columns if gamma == "auto" else kernel_width(gamma, columns * float(values.var()))
