"""Registries of named objects: those of fusionser, of installed plugins, and of the running program.

A package adds an object by an entry point in its ``pyproject.toml``::

    [project.entry-points."fusionser.blocks"]
    jitter = "my_package.jitter:Jitter"

A program or a notebook calls `Registry.register`. An object is imported on first use. A package that cannot be
imported affects only its own names; so does a line of `OWN_OBJECTS` that names nothing, or a card with a fault.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    "CONDITIONS",
    "CORPORA",
    "DATASET_FORMATS",
    "FRONT_ENDS",
    "NETWORKS",
    "PRESETS",
    "PROTOCOLS",
    "REGISTRIES",
    "REGRESSORS",
    "TABLE_FORMATS",
    "TRACKERS",
    "Named",
    "Registry",
    "code_origin",
    "named_in_blocks",
    "plugins_among",
]

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Registry(Mapping[str, Any]):
    """Objects by name, imported on first use.

    Parameters
    ----------
    kind : str
        What the objects are, for error messages, such as ``"classifier"``.
    group : str
        Name of the entry point group, without ``fusionser.``.
    own : mapping of str to str
        Name to ``module:attribute`` of the objects in fusionser, with modules relative to the package.
    called : str, optional
        Attribute of an object that contains its name. Results and model files refer to the object by this name.
    bases : sequence of str
        Classes, as ``module:attribute``, of which an object from outside must be a subclass, or, if
        `instances` is true, an instance.
    instances : bool, default=False
    prepare : callable, optional
        Called with each imported object; the registry returns the result.

    Examples
    --------
    >>> CLASSIFIERS["svm"].__name__, "smv" in CLASSIFIERS
    ('SVM', False)
    >>> CLASSIFIERS.named("smv")
    Traceback (most recent call last):
    ...
    fusionser.errors.UnknownNameError: unknown classifier 'smv'; did you mean 'svm'? Known: svm, linear-svm, ...
    """

    def __init__(
        self,
        kind: str,
        group: str,
        own: Mapping[str, str],
        *,
        called: str | None = None,
        bases: Sequence[str] = (),
        instances: bool = False,
        prepare: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.kind = kind
        self.group = f"{OWN}.{group}"
        self._own = own
        self._called = called
        self._bases = bases
        self._instances = instances
        self._prepare = prepare
        self._added: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}

    @cached_property
    def _offered(self) -> "list[EntryPoint]":
        # Imported here to keep `fusionser --help` fast.
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
                self._loaded[name] = self._load_own(name)
            elif name in self._plugins:
                self._loaded[name] = self._load(name)
            else:
                raise KeyError(name)
        return self._loaded[name]

    def _load_own(self, name: str) -> Any:
        try:
            return self._prepare(_own_object(self._own[name]))
        except (MemoryError, OSError):
            raise
        except Exception as error:
            if isinstance(error, ImportError) and (error.name or "").partition(".")[0] != OWN:
                # What is wrong is another package, or this machine.
                raise
            cause = error.__cause__ if isinstance(error.__cause__, FusionserError) else error
            what = str(cause) if isinstance(cause, FusionserError) else f"{type(cause).__name__}: {cause}"
            raise SettingsError(
                f"the {self.kind} '{name}' of fusionser cannot be loaded, from '{self._own[name]}': {what}. "
                "Repair that line of OWN_OBJECTS in fusionser/registry.py, or what it names"
            ) from cause

    def _load(self, name: str) -> Any:
        try:
            return self._checked(name, self._plugins[name].load())
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:
            # A plugin may fail in any way, or end the program, and the message must name its package.
            raise SettingsError(
                f"the {self.kind} '{name}' of the package {self.origin(name)} cannot be loaded: "
                f"{type(error).__name__}: {error}. Repair or remove that package"
            ) from error

    def _checked(self, name: str, value: Any) -> Any:
        """Prepare an object from outside fusionser, and check its name."""
        if not NAME.fullmatch(name):
            raise SettingsError(f"the name is {name!r}; expected lower-case letters, digits and single hyphens")
        prepared = self._prepare(value)
        self._check_base(prepared)
        if self._called and (called := getattr(prepared, self._called, None)) != name:
            raise SettingsError(f"its attribute '{self._called}' is {called!r}; expected '{name}'")
        return prepared

    def _check_base(self, value: Any) -> None:
        bases = tuple(_own_object(place) for place in self._bases)
        fits = isinstance(value, bases) if self._instances else isinstance(value, type) and issubclass(value, bases)
        if bases and not fits:
            what = "an instance" if self._instances else "a subclass"
            raise SettingsError(f"it is {value!r}; expected {what} of {bases[0].__name__}")

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._own, *self._plugins, *self._added)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._added or name in self._plugins

    def named(self, name: str) -> Any:
        """Return the object with a name.

        Raises
        ------
        SettingsError
            If the name is unknown; the message lists the known names.
        """
        if name not in self:
            raise unknown_name(self.kind, name, self)
        return self[name]

    def register(self, name: str, value: Any) -> Any:
        """Add an object under a name until the program ends, and return it.

        Raises
        ------
        SettingsError
            If fusionser or an installed package uses the name already, or the object has another name itself.
        """
        if name in self._own or name in self._plugins:
            raise SettingsError(f"the {self.kind} '{name}' exists already, from {self.origin(name)}; use another name")
        try:
            self._added[name] = self._checked(name, value)
        except FusionserError as error:
            raise SettingsError(f"the {self.kind} '{name}' cannot be registered: {error}") from error
        return value

    def loadable(self) -> list[str]:
        """Return the names whose objects can be imported."""
        names = []
        for name in self:
            with suppress(SettingsError):
                self[name]
                names.append(name)
        return names

    def origin(self, name: str) -> str:
        """Return where a name comes from: ``fusionser``, a package with its version, or the running program."""
        if name in self._added:
            return code_origin(self._added[name]) or "this program"
        return OWN if name in self._own else package_of(self._plugins[name])

    def passed_over(self) -> list[tuple[str, str]]:
        """Return name and package of each entry point that is not used because its name is taken."""
        return [(one.name, package_of(one)) for one in self._offered if self._plugins.get(one.name) is not one]

    def summary(self, name: str) -> str:
        """Return one line on an object: its ``summary``, else the first line of its docstring."""
        value = self[name]
        return str(getattr(value, "summary", None) or value.__doc__ or "").strip().partition("\n")[0]


def _own_object(place: str) -> Any:
    """Import an object of fusionser from ``module:attribute``."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(f"{OWN}.{module}"), attribute)


