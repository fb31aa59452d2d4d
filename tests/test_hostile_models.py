"""Nothing of a stranger's model file is run, and what compiled code would follow astray is refused."""

import copy
import io
import json
import math
import os
import pickle
import zipfile

import numpy as np
import pytest
from conftest import ROOT
from fusionser_cli.app import app
from model_files import members
from skops import io as skops_io
from typer.testing import CliRunner

from fusionser import archive
from fusionser.archive import MANIFEST, write_archive
from fusionser.classifiers import SVM, RandomForest
from fusionser.classifiers.booster import check_booster
from fusionser.errors import FusionserError, ModelFileError, SettingsError
from fusionser.estimators import dump_estimators, load_estimators
from fusionser.model import INCLUDED_MODEL, load_model
from fusionser.scaling import BlockScaler


class Payload:
    """When unpickled, leaves a mark."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def rebuild(file, target, changed):
    """Write the file anew with some members changed, its manifest telling the truth about them."""
    parts = members(file)
    manifest = json.loads(parts.pop(MANIFEST))
    manifest.pop("members")
    manifest.pop("format")
    parts.update(changed)
    return write_archive(target, manifest, parts)


def raw(target, parts):
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target


def hostile_skops(original, mark, how):
    """A skops file with a payload in one of the ways that a skops file can hold one."""
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    text = json.dumps(str(mark))
    call = {
        "__class__": "mkdir",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "__id__": 1,
        "content": {"module_path": "os", "function": "mkdir"},
    }
    if how == "array":
        name = next(name for name in parts if name.endswith(".npy"))
        buffer = io.BytesIO()
        np.save(buffer, np.array([Payload(mark)], dtype=object), allow_pickle=True)
        parts[name] = buffer.getvalue()
    elif how == "pickle instead of array":
        name = next(name for name in parts if name.endswith(".npy"))
        parts[name] = pickle.dumps(Payload(mark))
    elif how == "schema is a pickle":
        parts["schema.json"] = pickle.dumps(Payload(mark))
    elif how == "extra member":
        parts["state.pkl"] = pickle.dumps(Payload(mark))
    elif how == "function":
        schema["content"]["scale"] = call
    elif how == "partial":
        schema["content"]["scale"] = {
            "__class__": "partial",
            "__module__": "functools",
            "__loader__": "PartialNode",
            "__id__": 1,
            "content": {"func": call, "args": {"content": [text]}, "kwds": None, "namespace": None},
        }
    elif how == "object":
        schema["content"]["scale"] = {
            "__class__": "Popen",
            "__module__": "subprocess",
            "__loader__": "ObjectNode",
            "__id__": 1,
            "content": None,
        }
    elif how == "reduce":
        schema["content"]["scale"] = {
            "__class__": "mkdir",
            "__module__": "os",
            "__loader__": "TreeNode",
            "__id__": 1,
            "__reduce__": {
                "args": {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": text}
            },
            "content": None,
        }
    elif how == "constructor":
        schema["content"]["scale"] = {
            "__class__": "CachedNode",
            "__module__": "os",
            "__loader__": "ConstructorFromReduceNode",
            "__id__": 1,
            "content": None,
        }
    elif how == "loader left out":
        schema["content"]["scale"] = {"__class__": "system", "__module__": "os", "content": text}
    if parts["schema.json"][:1] == b"{":
        parts["schema.json"] = json.dumps(schema).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WAYS = (
    "array",
    "pickle instead of array",
    "schema is a pickle",
    "extra member",
    "function",
    "partial",
    "object",
    "reduce",
    "constructor",
    "loader left out",
)


@pytest.mark.parametrize("how", WAYS)
def test_a_payload_in_the_estimators_is_refused_and_never_run(saved, tmp_path, how):
    mark = tmp_path / "mark"
    planted = hostile_skops(members(saved["svm"])["estimators.skops"], mark, how)
    file = rebuild(saved["svm"], tmp_path / "hostile.fusionser", {"estimators.skops": planted})
    with pytest.raises(ModelFileError, match="refused"):
        load_model(file)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["manifest.json", "estimators.skops", "booster.json"])
@pytest.mark.parametrize("honest_manifest", [True, False])
def test_a_pickle_in_place_of_any_member_is_refused_and_never_run(saved, tmp_path, name, honest_manifest):
    mark = tmp_path / "mark"
    payload = pickle.dumps(Payload(mark))
    parts = {**members(saved["xgboost"]), name: payload}
    target = tmp_path / "hostile.fusionser"
    if honest_manifest and name != MANIFEST:
        rebuild(saved["xgboost"], target, {name: payload})
    else:
        raw(target, parts)
    with pytest.raises(ModelFileError):
        load_model(target)
    assert not mark.exists()


def test_a_member_beside_those_listed_is_refused(saved, tmp_path):
    mark = tmp_path / "mark"
    parts = {**members(saved["svm"]), "network.pkl": pickle.dumps(Payload(mark))}
    with pytest.raises(ModelFileError, match="not those that its manifest lists"):
        load_model(raw(tmp_path / "extra.fusionser", parts))
    assert not mark.exists()


def test_a_whole_file_that_is_a_pickle_is_refused(tmp_path):
    mark = tmp_path / "mark"
    (tmp_path / "model.fusionser").write_bytes(pickle.dumps(Payload(mark)))
    with pytest.raises(ModelFileError, match="not a model saved by fusionser"):
        load_model(tmp_path / "model.fusionser")
    assert not mark.exists()


def test_a_feature_of_the_strangers_own_is_refused(saved, tmp_path):
    parts = members(saved["svm"])
    manifest = json.loads(parts[MANIFEST])
    manifest["card"]["features"][0]["kind"] = "os.system"
    with pytest.raises(
        ModelFileError,
        match="needs the feature block 'os.system', which is not registered here; it may come from a plugin",
    ):
        load_model(raw(tmp_path / "m.fusionser", {**parts, MANIFEST: json.dumps(manifest)}))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(saved, tmp_path, share):
    content = saved["random-forest"].read_bytes()
    (tmp_path / "part.fusionser").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match="truncated, or not a model"):
        load_model(tmp_path / "part.fusionser")


def test_a_flipped_byte_anywhere_is_refused_or_harmless(saved, tmp_path):
    content = saved["xgboost"].read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(content), 60):
        changed = bytearray(content)
        changed[position] ^= 0xFF
        (tmp_path / "flipped.fusionser").write_bytes(bytes(changed))
        try:
            loaded = load_model(tmp_path / "flipped.fusionser")
        except FusionserError:
            continue
        # A byte that zip does not look at, such as a date.
        assert loaded.card == load_model(saved["xgboost"]).card


def test_foreign_and_newer_and_missing_files_are_told(saved, tmp_path):
    with pytest.raises(ModelFileError, match="no such file"):
        load_model(tmp_path / "missing.fusionser")
    with pytest.raises(ModelFileError, match="without 'manifest.json'"):
        load_model(raw(tmp_path / "foreign.zip", {"a.txt": b"hello"}))
    with pytest.raises(ModelFileError):
        load_model(tmp_path)
    parts = members(saved["svm"])
    manifest = json.loads(parts[MANIFEST])
    for change, message in [
        ({"format": 99}, "has format 99, and this version reads up to 1; install a newer fusionser"),
        ({"card": {}}, "its card is refused"),
        (
            {"card": {**manifest["card"], "classifier": "oracle"}},
            "needs the classifier 'oracle', which is not registered here; it may come from a plugin",
        ),
        ({"card": {**manifest["card"], "classes": ["a", "b"]}}, "do not fit together"),
        ({"card": {**manifest["card"], "classes": ["", *manifest["card"]["classes"][1:]]}}, "not names that differ"),
        ({"card": {**manifest["card"], "classes": ["sad", "sad", "fear"]}}, "not names that differ"),
        ({"card": {**manifest["card"], "features": manifest["card"]["features"][:1]}}, "computed .* otherwise"),
        ({"members": []}, "not those that its manifest lists"),
        ({"members": sorted(set(parts) - {MANIFEST})}, "not those that its manifest lists"),
        ({"format": True}, "has format True"),
        (
            {"card": {**manifest["card"], "features": [{**manifest["card"]["features"][0], "offset": 10**400}]}},
            "features cannot be built",
        ),
    ]:
        changed = {**parts, MANIFEST: json.dumps({**manifest, **change})}
        with pytest.raises(ModelFileError, match=message):
            load_model(raw(tmp_path / "changed.fusionser", changed))


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.fusionser", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, b"0" * 200_000_000)
    with pytest.raises(ModelFileError, match="refused as hostile"):
        load_model(tmp_path / "bomb.fusionser")


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """Each unpacks to no more than 100 times its size, and all of them together to anything."""
    raw(tmp_path / "plain.fusionser", {MANIFEST: "{}", "weights.bin": b"x" * 2000})
    content = (tmp_path / "plain.fusionser").read_bytes()
    with zipfile.ZipFile(tmp_path / "plain.fusionser") as archive:
        start = archive.start_dir
    directory, end = content[start:-22], bytearray(content[-22:])
    entry = directory[directory.rindex(b"PK\x01\x02") :]
    copies = b"".join(entry.replace(b"weights.bin", b"weights.%03d" % number) for number in range(50))
    end[8:10] = end[10:12] = (52).to_bytes(2, "little")
    end[12:16] = (len(directory) + len(copies)).to_bytes(4, "little")
    (tmp_path / "shared.fusionser").write_bytes(content[:start] + directory + copies + bytes(end))
    with zipfile.ZipFile(tmp_path / "shared.fusionser") as archive:
        assert len(archive.namelist()) == 52
    with pytest.raises(ModelFileError, match="its members overlap; refused as hostile"):
        load_model(tmp_path / "shared.fusionser")


def test_the_sum_of_all_members_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_MODEL", 5000)
    raw(tmp_path / "large.fusionser", {MANIFEST: "{}", "a.bin": b"x" * 3000, "b.bin": b"x" * 3000})
    with pytest.raises(ModelFileError, match="its members unpack to 6002 bytes; refused as hostile"):
        load_model(tmp_path / "large.fusionser")


def fitted_parts(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.array(["a", "b", "c"] * 20, dtype=object)
    return {"scale": BlockScaler().fit(X), "classifier": kind.fit(X, y)}


def test_trees_and_machines_whose_indices_lead_astray_are_refused():
    """Compiled code follows these indices without looking."""
    expected = {"scale": BlockScaler, "classifier": (SVM, RandomForest)}
    forest = fitted_parts(RandomForest(n_estimators=2))
    assert load_estimators(dump_estimators(forest), expected)
    tree = forest["classifier"].forest_.estimators_[0].tree_
    tree.feature[0] = 10**6
    with pytest.raises(ModelFileError, match="nodes lead outside"):
        load_estimators(dump_estimators(forest), expected)
    machine = fitted_parts(SVM())
    machine["classifier"].svc_._n_support = machine["classifier"].svc_._n_support * 1000
    with pytest.raises(ModelFileError, match="arrays do not fit together"):
        load_estimators(dump_estimators(machine), expected)


def test_a_booster_whose_trees_lead_astray_is_refused():
    from fusionser.classifiers import XGBoost

    fitted = fitted_parts(XGBoost(n_estimators=2))["classifier"]
    parts = fitted.pack()
    fitted.unpack(parts)
    honest = json.loads(fitted.booster_.save_raw("json"))
    tree = honest["learner"]["gradient_booster"]["model"]["trees"][0]
    assert tree["left_children"][0] > 0
    for key, value in (("split_indices", 10**6), ("left_children", 0), ("right_children", 10**6), ("parents", 5)):
        planted = json.loads(json.dumps(honest))
        planted["learner"]["gradient_booster"]["model"]["trees"][0][key][0] = value
        with pytest.raises(ValueError, match="nodes lead outside"):
            check_booster(planted, 3, 3)
    for change in (
        {"categories": [1]},
        {"categories_nodes": [7]},
        {"tree_param": {**tree["tree_param"], "size_leaf_vector": "9999"}},
    ):
        planted = json.loads(json.dumps(honest))
        planted["learner"]["gradient_booster"]["model"]["trees"][0].update(change)
        with pytest.raises(ValueError, match="vectors in its leaves, or with categories"):
            check_booster(planted, 3, 3)
    # XGBoost reads outside of its memory for these.
    trees = len(honest["learner"]["gradient_booster"]["model"]["trees"])
    for borders in ([-1000, trees], [0, 10**6], [0, trees, 2, trees], [0], [], [0, "1", trees], [0, 2.5, trees]):
        planted = json.loads(json.dumps(honest))
        planted["learner"]["gradient_booster"]["model"]["iteration_indptr"] = borders
        with pytest.raises(ValueError, match="iterations with trees that it does not have"):
            check_booster(planted, 3, 3)
    planted = json.loads(json.dumps(honest))
    planted["learner"]["learner_model_param"]["num_target"] = "2"
    with pytest.raises(ValueError, match="2 targets"):
        check_booster(planted, 3, 3)
    planted = json.loads(json.dumps(honest))
    planted["learner"]["objective"]["name"] = "reg:squarederror"
    with pytest.raises(ValueError, match="not a plain tree booster"):
        check_booster(planted, 3, 3)
    with pytest.raises(ValueError, match="expected 4 and 3"):
        check_booster(honest, 4, 3)
    check_booster(honest, 3, 3)


def test_a_part_in_the_place_of_another_is_refused():
    parts = fitted_parts(SVM())
    forest = fitted_parts(RandomForest(n_estimators=2))["classifier"].forest_
    expected = {"scale": BlockScaler, "classifier": SVM}
    parts["classifier"].calibrator_.calibrated_classifiers_[0].estimator = forest
    with pytest.raises(ModelFileError, match="a RandomForestClassifier where a SVC is expected"):
        load_estimators(dump_estimators(parts), expected)
    parts = fitted_parts(SVM())
    parts["scale"].scalers_[""] = forest
    with pytest.raises(ModelFileError, match="a RandomForestClassifier where a scaler is expected"):
        load_estimators(dump_estimators(parts), expected)


def test_a_part_of_another_kind_is_refused():
    parts = fitted_parts(SVM())
    with pytest.raises(ModelFileError, match="its part 'classifier' is a SVM"):
        load_estimators(dump_estimators(parts), {"scale": BlockScaler, "classifier": BlockScaler})
    with pytest.raises(ModelFileError, match="its parts are not those of a model"):
        load_estimators(dump_estimators({"scale": parts["scale"]}), {"scale": BlockScaler, "classifier": SVM})
    assert skops_io.get_untrusted_types(data=dump_estimators(parts))


@pytest.mark.parametrize("kind", [SVM, RandomForest])
def test_a_part_that_is_missing_is_refused(kind):
    X, y = np.random.default_rng(0).normal(size=(30, 2)), ["a", "b"] * 15
    part = {"SVM": "svc_", "RandomForest": "forest_"}[kind.__name__]
    fitted = kind().fit(X, y)
    del fitted.__dict__[part]
    with pytest.raises(ModelFileError, match=r"where a \w+ is expected"):
        load_estimators(dump_estimators({"classifier": fitted}), {"classifier": kind})


def test_a_file_of_very_many_members_is_refused(saved, tmp_path):
    file = rebuild(saved["svm"], tmp_path / "m.fusionser", {f"part{number}": b"{}" for number in range(200)})
    with pytest.raises(ModelFileError, match="has 20. members; a model has at most 100"):
        load_model(file)


@pytest.mark.parametrize("name", ["svm", "xgboost", "mlp"])
@pytest.mark.parametrize("member", ["extra.bin", "members/x/network.safetensors", "learned/none"])
def test_members_that_nothing_uses_are_refused(saved, tmp_path, name, member):
    file = rebuild(saved[name], tmp_path / "more.fusionser", {member: b"anything"})
    with pytest.raises(ModelFileError, match=f"it holds '{member}', which nothing uses"):
        load_model(file)


def test_members_of_a_late_fusion_that_nothing_uses_are_refused(tmp_path):
    for model in (INCLUDED_MODEL, ROOT / "tests" / "reference" / "late.fusionser"):
        assert load_model(rebuild(model, tmp_path / "same.fusionser", {})).card.classes
        file = rebuild(model, tmp_path / "more.fusionser", {"members/nobody/booster.json": b"{}"})
        with pytest.raises(ModelFileError, match="it holds 'members/nobody/booster.json', which nothing uses"):
            load_model(file)


def leaves(value, place=()):
    """Return the places of all values inside a value, and of its first parts alone if it is a list."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    return [place] * bool(place) + [leaf for name, part in inside for leaf in leaves(part, (*place, name))]


