"""Published results run again: the recipes, what a run prints, and what it says of what is missing."""

import json
import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from small_recipe import SMALL

from fusionser.errors import ProtocolError, SettingsError
from fusionser.facts import Stamp
from fusionser.networks import MFCCFrames
from fusionser.reporting.tables.reproduction import (
    best_epoch_score,
    reproduction_stamps,
)
from fusionser.spec import ProtocolSpec
from fusionser.studies import cells
from fusionser.studies import reproduce as module
from fusionser.studies.papers import paper_recipes, read_paper_recipe
from fusionser.studies.reproduce import Run
from fusionser.studies.reproduction import keep_recipe, stored_reproductions


def reproduce(*given, **more):
    """Run a recipe of which no evaluation may fail, and return what came of it."""
    found, run = module.reproduce(*given, **more)
    assert run.failures == {} and run.missing == []
    return found


def test_a_recipe_is_run_by_seeds_and_by_speaker_and_found_again(small, demo_folder, tmp_path, monkeypatch):
    name, recipe = small
    places = {"demo": demo_folder}
    watched = []
    original = MFCCFrames.fit

    def spying(self, X, y, validation_rows=None):
        if validation_rows is not None:
            watched.append((X, validation_rows[0]))
        return original(self, X, y, validation_rows=validation_rows)

    monkeypatch.setattr(MFCCFrames, "fit", spying)
    found = reproduce(name, recipe, places, tmp_path, Run())
    assert [result.seed for result in found.paper] == [0, 1] == [one.seed for one in found.best]
    assert [result.protocol.settings["seed"] for result in found.paper] == [0, 1]
    assert not found.paper[0].protocol.speaker_independent
    assert found.independent.protocol.speaker_independent
    assert found.paper[0].features[0]["epochs"] == 3
    curves = {path.stem: pd.read_csv(path) for path in (tmp_path / "curves").iterdir()}
    assert set(curves) == {path.stem for path in (tmp_path / "cells").iterdir()}
    assert set(curves["small_speaker-independent"]["network"]) == {"mfcc-frames"}
    best = curves["small_paper_seed1_best-epoch"]["validation_accuracy"]
    (epoch,) = found.best[1].epoch
    assert best.max() == best[epoch - 1] == found.best[1].accuracy
    for one in found.best:
        assert 1 <= one.epoch[0] <= one.epochs[0] <= 3
    # The best epoch is of training rows and their copies, watched by the test rows of the very same split.
    assert len(watched) == 2
    for train, test in watched:
        assert len(test) == found.paper[0].folds[0].test_rows == 60
        assert (train["augmentation"] != "").sum() == len(train) / 2 == 180
        assert not set(train["source"]) & set(test["source"])
    monkeypatch.setattr(cells, "evaluate_prepared", lambda *given, **more: pytest.fail("an evaluation was run again"))
    monkeypatch.setattr(MFCCFrames, "fit", lambda *given, **more: pytest.fail("a training was run again"))
    assert reproduce(name, recipe, places, tmp_path, Run()) == found
    assert stored_reproductions(name, recipe, tmp_path) == [found]
    # The cells of a recipe whose name goes on from this one's are not runs of this one.
    keep_recipe(f"{name}_other", recipe, tmp_path)
    other = tmp_path / "cells" / f"{name}_other_paper_seed0.json"
    other.write_text((tmp_path / "cells" / f"{name}_paper_seed0.json").read_text())
    assert stored_reproductions(name, recipe, tmp_path) == [found]
    with pytest.raises(pytest.fail.Exception):
        reproduce(name, recipe, places, tmp_path, Run(epochs=2))


def test_a_shorter_run_loses_nothing_of_a_full_one(small, demo_folder, tmp_path):
    name, recipe = small
    full = reproduce(name, recipe, {"demo": demo_folder}, tmp_path, Run())
    shorter = {
        "epochs-1": reproduce(name, recipe, {"demo": demo_folder}, tmp_path, Run(epochs=1, seeds=1)),
        "quick": reproduce(name, recipe, {"demo": demo_folder}, tmp_path, Run(quick=True)),
    }
    assert {label: found.label for label, found in shorter.items()} == {label: label for label in shorter}
    assert stored_reproductions(name, recipe, tmp_path) == [full, *shorter.values()]
    # A repetition of fewer seeds does not hide the others.
    assert len(reproduce(name, recipe, {"demo": demo_folder}, tmp_path, Run(seeds=1)).paper) == 1
    assert stored_reproductions(name, recipe, tmp_path)[0] == full


