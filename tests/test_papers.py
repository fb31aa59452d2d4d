"""The recipes of published results: each figure has one, each can be built, and what is wrong in one is told."""

import pytest
from small_recipe import SMALL

from fusionser.errors import SettingsError
from fusionser.networks import TEMPORAL_MODELS
from fusionser.pipeline import build_estimator
from fusionser.splits import protocol
from fusionser.studies.papers import paper_recipes, read_paper_recipe

# As the papers print them, in percent.
FIGURES = {
    "s0-cnn-lstm-2d": 80.68,
    "s0-time-distributed-cnn-lstm": 62.0,
    "s0-time-distributed-cnn-bilstm": 66.38,
    "s0-cnn-lstm-1d": 65.4,
    "s0-cnn-bilstm-1d": 66.15,
    "s1-ravdess-holdout": 50.1,
    "s1-ravdess-six-folds": 46.0,
    "s1-super-set-holdout": 49.22,
    "s1-super-set-eleven-folds": 38.0,
    "s1-cross-corpus": 26.05,
    "s1-vgg16": 54.0,
    "s2-song": 73.33,
    "s2-speech": 53.32,
    "s3-model-1": 58.15,
    "s3-model-2": 57.07,
    "s3-model-3": 55.98,
    "s3-model-4": 69.85,
    "s3-model-5": 78.22,
    "s4-crnn-ravdess": 79.86,
    "s4-crnn-ravdess-augmented": 85.76,
    "s4-crnn-emodb": 83.18,
    "s4-crnn-emodb-augmented": 91.59,
}


def test_every_figure_of_the_papers_has_its_recipe():
    recipes = paper_recipes()
    assert {name: recipes[name].figure for name in FIGURES} == FIGURES
    # What a paper proposes without a figure has none here.
    assert {name for name, recipe in recipes.items() if recipe.figure is None} == {"s1-vgg16-fusion"}
    for number, model in TEMPORAL_MODELS.items():
        recipe = recipes[f"s3-model-{number}"]
        assert recipe.pipeline.network == f"temporal-cnn-{number}"
        assert recipe.pipeline.rows.copies == model.copies
        assert recipes[f"s3-model-{number}-sgd"].pipeline.networks.parameters["optimiser"] == "sgd"
    # The papers that watch their test rows report the best epoch; the two others a test score.
    best = {name for name, recipe in recipes.items() if recipe.measure == "best validation epoch"}
    assert {name[:2] for name in best} == {"s0", "s2", "s3"}


@pytest.mark.parametrize("name", sorted(paper_recipes()))
def test_every_recipe_can_be_built(name):
    recipe = paper_recipes()[name]
    build_estimator(recipe.pipeline)
    for wanted in (recipe.protocol, recipe.speaker_independent):
        if wanted is not None:
            protocol(wanted.name, **wanted.settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("figure = 20.0", "figure = 20.0\nfigures = 3"), "figures: Extra inputs are not permitted; known here: paper"),
        (('"demo"', '"berlin"'), "unknown corpus 'berlin'. Known: ravdess"),
        (('paper = "Nobody"', "paper = "), "is not valid: Invalid value"),
        (("figure = 20.0", "figure = 120.0"), "figure: Input should be less than or equal to 100"),
        (('network = "mfcc-frames"', 'features = { blocks = ["mfcc"] }'), "is a measure of networks"),
        (('"mfcc-frames"', '"mfcc-frame"'), "unknown network 'mfcc-frame'; did you mean 'mfcc-frames'"),
        (("rows = {", "row = {"), "row: Extra inputs are not permitted"),
        (("[protocol]", "[protocols]"), "protocol: Field required"),
        (('name = "random-holdout"', 'name = "random-holdoff"'), "unknown protocol 'random-holdoff'"),
        (('"mfcc-frames"', '"mfcc-frames"\nfeatures = { gender = "given" }'), "got --network with --gender"),
    ],
)
def test_recipes_that_are_not_valid(tmp_path, change, message):
    path = tmp_path / "bad.toml"
    path.write_text(SMALL.replace(*change))
    with pytest.raises(SettingsError, match="the recipe 'bad' is n") as told:
        read_paper_recipe(str(path))
    assert message in str(told.value)


def test_a_split_that_leaks_needs_one_by_speaker_beside_it_and_a_file_holds_one_recipe(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(SMALL.split("[speaker_independent]")[0])
    with pytest.raises(SettingsError, match="'random-holdout' has speakers on both sides; expected .speaker_indep"):
        read_paper_recipe(str(path))
    path.write_text(SMALL + '[variants.sgd]\nparameters = { optimiser = "sgd" }\n')
    with pytest.raises(SettingsError, match="write a file for each"):
        read_paper_recipe(str(path))
