"""The command ``fusionser report``."""

from pathlib import Path
from typing import Annotated

import typer

from fusionser.errors import SettingsError

from .console import write
from .options import option

__all__ = ["report"]


def report(
    results: Annotated[Path, typer.Argument(help="Folder that 'fusionser ablate --out' wrote.")],
    html: Annotated[Path, option("--html", "File to write: one page that opens from the disk.")],
) -> None:
    """Make one self-contained HTML page of the results of an ablation; nothing is run."""
    from fusionser.reporting.ablation import AblationText
    from fusionser.reporting.html import write_ablation_html
    from fusionser.studies.ablation import stored_ablation
    from fusionser.studies.runner import stored_curves

    if html.suffix != ".html":
        raise SettingsError(f"--html is {html}; expected a file ending in .html")
    stored = stored_ablation(results)
    text = AblationText(command=stored.command)
    curves = stored_curves(results, stored.run.names)
    written = write_ablation_html(stored.design, stored.effects, stored.run.results, text, html, curves)
    write(f"{written}: {len(stored.run.results)} evaluations")
