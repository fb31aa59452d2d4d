"""Percentiles of short series are those of NumPy, bit for bit."""

import numpy as np
import pytest

from fusionser.features.percentiles import percentile, percentiles

WANTED = [0, 5, 10, 25, 50, 75, 90, 95, 99.9, 100]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 10, 11, 101, 300])
@pytest.mark.parametrize("kind", ["normal", "ties", "large"])
def test_bit_for_bit(count, kind):
    drawn = np.random.default_rng(count).normal(size=(7, count))
    values = {"normal": drawn, "ties": drawn.round() + 0.0, "large": 1e300 * drawn}[kind]
    expected = np.percentile(values, WANTED, axis=-1)
    assert percentiles(values, WANTED).tobytes() == expected.tobytes()
    assert [percentile(values[0], share) for share in WANTED] == expected[:, 0].tolist()
