"""The command ``fusionser export``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError
from fusionser.files import exists

from .console import print_json, progress_bar, write
from .option_checks import check_file_to_write, check_folder_to_write, check_jobs, refuse_inputs
from .option_groups import Group, option
from .option_texts import JOBS_HELP


def check_web_folder(web: Path | None) -> Path | None:
    """Reject a folder for a page that cannot be made."""
    return check_folder_to_write(web, "--web")


class Asked(Group):
    """The options of the command."""

    clips: Path | None = option(
        "Folder or table of recordings to compare on; by default, and where they are fewer than 64, synthetic voices."
    )
    tolerance: float | None = option(
        "Largest difference of a probability, by default 0.0001. With 0.001, chroma can be part of a graph.",
        min=0.0,
        max=0.01,
    )
    int8: bool = option(
        "Round the weights to 8 bits. The file is smaller, and its answers differ from the model's: the command says "
        "by how much.",
        False,
        "--int8",
    )
    web: Path | None = option(
        "Write a folder for any web server instead of FILE.onnx: its page runs the model in the visitor's browser.",
        callback=check_web_folder,
    )
    onnxruntime_web: Path | None = option(
        "With --web: folder of the npm package onnxruntime-web; by default it is taken from the registry of npm."
    )
    jobs: int = option(JOBS_HELP, 1, callback=check_jobs)
    json: bool = option("Print JSON on standard output.", False, "--json")


def export(
    asked: Asked,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL] FILE.onnx",
            help="The ONNX file to write. A model that 'fusionser fit' wrote comes first; without it, the included "
            "model is exported.",
        ),
    ] = None,
) -> None:
    """Write a model as an ONNX file, which other programs can run, after a comparison with the model on 64 clips.

    Nothing is written unless all answers are the same and probabilities agree to 0.0001, or to --tolerance.
    """
    from fusionser.export import export_onnx, export_web
    from fusionser.reporting.card import export_text

    from .inputs import load_or_included

    model, out = _split(paths or [], asked)
    refuse_inputs(out, [model, asked.clips], "FILE.onnx" if asked.web is None else "--web")
    with progress_bar("export") as progress:
        loaded = load_or_included(model)
        clips = None if asked.clips is None else _clips(asked.clips, loaded)

        def told(done: int, total: int) -> None:
            # The graph is made after the features of the clips, so the bar is not full with them.
            progress(done, 2 * total, "clips to compare on" if done < total else "graph, and comparison")

        options: dict[str, Any] = {} if asked.tolerance is None else {"tolerance": asked.tolerance}
        options |= {"clips": clips, "int8": asked.int8, "n_jobs": asked.jobs, "progress": told}
        if asked.web is None:
            card, file = export_onnx(loaded, out, **options), out
        else:
            card, file = export_web(loaded, out, runtime=asked.onnxruntime_web, **options), out / "page" / "model.onnx"
    size = file.stat().st_size
    if asked.json:
        print_json({"out": str(out), "bytes": size, **card.model_dump(mode="json")})
        return
    write(f"{file}: {size / 1e6:.1f} MB. {export_text(card)}")
    if asked.web is not None:
        write(f"try the page: python -m http.server --directory {out} --bind 127.0.0.1")


def _split(paths: list[Path], asked: Asked) -> tuple[Path | None, Path]:
    """Return the model, None for the included one, and the file, or the folder of the page, to write."""
    from .inputs import is_onnx

    if asked.onnxruntime_web is not None and asked.web is None:
        raise SettingsError("--onnxruntime-web has no effect without --web; give both, or neither")
    if asked.web is not None:
        if len(paths) > 1 or any(map(is_onnx, paths)):
            raise SettingsError(
                f"got {' '.join(map(str, paths))} with --web; expected a model that 'fusionser fit' wrote"
            )
        return (paths[0] if paths else None), asked.web
    if not paths:
        raise SettingsError("expected the file to write, whose name ends in .onnx; or --web FOLDER")
    if len(paths) > 2 or not is_onnx(paths[-1]):
        raise SettingsError(
            f"got {' '.join(map(str, paths))}; expected a model and the file to write, whose name ends in .onnx"
        )
    if len(paths) == 2 and is_onnx(paths[0]):
        raise SettingsError(f"{paths[0]} is an ONNX file already; give a model that 'fusionser fit' wrote")
    check_file_to_write(paths[-1], "FILE.onnx")
    return (paths[0] if len(paths) == 2 else None), paths[-1]


def _clips(place: Path, model: Any) -> Any:
    """Return the rows of the recordings to compare on."""
    from .inputs import check_gender, gather_clips

    if not exists(place):
        raise SettingsError(f"--clips is {place}, which does not exist; give a recording, a folder, or a table")
    rows = gather_clips([str(place)], None).rows
    check_gender(model, rows, "give --clips a table")
    return rows
