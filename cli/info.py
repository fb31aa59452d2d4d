"""The command ``fusionser info``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import output, print_json, write, write_page
from .option_checks import check_out_file, refuse_inputs
from .options import Json


def info(
    model: Annotated[
        Path | None,
        typer.Argument(
            help="Model file that 'fusionser fit' or 'fusionser export' wrote; by default the included one."
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of a study; its results for the same features and classifier are shown too."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Markdown file to write, instead of printing the card.", callback=check_out_file),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a saved model was trained on, its scores, its purpose and limits, and its licence."""
    from fusionser.files import write_text
    from fusionser.model import load_model, load_onnx
    from fusionser.reporting.card import INCLUDED_RECORDINGS, card_page, export_text, included_card, like_results
    from fusionser.reporting.markdown import plain

    from .inputs import is_onnx

    if json and out is not None:
        raise SettingsError("--json prints the card, and --out writes it as Markdown; give one of them")
    refuse_inputs(out, [model])
    if model is not None and is_onnx(model):
        loaded: Any = load_onnx(model)
        described = loaded.onnx_card
    else:
        loaded = load_model(model)
        described = loaded.card
    if json:
        print_json(described.model_dump(mode="json"))
        return
    results = [] if study is None else like_results(loaded.card, _results(study))
    if model is None:
        page = included_card() if study is None else card_page(loaded.card, results, INCLUDED_RECORDINGS)
    else:
        page = card_page(loaded.card, results)
        if described is not loaded.card:
            page = f"{export_text(described)}\n\n{page}"
    if out is None:
        # Into a file, it is written as Markdown, in which names are no markup.
        write_page(plain(page) if output.is_terminal else page)
    else:
        write(str(write_text(out, page)))


def _results(folder: Path) -> list[Any]:
    from fusionser.studies.recipe import kept_recipe
    from fusionser.studies.study import stored_study

    kept = kept_recipe(folder)
    if kept is None:
        raise SettingsError(f"{folder}: expected a folder that 'fusionser study' wrote")
    return list(stored_study(kept[1], folder).results)
