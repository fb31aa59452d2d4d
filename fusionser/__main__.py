"""``python -m fusionser``: the command line, as ``fusionser``."""

from fusionser_cli.start import main

if __name__ == "__main__":
    main()
