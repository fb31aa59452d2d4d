"""Model files that fusionser wrote before its rebuilding still open, and give the answers that they gave then."""

import json

import pytest
from conftest import ROOT

from fusionser.model import load_model

REFERENCE = ROOT / "tests" / "reference"


@pytest.mark.parametrize("name", ["wide-svm", "fused", "late"])
def test_an_older_model_predicts_what_it_predicted(demo_folder, name):
    expected = json.loads((REFERENCE / f"{name}.json").read_text())
    model = load_model(REFERENCE / f"{name}.fusionser")
    found = model.predict([demo_folder / one["file"] for one in expected]).to_dict("records")
    for then, now in zip(expected, found, strict=True):
        assert now["emotion"] == then["emotion"]
        for key in (key for key in then if key.startswith("probability")):
            assert now[key] == pytest.approx(then[key], rel=1e-6), key
