"""Extract the features of recordings into a dataset of many parts, each of which is written where it is computed."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from fusionser.corpora.base import measure
from fusionser.corpora.kept_notes import KEPT_KEY, pack_notes
from fusionser.errors import AudioError, CorpusError, SettingsError
from fusionser.execution import Executor, Lost, executor_of
from fusionser.facts import Stamp
from fusionser.feature_dataset import MANIFEST, PARTS, Manifest, Part, is_feature_dataset, part_place
from fusionser.features import FeatureExtractor
from fusionser.features.extraction import Progress
from fusionser.features.store import description, write_features
from fusionser.files import write_text
from fusionser.folders import brief_folder
from fusionser.pipeline.dataset_plan import (
    KEYS,
    Plan,
    Report,
    entries,
    part_names,
    planned,
    present_parts,
    settings_digest,
)
from fusionser.pipeline.extract import Extracted, Wishes, extractor_for, wished_rows
from fusionser.pipeline.extracting import Extracting, check_gender
from fusionser.pipeline.features import Place
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.results import provenance
from fusionser.spec import PipelineSpec
from fusionser.storage import (
    address_of,
    called,
    elsewhere,
    in_address,
    listed,
    output_file,
    remove,
    upload,
)

__all__ = ["extract_dataset"]


@dataclass(frozen=True)
class _Job:
    """Analyse the recordings of a part and write it. Both happen where the job runs, so that no features travel."""

    extractor: FeatureExtractor
    name: str
    place: str
    resources: Resources
    accept_truncated: bool
    strict: bool

    def __call__(self, task: tuple[str, list[str], pd.DataFrame]) -> Report:
        """Write the part of this name, with the rows of these keys, from this table of rows."""
        part, keys, rows = task
        quarantine, notes, computed, table = self._analysed(rows)
        if table is None:
            return Report(0, [], quarantine, notes, computed)
        kept = pack_notes(notes, quarantine)
        target = part_place(self.place, part)
        with brief_folder() as folder:
            path = folder / part if elsewhere(target) else Path(target)
            written = {KEPT_KEY: kept, KEYS: json.dumps(keys).encode()}
            write_features(table, self.extractor, self.name, path, {}, lambda: written)
            if address := elsewhere(target):
                upload(path, address)
        return Report(len(table), list(map(str, table.columns)), quarantine, notes, computed)

    def _analysed(self, rows: pd.DataFrame) -> tuple[list[dict[str, str]], list[Stamp], int, pd.DataFrame | None]:
        """Return what was set aside, notes, the number of analysed recordings, and the table, if any is left."""
        quarantine: list[dict[str, str]] = []
        notes: list[Stamp] = []
        if rows["end"].isna().any():
            try:
                measured = measure(_records(rows), accept_truncated=self.accept_truncated)
            except CorpusError:
                # None can be read; decoding them says why of each.
                measured = None
            if measured is not None:
                rows, notes = measured.rows, measured.notes
                quarantine = measured.quarantine.astype(str).to_dict("records")  # type: ignore[assignment]
        if self.strict and quarantine:
            raise AudioError(quarantine[0]["reason"])
        run = Extracting(self.extractor, self.resources, None, self.strict, _plain_listing(rows))
        try:
            (table,) = run.parts(size=len(rows))
        except AudioError:
            if self.strict or not run.quarantine:
                raise
            table = None
        return [*quarantine, *run.quarantine], [*notes, *run.notes], run.computed, table


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as records, without ends that are not known."""
    return [
        {str(name): value for name, value in record.items() if name != "end" or value == value}
        for record in rows.to_dict("records")
    ]


def _plain_listing(rows: pd.DataFrame) -> Any:
    from fusionser.corpora import Listing

    return Listing(rows)


def extract_dataset(
    places: Sequence[Place],
    spec: PipelineSpec,
    place: str | Path,
    wishes: Wishes = Wishes(),  # noqa: B008 - it is frozen
    *,
    resources: Resources = LOCAL,
    progress: Progress | None = None,
    strict: bool = False,
) -> Extracted:
    """Extract like `fusionser.pipeline.extract_file`, but into a folder of Parquet parts with a manifest.

    Each job analyses 500 recordings and writes their part. The name of a part is a hash of the settings of
    the features and of its rows. So a run that was stopped goes on where it ended, on any machine; when recordings are
    added, only theirs are analysed; and with other settings, all parts are written anew. Parts that no longer belong to
    the dataset are removed when the manifest is complete.

    Parameters
    ----------
    places, spec, wishes, resources, progress, strict
        As in `fusionser.pipeline.extract_file`.
    place : str or Path
        A folder, or an address such as ``s3://bucket/features``. One run at a time writes to it.

    Raises
    ------
    FusionserError
        If a block learns, no usable rows are left, or a part cannot be written.
    """
    began = time.perf_counter()
    spec, extractor = extractor_for(spec, places)
    target = elsewhere(place) or str(Path(place).absolute())
    _check_target(place, target)
    listing = wished_rows(places, wishes, progress=progress, strict=strict, measured=wishes.windows is not None)
    check_gender(extractor, listing.rows)
    settings = settings_digest(extractor)
    plan = planned(listing.rows, present_parts(target, settings), settings)
    job = _Job(extractor, spec.features_name, target, _alone(resources), places[0].accept_truncated, strict)
    run = Extracting(extractor, resources, progress, strict, listing)
    reports = {name: present.report for name, present in plan.kept.items()}
    computed = 0
    for name, report in _made(job, plan, executor_of(resources.n_jobs), progress):
        reports[name] = report
        computed += report.computed
    for name in plan.order:
        report = reports[name]
        run.kept += report.rows
        run.quarantine += report.quarantine
        run.notes += [note for note in report.notes if note not in run.notes]
    run.computed = computed
    if not run.kept:
        raise AudioError(f"none of {len(listing.rows)} recordings can be used; the first: {_first_reason(run)}")
    done = run.summary(began)
    _write_manifest(place, target, spec.features_name, extractor, plan, reports, done)
    done["notes"] = [*done["notes"], *extractor.stamps()]
    return Extracted(run.kept, len(extractor.get_feature_names_out()), spec.features_name, **done)


