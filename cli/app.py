"""The command ``fusionser``: its subcommands, and what it prints when one fails."""

import atexit
import gc
import os
import sys
from collections.abc import Callable

import typer

from fusionser.errors import FusionserError

from .ablate import ablate
from .audit import audit
from .checks import check_given
from .console import say
from .corpora import corpora_app
from .evaluate import evaluate
from .evaluate_timeline import evaluate_timeline
from .export import export
from .extract import extract
from .fit import fit
from .info import info
from .list import list_names
from .listen import listen
from .naming import NamingCommand
from .option_groups import with_groups, with_option
from .plan import plan
from .predict import predict
from .report import report
from .reproduce import reproduce
from .serve import serve
from .show import show
from .stopped import INTERRUPTED, PIPE_CLOSED, STATUSES_TEXT, STOPPED, failed_status
from .stress import stress
from .study import study
from .tune import tune

ALLOCATIONS = 50_000
"""Allocations between garbage collections. With Python's default, importing torch collects hundreds of times."""

NO_MEMORY = ("failed to map segment", "annot allocate memory")
"""What the linker says when a library does not fit into the memory of the process."""

START, DATA, MODELS, STUDIES = "Start here", "Data", "Models: test, serve, export", "Studies and papers"
"""Headings of the list of commands."""

COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    (START, predict),
    (START, evaluate),
    (START, fit),
    (START, tune),
    (START, info),
    (START, show),
    (DATA, list_names),
    (DATA, extract),
    (DATA, audit),
    (DATA, plan),
    (MODELS, evaluate_timeline),
    (MODELS, stress),
    (MODELS, listen),
    (MODELS, serve),
    (MODELS, export),
    (STUDIES, study),
    (STUDIES, ablate),
    (STUDIES, reproduce),
    (STUDIES, report),
)
"""The commands in the order of the help, each with its heading."""

NAMED = {list_names: "list"}
"""Names of commands that are not those of their functions."""

app = typer.Typer(
    name="fusionser",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Speech emotion recognition: features, honest scores, saved models, predictions.",
    epilog=STATUSES_TEXT,
)
app.add_typer(corpora_app, name="corpora", rich_help_panel=DATA)
for heading, command in COMMANDS:
    app.command(NAMED.get(command), cls=NamingCommand, rich_help_panel=heading)(with_groups(command))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fusionser {version('fusionser')}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Speech emotion recognition: features, honest scores, saved models, predictions."""


OWN_PACKAGES = ("__main__", "cli", "click", "fusionser", "fusionser_cli", "rich", "typer")
"""Packages that end the program when it should end."""


def main() -> None:
    """Run the command line; a failure ends in a message and an exit status, not in a traceback."""
    # Results store the command that reproduces them, however fusionser was started.
    sys.argv[0] = "fusionser"
    gc.set_threshold(ALLOCATIONS)
    # At the end of the process, garbage collection would only free memory that the system frees anyway.
    atexit.register(gc.freeze)
    try:
        check_given(sys.argv[1:], os.environ)
        app(prog_name="fusionser")
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            say(STOPPED)
        if isinstance(stop.__context__, BrokenPipeError):
            # What prints ends the program with 1, which is also that of a failure, or of a leak.
            sys.exit(PIPE_CLOSED)
        if _is_own(stop):
            raise
        say("error: a plugin ended the program; 'fusionser list' shows which packages are used")
    except FusionserError as error:
        say(f"error: {with_option(error, sys.argv[1:])}")
    except MemoryError:
        _say_out_of_memory()
    except OSError as error:
        say(f"error: {error.filename or 'standard output, or a file'}: {error.strerror or error}")
    except Exception as error:
        if isinstance(error, ImportError) and any(text in str(error) for text in NO_MEMORY):
            _say_out_of_memory()
        else:
            _say_internal(error)
    sys.exit(failed_status(sys.argv[1:]))


def _is_own(stop: SystemExit) -> bool:
    """Return whether the program was ended by itself, and not by code from elsewhere."""
    place = stop.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    module = "" if place is None else str(place.tb_frame.f_globals.get("__name__"))
    return module.partition(".")[0] in OWN_PACKAGES


def _say_out_of_memory() -> None:
    # There may be too little for what formats messages.
    if sys.stderr is not None:
        sys.stderr.write("error: out of memory; give fewer recordings at a time, or fewer --jobs\n")


def _say_internal(error: Exception) -> None:
    if os.environ.get("FUSIONSER_TRACEBACK"):
        raise error
    told = " ".join(str(error).split())
    say(
        f"internal error: {type(error).__name__}: {told}. This is a bug in fusionser; run again with "
        "FUSIONSER_TRACEBACK=1 and report what it prints"
    )
