"""Write fitted estimators to a skops file, and read such a file as untrusted input.

skops writes the file, and this module reads it. The only nodes it accepts are numbers, texts, containers, and objects
of a listed class or a registered classifier. It calls only a class's own ``__new__`` and ``__setstate__``. Indices that
compiled code uses without a bounds check are checked first.
"""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fusionser.archive import EARLIEST, check_sizes
from fusionser.classifiers import MemberEstimator, TableEstimator
from fusionser.classifiers.bounds import check_machine, check_nodes, check_regression_machine, expect
from fusionser.errors import ModelFileError, SettingsError
from fusionser.legacy import MODULES, current_column
from fusionser.networks import NetworkTraining
from fusionser.registry import CLASSIFIERS, REGRESSORS
from fusionser.scaling import BlockScaler

__all__ = ["PARTS", "bare", "dump_estimators", "load_estimators"]

Fitted = TypeVar("Fitted", bound=TableEstimator)

SCHEMA = "schema.json"
ANYWHERE = "auto"
DEEPEST = 100
"""Maximum nesting of nodes; a fitted model needs fewer than 40."""

PARTS = frozenset(
    {
        "fusionser.classifiers.bagging.BalancedBagging",
        "fusionser.classifiers.late.LateFusion",
        "fusionser.classifiers.logit_adjustment.LogitAdjustment",
        "fusionser.classifiers.svm.BalancedSVC",
        "fusionser.classifiers.svm.KernelSVC",
        "fusionser.regressors.late.LateFusion",
        "fusionser.regressors.svm.KernelSVR",
        "fusionser.scaling.BlockScaler",
        "fusionser.scaling.BoundedScaler",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.preprocessing._data.MinMaxScaler",
        "sklearn.preprocessing._data.QuantileTransformer",
        "sklearn.preprocessing._data.RobustScaler",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.SVR",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
    }
)
"""Classes that a file may contain besides registered classifiers and regressors."""

TREE = "sklearn.tree._tree.Tree"
TREE_STATE = {"max_depth", "node_count", "nodes", "values"}
KEY_TYPES: Mapping[str, Callable[[str], Any]] = {"builtins.str": str, "builtins.int": int}
NUMBERS = ("float64", "int64")

FIELDS: Mapping[tuple[str, str], set[str]] = {
    ("DictNode", "builtins.dict"): {"content", "key_types"},
    ("ListNode", "builtins.list"): {"content"},
    ("TupleNode", "builtins.tuple"): {"content"},
    ("JsonNode", "builtins.str"): {"content", "is_json"},
    ("NdArrayNode", "numpy.ndarray"): {"type", "file", "content", "shape"},
    **{("NdArrayNode", f"numpy.{kind}"): {"type", "file"} for kind in NUMBERS},
    ("TreeNode", TREE): {"content", "__reduce__"},
}
"""Fields of each node kind and class, besides those that every node has."""

NAMED = {"__loader__", "__module__", "__class__"}
EVERY_NODE = {*NAMED, "__id__"}
ROOT = {"protocol", "_skops_version"}


def dump_estimators(estimators: Mapping[str, Any]) -> bytes:
    """Return fitted estimators, without networks or boosters, as the bytes of a skops file.

    The same estimators give the same bytes.

    Raises
    ------
    SettingsError
        If skops cannot write a part of them.
    """
    from skops import io as skops_io

    try:
        content: bytes = skops_io.dumps(dict(estimators))
    except Exception as error:
        # A plugin's classifier may contain anything, and the error that skops raises does not say what to do.
        raise SettingsError(
            f"the model cannot be saved: skops cannot write a part of it ({error}); return such parts from 'pack'"
        ) from error
    return _renumbered(content)


