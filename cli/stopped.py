"""Exit statuses of the command line, and what it says after Ctrl-C."""

from collections.abc import Sequence

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

PIPE_CLOSED = 141
"""Exit status if the program that reads the output ended first: that of a process that the signal SIGPIPE ends."""

FAILED = 1
"""Exit status of a command that failed."""

WRONG_USE = 2
"""Exit status after an argument or option that a command does not take."""

LEAKED, NOT_AUDITED = 1, 2
"""Exit statuses of an audit: the split leaks, or it could not be audited."""

STATUSES_TEXT = (
    f"Exit statuses: 0 success, {FAILED} failure (the last line says why), {WRONG_USE} wrong use of an option, "
    f"{INTERRUPTED} stopped by Ctrl-C, {PIPE_CLOSED} nobody reads the output; "
    f"of audit: {LEAKED} a leak, {NOT_AUDITED} not audited."
)

STOPPED = (
    "stopped. Run the same command again to continue: what is in the cache, or in an output folder, is not computed "
    "again"
)


def failed_status(arguments: Sequence[str]) -> int:
    """Return the exit status of a command that failed; that of an audit must differ from the one for a leak.

    Examples
    --------
    >>> failed_status(["audit", "split.csv"]), failed_status(["fit"])
    (2, 1)
    """
    return NOT_AUDITED if arguments[:1] == ["audit"] else FAILED
