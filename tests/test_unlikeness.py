"""How unlike its training recordings a clip is: the measure, its file, and what a model and the command say of it."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import ROOT
from model_files import members
from prepared_rows import under
from scipy.spatial.distance import mahalanobis
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from test_hostile_models import rebuild

from fusionser import reader
from fusionser.errors import ModelFileError, SettingsError
from fusionser.features import Recording
from fusionser.jobs import fit_prepared
from fusionser.likeness import Unlike, Unlikeness, fit_unlikeness, pack_unlikeness, unpack_unlikeness
from fusionser.model import LEAST_PROBABILITY, MOST_UNLIKE, UNSURE, load_model, save_model
from fusionser.model.fitted import UNLIKENESS
from fusionser.reporting.unlike import DESCRIPTIONS, TOGETHER, improbable_text, unlike_note, unlike_text
from fusionser.splits import InnerFolds

OLDER = ROOT / "tests" / "reference" / "wide-svm.fusionser"


def speakers(count=8, clips=25, columns=4, apart=2.0, seed=0):
    """Rows whose columns differ more between speakers than within."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"s{number}" for number in range(count)], clips)
    values = np.repeat(apart * rng.normal(size=(count, columns)), clips, axis=0) + rng.normal(
        size=(len(names), columns)
    )
    table = pd.DataFrame(values, columns=[f"c{number}" for number in range(columns)])
    return table.assign(speaker=names, source=[f"{number}" for number in range(len(names))])


def distances(train, test, limit=8.0):
    """The measure by its definition, with scikit-learn's covariance and SciPy's distance."""
    low, high = np.percentile(train, [25, 75], axis=0)
    centre = np.median(train, axis=0)
    scale = np.maximum((high - low) / 1.349, np.maximum(0.5 * train.std(axis=0), 0.01 * np.abs(centre)))

    def standardised(values):
        return limit * np.tanh((values - centre) / scale / limit)

    shrunk = LedoitWolf().fit(standardised(train))
    variances = np.diag(shrunk.covariance_)
    covariance = shrunk.covariance_ + np.diag(np.maximum(variances, 0.25) - variances)
    return [mahalanobis(row, shrunk.location_, np.linalg.inv(covariance)) for row in standardised(test)]


def test_the_number_is_the_share_of_clips_of_unseen_speakers_that_lie_less_far():
    table, other = speakers(), speakers(seed=1, apart=5.0)
    columns = [f"c{number}" for number in range(4)]
    values = table[columns].to_numpy()
    fitted = Unlikeness(folds=4).fit(table)
    folds = list(InnerFolds(folds=4).split(table, np.zeros(len(table))))
    assert all(not set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[test]) for train, test in folds)
    expected = np.sort(np.concatenate([distances(values[train], values[test]) for train, test in folds]))
    np.testing.assert_allclose(fitted.distances_, expected, rtol=1e-9)
    far = np.array(distances(values, other[columns].to_numpy()))
    shares = fitted.score_samples(other)
    inside = far <= expected[-1]
    assert inside.any()
    assert not inside.all()
    np.testing.assert_allclose(shares[inside], [(expected < one).sum() / 201 for one in far[inside]])
    np.testing.assert_allclose(shares[~inside], 1 - expected[-1] / far[~inside] / 201)
    assert (np.diff(shares[np.argsort(far)]) >= 0).all()


def test_a_new_speaker_is_less_unlike_than_it_seems_from_clips_of_known_ones():
    table, new = speakers(count=30, apart=3.0), speakers(count=30, apart=3.0, seed=1)
    known = Unlikeness().fit(table.assign(speaker=""))
    assert (known.score_samples(new) > 0.99).mean() > 2 * (Unlikeness().fit(table).score_samples(new) > 0.99).mean()


def test_it_is_an_estimator():
    table = speakers()
    fitted = Unlikeness(folds=5).fit(table)
    again = clone(fitted).fit(table)
    thawed = pickle.loads(pickle.dumps(fitted))
    for other in (again, thawed):
        np.testing.assert_array_equal(other.score_samples(table), fitted.score_samples(table))
    for wrong in ({"folds": 1}, {"limit": 0.0}):
        with pytest.raises(SettingsError, match="expected 2 folds or more"):
            Unlikeness(**wrong).fit(table)


def test_a_column_that_never_varies_does_not_hide_or_decide():
    table = speakers().assign(c4=8000.0, c5=0.0)
    shares = Unlikeness().fit(table).score_samples(table.assign(c4=7990.0))
    assert np.isfinite(shares).all()
    assert np.median(shares) < 0.9


