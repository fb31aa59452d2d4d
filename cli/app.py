"""The command ``fusionser``: its sub-commands, and what happens when one fails."""

import atexit
import gc
import os
import sys

import typer

from fusionser.errors import FusionserError

from .ablate import ablate
from .console import say
from .corpora import corpora_app
from .evaluate import evaluate
from .extract import extract
from .fit import fit
from .list import list_names
from .naming import NamingCommand
from .predict import predict
from .report import report
from .reproduce import reproduce
from .study import study

__all__ = ["app", "main"]

INTERRUPTED = 130
ALLOCATIONS = 50_000
"""Between two searches for unreachable cycles; Python's own 700 let an import of torch and scikit-learn be searched
hundreds of times, a third of the time that one prediction takes."""

app = typer.Typer(
    name="fusionser",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Speech emotion recognition: features, honest scores, saved models, predictions.",
)
app.add_typer(corpora_app, name="corpora")
app.command("list", cls=NamingCommand)(list_names)
app.command("extract", cls=NamingCommand)(extract)
app.command("evaluate", cls=NamingCommand)(evaluate)
app.command("fit", cls=NamingCommand)(fit)
app.command("predict", cls=NamingCommand)(predict)
app.command("study", cls=NamingCommand)(study)
app.command("ablate", cls=NamingCommand)(ablate)
app.command("report")(report)
app.command("reproduce", cls=NamingCommand)(reproduce)


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


def main() -> None:
    """Run the command line; every failure ends in a sentence and an exit status, never in a traceback."""
    # However it was started: results keep the command that gives them again.
    sys.argv[0] = "fusionser"
    gc.set_threshold(ALLOCATIONS)
    # The search at the end of the process would free what the system takes back anyway: 0.6 s of one prediction's 4.
    atexit.register(gc.freeze)
    try:
        app(prog_name="fusionser")
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            say("stopped. What was finished is kept; run the same command again to go on")
        raise
    except FusionserError as error:
        say(f"error: {error}")
    except MemoryError:
        say("error: out of memory; give fewer recordings at a time, or fewer --jobs")
    except OSError as error:
        say(f"error: {error.filename or 'a file'}: {error.strerror or error}")
    except Exception as error:
        if os.environ.get("FUSIONSER_TRACEBACK"):
            raise
        say(
            f"internal error: {type(error).__name__}: {error}. This is a bug in fusionser; run again with "
            "FUSIONSER_TRACEBACK=1 and report what it prints"
        )
    sys.exit(1)


if __name__ == "__main__":
    main()