def test_a_recipes_networks_are_changed_where_a_run_says_so(small, demo_folder):
    name, recipe = small
    own = {"epochs": 2, "precision": "bfloat16", "parameters": {"units": 8, "epochs": 9}}
    wanted = recipe.changed(pipeline=recipe.pipeline.changed(networks=own))

    def trained(run):
        planned, _ = module.planned(name, wanted, {"demo": demo_folder}, run)
        (block,) = planned[0].block_settings()
        return block["epochs"], block["precision"], block["units"]

    assert trained(Run(seeds=1)) == (2, "bfloat16", 8)
    assert trained(Run(seeds=1, epochs=4)) == (4, "bfloat16", 8)
    assert trained(Run(quick=True)) == (3, "bfloat16", 8)


def test_random_splits_hold_out_clips_and_splits_by_speaker_speakers(small, demo_folder, tmp_path):
    """Else a random split would be stricter than the papers', who watch clips of the speakers that they train on."""
    name, recipe = small
    found = reproduce(name, recipe, {"demo": demo_folder}, tmp_path, Run(epochs=1, seeds=1))
    assert found.paper[0].features[0]["validate_by"] == "sources"
    assert found.independent.features[0]["validate_by"] == "speakers"


def test_runs_of_other_kinds_are_kept_apart_and_seeds_of_other_settings_left_out(small, demo_folder, tmp_path):
    name, recipe = small
    places = {"demo": demo_folder}
    run = Run(quick=True)
    first = reproduce(name, recipe, places, tmp_path, run)
    half = reproduce(name, recipe, places, tmp_path, Run(quick=True, precision="bfloat16"))
    assert (first.label, half.label) == ("quick", "quick-bfloat16")
    assert Stamp(kind="precision", value="bfloat16") in half.paper[0].notes
    assert stored_reproductions(name, recipe, tmp_path) == [first, half]
    # A seed of other settings under the same name, as an older version of the recipe left it.
    stored = tmp_path / "cells" / "small_quick_paper_seed0.json"
    older = json.loads(stored.read_text())
    older["features"][0]["units"] = 9
    other = tmp_path / "cells" / "small_quick_paper_seed1.json"
    other.write_text(json.dumps(older))
    os.utime(other, (1, 1))
    (again, _) = stored_reproductions(name, recipe, tmp_path)
    assert again.paper == first.paper and again.left_out == 1
    assert "left out: 1 evaluation with other settings or versions" in reproduction_stamps(again)
    # What cannot be read is made again.
    stored.write_text('{"corpus": "demo"}')
    assert reproduce(name, recipe, places, tmp_path, run).paper[0].pooled == first.paper[0].pooled


def test_what_was_stored_before_a_parameter_came_counts_with_what_came_after(small, demo_folder, tmp_path):
    name, recipe = small
    places, run = {"demo": demo_folder}, Run(epochs=1, seeds=2)
    first = reproduce(name, recipe, places, tmp_path, run)
    (stored,) = (tmp_path / "cells").glob("small_*_paper_seed0.json")
    best = stored.with_name(f"{stored.stem}_best-epoch.json")
    for path, part in ((stored, "classifier_settings"), (best, "rows_settings")):
        older = json.loads(path.read_text())
        assert older[part].pop("balance", "missing") is None
        path.write_text(json.dumps(older))
    kept = best.read_bytes()
    (again,) = stored_reproductions(name, recipe, tmp_path)
    assert again.left_out == 0
    assert [one.seed for one in again.paper] == [0, 1]
    assert reproduce(name, recipe, places, tmp_path, run).best == again.best
    assert [one.accuracy for one in again.best] == [one.accuracy for one in first.best]
    assert best.read_bytes() == kept


def test_a_best_epoch_can_be_looked_for_where_the_paper_reports_a_test_score(small, command, demo_folder, tmp_path):
    name, recipe = small
    tested = recipe.model_copy(update={"measure": "test"})
    places, out = {"demo": demo_folder}, tmp_path / "out"
    assert reproduce(name, tested, places, out, Run(quick=True)).best == []
    found = reproduce(name, tested, places, out, Run(quick=True, best_epoch=True))
    curve = pd.read_csv(out / "curves" / "small_quick_paper_seed0_best-epoch.csv")["validation_accuracy"]
    assert [one.accuracy for one in found.best] == [curve.max()]
    assert best_epoch_score(found).text == f"{100 * curve.max():.1f} (one seed)"
    spec = tested.pipeline.changed(network=None, networks={}, classifier={"name": "svm"})
    with pytest.raises(SettingsError, match="--best-epoch needs a network that classifies, but 'small' has svm"):
        module.reproduce(name, tested.changed(pipeline=spec), places, out, Run(quick=True, best_epoch=True))


