"""The reader of skops files refuses whatever fusionser did not write, before anything is built of it."""

import copy
import io
import random
import sys

import numpy as np
import pytest
from skops import io as skops_io
from skops_files import EXPECTED, X, Y, fitted, node, nodes_of, packed, refused, saved_array, text, unpacked

from fusionser.classifiers import (
    MLP,
    SVM,
    BalancedBagging,
    KernelRidge,
    LateFusion,
    LinearSVM,
    LogitAdjustment,
    RandomForest,
)
from fusionser.errors import ModelFileError
from fusionser.estimators import DEEPEST, PARTS, dump_estimators, load_estimators
from fusionser.scaling import SCALERS, BlockScaler


@pytest.fixture(scope="module")
def machine():
    return dump_estimators(fitted(SVM()))


@pytest.fixture(scope="module")
def forest():
    return dump_estimators(fitted(RandomForest(n_estimators=2)))


@pytest.mark.parametrize(
    "classifier",
    [
        SVM(),
        SVM(balance="smote"),
        LinearSVM(n_components=5, epochs=1),
        KernelRidge(),
        RandomForest(n_estimators=3),
        BalancedBagging(classifier=SVM(), n_members=2),
        LateFusion(method="stacked"),
        LogitAdjustment(classifier=LateFusion(classifier=KernelRidge())),
    ],
    ids=lambda one: type(one).__name__ + str(one.get_params(deep=False).get("balance") or ""),
)
@pytest.mark.parametrize("scaling", sorted(SCALERS))
def test_what_is_read_is_what_skops_reads(classifier, scaling):
    scaler = BlockScaler(scaling=scaling).fit(X)
    content = dump_estimators({"scale": scaler, "classifier": classifier.fit(X, Y)})
    ours = load_estimators(content, {"scale": BlockScaler, "classifier": type(classifier)})
    theirs = skops_io.loads(content, trusted=skops_io.get_untrusted_types(data=content))
    for name, method in (("scale", "transform"), ("classifier", "predict_proba")):
        assert np.array_equal(getattr(ours[name], method)(X), getattr(theirs[name], method)(X))
        assert sorted(vars(ours[name])) == sorted(vars(theirs[name]))
        assert ours[name].get_params().keys() == theirs[name].get_params().keys()


def test_keys_that_are_numbers_come_back():
    content = dump_estimators({"scale": BlockScaler().fit(X), "classifier": MLP(class_weight={0: 1.0, 7: 2.5})})
    assert load_estimators(content, {"scale": BlockScaler, "classifier": MLP})["classifier"].class_weight == {
        0: 1,
        7: 2.5,
    }


KINDS = (
    ("TypeNode", "builtins.str"),
    ("TypeNode", "builtins.eval"),
    ("TypeNode", "os.system"),
    ("FunctionNode", "os.system"),
    ("MethodNode", "os.system"),
    ("PartialNode", "functools.partial"),
    ("ConstructorFromReduceNode", "datetime.timezone"),
    ("CachedNode", "builtins.str"),
    ("SetNode", "builtins.set"),
    ("BytesNode", "builtins.bytes"),
    ("SliceNode", "builtins.slice"),
    ("DTypeNode", "numpy.dtype"),
    ("RandomStateNode", "numpy.random.mtrand.RandomState"),
    ("MaskedArrayNode", "numpy.ma.MaskedArray"),
    ("LossNode", "sklearn._loss._loss.CyHalfSquaredError"),
    ("OperatorFuncNode", "operator.attrgetter"),
    ("DictNode", "collections.OrderedDict"),
    ("ListNode", "subprocess.Popen"),
    ("TupleNode", "collections.namedtuple"),
    ("NdArrayNode", "numpy.matrix"),
    ("NdArrayNode", "numpy.object_"),
    ("TreeNode", "sklearn.neighbors._kd_tree.KDTree"),
    ("ObjectNode", "subprocess.Popen"),
    ("ObjectNode", "sklearn.pipeline.Pipeline"),
    ("ObjectNode", "sklearn.preprocessing._function_transformer.os"),
    ("ObjectNode", "fusionser.files.write_bytes"),
    ("ObjectNode", "fusionser.classifiers.base.TableClassifier"),
    ("ObjectNode", "fusionser.features.extractor.FeatureExtractor"),
    ("NewNode", "builtins.str"),
)


@pytest.mark.parametrize(("loader", "path"), KINDS, ids=lambda one: one)
def test_nodes_of_another_kind_or_class_are_refused(machine, loader, path):
    schema, parts = unpacked(machine)
    hostile = node(loader, path, content=text("id"))
    schema["content"]["scale"] = hostile
    refused(schema, parts, f"it holds an? {loader} of {path.replace('.', '[.]')}")


