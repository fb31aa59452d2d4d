"""Mix feature sets in a ColumnTransformer, search a grid by speaker, and score the result on unseen speakers.

Run it as ``python mixed_features.py FOLDER CORPUS``, for example ``python mixed_features.py emodb emodb``. It needs the
extras ``opensmile`` and ``ge2e``. The features are computed once, in a
minute for 500 recordings, and then come from the cache.
"""

import argparse

from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fusionser import robust
from fusionser.corpora import list_rows
from fusionser.evaluation import evaluate
from fusionser.features import GE2E, OpenSMILE
from fusionser.reporting.words import stamp_texts
from fusionser.splits import SpeakerKFold


def mixed() -> Pipeline:
    """Return three feature sets side by side, each standardised, and a support vector machine."""
    sets = {"egemaps": OpenSMILE(), "ge2e": GE2E(), "robust": robust()}
    # Every transformer reads the column with the paths, and has a weight that a search can change.
    columns = [(name, make_pipeline(features, StandardScaler()), ["file"]) for name, features in sets.items()]
    return Pipeline([("features", ColumnTransformer(columns)), ("svm", SVC(class_weight="balanced"))])


def main(folder: str, corpus: str) -> None:
    """Search the parameters on the training speakers of each fold, and print the score on the others."""
    rows = list_rows(folder, corpus).rows
    # What is weighted 0 is left out, so the search also tells which set is of use.
    grid = {
        "svm__C": [1.0, 10.0],
        "features__transformer_weights": [None, {"egemaps": 0.0}, {"ge2e": 0.0}, {"robust": 0.0}],
    }
    search = GridSearchCV(mixed(), grid, cv=SpeakerKFold(folds=3), scoring="balanced_accuracy", verbose=1)
    evaluation = evaluate(rows, search, SpeakerKFold(folds=min(5, rows["speaker"].nunique())))
    scores = evaluation.pooled
    print(f"UAR {scores.uar:.3f}, WAR {scores.war:.3f} on unseen speakers")
    for fold in evaluation.folds:
        weights = fold.parameters["features__transformer_weights"]
        print(f"- tested on {fold.name}: C = {fold.parameters['svm__C']:g}, left out: {', '.join(weights or ['none'])}")
    for sentence in stamp_texts(evaluation.protocol.stamps):
        print(f"- {sentence}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="recordings of at least four speakers")
    parser.add_argument("corpus", help="such as emodb, or folders")
    given = parser.parse_args()
    main(given.folder, given.corpus)
