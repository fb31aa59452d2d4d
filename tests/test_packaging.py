"""What is published: the wheel, the sdist, and the recipe of the conda package."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import yaml
from conftest import ROOT

import fusionser
from fusionser.suffixes import AUDIO_SUFFIXES

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPE = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())

CONDA = {
    "lazy-loader": "lazy_loader",
    "matplotlib": "matplotlib-base",
    "soundfile": "pysoundfile",
    "soxr": "soxr-python",
    "torch": "pytorch",
    "xgboost": "py-xgboost",
    "xxhash": "python-xxhash",
}
"""Names of packages in conda-forge, where these are not those of PyPI."""

COPIED = (
    *(".ci", ".github", "benchmarks", "cli", "conda", "data", "docs", "fusionser", "tests", "tools"),
    *(".dockerignore", ".pre-commit-config.yaml", "*.toml", "*.md", "*.in", "*.cff", "*.txt", "*.lock"),
    *("Dockerfile", "LICENSE", "Makefile"),
)
"""What a source has; there may be more beside it, such as environments."""

BUILD = """
import sys
from setuptools import build_meta
# setuptools puts arguments of its own in the place of these.
out = sys.argv[1]
print(build_meta.build_sdist(out))
print(build_meta.build_wheel(out))
"""


def build(source: Path, out: Path) -> tuple[set[str], set[str]]:
    """Return the names of the files of a sdist and of a wheel; those of the sdist without its folder."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, out], cwd=source, check=True, capture_output=True, text=True
    )
    sdist, wheel = (next(out.glob(pattern)) for pattern in ("*.tar.gz", "*.whl"))
    assert {sdist.name, wheel.name} <= set(done.stdout.split())
    with tarfile.open(sdist) as archive:
        names = {str(PurePosixPath(*PurePosixPath(one.name).parts[1:])) for one in archive if one.isfile()}
        archive.extractall(out / "sdist", filter="data")
    with zipfile.ZipFile(wheel) as archive:
        return names, set(archive.namelist())


def written_by_make() -> list[str]:
    """Return what `make clean` removes of what is in folders of the sdist."""
    removed = re.search(r"^clean:\n\trm -rf (.*?)\n\n?\Z", (ROOT / "Makefile").read_text(), re.DOTALL | re.MULTILINE)[1]
    return [name for name in removed.replace("\\\n", " ").split() if name.startswith("docs/")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("source") / "fusionser", tmp_path_factory.mktemp("dist")
    source.mkdir()
    for path in (path for pattern in COPIED for path in ROOT.glob(pattern)):
        if path.is_dir():
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    for name in written_by_make():
        # As after `make docs`.
        left = source / name if "." in name else source / name / "inside" / "page.html"
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("made")
    return *build(source, out), out


def test_the_wheel_has_all_that_the_program_reads_and_nothing_else(built):
    _, wheel, _ = built
    assert {"fusionser/py.typed", "fusionser/__init__.pyi", "fusionser_cli/start.py"} <= wheel
    for folder, inside in (("fusionser", "fusionser"), ("cli", "fusionser_cli"), ("data", "fusionser_data")):
        kept = {path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in (".pyc", ".md")}
        wanted = {f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" for path in kept}
        assert wanted - wheel == set()
    assert {name.partition("/")[0] for name in wheel} == {
        "fusionser",
        "fusionser_cli",
        "fusionser_data",
        f"fusionser-{fusionser.__version__}.dist-info",
    }


def test_the_sdist_makes_the_same_wheel_and_has_its_tests(built, tmp_path):
    sdist, wheel, out = built
    (unpacked,) = (out / "sdist").iterdir()
    assert build(unpacked, tmp_path)[1] == wheel
    wanted = {
        path.relative_to(ROOT).as_posix()
        for folder in ("tests", "conda", ".ci")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - sdist == set()
    assert {"constraints.txt", "requirements.lock", "CHANGELOG.md", "LICENSE", "README.md", "Makefile"} <= sdist


def test_the_sdist_has_nothing_that_make_writes_and_all_pages_of_the_root(built):
    sdist, _, _ = built
    written = written_by_make()
    assert {"docs/_build", "docs/auto_gallery", "docs/reference/names.md"} <= set(written)
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/docs/")}
    assert set(written) == ignored
    assert [name for name in sdist if name.startswith(tuple(written))] == []
    assert {path.name for path in ROOT.glob("*.md")} <= sdist


def test_nothing_that_is_published_is_audio(built):
    sdist, wheel, _ = built
    assert [name for name in sdist | wheel if name.lower().endswith((*AUDIO_SUFFIXES, ".parquet", ".npy"))] == []


def test_the_conda_recipe_needs_what_the_project_needs():
    wanted = {"python": PROJECT["requires-python"]}
    for line in PROJECT["dependencies"]:
        name, version = re.fullmatch(r"([a-z0-9-]+)(.*)", line).groups()
        wanted[CONDA.get(name, name)] = version
    needed = dict(line.split(" ", 1) for line in RECIPE["requirements"]["run"])
    assert needed == wanted
    assert RECIPE["context"]["version"] == fusionser.__version__
    (script,) = PROJECT["scripts"].items()
    assert RECIPE["build"]["python"]["entry_points"] == [" = ".join(script)]
    assert RECIPE["about"]["summary"] == PROJECT["description"]
    assert RECIPE["about"]["license"] == PROJECT["license"]


def test_the_versions_of_python_are_the_same_everywhere():
    named = [one.rsplit(" ", 1)[1] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]
    assert PROJECT["requires-python"] == f">={named[0]}"
    for workflow in ("test", "dist"):
        jobs = yaml.safe_load((ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text())["jobs"].values()
        (versions,) = [job["strategy"]["matrix"]["python"] for job in jobs if "strategy" in job]
        assert versions == named


def test_the_image_installs_extras_that_exist_and_leaves_large_folders_out():
    (extras,) = re.findall(r"/source\[(.*?)\]", (ROOT / "Dockerfile").read_text())
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "reports", "tests", "dist"} <= set(ignored)
    assert not {"fusionser", "cli", "data", "constraints.txt", "README.md", "LICENSE"} & set(ignored)


def test_the_program_that_shows_errors_of_types_has_one_a_line():
    # `.ci/check-wheel` asks mypy and pyright for them; here, only that both programs use what exists.
    for name in ("right", "wrong"):
        tree = ast.parse((ROOT / "tests" / "typed" / f"{name}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "fusionser":
                assert all(hasattr(fusionser, one.name) for one in node.names)
