"""The start of the command line. It imports so little that Ctrl-C ends in a message at any moment."""

import sys

from .stopped import INTERRUPTED, STOPPED


def main() -> None:
    """Import and run the command line."""
    try:
        from .app import main as run

        run()
    except KeyboardInterrupt:
        # While it is imported, or before and after a command; the command's own work ends with the same status.
        sys.stderr.write(f"{STOPPED}\n")
        sys.exit(INTERRUPTED)
