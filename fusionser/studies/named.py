"""Studies that have a name: blocks of features, gender, networks, normalisation by speaker, and protocols."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from fusionser.corpora import CORPORA, Card
from fusionser.errors import SettingsError, unknown_name
from fusionser.pipeline import build_features
from fusionser.results import Result
from fusionser.spec import FeaturesSpec, PipelineSpec, ProtocolSpec
from fusionser.studies.contrasts import Contrast, Design
from fusionser.studies.recipe import CorpusChoice, PipelineChoice, Recipe

__all__ = ["STUDIES", "NamedStudy"]

ALL = "all blocks"
SCORES_FOLDS = 3
"""Inner folds of the networks whose class scores are fused, each scored by one that did not learn from it."""

BY_SPEAKER, RANDOM, BY_STATEMENT = "speaker-kfold", "random-kfold", "leave-one-statement-out"
ACROSS, ADDED = "cross-corpus", "speaker-kfold-added-corpora"
PROTOCOL_LABELS = {
    BY_SPEAKER: "folds by speaker",
    RANDOM: "random folds",
    BY_STATEMENT: "statements held out",
    ACROSS: "learned from another corpus",
    ADDED: "folds by speaker, other corpora added",
}


@dataclass(frozen=True, kw_only=True)
class NamedStudy(Design):
    """A study by its name, on one corpus, by several classifiers.

    Parameters
    ----------
    study : str
        A key of `STUDIES`.
    corpus : str
    classifiers : sequence of str
    protocol : ProtocolSpec
        Of all studies but ``protocol`` and ``corpora``, which have their own and take the number of folds from here.
    preset : str, optional
    blocks : sequence of str, default=()
        In place of a preset.
    gender : str, optional
    also : sequence of str, default=()
        Other corpora, of which the studies ``corpora`` and ``protocol`` make use.
    importance : {"blocks", "features"}, optional
        What the first features rely on, see `fold_importance`.
    epochs : int, optional
        Of networks.
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

    varied: ClassVar[str] = "what differs"
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
        if self.study not in STUDIES:
            raise unknown_name("study", self.study, STUDIES)
        if self.also and "corpus" not in self.compared:
            raise SettingsError(f"the study '{self.study}' is of one corpus; leave the others out")
        if self.corpus in self.also:
            raise SettingsError(f"{self.corpus} is named as another corpus than itself")
        self.check_names()

    @property
    def _kind(self) -> "Kind":
        return STUDIES[self.study]

    @property
    def title(self) -> str:
        """The study in a few words."""
        return self._kind.title

    @property
    def compared(self) -> frozenset[str]:
        """What results may differ in, since the study is about it."""
        return self._kind.compared

    def contrasts(self) -> list[Contrast]:
        """Return what is asked, settled before anything is run."""
        return self._kind.contrasts(self)

    def label(self, result: Result) -> str:
        """Return the name of what is compared."""
        if "protocol" in self.compared:
            return PROTOCOL_LABELS[result.protocol.name]
        return result.protocol.setting if "setting" in self.compared else result.features_name

    def recipe(self) -> Recipe:
        """Return the evaluations."""
        return Recipe(
            title=self.title,
            question="; ".join(contrast.text for contrast in self.contrasts()),
            pipelines=self.with_importance(self._kind.pipelines(self)),
            settings=("inductive", "speaker-normalised") if "setting" in self.compared else ("inductive",),
            epochs=self.epochs,
            seed=self.seed,
            corpora=tuple(self._kind.corpora(self)),
        )

    def shared_classes(self) -> tuple[str, ...]:
        """Return the classes that all corpora have, none where there is one corpus."""
        if not self.also:
            return ()
        labels = [set(card_of(name).labels.values()) for name in (self.corpus, *self.also)]
        return tuple(sorted(set.intersection(*labels)))

    def together(self, protocol: ProtocolSpec) -> CorpusChoice:
        """Return all corpora as one table."""
        return CorpusChoice(
            corpus=self.corpus, also=tuple(self.also), classes=self.shared_classes(), protocols=(protocol,)
        )

    def folds(self) -> int:
        """Return the number of folds by speaker: the one that is given, else the corpus's own."""
        given = self.protocol.settings.get("folds", card_of(self.corpus).protocol.folds)
        return int(given)

    def pipeline(self, name: str, *, cross_fit: int = 0, **changed: Any) -> PipelineChoice:
        """Return the features of the study under a name, but for what is changed."""
        features = {**dict(self._features()), **changed}
        spec = PipelineSpec(features=features, networks={"cross_fit": cross_fit})
        return PipelineChoice(name=name, classifiers=tuple(self.classifiers), spec=spec)

    def _features(self) -> FeaturesSpec:
        return FeaturesSpec(preset=self.preset, blocks=tuple(self.blocks), gender=self.gender)

    def block_names(self) -> list[str]:
        """Return the names of the blocks of features."""
        return [name for name, _ in build_features(PipelineSpec(features=self._features())).blocks]


def card_of(corpus: str) -> Card:
    """Return the card of a corpus by its name."""
    card: Card = CORPORA.named(corpus).card
    return card


