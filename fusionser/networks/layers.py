"""Layers that several architectures share."""

import math
import os
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusionser.networks.preparation import Preparation

__all__ = [
    "AttentiveStatistics",
    "Convolution1d",
    "Network",
    "SamePool1d",
    "all_states",
    "channels_last",
    "convolution_blocks",
    "full_precision",
    "last_states",
    "one_bias_lstm",
    "segments",
    "single",
]

if hasattr(os, "register_at_fork"):
    # A forked process has none of the threads of OpenMP that it would wait for.
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class Network(nn.Module):
    """Base class of the networks: standardised inputs to logits, and the temperature that calibrates the logits.

    A subclass whose logits are one linear layer on the hidden units sets `output` and defines only `embed`. A subclass
    that reads the arrays of a front end sets `preparation`. It is applied once to all inputs, before they are cut into
    batches, and is not trained by gradients.
    """

    temperature: Tensor
    output: nn.Linear
    preparation: Preparation | None

    def __init__(self) -> None:
        super().__init__()
        self.preparation = None
        self.register_buffer("temperature", torch.ones(()))

    def learning_rates(self) -> list[tuple[str, float]]:
        """Return patterns of names of parameters, and the factor of their learning rate; the first that fits counts."""
        return []

    def embed(self, x: Tensor) -> Tensor:
        """Return the hidden units, shape (n_clips, n_units)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with full_precision(x):
            return self.output(units)


class Convolution1d(nn.Conv1d):
    """`torch.nn.Conv1d`, computed as a 2D convolution with channels last, which is faster.

    Examples
    --------
    >>> Convolution1d(1, 256, 5, padding=2)(torch.zeros(1, 1, 162)).shape
    torch.Size([1, 256, 162])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve the last axis of (n_rows, n_channels, length)."""
        (step,), padding = self.stride, int(self.padding[0])
        if self.in_channels == 1:
            # With one channel, channels last cannot be requested. A matrix product gives an output of that layout.
            windows = functional.pad(x.squeeze(1), (padding, padding)).unfold(1, self.kernel_size[0], step)
            return functional.linear(windows, self.weight.squeeze(1), self.bias).transpose(1, 2)
        # `squeeze`, because the gradient of indexing would lose the channels-last layout.
        rows, weight = (part.unsqueeze(2).contiguous(memory_format=torch.channels_last) for part in (x, self.weight))
        return functional.conv2d(rows, weight, self.bias, (1, step), (0, padding)).squeeze(2)


class SamePool1d(nn.Module):
    """Max-pooling to ``ceil(length / stride)`` values, padded like Keras's ``same``: if uneven, more on the right.

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
        # `ceil_mode` takes care of the padding on the right: the last window may extend beyond the end.
        window, step, left = (1, self.width), (1, self.stride), (0, padding // 2)
        return functional.max_pool2d(x.unsqueeze(2), window, step, left, ceil_mode=True).squeeze(2)


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation over time, with learned step weights (Okabe, Koshinaka and Shinoda 2018).

    Parameters
    ----------
    width : int
        Channels of a step.
    hidden : int, default=64
        Hidden units of the layers that compute the weights.

    Examples
    --------
    >>> AttentiveStatistics(10)(torch.zeros(2, 7, 10)).shape
    torch.Size([2, 20])
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor, inside: Tensor | None = None) -> Tensor:
        """Reduce (n_clips, n_steps, width) to (n_clips, 2 * width), over the steps that `inside` marks, else all."""
        scores = self.score(x)
        if inside is not None:
            scores = scores.masked_fill(~inside[:, :, None], -1e9)
        weights = scores.softmax(dim=1)
        mean = (weights * x).sum(dim=1)
        variance = (weights * x**2).sum(dim=1) - mean**2
        return torch.cat([mean, variance.clamp_min(1e-5).sqrt()], dim=1)


def full_precision(x: Tensor) -> torch.autocast:
    """Return a context that turns autocast off on the device of `x`: only convolutions may use lower precision."""
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
    bias: bool = True,
) -> nn.Sequential:
    """Return blocks of convolution, batch norm, activation, max-pooling and dropout for maps of one channel.

    Parameters
    ----------
    filters, kernels, pools : sequences of equal length
    activation : type of Module
        A monotonically increasing function, such as ELU.
    padded : bool, default=True
        Whether convolutions preserve the size of the map.
    pad_pools : bool, default=False
        Whether pools use incomplete windows at the edge instead of dropping them.
    dropout : float, default=0.0
    bias : bool, default=True
        Whether convolutions have a bias.

    Examples
    --------
    >>> convolution_blocks([8, 16], [3, 3], [2, 4], activation=nn.ReLU)(torch.zeros(1, 1, 64, 33)).shape
    torch.Size([1, 16, 8, 4])
    """
    blocks, channels = [], 1
    for count, kernel, pool in zip(filters, kernels, pools, strict=True):
        convolution = nn.Conv2d(channels, count, kernel, padding="same" if padded else 0, bias=bias)
        # A monotonic activation commutes with the maximum, and is cheaper on the pooled map.
        layers = [convolution, nn.BatchNorm2d(count), nn.MaxPool2d(pool, ceil_mode=pad_pools), activation()]
        blocks.append(nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else [])))
        channels = count
    return channels_last(nn.Sequential(*blocks))


def channels_last(layers: nn.Sequential) -> nn.Sequential:
    """Store the weights of convolutions, and therefore all maps between them, with channels last, which is faster."""
    layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return layers


def one_bias_lstm(width: int, units: int, *, bidirectional: bool = False) -> nn.LSTM:
    """Return an LSTM with one bias per gate, as in Keras: PyTorch's second bias is zero and not trained.

    The bias of the forget gate starts at one, also as in Keras (Jozefowicz, Zaremba and Sutskever 2015).

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
    """Return the concatenated last states of all directions of an LSTM over (n_clips, n_steps, width).

    Always in single precision: recurrent layers learn worse in lower precision.
    """
    with full_precision(steps):
        _, (states, _) = lstm(single(steps))
    return states.transpose(0, 1).flatten(1)


def all_states(lstm: nn.LSTM, steps: Tensor) -> Tensor:
    """Return the states of an LSTM at every step, (n_clips, n_steps, units), in single precision like `last_states`."""
    with full_precision(steps):
        return lstm(single(steps))[0]


def single(steps: Tensor) -> Tensor:
    """Convert half precision, which training may use, to single precision; leave double precision unchanged."""
    return steps.float() if steps.dtype in (torch.bfloat16, torch.float16) else steps


def segments(x: Tensor, count: int, width: int, step: int | None = None) -> Tensor:
    """Cut maps (n_clips, n_bands, n_frames) into segments along time, (n_clips, count, n_bands, width).

    Parameters
    ----------
    x : Tensor
    count, width : int
        Number of segments, and frames per segment.
    step : int, optional
        Frames between the starts of consecutive segments; frames after the last segment are dropped. When None, the
        segments are spread evenly from the first frame to the last, with overlaps or gaps as needed.

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
