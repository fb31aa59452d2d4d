"""Presets: named sets of feature blocks."""

from collections.abc import Callable, Mapping
from typing import Any

from fusionser.features.extractor import FeatureExtractor
from fusionser.features.framing import accepted, build_block
from fusionser.names import DEFAULT_CLASSIFIER, EARLY, GROUPS, ROBUST_BLOCKS
from fusionser.registry import BLOCKS, NETWORKS, PRESETS

__all__ = ["best", "fusionnet", "preset", "robust", "ser_fusionnet", "wide"]

PAPER_CLIP = 2.5
"""Seconds. The paper does not state the length of its clips."""

PAPER_PRESETS = ("fusionnet", "ser-fusionnet")
"""SER-FusionNet's presets: they skip the corpus's offset, and include the gender."""

SPREAD = ("mean", "std", "percentile10", "percentile50", "percentile90")
LEVEL = (*SPREAD, "maximum", "slope")
EXTREMES = ("std", "percentile10", "percentile90")

Preset = Callable[..., FeatureExtractor]


def _made_for(scaling: str, fusion: str = EARLY, classifier: str = DEFAULT_CLASSIFIER) -> Callable[[Preset], Preset]:
    """Declare what a preset is made for; specifications use it unless they name something else."""

    def declare(made: Preset) -> Preset:
        made.scaling, made.fusion, made.classifier = scaling, fusion, classifier  # type: ignore[attr-defined]
        return made

    return declare


def fusionnet(*, gender: bool = True, **clip: Any) -> FeatureExtractor:
    """SER-FusionNet's handcrafted columns: 162 acoustic, 6 statistical, 1 gender.

    The acoustic vector has the zero-crossing rate, 12 chroma, 20 MFCC, RMS and 128 mel bands. Each is the mean over
    frames with librosa's defaults (22 050 Hz, frames of 2048 samples, hop 512). The paper (Boopathi, Bramadi, Ravi
    Kumar and Babu 2023) gives the length 162 and the five features; the split 1 + 12 + 20 + 1 + 128 is inferred. It
    does not define the clip. The default here is 2.5 s without an offset (RAVDESS's card gives an offset of 0.6 s).

    Parameters
    ----------
    gender : bool, default=True
        Include the gender from the rows.
    **clip
        Parameters of the clip and its frames for all blocks, listed in `FrameParameters`.

    Examples
    --------
    >>> fusionnet().get_feature_names_out().size
    169
    """
    kinds = [*GROUPS["acoustic"], "statistics"]
    return FeatureExtractor(blocks=_blocks({kind: {} for kind in kinds}, gender, {"duration": PAPER_CLIP, **clip}))


