"""What is checked, or set, as soon as an option is read."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import typer

from fusionser.errors import SettingsError
from fusionser.files import exists, is_file, is_folder, is_loop
from fusionser.folders import why_unwritable
from fusionser.storage import called, check_output, elsewhere, output_file, output_folder, suffix_of

ANSWERS = "answers.csv"
"""Name of the table of answers in a folder."""


def check_jobs(jobs: int) -> int:
    """Reject zero processes, and more than this machine can have."""
    from fusionser.checks import check_jobs as check

    check(jobs, "--jobs")
    return jobs


def check_out_folder(out: Path | None) -> Path | None:
    """Reject a folder to write that cannot be made, before the work whose results would go there."""
    return check_folder_to_write(out, "--out")


def check_folder_to_write(out: Path | None, flag: str) -> Path | None:
    """Reject a folder to write that cannot be made, as `check_out_folder` does, for any option."""
    if out is not None:
        check_output(out)
        out = output_folder(out)
    if out is not None and exists(out) and not is_folder(out):
        raise SettingsError(f"{flag} is {out}, which is a file; expected a folder")
    return _check_place(out, flag, folder=True)


def check_out_file(out: Path | None) -> Path | None:
    """Reject a file to write that cannot be made, before the work whose results would go there."""
    return check_file_to_write(out, "--out")


def check_out_features(out: Path) -> Path:
    """Reject a features file, or a folder for a dataset of features, that cannot be made."""
    suffix = suffix_of(out)
    if suffix == ".parquet":
        return check_out_file(out) or out
    if suffix in (".csv", ".tsv", ".json", ".npy", ".npz", ".h5", ".arff", ".feather", ".pkl", ".xlsx"):
        raise SettingsError(
            f"--out is {called(out)}; expected a file ending in .parquet, which holds the settings too, or a folder "
            "for a dataset of many parts"
        )
    return check_out_folder(out) or out


def check_model_file(out: Path) -> Path:
    """Reject a model file to write that would be taken for another kind of file."""
    if out.suffix.lower() == ".onnx":
        raise SettingsError(
            f"--out is {called(out)}; expected a file ending in .fusionser, of which 'fusionser export' makes an "
            "ONNX file"
        )
    return output_file(check_file_to_write(out, "--out") or out)


def check_file_to_write(out: Path | None, flag: str) -> Path | None:
    """Reject a file to write that cannot be made, as `check_out_file` does, for any option."""
    out = None if out is None else output_file(out)
    if out is not None and is_loop(out):
        raise SettingsError(f"{flag} is {out}, and a link on its path leads back to itself; choose another path")
    if out is not None and exists(out) and not is_file(out):
        what = "a folder" if is_folder(out) else "a device or a pipe"
        raise SettingsError(f"{flag} is {out}, which is {what}; expected a file")
    return _check_place(out, flag)


def check_saved_settings(path: Path | None) -> Path | None:
    """Reject a file of settings that cannot be written, or is of an unknown format."""
    if path is not None and path.suffix.lower() != ".toml":
        raise SettingsError(f"--save-config is {path}; expected a file ending in .toml")
    return check_file_to_write(path, "--save-config")


def check_page(path: Path | None) -> Path | None:
    """Reject a page that cannot be written, or is of an unknown format."""
    if path is not None and path.suffix.lower() != ".html":
        raise SettingsError(f"--html is {path}; expected a file ending in .html")
    return check_file_to_write(path, "--html")


def refuse_inputs(out: Path | None, inputs: Iterable[Path | str | None], flag: str = "--out") -> None:
    """Raise `SettingsError` if a file to write is one that is read, or a folder to write is or contains such a folder.

    Results among recordings would be taken for a part of them, and the other way round.
    """
    if out is None or not out.exists():
        return
    for given in inputs:
        if given is None or not (read := Path(given)).exists():
            continue
        if out.samefile(read):
            raise SettingsError(f"{flag} is {out}, which is read, too; choose another path")
        if out.is_dir() and read.is_dir() and out.resolve() in read.resolve().parents:
            raise SettingsError(
                f"{flag} is {out}, which contains {given}, and that is read; choose another path, such as "
                f"{out / 'results'}"
            )


def check_out_answers(out: Path | None) -> Path | None:
    """Return the table to write: the one that is given, or one in the folder that is given."""
    if out is not None and (not out.suffix or out.is_dir()):
        out /= ANSWERS
    return check_out_table(out)


def check_out_table(out: Path | None) -> Path | None:
    """Reject a table to write that cannot be made, or is of an unknown format."""
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise SettingsError(f"--out is {called(out)}; expected a file ending in .csv or .parquet")
    return check_out_file(out)


def _check_place(out: Path | None, flag: str = "--out", *, folder: bool = False) -> Path | None:
    """Reject a path below a file, or where nothing can be written."""
    if out is None:
        return None
    check_output(out)
    if elsewhere(out) is not None:
        return out
    # What a link leads to is replaced, and not the link.
    target = Path(os.path.realpath(out))
    beginning = target if folder else target.parent
    there = next(place for place in (beginning, *beginning.parents) if exists(place))
    if not there.is_dir():
        raise SettingsError(f"{flag} is {out}, but {there} is a file; choose another path")
    why = _too_long(target, there) or (
        why_unwritable(there) if folder else why_unwritable(there, f".{target.stem}", target.suffix)
    )
    if why:
        raise SettingsError(f"{flag} is {out}, but nothing can be written to {there} ({why}); choose another path")
    return out


def _too_long(target: Path, there: Path) -> str:
    """Return what the system says of a name below a folder that is too long for a file or a folder."""
    for name in target.relative_to(there).parts:
        try:
            (there / name).lstat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return error.strerror or str(error)
    return ""


EXACT = "exact"


def check_channel(channel: str | None) -> str | None:
    """Refuse a name or number that no channel has."""
    from fusionser.checks import channel_number

    channel_number(channel)
    return channel


def use_cluster(context: typer.Context, cluster: str | None) -> str | None:
    """Run jobs on a cluster until the end of this command, if one is named."""
    if cluster is not None:
        from fusionser.execution import on_cluster

        _check_one_place()
        context.with_resource(on_cluster(cluster))
    return cluster


def use_workers(context: typer.Context, workers: int | None) -> int | None:
    """Run jobs in processes of one core each until the end of this command, if their number is given."""
    if workers is not None:
        from fusionser.checks import check_jobs
        from fusionser.execution import Processes, executing_on, one_core

        _check_one_place()
        check_jobs(workers, "workers")
        if workers == 1:
            # Its jobs run in this process.
            context.with_resource(one_core())
        context.with_resource(executing_on(Processes(workers)))
    return workers


def _check_one_place() -> None:
    from fusionser.execution import current_executor

    if current_executor() is not None:
        raise SettingsError("--workers and --cluster both say where jobs run; give one of them")


def check_labels(labels: str | None) -> str | None:
    """Reject an unknown value of ``--labels``."""
    if labels not in (None, "folded", EXACT):
        raise SettingsError(f"--labels is '{labels}'; expected folded or {EXACT}")
    return labels


def decode_apart(context: typer.Context, isolate: bool) -> bool:
    """Decode recordings in a process of their own until the end of this command, if that is asked for."""
    if isolate:
        from fusionser.isolation import isolated_decoding

        context.with_resource(isolated_decoding())
    return isolate


def allow_downloads(context: typer.Context, download: bool) -> bool:
    """Let pretrained models be fetched until the end of this command, if that is asked for."""
    if download:
        from fusionser.features import downloads_allowed

        context.with_resource(downloads_allowed())
    return download


def set_threads(threads: int | None) -> int | None:
    """Set the number of threads of this process and of the processes it starts."""
    if threads is not None:
        # Libraries read these variables once, when they are loaded; those already loaded are set by the calls below.
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(threads)
        threadpool_limits(threads)
    return threads
