"""A table of calls in, the table with emotions out: `python table.py calls.csv answered.csv`.

`calls.csv` has a column `file`, and any others, which stay. `start` and `end` choose a part of a file, in seconds.
"""

import sys

import pandas as pd

import fusionser


def main(source: str, target: str) -> None:
    """Predict every recording of a table, and print how often each emotion was heard."""
    calls = pd.read_csv(source)
    answers = fusionser.load_model().predict(calls)
    answers.to_csv(target, index=False)
    unusable = answers["error"] != ""
    print(answers.loc[~unusable, "emotion"].value_counts().to_string())
    print(f"{unusable.sum()} of {len(answers)} cannot be used")


if __name__ == "__main__":
    main(*sys.argv[1:3])
