"""Sentences made from facts: stamps, notes, and the settings of a study."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fusionser.corpora.labels import renamed_labels
from fusionser.dimension_results import AnyResult
from fusionser.errors import FusionserError
from fusionser.facts import Stamp
from fusionser.names import TRIALS
from fusionser.registry import NETWORKS, OWN_OBJECTS
from fusionser.results import BY_INNER_FOLDS, ProtocolStamp, Result
from fusionser.studies.contrasts import Design
from fusionser.studies.factorial import Factorial
from fusionser.tested import corpora_text, counted, speakers_text, where_tested

__all__ = [
    "calibration",
    "classes_text",
    "corpora_text",
    "counted",
    "design_notes",
    "few_names",
    "fitted_text",
    "group_stamps",
    "note_lines",
    "one_sided",
    "protocol_text",
    "result_stamps",
    "same_labels_text",
    "selection_of",
    "selection_text",
    "sides_text",
    "speakers_text",
    "stamp_text",
    "stamp_texts",
    "where_asked",
    "where_tested",
]


MOST_ANSWERS = 0.6
"""Share of the answers that one emotion may have before a page says so."""


def _heard(recordings: str) -> str:
    """Return what a pretrained network was trained on, with corpora by the names that people call them by."""
    names = recordings.split(", ")
    return corpora_text(names) if set(names) <= set(OWN_OBJECTS["corpora"]) else recordings


def percent(share: float) -> str:
    """Return a share, 0 to 1, in percent."""
    return f"{100 * share:.1f}"


def calibration(result: Result) -> str:
    """Return the expected calibration error in percent; a dash if there is none."""
    return "-" if result.calibration_error is None else percent(result.calibration_error)


def change(difference: float) -> str:
    """Return a difference of shares in points, with its sign if it does not round to zero.

    Examples
    --------
    >>> change(0.012), change(-0.0004)
    ('+1.2', '0.0')
    """
    points = round(100 * difference, 1)
    return f"{points:+.1f}" if points else "0.0"


def _balanced_over(groups: Sequence[str]) -> str:
    """Return what drawn recordings are balanced over; without emotions and speakers, they are not balanced."""
    return f", balanced over {' and '.join(groups)}" if groups else ""


def shares(interval: tuple[float, float] | None) -> str:
    """Return an interval of shares in percent; a dash if there is none."""
    return "-" if interval is None else " to ".join(map(percent, interval))


def ends(interval: tuple[float, float] | None) -> str:
    """Return an interval of a difference in points; a dash if there is none."""
    return "-" if interval is None else " to ".join(map(change, interval))


def _gender_estimated(accuracies: Sequence[float], clips: int) -> str:
    ends = dict.fromkeys(percent(accuracy) for accuracy in (min(accuracies), max(accuracies)))
    return f"gender of the test speakers estimated from the voice: accuracy {' to '.join(ends)} % of {clips} test clips"


def _adapted(adaptation: str, fewest: int, most: int) -> str:
    clips = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f"adapted to the test clips of each fold and corpus ({clips}), without their labels: {adaptation}"


def _renamings(labels: Mapping[str, Any]) -> str:
    """Return a label map as text, the emotions of single corpora last."""
    everywhere = [f"{old} to {new}" for old, new in labels.items() if isinstance(new, str)]
    alone = [
        f"{old} to {new} ({corpus})"
        for corpus, own in labels.items()
        if not isinstance(own, str)
        for old, new in own.items()
    ]
    return ", ".join([*everywhere, *alone])


def _lossy(corpus: str, recordings: int, formats: Mapping[str, int]) -> str:
    count = sum(formats.values())
    which = "all" if count == recordings else f"{count} of {recordings}"
    return f"{which} recordings of {corpora_text((corpus,))} are lossy copies ({', '.join(formats)})"


def _raters(columns: Sequence[str], agreement: float | None, unsettled: int, labels: Mapping[str, Any]) -> str:
    agreed = "" if agreement is None else f" (their agreement, Krippendorff's alpha: {agreement:.2f})"
    apart = f"; {counted(unsettled, 'row')} without such a label set aside" if unsettled else ""
    renamed = f"; renamed before the vote: {_renamings(labels)}" if labels else ""
    return f"emotions are those with most votes of {counted(len(columns), 'rater')}{agreed}{apart}{renamed}"


def _span(least: int, most: int) -> str:
    return counted(most, "vote") if least == most else f"{least} to {most} votes"


def few_names(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def same_labels_text(labels: Mapping[str, Sequence[str]]) -> str:
    """Return which labels are the same one, by the spelling that is used.

    Examples
    --------
    >>> same_labels_text({"sad": ["Sad", "SAD"]}).partition(": ")[0]
    'labels that differ only in case, blanks or Unicode form count as the same'
    """
    return f"labels that differ only in case, blanks or Unicode form count as the same: {_spellings(labels)}"


def _spellings(labels: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name} ({', '.join(repr(other) for other in others)})" for name, others in labels.items())


def classes_text(result: Result) -> str:
    """Return the number of classes of a result, and which emotions were renamed."""
    labels = renamed_labels(result.notes)
    return f"{len(result.classes)} classes" + (f" ({_renamings(labels)})" if labels else "")


MOST_NAMES = 8
"""Names that a sentence lists."""

STAMPS: Mapping[str, Callable[[Any], str]] = {
    **{
        f"shared-{what}": partial("{} shared by training and test: up to {} per fold".format, what)
        for what in ("speakers", "sources", "audio", "statements")
    },
    "speakers-unknown": lambda rows: "speakers unknown, so they may be on both sides",
    "speaker-normalised": lambda value: "each speaker standardised by their own unlabelled clips",
    "adapted": lambda value: _adapted(value["adaptation"], *value["clips"]),
    "gender-given": lambda value: "gender of the test speakers as labelled",
    "gender-estimated": lambda value: _gender_estimated([value["accuracy"]], value["clips"]),
    "one-split": lambda value: "one split",
    "validation-rows": lambda value: (
        f"{counted(value['rows'], 'validation row')} per fold, "
        + ("by which networks stop early" if value["used"] else "not used, because no network stops early by them")
    ),
    "parameters-searched": lambda value: (
        f"PARAMETERS CHOSEN BY {value['trials']} TRIALS ON {counted(value['tested'], 'test speaker').upper()}, so the "
        "score is too high"
        if value["tested"]
        else f"parameters chosen by {value['trials']} trials on other speakers"
    ),
    "part-of-folds": lambda value: f"{value['used']} of {value['folds']} folds",
    "inner-folds-by-clip": lambda folds: (
        "inner folds by clip and not by speaker, because too few training speakers have every class (test fold "
        f"{', '.join(folds)})"
    ),
    "classes-left-out": lambda value: (
        "classes of one corpus alone left out: "
        + "; ".join(f"{', '.join(names)} ({corpus})" for corpus, names in value.items())
    ),
    "labels-folded": lambda labels: f"{same_labels_text(labels)}; --labels exact keeps them apart",
    "labels-exact": lambda labels: (
        f"labels that differ only in case, blanks or Unicode form are kept apart: {_spellings(labels)}"
    ),
    "labels-joined": lambda labels: (
        f"{'one class is' if len(labels) == 1 else f'{len(labels)} classes are'} several emotions in one label: "
        f"{', '.join(labels)}; leave them out with --drop-classes, or rename them with --rename"
    ),
    "labels-renamed": lambda labels: f"emotions renamed: {_renamings(labels)}",
    "labels-missing": lambda count: (
        f"{counted(count, 'row')} {'has' if count == 1 else 'have'} no emotion; 'fit' and 'evaluate' need one "
        "in each row, or --classes with the classes to keep"
    ),
    "left-out-speakers": lambda value: f"{counted(len(value), 'speaker')} left out: {', '.join(value)}",
    "partial-corpus": lambda value: f"partial: {value['found']} of {value['expected']} recordings of {value['corpus']}",
    "lossy-copies": lambda value: _lossy(**value),
    "doubled": lambda count: (
        f"{count} further {'copy' if count == 1 else 'copies'} of recordings {'was' if count == 1 else 'were'} left out"
    ),
    "unused-columns": lambda names: f"columns of the table that are not used: {few_names(names)}",
    "cut-off": lambda count: (
        f"{counted(count, 'recording')} {'was' if count == 1 else 'were'} cut off; what is there is used"
    ),
    "windows": lambda value: (
        f"recordings cut into windows of {value['length']:g} s, one every {value['hop']:g} s; a row is a window"
    ),
    "ignored": lambda count: (
        f"{counted(count, 'audio file')} {'is' if count == 1 else 'are'} not part of this corpus and "
        f"{'was' if count == 1 else 'were'} left out; 'fusionser corpora check' names {'it' if count == 1 else 'them'}"
    ),
    "unusable-augmentations": lambda count: (
        f"{count} augmented {'copy' if count == 1 else 'copies'} cannot be used and {'is' if count == 1 else 'are'} "
        "left out"
    ),
    "initial-weights": lambda value: f"{value['network']} starts from {value['weights'] or 'random weights'}",
    "raters": lambda value: _raters(**value),
    "soft-labels": lambda ends: (
        f"trained on the shares of the votes of raters ({_span(*ends)} per recording); scores and calibration "
        "error go by most votes"
    ),
    "majority-labels": lambda name: f"{name} learns the emotions with most votes; only the networks learn the shares",
    "votes-cross-entropy": lambda value: (
        f"cross-entropy of the probabilities with the shares of the votes: {value['nats']:.3f} nats (at best "
        f"{value['least']:.3f})"
    ),
    "licence": lambda value: f"{value['what']}: {value['licence']}",
    "pretrained": lambda value: (
        f"pretrained: {value['what']} on {_heard(value['on'])} (licence: {value['licence']}); fusionser "
        "did not check whether it has heard these clips"
    ),
    "columns-given": lambda count: (
        f"{counted(count, 'column')} of the table {'was' if count == 1 else 'were'} used as given; whether the test "
        "rows took part in making them is not known"
    ),
    "quick": lambda value: (
        f"quick: {counted(value['epochs'], 'epoch')}, {value['used']} of {value['recordings']} recordings"
    ),
    "epochs": lambda count: f"{counted(count, 'epoch')} instead of the recipe's number",
    "precision": lambda precision: f"trained in {precision}",
    "layout": lambda pattern: f"the folders were read as {pattern}; --layout changes this",
    "no-speaker-folders": lambda value: (
        "the speakers are unknown: splits by speaker need folders of speakers, a table with a column 'speaker', or, "
        "for names such as happy/anna_01.wav, --layout '{emotion}/{speaker}_*'"
    ),
    "genders-unknown": lambda value: (
        f"no {value['table']} in {value['folder']} or beside it, so the gender of the speakers is unknown; get it from "
        f"{value['address']}"
    ),
    "speakers-not-in-table": lambda value: f"{value['table']} does not name the actors {', '.join(value['speakers'])}",
    "labels-left-out": lambda value: (
        f"{counted(sum(value['labels'].values()), 'recording')} of {value['corpus']} with other labels left out: "
        f"{', '.join(f'{count} {label}' for label, count in value['labels'].items())}"
    ),
    "part-missing": lambda value: f"no recordings of {value['corpus']}; get them from {value['address']}",
    "count-differs": lambda value: f"{value['found']} of {value['expected']} {value['what']}",
    "missing-recording": lambda name: f"missing: {name}",
    "left-out": lambda count: f"left out: {counted(count, 'evaluation')} with other settings or versions",
    "unusable": lambda count: (
        f"{counted(count, 'recording')} that cannot be used {'was' if count == 1 else 'were'} left out"
    ),
    "clips-drawn": lambda value: (
        f"{value['used']} of {value['found']} recordings, drawn at random with seed {value['seed']}"
        + _balanced_over(value.get("balanced_over", ("emotions", "speakers")))
    ),
    "trained-on-corpora": lambda corpora: (
        f"the model was trained on {', '.join(corpora)}, so it may know these recordings or their speakers: the scores "
        "say little about new recordings"
    ),
    "one-answer": lambda value: (
        f"the answer to {percent(value['share'])} % of the clean clips is {value['answer']}: few changes do not show "
        "that the model is robust"
    ),
    "other-emotions": lambda value: (
        f"{counted(value['clips'], 'recording')} with an emotion that is not a class of the model "
        f"({', '.join(value['emotions'])}): without UAR and calibration error"
    ),
    "codec-missing": lambda condition: f"left out: {condition}, because this libsndfile lacks its codec",
    "names-only": lambda count: (
        f"only the names of {counted(count, 'recording')} were compared, because the recordings are not there; --audio "
        "gives their folder"
    ),
    "rows-without-side": lambda count: f"{counted(count, 'row')} left out, because the column 'split' is empty there",
    "names-unread": lambda value: (
        f"{counted(value['count'], 'name')} without the form of {value['corpus']} (first: {value['first']}), which say "
        "nothing of speaker, emotion and statement"
    ),
    "not-scored": lambda reason: f"without scores: {reason}",
    "text": str,
}
"""Functions that turn the value of a stamp into a sentence, by kind of stamp."""


def stamp_text(stamp: Stamp) -> str:
    """Return a stamp or a note as a sentence.

    Examples
    --------
    >>> stamp_text(Stamp(kind="shared-speakers", value=24))
    'speakers shared by training and test: up to 24 per fold'
    >>> stamp_text(Stamp(kind="of-a-later-version"))
    "'of-a-later-version', which this version of fusionser does not know"
    """
    if stamp.kind not in STAMPS:
        return f"'{stamp.kind}', which this version of fusionser does not know"
    try:
        return STAMPS[stamp.kind](stamp.value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FusionserError(
            f"a note of the kind '{stamp.kind}' has the value {str(stamp.value)[:80]!r}, which that kind cannot have; "
            "the file was edited or damaged, so restore it or run its command again"
        ) from error


def stamp_texts(stamps: Sequence[Stamp]) -> list[str]:
    """Return stamps as sentences, without duplicates."""
    return list(dict.fromkeys(map(stamp_text, stamps)))


def note_lines(result: AnyResult) -> list[str]:
    """Return the notes of a result as sentences."""
    return stamp_texts(result.notes)


def one_sided(results: Sequence[Result]) -> list[str]:
    """Return a sentence for each result of whose answers more than `MOST_ANSWERS` are the same emotion.

    Such a pipeline tells little apart, whatever its accuracy.
    """
    lines = []
    for result in results:
        answers = np.sum(result.confusion, axis=0)
        share = answers.max() / answers.sum()
        if share > MOST_ANSWERS:
            folds = [corpora_text([fold.name]) if fold.name in result.corpora else fold.name for fold in result.folds]
            tested = f"tested on {', '.join(folds)}" if len(folds) <= 2 else result.protocol.name
            lines.append(
                f"{result.classifier} with '{result.features_name}' on {corpora_text(result.corpora)} "
                f"({result.protocol.known}, {tested}): "
                f"{percent(float(share))} % of the answers are '{result.classes[answers.argmax()]}'"
            )
    return lines


def sides_text(protocol: ProtocolStamp) -> str:
    """Return whether speakers are in training and test."""
    if protocol.speaker_independent:
        return "no speaker is on both sides"
    known = "SPEAKERS ARE ON BOTH SIDES" if protocol.speakers_known else "SPEAKERS UNKNOWN, MAYBE ON BOTH SIDES"
    return f"{known}: not an estimate for new speakers"


def protocol_name(result: AnyResult) -> str:
    """Return the name of the protocol, and of the published split if it has one."""
    split = result.protocol.settings.get("split_name")
    return f"{result.protocol.name} '{split}'" if isinstance(split, str) else result.protocol.name


def protocol_text(result: AnyResult) -> str:
    """Return the name of the protocol, with what makes it another one, and the number of folds."""
    stratified = ", stratified" if result.protocol.settings.get("stratified") else ""
    return f"{protocol_name(result)}{stratified}, {counted(len(result.folds), 'fold')}"


def selection_text(selection: str, trials: int | None = None) -> str:
    """Return how the parameters were chosen; `trials` is the number of trials of a search, None that of a grid."""
    if selection != BY_INNER_FOLDS:
        return "fixed parameters"
    searched = "chosen by" if trials is None else f"of the best of {counted(trials, 'trial')} on"
    # They are by speaker wherever that is possible.
    return f"parameters {searched} inner folds of the training rows"


def selection_of(result: AnyResult) -> str:
    """Return how the parameters of a result were chosen."""
    return selection_text(result.protocol.selection, result.classifier_settings.get(TRIALS))


def result_stamps(results: Sequence[AnyResult]) -> list[str]:
    """Return the stamps and notes of all results as sentences, with the protocols of those that not all results share.

    The accuracies of an estimated gender are merged into one range.
    """
    return _merged(results, lambda result: (*result.protocol.stamps, *result.notes)) or ["none"]


def stamps_and_notes(results: Sequence[AnyResult]) -> tuple[list[str], list[str]]:
    """Return the stamps of all results, and their notes, as `result_stamps` does."""
    return (
        _merged(results, lambda result: result.protocol.stamps),
        _merged(results, lambda result: result.notes),
    )


def fitted_text(results: Sequence[AnyResult]) -> str:
    """Return what the pipelines of results are fitted to, in one sentence."""
    settings = {result.protocol.setting for result in results}
    told = "Everything that learns is fitted to the training rows only"
    if "speaker-normalised" in settings:
        told += "; in speaker-normalised rows, each test speaker is standardised by their own unlabelled clips"
    if "adapted" in settings:
        told += "; in adapted rows, the pipeline also sees the test clips, without their labels"
    return f"{told}."


def _telling(results: Sequence[AnyResult]) -> Callable[[AnyResult], str]:
    """Return what tells results apart: their protocol, or their setting or features where all have the same one."""
    ways: list[Callable[[AnyResult], str]] = [
        lambda result: result.protocol.name,
        lambda result: result.protocol.setting,
        lambda result: f"'{result.features_name}'",
    ]
    return next((way for way in ways if len(set(map(way, results))) > 1), ways[0])


def _merged(
    results: Sequence[AnyResult],
    pick: Callable[[AnyResult], Sequence[Stamp]],
    name: Callable[[AnyResult], str] | None = None,
) -> list[str]:
    name = name or _telling(results)
    groups: dict[tuple[str, Any], list[tuple[Stamp, str]]] = {}
    for result in results:
        for stamp in pick(result):
            same = stamp.value["clips"] if stamp.kind == "gender-estimated" else stamp_text(stamp)
            groups.setdefault((stamp.kind, same), []).append((stamp, name(result)))
    lines = []
    for (kind, same), stamps in groups.items():
        estimated = kind == "gender-estimated"
        text = _gender_estimated([stamp.value["accuracy"] for stamp, _ in stamps], same) if estimated else same
        names = few_names(list(dict.fromkeys(named for _, named in stamps)))
        lines.append(text if len(stamps) == len(results) else f"{text} ({names})")
    return lines


IN_THE_TABLE = ("gender-given", "speaker-normalised")
"""Stamps of single results that a table of results shows by itself."""


OF_FEATURES = ("gender-estimated", "pretrained", "initial-weights")
"""Stamps and notes that are about the features of a result."""


def group_stamps(results: Sequence[Result]) -> list[str]:
    """Return the stamps and notes of results under one protocol as sentences, but for those that their table shows.

    What is about features, such as an estimated gender or a pretrained network, is told with their names, unless it is
    true of all.
    """
    stamps = [stamp for result in results for stamp in _stamps_and_notes(result)]
    others = [stamp for stamp in stamps if stamp.kind not in (*IN_THE_TABLE, *OF_FEATURES)]
    return stamp_texts(others) + _merged(results, _stamps_of_features, lambda result: f"'{result.features_name}'")


def _stamps_of_features(result: AnyResult) -> list[Stamp]:
    return [stamp for stamp in _stamps_and_notes(result) if stamp.kind in OF_FEATURES]


def _stamps_and_notes(result: AnyResult) -> list[Stamp]:
    """Return each stamp and note once."""
    return list({stamp_text(stamp): stamp for stamp in (*result.protocol.stamps, *result.notes)}.values())


def design_notes(design: Design) -> list[str]:
    """Return the settings of a study that a reader must know, each as part of a sentence."""
    if not isinstance(design, Factorial):
        return []
    scarce = ", of scarce classes only" if design.only_scarce else ""
    deep = design.preset == "ser-fusionnet" or set(design.blocks) & set(NETWORKS)
    return [
        *([] if design.imposed is None else [f"an imbalance of 1 to {design.imposed:g} imposed on the training rows"]),
        f"augmented copies per training clip, if any: {design.copies}{scarce}",
        *([] if deep else ["networks are too costly for every cell and have a study of their own, deep"]),
    ]


def where_asked(design: Design) -> str:
    """Return a sentence on the results that each contrast is estimated from; empty if from all."""
    if not isinstance(design, Factorial):
        return ""
    return (
        "Balancing strategies are compared without augmentation, and augmentation is compared without a balancing "
        "strategy. "
    )
