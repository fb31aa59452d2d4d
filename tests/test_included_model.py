"""The included model, and the cards of models."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import tone
from fusionser_cli.predict import _print_reasons

from fusionser.model import INCLUDED_MODEL, load_model
from fusionser.reporting.card import card_page, included_card, like_results
from fusionser.spec import Config
from fusionser.studies.recipe import read_recipe

LARGEST = 5 * 2**20
"""Bytes that the included model may have."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A modulated tone, which is no speech."""
    path = tmp_path_factory.mktemp("clips") / "tone.wav"
    soundfile.write(path, tone(200.0, 2.0) * np.abs(np.sin(np.linspace(0, 20, 32000))), 16000)
    return path


def test_the_included_model_is_small_and_made_of_crema_d_alone():
    card = load_model().card
    assert INCLUDED_MODEL.stat().st_size < LARGEST
    assert card.corpus == "crema-d" and card.licences == {"crema-d": "ODbL 1.0"}
    # All but the silent recording and the three with the audio of another one.
    assert (card.training_rows, card.training_speakers) == (7438, 91)
    assert card.classes == ("angry", "disgust", "fear", "happy", "neutral", "sad")
    assert card.estimate is not None and card.estimate.protocol.speaker_independent


def test_its_card_and_notice_state_licence_scores_limits_and_law():
    page = included_card()
    estimate = load_model().card.estimate
    assert f"{100 * estimate.pooled.uar:.1f} (" in page
    for stated in ("ODbL", "Open Database License", "Regulation 2024/1689", "## Limits", "## What it is for", "emodb"):
        assert stated in page
    card = load_model().card
    assert f"divides the logarithms of its probabilities by a temperature of {card.temperature:.2f}," in page
    assert f"the calibration error of these folds is {100 * card.calibration_error:.1f} %" in page
    # Less than before, by folds that the temperature was not fitted to.
    assert card.calibration_error < estimate.calibration_error
    assert "Open Database License" in INCLUDED_MODEL.with_name("NOTICE").read_text()


def test_predict_without_a_model_uses_it_and_says_so(command, clip):
    shown = command("predict", clip)
    assert "no model given: using the included one" in shown.messages and "crema-d (ODbL 1.0)" in shown.messages
    (answer,) = command("predict", clip, "--json").json
    assert set(answer["probabilities"]) == set(load_model().card.classes)
    assert sum(answer["probabilities"].values()) == pytest.approx(1.0)
    # A tone is unlike any of its training recordings.
    assert answer["unlikeness"] > 0.99


def test_a_model_that_is_given_is_used_whatever_its_name(command, clip, tmp_path):
    renamed = tmp_path / "model.zip"
    renamed.write_bytes(INCLUDED_MODEL.read_bytes())
    assert "no model given" not in command("predict", renamed, clip).messages
    missing = command("predict", tmp_path / "none.fusionser", clip)
    assert "none.fusionser" in missing.messages
    assert "nothing to predict" in command("predict", renamed).messages


def test_stress_without_a_model_tests_it(command, clip):
    shown = command("stress", clip.parent, "--conditions", "gain-minus-12-db", "--json")
    assert shown.json["trained_on"] == "crema-d"
    assert shown.json["conditions"][0]["changed"] == 0.0
    assert "no recordings" in command("stress", INCLUDED_MODEL).messages


def test_the_command_shows_the_card(command, tmp_path):
    assert command("info").output.split() == included_card().split()
    assert command("info", "--json").json["licences"] == {"crema-d": "ODbL 1.0"}
    out = tmp_path / "card.md"
    command("info", INCLUDED_MODEL, "--out", out)
    assert out.read_text() == card_page(load_model().card)
    refused = command("info", INCLUDED_MODEL, "--study", tmp_path)
    assert "expected a folder that 'fusionser study' wrote" in refused.messages


