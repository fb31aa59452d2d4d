"""One training in several processes, each of which computes its rows of every batch.

The processes compute what one of them would, up to rounding. Every batch is drawn, distorted and compared with its
labels as a whole, in each of them alike; only the network is applied to the process's own rows. What depends on all
rows of a batch is shared: the loss, the statistics of batch normalisation, and the random masks of dropout.
"""

import warnings
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parallel import DistributedDataParallel

from fusionser.networks.layers import Network
from fusionser.networks.preparation import Moments

__all__ = ["ParallelNetwork", "RowShare"]


class RowShare:
    """Which rows of a batch a process has.

    Parameters
    ----------
    rank, size : int
        The number of this process, from 0, and of all.

    Attributes
    ----------
    rows : int
        Number of rows of the batch that is computed.
    own : slice
        The rows of this process. Consecutive rows, as many as each other process has, or one more.
    shared : bool
        Whether the batch is shared. One with fewer rows than processes is not: each process computes all of it.

    Examples
    --------
    >>> share = RowShare(1, 2)
    >>> share.begin(7)
    >>> share.own
    slice(3, 7, None)
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.rows, self.own, self.shared = 0, slice(0), False

    def bounds(self, rank: int) -> tuple[int, int]:
        """Return where the rows of a process begin and end."""
        return self.rows * rank // self.size, self.rows * (rank + 1) // self.size

    def begin(self, rows: int) -> None:
        """Share a batch with a number of rows."""
        self.rows, self.shared = rows, rows >= self.size
        self.own = slice(*self.bounds(self.rank)) if self.shared else slice(0, rows)


class _AllRows(torch.autograd.Function):
    """The outputs for all rows of a batch, from those of each process."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, share: RowShare) -> Tensor:
        """Return the outputs of all processes, in the order of the rows."""
        ctx.share, ctx.own = share, share.own
        bounds = [share.bounds(rank) for rank in range(share.size)]
        # Processes exchange tensors of one shape only.
        longest = max(stop - start for start, stop in bounds)
        padded = own.new_zeros((longest, *own.shape[1:]))
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in bounds]
        distributed.all_gather(parts, padded)
        return torch.cat([part[: stop - start] for part, (start, stop) in zip(parts, bounds, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the own rows."""
        # `DistributedDataParallel` averages over processes, but the loss of a batch is that of all its rows.
        return gradient[ctx.own] * ctx.share.size, None


class _Normalised(torch.autograd.Function):
    """Batch normalisation with given statistics of all rows of a batch, as in `torch.nn.SyncBatchNorm`, on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, variance: Tensor, count: int, eps: float, *own: Tensor) -> Tensor:
        """Return the normalised input. `own` are weight and bias, if there are any."""
        ctx.save_for_backward(x, mean, variance, *own)
        ctx.eps, ctx.count = eps, count
        weight, bias = own or (None, None)
        return functional.batch_norm(x, mean, variance, weight, bias, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients. Those of the statistics are part of that of the input."""
        x, mean, variance, *own = ctx.saved_tensors
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = (1, -1, *[1] * (x.dim() - 2))
        scale, slope = torch.rsqrt(variance + ctx.eps), gradient.to(mean.dtype)
        standard = (x.to(mean.dtype) - mean.view(shape)) * scale.view(shape)
        bias_gradient, weight_gradient = slope.sum(dim=axes), (slope * standard).sum(dim=axes)
        means = torch.stack([bias_gradient, weight_gradient])
        distributed.all_reduce(means)
        means /= ctx.count
        centred = slope - means[0].view(shape) - standard * means[1].view(shape)
        factor = scale * own[0] if own else scale
        gradients = (weight_gradient, bias_gradient) if own else ()
        return (centred * factor.view(shape)).to(x.dtype), None, None, None, None, *gradients


class _WholeBatchNorm(_BatchNorm):
    """Batch normalisation that counts the rows of all processes."""

    share: RowShare

    def _check_input_dim(self, x: Tensor) -> None:
        """Accept what the layer accepted that this one replaces."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised input."""
        if not self.share.shared or (not self.training and self.running_mean is not None):
            return super().forward(x)
        moments = self._moments(x.detach())
        mean, variance = (value.to(x.device, torch.float32) for value in (moments.mean, moments.variance()))
        self._remember(mean, moments.variance(correction=1))
        own = (self.weight, self.bias) if self.affine else ()
        return _applied(_Normalised, x, mean, variance, moments.count, self.eps, *own)

    def _moments(self, x: Tensor) -> Moments:
        """Return count, mean and squares of each channel over the rows of all processes."""
        axes = [axis for axis in range(x.dim()) if axis != 1]
        variance, mean = torch.var_mean(x.float(), dim=axes, correction=0)
        count = x[:, 0].numel()
        own = torch.stack([mean.double(), variance.double() * count, torch.full_like(mean, count).double()])
        parts = [torch.empty_like(own) for _ in range(self.share.size)]
        distributed.all_gather(parts, own)
        moments = Moments()
        for part_mean, squares, counts in parts:
            moments.add(int(counts[0]), part_mean, squares)
        return moments

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(variance.to(self.running_var.dtype), factor)


class _WholeBatchDropout(nn.Module):
    """Dropout with the masks that one process would draw for the whole batch; each takes those of its rows."""

    def __init__(self, dropout: _DropoutNd, share: RowShare) -> None:
        super().__init__()
        self.dropout, self.share = dropout, share
        self._layout: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        """Return the input, with random units set to zero."""
        if not self.training or not self.dropout.p:
            return x
        # A row of the batch may have become several, such as one for each segment of a clip.
        each = len(x) // max(1, self.share.own.stop - self.share.own.start)
        # Which random number belongs to which unit depends on the layout, which a single row does not show.
        if len(x) > 1 or len(self._layout) != x.dim():
            self._layout = sorted(range(x.dim()), key=x.stride().__getitem__, reverse=True)
        shape = (self.share.rows * each, *x.shape[1:])
        ones = torch.empty_permuted(shape, self._layout, dtype=x.dtype, device=x.device).fill_(1.0)
        first = self.share.own.start * each
        return x * cast(Tensor, self.dropout(ones))[first : first + len(x)]


def _applied(function: Any, *given: Any) -> Tensor:
    """Apply an autograd function, which has no types."""
    return cast(Tensor, function.apply(*given))


def _share_layers(network: nn.Module, share: RowShare, *, norms: bool) -> None:
    """Replace the layers whose outputs depend on the other rows of a batch, or on their number."""
    made: dict[nn.Module, nn.Module] = {}
    for name, layer in list(network.named_modules(remove_duplicate=False)):
        if layer not in made and isinstance(layer, _DropoutNd):
            made[layer] = _WholeBatchDropout(layer, share)
        elif layer not in made and norms and isinstance(layer, _BatchNorm):
            made[layer] = _WholeBatchNorm(layer.num_features)
            made[layer].__dict__.update({**layer.__dict__, "share": share})
        if layer in made:
            network.set_submodule(name, made[layer])


class ParallelNetwork:
    """A network that several processes train together, with torch's `DistributedDataParallel`.

    Parameters
    ----------
    network : Network
        It is copied. Its weights are the same in all processes.
    share : RowShare
    device : torch.device

    Attributes
    ----------
    network : Network
        The copy that is trained, the same in all processes after each step.
    """

    def __init__(self, network: Network, share: RowShare, device: torch.device) -> None:
        self.share, gpu = share, device.type == "cuda"
        copied = deepcopy(network).to(device)
        # Torch has such a layer for GPUs only.
        convert: Callable[[Network], Network] = nn.SyncBatchNorm.convert_sync_batchnorm
        self.network = convert(copied) if gpu else copied
        _share_layers(self.network, share, norms=not gpu)
        with warnings.catch_warnings():
            # Versions of torch before 2.13 know no other name for this.
            warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
            # The buffers are the same in all processes. A network may have weights that are never used.
            self._parallel = DistributedDataParallel(self.network, broadcast_buffers=False, static_graph=True)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs for all rows of a batch, of which this process computes its own."""
        self.share.begin(len(inputs))
        module = self._parallel if self.network.training else self.network
        own = module(inputs[self.share.own]).float()
        return _applied(_AllRows, own, self.share) if self.share.shared else own
