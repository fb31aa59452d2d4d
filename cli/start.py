"""The start of the command line. It imports so little that Ctrl-C ends in a message at any moment."""

import sys
from io import TextIOWrapper
from typing import Any

from .stopped import INTERRUPTED, STOPPED

SECONDS_UNTIL_TOLD_AGAIN = 0.05


def main() -> None:
    """Import and run the command line."""
    try:
        # Before the block whose end needs it.
        import signal

        try:
            sys.unraisablehook = _pass_on
            _print_any_character()
            from .app import main as run

            run()
        finally:
            # What is left takes a moment, such as removing temporary folders, and must not stop halfway.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        # While it is imported, or before and after a command; the command's own work ends with the same status.
        sys.stderr.write(f"{STOPPED}\n")
        sys.exit(INTERRUPTED)


def _print_any_character() -> None:
    """Print escapes for characters that the encoding of a stream does not have, as on Windows into a pipe."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _pass_on(ignored: Any) -> None:
    """Stop the command where Ctrl-C meets a destructor, whose exceptions Python prints and forgets."""
    if not issubclass(ignored.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(ignored)
        return
    import threading

    # Raised at once, it would meet this function, and be forgotten again.
    again = threading.Timer(SECONDS_UNTIL_TOLD_AGAIN, _interrupt)
    again.daemon = True
    again.start()


def _interrupt() -> None:
    import _thread
    import signal
    import threading

    main_thread = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main_thread is not None:
        # This also ends what waits.
        signal.pthread_kill(main_thread, signal.SIGINT)
    else:
        _thread.interrupt_main()
