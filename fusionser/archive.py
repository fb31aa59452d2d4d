"""The container of a saved model: a zip of named members, read as if a stranger had made it.

Nothing in it is pickled. Members have fixed names; their sizes and hashes stand in the manifest. The
scikit-learn parts are a skops file, which is searched before skops sees it: every node must be of a kind and
class on a fixed list, so that no function, method, reduced object or foreign class can hide in it, and the
index arrays that compiled code will follow are checked to stay within bounds.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any

from skops import io as skops_io

from fusionser.classifiers import MemberClassifier, TableClassifier
from fusionser.classifiers.bounds import check_bounds
from fusionser.errors import ModelFileError
from fusionser.files import write_bytes
from fusionser.legacy import MODULES, current_column
from fusionser.networks import NetworkTraining
from fusionser.scaling import SCALERS, BlockScaler

__all__ = ["FORMAT", "bare", "dump_estimators", "load_estimators", "read_archive", "write_archive"]

FORMAT = 1
MANIFEST = "manifest.json"
SCHEMA = "schema.json"
ANYWHERE = "auto"
LARGEST_MEMBER = 4 * 1024**3
LARGEST_RATIO = 100
MOST_MEMBERS = 100
EARLIEST = (1980, 1, 1, 0, 0, 0)

PLAIN_NODES = frozenset(
    {
        ("DictNode", "builtins", "dict"),
        ("JsonNode", "builtins", "str"),
        ("ListNode", "builtins", "list"),
        ("TupleNode", "builtins", "tuple"),
        ("TypeNode", "builtins", "str"),
        ("TypeNode", "builtins", "int"),
        ("NdArrayNode", "numpy", "ndarray"),
        ("NdArrayNode", "numpy", "float64"),
        ("NdArrayNode", "numpy", "int64"),
    }
)
OBJECTS = frozenset(
    {
        "fusionser.classifiers.bagging.BalancedBagging",
        "fusionser.classifiers.random_forest.RandomForest",
        "fusionser.classifiers.svm.BalancedSVC",
        "fusionser.classifiers.svm.SVM",
        "fusionser.classifiers.gradient_boosting.XGBoost",
        "fusionser.classifiers.late.LateFusion",
        "fusionser.classifiers.neural.BiLSTM",
        "fusionser.classifiers.neural.LSTM",
        "fusionser.classifiers.neural.MLP",
        "fusionser.scaling.BlockScaler",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.preprocessing._data.MinMaxScaler",
        "sklearn.preprocessing._data.QuantileTransformer",
        "sklearn.preprocessing._data.RobustScaler",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.svm._classes.SVC",
        "sklearn.tree._classes.DecisionTreeClassifier",
    }
)
TREE = "sklearn.tree._tree.Tree"


def write_archive(path: str | Path, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Path:
    """Write a model file, whole or not at all; the same content gives the same bytes."""
    listed = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in members.items()
    }
    described = {"format": FORMAT, **manifest, "members": listed}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {MANIFEST: json.dumps(described, indent=1).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), content, zipfile.ZIP_DEFLATED)
    return write_bytes(path, buffer.getvalue())


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > LARGEST_MEMBER or info.file_size > LARGEST_RATIO * max(info.compress_size, 1):
        raise ModelFileError(f"{path}: the member '{name}' unpacks to {info.file_size} bytes; refused as hostile")
    with archive.open(info) as member:
        # The header's size may lie, so no more than that is read.
        return member.read(info.file_size + 1)[: info.file_size]


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    if MANIFEST not in archive.namelist():
        raise ModelFileError(f"{path}: a zip file without '{MANIFEST}', so not a model saved by fusionser")
    try:
        manifest = json.loads(_read_member(archive, MANIFEST, path))
        version = manifest["format"]
        members = manifest["members"]
        names = set(members)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its manifest is not one that fusionser wrote ({error!r})") from error
    if not isinstance(members, dict):
        raise ModelFileError(f"{path}: its members are not those that its manifest lists; refused as hostile")
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise ModelFileError(
            f"{path}: has format {version!r}, and this version reads up to {FORMAT}; install a newer fusionser"
        )
    if len(names) > MOST_MEMBERS:
        raise ModelFileError(f"{path}: has {len(names)} members, a model at most {MOST_MEMBERS}; refused as hostile")
    if names | {MANIFEST} != set(archive.namelist()) or len(archive.namelist()) != len(names) + 1:
        raise ModelFileError(f"{path}: its members are not those that its manifest lists; refused as hostile")
    return dict(manifest)


def read_archive(path: str | Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a model file.

    Returns
    -------
    manifest : dict
    members : dict of str to bytes

    Raises
    ------
    ModelFileError
        When the file is missing, truncated, foreign, newer, changed since it was written, or hostile.
    """
    source = Path(path)
    try:
        with zipfile.ZipFile(source) as archive:
            manifest = _manifest(archive, source)
            members = {name: _read_member(archive, name, source) for name in manifest["members"]}
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file; expected a model that 'fusionser fit --out' wrote") from error
    except (zipfile.BadZipFile, EOFError) as error:
        raise ModelFileError(f"{path}: truncated, or not a model saved by fusionser ({error})") from error
    except (OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"{path}: cannot be read ({error})") from error
    except Exception as error:
        # A damaged deflate stream raises zlib.error, which has no base class of its own.
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path}: damaged ({error})") from error
    for name, content in members.items():
        listed = manifest["members"][name]
        digest = hashlib.sha256(content).hexdigest()
        if not isinstance(listed, dict) or listed.get("sha256") != digest:
            raise ModelFileError(f"{path}: the member '{name}' was changed or damaged since it was written")
    return manifest, members


