"""Fine-tuning of a pretrained speech encoder: all of its layers, or adapters of low rank."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from fusionser.checks import check_dropout, check_range, check_units
from fusionser.errors import SettingsError
from fusionser.features.external.encoder_loading import config_of, loaded_encoder
from fusionser.features.external.encoder_waveform import EncoderWaveform
from fusionser.features.external.model_folder import EXTRA, MODEL_TYPES, ModelFolder
from fusionser.features.maps import FrontEnd
from fusionser.networks.extractor import DeepExtractor
from fusionser.networks.layers import Network, full_precision
from fusionser.networks.weights import check_tensors, metadata_of, saved
from fusionser.optional import optional_package

__all__ = ["FinetunedEncoder", "TransformersFinetuned"]

USER = "the network 'transformers-finetuned'"
ADAPTED = ("intermediate_dense", "output_dense")
"""Layers that get adapters: the feed-forward ones, which all these encoders compute in the same way."""

BASE = "base"
"""Key of the hash of the pretrained model in the metadata of saved weights."""

LEAST_VARIANCE = 1e-5


def untrained_encoder(folder: ModelFolder) -> Any:
    """Return an encoder of transformers with random weights, without its random masks and dropped layers."""
    library = optional_package("transformers", EXTRA, USER)
    kind = getattr(library, MODEL_TYPES[folder.model_type])
    try:
        config = config_of(folder)
        # The masks are drawn from NumPy's global generator, which has no seed here.
        config.apply_spec_augment, config.layerdrop = False, 0.0
        return without_parametrisations(kind(config))
    except Exception as error:
        # A stranger's settings may fail in any way.
        raise SettingsError(f"{folder.path / 'config.json'}: no model can be built from it ({error})") from error


def without_parametrisations(model: Any) -> Any:
    """Replace weights that are computed from others by plain ones, so that networks can be copied and pickled."""
    for layer in list(model.modules()):
        if parametrize.is_parametrized(layer):
            for name in list(layer.parametrizations):
                parametrize.remove_parametrizations(layer, name)
            # They translate names of earlier versions of torch, and cannot be pickled.
            layer._load_state_dict_pre_hooks.clear()
    return model


class FinetunedEncoder(Network):
    """A pretrained encoder, mean and deviation of its last layer's outputs over the clip, and two dense layers.

    The convolutions of the encoder are frozen. With adapters, so is all else of it.

    Parameters
    ----------
    encoder : Module
        Of transformers, for raw waveforms.
    n_classes : int
    units : int, default=64
        Hidden units of the dense layer.
    dropout : float, default=0.1
        Before each dense layer.
    layer_factor : float, default=0.85
        Learning rate of a layer, as a share of that of the layer above it.
    adapters : int, default=0
        Rank of the adapters (Hu et al. 2022) of the feed-forward layers; 0 trains the layers themselves.
    """

    def __init__(
        self,
        encoder: Any,
        n_classes: int,
        units: int = 64,
        dropout: float = 0.1,
        layer_factor: float = 0.85,
        adapters: int = 0,
    ) -> None:
        super().__init__()
        config = encoder.config
        self.depth, self.layer_factor = int(config.num_hidden_layers), layer_factor
        # Those with a group norm were trained on padded clips without a mask, the others with one.
        self.masks = getattr(config, "feat_extract_norm", "layer") == "layer"
        self.encoder = _with_adapters(encoder, adapters) if adapters else encoder
        self.encoder.feature_extractor._freeze_parameters()
        for name, weight in self.encoder.named_parameters():
            if name.endswith("masked_spec_embed"):
                weight.requires_grad_(False)
        self.dense = nn.Linear(2 * int(config.hidden_size), units)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(units, n_classes)
        self.trained = tuple(name for name, weight in self.named_parameters() if weight.requires_grad)

    def learning_rates(self) -> list[tuple[str, float]]:
        """Return a factor for each layer of the encoder, from the last one down, and for what comes before them."""
        layers = [
            (f"encoder.encoder.layers.{number}.*", self.layer_factor ** (self.depth - number))
            for number in reversed(range(self.depth))
        ]
        return [*layers, ("encoder.*", self.layer_factor ** (self.depth + 1))]

    def load_base(self, weights: dict[str, Tensor]) -> None:
        """Load the weights of the pretrained encoder, whose layers may have adapters."""
        own = self.encoder.state_dict()
        with torch.no_grad():
            for name, value in weights.items():
                layer, _, last = name.rpartition(".")
                own[name if name in own else f"{layer}.base_layer.{last}"].copy_(value)

    def changed(self) -> dict[str, Tensor]:
        """Return what training changes: the trained weights, and the temperature."""
        state = self.state_dict()
        return {name: state[name].detach().cpu().contiguous() for name in (*self.trained, "temperature")}

    def embed(self, x: Tensor) -> Tensor:
        """Return the hidden units, shape (n_clips, units), of waveforms (n_clips, n_samples) with zeros at the end."""
        places = torch.arange(1, x.shape[1] + 1, device=x.device)
        lengths = ((x != 0) * places).amax(dim=1)
        mask = (places <= lengths[:, None]).long() if self.masks else None
        frames = self.encoder(x, attention_mask=mask).last_hidden_state
        with full_precision(x):
            pooled = _statistics(frames.to(self.dense.weight.dtype), self._frame_counts(lengths, frames.shape[1]))
            return functional.relu(self.dense(self.dropout(pooled)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (n_clips, n_classes)."""
        units = self.embed(x)
        with full_precision(x):
            return self.output(self.dropout(units))

    def _frame_counts(self, lengths: Tensor, most: int) -> Tensor:
        counts: Tensor = self.encoder._get_feat_extract_output_lengths(lengths)
        return counts.clamp(1, most)


