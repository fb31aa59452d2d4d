"""Taking skops files apart and putting them together, for tests."""

import io
import json
import zipfile

import numpy as np
import pytest

from fusionser.classifiers import SVM, RandomForest
from fusionser.errors import ModelFileError
from fusionser.estimators import load_estimators
from fusionser.scaling import BlockScaler

EXPECTED = {"scale": BlockScaler, "classifier": (SVM, RandomForest)}
RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(60, 3)), np.array(["a", "b", "c"] * 20, dtype=object)


def fitted(classifier):
    return {"scale": BlockScaler().fit(X), "classifier": classifier.fit(X, Y)}


def unpacked(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(parts.pop("schema.json")), parts


def packed(schema, parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", schema if isinstance(schema, bytes) else json.dumps(schema))
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def refused(schema, parts, match="."):
    with pytest.raises(ModelFileError, match=f"the member with the estimators is refused: .*{match}"):
        load_estimators(packed(schema, parts), EXPECTED)


def node(loader, path, **fields):
    module, _, name = path.rpartition(".")
    return {"__loader__": loader, "__module__": module, "__class__": name, **fields}


def text(value):
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def nodes_of(schema, loader):
    pending, found = [schema], []
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            found += [current] if current.get("__loader__") == loader else []
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)
    return found


def saved_array(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()
