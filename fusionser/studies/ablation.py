"""Ablations: a design on the runner, and what is kept of it beside its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from fusionser.errors import FusionserError
from fusionser.features.extraction import Progress
from fusionser.files import write_text
from fusionser.pipeline import Resources
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
    """An ablation that was run, or a part of it.

    Parameters
    ----------
    design : Factorial or NamedStudy
    run : CellRun
    effects : list of Effect
        Of the contrasts whose evaluations are there.
    command : str
        How to run it again.
    """

    design: Factorial | NamedStudy
    run: CellRun
    effects: list[Effect]
    command: str


@dataclass(frozen=True)
class _Kept:
    design: Factorial | NamedStudy
    command: str


KEPT = TypeAdapter(_Kept)


def run_ablation(
    design: Factorial | NamedStudy,
    places: Mapping[str, Path],
    folder: str | Path,
    *,
    command: str = "",
    resources: Resources = LOCAL,
    partial: bool = False,
    extraction_progress: Progress | None = None,
    progress: CellProgress | None = None,
) -> Ablation:
    """Run every cell of a design, estimate its effects, and keep the design beside them.

    Parameters
    ----------
    design : Factorial or NamedStudy
    places : mapping of str to Path
        The folder of each corpus.
    folder, resources, partial, progress
        See `run_cells`.
    command : str
        What a page says of how to run it again.
    extraction_progress : callable, optional
        Told of clips.
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
        write_text(Path(folder) / DESIGN, KEPT.dump_json(_Kept(design, command), indent=2).decode() + "\n")
    return Ablation(design, run, estimate_effects(design, run.results) if run.outcomes else [], command)


def stored_ablation(folder: str | Path) -> Ablation:
    """Return an ablation that is kept in a folder, its results in the order in which the study makes them.

    Raises
    ------
    FusionserError
        When there is nothing that can be read.
    """
    path = Path(folder) / DESIGN
    try:
        kept = KEPT.validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FusionserError(
            f"{path}: cannot be read ({error.strerror or error}); expected a folder of 'fusionser ablate'"
        ) from error
    except ValueError as error:
        raise FusionserError(f"{path}: not a design that this version reads; run 'fusionser ablate' again") from error
    run = stored_study(kept.design.recipe(), folder)
    return Ablation(kept.design, run, estimate_effects(kept.design, run.results), kept.command)
