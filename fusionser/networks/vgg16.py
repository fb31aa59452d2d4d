"""VGG16 on the log-mel map as an image, from scratch or with weights that were trained on photographs."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from fusionser.archive import is_model_file
from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.maps import FrontEnd, LogMelMap
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.initial_weights import named_weights
from fusionser.networks.layers import Network, channels_last, full_precision, single
from fusionser.networks.preparation import Preparation

__all__ = ["VGG16", "VGG16Extractor"]

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
REDUCTION = 2 ** len(BLOCKS)
LARGEST_PICTURE = 1024
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Per colour channel on ImageNet; published weights expect inputs standardised by these."""

PART = 16


class Convolutions(Preparation):
    """Thirteen convolutions on pictures of maps, with torchvision's numbering of the layers.

    Parameters
    ----------
    size : int
        Width and height of the picture.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        layers: list[nn.Module] = []
        channels = 3
        for block in BLOCKS:
            for count in block:
                layers += [nn.Conv2d(channels, count, 3, padding=1), nn.ReLU()]
                channels = count
            layers.append(nn.MaxPool2d(2))
        self.features = channels_last(nn.Sequential(*layers))
        for layer in self.features:
            if isinstance(layer, nn.Conv2d):
                # Without batch norm, the signal would vanish with PyTorch's default initial weights.
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(torch.as_tensor(layer.bias))

    def pictures(self, maps: Tensor) -> Tensor:
        """Return maps as standardised grey pictures of three equal channels, with the highest band on top."""
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        grey = ((maps - low) / (high - low).clamp_min(1e-6)).flip(1)[:, None]
        grey = functional.interpolate(grey, size=(self.size, self.size), mode="bilinear", antialias=True)
        return (grey - grey.new_tensor(MEAN)[:, None, None]) / grey.new_tensor(DEVIATION)[:, None, None]

    def forward(self, maps: Tensor) -> Tensor:
        """Return the flattened output of the convolutions for maps (n_clips, n_bands, n_frames)."""
        # In parts, because a whole batch of predictions needs gigabytes.
        return torch.cat([self.features(self.pictures(part)).flatten(1) for part in torch.split(maps, PART)])


class VGG16(Network):
    """Thirteen convolutions and three dense layers (Simonyan and Zisserman 2015) on the map as an image.

    For pictures of 224 x 224 and dense layers of 4 096 units:

    ==========================================  ================  ============
    layer                                       output            parameters
    ==========================================  ================  ============
    2 convolutions 3 x 3, ReLU, pool 2          64 x 112 x 112    38 720
    2 convolutions 3 x 3, ReLU, pool 2          128 x 56 x 56     221 440
    3 convolutions 3 x 3, ReLU, pool 2          256 x 28 x 28     1 475 328
    3 convolutions 3 x 3, ReLU, pool 2          512 x 14 x 14     5 899 776
    3 convolutions 3 x 3, ReLU, pool 2          512 x 7 x 7       7 079 424
    dense, ReLU, dropout                        4 096             102 764 544
    dense, ReLU, dropout                        4 096             16 781 312
    dense                                       K                 4 097 K
    ==========================================  ================  ============

    With the 1 000 classes of ImageNet, these are 138 357 544 parameters.

    Parameters
    ----------
    n_classes : int
    size : int, default=224
        Width and height of the picture, 32 or more.
    units : int, default=4096
        Units of each hidden dense layer.
    dropout : float, default=0.5
    frozen : bool, default=False
        Whether the convolutions are not trained. They are then applied once to all inputs, before training.

    Examples
    --------
    >>> VGG16(8, size=32, units=16).embed(torch.zeros(2, 128, 188)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self, n_classes: int, size: int = 224, units: int = 4096, dropout: float = 0.5, frozen: bool = False
    ) -> None:
        super().__init__()
        convolutions = Convolutions(size)
        if frozen:
            self.preparation = convolutions.requires_grad_(False)
        else:
            self.convolutions = convolutions
        width = BLOCKS[-1][-1] * (size // REDUCTION) ** 2
        first, second, self.output = nn.Linear(width, units), nn.Linear(units, units), nn.Linear(units, n_classes)
        self.dense = nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), second, nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        for layer in (first, second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last hidden units, (n_clips, units), for maps, or for the output of frozen convolutions."""
        flat = x if self.preparation is not None else self.convolutions(x)
        with full_precision(x):
            return self.dense(single(flat))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with full_precision(x):
            return self.output(self.dropout(units))


def read_convolutions(path: str, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Read the weights of convolutions from a safetensors file with torchvision's names, such as ``features.0.weight``.

    Raises
    ------
    SettingsError
        When the file cannot be read, or a weight is missing, has another shape, or is not finite.
    """
    if is_model_file(path):
        raise SettingsError(
            f"{path} is a model that 'fusionser fit' wrote, and vgg16 takes none; expected a safetensors file with "
            "torchvision's names"
        )
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: file.get_tensor(name).float() for name in wanted.keys() & file.keys()}
    except (OSError, SafetensorError) as error:
        raise SettingsError(
            f"{path}: the weights cannot be read ({error}); expected a safetensors file. A .pth file is pickle, which "
            "can run code, so it is not opened here: save its weights with safetensors first"
        ) from error
    for name, weight in wanted.items():
        if name not in found:
            raise SettingsError(f"{path}: there is no '{name}'; expected the weights of VGG16 with torchvision's names")
        shape, expected = tuple(found[name].shape), tuple(weight.shape)
        if shape != expected:
            raise SettingsError(f"{path}: '{name}' has the shape {shape}; expected {expected}, as in VGG16")
        if not bool(torch.isfinite(found[name]).all()):
            raise SettingsError(f"{path}: '{name}' contains NaN or infinity; expected finite numbers")
    return found