def _preset(value: Any) -> Any:
    if not callable(value):
        raise SettingsError(f"it is {value!r}; expected a function that returns a FeatureExtractor")
    return value


def _corpus(value: Any) -> Any:
    corpus = value() if isinstance(value, type) else value
    # Anything that is not a corpus is refused by its class.
    if hasattr(corpus, "card") and corpus.card.name != corpus.name:
        raise SettingsError(f"its card is that of '{corpus.card.name}'; expected '{corpus.name}'")
    return corpus


OWN_OBJECTS: Mapping[str, Mapping[str, str]] = {
    "blocks": {
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
        "prosody": "features.relative_blocks:Prosody",
        "relative-cepstra": "features.relative_blocks:RelativeCepstra",
        "modulation": "features.relative_blocks:Modulation",
        "recording": "features.recording:Recording",
        "voice-quality": "features.voice_quality:VoiceQuality",
        "estimated-gender": "features.estimated_gender:EstimatedGender",
        "fisher-vectors": "features.fisher_vectors:FisherVectors",
        "columns": "features.external.columns:GivenColumns",
        "opensmile": "features.external.opensmile:OpenSMILE",
        "ge2e": "features.external.ge2e:GE2E",
        "emotion2vec": "features.external.emotion2vec:Emotion2vec",
        "transformers": "features.external.transformers:Transformers",
        "transformers-chosen-layer": "features.external.chosen_layer:ChosenLayer",
    },
    "front_ends": {
        "log-mel-map": "features.maps:LogMelMap",
        "mfcc-map": "features.maps:MFCCMap",
        "relative-contours": "features.relative_contours:RelativeContours",
        "relative-map": "features.relative_map:RelativeMap",
        "raw-waveform": "features.maps:RawWaveform",
        "block-vector": "features.maps:BlockVector",
        "encoder-layers": "features.external.transformers:EncoderLayers",
        "encoder-waveform": "features.external.encoder_waveform:EncoderWaveform",
        "encoder-frames": "features.external.encoder_frames:EncoderFrames",
    },
    "networks": {
        "conv1d": "networks.conv1d:Conv1DExtractor",
        "conv1d-relative": "networks.conv1d_relative:Conv1DRelativeExtractor",
        "conv2d": "networks.conv2d:Conv2DExtractor",
        "conv2d-mfcc": "networks.conv2d:Conv2DMFCCExtractor",
        "conv2d-relative": "networks.conv2d:Conv2DRelativeExtractor",
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
        **{f"temporal-cnn-{n}": f"networks.temporal_cnn:TemporalCNN{n}Extractor" for n in range(1, 6)},
        "crnn": "networks.crnn:CRNNExtractor",
        "vgg16": "networks.vgg16:VGG16Extractor",
        "transformers-attentive": "networks.attentive_pooling:TransformersAttentive",
        "transformers-finetuned": "networks.finetuning:TransformersFinetuned",
    },
    "classifiers": {
        "svm": "classifiers.svm:SVM",
        "linear-svm": "classifiers.linear_svm:LinearSVM",
        "kernel-ridge": "classifiers.kernel_ridge:KernelRidge",
        "random-forest": "classifiers.random_forest:RandomForest",
        "xgboost": "classifiers.gradient_boosting:XGBoost",
        "mlp": "classifiers.neural:MLP",
        "lstm": "classifiers.neural:LSTM",
        "bilstm": "classifiers.neural:BiLSTM",
    },
    "regressors": {
        "svm": "regressors.svm:SVM",
        "linear-svm": "regressors.linear_svm:LinearSVM",
        "kernel-ridge": "regressors.kernel_ridge:KernelRidge",
        "random-forest": "regressors.random_forest:RandomForest",
        "xgboost": "regressors.gradient_boosting:XGBoost",
        "mlp": "regressors.neural:MLP",
        "lstm": "regressors.neural:LSTM",
        "bilstm": "regressors.neural:BiLSTM",
    },
    "corpora": {
        "ravdess": "corpora.ravdess:Ravdess",
        "ravdess-song": "corpora.ravdess:RavdessSong",
        "emodb": "corpora.from_card:emodb",
        "crema-d": "corpora.crema_d:CremaD",
        "savee": "corpora.savee:Savee",
        "tess": "corpora.tess:Tess",
        "super-set": "corpora.super_set:SuperSet",
        "iemocap-4": "corpora.iemocap:Iemocap4",
        "iemocap-6": "corpora.iemocap:Iemocap6",
        "meld": "corpora.meld:Meld",
        "esd": "corpora.esd:Esd",
        "emov-db": "corpora.emov_db:EmovDB",
        "jl-corpus": "corpora.from_card:jl-corpus",
        "enterface05": "corpora.enterface05:Enterface05",
        "emovo": "corpora.from_card:emovo",
        "emozionalmente": "corpora.emozionalmente:Emozionalmente",
        "cafe": "corpora.cafe:Cafe",
        "mesd": "corpora.mesd:Mesd",
        "nemo": "corpora.from_card:nemo",
        "aesdd": "corpora.aesdd:Aesdd",
        "shemo": "corpora.from_card:shemo",
        "urdu": "corpora.from_card:urdu",
        "subesco": "corpora.from_card:subesco",
        "ased": "corpora.ased:Ased",
        "demo": "corpora.demo:Demo",
    },
    "dataset_formats": {
        "audformat": "corpora.audformat_database:AudformatDatabase",
        "huggingface": "corpora.huggingface:HuggingFaceDataset",
        "webdataset": "corpora.webdataset:WebDataset",
    },
    "augmentations": {
        "noise": "augmentation.waveforms:NOISE",
        "pitch": "augmentation.waveforms:PITCH",
        "stretch": "augmentation.waveforms:STRETCH",
        "lowpass": "augmentation.waveforms:LOWPASS",
        "speed": "augmentation.waveforms:SPEED",
        "level": "augmentation.recordings:LEVEL",
        "equaliser": "augmentation.recordings:EQUALISER",
        "room": "augmentation.recordings:ROOM",
        "pink-noise": "augmentation.recordings:PINK_NOISE",
        "mp3": "augmentation.recordings:MP3",
        "opus": "augmentation.recordings:OPUS",
        "vocal-tract": "augmentation.recordings:VOCAL_TRACT",
        "recording": "augmentation.recordings:RECORDING",
    },
    "conditions": {
        "gain-minus-12-db": "augmentation.conditions:GAIN_MINUS_12_DB",
        "gain-plus-12-db": "augmentation.conditions:GAIN_PLUS_12_DB",
        "gain-plus-12-db-clipped": "augmentation.conditions:GAIN_PLUS_12_DB_CLIPPED",
        "clipping-1-percent": "augmentation.conditions:CLIPPING_1_PERCENT",
        "clipping-10-percent": "augmentation.conditions:CLIPPING_10_PERCENT",
        "sampling-rate-8-khz": "augmentation.conditions:SAMPLING_RATE_8_KHZ",
        "telephone": "augmentation.conditions:TELEPHONE",
        "lowpass-4-khz": "augmentation.conditions:LOWPASS_4_KHZ",
        "mp3-64-kbps": "augmentation.conditions:MP3_64_KBPS",
        "opus-24-kbps": "augmentation.conditions:OPUS_24_KBPS",
        "white-noise-20-db": "augmentation.conditions:WHITE_NOISE_20_DB",
        "white-noise-10-db": "augmentation.conditions:WHITE_NOISE_10_DB",
        "white-noise-5-db": "augmentation.conditions:WHITE_NOISE_5_DB",
        "pink-noise-20-db": "augmentation.conditions:PINK_NOISE_20_DB",
        "pink-noise-10-db": "augmentation.conditions:PINK_NOISE_10_DB",
        "pink-noise-5-db": "augmentation.conditions:PINK_NOISE_5_DB",
        "room-300-ms": "augmentation.conditions:ROOM_300_MS",
        "room-800-ms": "augmentation.conditions:ROOM_800_MS",
        "tempo-90-percent": "augmentation.conditions:TEMPO_90_PERCENT",
        "tempo-110-percent": "augmentation.conditions:TEMPO_110_PERCENT",
        "pitch-minus-1-semitone": "augmentation.conditions:PITCH_MINUS_1_SEMITONE",
        "pitch-plus-1-semitone": "augmentation.conditions:PITCH_PLUS_1_SEMITONE",
    },
    "protocols": {
        "speaker-holdout": "splits.protocols:SpeakerHoldout",
        "speaker-kfold": "splits.protocols:SpeakerKFold",
        "leave-one-speaker-out": "splits.protocols:LeaveOneSpeakerOut",
        "leave-one-statement-out": "splits.protocols:LeaveOneStatementOut",
        "random-kfold": "splits.protocols:RandomKFold",
        "random-holdout": "splits.protocols:RandomHoldout",
        "published-folds": "splits.published:PublishedFolds",
        "given-split": "splits.given:GivenSplit",
        "cross-corpus": "splits.cross_corpus:CrossCorpus",
        "leave-one-corpus-out": "splits.cross_corpus:LeaveOneCorpusOut",
        "speaker-kfold-added-corpora": "splits.cross_corpus:AddedCorpora",
    },
    "presets": {
        "wide": "features.presets:wide",
        "fusionnet": "features.presets:fusionnet",
        "ser-fusionnet": "features.presets:ser_fusionnet",
        "robust": "features.presets:robust",
        "best": "features.presets:best",
    },
    "table_formats": {
        "latex": "reporting.tables.latex:LATEX",
        "csv": "reporting.tables.text_formats:CSV",
        "markdown": "reporting.tables.text_formats:MARKDOWN",
        "html": "reporting.tables.text_formats:HTML",
    },
    "trackers": {
        "mlflow": "tracking.mlflow:MLflow",
        "tensorboard": "tracking.tensorboard:TensorBoard",
    },
}
"""The objects of fusionser: ``module:attribute`` by group and name."""