def _blocks(
    parameters: Mapping[str, Mapping[str, Any]], gender: bool, clip: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    parameters = {**parameters, **({"gender": {}} if gender else {})}
    return [(kind, build_block(BLOCKS[kind], {**own, **clip})) for kind, own in parameters.items()]


def ser_fusionnet(*, gender: bool = True, **clip: Any) -> FeatureExtractor:
    """SER-FusionNet's 39 columns: 32 hidden units of its Conv1D network, 6 statistical, 1 gender.

    Parameters
    ----------
    gender : bool, default=True
        Include the gender from the rows.
    **clip
        Parameters of the clip and its frames, as in `fusionnet`.

    Examples
    --------
    >>> ser_fusionnet().get_feature_names_out().size
    39
    """
    settings = {"duration": PAPER_CLIP, **clip}
    network = NETWORKS["conv1d"]()
    front_end = network.default_front_end()
    network.front_end = front_end.set_params(**accepted(type(front_end), settings))
    return FeatureExtractor(blocks=[("conv1d", network), *_blocks({"statistics": {}}, gender, settings)])


def wide(*, gender: bool = False, **clip: Any) -> FeatureExtractor:
    """About a thousand functionals of energy, pitch, timbre and their changes, over the whole trimmed clip.

    Frames are 64 ms long, every 16 ms, at 16 kHz. The columns are means, standard deviations and percentiles of log-mel
    bands, MFCC with two orders of derivatives, pitch, harmonics-to-noise ratio, spectral shape, contrast, chroma, level
    and zero-crossing rate.

    Parameters
    ----------
    gender : bool, default=False
        Include the gender from the rows.
    **clip
        Parameters of the clip and its frames for all blocks, listed in `FrameParameters`.

    Examples
    --------
    >>> wide().get_feature_names_out().size > 900
    True
    """
    settings = {"sampling_rate": 16000, "trim": True, **clip}
    # At other rates, frames keep their length in seconds.
    hop_length = max(round(0.016 * settings["sampling_rate"]), 32)
    settings = {"n_fft": 4 * hop_length, "hop_length": hop_length, **settings}
    parameters: dict[str, dict[str, Any]] = {
        "zcr": {"statistics": SPREAD, "deltas": 1, "delta_statistics": ("std",)},
        "chroma": {"statistics": ("mean", "std")},
        "mfcc": {"statistics": SPREAD, "deltas": 2, "delta_statistics": EXTREMES},
        "rms": {"logarithmic": True, "statistics": LEVEL, "deltas": 1, "delta_statistics": SPREAD},
        "mel": {"n_mels": 64, "logarithmic": True, "statistics": SPREAD, "deltas": 1, "delta_statistics": EXTREMES},
        "statistics": {},
        "pitch": {"statistics": (*SPREAD, "percentile25", "percentile75", "maximum", "slope")},
        "shape": {"statistics": SPREAD, "deltas": 1, "delta_statistics": EXTREMES},
        "contrast": {"n_bands": 5, "statistics": SPREAD, "deltas": 1, "delta_statistics": ("std",)},
    }
    return FeatureExtractor(blocks=_blocks(parameters, gender, settings))


@_made_for("bounded")
def robust(*, gender: bool = False, **clip: Any) -> FeatureExtractor:
    """Columns that are relative within the clip, for recordings of other rooms, microphones and codecs.

    Prosody, cepstra relative within the clip, and modulation spectra. The level does not count, noise below the
    dynamic range is equalised, and only 100 Hz to 3700 Hz are used. By default, its columns are scaled with
    ``bounded``, so that a column that is far outside its training range cannot decide alone.

    Parameters
    ----------
    gender : bool, default=False
        Include the gender from the rows.
    **clip
        Parameters of the clip for all blocks, listed in `ClipParameters`.

    Examples
    --------
    >>> robust().get_feature_names_out().size
    198
    """
    return FeatureExtractor(blocks=_blocks({kind: {} for kind in ROBUST_BLOCKS}, gender, clip))


@_made_for("bounded", fusion="average", classifier="kernel-ridge")
def best(*, gender: bool = False, **clip: Any) -> FeatureExtractor:
    """Functionals, two sets of Fisher vectors and two Conv2D networks, for late fusion.

    The functionals are those of `robust`. By default it is fused late: one `KernelRidge` on the functionals, one on
    each set of Fisher vectors, and the two networks, on log-mel maps and on MFCC, answer alone; their log-probabilities
    are averaged. It is more accurate than `robust` on RAVDESS. The networks take most of the training time.

    Parameters
    ----------
    gender : bool, default=False
        Include the gender from the rows.
    **clip
        Parameters of the clip for all blocks, listed in `ClipParameters`.

    Examples
    --------
    >>> [name for name, block in best().blocks if name not in dict(robust().blocks)]
    ['fisher-vectors', 'fisher-vectors-short', 'conv2d', 'conv2d-mfcc']
    """
    listed = {
        "fisher-vectors": BLOCKS["fisher-vectors"](),
        "fisher-vectors-short": BLOCKS["fisher-vectors"](context=2, spacing=2),
        **{kind: NETWORKS[kind]() for kind in ("conv2d", "conv2d-mfcc")},
    }
    for block in listed.values():
        front_end = block.default_front_end()
        block.front_end = front_end.set_params(**accepted(type(front_end), clip))
    return FeatureExtractor(blocks=[*robust(gender=gender, **clip).blocks, *listed.items()])


def preset(name: str, **options: Any) -> FeatureExtractor:
    """Build a preset by name.

    Raises
    ------
    SettingsError
        If there is no preset of that name.

    Examples
    --------
    >>> preset("fusionnet", gender=False, offset=0.6).get_params()["mel__offset"]
    0.6
    """
    return PRESETS.named(name)(**options)