def test_results_of_other_pipelines_are_not_on_a_card():
    card = load_model().card
    same = card.estimate
    other = same.model_copy(update={"classifier": "svm"})
    assert like_results(card, [other, same]) == [same]


def test_a_card_without_an_estimate_says_so_and_has_its_features():
    card = load_model().card
    page, scored = card_page(card.model_copy(update={"estimate": None})), card_page(card)
    assert "the performance of this model is unknown.\n\n## Parameters" in page
    features = scored[scored.index("- Features:") : scored.index("- Classifier:")]
    assert features in page and features.count("\n  - ") == len(card.features) == 4
    card = card.model_copy(update={"estimate": None})
    assert json.dumps(card.model_dump(mode="json"))


def test_a_model_after_the_recordings_is_refused(command, clip):
    for arguments in ((clip, INCLUDED_MODEL), (clip, "missing.FUSIONSER"), ("",)):
        refused = command("predict", *arguments)
        assert refused.status == 1
    assert "give the model before the recordings" in command("predict", clip, INCLUDED_MODEL).messages


def test_a_folder_may_be_named_like_a_model(command, clip, tmp_path):
    folder = tmp_path / "day.fusionser"
    folder.mkdir()
    (folder / "clip.wav").write_bytes(clip.read_bytes())
    assert len(command("predict", folder, "--json").json) == 1


def test_the_card_is_written_where_it_is_asked_for(command, tmp_path):
    out = tmp_path / "card.md"
    assert command("info", "--out", out).status == 0
    assert out.read_text() == included_card()
    assert command("info", "--json", "--out", out).status == 1


def test_the_report_is_of_the_pipeline_of_the_included_model():
    settings = Config.load(INCLUDED_MODEL.with_suffix(".toml")).pipeline
    (pipeline,) = read_recipe("included-model").pipelines
    assert pipeline.spec.explicit() == settings.explicit()


def test_a_folder_names_recordings_that_cannot_be_read(command, clip, tmp_path):
    (tmp_path / "voice.m4a").write_bytes(b"\0" * 64)
    (tmp_path / "text.txt").write_text("no recording")
    (tmp_path / "good.wav").write_bytes(clip.read_bytes())
    good, bad = command("predict", tmp_path, "--json").json
    assert good["error"] is None and good["file"].endswith("good.wav")
    assert bad["file"].endswith("voice.m4a") and "convert it to WAV or FLAC" in bad["error"]
    (tmp_path / "empty").mkdir()
    assert "expected files ending in .wav" in command("predict", tmp_path / "empty").messages


def test_one_line_for_all_that_are_unlike(command, clip, tmp_path):
    for number in range(3):
        (tmp_path / f"{number:02d}.wav").write_bytes(clip.read_bytes())
    told = command("predict", tmp_path)
    assert told.messages.count("3 of 3 recordings are unlike") == 1
    assert "unlike the" not in told.output


def test_few_lines_below_a_long_table(capsys):
    improbable = {"unsure_because": "probability", "probability": 0.4, "probability_fear": 0.4}
    _print_reasons([{"file": f"{number}.wav", **improbable} for number in range(13)], ("fear",))
    shown = capsys.readouterr().out
    assert shown.count(".wav: unsure, because the answer, fear, has a probability of 40 %") == 10
    assert "and 3 more such lines" in shown


def test_a_model_is_shown_in_one_line():
    assert repr(load_model()) == "<Model: mlp with robust+conv1d-relative, 6 classes>"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_process_answers(demo_rows):
    code = (
        "import multiprocessing, sys, fusionser\n"
        "model = fusionser.load_model()\n"
        "def answer(file): return model.predict(file)['emotion'][0]\n"
        "expected = answer(sys.argv[1])\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    assert pool.map_async(answer, sys.argv[1:] * 4).get(100) == [expected] * 4\n"
    )
    subprocess.run([sys.executable, "-c", code, demo_rows["file"][0]], check=True, timeout=200)
