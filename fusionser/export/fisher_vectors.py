"""Fisher vectors as a module: the same computation as in `fusionser.features.fisher_vectors`, for a batch of maps."""

import math

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor, nn

from fusionser.features.fisher_vectors import FLOOR, FisherVectors

__all__ = ["FisherColumns"]


class FisherColumns(nn.Module):
    """The columns of a fitted `FisherVectors`, computed from log-mel maps.

    Parameters
    ----------
    block : FisherVectors
    """

    cosines: Tensor
    places: Tensor
    mean: Tensor
    projection: Tensor
    weights: Tensor
    means: Tensor
    variances: Tensor

    def __init__(self, block: FisherVectors) -> None:
        super().__init__()
        n_bands, n_frames = block.resolved_front_end().array_shape()
        self.dynamic_range = float(block.dynamic_range)
        offsets = block.spacing * np.arange(-block.context, block.context + 1)
        places = np.clip(np.arange(n_frames) + offsets[:, None], 0, n_frames - 1)
        arrays = {
            "cosines": dct(np.eye(n_bands), axis=0, norm="ortho")[: block.n_mfcc],
            "places": places.ravel(),
            "mean": block.mean_,
            "projection": block.projection_,
            "weights": block.weights_,
            "means": block.means_,
            "variances": block.variances_,
        }
        for name, values in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.array(values)))

    def forward(self, bands: Tensor) -> Tensor:
        """Return the columns, shape (n_clips, n_columns), of maps (n_clips, n_bands, n_frames)."""
        bands = bands.double()
        bands = torch.maximum(bands, bands.amax(dim=(1, 2), keepdim=True) - FLOOR)
        level = bands.mean(dim=1)
        # Frames that are not loud have the weight 0: the number of loud ones differs from clip to clip.
        loud = (level >= level.amax(dim=1, keepdim=True) - self.dynamic_range).double()
        gradients = self._gradients(self._whitened(bands, loud), loud)
        rooted = torch.sign(gradients) * torch.sqrt(torch.abs(gradients))
        return (rooted / torch.sqrt((rooted**2).sum(dim=1, keepdim=True)).clamp(min=1e-12)).float()

    def _whitened(self, bands: Tensor, loud: Tensor) -> Tensor:
        cepstra = self.cosines @ bands
        mean = (cepstra * loud[:, None]).sum(dim=2, keepdim=True) / loud.sum(dim=1)[:, None, None]
        count, width = bands.shape[2], len(self.cosines)
        around = (cepstra - mean)[:, :, self.places].reshape(-1, width, len(self.places) // count, count)
        frames = around.permute(0, 3, 2, 1).reshape(-1, count, len(self.mean))
        return (frames - self.mean) @ self.projection.T

    def _gradients(self, frames: Tensor, loud: Tensor) -> Tensor:
        precisions = 1.0 / self.variances
        logs = (
            torch.log(self.weights)
            - 0.5 * (torch.log(2 * math.pi * self.variances) + self.means**2 * precisions).sum(dim=1)
            + frames @ (self.means * precisions).T
            - 0.5 * frames**2 @ precisions.T
        )
        shares = (torch.softmax(logs, dim=2) * loud[:, :, None]).transpose(1, 2)
        counts, sums, squares = shares.sum(dim=2, keepdim=True), shares @ frames, shares @ frames**2
        by_means = (sums - counts * self.means) * torch.sqrt(precisions)
        by_deviations = (squares - 2 * sums * self.means + counts * self.means**2) * precisions - counts
        scale = loud.sum(dim=1)[:, None, None] * torch.sqrt(self.weights)[:, None]
        parts = [(by_means / scale).flatten(1), (by_deviations / (math.sqrt(2) * scale)).flatten(1)]
        return torch.cat(parts, dim=1)
