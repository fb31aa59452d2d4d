"""What the command line says and returns after Ctrl-C."""

INTERRUPTED = 130
"""Exit status."""

STOPPED = "stopped. Finished work is kept; run the same command again to continue"