def test_nothing_is_imported_for_a_class_that_is_refused(machine):
    schema, parts = unpacked(machine)
    sys.modules.pop("antigravity", None)
    for path in ("antigravity.fly", "this.is"):
        schema["content"]["scale"] = node("ObjectNode", path, content=text(None))
        refused(schema, parts, "not registered")
    assert not {"antigravity", "this"} & set(sys.modules)


@pytest.mark.parametrize("path", ["builtins.eval", "builtins.float", "numpy.str_", "os.system"])
def test_keys_of_another_type_are_refused(machine, path):
    schema, parts = unpacked(machine)
    schema["content"]["scale"]["content"]["key_types"]["content"][0] = node("TypeNode", path)
    refused(schema, parts)


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part["content"].pop("key_types"),
        lambda part: part["content"]["key_types"]["content"].pop(),
        lambda part: part["content"].update(content=[]),
        lambda part: part["content"].update(content={}),
        lambda part: part.update(content=text(None)),
        lambda part: part.update(content=node("ListNode", "builtins.list", content=[])),
        lambda part: part.pop("content"),
        lambda part: part.pop("__module__"),
        lambda part: part.update(__module__=["fusionser", "scaling"]),
        lambda part: part.update(hidden=node("FunctionNode", "os.system")),
        lambda part: part["content"].update(file="schema.json"),
    ],
)
def test_objects_whose_state_is_none_are_refused(machine, change):
    schema, parts = unpacked(machine)
    change(schema["content"]["scale"])
    refused(schema, parts)


@pytest.mark.parametrize("value", ["[1, 2]", '{"a": 1}', "nope", "", "1" * 5000, "[" * 100_000])
def test_texts_that_are_no_values_are_refused(machine, value):
    schema, parts = unpacked(machine)
    nodes_of(schema, "JsonNode")[0]["content"] = value
    refused(schema, parts)


def test_ids_make_no_loops(machine):
    """skops takes a node whose id it has seen for that node; here an id means nothing."""
    schema, parts = unpacked(machine)
    for item in (schema, *nodes_of(schema, "ObjectNode"), *nodes_of(schema, "DictNode")):
        item["__id__"] = 1
    assert isinstance(load_estimators(packed(schema, parts), EXPECTED)["scale"], BlockScaler)
    schema["content"]["scale"] = {"__loader__": "CachedNode", "__module__": None, "__class__": None, "__id__": 1}
    refused(schema, parts, "it holds a CachedNode")


@pytest.mark.parametrize("loader", ["ListNode", "TupleNode", "DictNode"])
@pytest.mark.parametrize("depth", [DEEPEST + 1, 400])
def test_deep_nesting_is_refused(machine, loader, depth):
    schema, parts = unpacked(machine)
    nested = text("end")
    for _ in range(depth):
        if loader == "DictNode":
            types = node("ListNode", "builtins.list", content=[node("TypeNode", "builtins.str")])
            nested = node(loader, "builtins.dict", content={"a": nested}, key_types=types)
        else:
            nested = node(loader, f"builtins.{loader.removesuffix('Node').lower()}", content=[nested])
    schema["content"]["scale"]["content"]["content"]["scaling"] = nested
    refused(schema, parts)


def test_a_schema_nested_without_end_is_refused(machine):
    _, parts = unpacked(machine)
    refused(b"[" * 1_000_000, parts)
    refused(b'{"content":' * 100_000, parts)
    refused(b"[]", parts, "its schema is not a node")
    refused(b"\x80\x04K\x01.", parts)


def header(shape, descr="<f8", version=(1, 0)):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    content = buffer.getvalue()
    return content[:6] + bytes(version) + content[8:]


ARRAYS = {
    "a huge shape": header((10**15,)) + b"\0" * 64,
    "a huge shape of two axes": header((10**9, 10**9)) + b"\0" * 64,
    "more than there is": header((9,)) + b"\0" * 64,
    "less than there is": header((7,)) + b"\0" * 64,
    "below zero": header((-2, -4)) + b"\0" * 64,
    "of no size": header((10**15,), "<U0"),
    "objects": header((1,), "|O") + b"\0" * 8,
    "objects in a field": header((1,), [("a", "|O")]) + b"\0" * 8,
    "a field within a field": header((1,), [("a", [("b", "|O")])]) + b"\0" * 8,
    "raw bytes": header((1,), "|V8") + b"\0" * 8,
    "dates": header((1,), "<M8[s]") + b"\0" * 8,
    "complex": header((1,), "<c16") + b"\0" * 16,
    "another version": header((8,), version=(9, 0)) + b"\0" * 64,
    "a later version": header((8,), version=(2, 0)) + b"\0" * 64,
    "no header": b"\x93NUMPY\x01\x00\xff\xff",
    "a header that is no dictionary": b"\x93NUMPY\x01\x00\x10\x00__import__('os')\n",
    "a pickle": saved_array(np.array([{}], dtype=object), allow_pickle=True),
    "a zip": packed({}, {}),
    "nothing": b"",
}


