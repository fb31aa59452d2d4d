"""Read inputs into a table of rows with features. Unusable recordings are quarantined."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from fusionser.augmentation import augmented_rows
from fusionser.cache import Cache
from fusionser.corpora import Listing
from fusionser.corpora.labels import LabelMap
from fusionser.facts import Stamp
from fusionser.features import FeatureExtractor
from fusionser.features.extraction import Progress
from fusionser.names import DIMENSIONS, UNNAMED
from fusionser.pipeline.extracting import Extracting
from fusionser.pipeline.features import Place, build_features, resolve
from fusionser.pipeline.listing import NO_LABELS, listed_rows
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.pipeline.soft_labels import check_raters
from fusionser.pipeline.targets import with_targets
from fusionser.spec import PipelineSpec
from fusionser.splits import Protocol

__all__ = ["Place", "Prepared", "analyse_augmented", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Rows with features, ready to be split.

    Parameters
    ----------
    table : DataFrame
        The usable rows with their features.
    spec : PipelineSpec
        The specification, completed by `resolve`.
    extractor : FeatureExtractor
        The features of the specification.
    quarantine : list of dict
        ``file`` and ``reason`` of each unusable recording.
    notes : list of Stamp
        Facts about the input, and problems during extraction.
    computed : int
        Number of clips that were analysed. The others came from the cache.
    seconds : float
        Duration of the preparation.
    unusable : tuple of (str, str)
        Source and augmentation of augmented rows that cannot be used.
    """

    table: pd.DataFrame
    spec: PipelineSpec
    extractor: FeatureExtractor
    quarantine: list[dict[str, str]]
    notes: list[Stamp] = field(default_factory=list)
    computed: int = 0
    seconds: float = 0.0
    unusable: tuple[tuple[str, str], ...] = ()

    @property
    def corpora(self) -> tuple[str, ...]:
        """The names of the corpora in the table."""
        return tuple(dict.fromkeys(name or UNNAMED for name in self.table["corpus"]))


def prepare(
    places: Sequence[Place],
    spec: PipelineSpec,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    labels: LabelMap = NO_LABELS,
    exact_labels: bool = False,
    raters: Sequence[str] = (),
    resources: Resources = LOCAL,
    progress: Progress | None = None,
    strict: bool = False,
    extractor: FeatureExtractor | None = None,
    check_rows: Callable[[pd.DataFrame], object] | None = None,
) -> Prepared:
    """List the rows of the places and extract their features. Unusable recordings are quarantined.

    Parameters
    ----------
    places : sequence of Place
        Folders, rows tables, or features files.
    spec : PipelineSpec
        Its features are extracted. Rows of a features file with the same settings are used as they are.
    classes : sequence of str
        Emotions to keep. If empty, all are kept.
    dropped : sequence of str
        Emotions to leave out of training and test rows.
    labels : mapping
        A `LabelMap`: emotions to rename before any are kept or left out.
    exact_labels : bool, default=False
        Keep labels apart that differ only in case, blanks or Unicode form (`fold_labels`).
    raters : sequence of str
        Columns of tables, or patterns of them, with the labels of one rater each. The label with most votes is the
        emotion, and rows without such a label are set aside.
    resources : Resources
    progress : callable, optional
        Called with the number of rows done and the total number.
    strict : bool, default=False
        Raise at the first recording that cannot be used.
    extractor : FeatureExtractor, optional
        The features, if they are already built.
    check_rows : callable, optional
        Called with the listed rows before any features are computed, which takes long. What it raises ends the
        preparation.

    Raises
    ------
    FusionserError
        If no usable rows are left.
    """
    began = time.perf_counter()
    check_raters(spec, raters)
    if extractor is None:
        spec = resolve(spec, places)
        extractor = build_features(spec)
    listing = listed_rows(
        places, classes, dropped, labels, strict=strict, exact=exact_labels, raters=raters, progress=progress
    )
    if spec.task == DIMENSIONS:
        listing = with_targets(_of_numbers(listing), spec.targets, strict=strict)
    if check_rows is not None:
        check_rows(listing.rows)
    run = Extracting(extractor, resources, progress, strict, listing)
    (table,) = run.parts(size=len(run.listing.rows))
    return Prepared(table, spec, extractor, **run.summary(began))


def analyse_augmented(
    prepared: Prepared,
    split: Protocol | None = None,
    *,
    resources: Resources = LOCAL,
    progress: Progress | None = None,
) -> Prepared:
    """Compute the features of all augmented rows once, so that every fold finds them in the cache.

    With `split`, only rows that are in the training rows of a fold are augmented.

    Rows that cannot be used, such as a stretched clip that is too short, are listed in `Prepared.unusable` and left out
    of the training.
    """
    rows, seed = prepared.spec.rows, prepared.spec.seed
    if not rows.augment:
        return prepared
    # Without a cache, this is only to find the rows that cannot be used.
    cache = Cache.of(resources.cache)
    table = prepared.table
    if split is not None:
        trained = {position for _, train, _ in split.named_folds(table) for position in train}
        table = table.iloc[sorted(trained)]
    augmented = augmented_rows(table, rows.augment, rows.copies, seed)
    result = prepared.extractor.run(
        augmented, cache=cache, n_jobs=resources.n_jobs, memory_limit=resources.memory_limit, progress=progress
    )
    failed = augmented.iloc[sorted(result.failures)]
    notes = [Stamp(kind="unusable-augmentations", value=len(failed))] if len(failed) else []
    return replace(
        prepared,
        unusable=tuple(zip(failed["source"], failed["augmentation"], strict=True)),
        notes=[*prepared.notes, *notes],
    )


def _of_numbers(listing: Listing) -> Listing:
    """Return a listing without the note on rows that lack an emotion, since none is predicted."""
    return replace(listing, notes=[note for note in listing.notes if note.kind != "labels-missing"])
