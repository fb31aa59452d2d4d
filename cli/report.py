"""The command ``fusionser report``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusionser.errors import SettingsError

from .console import write
from .options import option

if TYPE_CHECKING:
    from fusionser.evaluation import Result
    from fusionser.experiments.questions import Design

__all__ = ["report"]


def report(
    results: Annotated[Path, typer.Argument(help="Folder that 'fusionser ablate --out' wrote.")],
    html: Annotated[Path, option("--html", "File to write: one page that opens from the disk.")],
) -> None:
    """Make one self-contained HTML page of the results of an ablation; nothing is run."""
    from fusionser.evaluation import read_result
    from fusionser.experiments.ablation import kept_design
    from fusionser.experiments.questions import answer_questions
    from fusionser.experiments.run import stored_curves
    from fusionser.experiments.study import FAILED
    from fusionser.reporting.ablation import AblationText
    from fusionser.reporting.html import write_ablation_html

    if html.suffix != ".html":
        raise SettingsError(f"--html is {html}; expected a file ending in .html")
    design, command = kept_design(results)
    cells = sorted(path for path in (results / "cells").glob("*.json") if not path.name.endswith(FAILED))
    labels = {one.name for one in design.recipe().pipelines}
    read = [(path.stem, read_result(path)) for path in cells]
    kept = dict(sorted(((name, one) for name, one in read if one.features_name in labels), key=_in_order(design)))
    found = list(kept.values())
    if not found:
        raise SettingsError(f"no evaluation of this study is in {results / 'cells'}; run it with 'fusionser ablate'")
    answers = answer_questions(design, found)
    written = write_ablation_html(
        design, answers, found, AblationText(command=command), html, stored_curves(results, list(kept))
    )
    write(f"{written}: {len(found)} evaluations")


def _in_order(design: "Design") -> Callable[[tuple[str, "Result"]], list[int]]:
    """Return the key that puts results in the order in which the study makes them."""
    recipe = design.recipe()
    orders: tuple[list[str], ...] = (
        [one.name for choice in recipe.corpora for one in choice.protocols],
        list(recipe.settings),
        [one.name for one in recipe.pipelines],
        list(design.classifiers),
    )

    def places(cell: tuple[str, "Result"]) -> list[int]:
        result = cell[1]
        own = (result.protocol.name, result.protocol.setting, result.features_name, result.classifier)
        return [order.index(name) if name in order else len(order) for order, name in zip(orders, own, strict=True)]

    return places