def dump_estimators(estimators: Mapping[str, Any]) -> bytes:
    """Return fitted estimators without networks or boosters as the bytes of a skops file."""
    content: bytes = skops_io.dumps(dict(estimators))
    return content


def bare(classifier: TableClassifier) -> TableClassifier:
    """Return a copy without what a model that only predicts has no use for: learning curves, device and cache."""
    copied = copy(classifier)
    for name in ("history_",):
        copied.__dict__.pop(name, None)
    if isinstance(copied, NetworkTraining):
        copied.set_params(device=ANYWHERE, cache=True)
    elif "device" in copied.get_params(deep=False):
        copied.set_params(device="cpu")
    if isinstance(copied, MemberClassifier):
        copied.members_ = {name: bare(member) for name, member in copied.members_.items()}
        copied.classifier = None if copied.classifier is None else bare(copied.classifier)
    return copied


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            if "__loader__" in current or "__class__" in current:
                yield current
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)


def _check_schema(content: bytes) -> bytes:
    """Refuse a skops file that holds anything but known parts; return it with the present names of its modules."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            if info.filename != SCHEMA and not info.filename.endswith(".npy"):
                raise ValueError(f"it holds '{info.filename}'")
            if info.file_size > LARGEST_MEMBER or info.file_size > LARGEST_RATIO * max(info.compress_size, 1):
                raise ValueError(f"'{info.filename}' unpacks to {info.file_size} bytes")
        schema = json.loads(archive.read(SCHEMA))
        renamed = _check_nodes(schema)
        return _with_schema(archive, schema) if renamed else content


def _check_nodes(schema: Any) -> bool:
    """Refuse nodes that are not known; give what was renamed its present name, and tell if there is any."""
    renamed = False
    for node in _nodes(schema):
        older = dict(node)
        node["__module__"] = MODULES.get(str(node.get("__module__")), node.get("__module__"))
        if node.get("__loader__") == "JsonNode" and isinstance(node.get("content"), str):
            node["content"] = _current_text(node["content"])
        renamed |= node != older
        kind = (node.get("__loader__"), node.get("__module__"), node.get("__class__"))
        name = f"{kind[1]}.{kind[2]}"
        known = kind in PLAIN_NODES or (kind[0] == "ObjectNode" and name in OBJECTS)
        if not known and not (kind[0] == "TreeNode" and name == TREE):
            raise ValueError(f"it holds a {kind[0]} of {name}")
    return renamed


def _current_text(content: str) -> str:
    """Return a string of JSON, such as a column's name, as it is called today."""
    return json.dumps(current_column(text)) if isinstance(text := json.loads(content), str) else content


def _with_schema(archive: zipfile.ZipFile, schema: Any) -> bytes:
    """Return the bytes of an archive with another schema."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as copied:
        for info in archive.infolist():
            copied.writestr(info, json.dumps(schema) if info.filename == SCHEMA else archive.read(info))
    return buffer.getvalue()


def load_estimators(content: bytes, expected: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Read estimators back from a skops file that may come from a stranger.

    Parameters
    ----------
    content : bytes
        What `dump_estimators` returned.
    expected : mapping of str to type
        The names it must hold, and what each must be.

    Raises
    ------
    ModelFileError
        When it holds anything else.
    """
    try:
        loaded = skops_io.loads(_check_schema(content), trusted=[*OBJECTS, TREE])
        if not isinstance(loaded, dict) or set(loaded) != set(expected):
            raise ValueError("its parts are not those of a model")
        for name, kind in expected.items():
            if not isinstance(loaded[name], kind):
                raise ValueError(f"its part '{name}' is a {type(loaded[name]).__name__}")
            if isinstance(loaded[name], TableClassifier):
                check_bounds(loaded[name])
            if isinstance(loaded[name], BlockScaler):
                _check_scalers(loaded[name])
    except Exception as error:
        # Whatever a hostile file makes skops or scikit-learn raise, the answer is one sentence.
        raise ModelFileError(f"the member with the estimators is refused: {error}") from error
    return loaded


def _check_scalers(scaler: BlockScaler) -> None:
    kinds = {type(build()) for build in SCALERS.values()}
    strange = [type(one).__name__ for one in scaler.scalers_.values() if type(one) not in kinds]
    if strange:
        raise ValueError(f"a {strange[0]} in the place of a scaler")