def test_the_reason_is_the_description_that_lies_furthest_outside():
    table = speakers()
    fitted = Unlikeness().fit(table)
    usual = table[["c0", "c1", "c2", "c3"]].median().to_frame().T
    (reason,) = fitted.reasons(usual.assign(c1=30.0, c2=-12.0))
    assert (reason.name, reason.direction, reason.value) == ("c1", "above", 30.0)
    assert (reason.lowest, reason.highest) == pytest.approx(tuple(np.percentile(table["c1"], [1, 99])))
    assert fitted.reasons(usual.assign(c2=-12.0))[0].direction == "below"
    assert fitted.reasons(usual)[0].direction == "within"


def test_every_description_has_words():
    assert list(DESCRIPTIONS) == Recording().names()
    loud = Unlike(name="speech_level", direction="above", value=-3.2, lowest=-40.1, highest=-0.2)
    measured = "(level of speech: -3 dBFS, theirs -40 to 0 dBFS)"
    assert unlike_text(loud) == f"unlike the training recordings: loudness of the speech {measured}"
    same = unlike_text(Unlike(name="bandwidth", direction="below", value=3410.0, lowest=8000.0, highest=8000.0))
    assert same.endswith("(bandwidth: 3.4 kHz, theirs 8.0 kHz)")
    usual = Unlike(name="log_duration", direction="within", value=0, lowest=-1, highest=1)
    assert unlike_text(usual) == "unlike the training recordings: several things together (duration: 1.0 s)"


def test_a_note_counts_what_differs_in_plain_words():
    names = ["noise_level", "noise_from_150_hz", "bandwidth"]
    noisy, hum, dull = (Unlike(name=name, direction="above", value=1.0, lowest=0.0, highest=0.5) for name in names)
    assert unlike_note([noisy, dull, hum], 4).startswith(
        "3 of 4 recordings are unlike those that the model was trained on. What differs most: level of the background "
        "noise (1); high sounds that are missing or added (1); sound of the background noise (1). "
    )
    assert unlike_note([dull], 1).startswith("1 of 1 recording is unlike those")
    terms = ("dB", "bandwidth", "spectrum", "signal", "sample", "harmonics", "modulation")
    assert not [one.plain for one in DESCRIPTIONS.values() for term in terms if term in one.plain]


@pytest.fixture(scope="module")
def fitted(model_data):
    return fit_unlikeness(model_data.table)


def test_it_comes_back_from_its_file(fitted, model_data):
    again = unpack_unlikeness(pack_unlikeness(fitted))
    values = pd.DataFrame(Recording().transform(model_data.table.iloc[::40]), columns=Recording().names())
    np.testing.assert_array_equal(again.score_samples(values), fitted.score_samples(values))
    assert again.reasons(values) == fitted.reasons(values)


HOSTILE = {
    "text": lambda stored: "text",
    "other columns": lambda stored: stored | {"columns": stored["columns"][::-1]},
    "fewer columns": lambda stored: stored | {"columns": stored["columns"][:-1]},
    "a field more": lambda stored: stored | {"code": "print()"},
    "a field less": lambda stored: {name: value for name, value in stored.items() if name != "scale"},
    "not a number": lambda stored: stored | {"center": [float("nan"), *stored["center"][1:]]},
    "infinite": lambda stored: stored | {"distances": [*stored["distances"], float("inf")]},
    "too large": lambda stored: stored | {"location": [1e300, *stored["location"][1:]]},
    "no scale": lambda stored: stored | {"scale": [0.0, *stored["scale"][1:]]},
    "short": lambda stored: stored | {"lowest": stored["lowest"][1:]},
    "ragged": lambda stored: stored | {"precision": [[1.0], *stored["precision"][1:]]},
    "not symmetric": lambda stored: stored | {"precision": [[9.0] * len(stored["columns"]), *stored["precision"][1:]]},
    "not in order": lambda stored: stored | {"distances": stored["distances"][::-1]},
    "no distances": lambda stored: stored | {"distances": []},
    "negative": lambda stored: stored | {"distances": [-1.0, *stored["distances"]]},
    "ends swapped": lambda stored: stored | {"lowest": stored["highest"], "highest": stored["lowest"]},
    "limit": lambda stored: stored | {"limit": 0.0},
    "tiny limit": lambda stored: stored | {"limit": 5e-324},
    "tiny scale": lambda stored: stored | {"scale": [5e-324, *stored["scale"][1:]]},
    "no precision": lambda stored: stored | {"precision": np.zeros((len(stored["columns"]),) * 2).tolist()},
    "negative precision": lambda stored: stored | {"precision": (-np.eye(len(stored["columns"]))).tolist()},
    "texts": lambda stored: stored | {"center": ["a"] * len(stored["center"])},
}  # fmt: skip


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_one_is_refused(fitted, how):
    stored = json.loads(pack_unlikeness(fitted))
    with pytest.raises(ModelFileError, match="its unlikeness"):
        unpack_unlikeness(json.dumps(HOSTILE[how](stored)).encode())


