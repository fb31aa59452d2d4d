"""Names: what comes with fusionser, what packages add, and what a program registers."""

import re
import subprocess
import sys
import types

import numpy as np
import pytest
from distributions import write_distribution

from fusionser.classifiers import TableClassifier, classifier
from fusionser.corpora import Corpus
from fusionser.errors import SettingsError
from fusionser.features import FeatureBlock, FeatureExtractor
from fusionser.pipeline import PipelineSpec, build_features
from fusionser.registry import (
    AUGMENTATIONS,
    BLOCKS,
    CLASSIFIERS,
    CORPORA,
    FRONT_ENDS,
    NETWORKS,
    PRESETS,
    PROTOCOLS,
    REGISTRIES,
    Registry,
    code_origin,
)

OWN = {"first": "splits.protocols:SpeakerHoldout", "second": "splits.protocols:SpeakerKFold"}


@pytest.fixture
def registered(monkeypatch):
    """Register for one test alone."""
    for registry in REGISTRIES.values():
        monkeypatch.setattr(registry, "_added", {})


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a distribution for one test, and return a registry of protocols that knows it."""

    def install(points, name="a-package", own=OWN, called=None, **modules):
        monkeypatch.syspath_prepend(write_distribution(tmp_path / name, name, {"protocols": points}, modules))
        for module in modules:
            monkeypatch.delitem(sys.modules, module, raising=False)
        return Registry("protocol", "protocols", own, called=called)

    return install


def in_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_names_come_in_order_own_ones_first_then_packages_then_those_of_the_program(installed):
    registry = installed({"zebra": "zoo:ANIMAL", "ant": "zoo:ANIMAL"}, zoo="ANIMAL = object()")
    registry.register("mine", object())
    assert list(registry) == ["first", "second", "ant", "zebra", "mine"]
    assert len(registry) == 5
    assert {"first", "ant", "mine"} <= set(registry)
    assert "other" not in registry
    assert registry.get("other") is None
    assert registry["ant"] is registry["zebra"]


def test_asking_for_names_imports_nothing():
    loaded = "print([name for name in ('torch', 'numpy', 'sklearn', 'fusionser.classifiers') if name in sys.modules])"
    names = "[list(one) for one in REGISTRIES.values()]; 'mlp' in CLASSIFIERS; CLASSIFIERS.origin('mlp')"
    code = f"import sys; from fusionser.registry import *; {names}; {loaded}; CLASSIFIERS['svm']; {loaded}"
    assert in_new_process(code).splitlines()[0] == "[]"
    assert in_new_process(code).splitlines()[1] != "[]"


def test_a_protocol_is_had_without_torch():
    code = "import sys; from fusionser.registry import *; PROTOCOLS['speaker-kfold']; print('torch' in sys.modules)"
    assert in_new_process(code) == "False"


def test_a_module_of_a_package_is_imported_when_it_is_asked_for(installed):
    registry = installed({"lazy": "lazy_module:THING"}, lazy_module="THING = 'it'")
    assert "lazy" in registry
    assert registry.origin("lazy") == "a-package 1.0"
    assert "lazy_module" not in sys.modules
    assert registry.named("lazy") == "it"
    assert "lazy_module" in sys.modules


def test_an_unknown_name_is_told_with_those_that_there_are(installed):
    registry = installed({"third": "thirds:THING"}, thirds="THING = 1")
    with pytest.raises(
        SettingsError, match="unknown protocol 'thrid'; did you mean 'third'. Known: first, second, third"
    ):
        registry.named("thrid")
    with pytest.raises(KeyError):
        registry["thrid"]


@pytest.mark.usefixtures("registered")
def test_what_is_registered_is_used_like_any_other_and_may_be_registered_again():
    class Zeros(FeatureBlock):
        """Nothing but a zero."""

        kind = "zeros"

        def names(self):
            return ["zero"]

        def compute(self, clip):
            return np.zeros(1, dtype=np.float32)

    assert BLOCKS.register("zeros", Zeros) is Zeros
    assert BLOCKS["zeros"] is Zeros
    extractor = build_features(PipelineSpec(features={"blocks": ["zeros"]}))
    assert extractor.transform([(np.ones(100), 16000)]).tolist() == [[0.0]]
    assert FeatureExtractor.from_settings(extractor.settings()).get_feature_names_out().tolist() == ["zeros__zero"]
    assert BLOCKS.summary("zeros") == "Nothing but a zero."
    assert BLOCKS.origin("zeros").startswith("test_registry ")
    again = type("Zeros", (Zeros,), {"__doc__": "Another zero."})
    BLOCKS.register("zeros", again)
    assert BLOCKS.summary("zeros") == "Another zero."


@pytest.mark.usefixtures("registered")
def test_names_that_are_taken_are_refused(installed):
    with pytest.raises(SettingsError, match="the feature block 'mfcc' exists already, from fusionser; use another"):
        BLOCKS.register("mfcc", BLOCKS["rms"])
    registry = installed({"theirs": "theirs:THING"}, theirs="THING = 1")
    with pytest.raises(SettingsError, match="'theirs' exists already, from a-package 1.0"):
        registry.register("theirs", 2)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["", "two words", "a,b", "a__b", "Upper", "-a", "a+b"])
def test_a_name_that_no_list_or_column_could_hold_is_refused(name):
    with pytest.raises(SettingsError, match="expected lower-case letters, digits and single hyphens"):
        CLASSIFIERS.register(name, CLASSIFIERS["svm"])


@pytest.mark.usefixtures("registered")
def test_an_object_must_go_by_its_name():
    with pytest.raises(
        SettingsError, match="'rms2' cannot be registered: its attribute 'kind' is 'rms'; expected 'rms2'"
    ):
        BLOCKS.register("rms2", BLOCKS["rms"])


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("registry", "value", "expected"),
    [
        (BLOCKS, 3, "it is 3; expected a subclass of FeatureBlock"),
        (BLOCKS, BLOCKS["rms"](), "expected a subclass of FeatureBlock"),
        (NETWORKS, BLOCKS["rms"], "expected a subclass of DeepExtractor"),
        (FRONT_ENDS, BLOCKS["rms"], "expected a subclass of FrontEnd"),
        (CLASSIFIERS, BLOCKS["rms"], "expected a subclass of TableClassifier"),
        (CORPORA, 3, "expected an instance of Corpus"),
        (AUGMENTATIONS, len, "expected an instance of Kind"),
        (PROTOCOLS, object, "expected a subclass of Protocol"),
        (PRESETS, 3, "it is 3; expected a function that returns a FeatureExtractor"),
    ],
)
def test_an_object_of_another_kind_is_refused_when_it_is_registered(registry, value, expected):
    with pytest.raises(SettingsError, match=f"the {registry.kind} 'odd' cannot be registered: .*{expected}"):
        registry.register("odd", value)


@pytest.mark.usefixtures("registered")
def test_a_corpus_brings_its_own_card():
    class Bare(Corpus):
        name = "bare"

    with pytest.raises(
        SettingsError, match="'bare' cannot be registered: the card of the corpus 'bare' cannot be read"
    ):
        CORPORA.register("bare", Bare)

    class Borrowed(Corpus):
        name = "borrowed"
        card = CORPORA["savee"].card

    with pytest.raises(SettingsError, match="its card is that of 'savee'; expected 'borrowed'"):
        CORPORA.register("borrowed", Borrowed())


def test_a_package_that_cannot_be_imported_is_named_and_harms_no_other(installed):
    registry = installed(
        {"broken": "broken_module:THING", "sound": "sound_module:THING", "gone": "sound_module:NOTHING"},
        broken_module="import no_such_module",
        sound_module="THING = 'it'",
    )
    message = (
        r"the protocol 'broken' of the package a-package 1\.0 cannot be loaded: ModuleNotFoundError: No module named "
        r"'no_such_module'\. Repair or remove that package"
    )
    for _ in range(2):
        with pytest.raises(SettingsError, match=message):
            registry.named("broken")
    with pytest.raises(SettingsError, match="cannot be loaded: AttributeError"):
        registry["gone"]
    assert "broken" in registry
    assert registry["sound"] == "it"
    assert registry.loadable() == ["first", "second", "sound"]
    assert registry.origin("broken") == "a-package 1.0"


def test_a_package_whose_object_has_another_name_is_named(installed):
    registry = installed(
        {"other": "other_module:Thing"}, called="name", other_module="class Thing:\n    name = 'thing'"
    )
    with pytest.raises(SettingsError, match="a-package 1.0 cannot be loaded: .*'name' is 'thing'; expected 'other'"):
        registry["other"]


def test_a_package_cannot_take_a_name_that_is_taken(installed):
    installed({"first": "b:THING", "shared": "b:THING"}, name="b-package", b="THING = 'b'")
    registry = installed({"shared": "a:THING"}, a="THING = 'a'")
    assert registry["first"].__name__ == "SpeakerHoldout"
    assert registry["shared"] == "a"
    assert registry.passed_over() == [("first", "b-package 1.0"), ("shared", "b-package 1.0")]


def test_the_origin_of_code_is_its_package_or_its_source():
    assert code_origin(BLOCKS["mfcc"]) == code_origin(BLOCKS["mfcc"]()) == code_origin(PRESETS["wide"]) == ""
    assert code_origin(np.linalg.LinAlgError) == f"numpy {np.__version__}"

    def made(body):
        module = types.ModuleType("no_package")
        exec(f"def made():\n    return {body}\n", module.__dict__)
        return module.made

    assert code_origin(made("1")).startswith("no_package")
    first, second, third = (code_origin(one) for one in (one_way, other_way, OneWay()))
    assert first.startswith("test_registry ")
    assert len({first, second, third}) == 3
    assert code_origin(OneWay) == third


def one_way():
    return 1


def other_way():
    return 2


class OneWay:
    pass


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_name_has_a_summary_that_stands_alone(kind):
    registry = REGISTRIES[kind]
    summaries = {name: registry.summary(name) for name in registry}
    for name, summary in summaries.items():
        # Nothing that only the documentation around it explains, and one line of a terminal.
        assert re.fullmatch(r"[A-Z0-9][^`]{15,118}\.", summary), (name, summary)
        assert not re.search(r"\b(see|As|as) [A-Z]\w+[a-z][A-Z]", summary), (name, summary)
    assert len(set(summaries.values())) == len(summaries)
    assert {registry.origin(name) for name in registry} == {"fusionser"}


def test_what_is_registered_goes_by_the_name_that_results_hold():
    for registry, attribute in ((BLOCKS, "kind"), (NETWORKS, "kind"), (PROTOCOLS, "name"), (CORPORA, "name")):
        assert {name: getattr(value, attribute) for name, value in registry.items()} == {
            name: name for name in registry
        }


@pytest.mark.usefixtures("registered")
def test_an_augmentation_may_have_a_name_with_hyphens_and_digits():
    from fusionser.augmentation import Kind, augment, made_by, parse_augmentation

    flip = Kind("Upside down.", lambda samples, *_: -samples, lambda rng: 1.0, 0.0, 1.0, "", ".1f")
    AUGMENTATIONS.register("flip-2", flip)
    wanted = parse_augmentation("flip-2(1.0)#3")
    assert (wanted.kind, wanted.value, wanted.copy) == ("flip-2", 1.0, 3)
    assert augment(np.ones(3, dtype=np.float32), 16000, wanted).tolist() == [-1.0] * 3
    assert made_by("noise(12.0)#1") == made_by()
    assert made_by("flip-2(1.0)#3").startswith(f"{made_by()} test_registry ")


def test_code_of_a_program_is_known_by_what_it_does_where_its_source_is_alike():
    def measuring(number):
        class Measured(FeatureBlock):
            """A number."""

            kind = "measured"

            def check(self):
                super().check()

            def compute(self, clip):
                return np.array([self._of(clip)], dtype=np.float32)

            def _of(self, clip):
                return number

        return Measured

    first, second = code_origin(measuring(1.0)), code_origin(measuring(2.0))
    assert first != second
    assert first == code_origin(measuring(1.0)) == code_origin(measuring(1.0)())
    assert first.startswith(f"{__name__} ")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("wanted", "strategy"), [({"class_weight": "balanced"}, "weights"), ({"balance": "smote"}, "smote")]
)
def test_a_classifier_without_weights_or_balancing_is_not_asked_for_them(wanted, strategy):
    class Plain(TableClassifier):
        def __init__(self, random_state=0):
            self.random_state = random_state

    CLASSIFIERS.register("plain", Plain)
    assert classifier("plain", seed=3).random_state == 3
    with pytest.raises(SettingsError, match=f"'plain' has no parameter '.*', so it cannot .* strategy '{strategy}'"):
        classifier("plain", **wanted)


@pytest.mark.parametrize("code", ["import sys; sys.exit()", "raise SystemExit(3)", "raise BaseException('no')"])
def test_a_package_that_ends_the_program_is_named_too(installed, code):
    registry = installed({"ending": "ending_module:THING"}, ending_module=code)
    with pytest.raises(SettingsError, match="'ending' of the package .* cannot be loaded: (SystemExit|BaseException)"):
        registry.named("ending")
    assert registry.loadable() == ["first", "second"]
