"""Extract the features of recordings into a dataset of many parts, each of which is written where it is computed."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from fusionser.corpora.base import measure
from fusionser.corpora.kept_notes import KEPT_KEY, pack_notes
from fusionser.errors import AudioError, CorpusError, SettingsError
from fusionser.execution import Executor, Lost, Processes, current_executor, executor_of
from fusionser.facts import Stamp
from fusionser.feature_dataset import MANIFEST, PARTS, Manifest, Part, is_feature_dataset, is_part, part_place
from fusionser.features import FeatureExtractor
from fusionser.features.clip_batch import CPU
from fusionser.features.extraction import WORTH_A_PROCESS, Progress
from fusionser.features.store import description, write_features
from fusionser.files import is_file, write_text
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
    at_hand,
    called,
    elsewhere,
    in_address,
    listed,
    output_file,
    remove,
    upload,
)

__all__ = ["extract_dataset"]


class _Task(NamedTuple):
    """A part to make: its name, the keys of its rows, the rows, and keys and entries of rows that end a process."""

    name: str
    keys: list[str]
    rows: pd.DataFrame
    deadly: tuple[tuple[str, dict[str, str]], ...] = ()


@dataclass(frozen=True)
class _Job:
    """Analyse the recordings of a part and write it. Both happen where the job runs, so that no features travel."""

    extractor: FeatureExtractor
    name: str
    place: str
    resources: Resources
    accept_truncated: bool
    strict: bool

    @property
    def gpu(self) -> bool:
        """Whether spectra are computed on a GPU."""
        return self.resources.feature_device != CPU

    def __call__(self, task: _Task) -> Report:
        """Write a part."""
        part, rows = task.name, task.rows
        quarantine, notes, computed, table = self._analysed(rows)
        quarantine = [*(entry for _, entry in task.deadly), *quarantine]
        if table is None:
            return Report(0, [], quarantine, notes, computed)
        # What could not be fetched may be there next time, and is not kept with the part.
        gone = {entry["file"] for entry in quarantine if not _is_readable(entry["file"])}
        lasting = [entry for entry in quarantine if entry["file"] not in gone]
        own = zip(task.keys, map(str, rows["file"]), strict=True)
        keys = [*(key for key, file in own if file not in gone), *(key for key, _ in task.deadly)]
        kept = pack_notes(notes, lasting)
        target = part_place(self.place, part)
        with brief_folder() as folder:
            path = folder / part if elsewhere(target) else Path(target)
            written = {KEPT_KEY: kept, KEYS: json.dumps(keys).encode()}
            write_features(table, self.extractor, self.name, path, {}, lambda: written, checked=True)
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


def _is_readable(file: str) -> bool:
    """Return whether the bytes of a recording can be read, whatever they are."""
    try:
        with at_hand(file) as path, Path(path).open("rb") as opened:
            opened.read(1)
    except (OSError, ValueError, AudioError):
        return False
    return True


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
    for name, report in _made(job, plan, _place(plan, resources), progress):
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
    gone = f"recordings that left the dataset, as they are not among those given: {plan.gone}; give all it should have"
    done["notes"] = [
        *done["notes"],
        *extractor.stamps(),
        *([Stamp(kind="text", value=gone)] if plan.gone else []),
    ]
    return Extracted(run.kept, len(extractor.get_feature_names_out()), spec.features_name, **done)


def _place(plan: Plan, resources: Resources) -> Executor:
    """Return where the missing parts are made: few recordings are not worth a process."""
    here = current_executor() is None and sum(len(keys) for keys, _ in plan.missing.values()) < WORTH_A_PROCESS
    return Processes(1) if here else executor_of(resources.n_jobs)


def _first_reason(run: Extracting) -> str:
    return str(run.quarantine[0]["reason"]) if run.quarantine else "none is listed"


def _alone(resources: Resources) -> Resources:
    """Return resources for a job that is one of many: one process."""
    return replace(resources, n_jobs=1)


def _check_target(place: str | Path, target: str) -> None:
    """Raise `SettingsError` if a folder has other things in it than a dataset of features."""
    foreign = [name for name in _names_in(target) if not (name == MANIFEST or is_part(name))]
    if foreign or (is_file(output_file(place) / MANIFEST) and not is_feature_dataset(output_file(place))):
        other = min(foreign, default=MANIFEST)
        raise SettingsError(
            f"--out is {called(place)}, a folder with other files in it, such as {other}; expected a new folder, or "
            "one with a dataset of features, or a file ending in .parquet"
        )


def _names_in(target: str) -> list[str]:
    """Return the names of what is in a folder, and in its folder of parts; a link to a folder is one name."""
    if address_of(target):
        return list(listed(target))
    parts = Path(target) / PARTS
    own = parts.is_dir() and not parts.is_symlink()
    there = [path for path in entries(Path(target)) if not (own and path.name == PARTS)]
    return [path.relative_to(target).as_posix() for path in (*there, *(entries(parts) if own else ()))]


def _made(job: _Job, plan: Plan, executor: Executor, progress: Progress | None) -> Iterator[tuple[str, Report]]:
    """Make the missing parts, and yield their reports by name."""
    total = sum(len(keys) for keys, _ in plan.missing.values())
    done = 0
    tasks = [_Task(name, keys, rows) for name, (keys, rows) in plan.missing.items()]
    for task, answer in zip(tasks, executor.run(job, tasks, gpu=job.gpu), strict=True):
        yield task.name, _without_deadly(job, task, executor) if isinstance(answer, Lost) else answer
        done += len(task.keys)
        if progress:
            progress(done, total)


def _without_deadly(job: _Job, task: _Task, executor: Executor) -> Report:
    """Make a part without the recordings that end the process which analyses them."""
    rows = task.rows
    single = [rows.iloc[[place]].reset_index(drop=True) for place in range(len(rows))]
    answers = list(executor.run(_Tried(job), single, gpu=job.gpu))
    deadly = {
        place: _entry(str(rows["file"].iloc[place]), one) for place, one in enumerate(answers) if isinstance(one, Lost)
    }
    if len(deadly) == len(rows):
        return Report(0, [], list(deadly.values()), [], 0)
    left = _Task(
        task.name,
        [key for place, key in enumerate(task.keys) if place not in deadly],
        rows.drop(index=list(deadly)).reset_index(drop=True),
        tuple((task.keys[place], entry) for place, entry in deadly.items()),
    )
    (report,) = executor.run(job, [left], gpu=job.gpu)
    if isinstance(report, Lost):
        raise AudioError(f"{rows['file'].iloc[0]} and {len(rows) - 1} others: {report.reason}; run with fewer --jobs")
    return report


def _entry(file: str, lost: Lost) -> dict[str, str]:
    advice = "with other recordings and alone; convert it to WAV or FLAC, cut it into utterances, or leave it out"
    return {"file": file, "reason": f"{file}: {lost.reason}, {advice}"}


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
    earlier = [part for part in part_names(target) if part not in set(kept)]
    if address_of(target):
        remove(in_address(target, PARTS), earlier)
    for part in earlier:
        (Path(target) / PARTS / part).unlink(missing_ok=True)
