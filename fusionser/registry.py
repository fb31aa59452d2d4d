"""Everything that has a name: what comes with fusionser, what installed packages add, and what a program registers.

A package adds to a registry by an entry point in its ``pyproject.toml``::

    [project.entry-points."fusionser.blocks"]
    jitter = "my_package.jitter:Jitter"

A program, or a notebook, calls `Registry.register`. Nothing is imported before it is asked for, and a package that
cannot be imported takes no other name with it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

from fusionser.errors import FusionserError, SettingsError, unknown_name
from fusionser.origin import OWN, code_origin, package_of

__all__ = [
    "AUGMENTATIONS",
    "BLOCKS",
    "CLASSIFIERS",
    "CORPORA",
    "FRONT_ENDS",
    "NETWORKS",
    "PRESETS",
    "PROTOCOLS",
    "REGISTRIES",
    "Named",
    "Registry",
    "code_origin",
    "named_in_blocks",
    "plugins_among",
]

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Registry(Mapping[str, Any]):
    """Objects by name, each imported when it is first asked for.

    Parameters
    ----------
    kind : str
        What errors call one of them, such as ``"classifier"``.
    group : str
        Name of the group of entry points, without ``fusionser.``.
    own : mapping of str to str
        Name to ``module:attribute`` of those that come with fusionser; modules are relative to it.
    called : str, optional
        The attribute in which an object says its name; what is stored refers to it by that.
    prepare : callable, optional
        Is given each object when it is imported, and returns what the registry gives out.

    Examples
    --------
    >>> CLASSIFIERS["svm"].__name__, "smv" in CLASSIFIERS
    ('SVM', False)
    >>> CLASSIFIERS.named("smv")
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: unknown classifier 'smv'; did you mean 'svm'? Known: svm, random-forest, ...
    """

    def __init__(
        self,
        kind: str,
        group: str,
        own: Mapping[str, str],
        *,
        called: str | None = None,
        prepare: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.kind = kind
        self.group = f"{OWN}.{group}"
        self._own = own
        self._called = called
        self._prepare = prepare
        self._added: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}

    @cached_property
    def _offered(self) -> "list[EntryPoint]":
        # Imported late: it takes a third as long as all else that `fusionser --help` does.
        from importlib.metadata import entry_points

        return sorted(entry_points(group=self.group), key=lambda point: (point.name, package_of(point)))

    @cached_property
    def _plugins(self) -> "dict[str, EntryPoint]":
        plugins: dict[str, EntryPoint] = {}
        for point in self._offered:
            if point.name not in self._own:
                plugins.setdefault(point.name, point)
        return plugins

    def __getitem__(self, name: str) -> Any:
        if name in self._added:
            return self._added[name]
        if name not in self._loaded:
            if name in self._own:
                module, _, attribute = self._own[name].partition(":")
                self._loaded[name] = self._prepare(getattr(import_module(f"{OWN}.{module}"), attribute))
            elif name in self._plugins:
                self._loaded[name] = self._load(name)
            else:
                raise KeyError(name)
        return self._loaded[name]

    def _load(self, name: str) -> Any:
        try:
            return self._checked(name, self._plugins[name].load())
        except Exception as error:
            # A plugin may fail in any way, and the message must say whose fault that is.
            raise SettingsError(
                f"the {self.kind} '{name}' of the package {self.origin(name)} cannot be loaded: "
                f"{type(error).__name__}: {error}. Repair or remove that package"
            ) from error

    def _checked(self, name: str, value: Any) -> Any:
        """Return what is given out for an object from outside, which must go by its name."""
        if not NAME.fullmatch(name):
            raise SettingsError(f"the name is {name!r}; expected lower-case letters, digits and single hyphens")
        prepared = self._prepare(value)
        if self._called and getattr(prepared, self._called, None) != name:
            raise SettingsError(
                f"its attribute '{self._called}' is {getattr(prepared, self._called, None)!r}; expected '{name}'"
            )
        return prepared

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._own, *self._plugins, *self._added))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._added or name in self._plugins

    def named(self, name: str) -> Any:
        """Return what has a name.

        Raises
        ------
        SettingsError
            When nothing has; the message lists the names that there are.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self)
        return self[name]

    def register(self, name: str, value: Any) -> Any:
        """Add an object under a name for as long as the program runs, and return it.

        Raises
        ------
        SettingsError
            When fusionser or an installed package has that name already, or the object says another name than this.
        """
        if name in self._own or name in self._plugins:
            raise SettingsError(
                f"the {self.kind} '{name}' is there already, from {self.origin(name)}; take another name"
            )
        try:
            self._added[name] = self._checked(name, value)
        except FusionserError as error:
            raise SettingsError(f"the {self.kind} '{name}' cannot be registered: {error}") from error
        return value

    def loadable(self) -> list[str]:
        """Return the names that can be used, which leaves out those of packages that cannot be imported."""
        names = []
        for name in self:
            with suppress(SettingsError):
                self[name]
                names.append(name)
        return names

    def origin(self, name: str) -> str:
        """Return where a name comes from: ``fusionser``, a package with its version, or the program that runs."""
        if name in self._added:
            return code_origin(self._added[name]) or "this program"
        return OWN if name in self._own else package_of(self._plugins[name])

    def passed_over(self) -> list[tuple[str, str]]:
        """Return name and package of what installed packages offer under a name that is taken."""
        return [
            (point.name, package_of(point)) for point in self._offered if self._plugins.get(point.name) is not point
        ]

    def summary(self, name: str) -> str:
        """Return what a name stands for, in one line: its ``summary``, else the first line of its docstring."""
        value = self[name]
        text = getattr(value, "summary", None) or value.__doc__ or ""
        return str(text).strip().partition("\n")[0]


