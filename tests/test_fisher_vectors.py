"""Fisher vectors: gradients of a likelihood that scikit-learn computes, and what must not change them."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from made_voices import voice
from sklearn.mixture import GaussianMixture

from fusionser.classifiers import LateFusion
from fusionser.errors import SettingsError
from fusionser.features import FisherVectors
from fusionser.features.fisher_vectors import fisher_vector
from fusionser.pipeline.build import build_pipeline
from fusionser.reporting.page import _differences
from fusionser.results import read_result
from fusionser.spec import PipelineSpec
from fusionser.studies.recipe import ContrastRow

SMALL = {"n_mfcc": 6, "context": 1, "n_components": 4, "n_gaussians": 3}


@pytest.fixture(scope="module")
def mixture():
    frames = np.random.default_rng(0).normal(size=(300, 2)) * [1.0, 3.0] + np.arange(300)[:, None] % 3
    return GaussianMixture(3, covariance_type="diag", random_state=0).fit(frames)


def likelihood(mixture, frames, means, deviations):
    """Return the mean log-likelihood of frames, as scikit-learn computes it."""
    other = GaussianMixture(len(means), covariance_type="diag")
    other.weights_, other.means_, other.covariances_ = mixture.weights_, means, deviations**2
    other.precisions_cholesky_ = 1 / deviations
    return other.score(frames)


def test_the_columns_are_gradients_of_the_likelihood(mixture):
    frames = np.random.default_rng(1).normal(size=(40, 2)) + 1.0
    means, deviations, step = mixture.means_, np.sqrt(mixture.covariances_), 1e-5
    by_means, by_deviations = np.zeros(means.shape), np.zeros(means.shape)
    for place in np.ndindex(means.shape):
        moved = np.zeros(means.shape)
        moved[place] = step
        ahead, behind = (likelihood(mixture, frames, means + sign * moved, deviations) for sign in (1, -1))
        by_means[place] = (ahead - behind) / (2 * step)
        ahead, behind = (likelihood(mixture, frames, means, deviations + sign * moved) for sign in (1, -1))
        by_deviations[place] = (ahead - behind) / (2 * step)
    scale = deviations / np.sqrt(mixture.weights_)[:, None]
    expected = np.concatenate([(by_means * scale).ravel(), (by_deviations * scale / np.sqrt(2)).ravel()])
    found = fisher_vector(frames, mixture.weights_, means, mixture.covariances_)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_gradients_of_many_frames_of_the_mixture_vanish(mixture):
    frames, _ = mixture.sample(200_000)
    found = fisher_vector(frames, mixture.weights_, mixture.means_, mixture.covariances_)
    # Each has the variance 1 / n_frames.
    assert np.abs(found).max() < 5 / np.sqrt(200_000)


@pytest.fixture(scope="module")
def voices():
    # With some noise, no band is at the floor of the map, where levels would not follow a gain.
    rng = np.random.default_rng(0)
    return [voice(n, seconds=1.2, pitch=120.0 + 20 * n) + 0.01 * rng.normal(size=19200) for n in range(6)]


def test_the_length_is_one_and_the_level_changes_nothing(voices):
    block = FisherVectors(**SMALL).fit(voices)
    loud, quiet = block.transform(voices), block.transform([one / 50 for one in voices])
    np.testing.assert_allclose(np.linalg.norm(loud, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(quiet, loud, atol=1e-4)
    assert loud.shape == (6, 24) == (6, len(block.names()))
    assert np.ptp(loud, axis=0).max() > 0.1


def test_silence_after_a_clip_changes_nothing(voices):
    block = FisherVectors(**SMALL, front_end=FisherVectors().default_front_end().set_params(trim=False)).fit(voices)
    longer = [np.concatenate([one, np.zeros(8000)]) for one in voices]
    np.testing.assert_allclose(block.transform(longer), block.transform(voices), atol=1e-5)


def test_packed_and_restored_it_computes_the_same(voices):
    block = FisherVectors(**SMALL).fit(voices)
    again = FisherVectors(**SMALL)
    again.unpack(block.pack(), np.zeros(0))
    np.testing.assert_array_equal(again.transform(voices), block.transform(voices))
    with pytest.raises(ValueError, match="does not fit the parameters"):
        FisherVectors(**{**SMALL, "n_gaussians": 4}).unpack(block.pack(), np.zeros(0))
    with pytest.raises(ValueError, match="cannot be read"):
        again.unpack(b"no", np.zeros(0))


def test_damaged_mixtures_are_refused(voices):
    from safetensors.numpy import load, save

    arrays = load(FisherVectors(**SMALL).fit(voices).pack())
    for name, value, reason in (("variances", 0.0, "not positive"), ("means", np.nan, "not finite")):
        damaged = {**arrays, name: np.full_like(arrays[name], value)}
        with pytest.raises(ValueError, match=reason):
            FisherVectors(**SMALL).unpack(save(damaged), np.zeros(0))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"n_mfcc": 65}, "n_mfcc"),
        ({"n_components": 141}, "n_components"),
        ({"n_gaussians": 0}, "n_gaussians"),
        ({"spacing": 0}, "spacing"),
        ({"dynamic_range": 2.0}, "dynamic_range"),
    ],
)
def test_parameters_out_of_range_are_refused(voices, given, reason):
    with pytest.raises(SettingsError, match=reason):
        FisherVectors(**given).fit(voices)


def test_too_few_frames_are_refused(voices):
    with pytest.raises(SettingsError, match="needs 201 frames or more"):
        FisherVectors(n_gaussians=200).fit(voices[:1])


def test_late_fusion_classifies_the_columns_apart():
    blocks = ["prosody", "modulation", "fisher-vectors", "fisher-vectors[context=1,name=near]"]
    fused = build_pipeline(PipelineSpec(features={"blocks": blocks}, fusion="average", seed=3))
    assert isinstance(fused["classifier"], LateFusion)
    assert fused["classifier"].apart == ("fisher-vectors", "near")
    assert not fused["classifier"].by_block
    # Two mixtures of the same seed would be the same, but for their frames.
    assert [block.random_state for _, block in fused["features"].blocks[2:]] == [3, 4]


def test_a_saved_model_answers_the_same(command, demo_folder, tmp_path):
    blocks = "prosody,fisher-vectors[n_gaussians=4,n_components=8]"
    model, first, second = (tmp_path / name for name in ("m.fusionser", "a.csv", "b.csv"))
    made = command("fit", demo_folder, "--blocks", blocks, "--fusion", "average", "--out", model, "--no-estimate")
    assert made.status == 0, made.messages
    for out in (first, second):
        assert command("predict", model, demo_folder, "--out", out).status == 0
    assert first.read_bytes() == second.read_bytes()
    described = command("info", model)
    assert "fisher-vectors" in described.output


def test_an_exported_model_answers_the_same(command, demo_folder, tmp_path):
    blocks = "prosody,fisher-vectors[n_gaussians=4,n_components=8]"
    model, graph, answers, again = (tmp_path / name for name in ("m.fusionser", "m.onnx", "a.csv", "b.csv"))
    command("fit", demo_folder, "--blocks", blocks, "--fusion", "average", "--out", model, "--no-estimate")
    made = command("export", model, graph)
    assert made.status == 0, made.messages
    assert command("predict", model, demo_folder, "--out", answers).status == 0
    assert command("predict", graph, demo_folder, "--out", again).status == 0
    expected, found = pd.read_csv(answers), pd.read_csv(again)
    probabilities = [name for name in expected if name.startswith("probability_")]
    assert len(probabilities) == 5
    np.testing.assert_allclose(found[probabilities], expected[probabilities], atol=1e-4)


@pytest.mark.parametrize("kind", ["fisher-vectors", "conv2d"])
def test_a_block_may_have_a_seed_of_its_own(kind):
    blocks = ["prosody", f"{kind}[random_state=5]", kind + "[name=b]", kind + "[name=c]"]
    fused = build_pipeline(PipelineSpec(features={"blocks": blocks}, fusion="average", seed=2))
    assert [block.random_state for _, block in fused["features"].blocks[1:]] == [5, 2, 3]


def test_a_block_whose_name_is_a_number_has_its_own_seed():
    blocks = ["conv2d", "conv2d[name=2,random_state=9]"]
    built = build_pipeline(PipelineSpec(features={"blocks": blocks}, fusion="average"))
    assert [(name, block.random_state) for name, block in built["features"].blocks] == [("conv2d", 0), ("2", 9)]


@pytest.mark.parametrize("kind", ["fisher-vectors", "conv2d"])
def test_the_same_block_twice_is_refused(kind):
    blocks = ["prosody", f"{kind}[name=a,random_state=1]", f"{kind}[name=b]", f"{kind}[name=c]"]
    with pytest.raises(SettingsError, match="the blocks 'a' and 'c' are the same, with the seed 1"):
        build_pipeline(PipelineSpec(features={"blocks": blocks}, fusion="average"))


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "true", "null", "x"])
@pytest.mark.parametrize("kind", ["fisher-vectors", "conv2d"])
def test_a_seed_of_a_block_is_a_whole_number(kind, seed):
    blocks = ["prosody", f"{kind}[random_state={seed}]"]
    with pytest.raises(SettingsError, match=rf"random_state of {kind} is .*; expected a whole number from 0"):
        build_pipeline(PipelineSpec(features={"blocks": blocks}, fusion="average"))


def test_a_contrast_names_its_published_folds():
    cells = sorted((ROOT / "reports" / "fisher-vectors" / "cells").glob("ravdess_*.json"))
    results = [read_result(path) for path in cells]
    asked = {"question": "?", "corpus": "ravdess", "protocol": "published-folds", "classes": 8}
    asked |= {"without": "robust/svm", "with": "fisher-vectors/svm"}
    for split in ("emobox", "five-folds"):
        ((_, without, having, _),) = _differences([ContrastRow(**asked, split_name=split)], results)
        assert {one.protocol.settings["split_name"] for one in (without, having)} == {split}


def test_a_contrast_is_between_results_of_one_setting():
    cells = sorted((ROOT / "reports" / "accuracy-speaker-normalised" / "cells").glob("emodb_*.json"))
    results = [read_result(path) for path in cells]
    asked = {"question": "?", "corpus": "emodb", "protocol": "leave-one-speaker-out", "classes": 7}
    asked |= {"without": "robust/svm", "with": "robust + Fisher vectors/svm"}
    ((_, _, having, _),) = _differences([ContrastRow(**asked, setting="speaker-normalised")], results)
    assert having.protocol.setting == "speaker-normalised"
    assert _differences([ContrastRow(**asked)], results) == []