BLOCKS = Registry(
    "feature block",
    "blocks",
    OWN_OBJECTS["blocks"],
    called="kind",
    bases=("features.base:FeatureBlock", "features.learned:LearnedBlock"),
)
"""Feature blocks; the name is also the prefix of a block's columns."""

FRONT_ENDS = Registry(
    "front end", "front_ends", OWN_OBJECTS["front_ends"], called="kind", bases=("features.maps:FrontEnd",)
)
"""Inputs of networks."""

NETWORKS = Registry(
    "network", "networks", OWN_OBJECTS["networks"], called="kind", bases=("networks.extractor:DeepExtractor",)
)
"""Deep extractors: networks that are trained in each fold, as feature blocks or to classify by themselves."""

CLASSIFIERS = Registry(
    "classifier", "classifiers", OWN_OBJECTS["classifiers"], bases=("classifiers.base:TableClassifier",)
)
"""Classifiers of feature columns."""

REGRESSORS = Registry("regressor", "regressors", OWN_OBJECTS["regressors"], bases=("regressors.base:TableRegressor",))
"""Regressors of feature columns, which predict numbers such as arousal and valence."""

CORPORA = Registry(
    "corpus",
    "corpora",
    OWN_OBJECTS["corpora"],
    called="name",
    bases=("corpora.base:Corpus",),
    instances=True,
    prepare=_corpus,
)
"""Corpora, each as an object that parses its file names."""

