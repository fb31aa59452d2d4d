"""Extract the features of recordings into a file."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fusionser.corpora import Listing
from fusionser.corpora.labels import LabelMap
from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features import EstimatedGender, FeatureExtractor, LearnedBlock
from fusionser.features.extraction import Progress
from fusionser.features.store import write_features
from fusionser.pipeline.extracting import Extracting
from fusionser.pipeline.features import Place, build_features, resolve
from fusionser.pipeline.listing import NO_LABELS, listed_rows
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.results import provenance
from fusionser.rows import feature_columns
from fusionser.spec import PipelineSpec
from fusionser.storage import suffix_of
from fusionser.timeline.rows import window_rows
from fusionser.timeline.windows import WindowSettings

__all__ = ["Extracted", "Wishes", "extract_file", "extractor_for", "is_features_file", "wished_rows"]

PART = 500
"""Number of rows in memory at once while a features file is written."""


@dataclass(frozen=True)
class Extracted:
    """The result of `extract_file`.

    Parameters
    ----------
    rows, columns : int
        Number of rows and of feature columns in the file.
    features_name : str
        Name of the features in the specification.
    quarantine, notes, computed, seconds
        As in `Prepared`.
    """

    rows: int
    columns: int
    features_name: str
    quarantine: list[dict[str, str]]
    notes: list[Stamp]
    computed: int
    seconds: float


@dataclass(frozen=True)
class Wishes:
    """Which recordings are wanted for a features file or dataset.

    Parameters
    ----------
    classes : sequence of str
        Emotions to keep. If empty, all are kept.
    dropped : sequence of str
        Emotions to leave out.
    labels : mapping
        A `LabelMap`, by which `classes` and `dropped` are understood. The emotions keep their own names, so that an
        evaluation renames them.
    exact_labels : bool, default=False
        Keep labels apart that differ only in case, blanks or Unicode form.
    raters : sequence of str
        Columns of tables, or patterns of them, with the labels of one rater each.
    windows : WindowSettings, optional
        Cut every recording into windows (`window_rows`).
    """

    classes: Sequence[str] = ()
    dropped: Sequence[str] = ()
    labels: LabelMap = field(default_factory=lambda: NO_LABELS)
    exact_labels: bool = False
    raters: Sequence[str] = ()
    windows: WindowSettings | None = None


def extract_file(
    places: Sequence[Place],
    spec: PipelineSpec,
    path: str | Path,
    wishes: Wishes = Wishes(),
    *,
    resources: Resources = LOCAL,
    progress: Progress | None = None,
    strict: bool = False,
) -> Extracted:
    """Extract like `prepare`, but write a features file part by part, so memory does not grow with the corpus.

    Parameters
    ----------
    places, spec, resources, progress, strict
        As in `prepare`.
    path : str or Path
        The features file. It appears only when it is complete.
    wishes : Wishes

    Raises
    ------
    FusionserError
        If a block learns, no usable rows are left, or the file cannot be written.
    """
    began = time.perf_counter()
    spec, extractor = extractor_for(spec, places)
    listing = wished_rows(places, wishes, progress=progress, strict=strict)
    run = Extracting(extractor, resources, progress, strict, listing)
    write_features(run.parts(size=PART), extractor, spec.features_name, path, provenance(), run.kept_metadata)
    columns = len(extractor.get_feature_names_out())
    done = run.summary(began)
    # Who uses the file must know the licences of others.
    done["notes"] = [*done["notes"], *extractor.stamps()]
    return Extracted(run.kept, columns, spec.features_name, **done)


def is_features_file(path: str | Path) -> bool:
    """Return whether what is extracted to a path is one file; else it is a dataset of many parts.

    Examples
    --------
    >>> is_features_file("s3://bucket/features.parquet"), is_features_file("s3://bucket/features/")
    (True, False)
    """
    return suffix_of(path) == ".parquet"


def extractor_for(spec: PipelineSpec, places: Sequence[Place]) -> tuple[PipelineSpec, FeatureExtractor]:
    """Return the completed specification, and its features, none of which may learn.

    Raises
    ------
    SettingsError
        If a block learns.
    """
    spec = resolve(spec, places)
    extractor = build_features(spec)
    learning = {name: block for name, block in extractor.blocks if isinstance(block, LearnedBlock)}
    if learning:
        verb, they, them = ("learn", "they", "them") if len(learning) > 1 else ("learns", "it", "it")
        gender = any(isinstance(block, EstimatedGender) for block in learning.values())
        hint = " (--gender given or none)" if gender else ""
        raise SettingsError(
            f"{', '.join(learning)} {verb} from training rows, so {they} cannot be extracted beforehand; leave {them} "
            f"out here{hint}, and name {them} in 'fusionser evaluate' or 'fusionser fit'"
        )
    return spec, extractor


def wished_rows(
    places: Sequence[Place],
    wishes: Wishes,
    *,
    progress: Progress | None = None,
    strict: bool = False,
    measured: bool = True,
) -> Listing:
    """Return the rows of all places that are wanted, or the windows of these.

    Parameters
    ----------
    places, wishes, progress, strict
        As in `extract_file`.
    measured : bool, default=True
        As in `fusionser.corpora.list_rows`.
    """
    windows = wishes.windows
    listing = listed_rows(
        places,
        wishes.classes,
        wishes.dropped,
        wishes.labels,
        strict=strict,
        exact=wishes.exact_labels,
        raters=wishes.raters,
        own_names=True,
        any_length=windows is not None,
        progress=progress,
        measured=measured,
    )
    if windows is None:
        return listing
    if feature_columns(listing.rows):
        raise SettingsError("a features file has the features of whole recordings; with --windows, give recordings")
    stamp = Stamp(kind="windows", value={"length": float(windows.length), "hop": float(windows.hop)})
    return replace(listing, rows=window_rows(listing.rows, windows), notes=[*listing.notes, stamp])
