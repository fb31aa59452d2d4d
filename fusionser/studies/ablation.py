"""Ablations: running a design, estimating its effects, and storing it with its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from fusionser.errors import FusionserError
from fusionser.facts import read_json
from fusionser.features.extraction import Progress
from fusionser.files import write_text
from fusionser.legacy import current_design
from fusionser.pipeline import Place, Resources
from fusionser.pipeline.resources import LOCAL
from fusionser.studies.contrasts import Effect, estimate_effects
from fusionser.studies.factorial import Factorial
from fusionser.studies.named import NamedStudy
from fusionser.studies.runner import CellProgress, CellRun
from fusionser.studies.study import run_study, stored_study

__all__ = ["Ablation", "run_ablation", "stored_ablation"]

DESIGN = "design.json"


@dataclass(frozen=True)
class Ablation:
    """An ablation that was run, completely or in part.

    Parameters
    ----------
    design : Factorial or NamedStudy
    run : CellRun
    effects : list of Effect
        Effects of the contrasts whose evaluations exist.
    command : str
        Command that runs it again.
    """

    design: Factorial | NamedStudy
    run: CellRun
    effects: list[Effect]
    command: str


class _Stored(BaseModel):
    design: Annotated[Factorial | NamedStudy, BeforeValidator(current_design)]
    command: str


def run_ablation(
    design: Factorial | NamedStudy,
    places: Mapping[str, Path | Place],
    folder: str | Path,
    *,
    command: str = "",
    resources: Resources = LOCAL,
    partial: bool = False,
    extraction_progress: Progress | None = None,
    progress: CellProgress | None = None,
) -> Ablation:
    """Run all cells of a design, estimate its effects, and store the design with the results.

    Parameters
    ----------
    design : Factorial or NamedStudy
    places : mapping of str to Path or Place
        The folder of each corpus; a `Place` says how it is read.
    folder, resources, partial, progress
        As in `run_cells`.
    command : str
        Command that runs it again, for the pages.
    extraction_progress : callable, optional
        Called with the number of extracted clips and of all clips.
    """
    run = run_study(
        design.recipe(),
        places,
        folder,
        resources=resources,
        partial=partial,
        extraction_progress=extraction_progress,
        progress=progress,
    )
    if run.outcomes:
        stored = _Stored(design=design, command=command)
        write_text(Path(folder) / DESIGN, stored.model_dump_json(indent=2) + "\n")
    return Ablation(design, run, estimate_effects(design, run.results) if run.outcomes else [], command)


def stored_ablation(folder: str | Path) -> Ablation:
    """Return the ablation stored in a folder, its results in the order of its cells.

    Raises
    ------
    FusionserError
        If there is none, or it cannot be read.
    """
    path = Path(folder) / DESIGN
    try:
        stored = read_json(_Stored, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FusionserError(
            f"{path}: cannot be read ({error.strerror or error}); expected a folder of 'fusionser ablate'"
        ) from error
    except ValueError as error:
        raise FusionserError(
            f"{path}: not a design that this version can read; run 'fusionser ablate' again"
        ) from error
    run = stored_study(stored.design.recipe(), folder)
    return Ablation(stored.design, run, estimate_effects(stored.design, run.results), stored.command)