def _renumbered(content: bytes) -> bytes:
    """Return a skops file without times, and with numbers in place of the memory addresses that skops writes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    addresses: dict[int, int] = {}
    names: dict[str, str] = {}

    def renumbered(node: Any) -> Any:
        if isinstance(node, list):
            return [renumbered(item) for item in node]
        if not isinstance(node, dict):
            return node
        # What a dictionary holds are nodes too, so an address or a file name is never a key or a value of the model.
        changed = {name: renumbered(value) for name, value in node.items()}
        if isinstance(node.get("__id__"), int):
            changed["__id__"] = addresses.setdefault(node["__id__"], len(addresses))
        if isinstance(node.get("file"), str):
            changed["file"] = names.setdefault(node["file"], f"{len(names)}.npy")
        return changed

    schema = json.dumps(renumbered(json.loads(members[SCHEMA]))).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in {SCHEMA: schema, **{new: members[old] for old, new in names.items()}}.items():
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), part)
    return buffer.getvalue()


def bare(classifier: Fitted) -> Fitted:
    """Return a copy without what prediction does not need: learning curves, device, cache and number of processes."""
    copied = copy(classifier)
    for name, value in vars(copied).items():
        if name == "n_jobs":
            copied.n_jobs = None
        elif isinstance(value, BaseEstimator) and hasattr(value, "n_jobs"):
            setattr(copied, name, copy(value).set_params(n_jobs=None))
    copied.__dict__.pop("history_", None)
    if "device" in copied.get_params(deep=False):
        copied.set_params(device=ANYWHERE if isinstance(copied, NetworkTraining) else "cpu")
    if isinstance(copied, NetworkTraining):
        copied.set_params(cache=True)
    if isinstance(copied, MemberEstimator):
        # The classifier that members are clones of may have members itself, and is not fitted.
        if hasattr(copied, "members_"):
            copied.members_ = {name: bare(member) for name, member in copied.members_.items()}
        unfitted = getattr(copied, copied.MEMBER)
        setattr(copied, copied.MEMBER, None if unfitted is None else bare(unfitted))
    return copied


def load_estimators(content: bytes, expected: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Read estimators from an untrusted skops file.

    Parameters
    ----------
    content : bytes
        The content that `dump_estimators` returned.
    expected : mapping of str to type
        The required names, each with the class or classes that its estimator may have.

    Raises
    ------
    ModelFileError
        If the content is anything else.
    """
    kinds = [kind for given in expected.values() for kind in (given if isinstance(given, tuple) else (given,))]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_sizes(archive, len(content), "estimators")
            reader = _Reader(archive, kinds)
            loaded = reader.root()
            reader.check_used()
        if not isinstance(loaded, dict) or set(loaded) != set(expected):
            raise ValueError("its parts are not those of a model")
        for name, kind in expected.items():
            if not isinstance(loaded[name], kind):
                raise ValueError(f"its part '{name}' is a {type(loaded[name]).__name__}")
            if isinstance(loaded[name], TableEstimator | BlockScaler):
                loaded[name].check_loaded()
    except Exception as error:
        # A hostile file can make NumPy or scikit-learn raise any error.
        raise ModelFileError(f"the member with the estimators is refused: {error}") from error
    return loaded


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _registered(path: str) -> type | None:
    """Return the registered classifier or regressor with a path, importing only those that can have it."""
    of_fusionser = path.startswith("fusionser.")
    for registry, name in [(one, name) for one in (CLASSIFIERS, REGRESSORS) for name in one]:
        if (registry.origin(name) == "fusionser") is of_fusionser:
            # A plugin that cannot be loaded may be unrelated to this file.
            with suppress(SettingsError):
                kind = registry[name]
                if isinstance(kind, type) and _path(kind) == path:
                    return kind
    return None


