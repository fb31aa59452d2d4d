"""What is printed: tables and JSON on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

__all__ = ["print_json", "print_table", "progress_bar", "say", "spoken", "training_bar", "warn_quarantine", "write"]

PIPED_WIDTH = 160
SHOWN = 10

# A pipe has no width of its own; eighty columns would cut file names.
output = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
messages = Console(stderr=True, width=None if sys.stderr.isatty() else PIPED_WIDTH, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a message on standard error."""
    messages.print(escape(text))


def write(text: str) -> None:
    """Print a line of the answer on standard output."""
    output.print(escape(text), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    numbers: Sequence[str] = (),
    unbroken: Sequence[str] = (),
) -> None:
    """Print a table on standard output: `numbers` are set to the right, `unbroken` columns never folded."""
    if title:
        # As a title of the table it would be broken to the table's width.
        output.print(f"[bold]{escape(title)}[/bold]", soft_wrap=True)
    table = Table()
    for name in columns:
        table.add_column(
            name, justify="right" if name in numbers else "left", overflow="fold", no_wrap=name in unbroken
        )
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row))
    output.print(table)


def _bars() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[..., None]]:
    """Show a bar with the time left on a terminal; yields a function of done, all, and optionally a name."""
    with _bars() as progress:
        yield _updating(progress, label)


@contextmanager
def training_bar(label: str) -> Iterator[Callable[..., None]]:
    """Show a bar as `progress_bar` does, and below it one for the epochs of the network that is being trained."""
    from fusionser.networks import training_progress

    with _bars() as progress:
        update = _updating(progress, label)
        task = progress.add_task("epochs", total=None, visible=False)

        def epochs(name: str, done: int, most: int) -> None:
            if done == 1:
                progress.reset(task)
            progress.update(task, completed=done, total=most, description=f"  {name}, epochs", visible=done < most)

        with training_progress(epochs):
            yield update


def spoken(update: Callable[..., None]) -> Callable[..., None]:
    """Return a progress function that also says each name on a line, where no bar can be drawn."""

    def report(done: int, total: int, name: str = "") -> None:
        update(done, total, name)
        if name and not messages.is_terminal:
            say(f"{done + 1} of {total}: {name}")

    return report


def _updating(progress: Progress, label: str) -> Callable[..., None]:
    task = progress.add_task(label, total=None)

    def update(done: int, total: int, name: str = "") -> None:
        shown = f"{label}: {name}" if name else label
        progress.update(task, completed=done, total=total, description=escape(shown))

    return update


def recordings(count: int) -> str:
    """Return a number of recordings in words."""
    return f"{count} recording{'' if count == 1 else 's'}"


def warn_quarantine(quarantine: Sequence[dict[str, str]], notes: Sequence[str] = ()) -> None:
    """Say which recordings were set apart, and why."""
    for note in notes:
        say(f"note: {note}")
    if not quarantine:
        return
    say(f"{recordings(len(quarantine))} set apart, as unusable:")
    for entry in quarantine[:SHOWN]:
        say(f"  {entry['reason']}")
    if len(quarantine) > SHOWN:
        say(f"  and {len(quarantine) - SHOWN} more")
