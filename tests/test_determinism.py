"""The same command, data and seed give the same bytes, for any number of jobs, and of threads without networks."""

import io
import json
import shutil
import zipfile

import pyarrow.parquet as pq
import pytest
from torture.kills import timeless

from fusionser import PipelineSpec, fit, save_model
from fusionser.pipeline.resources import Resources

TWO = {"LOKY_MAX_CPU_COUNT": "2"}
MFCC = "demo --corpus demo --blocks mfcc --classifier"
COMMANDS = {
    "extract": "extract demo --corpus demo --out out/features.parquet",
    "extract another preset": "extract demo --corpus demo --preset wide --out out/features.parquet",
    "evaluate": f"evaluate {MFCC} svm --out out",
    "evaluate a forest": f"evaluate {MFCC} random-forest --out out",
    "evaluate boosting": f"evaluate {MFCC} xgboost --out out",
    "fit": f"fit {MFCC} random-forest --out out/m.fusionser",
    "fit with boosting": f"fit {MFCC} xgboost --out out/m.fusionser",
}


def written(folder, command, arguments, env):
    """Return what a command writes in a new folder, times aside."""
    (folder / "out").mkdir(parents=True)
    done = command(*arguments, cwd=folder, env={**TWO, "FUSIONSER_CACHE": "off", **env})
    assert done.status == 0, done.messages
    return {path.name: content_of(path) for path in sorted((folder / "out").rglob("*")) if path.is_file()}


def content_of(path):
    """Return the content of a file without times, and without the number of jobs in the command that it states."""
    if path.suffix == ".parquet":
        table, sink = pq.read_table(path), io.BytesIO()
        stated = str(table.schema.metadata).encode()
        pq.write_table(table.replace_schema_metadata(None), sink)
        content = stated + sink.getvalue()
    elif path.suffix == ".fusionser":
        with zipfile.ZipFile(path) as archive:
            content = b"".join(name.encode() + archive.read(name) for name in archive.namelist())
    else:
        content = timeless(path)
    return content.replace(b"--jobs 2", b"--jobs 1")


@pytest.mark.parametrize("name", COMMANDS)
def test_jobs_and_threads_do_not_matter(command, demo_folder, tmp_path, name):
    found = []
    for jobs, threads in ((1, 1), (2, 1), (2, 2)):
        # The command and its folder have the same names, since results state them.
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "demo").symlink_to(demo_folder)
        env = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        found.append(written(folder, command, [*COMMANDS[name].split(), "--jobs", str(jobs)], env))
    assert found[0] and found[1].keys() == found[0].keys() == found[2].keys()
    for other in found[1:]:
        assert [file for file in found[0] if found[0][file] != other[file]] == []


def test_a_network_is_the_same_for_any_number_of_jobs(command, demo_folder, tmp_path):
    found = []
    for jobs in (1, 2):
        folder = tmp_path / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "demo").symlink_to(demo_folder)
        arguments = ["fit", "demo", "--corpus", "demo", "--classifier", "mlp", "--epochs", "3", "--threads", "1"]
        found.append(written(folder, command, [*arguments, "--jobs", jobs, "--out", "out/m.fusionser"], {}))
    assert found[0] == found[1]


def test_two_fits_write_the_same_bytes_on_any_day(demo_folder, tmp_path, monkeypatch):
    spec = PipelineSpec.model_validate({"features": {"blocks": ["zcr"]}, "classifier": {"name": "svm"}})
    contents = []
    for number, moment in enumerate(("86400", "86400", "")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        model = fit(demo_folder, spec, corpus="demo", resources=Resources(cache=False))
        contents.append(save_model(model, tmp_path / f"{number}.fusionser").read_bytes())
        assert model.card.created == ("1970-01-02" if moment else model.card.estimate.provenance["date"])
    assert contents[0] == contents[1] != contents[2]
    assert "seconds" not in json.dumps(model.card.estimate.seconds)
