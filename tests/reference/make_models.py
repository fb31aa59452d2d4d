"""Makes the model files in this folder, and what they answer: with fusionser as it was before its rebuilding.

Run at commit 77459aa; a later version has to read these files and to give the same answers, so they are not made anew.

    python tests/reference/make_models.py
"""

import json
import tempfile
from pathlib import Path

from fusionser.experiments import Networks, Place, Plan, choose_features, fit_plan, prepare

from fusionser.corpora import generate_demo, list_rows
from fusionser.model import Model, save_model
from fusionser.rows import write_table

HERE = Path(__file__).resolve().parent
# None is a training clip of these models: the thresholds of trees lie on training values, so that the answer for a
# training clip hangs on the last digit of a column, which another processor rounds differently.
ASKED = ("synthetic_f2_sad_s1_02.wav", "synthetic_m2_angry_s2_02.wav", "synthetic_m4_happy_s2_02.wav")

MODELS = {
    "wide-svm": ({"preset_name": "wide"}, Plan()),
    "fused": (
        {"blocks": ("statistics", "gender", "log-mel-frames"), "gender": "estimated"},
        Plan(classifier="mlp", networks=Networks(epochs=3, device="cpu")),
    ),
    "late": (
        {"blocks": ("mfcc", "pitch", "mfcc-frames")},
        Plan(classifier="xgboost", fusion="average", imbalance="weights", networks=Networks(epochs=3, device="cpu")),
    ),
}


def answers(model: Model, files: list[str]) -> list[dict[str, object]]:
    """What a model says of recordings, without their folder."""
    found = model.predict(files).drop(columns="error")
    return found.assign(file=[Path(file).name for file in found["file"]]).to_dict("records")


def main() -> None:
    """Make every model from a third of the synthetic corpus."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        generate_demo(folder)
        some = write_table(list_rows(folder, "demo").rows.iloc[::3], folder / "some.csv")
        for name, (chosen, plan) in MODELS.items():
            places = [Place(some)]
            model = fit_plan(prepare(places, choose_features(places, **chosen)), plan)
            save_model(model, HERE / f"{name}.fusionser")
            said = answers(model, [str(folder / name) for name in ASKED])
            (HERE / f"{name}.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
