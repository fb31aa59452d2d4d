"""A first prediction by a classifier of handcrafted columns loads no network, no booster and no compiler."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT

HEAVY = ("torch", "skorch", "imblearn", "librosa", "numba", "skops", "xgboost", "matplotlib", "scipy.signal")
MEBIBYTES = 350
REPORT = (
    "import json, sys\n"
    "from benchmarks.measuring import peak_mebibytes\n"
    f"print(json.dumps([peak_mebibytes(), [name for name in {HEAVY} if name in sys.modules]]), file=sys.stderr)\n"
)


COMMAND = "from fusionser_cli.start import main\nmain()"


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("from fusionser.model import load_model\nload_model(sys.argv[2]).predict(sys.argv[3:])", []),
        (COMMAND, []),
        (COMMAND, ["--windows", "1", "--hop", "0.5"]),
    ],
    ids=["package", "command", "time line"],
)
def test_a_first_prediction_is_light(demo_folder, code, options):
    model, clip = ROOT / "tests" / "reference" / "wide-svm.fusionser", demo_folder / "synthetic_f2_sad_s1_01.wav"
    whole = f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit: pass\n{REPORT}"
    command = [sys.executable, "-c", whole, "predict", str(model), str(clip), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    peak, loaded = json.loads(done.stderr.splitlines()[-1])
    assert loaded == []
    assert peak < MEBIBYTES
