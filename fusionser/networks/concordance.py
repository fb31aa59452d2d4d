"""The loss of networks that predict numbers."""

from torch import Tensor, nn

__all__ = ["ConcordanceLoss"]

LEAST = 1e-8
"""Added to a denominator that may be 0."""


class ConcordanceLoss(nn.Module):
    """One minus the concordance correlation coefficient (Lin 1989) of a batch, averaged over the targets.

    Examples
    --------
    >>> import torch
    >>> numbers = torch.tensor([[1.0], [2.0], [3.0]])
    >>> round(float(ConcordanceLoss()(numbers + 1, numbers)), 3), abs(float(ConcordanceLoss()(numbers, numbers))) < 1e-6
    (0.429, True)
    """

    def forward(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """Return the loss of predictions and labels, both of shape (n_rows, n_targets)."""
        p, t = predicted - predicted.mean(dim=0), truth - truth.mean(dim=0)
        difference = predicted.mean(dim=0) - truth.mean(dim=0)
        spread = (p * p).mean(dim=0) + (t * t).mean(dim=0) + difference**2
        return (1 - 2 * (p * t).mean(dim=0) / (spread + LEAST)).mean()
