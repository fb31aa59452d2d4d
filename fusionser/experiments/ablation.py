"""What is kept of an ablation beside its results: the design, and the command that ran it."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from fusionser.errors import FusionserError
from fusionser.experiments.factorial import Factorial
from fusionser.experiments.named_studies import NamedStudy
from fusionser.files import write_text

__all__ = ["keep_design", "kept_design"]


@dataclass(frozen=True)
class _Kept:
    design: Factorial | NamedStudy
    command: str


KEPT = TypeAdapter(_Kept)
DESIGN = "design.json"


def keep_design(design: Factorial | NamedStudy, command: str, folder: str | Path) -> None:
    """Keep the design and the command that ran it beside the results."""
    write_text(Path(folder) / DESIGN, KEPT.dump_json(_Kept(design, command), indent=2).decode() + "\n")


def kept_design(folder: str | Path) -> tuple[Factorial | NamedStudy, str]:
    """Return what `keep_design` kept.

    Raises
    ------
    FusionserError
        When there is nothing that can be read.
    """
    path = Path(folder) / DESIGN
    try:
        found = KEPT.validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FusionserError(
            f"{path}: cannot be read ({error.strerror or error}); expected a folder of 'fusionser ablate'"
        ) from error
    except ValueError as error:
        raise FusionserError(f"{path}: not a design that this version reads; run 'fusionser ablate' again") from error
    return found.design, found.command