def _first_reason(run: Extracting) -> str:
    return str(run.quarantine[0]["reason"]) if run.quarantine else "none is listed"


def _alone(resources: Resources) -> Resources:
    """Return resources for a job that is one of many: one process."""
    return replace(resources, n_jobs=1)


def _check_target(place: str | Path, target: str) -> None:
    """Raise `SettingsError` if a folder has other things in it than a dataset of features."""
    there = set(listed(target)) if address_of(target) else {path.name for path in entries(Path(target))}
    own = {name for name in there if PurePath(name).parts[0] in (PARTS, MANIFEST)}
    if there - own or (MANIFEST in there and not is_feature_dataset(output_file(place))):
        other = sorted(there - own) or [MANIFEST]
        raise SettingsError(
            f"--out is {called(place)}, a folder with other files in it, such as {other[0]}; expected a new folder, or "
            "one with a dataset of features, or a file ending in .parquet"
        )


def _made(job: _Job, plan: Plan, executor: Executor, progress: Progress | None) -> Iterator[tuple[str, Report]]:
    """Make the missing parts, and yield their reports by name."""
    total = sum(len(keys) for keys, _ in plan.missing.values())
    done = 0
    tasks = [(name, keys, rows) for name, (keys, rows) in plan.missing.items()]
    for task, answer in zip(tasks, executor.run(job, tasks), strict=True):
        yield task[0], _without_deadly(job, task, executor) if isinstance(answer, Lost) else answer
        done += len(task[1])
        if progress:
            progress(done, total)


def _without_deadly(job: _Job, task: tuple[str, list[str], pd.DataFrame], executor: Executor) -> Report:
    """Make a part without the recordings that end the process which analyses them."""
    name, keys, rows = task
    single = [rows.iloc[[place]].reset_index(drop=True) for place in range(len(rows))]
    answers = list(executor.run(_Tried(job), single))
    deadly = {place: one.reason for place, one in enumerate(answers) if isinstance(one, Lost)}
    left = rows.drop(index=list(deadly)).reset_index(drop=True)
    quarantine = [
        {
            "file": str(rows["file"].iloc[place]),
            "reason": f"{rows['file'].iloc[place]}: {reason}, with other recordings and alone; convert it to WAV or "
            "FLAC, cut it into utterances, or leave it out",
        }
        for place, reason in deadly.items()
    ]
    if left.empty:
        return Report(0, [], quarantine, [], 0)
    (report,) = executor.run(job, [(name, keys, left)])
    if isinstance(report, Lost):
        raise AudioError(f"{rows['file'].iloc[0]} and {len(rows) - 1} others: {report.reason}; run with fewer --jobs")
    return Report(report.rows, report.columns, [*quarantine, *report.quarantine], report.notes, report.computed)


@dataclass(frozen=True)
class _Tried:
    """Analyse one recording, to see whether the process survives it."""

    job: _Job

    def __call__(self, rows: pd.DataFrame) -> None:
        self.job._analysed(rows)


def _write_manifest(
    place: str | Path,
    target: str,
    name: str,
    extractor: FeatureExtractor,
    plan: Plan,
    reports: Mapping[str, Report],
    done: Mapping[str, Any],
) -> None:
    """Write the manifest, which makes the parts a dataset, and remove parts that do not belong to it."""
    kept = [part for part in plan.order if reports[part].rows]
    packed = json.loads(pack_notes(done["notes"], done["quarantine"]))
    manifest = Manifest(
        described=description(extractor, name, provenance()),
        columns=reports[kept[0]].columns,
        parts=[Part(name=part, rows=reports[part].rows) for part in kept],
        notes=packed["notes"],
        quarantine=packed["quarantine"],
    )
    folder = output_file(place)
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    foreign = [part for part in part_names(target) if part not in set(kept)]
    if address_of(target):
        remove(in_address(target, PARTS), foreign)
    for part in foreign:
        (Path(target) / PARTS / part).unlink(missing_ok=True)
