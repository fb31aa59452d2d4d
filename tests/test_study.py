import json
import shutil
from pathlib import Path

import pytest

from fusionser.errors import FusionserError, SettingsError
from fusionser.facts import Stamp
from fusionser.features import MFCC
from fusionser.reporting.page import study_groups
from fusionser.results import deciding
from fusionser.studies import cells
from fusionser.studies.recipe import Recipe, read_recipe, recipe_names
from fusionser.studies.study import _without_name, run_study

RECIPE = """
title = "A small study"
question = "Does it go on where it was?"
settings = ["inductive", "speaker-normalised"]
[[pipelines]]
name = "fusionnet"
classifiers = ["svm", "random-forest"]
spec.features = { preset = "fusionnet", gender = "given" }
[[corpora]]
corpus = "demo"
[[corpora.protocols]]
name = "speaker-holdout"
settings = { speakers = ["f1", "m1"] }
[[corpora.protocols]]
name = "random-kfold"
settings = { folds = 2, stratified = true }
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "small.toml").write_text(RECIPE)
    return read_recipe(str(tmp_path / "small.toml"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"speaker-normalised"', '"speaker-normalized"'), "unknown setting 'speaker-normalized'; did you mean"),
        (("[[corpora]]", 'importance = "block"\n[[corpora]]'), "unknown importance 'block'; did you mean 'blocks'"),
        (("settings = [", 'precision = "half"\nsettings = ['), "unknown precision 'half'"),
    ],
)
def test_names_in_a_recipe_are_checked_when_it_is_read(tmp_path, change, message):
    (tmp_path / "bad.toml").write_text(RECIPE.replace(*change, 1))
    with pytest.raises(SettingsError, match=message):
        read_recipe(str(tmp_path / "bad.toml"))


def test_a_stopped_study_goes_on_where_it_was(recipe, demo_folder, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(done, total, name):
        assert total == 8
        if done == 3:
            raise Stopped

    ran = []
    original = cells.evaluate_prepared
    monkeypatch.setattr(
        cells, "evaluate_prepared", lambda *given, **more: ran.append(given) or original(*given, **more)
    )
    with pytest.raises(Stopped):
        run_study(recipe, {"demo": demo_folder}, tmp_path / "out", progress=stop)
    assert len(ran) == len(list((tmp_path / "out" / "cells").iterdir())) == 3
    found = run_study(recipe, {"demo": demo_folder}, tmp_path / "out")
    results, missing = found.results, found.missing
    assert set(found.names) == {path.stem for path in (tmp_path / "out" / "cells").iterdir()}
    assert len(ran) == len(results) == 8
    assert missing == []
    assert run_study(recipe, {"demo": demo_folder}, tmp_path / "out") == found
    assert len(ran) == 8


def test_a_part_of_a_study_needs_only_its_own_corpora(recipe, demo_folder, tmp_path):
    (first,) = recipe.corpora
    away = first.changed(corpus="emodb")
    both = recipe.changed(corpora=(away, first))
    with pytest.raises(SettingsError, match="the recipe needs emodb; set FUSIONSER_DATA"):
        run_study(both, {"demo": demo_folder}, tmp_path)
    with pytest.raises(SettingsError, match="the recipe needs emodb"):
        run_study(both, {"demo": demo_folder}, tmp_path, only=["emodb_*_svm"])
    pattern = "demo_speaker-holdout_inductive*svm"
    found = run_study(both, {"demo": demo_folder}, tmp_path, only=[pattern])
    assert found.names == ["demo_speaker-holdout_inductive_fusionnet_svm"]
    assert len(found.missing) == 15
    # What is stored of a missing corpus stays on the page, before that of the corpus that stands after it.
    cell = tmp_path / "cells" / f"{found.names[0]}.json"
    shutil.copy(cell, cell.with_name("emodb_random-kfold_inductive_fusionnet_svm.json"))
    again = run_study(both, {"demo": demo_folder}, tmp_path, only=[pattern])
    assert again.names == ["emodb_random-kfold_inductive_fusionnet_svm", found.names[0]]
    assert run_study(both, {"demo": demo_folder}, tmp_path, partial=True).names == again.names


def test_an_imbalance_that_cannot_be_imposed_is_said_before_anything_is_run(recipe, demo_folder, tmp_path):
    (pipeline,) = recipe.pipelines
    wanted = pipeline.spec.changed(rows=pipeline.spec.rows.changed(impose_imbalance=2.0))
    uneven = recipe.changed(pipelines=(pipeline.changed(spec=wanted),))
    scarce = tmp_path / "scarce"
    shutil.copytree(demo_folder, scarce)
    for file in sorted(scarce.rglob("*sad*"))[:-6]:
        file.unlink()
    with pytest.raises(SettingsError, match="which is already more than 1 to 2; use a ratio of"):
        run_study(uneven, {"demo": scarce}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_part_of_a_study(recipe, demo_folder, tmp_path):
    places = {"demo": demo_folder}
    found = run_study(recipe, places, tmp_path, only=["*random-kfold*_svm", "*holdout_inductive*svm"])
    assert [(result.protocol.name, result.protocol.setting, result.classifier) for result in found.results] == [
        ("speaker-holdout", "inductive", "svm"),
        ("random-kfold", "inductive", "svm"),
        ("random-kfold", "speaker-normalised", "svm"),
    ]
    assert len(found.missing) == 5
    more = run_study(recipe, places, tmp_path, only=["*holdout_inductive*forest"])
    assert len(more.results) == len(more.missing) == 4
    assert run_study(recipe, places, tmp_path, partial=True) == more
    # Told before the recordings are read, with the name of an evaluation that the recipe has.
    first = "demo_speaker-holdout_inductive_fusionnet_svm"
    with pytest.raises(SettingsError, match=rf"--only is 'emodb_\*', which matches no evaluation.*'{first}'"):
        run_study(recipe, {"demo": tmp_path / "absent"}, tmp_path, only=["demo_*", "emodb_*"])


def test_a_cell_of_other_settings_is_kept_and_one_of_other_versions_is_run_again(recipe, demo_folder, tmp_path):
    run_study(recipe, {"demo": demo_folder}, tmp_path)
    cell = tmp_path / "cells" / "demo_speaker-holdout_inductive_fusionnet_svm.json"
    content = json.loads(cell.read_text())
    true = content["pooled"]["war"]
    protocol = content["protocol"]
    for change, told in (
        ({"seed": 5}, r"seed \(5, now 0\)"),
        ({"classifier_settings": {**content["classifier_settings"], "C": 2.5}}, r"C \(2.5, now 10.0\)"),
        ({"protocol": {**protocol, "setting": "speaker-normalised"}}, r"setting \(speaker-normalised, now inductive\)"),
        ({"protocol": {**protocol, "selection": "inner-folds"}}, r"tune \(true, now false\)"),
        ({"rows": 7}, r"recordings \(7, now 240\)"),
        ({"features": content["features"][1:]}, "blocks, zcr.kind"),
    ):
        cell.write_text(text := json.dumps({**content, **change}))
        with pytest.raises(SettingsError, match=f"1 of those to run, .*inductive_fusionnet_svm differs in: {told}"):
            run_study(recipe, {"demo": demo_folder}, tmp_path)
        assert cell.read_text() == text
    for change in (
        {"provenance": {**content["provenance"], "versions": {}}},
        {"digests": {**content["digests"], "mfcc": "0"}},
        {"format": 1},
    ):
        cell.write_text(json.dumps({**content, "pooled": {"war": 0.999, "uar": 1, "macro_f1": 1}, **change}))
        results = run_study(recipe, {"demo": demo_folder}, tmp_path).results
        assert results[0].pooled.war == pytest.approx(true)


def test_a_cell_whose_columns_are_computed_otherwise_today_is_run_again(recipe, demo_folder, tmp_path, monkeypatch):
    run_study(recipe, {"demo": demo_folder}, tmp_path)
    cell = tmp_path / "cells" / "demo_speaker-holdout_inductive_fusionnet_svm.json"
    content = json.loads(cell.read_text())
    assert "mfcc" in content["digests"]
    wrong = {**content, "pooled": {"war": 0.999, "uar": 1, "macro_f1": 1}}
    # An earlier result has no digests, and is of the first revision of each block.
    cell.write_text(json.dumps({**wrong, "digests": {}}))
    assert run_study(recipe, {"demo": demo_folder}, tmp_path).results[0].pooled.war == 0.999
    monkeypatch.setattr(MFCC, "revision", MFCC.revision + 1)
    assert run_study(recipe, {"demo": demo_folder}, tmp_path).results[0].pooled.war < 0.99


def test_a_parameter_that_came_later_counts_as_its_default(recipe, demo_folder, tmp_path, monkeypatch):
    first = run_study(recipe, {"demo": demo_folder}, tmp_path).results
    cell = tmp_path / "cells" / "demo_speaker-holdout_inductive_fusionnet_svm.json"
    content = json.loads(cell.read_text())
    assert content["features"][0].pop("denoise") is False
    assert content["classifier_settings"].pop("kernel") == "rbf"
    cell.write_text(json.dumps(content))
    monkeypatch.setattr(cells, "evaluate_prepared", lambda *given, **more: pytest.fail("a cell was run again"))
    assert len(run_study(recipe, {"demo": demo_folder}, tmp_path).results) == len(first)
    monkeypatch.undo()
    content["features"][0]["denoise"] = True
    cell.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=rf"differs in: zcr.denoise \(true, now false\).* files of it: {cell.name}"):
        run_study(recipe, {"demo": demo_folder}, tmp_path)


def test_after_a_change_of_the_recipe_only_what_it_changes_is_run_again(recipe, demo_folder, tmp_path, monkeypatch):
    first = run_study(recipe, {"demo": demo_folder}, tmp_path)
    (corpus,) = recipe.corpora
    holdout, kfold = corpus.protocols
    longer = kfold.model_copy(update={"settings": {**kfold.settings, "folds": 3}})
    changed = recipe.changed(corpora=(corpus.changed(protocols=(holdout, longer)),))
    before = {path: path.read_bytes() for path in (tmp_path / "cells").iterdir()}
    with pytest.raises(SettingsError, match=r"4 of those to run.* differs in: folds \(2, now 3\)") as refused:
        run_study(changed, {"demo": demo_folder}, tmp_path)
    assert before == {path: path.read_bytes() for path in (tmp_path / "cells").iterdir()}
    for name in str(refused.value).partition("files of it: ")[2].split(", "):
        (tmp_path / "cells" / name).unlink()
    ran = []
    evaluate = cells.evaluate_prepared
    monkeypatch.setattr(
        cells, "evaluate_prepared", lambda rows, split, **more: ran.append(split) or evaluate(rows, split, **more)
    )
    again = run_study(changed, {"demo": demo_folder}, tmp_path)
    assert [split.folds for split in ran] == [3] * 4
    assert len(again.results) == len(first.results) == 8


def test_ablate_does_not_replace_what_it_wrote_with_other_settings(command, demo_folder, tmp_path):
    given = ("ablate", demo_folder, "--corpus", "demo", "--study", "blocks", "--blocks", "zcr,rms", "--out", tmp_path)
    assert command(*given, "--folds", 2).status == 0
    before = {path: path.read_bytes() for path in (tmp_path / "cells").iterdir()}
    refused = command(*given, "--folds", 3)
    assert (refused.status, refused.output) == (1, "")
    assert (
        f"error: {tmp_path / 'cells'} has evaluations with other settings, {len(before)} of those" in refused.messages
    )
    assert "differs in: folds (2, now 3). Choose another --out, or move away that folder" in refused.messages
    assert before == {path: path.read_bytes() for path in (tmp_path / "cells").iterdir()}
    assert command(*given, "--folds", 2).status == 0


def test_recipes_that_come_along_are_valid():
    from fusionser.classifiers import CLASSIFIERS
    from fusionser.corpora import CORPORA
    from fusionser.pipeline import build_estimator
    from fusionser.splits import protocol

    assert "classical-baseline" in recipe_names()
    for name in recipe_names():
        found = read_recipe(name)
        for pipeline in found.pipelines:
            assert set(pipeline.classifiers) <= set(CLASSIFIERS)
        for choice in found.corpora:
            assert choice.corpus in CORPORA
            for pipeline, spec in found.specs(choice):
                assert (spec.features_name, spec.seed) == (pipeline.name, found.seed)
                build_estimator(spec)
            for one in choice.protocols:
                protocol(one.name, **one.settings)


def test_what_is_no_recipe_is_told(tmp_path):
    with pytest.raises(SettingsError, match="unknown recipe 'classic-baseline'; did you mean 'classical-baseline'"):
        read_recipe("classic-baseline")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_recipe(str(tmp_path / "none.toml"))
    for text in ("title = 3", RECIPE + "\n[extra]\nx = 1", "not toml"):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(SettingsError, match="is not valid"):
            read_recipe(str(tmp_path / "bad.toml"))


def test_a_corpus_that_is_not_here_is_named(recipe, tmp_path):
    with pytest.raises(SettingsError, match="the recipe needs demo; set FUSIONSER_DATA"):
        run_study(recipe, {}, tmp_path)


def test_two_protocols_of_one_name_are_two_cells_and_the_seed_reaches_the_split(demo_folder, tmp_path):
    text = "seed = 3" + RECIPE.replace(', "random-forest"', "")
    text = text.replace(', "speaker-normalised"', "").replace('"speaker-holdout"', '"random-kfold"')
    (tmp_path / "twins.toml").write_text(text.replace('speakers = ["f1", "m1"]', "folds = 3"))
    results = run_study(read_recipe(str(tmp_path / "twins.toml")), {"demo": demo_folder}, tmp_path).results
    assert [result.protocol.settings["folds"] for result in results] == [3, 2]
    assert {result.protocol.settings["seed"] for result in results} == {3}
    assert len(list((tmp_path / "cells").iterdir())) == 2


def _without(tmp_path, *speakers):
    text = RECIPE.replace(', "speaker-normalised"', "").replace(', "random-forest"', "")
    dropped = ", ".join(f'"{name}"' for name in speakers)
    (tmp_path / "without.toml").write_text(
        text.replace("[[corpora.p", f"leave_out_speakers = [{dropped}]\n[[corpora.p", 1)
    )
    return read_recipe(str(tmp_path / "without.toml"))


def test_speakers_that_a_recipe_leaves_out_are_in_no_fold(demo_folder, tmp_path):
    run = run_study(_without(tmp_path, "f2", "m2"), {"demo": demo_folder}, tmp_path)
    assert len(run.results) == 2
    for name, result in run.outcomes.items():
        assert name.startswith("demo_without-speakers-f2-m2_")
        assert {"demo/f2", "demo/m2"}.isdisjoint(result.speakers)
        assert Stamp(kind="left-out-speakers", value=["demo/f2", "demo/m2"]) in result.notes
        # The demo corpus has the same number of recordings of each of its eight speakers.
        assert result.rows == 180
    assert run_study(_without(tmp_path, "f2", "m2"), {"demo": demo_folder}, tmp_path, partial=True).missing == []


def test_results_without_some_speakers_have_tables_of_their_own(demo_folder, tmp_path):
    recipe = _without(tmp_path, "f2", "demo/f2", "m2")
    (tmp_path / "all.toml").write_text(RECIPE)
    whole = read_recipe(str(tmp_path / "all.toml")).corpora[0]
    both = recipe.changed(corpora=(whole, recipe.corpora[0]))
    groups = study_groups(run_study(both, {"demo": demo_folder}, tmp_path).results)
    assert [label.split("classes")[1] for _, label in groups] == ["", "", *[", without demo/f2, demo/m2"] * 2]
    assert {result.rows for group in groups.values() for result in group} == {240, 180}


def test_other_speakers_left_out_are_another_evaluation(demo_folder, tmp_path):
    run_study(_without(tmp_path, "f2"), {"demo": demo_folder}, tmp_path)
    for cell in list((tmp_path / "cells").glob("*.json")):
        cell.rename(cell.with_name(cell.name.replace("f2", "f3")))
    with pytest.raises(SettingsError, match="left-out speakers"):
        run_study(_without(tmp_path, "f3"), {"demo": demo_folder}, tmp_path)


def test_many_speakers_left_out_make_no_long_file_name():
    long, other = (_without_name([f"speaker-{number:03d}" for number in range(count)]) for count in (40, 41))
    assert len(long) < 60 and long != other and long.startswith("without-40-speakers-")


@pytest.mark.parametrize(
    ("speakers", "message"),
    [
        (["f7"], "'f7' .leave_out_speakers. names no speaker; the speakers are demo/f1"),
        ([*["f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4"]], "leave_out_speakers names all speakers"),
    ],
)
def test_speakers_that_cannot_be_left_out_are_told(demo_folder, tmp_path, speakers, message):
    with pytest.raises(FusionserError, match=message):
        run_study(_without(tmp_path, *speakers), {"demo": demo_folder}, tmp_path)


NETWORK = """
title = "A network"
question = "Are its own settings those that it is trained with?"
[[pipelines]]
name = "alone"
classifiers = ["svm"]
spec.network = "mfcc-frames"
spec.networks = { epochs = 2, precision = "bfloat16", parameters = { units = 8 } }
[[corpora]]
corpus = "demo"
protocols = [{ name = "speaker-holdout", settings = { speakers = ["f1", "m1"] } }]
"""


@pytest.mark.parametrize(
    ("shared", "epochs", "precision"), [("", 2, "bfloat16"), ('epochs = 1\nprecision = "float32"', 1, "float32")]
)
def test_a_recipe_changes_a_pipelines_networks_where_it_says_so(demo_folder, tmp_path, shared, epochs, precision):
    (tmp_path / "network.toml").write_text(shared + NETWORK)
    run = run_study(read_recipe(str(tmp_path / "network.toml")), {"demo": demo_folder}, tmp_path)
    assert run.names == ["demo_speaker-holdout_inductive_alone_network-alone"] and run.failures == {}
    (block,) = run.results[0].features
    assert (block["epochs"], block["precision"], block["units"]) == (epochs, precision, 8)


def test_a_package_that_is_not_used_any_more_makes_no_result_older():
    stored = {"python": "3.11.7", "numpy": "2.4.6", "python-stretch": "0.3.1"}
    assert deciding(stored) == {"python": "3.11.7", "numpy": "2.4.6"}


def test_a_cell_that_fails_is_written_and_the_others_go_on(recipe, demo_folder, tmp_path, monkeypatch):
    original = cells.evaluate_prepared

    def failing(prepared, split, **more):
        if prepared.spec.classifier.name == "random-forest" and prepared.spec.setting == "inductive":
            raise SettingsError("no forest today")
        return original(prepared, split, **more)

    monkeypatch.setattr(cells, "evaluate_prepared", failing)
    found = run_study(recipe, {"demo": demo_folder}, tmp_path)
    assert len(found.results) == 6 and found.missing == []
    assert set(found.failures.values()) == {"no forest today"}
    told = tmp_path / "cells" / "demo_random-kfold_inductive_fusionnet_random-forest.failed.json"
    assert json.loads(told.read_text())["error"] == "no forest today"
    monkeypatch.undo()
    again = run_study(recipe, {"demo": demo_folder}, tmp_path)
    assert len(again.results) == 8 and again.failures == {}
    assert not told.exists()


def test_what_no_one_foresaw_costs_one_cell_alone(recipe, demo_folder, tmp_path, monkeypatch):
    original = cells.evaluate_prepared

    def failing(prepared, split, **more):
        if prepared.spec.classifier.name == "random-forest" and prepared.spec.setting == "inductive":
            raise IndexError("69 is out of bounds")
        return original(prepared, split, **more)

    monkeypatch.setattr(cells, "evaluate_prepared", failing)
    found = run_study(recipe, {"demo": demo_folder}, tmp_path)
    assert len(found.results) == 6
    assert set(found.failures.values()) == {"internal error: IndexError: 69 is out of bounds"}
    told = tmp_path / "cells" / "demo_random-kfold_inductive_fusionnet_random-forest.failed.json"
    assert "in failing" in json.loads(told.read_text())["traceback"]


def test_a_failed_cell_is_told_and_listed(demo_folder, tmp_path, command):
    # What is wrong with the copies shows when the cell is run.
    many = """
