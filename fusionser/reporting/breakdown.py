"""Details behind the scores of an ablation: its table, recall by class, UAR by speaker, and ranks over speakers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fusionser.evaluation.statistics import FEWEST_METHODS, MOST_METHODS, GroupGap, Ranking, compare_ranks, group_gap
from fusionser.reporting.drawing import Figure
from fusionser.reporting.figures import draw_heat, speaker_names
from fusionser.results import Result
from fusionser.studies.contrasts import Design, Effect
from fusionser.studies.factorial import Factorial, cell_label

__all__ = [
    "Breakdown",
    "breakdown_figure",
    "by_class",
    "by_speaker",
    "change_by_classifier",
    "gender_gap",
    "panels",
    "rankings",
]


@dataclass(frozen=True)
class Breakdown:
    """A table of shares, 0 to 1.

    Parameters
    ----------
    labels : list of str
        Names of the rows.
    columns : list of str
        Names of the columns, such as classes or speakers.
    values : ndarray of shape (labels, columns)
        NaN where there is no result.
    title : str, default=""
    corpora : tuple of str, default=()
        If the columns are speakers: their corpora.
    """

    labels: list[str]
    columns: list[str]
    values: npt.NDArray[np.float64]
    title: str = ""
    corpora: tuple[str, ...] = ()


def _table(
    labels: Iterable[str], columns: Iterable[str], value: Callable[[str, str], float], title: str = ""
) -> Breakdown:
    labels, columns = list(dict.fromkeys(labels)), list(dict.fromkeys(columns))
    values = np.array([[value(label, column) for column in columns] for label in labels], dtype=np.float64)
    return Breakdown(labels, columns, values.reshape(len(labels), len(columns)), title)


def panels(design: Design, results: Sequence[Result]) -> list[Breakdown]:
    """Return the UAR of all results: strategies by augmentations for each classifier, or labels by classifier."""
    scores = {(design.label(result), result.classifier): result.pooled.uar for result in results}
    classifiers = dict.fromkeys(result.classifier for result in results)
    if not isinstance(design, Factorial):
        labels = [label for label, _ in scores]
        return [_table(labels, classifiers, lambda label, name: scores.get((label, name), np.nan))]

    def panel(classifier: str) -> Breakdown:
        def score(strategy: str, kind: str) -> float:
            return scores.get((cell_label(strategy, kind), classifier), np.nan)

        return _table(design.imbalance, design.augmentation, score, title=classifier)

    return [panel(name) for name in classifiers]


def by_class(design: Design, results: Sequence[Result]) -> Breakdown:
    """Return the recall of each class, averaged over the classifiers."""
    return _averaged(design, results, lambda result: {name: part.recall for name, part in result.per_class.items()})


def by_speaker(design: Design, results: Sequence[Result]) -> Breakdown:
    """Return the UAR of each test speaker, averaged over the classifiers."""
    corpora = {name: None for result in results for name in result.corpora}
    return replace(_averaged(design, results, _speaker_scores), corpora=tuple(corpora))


def _speaker_scores(result: Result) -> dict[str, float]:
    return {name: result.speakers[name].uar for name in sorted(result.speakers)}


def _averaged(design: Design, results: Sequence[Result], parts: Callable[[Result], Mapping[str, float]]) -> Breakdown:
    cells: dict[tuple[str, str], list[float]] = {}
    for result in results:
        for name, score in parts(result).items():
            cells.setdefault((design.label(result), name), []).append(score)
    labels, columns = map(design.label, results), (name for result in results for name in parts(result))
    return _table(labels, columns, lambda *cell: float(np.mean(cells[cell])) if cell in cells else np.nan)


def change_by_classifier(design: Design, effects: Sequence[Effect], results: Sequence[Result]) -> Breakdown:
    """Return the change of UAR of each contrast by classifier, averaged over the speakers.

    It shows whether a mean change comes from one classifier alone.
    """
    scores = {(design.label(result), result.classifier): _speaker_scores(result) for result in results}
    contrasts = {effect.contrast.text: effect.contrast for effect in effects}

    def change(text: str, classifier: str) -> float:
        contrast = contrasts[text]
        without, having = (scores.get((label, classifier)) for label in (contrast.without, contrast.having))
        if not without or not having:
            return np.nan
        common = sorted(without.keys() & having.keys())
        return float(np.mean([having[speaker] - without[speaker] for speaker in common]))

    return _table(contrasts, (result.classifier for result in results), change)


def breakdown_figure(shown: Breakdown) -> Figure:
    """Draw a breakdown as a heat map, in percent."""
    rows, columns = shown.values.shape
    figure = Figure(figsize=(3.0 + 0.46 * columns, 1.2 + 0.27 * rows), layout="constrained")
    names = speaker_names(shown.columns, shown.corpora)
    ends = float(np.nanmin(shown.values)), float(np.nanmax(shown.values))
    draw_heat(figure.add_subplot(), shown.values, shown.labels, names, ends=ends, digits=0)
    return figure


def rankings(design: Design, results: Sequence[Result]) -> list[tuple[str, Ranking]]:
    """Rank methods by the UAR of the test speakers, averaged over everything else.

    Returns
    -------
    list of (str, Ranking)
        Kind of method (classifier, balancing strategy, augmentation, or what the study varies) and its ranks. Kinds
        with fewer than three methods, more than six, or a missing evaluation are left out.
    """
    kinds: dict[str, Callable[[Result], str]] = {"classifier": lambda result: result.classifier}
    if isinstance(design, Factorial):
        cells = design.labels()
        kinds["balancing strategy"] = lambda result: cells[result.features_name][0]
        kinds["augmentation"] = lambda result: cells[result.features_name][1]
    else:
        kinds[design.varied] = design.label
    ranked = {kind: _ranked(results, method) for kind, method in kinds.items()}
    return [(kind, ranking) for kind, ranking in ranked.items() if ranking is not None]


def _ranked(results: Sequence[Result], method: Callable[[Result], str]) -> Ranking | None:
    groups: dict[str, list[dict[str, float]]] = {}
    for result in results:
        groups.setdefault(method(result), []).append(_speaker_scores(result))
    if not FEWEST_METHODS <= len(groups) <= MOST_METHODS or len({len(group) for group in groups.values()}) > 1:
        return None
    speakers = {tuple(scores) for group in groups.values() for scores in group}
    if len(speakers) > 1 or len(min(speakers)) < 2:
        return None
    means = {
        name: np.mean([list(scores.values()) for scores in group], axis=0).tolist() for name, group in groups.items()
    }
    return compare_ranks(means)


def gender_gap(result: Result) -> GroupGap | None:
    """Return the difference in recognition between the genders; None if it is not known."""
    confusions = {name: np.asarray(matrix) for name, matrix in result.speaker_confusions.items()}
    return group_gap(confusions, result.genders)
