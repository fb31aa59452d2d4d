"""``python -m fusionser``: the command line, as ``fusionser``."""

from fusionser_cli.app import main

if __name__ == "__main__":
    main()