GONE = object()
ODD = [GONE, None, math.nan, math.inf, -1, "", "\x1b[31m<script>|", [], {}, [None], True, 10**30]


def changed_at(card, place, value):
    card = copy.deepcopy(card)
    holder = card
    for name in place[:-1]:
        holder = holder[name]
    if value is GONE:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return card


def test_a_card_with_odd_values_is_refused_or_shown(saved, tmp_path):
    """Whatever a stranger wrote into the card: no error but ours, no NaN, no control characters, valid JSON."""
    parts = members(saved["svm"])
    manifest = json.loads(parts.pop(MANIFEST))
    places = leaves(manifest["card"])
    changes = [(place, value) for place in places for value in ODD]
    chosen = np.random.default_rng(0).choice(len(changes), 250, replace=False)
    known = [
        (("estimate", "provenance", "command"), GONE),
        (("estimate", "provenance", "commit"), GONE),
        (("estimate", "classes"), []),
        (("estimate", "features", 0), {}),
        (("estimate", "protocol", "stamps", 0, "kind"), "odd"),
        (("estimate", "pooled", "uar"), math.nan),
        (("classifier_settings", "C"), math.inf),
    ]
    shown = 0
    for place, value in [*known, *(changes[number] for number in chosen)]:
        card = changed_at(manifest["card"], place, value)
        content = json.dumps({**manifest, "card": card}).encode()
        file = raw(tmp_path / "odd.fusionser", {**parts, MANIFEST: content})
        for options in ((), ("--json",)):
            ran = CliRunner().invoke(app, ["info", str(file), *options])
            assert ran.exception is None or isinstance(ran.exception, FusionserError), (place, value, ran.exception)
            assert "\x1b" not in ran.output, (place, value)
            if ran.exception is None and options:
                json.loads(ran.output, parse_constant=pytest.fail)
            shown += ran.exception is None
    assert shown > 100


def test_settings_that_are_not_finite_are_not_saved(tmp_path):
    with pytest.raises(SettingsError, match="the model's settings have a number that is not finite"):
        write_archive(tmp_path / "m.fusionser", {"card": {"C": math.inf}}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_unpack_without_a_limit_are_refused(saved, tmp_path, method):
    """The header may say 1000 bytes, and Python's bzip2 and LZMA decoders do not stop there."""
    with zipfile.ZipFile(tmp_path / "odd.fusionser", "w") as archive:
        for name, content in members(saved["svm"]).items():
            archive.writestr(name, content, method if name == MANIFEST else zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="the member 'manifest.json' is neither stored nor deflated"):
        load_model(tmp_path / "odd.fusionser")