[[pipelines]]
name = "many copies"
classifiers = ["svm"]
spec.features = { preset = "fusionnet" }
spec.rows = { augment = ["noise"], copies = 101 }
"""
    text = "epochs = 2" + RECIPE.replace('"random-forest"', '"mlp"').replace(', "speaker-normalised"', "")
    (tmp_path / "small.toml").write_text(text.replace("[[corpora]]", f"{many}[[corpora]]", 1))
    answer = command("study", tmp_path / "small.toml", "--place", f"demo={demo_folder}", "--out", tmp_path)
    assert answer.status == 0, answer.messages
    assert "4 evaluations; 2 failed; the next run tries them again" in answer.output
    page = (tmp_path / "report.md").read_text()
    assert "demo_random-kfold_inductive_many-copies_svm: copies is 101; expected 0 to 100 copies a clip" in page
    # The page that is made again says the same of what failed, and of what has not been run.
    next((tmp_path / "cells").glob("demo_random-kfold_inductive_*_mlp.json")).unlink()
    assert command("report", tmp_path).status == 0
    page = (tmp_path / "report.md").read_text()
    assert "demo_random-kfold_inductive_many-copies_svm: copies is 101; expected 0 to 100 copies a clip" in page
    assert "Not finished: 1 of 4 evaluations have not been run" in page


def test_the_page_of_a_study_is_made_again_by_the_recipe_it_kept(demo_folder, tmp_path, command):
    file, out = tmp_path / "small.toml", tmp_path / "out"
    file.write_text(RECIPE.replace('"random-forest"', "").replace(', "speaker-normalised"', ""))
    done = command("study", file, "--place", f"demo={demo_folder}", "--out", out)
    assert done.status == 0, done.messages
    page = (out / "report.md").read_text()
    file.unlink()
    (out / "report.md").unlink()
    again = command("report", out)
    assert (again.status, again.output) == (0, f"report: {out / 'report.html'} (2 evaluations)\n"), again.messages
    # But for the places of the corpora, which belong to no recipe.
    assert (out / "report.md").read_text() == page.replace(f" --place=demo=.../{demo_folder.name}", "")
    (out / "recipe.json").unlink()
    refused = command("report", out)
    assert refused.status == 1
    assert "if they belong to a study, give --recipe" in refused.messages


def test_a_stored_cell_names_no_folder_of_this_machine(demo_folder, tmp_path, recipe):
    folder = tmp_path / "voices"
    shutil.copytree(demo_folder, folder)
    next(folder.glob("*_sad_*.wav")).write_bytes(b"no audio")
    found = run_study(recipe, {"demo": folder}, tmp_path / "out", only=["demo_speaker-holdout_inductive_fusionnet_svm"])
    (stored,) = (tmp_path / "out" / "cells").glob("*.json")
    assert len(found.results[0].quarantine) == 1
    assert str(tmp_path) not in stored.read_text()


def test_a_stored_failure_names_no_folder_of_this_machine(demo_folder, tmp_path, recipe, monkeypatch):
    def fail(*given, **more):
        raise OSError(f"{tmp_path}/secret/a.wav is gone")

    monkeypatch.setattr("fusionser.studies.cells.evaluate_prepared", fail)
    run_study(recipe, {"demo": demo_folder}, tmp_path / "out", only=["demo_speaker-holdout_inductive_fusionnet_svm"])
    (stored,) = (tmp_path / "out" / "cells").glob("*failed*")
    assert "OSError: .../a.wav is gone" in stored.read_text()
    assert str(tmp_path) not in stored.read_text() and str(Path.home()) + "/" not in stored.read_text()


def test_pipelines_whose_files_would_have_one_name_are_refused():
    recipe = read_recipe("classical-baseline").model_dump()
    first = recipe["pipelines"][0]
    recipe["corpora"] = [{**choice, "pipelines": ()} for choice in recipe["corpora"]]
    recipe["contrasts"] = recipe["paper"] = ()
    for names in (("a/b", "a-b"), ("One", "one")):
        planted = {**recipe, "pipelines": [{**first, "name": name} for name in names]}
        with pytest.raises(ValueError, match="the name of their files"):
            Recipe.model_validate(planted)
