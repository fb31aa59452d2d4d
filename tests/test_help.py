"""Help lists the names that there are, and takes them from where they are registered."""

import os
import re
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT
from fusionser_cli import naming, stopped
from fusionser_cli.app import COMMANDS, NAMED
from option_help import completions, help_text, option_texts, words

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
    "--augment-for": names.COPIES_FOR,
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
def test_the_help_of_an_option_lists_every_name_that_it_takes_or_says_what_lists_them(name):
    texts = option_texts(name)
    assert {name for text in texts.values() for name in re.findall(r"\{(.*?)\}", text)} <= set(LAYOUT_FIELDS)
    missing = {
        option: [one for one in listed if one not in words(texts[option])] for option, listed in OPTIONS[name].items()
    }
    for option, some in missing.items():
        assert not some or lists_of(texts[option]) >= set(some), option


def lists_of(text):
    """Return the names that the commands in a help text list."""
    kinds = re.findall(r"'fusionser list ([a-z-]+)'", text)
    # 'acoustic' and the names of presets stand for blocks, and the help says so.
    return {name for kind in kinds for name in REGISTRIES[kind]} | (words(text) if kinds else set())


def test_examples_of_long_lists_are_names():
    listed = naming.listed_names()
    for key, shown in naming.EXAMPLES.items():
        assert set(shown) < set(listed[key]) and len(listed[key]) > naming.LONG, key


MAIN = ("evaluate", "fit", "extract", "predict", "study", "ablate", "reproduce", "serve", "stress", "audit", "plan")


@pytest.mark.parametrize("name", MAIN)
def test_help_shows_a_few_options_and_help_all_shows_all(name):
    few, every = option_texts(name, "--help"), option_texts(name)
    assert few.keys() < every.keys()
    options = {option for option in few if option.startswith("--")} - {"--help", "--help-all"}
    assert 3 <= len(options) <= 12
    last = " ".join(help_text(name, "--help").split())
    counted = re.search(r"These are (\d+) of (\d+) options and arguments; --help-all shows all\.$", last)
    assert counted is not None and int(counted[1]) < int(counted[2])
    assert "--help-all shows" not in help_text(name, "--help-all")


def test_a_command_with_few_options_shows_all_of_them():
    for name in ("export", "report", "info", "listen"):
        assert option_texts(name, "--help") == option_texts(name), name
        assert "--help-all" not in option_texts(name)


def test_every_command_is_under_a_heading():
    headings = {heading for heading, _ in COMMANDS}
    done = subprocess.run(
        [sys.executable, "-m", "fusionser", "--help"],
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    boxes = re.findall(r"^╭─ (.*?) ─+╮$", done.stdout, re.MULTILINE)
    assert boxes[0] == "Options" and set(boxes[1:]) == headings
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for _, command in COMMANDS:
        assert re.search(rf"^│ {NAMED.get(command, command.__name__.replace('_', '-'))} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["evaluate", "x", "--classifier", ""], list(CLASSIFIERS)),
        (["evaluate", "x", "--protocol", "leave"], [name for name in PROTOCOLS if name.startswith("leave")]),
        (["evaluate", "x", "--blocks", "mfcc,chr"], ["mfcc,chroma"]),
        (["fit", "x", "--corpus", "ravdess"], ["ravdess", "ravdess-song"]),
        (["evaluate", "x", "--impose"], ["--impose-imbalance"]),
        (["corpora", "check", "emod"], ["emodb"]),
        (["list", "front"], ["front-ends"]),
        (["study", "classical"], ["classical-baseline"]),
        (["reproduce", "s4-crnn-emodb"], ["s4-crnn-emodb", "s4-crnn-emodb-augmented"]),
        (["study", "s4-crnn-e"], []),
        (["evaluate-t"], ["evaluate-timeline"]),
        (["evaluate", "x", "--out", ""], []),
    ],
)
def test_names_are_completed(typed, offered):
    assert completions(*typed) == offered


def test_completion_is_light():
    code = (
        "import sys, atexit; from fusionser_cli.start import main; sys.argv = ['fusionser']\n"
        "atexit.register(lambda: print(sorted({'numpy', 'torch', 'sklearn', 'pandas'} & set(sys.modules)))); main()"
    )
    env = {"COMP_WORDS": "fusionser fit x --blocks mf", "COMP_CWORD": "4", "_FUSIONSER_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    first, *_, last = done.stdout.splitlines()
    assert (first, last) == ("mfcc", "[]")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_completion_is_shown(shell):
    done = subprocess.run(
        [sys.executable, "-m", "fusionser", "--show-completion", shell],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_FUSIONSER_COMPLETE" in done.stdout


def test_what_is_registered_while_the_program_runs_is_in_the_help(monkeypatch):
    for kind, registry in REGISTRIES.items():
        monkeypatch.setitem(registry._added, "mine", object())
        assert naming.listed_names()[kind.replace("-", "_")].count("mine") == 1, kind
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


def test_the_page_of_exit_statuses_has_those_of_the_code():
    page = (ROOT / "docs" / "exit-statuses.md").read_text()
    rows = {int(found) for found in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    of_audit, stops = {stopped.LEAKED, stopped.NOT_AUDITED}, {stopped.INTERRUPTED, stopped.PIPE_CLOSED}
    assert rows == {0, stopped.FAILED, stopped.WRONG_USE} | of_audit | stops
    told = {int(found) for found in re.findall(r"\b\d+\b", stopped.STATUSES_TEXT)}
    assert told == rows and stopped.STATUSES_TEXT.split()[0] in help_text("", "--help")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["info", "gone.fusionser"], stopped.FAILED),
        (["predict", "gone.wav"], stopped.FAILED),
        (["audit", "gone.csv"], stopped.NOT_AUDITED),
        (["evaluate", "x", "--no-such-option"], stopped.WRONG_USE),
        (["evaluate", "x", "--folds", "many"], stopped.WRONG_USE),
        (["no-such-command"], stopped.WRONG_USE),
    ],
)
def test_commands_end_with_the_statuses_of_the_page(command, tmp_path, arguments, status):
    assert command(*arguments, cwd=tmp_path).status == status
