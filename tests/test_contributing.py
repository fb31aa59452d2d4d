"""What CONTRIBUTING asks of everything with a name; each test says in words what is still missing, and what to add."""

import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from card_checks import card_problems
from conftest import ROOT

import fusionser
from fusionser.classifiers import MemberClassifier
from fusionser.classifiers.neural import NetworkClassifier
from fusionser.corpora import CardCorpus, Corpus, DatasetFormat
from fusionser.errors import CorpusError
from fusionser.features import FeatureBlock, FrameFeature, FrontEnd, RelativeFeature
from fusionser.features.external.base import ExternalBlock
from fusionser.features.maps import ClipMap
from fusionser.networks.baseline import BaselineExtractor
from fusionser.networks.recurrent import FrameExtractor
from fusionser.registry import OWN_OBJECTS, REGISTRIES
from fusionser.regressors import LateFusion
from fusionser.regressors.neural import NetworkRegressor
from fusionser.spec import PipelineSpec
from fusionser.splits import Protocol
from fusionser.tracking import Tracker

sys.path.append(str(ROOT / "docs" / "extensions"))
from name_pages import KINDS

from tools.stubs import PUBLIC_IN, registered, with_names

BASES = {
    "blocks": (FeatureBlock, {FrameFeature, RelativeFeature, ExternalBlock}),
    "front-ends": (FrontEnd, {ClipMap}),
    "networks": (fusionser.networks.DeepExtractor, {FrameExtractor, BaselineExtractor}),
    "classifiers": (fusionser.classifiers.TableClassifier, {NetworkClassifier, MemberClassifier}),
    "regressors": (fusionser.regressors.TableRegressor, {NetworkRegressor, LateFusion}),
    "corpora": (Corpus, {CardCorpus}),
    "dataset-formats": (DatasetFormat, set()),
    "protocols": (Protocol, set()),
    "trackers": (Tracker, set()),
}
"""The base class of a kind, and classes that are bases themselves, or are asked for in another way."""

ALL = [(kind, name) for kind in REGISTRIES for name in OWN_OBJECTS[kind.replace("-", "_")]]


@pytest.fixture(scope="module")
def listed(command):
    """The names of each kind that `fusionser list` shows."""
    return {kind: {one["name"] for one in rows} for kind, rows in command("list", "--json").json.items()}


@cache
def text_of_tests():
    """All test files together, without this one."""
    files = set((ROOT / "tests").glob("*.py")) - {Path(__file__)}
    return "\n".join(path.read_text() for path in sorted(files))


def missing(kind, name, listed):
    """Return in one sentence each what an object of fusionser still lacks."""
    registry, value = REGISTRIES[kind], REGISTRIES[kind][name]
    what = f"the {registry.kind} '{name}'"
    lacks = []
    if not re.fullmatch(r"[A-Z\"`0-9a-z].*\w.*[.]", registry.summary(name)):
        lacks.append(
            f"{what} has no first sentence for `fusionser list`; begin its docstring with one, in one line, "
            "that ends in a full stop"
        )
    if name not in listed.get(kind, ()):
        lacks.append(f"`fusionser list {kind}` does not show {what}")
    if kind not in KINDS:
        lacks.append(f"docs/extensions/name_pages.py has no section for {kind}; add it to KINDS")
    if registry._called and getattr(value, registry._called, None) != name:
        lacks.append(f"{what} has no attribute '{registry._called}' with its name; add {registry._called} = \"{name}\"")
    if kind == "corpora":
        return lacks + card_lacks(what, value)
    documented = value if inspect.isclass(value) or inspect.isfunction(value) else type(value)
    if ">>> " not in (documented.__doc__ or ""):
        lacks.append(f"{what} has no example in its docstring; add a section Examples with lines in >>>")
    lacks += fit_lacks(what, kind, value)
    if not named_in_tests(name, OWN_OBJECTS[kind.replace("-", "_")][name].partition(":")[2]):
        lacks.append(f"no test names {what}; write one in tests/, against a closed form or another package")
    return lacks + stub_lacks(kind, what, value)


CARRIED = {"speaker": "s", "source": "folder/a.wav", "augmentation": "", "corpus": "c"}
"""Columns that a pipeline passes through to a classifier, beside the features."""

ATTRIBUTES = {"classifiers": ("classes_", "n_features_in_"), "regressors": ("n_features_in_", "flat_")}
"""What `predict` needs of a fitted object."""


