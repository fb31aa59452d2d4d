"""The specification of a pipeline: what it refuses, and that it comes back from a result's JSON and a file's TOML."""

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fusionser.errors import SettingsError
from fusionser.features import BLOCKS, PRESETS
from fusionser.names import (
    FUSIONS,
    GENDER_FEATURES,
    IMBALANCE,
    INDUCTIVE,
    PRECISIONS,
    ROW_BALANCINGS,
    SCALINGS,
    SETTINGS,
)
from fusionser.pipeline import build_features
from fusionser.registry import CLASSIFIERS, NETWORKS, PROTOCOLS
from fusionser.spec import (
    DEFAULT_SPEC,
    ClassifierSpec,
    ClipSpec,
    Config,
    FeaturesSpec,
    NetworksSpec,
    PipelineSpec,
    ProtocolSpec,
    RowsSpec,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(min_size=1, max_size=8)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
"""What JSON knows, parameters that are None among them."""
parameters = st.dictionaries(names, plain_values, max_size=3)


def tuples(strategy):
    return st.lists(strategy, max_size=3).map(tuple)


clips = st.builds(
    ClipSpec,
    offset=st.none() | numbers,
    duration=st.none() | numbers,
    sampling_rate=st.none() | st.integers(),
    trim=st.none() | st.booleans(),
    denoise=st.none() | st.booleans(),
)
kinds = st.sampled_from([*(set(BLOCKS) - {"gender"}), *NETWORKS])
blocks = st.lists(kinds | parameters, max_size=3, unique_by=str).map(tuple)


def featured(named, clip, gender, **more):
    if any(not isinstance(block, str) for block in named.get("blocks", ())):
        # These have their own.
        return FeaturesSpec(**named, **more)
    return FeaturesSpec(**named, clip=clip, gender=gender, **more)


features = st.builds(
    featured,
    st.sampled_from([*PRESETS]).map(lambda name: {"preset": name}) | blocks.map(lambda own: {"blocks": own}),
    name=st.text(max_size=8),
    keep=tuples(names),
    gender=st.none() | st.sampled_from(GENDER_FEATURES),
    clip=clips,
    corpus_offset=st.none() | st.floats(0, 9),
)
rows = st.builds(
    lambda augment, augment_classes, augment_for, **more: RowsSpec(
        augment=augment,
        augment_classes=augment_classes if augment else "all",
        augment_for=augment_for
        if augment and augment_classes == "all" and more["imbalance"] not in ROW_BALANCINGS
        else "all",
        **more,
    ),
    augment=tuples(names),
    augment_classes=st.sampled_from(["all", "scarce"]),
    augment_for=st.sampled_from(["all", "networks"]),
    copies=st.integers(),
    imbalance=st.sampled_from(IMBALANCE),
    impose_imbalance=st.none() | numbers,
)
networks = st.builds(
    NetworksSpec,
    epochs=st.none() | st.integers(min_value=1),
    precision=st.sampled_from(PRECISIONS),
    weights=st.none() | st.text(max_size=8),
    parameters=parameters,
)
searches = st.fixed_dictionaries({"tune": st.booleans()}) | st.fixed_dictionaries(
    {"tune": st.just(True), "trials": st.integers(min_value=1)}
)
classifiers = st.builds(
    lambda search, **settings: ClassifierSpec(**search, **settings),
    search=searches,
    name=st.sampled_from([*CLASSIFIERS]),
    parameters=parameters,
    scaling=st.sampled_from(SCALINGS),
    equal_blocks=st.booleans(),
)
shared = {
    "rows": rows,
    "networks": networks,
    "setting": st.sampled_from(SETTINGS),
    "seed": st.integers(min_value=0, max_value=2**32 - 1),
}
alone = st.builds(
    PipelineSpec, network=st.sampled_from([*NETWORKS]), features=st.builds(FeaturesSpec, clip=clips), **shared
)
classified = st.builds(
    PipelineSpec, features=features, fusion=st.sampled_from(FUSIONS), classifier=classifiers, **shared
)
specs = alone | classified


@given(spec=specs)
@settings(max_examples=300, deadline=None)
def test_a_specification_survives_its_plain_values_and_json(spec):
    assert PipelineSpec(**spec.plain()) == spec
    assert PipelineSpec(**json.loads(json.dumps(spec.plain()))) == spec
    assert PipelineSpec.model_validate_json(spec.model_dump_json()) == spec
    assert PipelineSpec.model_validate(spec.model_dump(mode="json")) == spec


@given(
    spec=specs,
    protocol=st.none() | st.builds(ProtocolSpec, name=st.sampled_from([*PROTOCOLS]), settings=parameters),
    classes=tuples(names),
    dropped=tuples(names),
    labels=st.dictionaries(names, names | st.dictionaries(names, names, max_size=3), max_size=3),
)
@settings(max_examples=300, deadline=None)
def test_a_specification_survives_a_file_of_settings(tmp_path_factory, spec, protocol, classes, dropped, labels):
    config = Config(pipeline=spec, protocol=protocol, classes=classes, drop_classes=dropped, labels=labels)
    path = tmp_path_factory.getbasetemp() / "config.toml"
    config.save(path)
    assert Config.load(path) == config


def test_what_is_at_its_default_is_not_written(tmp_path):
    assert DEFAULT_SPEC.plain() == {}
    path = Config(pipeline={"classifier": {"name": "xgboost"}}).save(tmp_path / "config.toml")
    assert tomllib.loads(path.read_text()) == {"pipeline": {"classifier": {"name": "xgboost"}}}
    assert Config.load(path).pipeline == PipelineSpec(classifier={"name": "xgboost"})
    (tmp_path / "empty.toml").write_text("")
    assert Config.load(tmp_path / "empty.toml") == Config()


def test_a_parameter_of_none_is_not_one_that_is_left_out(tmp_path):
    """TOML has no null; conv1d's own duration is 2.5 seconds, and this one keeps the whole clip."""
    block = build_features(PipelineSpec(features={"blocks": ["conv1d"]})).settings()[0]
    assert block["front_end"]["duration"] == 2.5
    whole = {**block, "front_end": {**block["front_end"], "duration": None}}
    config = Config(pipeline={"features": {"blocks": [whole]}})
    again = Config.load(config.save(tmp_path / "config.toml"))
    assert again == config
    assert build_features(again.pipeline).settings() == [whole]


def test_a_specification_cannot_be_changed_and_a_changed_copy_is_checked():
    with pytest.raises(ValidationError):
        DEFAULT_SPEC.seed = 3
    with pytest.raises(SettingsError, match="seed: Input should be greater than or equal to 0; got -1$"):
        DEFAULT_SPEC.changed(seed=-1)
    assert DEFAULT_SPEC.changed(seed=3) == PipelineSpec(seed=3)
    assert DEFAULT_SPEC.seed == 0 and DEFAULT_SPEC.setting == INDUCTIVE


@pytest.mark.parametrize(
    ("part", "names_told"),
    [
        ({"features": {"preset": "wdie"}}, "features: unknown preset 'wdie'; did you mean 'wide'? Known: wide"),
        ({"features": {"gender": "told"}}, "features: unknown kind of gender 'told'. Known: given, estimated"),
        ({"network": "crn"}, "unknown network 'crn'; did you mean 'crnn'? Known: conv1d, "),
        ({"rows": {"imbalance": "smot"}}, "unknown imbalance strategy 'smot'; did you mean 'smote'? Known: none, "),
        ({"rows": {"augment": ["noise"], "augment_classes": "few"}}, "augment_classes: Input should be 'all' or 'sca"),
        ({"networks": {"precision": "half"}}, "networks: unknown precision 'half'. Known: float32, bfloa"),
        ({"fusion": "late"}, "unknown fusion 'late'. Known: early, average, weighted, stacked"),
        ({"classifier": {"name": "smv"}}, "unknown classifier 'smv'; did you mean 'svm'? Known: s"),
        ({"classifier": {"scaling": "standart"}}, "unknown scaling 'standart'; did you mean 'standard'? Known: stan"),
        ({"setting": "transductive"}, "unknown setting 'transductive'; did you mean 'inductive'? Known: inductive, "),
        ({"task": "arousal"}, "task: Input should be 'classes'"),
        # Keys, at every depth, are told with those that there are.
        ({"feature": {}}, "feature: Extra inputs are not permitted; known here: features, network, rows, networks, "),
        ({"rows": {"copy": 2}}, "rows: copy: Extra inputs are not permitted; known here: impose_imbalance, augment, "),
        (
            {"features": {"clip": {"ofset": 1.0}}},
            "features: clip: ofset: Extra inputs are not permitted; known here: offset, duration, sampling_rate, trim",
        ),
        ({"seed": 2**32}, "seed: Input should be less than 4294967296"),
        ({"networks": {"epochs": 0}}, "networks: epochs: Input should be greater than or equal to 1"),
        ({"features": {"preset": "wide", "blocks": ["mfcc"]}}, "got both a preset and blocks (--preset, --blocks)"),
        ({"features": {"blocks": ["gender"], "gender": "none"}}, "got the block 'gender' and --gender none"),
        ({"features": {"blocks": [{"kind": "mfcc"}], "clip": {"trim": True}}}, "got blocks with all their settings"),
        ({"features": {"blocks": [{"kind": "gender"}], "gender": "none"}}, "got blocks with all their settings"),
        ({"rows": {"augment_classes": "scarce"}}, "--augment-classes scarce needs --augment"),
        ({"rows": {"augment_for": "networks"}}, "--augment-for networks needs --augment"),
        (
            {"rows": {"augment": ["noise"], "augment_for": "networks", "imbalance": "oversample"}},
            "got --imbalance oversample with --augment-for networks",
        ),
        (
            {"rows": {"augment": ["noise"], "augment_for": "networks", "augment_classes": "scarce"}},
            "got --augment-classes scarce with --augment-for networks",
        ),
        ({"network": "crnn", "features": {"preset": "wide"}}, "a network reads the recording itself"),
        ({"network": "crnn", "features": {"gender": "given"}}, "got --network with --gender"),
        ({"network": "crnn", "fusion": "average"}, "--network answers by itself"),
        ({"network": "crnn", "classifier": {"name": "mlp"}}, "--network answers by itself"),
        ({"network": "crnn", "networks": {"cross_fit": 2}}, "--network answers by itself"),
    ],
)
def test_what_means_nothing_is_told_with_what_there_is(tmp_path, part, names_told):
    with pytest.raises(SettingsError) as told:
        PipelineSpec(**part)
    assert names_told in str(told.value)
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({"pipeline": part}))
    with pytest.raises(SettingsError) as told:
        Config.load(path)
    assert str(told.value).startswith(f"{path}: pipeline: ")
    assert names_told in str(told.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pipeline = ", "cannot be read as settings"),
        (
            "pipelin = {}",
            "pipelin: Extra inputs are not permitted; known here: pipeline, protocol, classes, drop_classes",
        ),
        ('protocol = { name = "speaker-kfolds" }', "unknown protocol 'speaker-kfolds'; did you mean"),
        ("protocol = { settings = { folds = 3 } }", "protocol: name: Field required"),
        ("classes = 3", "classes: Input should be a valid tuple"),
        ("self = 3", "self: Extra inputs are not permitted; known here: pipeline, "),
    ],
)
def test_files_of_settings_that_cannot_be_read_are_told(tmp_path, text, told):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Config.load(path)
    assert str(caught.value).startswith(f"{path}: ") and told in str(caught.value)
    with pytest.raises(SettingsError, match=r"none.toml: cannot be read as settings .* expected .toml, or a result"):
        Config.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "text", ["[]", "3", '"text"', "null", '{"format": 2, "spec": {}}', '{"format": 2, "spec": 3, "protocol": 4}']
)
def test_json_that_is_no_result_is_told(tmp_path, text):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"result\.json: "):
        Config.load(path)


