"""Help lists the names that there are, and takes them from where they are registered."""

import re
import subprocess
import sys

import pandas as pd
import pytest
from option_help import option_texts, words

from fusionser import names
from fusionser.balancing import _column_sampler, row_sampler
from fusionser.classifiers import LateFusion
from fusionser.corpora import FOLDERS
from fusionser.corpora.layout import LAYOUT_FIELDS
from fusionser.errors import SettingsError
from fusionser.evaluation.importance import column_groups
from fusionser.networks import NetworkTraining, choose_device
from fusionser.registry import (
    AUGMENTATIONS,
    CLASSIFIERS,
    CONDITIONS,
    CORPORA,
    NETWORKS,
    PRESETS,
    PROTOCOLS,
    REGISTRIES,
    TABLE_FORMATS,
    TRACKERS,
)
from fusionser.rows import check_rows
from fusionser.scaling import SCALERS
from fusionser.studies.named import STUDIES

FEATURES = {
    "--corpus": [*CORPORA, FOLDERS],
    "--preset": list(PRESETS),
    "--blocks": names.block_names(),
    "--network": NETWORKS,
    "--gender": names.GENDER_FEATURES,
}
TRAINING = {
    **FEATURES,
    "--classifier": CLASSIFIERS,
    "--fusion": names.FUSIONS,
    "--scaling": names.SCALINGS,
    "--augment": AUGMENTATIONS,
    "--augment-classes": names.COPIED_CLASSES,
    "--imbalance": names.IMBALANCE,
    "--precision": names.PRECISIONS,
    "--device": names.DEVICES,
    "--protocol": PROTOCOLS,
    "--setting": names.SETTINGS,
    "--adaptation": names.ADAPTATIONS,
}
STUDY = {key: value for key, value in TRAINING.items() if key in ("--preset", "--blocks", "--gender", "--classifier")}
OPTIONS = {
    "list": {"kind": [*REGISTRIES, "recipes"]},
    "extract": {**FEATURES, "--device": names.FEATURE_DEVICES},
    "fit": TRAINING,
    "evaluate": {**TRAINING, "--importance": names.IMPORTANCE},
    "predict": {"--gender": names.GENDERS},
    "show": {"--corpus": [*CORPORA, FOLDERS]},
    "stress": {"--corpus": [*CORPORA, FOLDERS], "--conditions": CONDITIONS},
    "plan": {"--preset": PRESETS},
    "study": {"--device": names.DEVICES},
    "reproduce": {"--device": names.DEVICES, "--precision": names.PRECISIONS},
    "ablate": {
        **STUDY,
        "--corpus": CORPORA,
        "--study": names.STUDIES,
        "--imbalance": names.IMBALANCE,
        "--augmentation": AUGMENTATIONS,
        "--augment-classes": names.COPIED_CLASSES,
        "--importance": names.IMPORTANCE,
        "--protocol": PROTOCOLS,
        "--device": names.DEVICES,
    },
    "corpora check": {"name": [*CORPORA, FOLDERS]},
}


REPORTS = ("evaluate", "evaluate-timeline", "stress", "study", "ablate", "reproduce", "report")
for report in REPORTS:
    OPTIONS[report] = {**OPTIONS.get(report, {}), "--tables": TABLE_FORMATS, "--figures": names.FIGURE_FORMATS}
for recorded in ("evaluate", "fit", "study", "ablate", "reproduce"):
    OPTIONS[recorded] = {**OPTIONS[recorded], "--track": TRACKERS}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_help_of_an_option_lists_every_name_that_it_takes(name):
    texts = option_texts(name)
    assert {name for text in texts.values() for name in re.findall(r"\{(.*?)\}", text)} <= set(LAYOUT_FIELDS)
    missing = {
        option: [one for one in listed if one not in words(texts[option])] for option, listed in OPTIONS[name].items()
    }
    assert {option: some for option, some in missing.items() if some} == {}


def test_what_is_registered_while_the_program_runs_is_in_the_help(monkeypatch):
    from fusionser_cli.naming import listed_names

    for kind, registry in REGISTRIES.items():
        monkeypatch.setitem(registry._added, "mine", object())
        assert listed_names()[kind.replace("-", "_")].count("mine") == 1, kind
        monkeypatch.undo()


def test_help_is_light():
    heavy = {"numpy", "torch", "sklearn", "importlib.metadata", "fusionser.registry"}
    code = (
        "import sys, atexit; from fusionser_cli.start import main; sys.argv = ['fusionser', {}'--help']\n"
        "atexit.register(lambda: print(sorted({} & set(sys.modules)))); main()"
    )
    for arguments, loaded in (("", []), ("'evaluate', ", ["fusionser.registry", "importlib.metadata"])):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments, heavy)], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == str(loaded)


def test_names_are_those_of_the_mappings_that_do_what_they_say():
    assert tuple(SCALERS) == names.SCALINGS
    for strategy in names.ROW_BALANCINGS:
        assert callable(row_sampler(strategy, 0).fit_resample)
    for strategy in names.COLUMN_BALANCINGS:
        assert callable(_column_sampler(strategy, 0).fit_resample)
    assert tuple(STUDIES) == names.STUDIES


def test_names_that_no_mapping_holds_are_taken_and_others_are_not():
    for precision in names.PRECISIONS:
        NetworkTraining(precision=precision).check_training()
    for kind in names.IMPORTANCE:
        assert column_groups(["mfcc__0"], kind)
    for gender in names.GENDERS:
        check_rows(pd.DataFrame({"file": ["a.wav"], "gender": [gender]}))
    for name in names.DEVICES:
        try:
            choose_device(name.replace("N", "0"))
        except SettingsError as error:
            assert "this machine has no device" in str(error)
    with pytest.raises(SettingsError, match="unknown device"):
        choose_device("gpu")
    table = pd.DataFrame([[0.0, 0.1], [1.0, 0.9]] * 10, columns=["a__0", "b__0"])
    for method in names.LATE_FUSIONS:
        LateFusion(method=method).fit(table, ["calm", "sad"] * 10)
    with pytest.raises(SettingsError, match=f"Known: {', '.join(names.LATE_FUSIONS)}"):
        LateFusion(method="early").fit(table, ["calm", "sad"] * 10)