def _corpus(value: Any) -> Any:
    corpus = value() if isinstance(value, type) else value
    if corpus.card.name != corpus.name:
        raise SettingsError(f"its card is that of '{corpus.card.name}'; expected '{corpus.name}'")
    return corpus


BLOCKS = Registry(
    "feature block",
    "blocks",
    {
        "zcr": "features.frame_blocks:ZeroCrossingRate",
        "chroma": "features.frame_blocks:Chroma",
        "mfcc": "features.frame_blocks:MFCC",
        "rms": "features.frame_blocks:RMS",
        "mel": "features.frame_blocks:MelSpectrogram",
        "statistics": "features.clip_blocks:SignalStatistics",
        "gender": "features.clip_blocks:Gender",
        "pitch": "features.clip_blocks:Pitch",
        "shape": "features.frame_blocks:SpectralShape",
        "contrast": "features.frame_blocks:SpectralContrast",
        "estimated-gender": "features.estimated_gender:EstimatedGender",
    },
    called="kind",
)
"""Blocks of features; the name is also the prefix of a block's columns."""

FRONT_ENDS = Registry(
    "front end",
    "front_ends",
    {
        "log-mel-map": "features.maps:LogMelMap",
        "mfcc-map": "features.maps:MFCCMap",
        "raw-waveform": "features.maps:RawWaveform",
        "block-vector": "features.maps:BlockVector",
    },
    called="kind",
)
"""What a network can be fed."""

NETWORKS = Registry(
    "network",
    "networks",
    {
        "conv1d": "networks.conv1d:Conv1DExtractor",
        "conv2d": "networks.conv2d:Conv2DExtractor",
        "conv2d-mfcc": "networks.conv2d:Conv2DMFCCExtractor",
        "log-mel-frames": "networks.recurrent:LogMelFrames",
        "mfcc-frames": "networks.recurrent:MFCCFrames",
        "cnn-lstm-1d": "networks.cnn_lstm:CNNLSTM1DExtractor",
        "cnn-bilstm-1d": "networks.cnn_lstm:CNNBiLSTM1DExtractor",
        "cnn-lstm-2d": "networks.cnn_lstm:CNNLSTM2DExtractor",
        "cnn-bilstm-2d": "networks.cnn_lstm:CNNBiLSTM2DExtractor",
        "time-distributed-cnn-lstm": "networks.time_distributed:TimeDistributedLSTMExtractor",
        "time-distributed-cnn-bilstm": "networks.time_distributed:TimeDistributedBiLSTMExtractor",
        "conv1d-lstm-speech": "networks.conv1d_lstm:SpeechConv1DLSTMExtractor",
        "conv1d-lstm-song": "networks.conv1d_lstm:SongConv1DLSTMExtractor",
        "temporal-cnn-1": "networks.temporal_cnn:TemporalCNN1Extractor",
        "temporal-cnn-2": "networks.temporal_cnn:TemporalCNN2Extractor",
        "temporal-cnn-3": "networks.temporal_cnn:TemporalCNN3Extractor",
        "temporal-cnn-4": "networks.temporal_cnn:TemporalCNN4Extractor",
        "temporal-cnn-5": "networks.temporal_cnn:TemporalCNN5Extractor",
        "crnn": "networks.crnn:CRNNExtractor",
        "vgg16": "networks.vgg16:VGG16Extractor",
    },
    called="kind",
)
"""Deep extractors: networks that are trained in the fold, as blocks of features or to classify by themselves."""

