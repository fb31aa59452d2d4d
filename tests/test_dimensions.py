"""Numbers such as arousal and valence: scores, regressors, evaluation, guard, models, and the commands."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from prepared_rows import under
from scipy import stats
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

import fusionser
from fusionser.agreement import concordance, mean_concordance, mean_squared_error, moments_of, pearson
from fusionser.corpora import generate_demo
from fusionser.dimension_results import MEAN, DimensionResult, read_any_result
from fusionser.errors import FusionserError, LeakageError, ProtocolError, RowsError, SettingsError
from fusionser.evaluation.dimensions import evaluate_dimensions
from fusionser.features import MFCC, EstimatedGender, FeatureExtractor
from fusionser.jobs import evaluate_prepared
from fusionser.jobs.evaluation import evaluate_dimensions_prepared
from fusionser.model import load_model, save_model
from fusionser.networks.concordance import ConcordanceLoss
from fusionser.networks.validation import hold_out
from fusionser.pipeline import Place, build_estimator, prepare
from fusionser.regressors import MLP, REGRESSORS, SVM, KernelRidge, LinearSVM, RandomForest, XGBoost, regressor
from fusionser.reporting.dimensions import dimension_page
from fusionser.reporting.tables.dimensions import dimension_tables
from fusionser.results import Result
from fusionser.rows import load_rows
from fusionser.spec import PipelineSpec
from fusionser.splits import RandomKFold, SpeakerKFold
from fusionser.splits.validation_rows import given_validation, validated_by
from fusionser.studies.cells import Cell

LOUD = {"task": "dimensions", "targets": ("loudness",)}


def scored(truth, predicted):
    truth, predicted = np.asarray(truth, dtype=float)[:, None], np.asarray(predicted, dtype=float)[:, None]
    moments = moments_of(truth, predicted, truth.mean(axis=0), np.maximum(truth.std(axis=0), 1e-3))
    return float(concordance(moments)[0]), float(pearson(moments)[0])


def lin(truth, predicted):
    """Return Lin's coefficient by the formula of 1989, with variances over n."""
    difference = np.mean(truth) - np.mean(predicted)
    return 2 * np.cov(truth, predicted, ddof=0)[0, 1] / (np.var(truth) + np.var(predicted) + difference**2)


@pytest.mark.parametrize(("center", "scale"), [(0, 1), (1e6, 3), (-5, 1e-4)])
def test_scores_are_lins_and_scipys(center, scale):
    truth = center + scale * np.random.default_rng(1).normal(size=200)
    predicted = center + scale * (0.5 * np.random.default_rng(2).normal(size=200) + 0.4) + 0.3 * (truth - center)
    ccc, correlation = scored(truth, predicted)
    assert ccc == pytest.approx(lin(truth, predicted), rel=1e-9)
    assert correlation == pytest.approx(stats.pearsonr(truth, predicted).statistic, rel=1e-9)
    moments = moments_of(truth[:, None], predicted[:, None], [truth.mean()], [truth.std()])
    expected = np.mean((truth - predicted) ** 2)
    assert mean_squared_error(moments)[0] * truth.var() == pytest.approx(expected, rel=1e-9)


def test_scores_by_hand():
    # Means 2 and 3, variances 2/3 and 2/3, covariance 2/3: CCC = (4/3) / (4/3 + 1) = 4/7.
    assert scored([1, 2, 3], [2, 3, 4]) == pytest.approx((4 / 7, 1.0))
    assert scored([1, 2, 3], [3, 2, 1]) == pytest.approx((-1.0, -1.0))
    assert scored([1, 2, 3], [1, 2, 3]) == pytest.approx((1.0, 1.0))
    assert mean_concordance([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [[2.0, 1.0], [3.0, 2.0], [4.0, 3.0]]) == (
        pytest.approx((4 / 7 + 1) / 2)
    )


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([1, 2, 3], [2, 2, 2]), ([1, 2, 3], [0.1] * 3), ([5, 5, 5], [1, 2, 3]), ([5, 5], [5, 5]), ([5], [4])],
)
def test_constant_numbers_have_no_correlation_and_a_concordance_of_0(truth, predicted):
    ccc, correlation = scored(truth, predicted)
    assert ccc == 0
    assert math.isnan(correlation)


