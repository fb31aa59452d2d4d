"""The page of all parts."""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from fusionser.reporting.web_page import write_pages

__all__ = ["write_page"]

HEAD = """# How fusionser scales

Over workers and over rows: what a cluster adds to the work itself, what grows with the number of rows, what happens
when something is killed, and what follows for numbers of clips that were not run here. `fusionser plan` computes the
last; [docs/scale.md](../../docs/scale.md) has its formulas."""


def write_page(folder: Path, parts: Sequence[str]) -> Path:
    """Write report.md from the figures that there are."""
    text = [HEAD]
    for part in parts:
        stored = folder / "figures" / f"{part}.json"
        if not stored.exists():
            continue
        content = json.loads(stored.read_text(encoding="utf-8"))
        made = content["provenance"]
        text += importlib.import_module(f"benchmarks.scale.{part}").section(content["figures"], folder)
        versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
        text.append(
            f"`{made['command']}`, {content['seconds']:g} s; {made['processor'] or made['machine']}; commit "
            f"{made['commit']}; {made['date']}; {versions}."
        )
    return write_pages(folder, "\n\n".join(text) + "\n")