def test_the_best_epoch_of_a_fusion_is_that_of_its_classifier_on_each_fold(small, demo_folder, tmp_path):
    name, recipe = small
    spec = {"features": {"blocks": ["rms"]}, "classifier": {"name": "mlp", "parameters": {"epochs": 4}}}
    fused = recipe.changed(
        measure="test",
        pipeline=recipe.pipeline.changed(network=None, networks={}, **spec),
        protocol=ProtocolSpec(name="speaker-kfold", settings={"folds": 3}),
        speaker_independent=None,
        seeds=1,
    )
    found = reproduce(name, fused, {"demo": demo_folder}, tmp_path, Run(best_epoch=True))
    ((best,), (result,)) = found.best, found.paper
    curves = pd.read_csv(tmp_path / "curves" / "small_paper_seed0_best-epoch.csv")
    tops = curves.groupby("fold")["validation_accuracy"].max()
    rows = [fold.test_rows for fold in result.folds]
    assert len(rows) == len(best.epoch) > 1
    assert best.accuracy == pytest.approx(np.average(tops, weights=rows))
    assert all(tops.to_numpy() > curves.groupby("fold")["validation_accuracy"].min().to_numpy())


def test_the_evaluation_by_speaker_can_be_left_out(small, demo_folder, tmp_path):
    name, recipe = small
    found = reproduce(name, recipe, {"demo": demo_folder}, tmp_path, Run(quick=True, by_speaker=False))
    assert found.independent is None
    assert len(found.paper) == len(found.best) == 1


def test_a_best_epoch_is_of_the_very_same_run(small, demo_folder, tmp_path):
    name, recipe = small
    places = {"demo": demo_folder}
    reproduce(name, recipe, places, tmp_path, Run(quick=True))
    path = tmp_path / "cells" / "small_quick_paper_seed0_best-epoch.json"
    first = json.loads(path.read_text())
    for part, change, told in (
        ("rows_settings", {"copies": 5}, r"copies \(5, now 1\)"),
        ("protocol", {"share": 0.5}, r"share \(0.5, now 0.25\)"),
    ):
        text = json.dumps({**first, part: {**first[part], **change}})
        path.write_text(text)
        with pytest.raises(SettingsError, match=f"paper_seed0_best-epoch differs in: {told}"):
            reproduce(name, recipe, places, tmp_path, Run(quick=True))
        assert path.read_text() == text
    older = {**first["provenance"], "versions": {**first["provenance"]["versions"], "torch": "1.0"}}
    path.write_text(json.dumps({**first, "accuracy": 0.123, "provenance": older}))
    assert reproduce(name, recipe, places, tmp_path, Run(quick=True)).best[0].accuracy == first["accuracy"]


def test_what_fails_is_written_and_the_others_go_on(small, demo_folder, tmp_path, monkeypatch):
    name, recipe = small
    places, run = {"demo": demo_folder}, Run(epochs=1)
    original = cells.evaluate_prepared

    def failing(prepared, split, **more):
        if prepared.spec.seed == 1:
            raise SettingsError("no second seed today")
        return original(prepared, split, **more)

    monkeypatch.setattr(cells, "evaluate_prepared", failing)
    found, done = module.reproduce(name, recipe, places, tmp_path, run)
    assert done.failures == {"small_epochs-1_paper_seed1": "no second seed today"}
    assert [result.seed for result in found.paper] == [0]
    assert [one.seed for one in found.best] == [0, 1]
    assert found.independent is not None
    told = tmp_path / "cells" / "small_epochs-1_paper_seed1.failed.json"
    assert json.loads(told.read_text())["error"] == "no second seed today"
    # It is no evaluation, and does not stand among them.
    assert [result.seed for result in stored_reproductions(name, recipe, tmp_path)[0].paper] == [0]
    monkeypatch.undo()
    assert [result.seed for result in reproduce(name, recipe, places, tmp_path, run).paper] == [0, 1]
    assert not told.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("units = 8", "width = 8"), "unknown parameter of mfcc-frames 'width'"),
        (("units = 8", "units = 0"), "units is 0; expected 1 to 8192"),
        (("units = 8", 'units = "8"'), "units of mfcc-frames is '8'; expected a number, as 64"),
        (("epochs = 3", 'epochs = "60"'), "epochs of mfcc-frames is '60'; expected a number"),
        (("units = 8", "optimiser = ['sgd']"), "optimiser of mfcc-frames is ['sgd']; expected text, as 'adam'"),
        (('"speed(1.1)"', '"speed(11)"'), "expected 0.25 to 4 times the speed"),
    ],
)
def test_recipes_that_cannot_be_built(tmp_path, demo_folder, change, message):
    path = tmp_path / "bad.toml"
    path.write_text(SMALL.replace(*change))
    name, recipe = read_paper_recipe(str(path))
    with pytest.raises(SettingsError) as told:
        reproduce(name, recipe, {"demo": demo_folder}, tmp_path, Run())
    assert message in str(told.value)