def test_moments_of_speakers_add_up():
    truth, predicted = np.random.default_rng(3).normal(size=(60, 2)), np.random.default_rng(4).normal(size=(60, 2))
    whole = moments_of(truth, predicted, [0, 0], [1, 1])
    parts = [moments_of(truth[place], predicted[place], [0, 0], [1, 1]) for place in (slice(0, 7), slice(7, 60))]
    np.testing.assert_allclose(sum(parts), whole)


@parametrize_with_checks(
    [SVM(), LinearSVM(n_components=30), KernelRidge(), RandomForest(n_estimators=10), XGBoost(n_estimators=50)]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def numbered():
    X = np.random.default_rng(5).normal(size=(240, 5))
    y = np.c_[X[:, 0] + 0.5 * X[:, 1], 1000 - 20 * X[:, 2]] + np.random.default_rng(6).normal(0, 0.05, (240, 2))
    table = pd.DataFrame(X, columns=[f"a__{n}" for n in range(5)])
    table.insert(0, "speaker", [f"s{n % 8}" for n in range(240)])
    return table, y


@pytest.mark.parametrize("name", sorted(REGRESSORS))
def test_planted_relations_are_found_whatever_the_unit(numbered, name):
    table, y = numbered
    fitted = regressor(name, seed=1).fit(table.iloc[:160], y[:160])
    predicted = fitted.predict(table.iloc[160:])
    assert predicted.shape == (80, 2)
    for place in range(2):
        assert lin(y[160:, place], predicted[:, place]) > 0.7
    assert fitted.n_features_in_ == 5
    again = regressor(name, seed=1).fit(table.iloc[:160], y[:160])
    np.testing.assert_array_equal(predicted, again.predict(table.iloc[160:].drop(columns="speaker")))
    assert regressor(name).fit(table, y[:, 0]).predict(table).shape == (240,)


def test_the_svm_is_scikit_learns_on_standardised_targets(numbered):
    table, y = numbered
    X = table.drop(columns="speaker").to_numpy()
    target = y[:, 1]
    scaled = SVR(C=1.0).fit(X, (target - target.mean()) / target.std()).predict(X)
    expected = scaled * target.std() + target.mean()
    np.testing.assert_allclose(SVM().fit(table, y).predict(table)[:, 1], expected, rtol=1e-4)


def test_the_loss_of_the_perceptron_is_one_minus_concordance():
    truth, predicted = np.random.default_rng(7).normal(size=(50, 2)), np.random.default_rng(8).normal(size=(50, 2))
    loss = ConcordanceLoss()(torch.from_numpy(predicted), torch.from_numpy(truth))
    expected = 1 - np.mean([lin(truth[:, place], predicted[:, place]) for place in range(2)])
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_the_perceptron_keeps_the_epoch_with_the_best_concordance(numbered):
    table, y = numbered
    fitted = MLP(epochs=40, cache=False).fit(table, y)
    scores = [epoch["validation_ccc"] for epoch in fitted.history_]
    held = hold_out(table[["speaker"]], np.zeros(len(table)), 0.2, 0)[1]
    scaled = (y - y.mean(axis=0)) / y.std(axis=0)
    found = (fitted.predict(table.iloc[held]) - y.mean(axis=0)) / y.std(axis=0)
    assert mean_concordance(scaled[held], found) == pytest.approx(max(scores), abs=1e-4)
    assert len(set(table["speaker"].iloc[held])) < 8


@pytest.mark.parametrize("given", [{"class_weight": "balanced"}, {"label_smoothing": 0.1}, {"by_corpus": True}])
def test_the_perceptron_refuses_what_needs_classes(numbered, given):
    with pytest.raises(SettingsError, match=f"{next(iter(given))} is .*needs classes"):
        MLP(**given).fit(*numbered)


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """A table of the synthetic voices whose target is their level, which is known from the samples."""
    folder = tmp_path_factory.mktemp("dimensions")
    generate_demo(folder / "demo")
    rows = fusionser.list_rows(folder / "demo", "demo").rows
    levels = [20 * np.log10(np.sqrt(np.mean(soundfile.read(file)[0] ** 2))) for file in rows["file"]]
    rows = rows[["file", "corpus", "speaker", "gender", "statement"]].assign(loudness=levels)
    rows["shuffled"] = rows["loudness"].to_numpy()[np.random.default_rng(0).permutation(len(rows))]
    rows.to_csv(folder / "voices.csv", index=False)
    return folder / "voices.csv"


@pytest.fixture(scope="module")
def prepared(voices):
    return prepare([Place(voices)], PipelineSpec(task="dimensions", targets=("loudness", "shuffled")))


def evaluated(prepared, protocol=None, **parts):
    own = under(prepared, **parts)
    estimator = build_estimator(own.spec, extractor=own.extractor)
    return evaluate_dimensions(own.table, estimator, protocol or SpeakerKFold(folds=4), own.spec.targets)


def test_a_planted_level_is_predicted_and_a_shuffled_one_is_not(prepared):
    found = evaluated(prepared)
    assert found.pooled["loudness"].ccc > 0.8
    assert abs(found.pooled["shuffled"].ccc) < 0.25
    table = found.predictions
    for name in ("loudness", "shuffled"):
        truth, guess = table[name], table[f"predicted_{name}"]
        assert found.pooled[name].ccc == pytest.approx(lin(truth, guess), rel=1e-6)
        assert found.pooled[name].pearson == pytest.approx(stats.pearsonr(truth, guess).statistic, rel=1e-6)
        assert found.pooled[name].mse == pytest.approx(np.mean((truth - guess) ** 2), rel=1e-6)
    both = [found.pooled[name].ccc for name in ("loudness", "shuffled")]
    assert found.pooled[MEAN].ccc == pytest.approx(np.mean(both))
    one = table[table["speaker"] == "demo/f1"]
    assert found.speakers["demo/f1"]["loudness"].ccc == pytest.approx(lin(one["loudness"], one["predicted_loudness"]))
    assert {len(set(part["fold"])) for _, part in table.groupby("speaker")} == {1}


def test_intervals_resample_speakers(prepared):
    found = evaluated(prepared)
    table, rng = found.predictions, np.random.default_rng(1)
    by_speaker = [part for _, part in table.groupby("speaker")]
    drawn = []
    for _ in range(400):
        together = pd.concat([by_speaker[place] for place in rng.integers(8, size=8)])
        drawn.append(lin(together["loudness"], together["predicted_loudness"]))
    expected = np.percentile(drawn, [2.5, 97.5])
    np.testing.assert_allclose(found.intervals["loudness"]["ccc"], expected, atol=0.02)


def test_fewer_than_eight_speakers_have_no_interval(prepared):
    few = prepared.table[prepared.table["speaker"].isin(["demo/f1", "demo/f2", "demo/m1"])]
    estimator = build_estimator(prepared.spec, extractor=prepared.extractor)
    assert evaluate_dimensions(few, estimator, SpeakerKFold(folds=3), ("loudness",)).intervals is None


def test_the_naive_answer_is_the_mean_of_the_training_rows(prepared):
    found, errors = evaluated(prepared), []
    table = prepared.table
    for name, part in found.predictions.groupby("fold"):
        tested = set(part["speaker"])
        mean = table.loc[~table["speaker"].isin(tested), "loudness"].mean()
        errors.append((part["loudness"] - mean) ** 2)
        assert name
    assert found.naive_mse["loudness"] == pytest.approx(float(np.concatenate(errors).mean()))


class Constant:
    """What `evaluate_dimensions` needs of an estimator: it answers 3."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def __sklearn_clone__(self):
        return Constant()

    def fit(self, X, y):
        assert not {"loudness", "shuffled"} & set(X)
        return self

    def predict(self, X):
        assert not {"loudness", "shuffled"} & set(X)
        assert (X["emotion"] == "").all()
        return np.full((len(X), 1), 3.0)


def test_no_step_sees_the_targets_and_a_constant_answer_has_a_concordance_of_0(prepared):
    table = prepared.table.assign(emotion="sad").drop(columns="shuffled")
    found = evaluate_dimensions(table, Constant(), SpeakerKFold(folds=4), ("loudness",))
    assert found.pooled["loudness"].ccc == 0
    assert found.pooled["loudness"].pearson is None
    assert found.intervals["loudness"]["ccc"] == (0, 0)


@pytest.mark.parametrize(("setting", "stamp"), [("speaker-normalised", "speaker-normalised"), ("adapted", "adapted")])
def test_settings_are_stamped(prepared, setting, stamp):
    found = evaluated(prepared, setting=setting)
    assert found.protocol.stamped(stamp)
    assert found.pooled["loudness"].ccc > 0.7


def test_random_folds_are_stamped(prepared):
    found = evaluated(prepared, RandomKFold(folds=3))
    assert found.protocol.stamped("shared-speakers")
    assert not found.protocol.speaker_independent


def test_tuning_takes_inner_folds_of_whole_speakers_and_concordance(prepared):
    estimator = build_estimator(
        prepared.spec.changed(classifier=prepared.spec.classifier.changed(tune=True)), extractor=prepared.extractor
    )
    assert isinstance(estimator, GridSearchCV)
    table = prepared.table
    for train, test in estimator.cv.split(table, table[["loudness"]].to_numpy()):
        assert not set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[test])
    result, _ = evaluate_dimensions_prepared(under(prepared, classifier={"tune": True}), SpeakerKFold(folds=3))
    chosen = f"classifier.C = {result.folds[0].parameters['classifier__C']:g}, classifier.gamma = "
    assert str(dimension_tables(result)["by-fold"].rows[0].cells[-1]).startswith(chosen)
    (line,) = [line for line in dimension_page(result).splitlines() if line.startswith(f"| {result.folds[0].name} |")]
    assert line.split(" | ")[-1].startswith(chosen)


def test_augmented_rows_are_trained_on(prepared):
    found = evaluated(prepared, rows={"augment": ("noise",)})
    assert found.pooled["loudness"].ccc > 0.5


def test_planted_leaks_are_found(prepared):
    table, spec = prepared.table, prepared.spec
    estimator = build_estimator(spec, extractor=prepared.extractor)

    def run(changed, targets=("loudness",)):
        evaluate_dimensions(changed, estimator, SpeakerKFold(folds=4), targets)

    column = next(name for name in table if name.startswith("prosody__"))
    with pytest.raises(LeakageError, match=f"'{column}' is the target 'loudness'"):
        run(table.assign(**{column: 5 - 2 * table["loudness"]}))
    one, other = (table.index[table["speaker"] == name][0] for name in ("demo/f1", "demo/m4"))
    doubled = table.copy()
    doubled.loc[other, "audio"] = doubled.loc[one, "audio"]
    with pytest.raises(LeakageError, match="share 1 audio"):
        run(doubled)
    names = [name for name in table if "__" in name]
    scaled = table.copy()
    scaled[names] = (table[names] - table[names].mean()) / table[names].std(ddof=0).replace(0, 1)
    with pytest.raises(LeakageError, match="scaled before the split"):
        run(scaled)


def test_a_target_is_no_feature(voices):
    with pytest.raises(SettingsError, match="'loudness' is a target and a feature"):
        PipelineSpec(**LOUD, features={"columns": ("loudness",)})
    spec = PipelineSpec(**LOUD, features={"preset": "robust", "columns": ("loud*",)})
    with pytest.raises(FusionserError, match="target"):
        fusionser.evaluate(voices, spec)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": "dimensions"}, "needs targets"),
        ({"task": "classes", "targets": ("loudness",)}, "with the task 'classes'"),
        ({**LOUD, "targets": ("a", "a")}, "a target twice"),
        ({**LOUD, "targets": ("emotion",)}, "'emotion' cannot be a target"),
        ({**LOUD, "targets": ("mfcc__mean",)}, "cannot be a target"),
        *(
            ({**LOUD, "targets": (name, "loudness")}, f"'{name}' cannot be a target")
            for name in ("fold", "error", "unlikeness", "unlike_because", "mean", "predicted_loudness", "probability_a")
        ),
        ({**LOUD, "classifier": {"name": "knn"}}, "unknown classifier 'knn'"),
        ({**LOUD, "rows": {"imbalance": "smote"}}, "--imbalance smote needs classes"),
        ({**LOUD, "rows": {"impose_imbalance": 3.0}}, "--impose-imbalance needs classes"),
        ({**LOUD, "rows": {"augment": ("noise",), "augment_classes": "scarce"}}, "--augment-classes scarce needs"),
        ({**LOUD, "network": "crnn", "fusion": "average"}, "--network answers by itself"),
    ],
)
def test_settings_that_need_classes_are_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        PipelineSpec(**values)


def test_specifications_and_results_of_classes_say_nothing_of_targets(prepared):
    assert "targets" not in PipelineSpec().model_dump(mode="json")
    assert PipelineSpec(targets=["loudness"]) == PipelineSpec(**LOUD)
    assert PipelineSpec(**LOUD).plain() == {"task": "dimensions", "targets": ["loudness"]}
    table = prepared.table.assign(emotion=np.where(prepared.table["loudness"] > -28, "loud", "soft"))
    classes = under(prepared, task="classes", targets=())
    result, _ = evaluate_prepared(type(classes)(**{**vars(classes), "table": table}), SpeakerKFold(folds=2))
    assert isinstance(result, Result)
    assert "targets" not in result.model_dump_json()


def test_blocks_that_learn_emotions_are_refused():
    class OfClasses(EstimatedGender):
        takes_numbers = False

    extractor = FeatureExtractor(blocks=[("mfcc", MFCC()), ("own", OfClasses())])
    with pytest.raises(SettingsError, match="the block own can only learn emotions"):
        build_estimator(PipelineSpec(**LOUD), extractor=extractor)
    build_estimator(PipelineSpec(**LOUD, features={"blocks": ("mfcc",), "gender": "estimated"}))


def changed(voices, folder, **columns):
    table = pd.read_csv(voices).assign(**columns)
    table.to_csv(folder / "changed.csv", index=False)
    return folder / "changed.csv"


def test_rows_without_a_number_are_set_aside(voices, tmp_path):
    values = pd.read_csv(voices)["loudness"].astype(object)
    values.iloc[[3, 5, 7]] = ["loud", "", "inf"]
    place = changed(voices, tmp_path, loudness=values)
    held = prepare([Place(place)], PipelineSpec(**LOUD))
    assert len(held.table) == 237
    assert held.table["loudness"].dtype == np.float64
    reasons = [entry["reason"].partition(": ")[2] for entry in held.quarantine]
    assert reasons == [
        "loudness is 'loud'; expected a finite number, at most 1e+15 in size",
        "no loudness; expected a finite number, at most 1e+15 in size",
        "loudness is 'inf'; expected a finite number, at most 1e+15 in size",
    ]
    with pytest.raises(RowsError, match="loudness is 'loud'"):
        prepare([Place(place)], PipelineSpec(**LOUD), strict=True)


def test_tables_without_numbers_are_refused(voices, tmp_path):
    with pytest.raises(RowsError, match="no column 'arousal' to predict"):
        fusionser.evaluate(voices, PipelineSpec(task="dimensions", targets=("arousal",)))
    with pytest.raises(RowsError, match="none of 240 rows can be used; the first: .*expected a finite number"):
        fusionser.evaluate(changed(voices, tmp_path, loudness="high"), PipelineSpec(**LOUD))
    with pytest.raises(ProtocolError, match="have the same loudness, 3"):
        fusionser.evaluate(changed(voices, tmp_path, loudness=3.0), PipelineSpec(**LOUD))
    one = load_rows(voices).iloc[:1]
    one.to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(FusionserError, match=r"one speaker|got 1 row"):
        fusionser.evaluate(tmp_path / "one.csv", PipelineSpec(**LOUD), protocol="speaker-kfold")


@pytest.mark.parametrize(
    ("factor", "message"), [(1e200, "at most 1e+15 in size"), (1e-300, "in a smaller unit")], ids=str
)
def test_numbers_whose_squares_are_no_numbers_are_refused(command, voices, tmp_path, factor, message):
    table = pd.read_csv(voices)
    table.assign(loudness=table["loudness"] * factor).to_csv(tmp_path / "rows.csv", index=False)
    done = command("evaluate", tmp_path / "rows.csv", "--targets", "loudness", "--blocks", "zcr", "--folds", 4)
    assert done.status == 1
    assert message in done.messages


def test_a_constant_target_in_the_training_rows_of_a_fold_is_refused(prepared):
    loud = prepared.table["loudness"].where(prepared.table["speaker"].isin(["demo/f1", "demo/f2"]), -30.0)
    with pytest.raises(ProtocolError, match="in fold .* all training 180 rows have the same loudness"):
        evaluate_dimensions(
            prepared.table.assign(loudness=loud),
            build_estimator(prepared.spec, extractor=prepared.extractor),
            SpeakerKFold(folds=4),
            ("loudness",),
        )


def test_importance_needs_classes(voices):
    with pytest.raises(SettingsError, match="--importance"):
        fusionser.evaluate(voices, PipelineSpec(**LOUD), importance="blocks")


@pytest.mark.parametrize("name", sorted(REGRESSORS))
def test_models_come_back_and_predict_the_same_numbers(voices, tmp_path, name):
    known = REGRESSORS[name]().get_params()
    # Networks learn all of these rows, and do not stop by some of them.
    parameters = {"validation": 0.0, "learning_rate": 0.01} if "validation" in known else {}
    described = {"name": name, "parameters": parameters}
    spec = PipelineSpec(task="dimensions", targets=("loudness", "shuffled"), classifier=described)
    model = fusionser.fit(voices, spec)
    assert isinstance(model.card.estimate, DimensionResult)
    files = [tmp_path / "a.fusionser", tmp_path / "b.fusionser"]
    for file in files:
        save_model(model, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    table = pd.read_csv(voices).iloc[::20]
    again = load_model(files[0])
    before, after = (one.predict(table["file"].tolist()) for one in (model, again))
    pd.testing.assert_frame_equal(before, after)
    assert list(after)[:3] == ["file", "loudness", "shuffled"]
    assert lin(table["loudness"].to_numpy(), after["loudness"].to_numpy()) > 0.8
    assert repr(again) == f"<Model: {name} with robust, loudness, shuffled>"


@pytest.fixture(scope="module")
def model_file(voices, tmp_path_factory):
    place = tmp_path_factory.mktemp("model") / "loud.fusionser"
    return save_model(fusionser.fit(voices, PipelineSpec(**LOUD), protocol=None), place)


def test_what_needs_classes_says_so(model_file, voices):
    model = load_model(model_file)
    file = pd.read_csv(voices)["file"][0]
    for call in (
        lambda: model.predict([file], abstain=True),
        lambda: model.predict_proba([file]),
        lambda: fusionser.predict_timeline(file, model),
        lambda: fusionser.StreamPredictor(model, 16000),
        lambda: fusionser.export_onnx(model, "never.onnx"),
    ):
        with pytest.raises(SettingsError, match=r"predicts numbers \(loudness\)"):
            call()


def test_the_web_service_and_studies_say_so_too(command, model_file, prepared):
    done = command("serve", model_file, "--port", "0")
    assert done.status == 1
    assert "the web service needs a model that predicts emotions" in done.messages
    with pytest.raises(SettingsError, match="studies compare scores of emotions"):
        Cell("x", prepared, SpeakerKFold(folds=4)).check()


def test_a_recording_that_cannot_be_used_gets_an_error_and_no_number(model_file, voices, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    answers = load_model(model_file).predict([tmp_path / "empty.wav", pd.read_csv(voices)["file"][0]])
    assert answers["error"][0]
    assert np.isnan(answers["loudness"][0])
    assert np.isfinite(answers["loudness"][1])
    assert answers["error"][1] == ""


def test_the_commands_from_a_table_to_numbers(command, voices, tmp_path):
    out, model = tmp_path / "out", tmp_path / "loud.fusionser"
    given = [voices, "--targets", "loudness,shuffled"]
    done = command("evaluate", *given, "--protocol", "speaker-kfold", "--folds", 4, "--out", out)
    assert "reached a mean CCC of" in done.output
    assert "The naive answer, the mean of the training rows, has a CCC of 0." in done.output
    assert {path.name for path in out.iterdir()} == {
        "report.html",
        "report.md",
        "result.json",
        "predictions.csv",
        "predictions.png",
    }
    page = (out / "report.md").read_text()
    assert "nan" not in page.lower()
    (out / "report.md").unlink()
    command("report", out)
    assert (out / "report.md").read_text() == page
    result = read_any_result(out / "result.json")
    assert isinstance(result, DimensionResult)
    again = command("evaluate", voices, "--config", out / "result.json", "--json")
    assert json.loads(again.output)["pooled"] == json.loads(result.model_dump_json())["pooled"]

    command("fit", *given, "--out", model)
    assert "- Answers: loudness, shuffled" in command("info", model).output
    files = pd.read_csv(voices)["file"].tolist()[:2]
    answers = json.loads(command("predict", model, *files, "--json").output)
    assert [set(one["numbers"]) for one in answers] == [{"loudness", "shuffled"}] * 2
    assert "loudness" in command("predict", model, *files).output
    command("predict", model, *files, "--out", tmp_path / "answers.csv")
    assert list(pd.read_csv(tmp_path / "answers.csv"))[:3] == ["file", "loudness", "shuffled"]
    for options in (["--abstain"], ["--windows", "3"]):
        refused = command("predict", model, files[0], *options)
        assert refused.status == 1
        assert "predicts numbers" in refused.messages


def test_tables_figures_and_trackers_have_the_numbers_of_the_result(command, demo_folder, voices, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "out"
    options = ["--out", out, "--tables", "csv,latex", "--figures", "svg", "--track", f"tensorboard:{tmp_path / 'runs'}"]
    command("evaluate", voices, "--targets", "loudness,shuffled", "--folds", 8, *options)
    result = read_any_result(out / "result.json")
    assert (out / "predictions.svg").is_file()
    table = pd.read_csv(out / "tables" / "scores.csv")
    for target in (*result.targets, MEAN):
        scores = result.pooled[target].ccc
        (row,) = table[(table["target"] == target) & (table["measure"] == "ccc")].to_dict("records")
        assert row["value"] == pytest.approx(scores, rel=1e-9)
        if result.intervals is not None:
            assert [row["low"], row["high"]] == pytest.approx(result.intervals[target]["ccc"], rel=1e-9)
    assert "loudness & " in (out / "tables" / "scores.tex").read_text()
    (run,) = (tmp_path / "runs").iterdir()
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    (event,) = events.Scalars("scores/mse.loudness")
    assert event.value == pytest.approx(result.pooled["loudness"].mse, rel=1e-6)
    before = (out / "tables" / "scores.csv").read_bytes()
    command("report", out, "--tables", "csv")
    assert (out / "tables" / "scores.csv").read_bytes() == before
    # A result of classes in the same folder leaves no picture of numbers behind.
    done = command("evaluate", demo_folder, "--corpus", "demo", "--out", out)
    assert done.status == 0, done.messages
    assert not (out / "predictions.png").exists()


def test_a_network_of_numbers_stops_early_by_the_rows_of_the_protocol():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a__x": rng.normal(size=60)})
    numbers = rows[["a__x"]].to_numpy() * 3 + 5
    network = MLP(learning_rate=0.01, epochs=8, patience=None)
    with validated_by(rows, -numbers):
        given_validation().passes(lambda given: given, first=True)
        wrong = network.fit(rows, numbers)
    # Labels of the opposite sign: the better the network, the lower is the CCC on these rows.
    assert wrong.history_[-1]["validation_ccc"] < 0 < network.fit(rows, numbers).history_[-1]["validation_ccc"]


def test_a_features_file_keeps_the_numbers(command, voices, tmp_path):
    features = tmp_path / "features.parquet"
    command("extract", voices, "--out", features)
    done = command("evaluate", features, "--targets", "loudness", "--folds", 4, "--json")
    assert json.loads(done.output)["pooled"]["loudness"]["ccc"] > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--targets", "arousal"], "no column 'arousal'"),
        (["--targets", ""], "--targets is ''"),
        (["--targets", "loudness", "--imbalance", "smote"], "needs classes"),
        (["--targets", "loudness", "--classifier", "knn"], "unknown classifier 'knn'"),
        (["--targets", "loudness", "--blocks", "mfcc", "--fusion", "average"], "late fusion needs two or more blocks"),
        (["--targets", "loudness", "--importance", "blocks"], "--importance"),
        (["--targets", "speaker"], "'speaker' cannot be a target"),
    ],
)
def test_wrong_options_are_said(command, voices, options, message):
    done = command("evaluate", voices, *options)
    assert done.status == 1
    assert message in done.messages
