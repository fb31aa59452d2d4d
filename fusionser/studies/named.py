"""Named studies: blocks of features, gender, networks, normalisation by speaker, other corpora, and protocols."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from fusionser.corpora import CORPORA, Card
from fusionser.errors import SettingsError, unknown_name
from fusionser.names import DEFAULT_PRESET
from fusionser.pipeline import build_features
from fusionser.results import Result
from fusionser.spec import FeaturesSpec, PipelineSpec, ProtocolSpec
from fusionser.studies.contrasts import Contrast, Design
from fusionser.studies.recipe import CorpusChoice, PipelineChoice, Recipe
from fusionser.tested import corpora_text

__all__ = ["STUDIES", "NamedStudy"]

ALL = "all blocks"
SCORES_FOLDS = 3
"""Inner folds for class scores of networks: each training row is scored by a network that was not trained on it."""

BY_SPEAKER, RANDOM, BY_STATEMENT = "speaker-kfold", "random-kfold", "leave-one-statement-out"
ACROSS, ADDED = "cross-corpus", "speaker-kfold-added-corpora"
PROTOCOL_LABELS = {
    BY_SPEAKER: "folds by speaker",
    RANDOM: "random folds",
    BY_STATEMENT: "statements held out",
    ACROSS: "training on another corpus",
    ADDED: "folds by speaker, other corpora added",
}


@dataclass(frozen=True, kw_only=True)
class NamedStudy(Design):
    """A named study on one corpus, by several classifiers.

    Parameters
    ----------
    study : str
        A key of `STUDIES`.
    corpus : str
    classifiers : sequence of str
    protocol : ProtocolSpec
        The studies ``protocol`` and ``corpora`` have protocols of their own, and take only the number of folds from it.
    preset : str, optional
        ``robust`` if neither a preset nor blocks are given; the study ``deep`` has features of its own.
    blocks : sequence of str, default=()
        Blocks instead of a preset.
    gender : {"given", "estimated", "none"}, optional
    also : sequence of str, default=()
        Other corpora, for the studies ``corpora`` and ``protocol``.
    importance : {"blocks", "features"}, optional
        Estimate the importance of blocks or features in the first pipeline, see `fold_importance`.
    epochs : int, optional
        Epochs of networks.
    seed : int, default=0

    Examples
    --------
    >>> study = NamedStudy(
    ...     study="gender", corpus="ravdess", classifiers=["svm"], preset="fusionnet",
    ...     protocol=ProtocolSpec(name="speaker-kfold"),
    ... )
    >>> [contrast.text for contrast in study.contrasts()]
    ['gender given against none', 'gender estimated against none', 'gender given against estimated']
    """

    varied: ClassVar[str] = "variant"
    study: str
    corpus: str
    classifiers: Sequence[str]
    protocol: ProtocolSpec
    preset: str | None = None
    blocks: Sequence[str] = ()
    gender: str | None = None
    also: Sequence[str] = ()
    importance: str | None = None
    epochs: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.study != "deep" and not (self.preset or self.blocks):
            # Stored designs name their features, so that they keep their meaning when the default changes.
            object.__setattr__(self, "preset", DEFAULT_PRESET)
        if self.study not in STUDIES:
            raise unknown_name("study", self.study, STUDIES)
        if self.also and "corpus" not in self.compared:
            raise SettingsError(f"the study '{self.study}' uses one corpus; leave --also out")
        if self.also and self.corpus not in CORPORA:
            raise SettingsError(
                f"the study '{self.study}' with --also combines known corpora, but the corpus is '{self.corpus}'; "
                "leave --also out, or name a corpus with --corpus"
            )
        if self.corpus in self.also:
            raise SettingsError(f"--also names {self.corpus}, which is the corpus of the study itself; leave it out")
        self.check_names()

    @property
    def _kind(self) -> "Kind":
        return STUDIES[self.study]

    @property
    def title(self) -> str:
        """Title of the study."""
        return self._kind.title

    @property
    def compared(self) -> frozenset[str]:
        """Properties in which results may differ, since the study compares them."""
        return self._kind.compared

    def contrasts(self) -> list[Contrast]:
        """Return the contrasts; they do not depend on results."""
        asked = self._kind.contrasts
        return asked(self) if callable(asked) else list(asked)

    def label(self, result: Result) -> str:
        """Return the label that a result has in contrasts."""
        if "protocol" in self.compared:
            return PROTOCOL_LABELS[result.protocol.name]
        return result.protocol.setting if "setting" in self.compared else result.features_name

    def recipe(self) -> Recipe:
        """Return the recipe with all evaluations."""
        return Recipe(
            title=self.title,
            question="; ".join(contrast.text for contrast in self.contrasts()),
            pipelines=self.with_importance(self._kind.pipelines(self)),
            settings=("inductive", "speaker-normalised") if "setting" in self.compared else ("inductive",),
            epochs=self.epochs,
            seed=self.seed,
            corpora=tuple(self._kind.corpora(self)),
        )

    def choice(self, *protocols: ProtocolSpec, also: Sequence[str] = ()) -> CorpusChoice:
        """Return the corpus, with others in the same table, restricted to the classes shared by all of the study."""
        labels = [set(_card(name).labels.values()) for name in (self.corpus, *self.also) if self.also]
        classes = sorted(set.intersection(*labels)) if labels else ()
        return CorpusChoice(corpus=self.corpus, also=tuple(also), classes=tuple(classes), protocols=protocols)

    def folds(self) -> int:
        """Return the number of folds by speaker, from the protocol or else from the card of the corpus."""
        given = self.protocol.settings.get("folds")
        return int(_card(self.corpus).protocol.folds if given is None else given)

    def pipeline(self, name: str, *, cross_fit: int = 0, **changed: Any) -> PipelineChoice:
        """Return a named pipeline with the features of the study, some of them changed."""
        features = {"preset": self.preset, "blocks": tuple(self.blocks), "gender": self.gender, **changed}
        spec = PipelineSpec(features=FeaturesSpec(**features), networks={"cross_fit": cross_fit})
        return PipelineChoice(name=name, classifiers=tuple(self.classifiers), spec=spec)

    def block_names(self) -> list[str]:
        """Return the names of the feature blocks."""
        return [name for name, _ in build_features(self.pipeline(ALL).spec).blocks]


def _card(corpus: str) -> Card:
    return CORPORA.named(corpus).card


@dataclass(frozen=True)
class Kind:
    """What a named study evaluates, its contrasts, and the properties in which compared results may differ."""

    title: str
    pipelines: Callable[[NamedStudy], list[PipelineChoice]]
    contrasts: tuple[Contrast, ...] | Callable[[NamedStudy], list[Contrast]]
    compared: frozenset[str] = frozenset()
    corpora: Callable[[NamedStudy], list[CorpusChoice]] = lambda study: [study.choice(study.protocol)]


def _plain(study: NamedStudy) -> list[PipelineChoice]:
    return [study.pipeline(study.preset or ALL)]


def _block_pipelines(study: NamedStudy) -> list[PipelineChoice]:
    names = study.block_names()
    return [
        study.pipeline(ALL),
        *(study.pipeline(f"{name} alone", keep=(name,)) for name in names),
        *(study.pipeline(f"without {name}", keep=tuple(other for other in names if other != name)) for name in names),
    ]


def _block_contrasts(study: NamedStudy) -> list[Contrast]:
    names = study.block_names()
    if len(names) < 2:
        raise SettingsError(
            f"got one block, '{names[0]}'; expected two or more, because the study leaves out each in turn"
        )
    return [Contrast(f"{name} added to the others", "", f"without {name}", ALL) for name in names]


def _gender_pipelines(study: NamedStudy) -> list[PipelineChoice]:
    return [study.pipeline(f"gender {kind}", gender=kind) for kind in ("none", "given", "estimated")]


GENDER_CONTRASTS = (
    Contrast("gender given", "none", "gender none", "gender given"),
    Contrast("gender estimated", "none", "gender none", "gender estimated"),
    Contrast("gender given", "estimated", "gender estimated", "gender given"),
)

ALONE, BESIDE, SCORED, REPLACED = (
    "no network",
    "units of Conv1D beside",
    "class scores of Conv1D beside",
    "units of Conv1D in place of its inputs",
)
"""Uses of SER-FusionNet's network: none, two ways to add it to the features, and the paper's way."""
DEEP_CONTRASTS = (
    Contrast("units beside the features", "no network", ALONE, BESIDE),
    Contrast("class scores beside the features", "no network", ALONE, SCORED),
    Contrast("class scores beside the features", "units beside them", BESIDE, SCORED),
    Contrast("units in place of their inputs", "no network", ALONE, REPLACED),
)


def _deep_pipelines(study: NamedStudy) -> list[PipelineChoice]:
    if study.blocks or study.preset not in (None, "fusionnet"):
        raise SettingsError("the study 'deep' always uses SER-FusionNet's features; leave --preset and --blocks out")
    beside = ("acoustic", "statistics", *(() if study.gender == "none" else ("gender",)), "conv1d")
    return [
        study.pipeline(ALONE, preset="fusionnet"),
        study.pipeline(BESIDE, preset=None, blocks=beside),
        study.pipeline(SCORED, preset=None, blocks=beside, cross_fit=SCORES_FOLDS),
        study.pipeline(REPLACED, preset="ser-fusionnet"),
    ]


def _protocol_corpora(study: NamedStudy) -> list[CorpusChoice]:
    # As many random folds as folds by speaker, so that both train on equally many rows.
    folds = {"folds": study.folds()}
    protocols = (
        ProtocolSpec(name=RANDOM, settings=folds),
        ProtocolSpec(name=BY_STATEMENT),
        ProtocolSpec(name=BY_SPEAKER, settings=folds),
    )
    own = study.choice(*protocols)
    across = ProtocolSpec(name=ACROSS, settings={"test": [study.corpus]})
    return [own, study.choice(across, also=study.also)] if study.also else [own]


def _protocol_contrasts(study: NamedStudy) -> list[Contrast]:
    by_speaker = PROTOCOL_LABELS[BY_SPEAKER]
    others = [PROTOCOL_LABELS[name] for name in (RANDOM, BY_STATEMENT, *([ACROSS] if study.also else []))]
    return [Contrast(other, by_speaker, by_speaker, other) for other in others]


def _corpora(study: NamedStudy) -> list[CorpusChoice]:
    if not study.also:
        raise SettingsError(
            "the study 'corpora' adds other corpora to the training rows; name at least one with --also"
        )
    alone = ProtocolSpec(name=BY_SPEAKER, settings={"folds": study.folds()})
    added = ProtocolSpec(name=ADDED, settings={"test": [study.corpus], "folds": study.folds()})
    return [study.choice(alone), study.choice(added, also=study.also)]


def _corpora_contrasts(study: NamedStudy) -> list[Contrast]:
    text = f"{corpora_text(study.also)} added to the training rows"
    return [Contrast(text, "", PROTOCOL_LABELS[BY_SPEAKER], PROTOCOL_LABELS[ADDED])]


NORMALISATION_CONTRASTS = (
    Contrast("features normalised by speaker", "features as they are", "inductive", "speaker-normalised"),
)
PROTOCOL_AND_CORPUS = frozenset({"protocol", "corpus"})

STUDIES: Mapping[str, Kind] = MappingProxyType(
    {
        "blocks": Kind("What each block of features adds", _block_pipelines, _block_contrasts),
        "gender": Kind("Gender as a feature", _gender_pipelines, GENDER_CONTRASTS),
        "deep": Kind("What a network adds to handcrafted features", _deep_pipelines, DEEP_CONTRASTS),
        "normalisation": Kind("Normalisation by speaker", _plain, NORMALISATION_CONTRASTS, frozenset({"setting"})),
        "corpora": Kind("What other corpora add", _plain, _corpora_contrasts, PROTOCOL_AND_CORPUS, _corpora),
        "protocol": Kind(
            "How much the protocol matters", _plain, _protocol_contrasts, PROTOCOL_AND_CORPUS, _protocol_corpora
        ),
    }
)
"""Studies by name."""