CLASSIFIERS = Registry(
    "classifier",
    "classifiers",
    {
        "svm": "classifiers.svm:SVM",
        "random-forest": "classifiers.random_forest:RandomForest",
        "xgboost": "classifiers.gradient_boosting:XGBoost",
        "mlp": "classifiers.neural:MLP",
        "lstm": "classifiers.neural:LSTM",
        "bilstm": "classifiers.neural:BiLSTM",
    },
)
"""Classifiers of columns."""

CORPORA = Registry(
    "corpus",
    "corpora",
    {
        "ravdess": "corpora.ravdess:Ravdess",
        "ravdess-song": "corpora.ravdess:RavdessSong",
        "emodb": "corpora.emodb:EmoDB",
        "crema-d": "corpora.crema_d:CremaD",
        "savee": "corpora.savee:Savee",
        "tess": "corpora.tess:Tess",
        "super-set": "corpora.super_set:SuperSet",
        "demo": "corpora.demo:Demo",
    },
    called="name",
    prepare=_corpus,
)
"""Corpora, each as an object that reads the names of its files."""

AUGMENTATIONS = Registry(
    "augmentation",
    "augmentations",
    {
        "noise": "augmentation.waveforms:NOISE",
        "pitch": "augmentation.waveforms:PITCH",
        "stretch": "augmentation.waveforms:STRETCH",
        "lowpass": "augmentation.waveforms:LOWPASS",
        "speed": "augmentation.waveforms:SPEED",
    },
)
"""Kinds of augmentation."""

PROTOCOLS = Registry(
    "protocol",
    "protocols",
    {
        "speaker-holdout": "splits.protocols:SpeakerHoldout",
        "speaker-kfold": "splits.protocols:SpeakerKFold",
        "leave-one-speaker-out": "splits.protocols:LeaveOneSpeakerOut",
        "leave-one-statement-out": "splits.protocols:LeaveOneStatementOut",
        "random-kfold": "splits.protocols:RandomKFold",
        "random-holdout": "splits.protocols:RandomHoldout",
        "cross-corpus": "splits.cross_corpus:CrossCorpus",
        "speaker-kfold-added-corpora": "splits.cross_corpus:AddedCorpora",
    },
    called="name",
)
"""Ways to split rows."""

PRESETS = Registry(
    "preset",
    "presets",
    {
        "wide": "features.presets:wide",
        "fusionnet": "features.presets:fusionnet",
        "ser-fusionnet": "features.presets:ser_fusionnet",
    },
)
"""Named sets of blocks, as functions that build an extractor."""

REGISTRIES: Mapping[str, Registry] = {
    "blocks": BLOCKS,
    "networks": NETWORKS,
    "front-ends": FRONT_ENDS,
    "classifiers": CLASSIFIERS,
    "corpora": CORPORA,
    "augmentations": AUGMENTATIONS,
    "protocols": PROTOCOLS,
    "presets": PRESETS,
}
"""Every registry, by the name that ``fusionser list`` takes."""


Named = tuple[str, str, tuple[Registry, ...]]
"""What something is, its name, and the registries that may have it."""


def named_in_blocks(blocks: Iterable[Mapping[str, Any]]) -> Iterator[Named]:
    """Yield what settings of blocks name: the blocks, their front ends, and the blocks that feed these."""
    for block in blocks:
        yield "feature block", str(block.get("kind")), (BLOCKS, NETWORKS)
        if isinstance(front_end := block.get("front_end"), Mapping):
            yield "front end", str(front_end.get("kind")), (FRONT_ENDS,)
            for name in front_end.get("blocks", ()):
                yield "feature block", str(name), (BLOCKS,)


def plugins_among(named: Iterable[Named]) -> dict[str, str]:
    """Return what does not come with fusionser among names: each with the package, and its version, that it is of."""
    origins = {
        name: registry.origin(name) for _, name, registries in named for registry in registries if name in registry
    }
    return {name: origin for name, origin in origins.items() if origin != OWN}