def _statistics(frames: Tensor, counts: Tensor) -> Tensor:
    """Return mean and deviation of the first frames of each clip, shape (n_clips, 2 * width)."""
    inside = (torch.arange(frames.shape[1], device=frames.device) < counts[:, None])[:, :, None]
    total = counts[:, None].to(frames.dtype)
    mean = (frames * inside).sum(dim=1) / total
    variance = ((frames - mean[:, None]) ** 2 * inside).sum(dim=1) / total
    return torch.cat([mean, variance.clamp_min(LEAST_VARIANCE).sqrt()], dim=1)


def _with_adapters(encoder: Any, rank: int) -> Any:
    """Return the encoder with adapters in its feed-forward layers, the only weights of it that are then trained."""
    peft = optional_package("peft", "adapters", f"{USER} with adapters")
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=list(ADAPTED))
    return peft.inject_adapter_in_model(config, encoder)


@dataclass(kw_only=True, eq=False, repr=False)
class TransformersFinetuned(DeepExtractor):
    """A pretrained speech encoder that is trained further, in each fold, with dense layers on top.

    wav2vec 2.0, HuBERT, WavLM or data2vec. `FinetunedEncoder` describes the network. A model file holds the weights
    that were trained, and the hash of the pretrained model, which must be there when it is opened.

    Needs the package transformers: ``pip install "fusionser[transformers]"``, and for adapters also peft: ``pip install
    "fusionser[adapters]"``.

    Parameters
    ----------
    model : str, default=""
        Must be given, unless `front_end` is, as in `Transformers`.
    layer_factor : float, default=0.85
        Learning rate of a layer of the encoder, as a share of that of the layer above it, 0.1 to 1. `learning_rate` is
        that of the dense layers.
    adapters : int, default=0
        Rank of the adapters (LoRA: Hu et al. 2022) in the feed-forward layers, which are then trained instead of the
        encoder itself; 0 is none. Range 0 to 256.
    units : int, default=64
        Hidden units of the dense layer.
    dropout : float, default=0.1

    Examples
    --------
    >>> TransformersFinetuned(units=32, model="a-folder").get_feature_names_out().size
    32
    """

    kind: ClassVar[str] = "transformers-finetuned"
    weights_format: ClassVar[str | None] = None
    epochs: int = 10
    patience: int | None = 4
    plateau: int = 2
    batch_size: int = 8
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    model: str = ""
    layer_factor: float = 0.85
    adapters: int = 0
    units: int = 64
    dropout: float = 0.1

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of range, or a package is missing."""
        if not isinstance(self.resolved_front_end(), EncoderWaveform):
            raise SettingsError(f"{self.kind} reads waveforms for an encoder; expected EncoderWaveform as front_end")
        check_range("layer_factor", self.layer_factor, 0.1, 1.0)
        if isinstance(self.adapters, bool) or not isinstance(self.adapters, int | np.integer):
            raise SettingsError(f"adapters is {self.adapters!r}; expected a whole number, 0 to 256")
        check_range("adapters", self.adapters, 0, 256)
        check_units(units=self.units)
        check_dropout(self.dropout)
        super().check()
        if self.adapters:
            optional_package("peft", "adapters", f"{USER} with adapters")

    def default_front_end(self) -> FrontEnd:
        """Return the waveform for the model, of 4 s."""
        return EncoderWaveform(model=self.model)

    def build_network(self, input_shape: tuple[int, ...], n_classes: int) -> FinetunedEncoder:
        """Build `FinetunedEncoder`, with random weights."""
        encoder = untrained_encoder(self._folder())
        return FinetunedEncoder(encoder, n_classes, self.units, self.dropout, self.layer_factor, int(self.adapters))

    def begin(self, network: Network) -> None:
        """Load the pretrained weights into the encoder."""
        if not isinstance(network, FinetunedEncoder):
            raise SettingsError(f"{USER} cannot begin with {type(network).__name__}")
        network.load_base(without_parametrisations(loaded_encoder(self._folder())).state_dict())

    @property
    def adapts(self) -> bool:
        """Whether `adapted` changes anything; the statistics of a pretrained encoder are left alone."""
        return False

    def unit_count(self) -> int:
        """Return the number of hidden units."""
        return self.units

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values; the model is in the front end."""
        return {name: value for name, value in super().settings().items() if name != "model"}

    def pack(self) -> bytes:
        """Return the trained weights, and the hash of the pretrained model, as the bytes of a safetensors file."""
        scales = {} if self.scales_ is None else self.scales_.texts()
        return saved(self._changed(), {BASE: self._folder().weights(), **scales})

    def unpack(self, content: bytes, classes: npt.NDArray[Any]) -> None:
        """Restore the network. Raise `ValueError` if the weights do not fit, or are for another pretrained model."""
        from safetensors.torch import load

        try:
            tensors = load(content)
        except Exception as error:
            # safetensors raises different errors for different kinds of damage.
            raise ValueError(f"the weights cannot be read ({error})") from error
        if metadata_of(content).get(BASE) != self._folder().weights():
            raise ValueError(f"the weights were trained from another model than {self._folder().name}; use that one")
        self._restore_targets(content, classes)
        network = self._build()
        if not isinstance(network, FinetunedEncoder):
            raise ValueError(f"the network is {type(network).__name__}")
        check_tensors(tensors, network.changed())
        self.begin(network)
        network.load_state_dict(tensors, strict=False)
        self.network_ = network.requires_grad_(False).eval()

    def _changed(self) -> dict[str, Tensor]:
        check_is_fitted(self, "network_")
        if not isinstance(self.network_, FinetunedEncoder):
            raise SettingsError(f"{USER} has the network {type(self.network_).__name__}; fit it again")
        return self.network_.changed()

    def _folder(self) -> ModelFolder:
        front = self.resolved_front_end()
        if not isinstance(front, EncoderWaveform):
            raise SettingsError(f"{self.kind} reads waveforms for an encoder; expected EncoderWaveform as front_end")
        return front.folder()
