"""Rows whose features stay in their files, for classifiers that learn from batches."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fusionser.classifiers import BatchLearner
from fusionser.corpora import Listing
from fusionser.corpora.kept_notes import kept_notes
from fusionser.corpora.labels import LabelMap
from fusionser.errors import RowsError, SettingsError
from fusionser.facts import Stamp
from fusionser.features import FeatureBlock, FeatureExtractor, LearnedBlock, matching_columns
from fusionser.features.parts import FeatureFiles, FeatureParts
from fusionser.features.table import FeatureTable
from fusionser.names import CLASSES, EARLY, INDUCTIVE
from fusionser.pipeline.features import Place, build_features, resolve
from fusionser.pipeline.listing import NO_LABELS, labelled
from fusionser.pipeline.notes import less_unused
from fusionser.pipeline.prepare import Prepared
from fusionser.pipeline.soft_labels import check_raters
from fusionser.progress import report_step
from fusionser.registry import CLASSIFIERS
from fusionser.rows import (
    ARRAY_MARK,
    COLUMNS,
    EXTRACTED_COLUMN,
    FOLD_COLUMN,
    SPLIT_COLUMN,
    check_rows,
    given_columns,
)
from fusionser.scaling import BATCH_SCALINGS
from fusionser.spec import PipelineSpec

__all__ = ["PLACE", "Streamed", "check_streamable", "feature_parts", "prepare_streamed"]

PLACE = f"{ARRAY_MARK}place"
"""Column with the place of each row in its dataset; in memory only, like columns of arrays."""

IMBALANCE = ("none", "weights")
"""Strategies that need no other rows than those of the batch."""


@dataclass(frozen=True)
class Streamed(Prepared):
    """Rows that are ready to be split, and whose features are read from a dataset when they are needed.

    Parameters
    ----------
    table : DataFrame
        The usable rows without their features, and their places in the dataset.
    dataset : FeatureParts
    spec, extractor, quarantine, notes, computed, seconds, unusable
        As in `Prepared`.
    """

    dataset: FeatureParts = field(kw_only=True)


def check_streamable(spec: PipelineSpec, extractor: FeatureExtractor) -> None:
    """Raise `SettingsError` with what keeps a pipeline from learning from batches, if anything does."""
    learned = [name for name, block in extractor.blocks if isinstance(block, LearnedBlock)]
    rows, classifier = spec.rows, spec.classifier
    able = [name for name in CLASSIFIERS.loadable() if issubclass(CLASSIFIERS[name], BatchLearner)]
    obstacles = {
        f"--targets ({', '.join(spec.targets)}): numbers are predicted from all rows at once": spec.task != CLASSES,
        f"the learned features {', '.join(learned)} (--blocks, --network, --gender estimated)": learned,
        f"--classifier {classifier.name}; those that learn from batches are {', '.join(able)}": classifier.name
        not in able,
        f"--fusion {spec.resolved_fusion}": spec.resolved_fusion != EARLY,
        f"--augment {', '.join(rows.augment)}": rows.augment,
        f"--imbalance {rows.imbalance}; expected one of {', '.join(IMBALANCE)}": rows.imbalance not in IMBALANCE,
        "--impose-imbalance": rows.impose_imbalance is not None,
        "--tune and --tune-trials": classifier.tune,
        "--soft-labels": spec.soft_labels,
        f"--setting {spec.setting}": spec.setting != INDUCTIVE,
        f"--scaling {spec.scaling}; expected one of {', '.join(BATCH_SCALINGS)}": spec.scaling not in BATCH_SCALINGS,
    }
    if found := [text for text, there in obstacles.items() if there]:
        raise SettingsError(
            f"the rows are read in batches (--stream), which does not work with {found[0]}. Change it, or leave out "
            "--stream"
        )


def prepare_streamed(
    dataset: FeatureParts,
    spec: PipelineSpec,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    labels: LabelMap = NO_LABELS,
    exact_labels: bool = False,
    raters: Sequence[str] = (),
    strict: bool = False,
) -> Streamed:
    """Read the rows of a dataset without their features, and check that it has those of the specification.

    Parameters
    ----------
    dataset : FeatureParts
        Of `FeatureFiles`, the features are used if the specification names none.
    spec : PipelineSpec
    classes, dropped, labels, exact_labels, raters, strict
        As in `prepare`.

    Raises
    ------
    SettingsError
        If the pipeline cannot learn from batches, or a row lacks a feature.
    FusionserError
        If no usable rows are left.
    """
    began = time.perf_counter()
    check_raters(spec, raters)
    spec = _resolved(spec, dataset)
    extractor = build_features(spec)
    check_streamable(spec, extractor)
    listing = _listed(dataset, extractor)
    if strict and len(listing.quarantine):
        raise RowsError(str(listing.quarantine["reason"].iloc[0]))
    listing = labelled(listing, classes, dropped, labels, strict=strict, exact=exact_labels, raters=raters)
    read = {name for _, block in extractor.blocks for name in block.row_columns()}
    set_aside = listing.quarantine[["file", "reason"]].astype(str).itertuples(index=False, name=None)
    return Streamed(
        listing.rows,
        spec,
        extractor,
        [{"file": file, "reason": reason} for file, reason in set_aside],
        less_unused(listing.notes, read),
        seconds=round(time.perf_counter() - began, 2),
        dataset=dataset,
    )


def _listed(dataset: FeatureParts, extractor: FeatureExtractor) -> Listing:
    """Return the rows of a dataset without features; those that cannot be used are set aside."""
    given = _rows_alone(dataset, extractor)
    wrong: dict[int, str] = {}
    rows = check_rows(given.assign(**{PLACE: np.arange(len(given))}), wrong)
    if rows.empty:
        raise RowsError(f"none of {len(wrong)} rows can be used; the first: {wrong[min(wrong)]}")
    if (open_ended := int(rows["end"].isna().sum())) > 0:
        raise RowsError(f"{open_ended} of {len(rows)} rows have no 'end'; extract the features again")
    notes, quarantine = _kept(dataset)
    if unused := sorted(set(map(str, given_columns(rows))) - {"truth", *COLUMNS, SPLIT_COLUMN, FOLD_COLUMN}):
        notes.append(Stamp(kind="unused-columns", value=unused))
    quarantine += [
        {"file": str(given["file"].iloc[place]), "reason": reason} for place, reason in sorted(wrong.items())
    ]
    return Listing(rows, pd.DataFrame(quarantine, columns=["file", "reason"]), notes=notes)


def _resolved(spec: PipelineSpec, dataset: FeatureParts) -> PipelineSpec:
    if isinstance(dataset, FeatureFiles):
        return resolve(spec, [Place(path) for path in dataset.paths])
    if spec.features.columns:
        columns = matching_columns(dataset.columns, spec.features.columns)
        spec = spec.changed(features=spec.features.changed(columns=tuple(columns)))
    return spec.explicit()


def _kept(dataset: FeatureParts) -> tuple[list[Stamp], list[dict[str, str]]]:
    """Return the notes and the quarantine entries that features files keep."""
    kept = [kept_notes(path) for path in dataset.paths] if isinstance(dataset, FeatureFiles) else []
    return [note for notes, _ in kept for note in notes], [entry for _, entries in kept for entry in entries]


def _rows_alone(dataset: FeatureParts, extractor: FeatureExtractor) -> pd.DataFrame:
    """Return the rows without features, after a look at which features each has."""
    blocks = {name: block for name, block in extractor.blocks if isinstance(block, FeatureBlock)}
    heard = {name: block for name, block in blocks.items() if block.uses_audio}
    lacking = [name for name in FeatureTable(pd.DataFrame(), heard, []).names if name not in dataset.columns]
    if lacking or (heard and EXTRACTED_COLUMN not in dataset.columns):
        raise _absent(heard, dataset.rows, f" (no column '{(lacking or [EXTRACTED_COLUMN])[0]}')")
    parts, done = [], 0
    for part in dataset.parts([name for name in dataset.columns if "__" not in name]):
        done += len(part)
        report_step("reading the table, rows", done, dataset.rows)
        if heard and not (held := FeatureTable(part, heard, []).held()).all():
            raise _absent(heard, int((~held).sum()), f" (first: {part['file'].iloc[int(held.argmin())]})")
        parts.append(part.drop(columns=EXTRACTED_COLUMN, errors="ignore"))
    if not done:
        raise RowsError("the table has no rows; expected clips of two or more classes")
    return pd.concat(parts, ignore_index=True)


def _absent(blocks: dict[str, FeatureBlock], count: int, where: str) -> SettingsError:
    return SettingsError(
        f"{count} rows lack features of {', '.join(blocks)}, or have them with other settings{where}; where rows are "
        "read in batches, all features must be there. Extract them with the same options ('fusionser extract'), or "
        "name those that are there (--preset, --blocks)"
    )


def feature_parts(dataset: FeatureParts, extractor: FeatureExtractor, rows: pd.DataFrame, what: str) -> Iterator[Any]:
    """Yield the columns that an extractor gives for rows, part by part.

    Parameters
    ----------
    dataset : FeatureParts
    extractor : FeatureExtractor
    rows : DataFrame
        Some rows of `Streamed.table`, in the order of their places.
    what : str
        What progress is reported for.
    """
    names = [name for name in _read(extractor) if name in dataset.columns]
    places = rows[PLACE].to_numpy()
    first = 0
    for part in dataset.parts(names):
        low, high = np.searchsorted(places, (first, first + len(part)))
        if low < high:
            chosen = rows.iloc[low:high]
            values = part.iloc[places[low:high] - first].set_axis(chosen.index)
            yield extractor.held_columns(pd.concat([chosen.drop(columns=PLACE), values], axis=1))
            report_step(f"{what}, rows", int(high), len(rows))
        first += len(part)
    if first != dataset.rows:
        raise RowsError(f"the table has {first} rows, and had {dataset.rows}: it changed while it was read")


def _read(extractor: FeatureExtractor) -> list[str]:
    """Return the columns of features that are read from a dataset; the others are among the rows."""
    columns: list[str] = []
    for name, block in extractor.blocks:
        own = [f"{name}__{column}" for column in block.names()] if block.uses_audio else block.row_columns()
        columns += [column for column in own if "__" in column and column not in columns]
    return columns