def test_one_of_other_columns_of_another_version_is_left_out(fitted):
    stored = json.loads(pack_unlikeness(fitted)) | {"recording": "of a later version"}
    assert unpack_unlikeness(json.dumps(stored).encode()) is None


@pytest.fixture(scope="module")
def saved(model_data, tmp_path_factory):
    """The file of a model."""
    return save_model(fit_prepared(model_data), tmp_path_factory.mktemp("models") / "svm.fusionser")


@pytest.fixture(scope="module")
def vague(model_data, tmp_path_factory):
    """The file of a model whose probabilities are low: the leaves of its trees are large."""
    spec = under(model_data, classifier={"name": "random-forest", "parameters": {"min_samples_leaf": 60}})
    return save_model(fit_prepared(spec), tmp_path_factory.mktemp("models") / "vague.fusionser")


@pytest.fixture(scope="module")
def clips(model_data, tmp_path_factory):
    """A training clip, one that is nearly silent, and a file that is no recording."""
    folder = tmp_path_factory.mktemp("clips")
    soundfile.write(folder / "noise.wav", 3e-4 * np.random.default_rng(0).normal(size=32000), 16000)
    (folder / "bad.wav").write_text("text")
    return [model_data.table["file"][0], str(folder / "noise.wav"), str(folder / "bad.wav")]


def test_a_model_says_it_of_every_clip(saved, clips):
    model = load_model(saved)
    answers = model.predict(clips)
    known, noise, bad = answers.to_dict("records")
    assert list(answers)[-3:] == ["unlikeness", "unlike_because", "error"]
    assert known["unlikeness"] < 0.9
    assert 0.99 < noise["unlikeness"] < 1
    assert Unlike.model_validate_json(noise["unlike_because"]).direction in ("above", "below")
    assert np.isnan(bad["unlikeness"])
    assert bad["unlike_because"] == ""
    samples, rate = soundfile.read(clips[1])
    memory = model.predict([(samples, rate)])
    assert memory["unlikeness"][0] == pytest.approx(noise["unlikeness"], abs=1e-6)


def test_each_clip_is_decoded_once(saved, clips, monkeypatch):
    decoded = []
    decode = reader.decode
    monkeypatch.setattr(reader, "decode", lambda *given: decoded.append(given[0]) or decode(*given))
    load_model(saved).predict(clips[:2])
    assert decoded == clips[:2]


def test_probabilities_alone_need_no_description(saved, clips, monkeypatch):
    model = load_model(saved)
    expected = model.predict(clips)

    def compute(self, clip):
        raise AssertionError("a description was computed")

    monkeypatch.setattr(Recording, "compute", compute)
    found = model.predict_proba(clips)
    assert list(found) == list(model.card.classes)
    np.testing.assert_array_equal(found, expected[[f"probability_{name}" for name in model.card.classes]])


def test_features_without_recordings_are_enough(model_data, saved, tmp_path):
    gone = model_data.table.iloc[::60].assign(file=str(tmp_path / "gone.wav"))
    answers = load_model(saved).predict(gone)
    assert (answers["error"] == "").all()
    assert (answers["emotion"] != "").all()
    assert answers["unlikeness"].isna().all()
    assert fit_unlikeness(gone) is None


def test_a_model_abstains_by_its_rule(vague, model_data, clips):
    model = load_model(vague)
    files = [*model_data.table["file"][::20], *clips[1:]]
    plain, abstaining = model.predict(files), model.predict(files, abstain=True)
    improbable, unlike = plain["probability"] < LEAST_PROBABILITY, plain["unlikeness"] > MOST_UNLIKE
    assert improbable.any()
    assert unlike.any()
    assert ((abstaining["emotion"] == UNSURE) == (improbable | unlike)).all()
    sure = ~(improbable | unlike)
    assert (abstaining["emotion"][sure] == plain["emotion"][sure]).all()
    reasons = {(False, False): "", (True, False): "probability", (False, True): "unlikeness", (True, True): "both"}
    assert abstaining["unsure_because"].tolist() == [reasons[pair] for pair in zip(improbable, unlike, strict=True)]
    assert abstaining["emotion"].iloc[-1] == ""
    pd.testing.assert_frame_equal(abstaining[list(plain)].drop(columns="emotion"), plain.drop(columns="emotion"))