@dataclass(frozen=True)
class Kind:
    """What a named study evaluates and asks."""

    title: str
    pipelines: Callable[[NamedStudy], list[PipelineChoice]]
    contrasts: Callable[[NamedStudy], list[Contrast]]
    compared: frozenset[str] = frozenset()
    corpora: Callable[[NamedStudy], list[CorpusChoice]] = lambda study: [
        CorpusChoice(corpus=study.corpus, protocols=(study.protocol,))
    ]


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
        raise SettingsError(f"the features are one block, {names[0]}; expected two or more, to leave each out")
    return [Contrast(f"{name} beside the others", f"without {name}", ALL) for name in names]


def _gender_pipelines(study: NamedStudy) -> list[PipelineChoice]:
    return [study.pipeline(f"gender {kind}", gender=kind) for kind in ("none", "given", "estimated")]


def _gender_contrasts(study: NamedStudy) -> list[Contrast]:
    return [
        Contrast("gender given against none", "gender none", "gender given"),
        Contrast("gender estimated against none", "gender none", "gender estimated"),
        Contrast("gender given against estimated", "gender estimated", "gender given"),
    ]


ALONE, BESIDE, SCORED, REPLACED = (
    "no network",
    "units of Conv1D beside",
    "class scores of Conv1D beside",
    "units of Conv1D in place of its inputs",
)
"""What is done with SER-FusionNet's network: nothing, two ways to add it, and the paper's own."""


def _deep_pipelines(study: NamedStudy) -> list[PipelineChoice]:
    if study.blocks or study.preset not in (None, "fusionnet"):
        raise SettingsError(
            "the study 'deep' has features of its own, SER-FusionNet's; leave --preset and --blocks out"
        )
    beside = ("acoustic", "statistics", *(() if study.gender == "none" else ("gender",)), "conv1d")
    return [
        study.pipeline(ALONE, preset="fusionnet"),
        study.pipeline(BESIDE, preset=None, blocks=beside),
        study.pipeline(SCORED, preset=None, blocks=beside, cross_fit=SCORES_FOLDS),
        study.pipeline(REPLACED, preset="ser-fusionnet"),
    ]


def _deep_contrasts(study: NamedStudy) -> list[Contrast]:
    return [
        Contrast("units beside the features against no network", ALONE, BESIDE),
        Contrast("class scores beside the features against no network", ALONE, SCORED),
        Contrast("class scores against units, both beside", BESIDE, SCORED),
        Contrast("units in place of their inputs against no network", ALONE, REPLACED),
    ]


def _normalisation_contrasts(study: NamedStudy) -> list[Contrast]:
    return [Contrast("features normalised by speaker against none", "inductive", "speaker-normalised")]


def _protocol_corpora(study: NamedStudy) -> list[CorpusChoice]:
    """Return random folds as many as by speaker, so that as much is learned from; and another corpus, where named."""
    protocols = (
        ProtocolSpec(name=RANDOM, settings={"folds": study.folds()}),
        ProtocolSpec(name=BY_STATEMENT),
        ProtocolSpec(name=BY_SPEAKER, settings={"folds": study.folds()}),
    )
    across = ProtocolSpec(name=ACROSS, settings={"test": [study.corpus]})
    return [
        CorpusChoice(corpus=study.corpus, classes=study.shared_classes(), protocols=protocols),
        *([study.together(across)] if study.also else []),
    ]


def _protocol_contrasts(study: NamedStudy) -> list[Contrast]:
    by_speaker = PROTOCOL_LABELS[BY_SPEAKER]
    across = Contrast("learned from another corpus against folds by speaker", by_speaker, PROTOCOL_LABELS[ACROSS])
    return [
        Contrast("random folds against folds by speaker", by_speaker, PROTOCOL_LABELS[RANDOM]),
        Contrast("statements held out against folds by speaker", by_speaker, PROTOCOL_LABELS[BY_STATEMENT]),
        *([across] if study.also else []),
    ]


def _corpora(study: NamedStudy) -> list[CorpusChoice]:
    if not study.also:
        raise SettingsError("the study 'corpora' adds other corpora to the training rows; name one at least")
    alone = ProtocolSpec(name=BY_SPEAKER, settings={"folds": study.folds()})
    added = ProtocolSpec(name=ADDED, settings={"test": [study.corpus], "folds": study.folds()})
    return [
        CorpusChoice(corpus=study.corpus, classes=study.shared_classes(), protocols=(alone,)),
        study.together(added),
    ]


def _corpora_contrasts(study: NamedStudy) -> list[Contrast]:
    text = f"{' and '.join(study.also)} added to the training rows"
    return [Contrast(text, PROTOCOL_LABELS[BY_SPEAKER], PROTOCOL_LABELS[ADDED])]


STUDIES: Mapping[str, Kind] = MappingProxyType(
    {
        "blocks": Kind("What each block of features adds", _block_pipelines, _block_contrasts),
        "gender": Kind("Gender as a feature", _gender_pipelines, _gender_contrasts),
        "deep": Kind("What a network adds to features by hand", _deep_pipelines, _deep_contrasts),
        "normalisation": Kind("Normalisation by speaker", _plain, _normalisation_contrasts, frozenset({"setting"})),
        "corpora": Kind(
            "What other corpora add", _plain, _corpora_contrasts, frozenset({"protocol", "corpus"}), _corpora
        ),
        "protocol": Kind(
            "What a protocol is worth",
            _plain,
            _protocol_contrasts,
            frozenset({"protocol", "corpus"}),
            _protocol_corpora,
        ),
    }
)
"""Name to what is evaluated and asked."""
