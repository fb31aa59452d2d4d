"""The best path through candidates, against all paths of short recordings and planted paths of long ones."""

from itertools import product

import numpy as np
import pytest

from fusionser.features.best_path import best_path


def _sum_along(path: tuple[int, ...], strength: np.ndarray, costs: np.ndarray) -> float:
    gained = sum(strength[frame, place] for frame, place in enumerate(path))
    return float(gained - sum(costs[frame, path[frame], path[frame + 1]] for frame in range(len(path) - 1)))


@pytest.mark.parametrize("frames", range(1, 8))
def test_it_is_the_best_of_all_paths(frames: int) -> None:
    random = np.random.default_rng(frames)
    for _ in range(20):
        strength = random.normal(size=(frames, 3))
        strength[random.random(strength.shape) < 0.3] = -np.inf
        strength[:, 2] = 0.4
        costs = random.random((frames - 1, 3, 3))
        every = list(product(range(3), repeat=frames))
        best = max(every, key=lambda path: _sum_along(path, strength, costs))
        assert tuple(best_path(strength, costs)) == best


@pytest.mark.parametrize("frames", [15, 16, 17, 99, 100, 101, 1000])
def test_a_planted_path_is_found_where_every_other_step_costs_more_than_it_can_gain(frames: int) -> None:
    random = np.random.default_rng(frames)
    planted = random.integers(0, 5, frames)
    costs = np.full((frames - 1, 5, 5), 3.0)
    costs[np.arange(frames - 1), planted[:-1], planted[1:]] = 0.0
    assert (best_path(random.random((frames, 5)), costs) == planted).all()
