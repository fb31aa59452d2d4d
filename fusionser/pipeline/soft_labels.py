"""Training by the votes of several raters: what it needs, and which parts of a pipeline can."""

from collections.abc import Sequence
from typing import Any

from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.registry import CLASSIFIERS
from fusionser.spec import PipelineSpec

__all__ = ["check_raters", "majority_notes", "train_by_votes"]

PARAMETER = "soft_labels"


def check_raters(spec: PipelineSpec, raters: Sequence[str]) -> None:
    """Raise `SettingsError` if raters are named for numbers, or a specification trains by votes without raters."""
    if raters and spec.targets:
        raise SettingsError(
            "--raters decides the emotion of rows by votes, and --targets asks for numbers; leave one of them out"
        )
    if spec.soft_labels and not raters:
        raise SettingsError(
            "--soft-labels trains by the votes of several raters; name the columns with their labels (--raters "
            "'rater_*'), or leave it out"
        )


def _takes(name: str) -> bool:
    return PARAMETER in CLASSIFIERS[name]().get_params(deep=False)


def train_by_votes(spec: PipelineSpec, last: Any, deep: Sequence[str]) -> None:
    """Let a classifier train by votes if it can. If not, the networks among the blocks do.

    Parameters
    ----------
    spec : PipelineSpec
    last : TableClassifier
    deep : sequence of str
        Names of the networks among the blocks.

    Raises
    ------
    SettingsError
        If there is nothing that can, or the training rows are balanced by rows that nobody has voted on.
    """
    if PARAMETER in last.get_params(deep=False):
        if last.balance is not None:
            raise SettingsError(
                f"--imbalance {last.balance} makes rows between those of a class, which no rater has heard, so it does "
                "not go with --soft-labels; use weights, oversample or undersample"
            )
        last.set_params(**{PARAMETER: True})
    elif not deep:
        able = [name for name in CLASSIFIERS.loadable() if _takes(name)]
        raise SettingsError(
            f"{spec.classifier.name} cannot train by the shares of votes (--soft-labels); classifiers that can: "
            f"{', '.join(able)}. So can every network (--network, or in --blocks)"
        )


def majority_notes(decides: str) -> list[Stamp]:
    """Return a note if the part that decides, by its name, learns the emotion with most votes, beside networks.

    Examples
    --------
    >>> [note.value for name in ("svm", "mlp", "network-alone") for note in majority_notes(name)]
    ['svm']
    """
    majority = decides in CLASSIFIERS and not _takes(decides)
    return [Stamp(kind="majority-labels", value=decides)] if majority else []