DATASET_FORMATS = Registry(
    "dataset format",
    "dataset_formats",
    OWN_OBJECTS["dataset_formats"],
    called="name",
    bases=("corpora.datasets:DatasetFormat",),
)
"""Formats of datasets that other programs write."""

AUGMENTATIONS = Registry(
    "augmentation",
    "augmentations",
    OWN_OBJECTS["augmentations"],
    bases=("augmentation.waveforms:Kind",),
    instances=True,
)
"""Kinds of augmentation."""

CONDITIONS = Registry(
    "condition",
    "conditions",
    OWN_OBJECTS["conditions"],
    bases=("augmentation.conditions:Condition",),
    instances=True,
)
"""Recording conditions under which a saved model is tested."""

PROTOCOLS = Registry("protocol", "protocols", OWN_OBJECTS["protocols"], called="name", bases=("splits.base:Protocol",))
"""Protocols, which split rows into training and test rows."""

PRESETS = Registry("preset", "presets", OWN_OBJECTS["presets"], prepare=_preset)
"""Named sets of blocks, as functions that build an extractor."""

TABLE_FORMATS = Registry(
    "table format",
    "table_formats",
    OWN_OBJECTS["table_formats"],
    called="name",
    bases=("reporting.tables.table:TableFormat",),
    instances=True,
)
"""Formats that the tables of reports are written in."""

