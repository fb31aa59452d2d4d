"""A table of calls in, the table with emotions out: `python table.py calls.csv answered.csv`.

`calls.csv` has a column `file`, and any others, which stay. `start` and `end` choose a part of a file, in seconds.
"""

import sys
from pathlib import Path

import pandas as pd

import fusionser


def main(source: str, target: str) -> None:
    """Predict every recording of a table, and print how often each emotion was heard."""
    calls = pd.read_csv(source)
    # Paths are relative to the table.
    calls["file"] = [str(Path(source).parent / file) for file in calls["file"]]
    answers = fusionser.load_model().predict(calls)
    answers.to_csv(target, index=False)
    usable = answers[answers["error"] == ""]
    for emotion, count in usable["emotion"].value_counts().items():
        print(emotion, count)
    print(f"{len(answers) - len(usable)} of {len(answers)} cannot be used")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python table.py calls.csv answered.csv")
    main(*sys.argv[1:])
