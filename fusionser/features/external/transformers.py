"""Embeddings of pretrained speech encoders: wav2vec 2.0, HuBERT, WavLM, data2vec and the encoder of Whisper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.clip import Array, Clip
from fusionser.features.external.base import ExternalBlock
from fusionser.features.external.encoder import SHORTEST, Encoder, Moments, encoder_of
from fusionser.features.external.model_folder import ModelFolder, find_model
from fusionser.features.framing import PartParameters
from fusionser.features.maps import FrontEnd

__all__ = [
    "POOLINGS",
    "EncoderLayers",
    "EncoderParameters",
    "OfEncoder",
    "Transformers",
    "check_layer",
    "check_pooling",
]

POOLINGS = ("mean", "std")
PRECISIONS = ("float32", "bfloat16", "float16")
AVERAGE = "mean"


def check_pooling(pooling: Any) -> None:
    """Raise `SettingsError` unless statistics over frames are one or both of `POOLINGS`."""
    listed = [] if isinstance(pooling, str) or not isinstance(pooling, Sequence) else list(pooling)
    if not listed or not set(listed) <= set(POOLINGS) or len(set(listed)) < len(listed):
        raise SettingsError(f"pooling is {pooling!r}; expected a list of one or both of {', '.join(POOLINGS)}")


def check_layer(layer: Any, folder: ModelFolder) -> None:
    """Raise `SettingsError` unless a layer is the number of one of an encoder, or "mean"."""
    most = folder.layers
    number = isinstance(layer, int | np.integer) and not isinstance(layer, bool)
    if layer != AVERAGE and not (number and -most - 1 <= int(layer) <= most):
        raise SettingsError(f"layer is {layer!r}; expected 0 to {most}, -1 to {-most - 1}, or '{AVERAGE}'")


@dataclass(kw_only=True, eq=False, repr=False)
class OfEncoder(PartParameters):
    """A computation for a pretrained speech encoder.

    Parameters
    ----------
    model : str, default=""
        Must be given: a folder with ``config.json`` and weights as ``.safetensors``, a name in the folder that the
        environment variable ``FUSIONSER_MODELS`` names, or a name on the Hugging Face hub. What is not on this machine
        is fetched only under `fusionser.features.downloads_allowed`, or with ``--download``.
    """

    sampling_rate: ClassVar[int] = 16000
    unhashed: ClassVar[tuple[str, ...]] = ("model",)
    model: str = ""

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the model cannot be used."""
        super().check()
        self.folder()

    def folder(self) -> ModelFolder:
        """Return the folder of the model."""
        return find_model(self.model)

    def made_with(self) -> dict[str, Any]:
        """Return a hash of the model."""
        return {"weights": self.folder().weights()}

    def stamps(self) -> list[Stamp]:
        """Return what the model was trained on, and its licence, as far as it says so."""
        return [Stamp(kind="pretrained", value=self.folder().described())]


@dataclass(kw_only=True, eq=False, repr=False)
class EncoderParameters(OfEncoder):
    """A computation by a pretrained speech encoder.

    Parameters
    ----------
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        Numbers that the encoder computes with.
    """

    precision: str = PRECISIONS[0]

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the model cannot be used."""
        if self.precision not in PRECISIONS:
            raise SettingsError(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        super().check()

    def encoder(self, device: str) -> Encoder:
        """Return the encoder on a device."""
        folder = self.folder()
        return encoder_of(folder, folder.weights(), self.precision, device)


@dataclass(kw_only=True, eq=False, repr=False)
class PooledEncoder(EncoderParameters):
    """A computation by a pretrained speech encoder, whose outputs are pooled over the frames of the clip.

    Parameters
    ----------
    pooling : sequence of {"mean", "std"}, default=("mean", "std")
        Statistics of the outputs over the frames of the clip.
    """

    pooling: Sequence[str] = POOLINGS

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the model cannot be used."""
        check_pooling(self.pooling)
        super().check()

    def pooled(self, clips: Sequence[Clip], device: str) -> list[npt.NDArray[np.float64]]:
        """Return the statistics of every layer for each clip, shape (n_layers + 1, n_statistics, width)."""
        encoder = self.encoder(device)
        settings = self.clip_settings()
        return [self._statistics(one) for one in encoder.moments([clip.waveform(settings, SHORTEST) for clip in clips])]

    def _statistics(self, moments: Moments) -> npt.NDArray[np.float64]:
        count, sums, squares = moments
        mean = sums / count
        found = {"mean": mean, "std": np.sqrt(np.maximum(squares / count - np.square(mean), 0.0))}
        return np.stack([found[name] for name in self.pooling], axis=1)


@dataclass(kw_only=True, eq=False, repr=False)
class Transformers(PooledEncoder, ExternalBlock):
    """Outputs of a pretrained speech encoder of the transformers library, pooled over the clip.

    The encoder is one of wav2vec 2.0 (Baevski et al. 2020), HuBERT (Hsu et al. 2021), WavLM (Chen et al. 2022),
    data2vec (Baevski et al. 2022) and the encoder of Whisper (Radford et al. 2023). Clips of more than 30 s are
    computed in pieces. Weights are read from safetensors files only, and no code of the model is run.

    Needs the package transformers: ``pip install "fusionser[transformers]"``.

    Parameters
    ----------
    layer : int or "mean", default="mean"
        Number of the layer whose outputs are used; 0 is the input of the first one, and -1 the last layer. "mean" is
        the average of all.

    Examples
    --------
    >>> Transformers(model="no/such-model").check()
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: there is no model 'no/such-model' here: no such folder, ...
    """

    kind: ClassVar[str] = "transformers"
    layer: int | str = AVERAGE

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the model cannot be used."""
        super().check()
        check_layer(self.layer, self.folder())

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        return [f"{statistic}_{unit:04d}" for statistic in self.pooling for unit in range(self.folder().width)]

    def compute(self, clip: Clip) -> Array:
        """Return the columns of one clip."""
        return self.compute_batch([clip], "cpu")[0]

    def compute_batch(self, clips: Sequence[Clip], device: str) -> Sequence[Array]:
        """Return the columns of several clips."""
        pooled = self.pooled(clips, device)
        chosen = [layers.mean(axis=0) if self.layer == AVERAGE else layers[int(self.layer)] for layers in pooled]
        return [values.ravel().astype(np.float32) for values in chosen]


@dataclass(kw_only=True, eq=False, repr=False)
class EncoderLayers(PooledEncoder, FrontEnd):
    """Outputs of all layers of a pretrained speech encoder, each pooled over the clip.

    Examples
    --------
    >>> EncoderLayers(pooling=("mean",)).pooling
    ('mean',)
    """

    kind: ClassVar[str] = "encoder-layers"

    def array_shape(self) -> tuple[int, ...]:
        """Return the numbers of layers, with layer 0, of statistics, and of units."""
        folder = self.folder()
        return (folder.layers + 1, len(self.pooling), folder.width)

    def compute(self, clip: Clip) -> Array:
        """Return the statistics of one clip."""
        return self.compute_batch([clip], "cpu")[0]

    def compute_batch(self, clips: Sequence[Clip], device: str) -> Sequence[Array]:
        """Return the statistics of several clips."""
        return [layers.astype(np.float32) for layers in self.pooled(clips, device)]
