"""Layers that several architectures share."""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusionser.errors import SettingsError

__all__ = [
    "AttentiveStatistics",
    "Convolution1d",
    "Network",
    "Preparation",
    "SamePool1d",
    "Standardise",
    "all_states",
    "channels_last",
    "check_pools",
    "convolution_blocks",
    "full_precision",
    "last_states",
    "one_bias_lstm",
    "segments",
    "single",
]


class Network(nn.Module):
    """What every architecture here is: a map from standardised inputs to logits, and a temperature for these.

    Where the logits are one layer on the hidden units, subclasses set `output` and define `embed` alone.
    Subclasses that read inputs as they come from a front end set `preparation`, which learns nothing by gradients and
    is applied to all inputs once, before the first batch is cut.
    """

    temperature: Tensor
    output: nn.Linear
    preparation: "Preparation | None"

    def __init__(self) -> None:
        super().__init__()
        self.preparation = None
        self.register_buffer("temperature", torch.ones(()))

    def embed(self, x: Tensor) -> Tensor:
        """Return the hidden units, shape (n_clips, n_units)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with full_precision(x):
            return torch.as_tensor(self.output(units))


class Preparation(nn.Module):
    """What is done once to inputs as they come from a front end."""

    def learn(self, values: npt.NDArray[np.float32]) -> None:
        """Take what is needed from the training inputs; nothing here."""


class Standardise(Preparation):
    """Subtract the training rows' mean and divide by their standard deviation; buffers, not parameters.

    Parameters
    ----------
    shape : tuple of int
        Of one mean, broadcast over the rest of an input.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def learn(self, values: npt.NDArray[np.float32]) -> None:
        """Take mean and standard deviation from training inputs, over all axes along which the mean is one number."""
        wide = values.astype(np.float64)
        shape = (1, *self.mean.shape)
        axes = tuple(axis for axis in range(wide.ndim) if axis == 0 or shape[axis] == 1)
        mean, std = wide.mean(axis=axes, keepdims=True)[0], wide.std(axis=axes, keepdims=True)[0]
        std[std <= 1e-7 * np.maximum(np.abs(mean), 1e-30)] = 1.0
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(std))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised input, of the same shape."""
        return (x - self.mean) / self.deviation


class Convolution1d(nn.Conv1d):
    """`torch.nn.Conv1d` by way of maps of one row, the channels of a step side by side.

    With `SamePool1d`, on a CPU, a quarter less time; with bfloat16, two fifths less.

    Examples
    --------
    >>> Convolution1d(1, 256, 5, padding=2)(torch.zeros(1, 1, 162)).shape
    torch.Size([1, 256, 162])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve the last axis of (n_rows, n_channels, length)."""
        (step,), padding = self.stride, int(self.padding[0])
        if self.in_channels == 1:
            # Of one channel no layout can be told; a matrix product lays its outputs out as the next layer likes them.
            windows = functional.pad(x.squeeze(1), (padding, padding)).unfold(1, self.kernel_size[0], step)
            return functional.linear(windows, self.weight.squeeze(1), self.bias).transpose(1, 2)
        # Squeezed and not indexed: an index's gradient would lay the channels apart again.
        rows, weight = (part.unsqueeze(2).contiguous(memory_format=torch.channels_last) for part in (x, self.weight))
        return functional.conv2d(rows, weight, self.bias, (1, step), (0, padding)).squeeze(2)


class SamePool1d(nn.Module):
    """Max-pooling to ``ceil(length / stride)`` values, the input padded as Keras's ``same`` does: more on the right.

    Examples
    --------
    >>> SamePool1d(5, 2)(torch.zeros(1, 3, 162)).shape
    torch.Size([1, 3, 81])
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pool the last axis."""
        length = x.shape[-1]
        padding = max((math.ceil(length / self.stride) - 1) * self.stride + self.width - length, 0)
        # What is lacking on the right is left to the last window, which may reach over the end.
        window, step, left = (1, self.width), (1, self.stride), (0, padding // 2)
        return functional.max_pool2d(x.unsqueeze(2), window, step, left, ceil_mode=True).squeeze(2)


class AttentiveStatistics(nn.Module):
    """Mean and deviation over time, each step weighted by how much it matters (Okabe, Koshinaka and Shinoda 2018).

    Parameters
    ----------
    width : int
        Channels of a step.
    hidden : int, default=64
        Units of the layer that weighs the steps.

    Examples
    --------
    >>> AttentiveStatistics(10)(torch.zeros(2, 7, 10)).shape
    torch.Size([2, 20])
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (n_clips, n_steps, width) to (n_clips, 2 * width)."""
        weights = self.score(x).softmax(dim=1)
        mean = (weights * x).sum(dim=1)
        variance = (weights * x**2).sum(dim=1) - mean**2
        return torch.cat([mean, variance.clamp_min(1e-5).sqrt()], dim=1)


def check_pools(n_bands: int, n_frames: int, pools: Sequence[int]) -> None:
    """Raise `SettingsError` when square pools would leave nothing of a map.

    Examples
    --------
    >>> check_pools(128, 219, (2, 4, 4, 4))
    """
    least = math.prod(pools)
    if min(n_bands, n_frames) < least:
        raise SettingsError(
            f"got maps of {n_bands} bands by {n_frames} frames; pools of {', '.join(map(str, pools))} need {least} or "
            "more"
        )


def full_precision(x: Tensor) -> torch.autocast:
    """Return a context in which nothing is of lower precision, wherever `x` is: convolutions alone may be."""
    return torch.autocast(x.device.type, enabled=False)


def convolution_blocks(
    filters: Sequence[int],
    kernels: Sequence[int | tuple[int, int]],
    pools: Sequence[int | tuple[int, int]],
    *,
    activation: type[nn.Module],
    padded: bool = True,
    pad_pools: bool = False,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return blocks of convolution, batch norm, activation, max-pooling and dropout over maps of one channel.

    Parameters
    ----------
    filters, kernels, pools : sequences of one length
    activation : type of Module
        One that never falls, as ELU.
    padded : bool, default=True
        Whether convolutions keep the size of a map.
    pad_pools : bool, default=False
        Whether pools keep what does not fill a window, else it is dropped.
    dropout : float, default=0.0

    Examples
    --------
    >>> convolution_blocks([8, 16], [3, 3], [2, 4], activation=nn.ReLU)(torch.zeros(1, 1, 64, 33)).shape
    torch.Size([1, 16, 8, 4])
    """
    blocks, channels = [], 1
    for count, kernel, pool in zip(filters, kernels, pools, strict=True):
        convolution = nn.Conv2d(channels, count, kernel, padding="same" if padded else 0)
        # An activation that never falls gives the same before and after a maximum, and after it there is less to do: a
        # third less time for a block with ELU.
        layers = [convolution, nn.BatchNorm2d(count), nn.MaxPool2d(pool, ceil_mode=pad_pools), activation()]
        blocks.append(nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else [])))
        channels = count
    return channels_last(nn.Sequential(*blocks))


