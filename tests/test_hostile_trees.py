"""Trees and support vector machines of a stranger are refused where compiled code would follow them astray."""

import copy
import io

import numpy as np
import pytest
from skops_files import fitted, node, nodes_of, refused, saved_array, text, unpacked

from fusionser.classifiers import SVM, RandomForest
from fusionser.estimators import dump_estimators


@pytest.fixture(scope="module")
def machine():
    return dump_estimators(fitted(SVM()))


@pytest.fixture(scope="module")
def forest():
    return dump_estimators(fitted(RandomForest(n_estimators=2)))


def tree_of(schema):
    return nodes_of(schema, "TreeNode")[0]


def change_array(parts, array, change):
    content = np.load(io.BytesIO(parts[array["file"]])).copy()
    changed = change(content)
    return {**parts, array["file"]: saved_array(content if changed is None else changed)}


def set_field(name, value):
    def change(nodes):
        nodes[name][0] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        set_field("left_child", 10**6),
        set_field("left_child", -7),
        set_field("left_child", 0),
        set_field("right_child", 10**6),
        set_field("right_child", -1),
        set_field("feature", 3),
        set_field("feature", -2),
        lambda nodes: nodes[:1],
        lambda nodes: nodes[:0],
        lambda nodes: np.concatenate([nodes, nodes]),
        lambda nodes: nodes.reshape(1, -1),
        lambda nodes: nodes["left_child"],
        lambda nodes: nodes.astype([(name, "<f8") for name in nodes.dtype.names]),
        lambda nodes: nodes[["left_child", "right_child", "feature"]],
    ],
)
def test_trees_whose_nodes_lead_astray_are_refused_before_they_are_built(forest, change):
    schema, parts = unpacked(forest)
    refused(schema, change_array(parts, tree_of(schema)["content"]["content"]["nodes"], change))


@pytest.mark.parametrize(
    "change",
    [
        lambda state, args: state.update(node_count=text(10**9)),
        lambda state, args: state.update(node_count=text(0)),
        lambda state, args: state.update(node_count=text(1.5)),
        lambda state, args: state.update(max_depth=text("deep")),
        lambda state, args: state.pop("values"),
        lambda state, args: args.__setitem__(0, text(10**6)),
        lambda state, args: args.__setitem__(0, text(1)),
        lambda state, args: args.__setitem__(2, text(10**6)),
        lambda state, args: args.__setitem__(2, text(0)),
        lambda state, args: args.__setitem__(1, text(3)),
        lambda state, args: args.__setitem__(1, state["values"]),
        lambda state, args: args.pop(),
    ],
)
def test_trees_that_claim_to_be_larger_than_they_are_are_refused(forest, change):
    schema, parts = unpacked(forest)
    tree = tree_of(schema)
    state, args = tree["content"], tree["__reduce__"]["args"]["content"]
    before = set(state["content"])
    change(state["content"], args)
    if set(state["content"]) != before:
        state["key_types"]["content"].pop()
    refused(schema, parts)


@pytest.mark.parametrize("change", [lambda one: one[:, :, :2], lambda one: one[:1], lambda one: one[:, 0]])
def test_trees_whose_values_do_not_fit_are_refused(forest, change):
    schema, parts = unpacked(forest)
    refused(schema, change_array(parts, tree_of(schema)["content"]["content"]["values"], change), "values of shape")


def machine_of(schema):
    objects = nodes_of(schema, "ObjectNode")
    return next(one for one in objects if one["__class__"] == "KernelSVC" and "support_" in one["content"]["content"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("_n_support", lambda array: array * 1000),
        ("_n_support", lambda array: -array),
        ("_n_support", lambda array: array[:2]),
        ("support_vectors_", lambda array: array[:3]),
        ("support_vectors_", lambda array: array[:, :1]),
        ("support_", lambda array: array[:3]),
        ("_dual_coef_", lambda array: array[:1]),
        ("_intercept_", lambda array: array[:1]),
    ],
)
def test_machines_whose_arrays_do_not_fit_are_refused(machine, name, change):
    schema, parts = unpacked(machine)
    array = machine_of(schema)["content"]["content"][name]
    refused(schema, change_array(parts, array, change), "arrays do not fit together")


@pytest.mark.parametrize(
    ("name", "value"), [("kernel", "precomputed"), ("kernel", "poly"), ("_impl", "nu_svc"), ("_sparse", True)]
)
def test_machines_of_another_kind_are_refused(machine, name, value):
    schema, parts = unpacked(machine)
    state = machine_of(schema)["content"]
    if name not in state["content"]:
        state["key_types"]["content"].append(node("TypeNode", "builtins.str"))
    state["content"][name] = text(value)
    refused(schema, parts, "arrays do not fit together")


def test_a_column_more_than_the_classifier_has_is_refused(forest):
    """Each part says how many columns it takes; a tree that tests one of those which are not there reads on."""
    schema, parts = unpacked(forest)
    classifier = schema["content"]["classifier"]["content"]["content"]
    trees = [one["content"]["content"] for one in nodes_of(schema, "ObjectNode")]
    trees = [state for state in trees if "tree_" in state]
    assert len(trees) == 2
    for part in (classifier, *trees):
        part["n_features_in_"] = text(4)
        refused(copy.deepcopy(schema), parts, "with different columns")
        part["n_features_in_"] = text(3)
