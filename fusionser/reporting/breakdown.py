"""What lies behind an ablation's scores: recall by class, UAR by speaker, and how methods rank over the speakers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from fusionser.evaluation.statistics import FEWEST_METHODS, MOST_METHODS, Ranking, compare_ranks
from fusionser.reporting.figures import draw_heat
from fusionser.results import Result
from fusionser.studies.contrasts import Design, Effect
from fusionser.studies.factorial import Factorial

__all__ = ["Breakdown", "breakdown_figure", "by_class", "by_speaker", "change_by_classifier", "rankings"]


@dataclass(frozen=True)
class Breakdown:
    """A share, 0 to 1, by label of a study and by class or speaker; the mean over the classifiers.

    Parameters
    ----------
    labels : list of str
    columns : list of str
        Names of the classes or the speakers.
    values : ndarray of shape (labels, columns)
        NaN where no result of a label has the column.
    """

    labels: list[str]
    columns: list[str]
    values: npt.NDArray[np.float64]


def by_class(design: Design, results: Sequence[Result]) -> Breakdown:
    """Return the recall of each class."""
    return _breakdown(
        design, results, lambda result: {name: scores.recall for name, scores in result.per_class.items()}
    )


def by_speaker(design: Design, results: Sequence[Result]) -> Breakdown:
    """Return the UAR of each test speaker."""
    return _breakdown(design, results, _speaker_scores)


def change_by_classifier(design: Design, effects: Sequence[Effect], results: Sequence[Result]) -> Breakdown:
    """Return the change of UAR that each contrast is about, the mean over the speakers, classifier by classifier.

    A change over all of them may be that of one.
    """
    scores = {(design.label(result), result.classifier): _speaker_scores(result) for result in results}
    classifiers = list(dict.fromkeys(result.classifier for result in results))
    values = np.full((len(effects), len(classifiers)), np.nan)
    for row, effect in enumerate(effects):
        for column, name in enumerate(classifiers):
            without, having = (scores.get((label, name)) for label in (effect.contrast.without, effect.contrast.having))
            if without and having:
                both = sorted(without.keys() & having.keys())
                values[row, column] = np.mean([having[speaker] - without[speaker] for speaker in both])
    return Breakdown([effect.contrast.text for effect in effects], classifiers, values)


def _speaker_scores(result: Result) -> dict[str, float]:
    return {name: result.speakers[name].uar for name in sorted(result.speakers)}


def _breakdown(design: Design, results: Sequence[Result], parts: Callable[[Result], Mapping[str, float]]) -> Breakdown:
    labelled = [(design.label(result), parts(result)) for result in results]
    labels = list(dict.fromkeys(label for label, _ in labelled))
    columns = list(dict.fromkeys(name for _, scores in labelled for name in scores))
    values = np.full((len(labels), len(columns)), np.nan)
    for row, label in enumerate(labels):
        for column, name in enumerate(columns):
            in_cell = [scores[name] for result_label, scores in labelled if result_label == label and name in scores]
            if in_cell:
                values[row, column] = np.mean(in_cell)
    return Breakdown(labels, columns, values)


def breakdown_figure(shown: Breakdown) -> Figure:
    """Draw a share by label and column, as a heat map in percent."""
    rows, columns = shown.values.shape
    figure = Figure(figsize=(3.0 + 0.46 * columns, 1.2 + 0.27 * rows), layout="constrained")
    names = [name.split("/")[-1] for name in shown.columns]
    ends = float(np.nanmin(shown.values)), float(np.nanmax(shown.values))
    draw_heat(figure.add_subplot(), shown.values, shown.labels, names, ends=ends, digits=0)
    return figure


def rankings(design: Design, results: Sequence[Result]) -> list[tuple[str, Ranking]]:
    """Rank the methods of each kind by the UAR of the test speakers, averaged over everything else.

    A kind of fewer than three methods or more than six is left out, as is one of which an evaluation is missing.

    Returns
    -------
    list of (str, Ranking)
        The kind (classifier, balancing strategy, augmentation, or what the study varies), and its ranks.
    """
    kinds: list[tuple[str, Callable[[Result], str]]] = [("classifier", lambda result: result.classifier)]
    if isinstance(design, Factorial):
        cells = design.labels()
        kinds += [
            ("balancing strategy", lambda result: cells[result.features_name][0]),
            ("augmentation", lambda result: cells[result.features_name][1]),
        ]
    else:
        kinds.append((design.varied, design.label))
    ranked = [(kind, _ranked(results, name)) for kind, name in kinds]
    return [(kind, ranking) for kind, ranking in ranked if ranking is not None]


def _ranked(results: Sequence[Result], name: Callable[[Result], str]) -> Ranking | None:
    groups: dict[str, list[dict[str, float]]] = {}
    for result in results:
        groups.setdefault(name(result), []).append(_speaker_scores(result))
    alike = {len(group) for group in groups.values()}
    speakers = {tuple(scores) for group in groups.values() for scores in group}
    if not FEWEST_METHODS <= len(groups) <= MOST_METHODS or len(alike) > 1 or len(speakers) > 1:
        return None
    if len(next(iter(speakers))) < 2:
        return None
    means = {
        method: np.mean([list(scores.values()) for scores in group], axis=0).tolist()
        for method, group in groups.items()
    }
    return compare_ranks(means)