def test_an_older_model_knows_nothing_of_it(clips, tmp_path, saved):
    older = load_model(OLDER)
    assert older.unlikeness is None
    assert "unlikeness" not in older.predict(clips)
    assert UNLIKENESS not in members(save_model(older, tmp_path / "again.fusionser"))
    assert set(older.predict(clips[:1], abstain=True)["unsure_because"]) <= {"", "probability"}


def test_a_model_file_with_a_hostile_one_is_refused(saved, tmp_path):
    stored = json.loads(members(saved)[UNLIKENESS]) | {"scale": []}
    file = rebuild(saved, tmp_path / "hostile.fusionser", {UNLIKENESS: json.dumps(stored).encode()})
    with pytest.raises(ModelFileError, match="its unlikeness is refused"):
        load_model(file)


def test_a_fitted_model_has_it_before_it_is_saved(model_data, saved):
    values = pd.DataFrame(Recording().transform(model_data.table.iloc[::40]), columns=Recording().names())
    fresh, loaded = fit_prepared(model_data).unlikeness, load_model(saved).unlikeness
    np.testing.assert_array_equal(fresh.score_samples(values), loaded.score_samples(values))


def test_the_command_says_it(command, saved, clips):
    shown = command("predict", saved, *clips, "--abstain")
    assert shown.messages.count("1 of 2 recordings is unlike those that the model was trained on") == 1
    assert f"{clips[0]}: uns" not in shown.output
    assert "unlikeness" in shown.output
    answers = command("predict", saved, *clips, "--json").json
    assert "unsure_because" not in answers[0]
    assert [answer["emotion"] for answer in answers][2] is None
    assert UNSURE not in [answer["emotion"] for answer in answers]
    answered = command("predict", saved, *clips, "--json", "--abstain", "--most-unlike", "1").json
    assert answered[1]["unsure_because"] in (None, "probability")
    refused = command("predict", saved, *clips, "--most-unlike", "1")
    assert "--most-unlike has no effect without --abstain" in refused.messages
    known, noise, bad = command("predict", saved, *clips, "--json", "--abstain").json
    assert noise["emotion"] == UNSURE
    assert noise["unsure_because"] in ("unlikeness", "both")
    assert noise["unlike"].startswith("unlike the training recordings: ")
    assert set(noise["unlike_because"]) == {"name", "direction", "value", "lowest", "highest"}
    assert known["unlike"] is None
    assert known["unlikeness"] < 0.99
    assert (bad["unlikeness"], bad["unlike"], bad["unlike_because"], bad["unsure_because"]) == (None,) * 4


def test_a_table_has_the_reason_in_plain_words(command, saved, clips, tmp_path):
    command("predict", saved, *clips, "--out", tmp_path / "answers.csv")
    reasons = pd.read_csv(tmp_path / "answers.csv", keep_default_na=False)["unlike_because"].tolist()
    assert reasons[0] == reasons[2] == ""
    assert reasons[1] in {one.plain for one in DESCRIPTIONS.values()} | {TOGETHER}


def test_the_command_says_why_an_older_model_cannot(command, clips):
    quiet, told = (command("predict", OLDER, clips[0], *more) for more in ([], ["--abstain"]))
    assert "unlike" not in quiet.output + quiet.messages
    assert "cannot tell how unlike its training recordings a clip is" in told.messages


@pytest.mark.parametrize(("probability", "shown"), [(0.4858, "49 %"), (0.4306, "43 %"), (0.4999, "49 %"), (0.0, "0 %")])
def test_the_reason_has_the_number_of_the_table(probability, shown):
    assert improbable_text("fear", probability).endswith(f"a probability of {shown}")


def test_the_command_says_that_the_probability_is_low(command, vague, model_data):
    files = model_data.table["file"].tolist()[::20]
    answers = command("predict", vague, *files, "--abstain", "--json").json
    improbable = [answer for answer in answers if answer["unsure_because"] in ("probability", "both")]
    assert improbable
    best = max(improbable[0]["probabilities"].items(), key=lambda pair: pair[1])
    shown = command("predict", vague, improbable[0]["file"], "--abstain").output
    assert f"unsure, because the answer, {best[0]}, has a probability of {min(round(100 * best[1]), 49)} %" in shown
