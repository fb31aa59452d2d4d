"""Names that options give: an unknown one is told before anything that takes seconds is imported."""

import json
import subprocess
import sys

import pytest
from fusionser_cli.known_names import FIXED, known_names

from fusionser.studies.papers import paper_recipe_names, paper_recipes

HEAVY = ("torch", "sklearn", "librosa", "scipy", "xgboost", "matplotlib")

MISSPELT = {
    ("evaluate", "rows", "--classifier", "svmm"): "unknown classifier 'svmm'; did you mean 'svm'?",
    ("evaluate", "rows", "--classifier", "svmm", "--targets", "arousal"): "unknown classifier 'svmm'",
    ("fit", "rows", "--blocks", "mfcc,zzcr[a=1]"): "unknown feature block 'zzcr'; did you mean 'zcr'?",
    ("extract", "rows", "--out", "a.parquet", "--preset", "robst"): "unknown preset 'robst'; did you mean 'robust'?",
    ("evaluate", "rows", "--protocol", "speaker-fold"): "unknown protocol 'speaker-fold'; did you mean 'speaker-",
    ("evaluate", "rows", "--network", "conv1"): "unknown network 'conv1'; did you mean 'conv1d'?",
    ("evaluate", "rows", "--corpus", "emodb,emobd"): "unknown corpus 'emobd'; did you mean 'emodb'?",
    ("evaluate", "rows", "--augment", "noise,pich"): "unknown augmentation 'pich'; did you mean 'pitch'?",
    ("evaluate", "rows", "--importance", "x"): "unknown kind of importance 'x'. Known: blocks, features",
    ("ablate", "rows", "--out", "o", "--classifier", "svm,mpl"): "unknown classifier 'mpl'; did you mean 'mlp'?",
    ("ablate", "rows", "--out", "o", "--study", "gendr"): "unknown study 'gendr'; did you mean 'gender'?",
    ("stress", "model", "rows", "--conditions", "telephon"): "unknown condition 'telephon'; did you mean 'telephone'?",
    ("reproduce", "nosuch"): "unknown recipe 'nosuch'. Known: ",
    ("study", "nosuch", "--out", "o"): "unknown recipe 'nosuch'. Known: ",
}

RUN = f"""
import json, sys
from fusionser_cli.app import main
told = []
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as stop:
        told.append(stop.code)
print(json.dumps([told, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def test_a_misspelt_name_is_told_before_heavy_imports(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(list(MISSPELT))], capture_output=True, text=True, cwd=tmp_path
    )
    codes, heavy = json.loads(done.stdout)
    assert heavy == [] and set(codes) == {1}
    lines = done.stderr.splitlines()
    assert [line.startswith(f"error: {told}") for line, told in zip(lines, MISSPELT.values(), strict=True)] == [
        True
    ] * len(MISSPELT), lines
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [*FIXED, "blocks", "classifiers", "corpora", "presets", "table_formats"])
def test_every_kind_of_names_has_some(key):
    assert known_names(key).kind and len(known_names(key).listed) > 1


def test_names_of_recipes_are_those_of_the_recipes():
    assert paper_recipe_names() == list(paper_recipes())