def fit_lacks(what, kind, value):
    """Return why a classifier or regressor cannot be fitted as evaluations do: to columns beside carried ones."""
    if kind not in ATTRIBUTES:
        return []
    remedy = "begin fit with: values, targets = self._training(X, y)"
    rng = np.random.default_rng(0)
    columns = pd.DataFrame(rng.normal(size=(40, 3)), columns=["a__0", "a__1", "a__2"])
    table = pd.concat([pd.DataFrame(CARRIED, index=columns.index), columns], axis=1)
    targets = np.array(["calm", "sad"] * 20) if kind == "classifiers" else rng.normal(size=(40, 2))
    model = value()
    model.set_params(**{key: 1 for key in ("epochs", "n_estimators") if key in model.get_params()})
    try:
        model.fit(table, targets)
        absent = [name for name in ATTRIBUTES[kind] if not hasattr(model, name)]
        if absent:
            return [f"{what} has no {' and '.join(absent)} after fit; {remedy}"]
        model.predict(table)
    except Exception as error:
        return [
            f"{what} cannot be fitted to a table with the columns {', '.join(CARRIED)} beside the features "
            f"({type(error).__name__}: {error}); {remedy}"
        ]
    return []


@cache
def templates_of_tests():
    """Names that tests make, such as f"white-noise-{ratio}-db", as regular expressions."""
    found = set(re.findall(r"f[\"']([a-z0-9-]*\{[^\"'\s]*)[\"']", text_of_tests()))
    plain = {re.sub(r"\{[^}]*\}", "{}", text) for text in found}
    return [
        re.sub(r"\{\}", "[a-z0-9]+", text) for text in plain if re.fullmatch(r"[a-z0-9{}-]*[a-z]{3}[a-z0-9{}-]*", text)
    ]


def named_in_tests(name, attribute):
    """Return whether a test has the name of a class, or the registered name in a text, alone or in a list."""
    if re.search(rf"\b{attribute}\b|[\"',+= ]{name}[\"',+:( ]", text_of_tests()):
        return True
    return any(re.fullmatch(template, name) for template in templates_of_tests())


def stub_lacks(kind, what, value):
    """Return what the package that exports an object does not say of it, with the command that writes it."""
    folder = PUBLIC_IN.get(kind.replace("-", "_"))
    if folder is None:
        return []
    package = importlib.import_module(f"fusionser.{folder}")
    attribute = value.__name__
    if attribute in package.__all__ and getattr(package, attribute) is value:
        return []
    return [f"{what} is not in fusionser/{folder}/__init__.pyi; run: make stubs"]


def card_lacks(what, corpus):
    """Return what the card of a corpus lacks, or says otherwise than the corpus does."""
    try:
        return [f"{what}: {problem}" for problem in card_problems(corpus)]
    except CorpusError as error:
        return [f"{what} has no card that can be read; write data/{corpus.name}/card.toml ({error})"]


def unregistered(kind, value):
    """Return the line that a class of a kind lacks in the registry."""
    group = kind.replace("-", "_")
    place = f"{value.__module__.removeprefix('fusionser.')}:{value.__name__}"
    if place in OWN_OBJECTS[group].values():
        return []
    name = getattr(value, REGISTRIES[kind]._called or "", "<name>")
    return [f'{value.__name__} is not registered; add to "{group}" in OWN_OBJECTS the line: "{name}": "{place}",']


@cache
def modules():
    return [importlib.import_module(one.name) for one in pkgutil.walk_packages(fusionser.__path__, "fusionser.")]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_nothing_is_missing(kind, name, listed):
    lacks = missing(kind, name, listed)
    assert not lacks, "\n".join(lacks)


@pytest.mark.parametrize("kind", BASES)
def test_every_class_is_registered(kind):
    base, others = BASES[kind]
    found = {
        value
        for module in modules()
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, base) and value is not base and value.__module__ == module.__name__
    }
    # Those that hold classifiers are asked for by --fusion and --imbalance.
    found = {one for one in found - others if not issubclass(one, MemberClassifier)}
    lacks = [line for value in sorted(found, key=repr) for line in unregistered(kind, value)]
    assert not lacks, "\n".join(lacks)


