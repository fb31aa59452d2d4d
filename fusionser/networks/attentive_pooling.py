"""Attention over the frames of a pretrained speech encoder, which is trained, while the encoder is not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torch.nn import functional

from fusionser.checks import check_dropout, check_units
from fusionser.errors import SettingsError
from fusionser.features.external.encoder_frames import EncoderFrames
from fusionser.features.maps import FrontEnd
from fusionser.networks.extractor import DeepExtractor
from fusionser.networks.layers import AttentiveStatistics, Network, full_precision
from fusionser.networks.preparation import Standardise

__all__ = ["AttentivePooling", "TransformersAttentive"]


def frames_inside(x: Tensor) -> Tensor:
    """Return which frames belong to the clip, shape (n_clips, n_frames): those that are not all zeros."""
    return (x != 0).any(dim=-1)


class StandardiseFrames(Standardise):
    """Standardise each unit over the frames inside the training clips. Frames after the end stay zeros.

    Parameters
    ----------
    width : int
        Units of a frame.
    """

    def __init__(self, width: int) -> None:
        super().__init__((1, width))

    def learn(self, parts: Iterable[npt.NDArray[np.float32]]) -> None:
        """Compute mean and standard deviation of each unit."""
        inside = (part[(part != 0).any(axis=-1)][:, None] for part in parts)
        super().learn(part for part in inside if len(part))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised frames, of the same shape."""
        return super().forward(x) * frames_inside(x)[:, :, None]


class AttentivePooling(Network):
    """Attentive mean and standard deviation of frames (Okabe, Koshinaka and Shinoda 2018), and two dense layers.

    Parameters
    ----------
    width, n_classes : int
        Units of a frame, and classes.
    hidden : int, default=64
        Hidden units of the layers that compute the weights of frames.
    units : int, default=64
        Hidden units of the dense layer.
    dropout : float, default=0.2
        Before each dense layer.

    Examples
    --------
    >>> import torch
    >>> AttentivePooling(16, 6).embed(torch.ones(2, 50, 16)).shape
    torch.Size([2, 64])
    """

    def __init__(self, width: int, n_classes: int, hidden: int = 64, units: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        self.preparation = StandardiseFrames(width)
        self.pool = AttentiveStatistics(width, hidden)
        self.dense = nn.Linear(2 * width, units)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(units, n_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Return the hidden units, shape (n_clips, units), of standardised frames (n_clips, n_frames, width)."""
        with full_precision(x):
            return functional.relu(self.dense(self.dropout(self.pool(x, frames_inside(x)))))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        with full_precision(x):
            return self.output(self.dropout(self.embed(x)))


@dataclass(kw_only=True, eq=False, repr=False)
class TransformersAttentive(DeepExtractor):
    """Attention over the frames of a pretrained speech encoder; only the attention and what follows are trained.

    Needs the package transformers: ``pip install "fusionser[transformers]"``.

    Parameters
    ----------
    model : str, default=""
        Must be given, unless `front_end` is, as in `Transformers`.
    layer : int or "mean", default="mean"
        As in `Transformers`.
    hidden : int, default=64
        Hidden units of the layers that compute the weights of frames.
    units : int, default=64
        Hidden units of the dense layer.
    dropout : float, default=0.2

    Examples
    --------
    >>> TransformersAttentive(units=32, model="a-folder").get_feature_names_out().size
    32
    """

    kind: ClassVar[str] = "transformers-attentive"
    epochs: int = 60
    patience: int | None = 10
    batch_size: int = 32
    weight_decay: float = 0.01
    model: str = ""
    layer: int | str = "mean"
    hidden: int = 64
    units: int = 64
    dropout: float = 0.2

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range."""
        if not isinstance(self.resolved_front_end(), EncoderFrames):
            raise SettingsError(f"{self.kind} reads frames of an encoder; expected EncoderFrames as front_end")
        super().check()
        check_units(hidden=self.hidden, units=self.units)
        check_dropout(self.dropout)

    def default_front_end(self) -> FrontEnd:
        """Return the frames of the layer of the model, of 4 s."""
        return EncoderFrames(model=self.model, layer=self.layer)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> AttentivePooling:
        """Build `AttentivePooling`."""
        return AttentivePooling(input_shape[1], n_classes, self.hidden, self.units, self.dropout)

    def unit_count(self) -> int:
        """Return the number of hidden units."""
        return self.units

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values; those of the encoder are in the front end."""
        return {name: value for name, value in super().settings().items() if name not in ("model", "layer")}