TRACKERS = Registry("tracker", "trackers", OWN_OBJECTS["trackers"], called="name", bases=("tracking.base:Tracker",))
"""Places where runs are recorded."""

REGISTRIES: Mapping[str, Registry] = {
    registry.group.removeprefix(f"{OWN}.").replace("_", "-"): registry
    for registry in (
        BLOCKS,
        NETWORKS,
        FRONT_ENDS,
        CLASSIFIERS,
        REGRESSORS,
        CORPORA,
        DATASET_FORMATS,
        AUGMENTATIONS,
        CONDITIONS,
        PROTOCOLS,
        PRESETS,
        TABLE_FORMATS,
        TRACKERS,
    )
}
"""Every registry, by its name in ``fusionser list``: ``blocks``, ``front-ends`` and so on."""

Named = tuple[str, str, tuple[Registry, ...]]
"""What an object is (for error messages), its name, and the registries that may contain it."""


def named_in_blocks(blocks: Iterable[Mapping[str, Any]]) -> Iterator[Named]:
    """Yield the names in settings of blocks: the blocks, their front ends, and the blocks of these front ends."""
    for block in blocks:
        yield "feature block", str(block.get("kind")), (BLOCKS, NETWORKS)
        if isinstance(front_end := block.get("front_end"), Mapping):
            yield "front end", str(front_end.get("kind")), (FRONT_ENDS,)
            for name in front_end.get("blocks", ()):
                yield "feature block", str(name), (BLOCKS,)


def plugins_among(named: Iterable[Named]) -> dict[str, str]:
    """Return the names that do not come from fusionser, each with its package and version."""
    found = ((registry, name) for _, name, registries in named for registry in registries if name in registry)
    origins = {name: registry.origin(name) for registry, name in found}
    return {name: origin for name, origin in origins.items() if origin != OWN}