def test_every_card_is_of_a_registered_corpus():
    cards = {path.parent.name for path in (ROOT / "data").glob("*/card.toml")}
    lines = [f'add to "corpora" in OWN_OBJECTS: "{name}": "corpora.from_card:{name}",' for name in sorted(cards)]
    assert [line for line in lines if line.split('"')[3] not in OWN_OBJECTS["corpora"]] == []


class Crust(FeatureBlock):
    def names(self):
        return ["crust"]

    def compute(self, clip):
        return np.zeros(1, dtype=np.float32)


class Tides(Corpus):
    name = "tides"


def steady_alternation(rows):
    return rows


def planted(monkeypatch, kind, name, value):
    """Register a class of fusionser as one line would."""
    module, attribute = f"{PUBLIC_IN.get(kind, kind)}.{name}", getattr(value, "__name__", name)
    monkeypatch.setattr(value, "__module__", f"fusionser.{module}")
    monkeypatch.setitem(REGISTRIES[kind]._own, name, f"{module}:{attribute}")
    monkeypatch.setitem(REGISTRIES[kind]._loaded, name, value)


def test_a_class_with_nothing_lacks_everything(monkeypatch, listed):
    monkeypatch.setattr(Crust, "__doc__", None)
    planted(monkeypatch, "blocks", "crust", Crust)
    assert missing("blocks", "crust", listed) == [
        "the feature block 'crust' has no first sentence for `fusionser list`; begin its docstring with one, "
        "in one line, that ends in a full stop",
        "`fusionser list blocks` does not show the feature block 'crust'",
        "the feature block 'crust' has no attribute 'kind' with its name; add kind = \"crust\"",
        "the feature block 'crust' has no example in its docstring; add a section Examples with lines in >>>",
        "no test names the feature block 'crust'; write one in tests/, against a closed form or another package",
        "the feature block 'crust' is not in fusionser/features/__init__.pyi; run: make stubs",
    ]
    monkeypatch.delitem(REGISTRIES["blocks"]._own, "crust")
    monkeypatch.setattr(Crust, "kind", "crust", raising=False)
    assert unregistered("blocks", Crust) == [
        'Crust is not registered; add to "blocks" in OWN_OBJECTS the line: "crust": "features.crust:Crust",'
    ]


def test_a_corpus_without_a_card_and_a_function_without_a_stub_are_told(monkeypatch, listed):
    planted(monkeypatch, "corpora", "tides", Tides())
    lacks = missing("corpora", "tides", listed)
    assert "`fusionser list corpora` does not show the corpus 'tides'" in lacks
    assert "the corpus 'tides' has no card that can be read; write data/tides/card.toml" in lacks[-1]
    planted(monkeypatch, "protocols", "steady-alternation", steady_alternation)
    line = missing("protocols", "steady-alternation", listed)[-1]
    assert line == "the protocol 'steady-alternation' is not in fusionser/splits/__init__.pyi; run: make stubs"
    monkeypatch.delitem(KINDS, "protocols")
    assert any(
        "name_pages.py has no section for protocols" in line for line in missing("protocols", "given-split", listed)
    )