@dataclass(kw_only=True, eq=False, repr=False)
class VGG16Extractor(BaselineExtractor):
    """VGG16 on the log-mel map of 3 s as an image, from scratch or with weights from a file.

    `VGG16` lists the layers. SER-FusionNet's authors (Boopathi, Bramadi, Ravi Kumar and Babu 2023) mention only VGG16,
    spectrogram pictures and transfer learning. What they leave open is chosen here: the map (128 bands of the trimmed
    clip at 16 kHz), the picture (grey, the loudest point white, 80 dB below it black) and two dense layers on top.

    Parameters
    ----------
    weights : str, optional
        A safetensors file with the weights of the convolutions, trained on photographs, under torchvision's names.
        None trains from scratch. Models and results store the name and the hash of the file.
    frozen : bool, optional
        Whether the convolutions are not trained; they are then applied once to every clip, before training. None
        freezes them if `weights` is given.
    image_size : int, optional
        Width and height of the picture, 32 to 1024. None is 224 if `weights` is given, as in their training, else 64,
        which costs a twelfth.
    units : int, default=256
        Units of each dense layer.
    dropout : float, default=0.5

    Examples
    --------
    >>> VGG16Extractor().unit_count()
    256
    """

    kind: ClassVar[str] = "vgg16"
    weights_format: ClassVar[str | None] = "safetensors"
    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 1e-4
    weights: str | None = None
    frozen: bool | None = None
    image_size: int | None = None
    units: int = 256
    dropout: float = 0.5

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range."""
        if self.image_size is not None:
            check_range("image_size", self.image_size, REDUCTION, LARGEST_PICTURE)
        super().check()

    def default_front_end(self) -> FrontEnd:
        """Return the log-mel map of 128 bands by 188 frames."""
        return LogMelMap(sampling_rate=16000, trim=True, n_fft=1024, hop_length=256, duration=3.0)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> VGG16:
        """Build `VGG16`."""
        frozen = self.weights is not None if self.frozen is None else self.frozen
        size = self.image_size or (224 if self.weights is not None else 64)
        return VGG16(n_classes, size, self.units, self.dropout, frozen)

    def begin(self, network: Network) -> None:
        """Load `weights` into the convolutions."""
        if self.weights is not None:
            convolutions = network.preparation or network.get_submodule("convolutions")
            convolutions.load_state_dict(read_convolutions(self.weights, convolutions.state_dict()))

    def stamps(self) -> list[Stamp]:
        """Return what the front end says; the weights are of photographs, so they have heard no clip."""
        return self.resolved_front_end().stamps()

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values, with `weights` as name and hash, without the private path."""
        return {**super().settings(), "weights": None if self.weights is None else named_weights(self.weights)}
