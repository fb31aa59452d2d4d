"""Augmented copies that only networks learn from."""

import numpy as np
import pandas as pd
import pytest

from fusionser.augmentation import KeepOriginals
from fusionser.errors import RowsError, SettingsError
from fusionser.pipeline import build_pipeline
from fusionser.spec import PipelineSpec

BLOCKS = {"features": {"blocks": ["mfcc", "conv1d"], "clip": {"duration": 1.0}}}
OTHER = {
    "networks": {"epochs": 2, "parameters": {"validation": 0.0}},
    "classifier": {"name": "random-forest"},
    "fusion": "average",
}
COPIES = {"augment": ["noise"], "copies": 2}


@pytest.fixture(scope="module")
def fitted(split):
    """The same pipeline without copies, with copies for all, and with copies for networks."""
    rows = split[0].iloc[::3].reset_index(drop=True)
    plans = {"none": {}, "all": COPIES, "networks": {**COPIES, "augment_for": "networks"}}
    return {
        name: build_pipeline(PipelineSpec.model_validate({**BLOCKS, **OTHER, "rows": plan})).fit(rows, rows["emotion"])
        for name, plan in plans.items()
    }


def columns_of(pipeline, rows):
    """Return the log-probabilities of the classifier beside the networks."""
    columns = pipeline["scale"].transform(pipeline["features"].transform(rows))
    return pipeline["classifier"].member_log_probabilities(columns)["columns"]


def weights_of(pipeline):
    return {
        name: value.numpy() for name, value in pipeline["features"].learned_["conv1d"].network_.state_dict().items()
    }


def test_the_classifier_is_the_one_of_the_originals(fitted, split):
    answers = {name: columns_of(pipeline, split[1]) for name, pipeline in fitted.items()}
    np.testing.assert_array_equal(answers["networks"], answers["none"])
    assert np.abs(answers["all"] - answers["none"]).max() > 0.01


def test_the_network_is_the_one_of_all_rows(fitted):
    weights = {name: weights_of(pipeline) for name, pipeline in fitted.items()}
    for name, value in weights["all"].items():
        np.testing.assert_array_equal(weights["networks"][name], value)
    assert any(np.abs(weights["none"][name] - value).max() > 1e-4 for name, value in weights["all"].items())


def test_scales_are_those_of_the_originals(fitted, split):
    columns = fitted["none"]["features"].transform(split[1])
    own = [name for name in columns if name.startswith("mfcc__")]
    scaled = {name: pipeline["scale"].transform(columns)[own] for name, pipeline in fitted.items()}
    pd.testing.assert_frame_equal(scaled["networks"], scaled["none"])
    assert np.abs(scaled["all"] - scaled["none"]).to_numpy().max() > 0.01


@pytest.mark.parametrize(
    ("plan", "missing"),
    [
        ({"features": {"blocks": ["mfcc", "chroma"]}}, "no network among the blocks"),
        ({"network": "conv1d"}, "no classifier beside the networks"),
        ({"features": {"blocks": ["conv1d"]}, "fusion": "average"}, "no classifier beside the networks"),
    ],
)
def test_copies_for_no_one_are_refused(plan, missing):
    spec = PipelineSpec.model_validate({**plan, "rows": {**COPIES, "augment_for": "networks"}})
    with pytest.raises(
        SettingsError,
        match=f"--augment-for networks needs a network and a classifier beside it, but there is {missing}",
    ):
        build_pipeline(spec)


def test_an_original_may_lack_the_text_of_its_augmentation():
    table = pd.DataFrame({"augmentation": [None, "", "noise(10)#1"], "rms__mean": [0.1, 0.2, 0.3]})
    kept, labels = KeepOriginals().fit_resample(table, ["a", "b", "c"])
    assert (kept["rms__mean"].tolist(), labels.tolist()) == ([0.1, 0.2], ["a", "b"])


def test_the_sampler_asks_for_a_table_that_tells_copies():
    with pytest.raises(RowsError, match="got columns without 'augmentation'"):
        KeepOriginals().fit_resample(pd.DataFrame({"rms__mean": [0.1]}), ["sad"])


def test_at_the_command_line(demo_folder, tmp_path, command):
    model = tmp_path / "model.fusionser"
    given = ["--corpus", "demo", "--blocks", "mfcc,conv1d", "--fusion", "average", "--classifier", "random-forest"]
    copies = ["--augment", "noise", "--augment-for", "networks", "--epochs", "2"]
    answer = command("fit", demo_folder, *given, *copies, "--out", model)
    assert answer.status == 0, answer.messages
    clip = next(demo_folder.glob("*.wav"))
    assert command("predict", model, clip, "--json").json[0]["emotion"]
    report = tmp_path / "report"
    answer = command("evaluate", demo_folder, *given, *copies, "--protocol", "speaker-holdout", "--out", report)
    assert answer.status == 0, answer.messages
    assert "augment_for = networks" in (report / "report.md").read_text()
    settings = tmp_path / "settings.toml"
    answer = command(
        "evaluate", demo_folder, *given, *copies, "--protocol", "speaker-holdout", "--save-config", settings
    )
    assert answer.status == 0 and "augment_for" in settings.read_text()
    again = ["--config", settings, "--augment", ""]
    assert command("evaluate", demo_folder, "--corpus", "demo", *again).status == 0
    wrong = command("evaluate", demo_folder, *given, "--augment", "noise", "--augment-for", "svm")
    assert wrong.status != 0 and "unknown value of --augment-for 'svm'. Known: all, networks" in wrong.messages