def test_a_result_of_an_earlier_version_holds_no_settings(tmp_path):
    path = tmp_path / "result.json"
    path.write_text('{"format": 1, "corpus": "demo", "protocol": {}, "classes": []}')
    with pytest.raises(SettingsError, match="a result of an earlier version, which does not contain its settings"):
        Config.load(path)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({}, "robust"),
        ({"features": {"preset": "fusionnet"}}, "fusionnet"),
        ({"features": {"blocks": ["mfcc", {"name": "low", "kind": "pitch"}]}}, "mfcc+low"),
        ({"features": {"blocks": [{"kind": "pitch"}]}}, "pitch"),
        ({"network": "crnn"}, "crnn"),
        ({"features": {"name": "mine", "preset": "wide"}}, "mine"),
    ],
)
def test_features_have_a_name(part, name):
    assert PipelineSpec(**part).features_name == name


@pytest.mark.parametrize(
    ("blocks", "fusion", "scaling"),
    [
        (["robust"], "early", "bounded"),
        (["robust", "conv1d-relative"], "average", "bounded"),
        (["robust", "conv1d-relative"], "early", "standard"),
        (["robust", "mfcc", "conv1d-relative"], "average", "standard"),
        (["conv1d-relative"], "average", "standard"),
    ],
)
def test_blocks_of_robust_are_scaled_like_the_preset(blocks, fusion, scaling):
    assert PipelineSpec(features={"blocks": blocks}, fusion=fusion).scaling == scaling


def test_robust_among_blocks_is_the_preset():
    names = build_features(PipelineSpec(features={"blocks": ["robust"]})).get_feature_names_out()
    assert list(names) == list(build_features(PipelineSpec()).get_feature_names_out())
    assert len(names) == 198


@pytest.mark.parametrize(
    ("parameters", "place"),
    [({"C": float("inf")}, "C: got inf"), ({"hidden": [64, float("nan")]}, "hidden: 2: got nan")],
)
def test_settings_that_json_cannot_store_are_refused(parameters, place):
    with pytest.raises(SettingsError, match=rf"^parameters: {place}; expected a finite number$"):
        ClassifierSpec(name="mlp", parameters=parameters)
