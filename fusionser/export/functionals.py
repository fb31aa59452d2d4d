"""Statistics over time as tensors; each does what the one of `fusionser.features.functionals` with its name does."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["delta", "summarise"]


def _slope(series: Tensor) -> Tensor:
    steps = torch.arange(series.shape[-1], dtype=torch.float64)
    steps = steps - steps.mean()
    return (series * steps).sum(dim=-1) / steps.square().sum().clamp(min=1e-300)


def _percentile(ranked: Tensor, percent: int) -> Tensor:
    last = torch.ones_like(ranked[0, 0]).sum() - 1
    place = percent / 100.0 * last
    below = torch.minimum(place.floor(), (last - 1).clamp(min=0))
    above = torch.minimum(below + 1, last)
    lower, upper = (ranked.index_select(-1, at.long()[None]).squeeze(-1) for at in (below, above))
    return lower + (place - below) * (upper - lower)


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda series: series.mean(dim=-1),
    "std": lambda series: (series - series.mean(dim=-1, keepdim=True)).square().mean(dim=-1).sqrt(),
    "minimum": lambda series: series.amin(dim=-1),
    "maximum": lambda series: series.amax(dim=-1),
    "slope": _slope,
}


def summarise(series: Tensor, statistics: Sequence[str]) -> Tensor:
    """Return all statistics of the first series, then of the second, and so on.

    Parameters
    ----------
    series : Tensor of shape (n_clips, n_series, n_frames)
        Float64.
    statistics : sequence of str

    Examples
    --------
    >>> series = torch.tensor([[[1.0, 2.0, 4.0], [5.0, 5.0, 5.0]]], dtype=torch.float64)
    >>> summarise(series, ["maximum", "percentile75"]).tolist()
    [[4.0, 3.0, 5.0, 5.0]]
    """
    sorting = any(name.startswith("percentile") for name in statistics)
    ranked = series.sort(dim=-1).values if sorting else series
    percents = {name: int(name.removeprefix("percentile")) for name in statistics if name not in STATISTICS}
    columns = [
        _percentile(ranked, percents[name]) if name in percents else STATISTICS[name](series) for name in statistics
    ]
    return torch.stack(columns, dim=-1).flatten(1)


def delta(series: Tensor, reach: int = 2) -> Tensor:
    """Return the slope of each series at each frame, by regression over `reach` frames on either side.

    Examples
    --------
    >>> delta(torch.arange(6.0, dtype=torch.float64)[None, None])[0, 0, 2:4].tolist()
    [1.0, 1.0]
    """
    frames = series.shape[-1]
    padded = torch.cat([series[..., :1]] * reach + [series] + [series[..., -1:]] * reach, dim=-1)
    total = torch.zeros_like(series)
    for step in range(1, reach + 1):
        total = total + step * (padded[..., reach + step :][..., :frames] - padded[..., reach - step :][..., :frames])
    return total / (2 * sum(step * step for step in range(1, reach + 1)))