@pytest.mark.parametrize("how", ARRAYS)
def test_arrays_that_are_none_are_refused(machine, how):
    schema, parts = unpacked(machine)
    for array in nodes_of(schema, "NdArrayNode"):
        if array["type"] == "numpy":
            refused(schema, {**parts, array["file"]: ARRAYS[how]})
            return
    raise AssertionError


def test_arrays_that_nothing_uses_are_refused(machine):
    schema, parts = unpacked(machine)
    refused(schema, {**parts, "999.npy": next(iter(parts.values()))}, "it holds '999.npy', which nothing uses")


def test_arrays_that_are_not_there_are_refused(machine):
    schema, parts = unpacked(machine)
    refused(schema, dict(list(parts.items())[1:]))
    array = next(one for one in nodes_of(schema, "NdArrayNode") if one["type"] == "numpy")
    for name in ("schema.json", "../../etc/passwd", "/etc/passwd", 7, None):
        array["file"] = name
        refused(schema, parts)
    array["type"] = "pickle"
    refused(schema, parts)


def test_a_scalar_of_another_type_is_refused(machine):
    schema, parts = unpacked(machine)
    scalar = next(one for one in nodes_of(schema, "NdArrayNode") if one["__class__"] == "float64")
    for array in (np.int64(1), np.float32(1), np.ones(1), np.str_("a"), np.array(1.0, dtype=">f8")):
        refused(schema, {**parts, scalar["file"]: saved_array(array)})


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array["content"].append(node("ListNode", "builtins.list", content=[])),
        lambda array: array["content"].__setitem__(0, node("NdArrayNode", "numpy.ndarray", type="json", content=[])),
        lambda array: array["shape"]["content"].append(text(1)),
        lambda array: array["shape"]["content"].__setitem__(0, text(10**12)),
        lambda array: array["shape"]["content"].__setitem__(0, text(-1)),
        lambda array: array.update(shape=text(3)),
        lambda array: array.update(content={"0": text("a")}),
        lambda array: array.update(content="abc"),
    ],
)
def test_object_arrays_hold_values_alone(machine, change):
    schema, parts = unpacked(machine)
    change(next(one for one in nodes_of(schema, "NdArrayNode") if one["type"] == "json"))
    refused(schema, parts)


def test_every_part_that_may_be_held_can_be_refused_in_another_place(machine):
    schema, parts = unpacked(machine)
    for path in sorted(PARTS):
        planted = copy.deepcopy(schema)
        planted["content"]["classifier"]["__module__"], _, planted["content"]["classifier"]["__class__"] = (
            path.rpartition(".")
        )
        refused(planted, parts)


def test_random_damage_to_the_schema_is_refused_or_harmless(machine, forest):
    """Whatever is swapped, cut or doubled, the answer is one sentence, or a model that predicts."""
    rng = random.Random(0)
    for content in (machine, forest):
        schema, parts = unpacked(content)
        for _ in range(400):
            damaged = copy.deepcopy(schema)
            found = [
                one
                for loader in ("DictNode", "ObjectNode", "JsonNode", "NdArrayNode", "TupleNode", "TreeNode")
                for one in nodes_of(damaged, loader)
            ]
            one, other = rng.sample(found, 2)
            key = rng.choice(sorted(one))
            how = rng.randrange(4)
            if how == 0:
                one.pop(key)
            elif how == 1:
                one[key] = copy.deepcopy(other.get(key))
            elif how == 2:
                one[key] = rng.choice([None, [], {}, "", 7, True, text("x")])
            else:
                kept = copy.deepcopy(other)
                one.clear()
                one.update(kept)
            try:
                loaded = load_estimators(packed(damaged, parts), EXPECTED)
            except ModelFileError:
                continue
            try:
                loaded["classifier"].predict(loaded["scale"].transform(X))
            except Exception as error:
                assert not isinstance(error, MemoryError | SystemError), error
