"""What the command line says and returns after Ctrl-C."""

INTERRUPTED = 130
"""Exit status."""

STOPPED = (
    "stopped. Run the same command again to continue: what is in the cache, or in an output folder, is not computed "
    "again"
)