Layers = TypeVar("Layers", bound=nn.Module)


def channels_last(layers: Layers) -> Layers:
    """Lay the weights of convolutions out as processors like them, and so all maps that go through them.

    A quarter faster on a CPU; with bfloat16, and on a GPU, two fifths.
    """
    layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return layers


def one_bias_lstm(width: int, units: int, *, bidirectional: bool = False) -> nn.LSTM:
    """Return an LSTM with one bias a gate, as Keras has it; PyTorch's second is held at zero and out of training.

    The forget gate's bias begins at one (Jozefowicz, Zaremba and Sutskever 2015), again as in Keras.

    Examples
    --------
    >>> weights = one_bias_lstm(896, 32, bidirectional=True).parameters()
    >>> sum(weight.numel() for weight in weights if weight.requires_grad)
    237824
    """
    lstm = nn.LSTM(width, units, bidirectional=bidirectional, batch_first=True)
    with torch.no_grad():
        for name, weight in lstm.named_parameters():
            if name.startswith("bias"):
                weight.zero_()
            if name.startswith("bias_ih"):
                weight[units : 2 * units] = 1.0
            if name.startswith("bias_hh"):
                weight.requires_grad_(False)
    return lstm


def last_states(lstm: nn.LSTM, steps: Tensor) -> Tensor:
    """Return the last state of each direction of an LSTM over (n_clips, n_steps, width), side by side.

    In single precision always: recurrent layers learn less with fewer bits.
    """
    with full_precision(steps):
        _, (states, _) = lstm(single(steps))
    return states.transpose(0, 1).flatten(1)


def all_states(lstm: nn.LSTM, steps: Tensor) -> Tensor:
    """Return the states of an LSTM at every step, (n_clips, n_steps, units), in single precision as `last_states`."""
    with full_precision(steps):
        states: Tensor = lstm(single(steps))[0]
    return states


def single(steps: Tensor) -> Tensor:
    """Undo what lower precision in training left; a prediction in double precision stays so."""
    return steps.float() if steps.dtype in (torch.bfloat16, torch.float16) else steps


def segments(x: Tensor, count: int, width: int, step: int | None = None) -> Tensor:
    """Cut maps (n_clips, n_bands, n_frames) into segments over time, (n_clips, count, n_bands, width).

    Parameters
    ----------
    x : Tensor
    count, width : int
        Number of segments, and frames of each.
    step : int, optional
        Frames from the beginning of one to that of the next, those behind the last being dropped; when None they are
        spread evenly from the first frame to the last, overlapping or with gaps as need be.

    Examples
    --------
    >>> segments(torch.arange(7.0)[None, None], 3, 2)[0, :, 0].tolist()
    [[0.0, 1.0], [2.0, 3.0], [5.0, 6.0]]
    >>> segments(torch.arange(7.0)[None, None], 3, 2, step=2)[0, :, 0].tolist()
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    room = x.shape[-1] - width
    even = [round(number * room / max(count - 1, 1)) for number in range(count)]
    starts = even if step is None else [number * step for number in range(count)]
    return torch.stack([x[..., start : start + width] for start in starts], dim=1)
