"""What help() says of the estimators: every parameter, with its default."""

import ast
import inspect

import pytest
from sklearn.base import BaseEstimator

from fusionser import classifiers, features, networks
from fusionser.docstrings import DocumentedParameters, parameter_entries
from fusionser.features import MFCC, FeatureBlock, LogMelMap
from fusionser.networks import Conv2DExtractor, Conv2DMFCCExtractor, LogMelFrames

ESTIMATORS = {
    value
    for package in (features, networks, classifiers)
    for value in (getattr(package, name) for name in package.__all__)
    if inspect.isclass(value) and issubclass(value, BaseEstimator)
}


def documented_default(header):
    """Return the default that the first line of an entry tells; empty where it tells none."""
    _, _, text = header.partition(", default=")
    if text:
        return ast.literal_eval(text)
    return None if header.endswith(", optional") else inspect.Parameter.empty


@pytest.mark.parametrize("kind", sorted(ESTIMATORS, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_parameter_is_documented_with_its_default(kind):
    entries = parameter_entries(kind.__doc__)
    parameters = inspect.signature(kind).parameters
    assert {name: documented_default(entries[name][0]) for name in parameters} == {
        name: parameter.default for name, parameter in parameters.items()
    }
    assert set(entries) == set(parameters)
    assert "parameters are those" not in kind.__doc__.lower()


def test_the_walk_finds_what_there_is():
    everything = {*features.BLOCKS.values(), *networks.NETWORKS.values(), *classifiers.CLASSIFIERS.values()}
    assert everything | {features.FeatureExtractor, LogMelMap, classifiers.LateFusion} <= ESTIMATORS


def test_parameters_of_bases_follow_ones_own_in_the_bases_words():
    names = list(parameter_entries(MFCC.__doc__))
    own = ["n_mfcc", "n_mels", "fmax"]
    of_bases = [
        "statistics",
        "deltas",
        "delta_statistics",
        "n_fft",
        "hop_length",
        "sampling_rate",
        "offset",
        "duration",
    ]
    assert names == [*own, *of_bases, "trim", "denoise", "cache", "n_jobs"]
    assert inspect.getdoc(MFCC).index("n_jobs : int, optional") < inspect.getdoc(MFCC).index("Examples\n--------")
    base = parameter_entries(FeatureBlock.__doc__)
    assert parameter_entries(MFCC.__doc__)["cache"] == base["cache"]
    # A word of one's own comes before a base's, and a base's default before none.
    assert parameter_entries(Conv2DMFCCExtractor.__doc__)["front_end"][0] == "front_end : MFCCMap, optional"
    assert parameter_entries(Conv2DExtractor.__doc__)["patience"][0] == "patience : int, optional"
    assert parameter_entries(LogMelFrames.__doc__)["epochs"][0] == "epochs : int, default=60"
    assert parameter_entries(LogMelMap.__doc__)["duration"][0] == "duration : float, default=3.0"


def test_where_there_is_nothing_to_add_a_docstring_is_left_alone():
    class Bare(FeatureBlock):
        kind = "bare"

    class Own(FeatureBlock):
        """A block that stores its parameters itself."""

        def __init__(self, *, level=0.5):
            self.level = level

    class Section(FeatureBlock):
        """A block.

        Notes
        -----
        None.
        """

    assert Bare.__doc__ is None
    assert Own.__doc__ == "A block that stores its parameters itself."
    assert inspect.getdoc(Section).startswith("A block.\n\nParameters\n----------\ncache : ")
    assert inspect.getdoc(Section).endswith("\n\nNotes\n-----\nNone.")
    assert issubclass(Section, DocumentedParameters)
