"""Networks on pretrained encoders, and the choice of a layer, where numbers are predicted; on tiny random models."""

import numpy as np
import pytest
from pretrained_models import made_model
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fusionser
from fusionser.agreement import mean_concordance
from fusionser.features.external.chosen_layer import ChosenLayer
from fusionser.model import load_model, save_model
from fusionser.networks import TransformersAttentive, TransformersFinetuned
from fusionser.rows import load_rows
from fusionser.spec import PipelineSpec
from fusionser.splits import InnerFolds


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(made_model("WavLM", tmp_path_factory.mktemp("models") / "wavlm"))


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    """Write tones of four speakers in a table whose target is the pitch; return the table, its rows and the target."""
    import pandas as pd
    import soundfile

    folder, rng = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    rows = []
    for number in range(48):
        pitch = rng.uniform(100, 900)
        wave = 0.2 * np.sin(2 * np.pi * pitch / 16000 * np.arange(8000)) + 0.01 * rng.normal(size=8000)
        file = folder / f"{number:02d}.wav"
        soundfile.write(file, wave, 16000)
        rows.append({"file": str(file), "speaker": f"s{number % 4}", "pitch": pitch})
    pd.DataFrame(rows).to_csv(folder / "tones.csv", index=False)
    table = load_rows(folder / "tones.csv")
    return folder / "tones.csv", table.drop(columns="pitch"), table[["pitch"]].to_numpy(dtype=float)


def concordance_of_unseen(block, rows, numbers):
    unseen = (rows["speaker"] == "s3").to_numpy()
    fitted = block.fit(rows[~unseen], numbers[~unseen])
    return mean_concordance(numbers[unseen], fitted.predict(rows[unseen]))


def test_attention_over_frames_learns_a_pitch_and_not_a_shuffled_one(model, tones):
    _, rows, numbers = tones
    block = TransformersAttentive(model=model, epochs=30, learning_rate=0.01, output="scores")
    assert concordance_of_unseen(block, rows, numbers) > 0.6
    shuffled = numbers[np.random.default_rng(1).permutation(len(numbers))]
    assert abs(concordance_of_unseen(clone(block), rows, shuffled)) < 0.5


@pytest.mark.parametrize("adapters", [0, 2])
def test_fine_tuned_encoders_come_back_with_their_numbers(model, tones, adapters):
    if adapters:
        pytest.importorskip("peft")
    _, rows, numbers = tones
    block = TransformersFinetuned(model=model, epochs=3, learning_rate=0.01, adapters=adapters, output="scores")
    fitted = block.fit(rows, numbers)
    again = clone(block)
    again.unpack(fitted.pack(), np.zeros(0))
    np.testing.assert_array_equal(again.predict(rows), fitted.predict(rows))
    assert fitted.pack() == again.pack()
    assert again.names() == ["predicted_1"]
    assert mean_concordance(numbers, fitted.predict(rows)) > 0.3
    with pytest.raises(ValueError, match="another task"):
        again.unpack(fitted.pack(), np.array(["calm", "sad"]))


def test_the_layer_has_the_best_concordance_on_held_out_speakers(model, tones):
    _, rows, numbers = tones
    block = ChosenLayer(model=model, folds=4, penalty=10.0).fit(rows, numbers)
    layers = block.resolved_front_end().compute_all(rows)
    for place in range(layers.shape[1]):
        values = layers[:, place].reshape(len(layers), -1).astype(float)
        answers = np.zeros_like(numbers)
        for train, held in InnerFolds(folds=4, stratified=False).split(rows, numbers):
            assert not set(rows["speaker"].iloc[train]) & set(rows["speaker"].iloc[held])
            ridge = make_pipeline(StandardScaler(), Ridge(alpha=10.0)).fit(values[train], numbers[train])
            answers[held] = ridge.predict(values[held]).reshape(-1, 1)
        assert block.scores_[place] == pytest.approx(mean_concordance(numbers, answers), abs=1e-6)
    assert block.layer_ == block.scores_.argmax()
    again = clone(block)
    again.unpack(block.pack(), np.zeros(0))
    np.testing.assert_array_equal(again.transform(rows), block.transform(rows))


def test_a_choice_by_a_negative_concordance_is_none_of_classes(model, tones):
    _, rows, numbers = tones
    block = ChosenLayer(model=model).fit(rows, numbers)
    block.scores_ = block.scores_ - block.scores_.max() - 0.1
    content = block.pack()
    clone(block).unpack(content, np.zeros(0))
    with pytest.raises(ValueError, match="scores that cannot be"):
        clone(block).unpack(content, np.array(["calm", "sad"]))


def test_a_model_with_a_chosen_layer_and_attention_is_saved(model, tones, tmp_path):
    table, rows, numbers = tones
    blocks = (
        {"kind": "transformers-chosen-layer", "front_end": ChosenLayer(model=model).settings()["front_end"]},
        TransformersAttentive(model=model, epochs=3).settings(),
    )
    spec = PipelineSpec(task="dimensions", targets=("pitch",), features={"blocks": blocks}, networks={"epochs": 3})
    fitted = fusionser.fit(table, spec, protocol=None)
    again = load_model(save_model(fitted, tmp_path / "pitch.fusionser"))
    clips = rows["file"].tolist()
    found = again.predict(clips)["pitch"].to_numpy()
    np.testing.assert_array_equal(found, fitted.predict(clips)["pitch"])
    assert mean_concordance(numbers, found[:, None]) > 0.5