def example_of(section):
    """Return the class that the page shows under a heading."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    source = textwrap.dedent(re.search(r"( *)```python\n(.*?)```", text, flags=re.DOTALL)[2])
    names = {}
    exec(source, names)
    return [one for one in names.values() if inspect.isclass(one)][-1]


def test_the_classifier_of_the_page_evaluates(demo_folder, monkeypatch):
    shown = example_of("A classifier")
    assert fit_lacks("it", "classifiers", shown) == []
    monkeypatch.setitem(REGISTRIES["classifiers"]._added, "nearest-middle", shown)
    spec = PipelineSpec.model_validate({"features": {"blocks": ["mfcc"]}, "classifier": {"name": "nearest-middle"}})
    result = fusionser.evaluate(demo_folder, spec, corpus="demo", protocol="speaker-kfold")
    assert result.pooled.uar > 0.2
    # Two classes, with the medians 1 and 5: at 4, the squares are 9 and 1.
    fitted = shown().fit([[0.0], [1.0], [5.0], [4.0], [5.0], [9.0]], ["calm"] * 3 + ["sad"] * 3)
    assert fitted.predict_proba([[4.0]])[0] == pytest.approx([np.exp(-8) / (1 + np.exp(-8)), 1 / (1 + np.exp(-8))])


def test_the_regressor_of_the_page_finds_a_line():
    shown = example_of("A regressor")
    assert fit_lacks("it", "regressors", shown) == []
    assert shown().fit([[0.0], [1.0], [2.0]], [3.0, 5.0, 7.0]).predict([[10.0]]) == pytest.approx([23.0])


class PlainMean(fusionser.classifiers.TableClassifier):
    balance = None

    def fit(self, X, y):
        self.middle_ = np.asarray(X, dtype=float).mean()
        return self


class Forgetful(fusionser.regressors.TableRegressor):
    def fit(self, X, y):
        return self


def test_a_class_that_reads_the_whole_table_is_told_how_fit_begins():
    (told,) = fit_lacks("the classifier 'plain-mean'", "classifiers", PlainMean)
    assert told.startswith(
        "the classifier 'plain-mean' cannot be fitted to a table with the columns speaker, source, augmentation, "
        "corpus beside the features (ValueError: could not convert string to float"
    )
    assert told.endswith("; begin fit with: values, targets = self._training(X, y)")
    assert fit_lacks("the regressor 'forgetful'", "regressors", Forgetful) == [
        "the regressor 'forgetful' has no n_features_in_ and flat_ after fit; "
        "begin fit with: values, targets = self._training(X, y)"
    ]


@pytest.mark.parametrize("package", sorted(set(PUBLIC_IN.values())))
def test_stubs_are_as_the_command_writes_them(package):
    stub = (ROOT / "fusionser" / package / "__init__.pyi").read_text()
    assert with_names(stub, registered(package)) == stub, "run: make stubs"


def test_the_command_keeps_lines_of_others_and_moves_those_of_the_registry():
    stub = "import fusionser\n\nfrom .base import Crust as Crust\nfrom .pitch import track as track\n\nX: int\n"
    assert with_names(stub, {"Crust": "crust", "ZCR": "pitch", "Track": "pitch"}) == (
        "import fusionser\n\nfrom .crust import Crust as Crust\nfrom .pitch import ZCR as ZCR\n"
        "from .pitch import Track as Track\nfrom .pitch import track as track\n\nX: int\n"
    )


CREST = '''"""The crest factor."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fusionser.features.base import FeatureBlock
from fusionser.features.clip import Clip


@dataclass(kw_only=True, eq=False, repr=False)
class Crest(FeatureBlock):
    """Peak of the samples over their root mean square."""

    kind: ClassVar[str] = "crest"

    def names(self) -> list[str]:
        return ["factor"]

    def compute(self, clip: Clip) -> np.ndarray:
        samples, _ = clip.samples()
        return np.array([np.abs(samples).max() / np.sqrt(np.mean(samples**2))], dtype=np.float32)
'''

USED = """
import numpy as np
from fusionser.features import MFCC, Crest, FeatureExtractor
tone = np.cos(2 * np.pi * 441 / 22050 * np.arange(22050))
extractor = FeatureExtractor(blocks=[("crest", Crest()), ("mfcc", MFCC(n_mfcc=2))])
print(extractor.fit_transform([(tone, 22050)]).round(2)[0, 0], extractor.get_feature_names_out()[0])
"""


def test_a_feature_is_one_file_and_one_line(tmp_path):
    copied = shutil.copytree(ROOT / "fusionser", tmp_path / "fusionser", ignore=shutil.ignore_patterns("pretrained"))
    for name, folder in (("fusionser_cli", "cli"), ("fusionser_data", "data"), ("tools", "tools")):
        (tmp_path / name).symlink_to(ROOT / folder)
    (copied / "features" / "crest.py").write_text(CREST)
    registry = copied / "registry.py"
    line = '    "blocks": {\n'
    text = registry.read_text()
    assert line in text
    registry.write_text(text.replace(line, line + '        "crest": "features.crest:Crest",\n', 1))
    surroundings = {**os.environ, "PYTHONPATH": str(tmp_path), "FUSIONSER_CACHE": "off"}

    def run(*arguments):
        done = [sys.executable, *arguments]
        done = subprocess.run(done, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "tools.stubs")
    assert "from .crest import Crest as Crest\n" in (copied / "features" / "__init__.pyi").read_text()
    listed = json.loads(run("-m", "fusionser", "list", "blocks", "--json"))["blocks"]
    assert ("crest", "Peak of the samples over their root mean square.") in {
        (one["name"], one["summary"]) for one in listed
    }
    # The peak of a tone is the square root of two times its root mean square.
    assert run("-c", USED) == "1.41 crest__factor\n"