class _Reader:
    """Turns the nodes of one skops file into values."""

    def __init__(self, archive: zipfile.ZipFile, kinds: Iterable[type]) -> None:
        self._archive = archive
        self._classes = {_path(kind): kind for kind in kinds if issubclass(kind, TableEstimator)}
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._depth = 0
        for info in archive.infolist():
            if info.filename != SCHEMA and not info.filename.endswith(".npy"):
                raise ValueError(f"it holds '{info.filename}'")

    def root(self) -> Any:
        """Return the value of the whole file."""
        schema = json.loads(self._archive.read(SCHEMA))
        if not isinstance(schema, dict):
            raise ValueError("its schema is not a node")
        return self._value({name: part for name, part in schema.items() if name not in ROOT})

    def check_used(self) -> None:
        """Raise `ValueError` if the file has arrays that no node uses."""
        unused = sorted(set(self._archive.namelist()) - {SCHEMA, *self._arrays})
        if unused:
            raise ValueError(f"it holds '{unused[0]}', which nothing uses")

    def _value(self, node: Any) -> Any:
        if not isinstance(node, dict) or not set(node) >= NAMED:
            raise ValueError("it holds something that is not a node")
        module = MODULES.get(str(node["__module__"]), node["__module__"])
        loader, path = str(node["__loader__"]), f"{module}.{node['__class__']}"
        fields = {"content"} if loader == "ObjectNode" else FIELDS.get((loader, path))
        if fields is None or set(node) - EVERY_NODE - fields:
            raise ValueError(f"it holds a {loader} of {path}")
        if self._depth == DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        self._depth += 1
        try:
            return self._made(loader, path, node)
        finally:
            self._depth -= 1

    def _made(self, loader: str, path: str, node: Mapping[str, Any]) -> Any:
        if loader == "ObjectNode":
            return self._object(path, node)
        if loader == "TreeNode":
            return self._tree(node)
        if loader == "DictNode":
            return self._dict(node)
        if loader == "NdArrayNode":
            return self._array(path, node)
        if loader == "JsonNode":
            return _scalar(node)
        values = [self._value(item) for item in _listed(node["content"])]
        return values if loader == "ListNode" else tuple(values)

    def _dict(self, node: Mapping[str, Any]) -> dict[Any, Any]:
        types = node["key_types"]
        if types["__loader__"] != "ListNode" or not all(item["__loader__"] == "TypeNode" for item in types["content"]):
            raise ValueError("the keys of a dictionary have an unknown type")
        kinds = [KEY_TYPES[f"{item['__module__']}.{item['__class__']}"] for item in types["content"]]
        pairs = zip(kinds, node["content"].items(), strict=True)
        return {kind(key): self._value(value) for kind, (key, value) in pairs}

    def _array(self, path: str, node: Mapping[str, Any]) -> Any:
        if node["type"] == "json":
            listed = _listed(node["content"])
            items = [self._value(item) for item in listed]
            if self._value(node["shape"]) != (len(items),) or any(item["__loader__"] != "JsonNode" for item in listed):
                raise ValueError("an array of objects that are not texts or numbers")
            objects = np.empty(len(items), dtype=object)
            objects[:] = items
            return objects
        array = self._stored(str(node["file"]))
        if path == "numpy.ndarray":
            return array
        if array.shape != () or f"numpy.{array.dtype}" != path:
            raise ValueError(f"an array of {array.dtype} where a {path} is expected")
        return array[()]

    def _stored(self, name: str) -> npt.NDArray[Any]:
        if name not in self._arrays:
            content = self._archive.read(name)
            stream = io.BytesIO(content)
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError("an array of another version of NumPy's format")
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            kinds = {dtype[field].kind for field in dtype.names} if dtype.names else {dtype.kind}
            size = math.prod(shape) * dtype.itemsize
            if not kinds <= set("biufU") or not dtype.itemsize or size != len(content) - stream.tell():
                raise ValueError(f"an array of {dtype} of shape {shape} in {len(content)} bytes")
            stream.seek(0)
            self._arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
        return self._arrays[name]

    def _object(self, path: str, node: Mapping[str, Any]) -> Any:
        if path in PARTS:
            module, _, name = path.rpartition(".")
            kind = getattr(import_module(module), name)
        else:
            kind = self._classes.get(path) or _registered(path)
        if kind is None:
            raise ValueError(f"it holds an ObjectNode of {path}, which is not part of a model and not registered")
        state = self._value(node["content"])
        if not isinstance(state, dict):
            raise ValueError(f"the state of a {path} is a {type(state).__name__}")
        made = kind.__new__(kind)
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        else:
            made.__dict__.update(state)
        for path in map(_path, kind.__mro__):
            if path in FOLLOWED:
                FOLLOWED[path](made)
        return made

    def _tree(self, node: Mapping[str, Any]) -> Any:
        from sklearn.tree._tree import Tree

        n_features, n_classes, n_outputs = self._value(node["__reduce__"]["args"])
        state = self._value(node["content"])
        several = type(n_outputs) is int and n_outputs > 1
        fits = n_classes.dtype == np.intp and n_classes.shape == (n_outputs if several else 1,)
        # A tree of several outputs is one of a regressor, and has one class for each.
        fits = fits and ((n_classes == 1).all() if several else n_outputs == 1)
        if not isinstance(state, dict) or set(state) != TREE_STATE or not fits:
            raise ValueError("a tree of another kind")
        check_nodes(state, int(n_features), int(n_classes[0]), n_outputs)
        made = Tree(n_features, n_classes, n_outputs)
        made.__setstate__(state)
        return made


def _listed(content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise ValueError("it holds a list node without a list")
    return content


def _scalar(node: Mapping[str, Any]) -> str | int | float | None:
    """Return the value of a JSON text, with current names for columns of earlier versions."""
    value = json.loads(node["content"])
    if isinstance(value, list | dict):
        raise ValueError("it holds a container where a value is expected")
    return current_column(value) if isinstance(value, str) else value


def _check_machine(made: Any) -> None:
    from sklearn.svm import SVR

    # A classifier's own parameter is not fitted.
    if isinstance(made, SVR):
        if hasattr(made, "support_vectors_"):
            check_regression_machine(made, made.n_features_in_)
    elif hasattr(made, "support_vectors_"):
        check_machine(made, len(made.classes_), made.n_features_in_)


def _check_tree(made: Any) -> None:
    from sklearn.tree._tree import Tree

    if hasattr(made, "tree_"):
        expect(made.tree_, Tree)
        if made.tree_.n_features != made.n_features_in_:
            raise ValueError("a tree with different columns than its classifier")


FOLLOWED: Mapping[str, Callable[[Any], None]] = {
    "sklearn.svm._base.BaseLibSVM": _check_machine,
    "sklearn.tree._classes.BaseDecisionTree": _check_tree,
}
"""Checks of objects whose arrays compiled code uses as indices, by their class or a base class."""
