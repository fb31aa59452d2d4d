"""Printing: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID

from fusionser.storage import shown

from .tables import Kinds, fitted, row_lines
from .time_left import Counted, Pace, TimeLeft

PIPED_WIDTH = 200
SHOWN = 10
BAR_WIDTH = 20


def _width(stream: Any) -> int | None:
    """Return the width for a stream that is no terminal, or was closed by who started this process."""
    # A pipe has no width; the default of 80 columns would cut file names.
    return None if stream is not None and stream.isatty() else PIPED_WIDTH


output = Console(width=_width(sys.stdout), highlight=False)
messages = Console(stderr=True, width=_width(sys.stderr), highlight=False, soft_wrap=True)


DIRECTIONS = (0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Characters that change the direction of a text, or begin a line."""

CONTROLS = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))},
    **{code: f"\\u{code:04x}" for code in DIRECTIONS},
    **{ord(letter): repr(letter)[1:-1] for letter in "\n\r\t"},
}
"""Control characters, which a terminal may obey, and what is printed for them: names and labels may be a stranger's."""

IN_JSON = {code: f"\\u{code:04x}" for code in (*range(127, 160), *DIRECTIONS)}
"""The same for JSON, which escapes the others by itself."""


def say(text: str) -> None:
    """Print a message on standard error, on one line."""
    messages.print(plain(text))


def write(text: str) -> None:
    """Print a line of the result on standard output."""
    output.print(plain(text), soft_wrap=True)


def write_page(page: str) -> None:
    """Print a text of several lines on standard output."""
    for line in page.split("\n"):
        write(line)


def write_bold(text: str) -> None:
    """Print a heading on standard output."""
    # rich would wrap a title of a table at the table's width.
    output.print(f"[bold]{plain(text)}[/bold]", soft_wrap=True)


def plain(text: str) -> str:
    """Return a text of which a terminal, and rich, show all characters and obey none."""
    return escape(_visible(text))


def _visible(text: str) -> str:
    """Return a text of which a terminal shows all characters and obeys none."""
    return shown(text).translate(CONTROLS)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output, with escapes for what its encoding does not have."""
    text = shown(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)).translate(IN_JSON)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = shown(json.dumps(value, indent=2, allow_nan=False))
    sys.stdout.write(text + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], **kinds: Any) -> None:
    """Print a table on standard output; `kinds` are those of `Kinds`, such as ``numbers``.

    If it does not fit, each row is printed as lines.
    """
    if title:
        write_bold(title)
    names, cells = [_visible(name) for name in columns], [[_visible(str(value)) for value in row] for row in rows]
    table, left_out = fitted(names, cells, Kinds(**kinds), output.width)
    if table is not None:
        output.print(table)
    else:
        for row in cells:
            first, *others = row_lines(names, row, output.width)
            write_bold(first)
            for line in others:
                write(line)
    if left_out:
        write(f"left out for lack of room: {', '.join(left_out)}; --json has all")


@contextmanager
def _bar(label: str) -> Iterator[tuple[Progress, Callable[..., None]]]:
    columns = ("{task.description}", BarColumn(BAR_WIDTH), Counted(), TimeLeft())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task, pace = _task(progress, label)

        def update(done: int, total: int, name: str = "") -> None:
            shown = f"{label}: {name}" if name else label
            pace.note(done, progress.get_time())
            progress.update(task, completed=done, total=total, description=plain(shown))

        yield progress, update


def _task(progress: Progress, label: str, *, visible: bool = True) -> tuple[TaskID, Pace]:
    pace = Pace()
    return progress.add_task(label, total=None, visible=visible, pace=pace), pace


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[..., None]]:
    """Show a progress bar on a terminal; yield its update function, of the count, the total and optionally a name."""
    with _bar(label) as (_, update):
        yield update


@contextmanager
def training_bar(label: str) -> Iterator[Callable[..., None]]:
    """Show a progress bar, and below it one for another long step, and one for the epochs of a network."""
    from fusionser.networks import training_progress
    from fusionser.progress import step_progress

    with _bar(label) as (progress, update):
        steps, epochs = _inner_bar(progress), _inner_bar(progress)
        with training_progress(lambda name, done, most: epochs(f"{name}, epochs", done, most)), step_progress(steps):
            yield update


def _inner_bar(progress: Progress) -> Callable[[str, int, int], None]:
    """Return the update function of a bar that is shown while something is left of what it counts."""
    task, pace = _task(progress, "", visible=False)
    counted = ""

    def update(what: str, done: int, most: int) -> None:
        nonlocal counted
        if what != counted:
            counted = what
            pace.begin()
        if pace.note(done, progress.get_time()):
            progress.reset(task)
        progress.update(task, completed=done, total=most, description=f"  {plain(what)}", visible=done < most)

    return update


@contextmanager
def step_bar(label: str) -> Iterator[None]:
    """Show a progress bar for long steps, such as passes over rows."""
    from fusionser.progress import step_progress

    with _bar(label) as (_, update), step_progress(lambda what, done, most: update(done, most, what)):
        yield


def spoken(update: Callable[..., None]) -> Callable[..., None]:
    """Return a progress function that prints each name on a line if there is no terminal for a bar."""

    def report(done: int, total: int, name: str = "") -> None:
        update(done, total, name)
        if name and not messages.is_terminal:
            say(f"{done + 1} of {total}: {name}")

    return report


def write_report_place(page: Path, formats: Any, content: str = "", *, copies: bool = False) -> None:
    """Print where a report is, what it is of, whether recordings are in it, and where its tables are.

    `copies` is whether these recordings are pairs of copies, as in an audit.
    """
    from fusionser.reporting.misclassified import heard_in

    web = page.with_suffix(".html")
    write(f"report: {web}{f' ({content})' if content else ''}")
    heard = heard_in(web)
    if heard and copies:
        say(f"note: it contains {counted(heard // 2, 'pair')} of copies to listen to; --listen 0 leaves them out")
    elif heard:
        them, were = ("it", "was") if heard == 1 else ("them", "were")
        say(f"note: it contains {recordings(heard)} that {were} misclassified; --players 0 leaves {them} out")
    if formats.tables:
        from fusionser.reporting.formats import TABLES

        write(f"tables: {page.parent / TABLES}")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, which takes an s in the plural."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def recordings(count: int) -> str:
    """Return a count with its noun."""
    return counted(count, "recording")


def warn_quarantine(quarantine: Sequence[dict[str, str]], notes: Sequence[str] = ()) -> None:
    """Print the notes on the recordings, and which of them were set aside, and why."""
    for note in notes:
        say(f"note: {note}")
    say_reasons(f"{recordings(len(quarantine))} set aside as unusable:", [entry["reason"] for entry in quarantine])


def say_reasons(heading: str, reasons: Sequence[str]) -> None:
    """Print a heading, and the first of the reasons below it; nothing if there are none."""
    if reasons:
        say(heading)
    for reason in reasons[:SHOWN]:
        say(f"  {reason}")
    if len(reasons) > SHOWN:
        say(f"  and {len(reasons) - SHOWN} more")