def test_a_corpus_that_is_absent_beside_others_is_left_out_and_stamped(small, demo_folder, tmp_path):
    name, recipe = small
    two = recipe.changed(
        corpora=("demo", "savee", "emodb"),
        measure="test",
        pipeline=recipe.pipeline.changed(network=None, networks={}, features={"blocks": ["rms"]}),
        protocol=ProtocolSpec(name="cross-corpus", settings={"test": ["savee", "emodb"]}),
        speaker_independent=None,
        seeds=1,
    )
    own, other = tmp_path / "demo", tmp_path / "emodb"
    shutil.copytree(demo_folder, own)
    other.mkdir()
    for number, file in enumerate(sorted(own.glob("*.wav"))[:12]):
        file.rename(other / f"03a{number:02d}{'FNTW'[number % 4]}a.wav")
    places = {"demo": own, "emodb": other}
    with pytest.raises(SettingsError, match="needs demo, but found 228 of 240 recordings of demo; .* with --partial"):
        module.reproduce(name, two, places, tmp_path / "out", Run())
    ((result,),) = (reproduce(name, two, places, tmp_path / "out", Run(partial=True)).paper,)
    assert [fold.name for fold in result.folds] == ["emodb"]
    missing = {"corpus": "savee", "found": 0, "expected": 480}
    assert Stamp(kind="partial-corpus", value=missing) in result.notes


def test_a_corpus_that_is_absent_or_partial(small, demo_folder, tmp_path, monkeypatch):
    name, recipe = small
    with pytest.raises(SettingsError, match="0 of 240 recordings of demo; get the rest from"):
        reproduce(name, recipe, {}, tmp_path, Run())
    part = tmp_path / "part"
    part.mkdir()
    for path in sorted(demo_folder.iterdir())[::2]:
        (part / path.name).symlink_to(path)
    with pytest.raises(
        SettingsError, match="120 of 240 recordings of demo.* run on the incomplete corpus with --partial"
    ):
        reproduce(name, recipe, {"demo": part}, tmp_path, Run())
    by_speaker = ProtocolSpec(name="speaker-kfold", settings={"folds": 9})
    many = recipe.model_copy(update={"speaker_independent": by_speaker})
    monkeypatch.setattr(cells, "evaluate_prepared", lambda *given, **more: pytest.fail("trained before all was split"))
    with pytest.raises(ProtocolError, match="folds is 9; expected 2 to 8"):
        reproduce(name, many, {"demo": demo_folder}, tmp_path, Run(quick=True))
    monkeypatch.undo()
    assert len(reproduce(name, many, {"demo": part}, tmp_path, Run(partial=True, quick=True)).independent.folds) == 8
    found = reproduce(name, recipe, {"demo": part}, tmp_path / "other", Run(partial=True, quick=True))
    partial = Stamp(kind="partial-corpus", value={"corpus": "demo", "found": 120, "expected": 240})
    assert partial in found.paper[0].notes
    (quick,) = [note for note in found.paper[0].notes if note.kind == "quick"]
    assert quick.value == {"epochs": 3, "used": found.paper[0].rows, "recordings": 120}
    assert len(found.paper) == 1
    assert found.reached() is None


def test_the_command(command, demo_folder, tmp_path):
    listed = command("reproduce", "--json").json
    assert {one["name"] for one in listed} == set(paper_recipes())
    assert "s4-crnn-emodb" in command("reproduce").output
    (tmp_path / "small.toml").write_text(SMALL)
    arguments = ["reproduce", tmp_path / "small.toml", "--place", f"demo={demo_folder}", "--out", tmp_path / "out"]
    done = command(*arguments, "--epochs", 1)
    assert done.status == 0, done.messages
    assert "stamp: 1 epoch instead of the recipe's" in done.output
    assert "stamp: speakers shared by training and test" in done.output
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| small, epochs-1 | Nobody: a small network on synthetic voices | 20 |" in page
    # The accuracies of a run that is cut short are not compared by speaker.
    computed = r"Another training, at its best epoch on the test rows, has \d+\.\d points (?:more|less) accuracy\."
    assert re.search(rf"\*\*small, epochs-1\.\*\* {computed} All of it\. Stamps: ", page)
    assert "s4-crnn-emodb" in page.split("## Not run")[1]
    (tmp_path / "other.toml").write_text(SMALL.replace("small network", "other network"))
    command("reproduce", tmp_path / "other.toml", *arguments[2:], "--quick")
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| small, epochs-1 |" in page and "| other, quick | Nobody: a other network" in page
    answer = command(*arguments, "--epochs", 1, "--json").json
    wars = [100 * result["pooled"]["war"] for result in answer["paper_protocol"]]
    assert answer["accuracies"] == pytest.approx(wars)
    assert len(answer["best_epoch_accuracies"]) == 2
    told = command("reproduce", "s9-nothing")
    assert told.status == 1
    assert "unknown recipe 's9-nothing'" in told.messages
