"""The project itself: what a newcomer adds must be registered, listed and documented; nothing else may slip in."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT

import fusionser
from fusionser import classifiers, estimators, networks, plots, regressors
from fusionser.audio import ClipSettings
from fusionser.networks.layers import Network
from fusionser.studies.recipe import recipe_names

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = [importlib.import_module(one.name) for one in pkgutil.walk_packages(fusionser.__path__, "fusionser.")]


def subclasses(base):
    return {
        value
        for module in MODULES
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, base) and value is not base and value.__module__ == module.__name__
    }


def test_every_package_on_disk_is_listed():
    mapping = PROJECT["tool"]["setuptools"]["package-dir"]
    found = set()
    for name, folder in mapping.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join([name, *init.parent.relative_to(ROOT / folder).parts]))
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_nothing_of_a_common_name_becomes_importable():
    # A name that another package installs (audmath has its "tests") is not ours, unless it leads to our folder.
    code = """if True:
        from importlib.metadata import packages_distributions
        from importlib.util import find_spec
        owners = packages_distributions()
        for name in ("cli", "data", "tests", "benchmarks", "tools"):
            if (spec := find_spec(name)) is not None:
                places = [str(place) for place in spec.submodule_search_locations or [spec.origin]]
                print(name, "fusionser" in owners.get(name, ["fusionser"]), *places)
    """
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd="/")
    found = [line.split(" ", 2) for line in done.stdout.splitlines()]
    installed = sysconfig.get_path("purelib")
    assert [name for name, ours, place in found if ours == "True" or not place.startswith(installed)] == []


def test_every_network_is_public_and_every_wrapper_may_be_loaded():
    for kind in subclasses(Network):
        assert kind.__name__.startswith("_") or getattr(networks, kind.__name__) is kind
    # These hold classifiers or regressors, and are asked for by --fusion and --imbalance.
    for wrapper in {*subclasses(classifiers.MemberClassifier), regressors.LateFusion}:
        assert f"{wrapper.__module__}.{wrapper.__qualname__}" in estimators.PARTS


def test_the_command_line_lists_every_recipe(command):
    assert set(recipe_names()) <= {one["name"] for kind in command("list", "--json").json.values() for one in kind}


def test_the_page_of_benchmarks_says_what_each_part_measures():
    from benchmarks import __main__, page

    assert set(page.PARTS) == set(__main__.PARTS)


def test_the_readme_has_the_commands_of_the_makefile():
    readme = (ROOT / "README.md").read_text()
    for target in ("demo", "test", "docs", "bench"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_exist(module):
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name)


def test_every_dependency_is_pinned_for_installs():
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    assert [one for one in wanted if re.split(r"[>=<]", one)[0] not in pinned] == []


def test_the_picture_of_the_layers_is_what_import_linter_checks():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    checked = [name.removeprefix("fusionser.") for layer in layers for name in layer.split(" | ")]
    page = (ROOT / "docs" / "architecture.md").read_text().partition("## The layers")[2].partition("\n## ")[0]
    shown = [re.split(" {2,}", line.strip())[0] for line in page.splitlines() if line.startswith("    ")]
    assert [name for line in shown for name in re.split(r", | \| ", line)] == checked


def lines_without_docstring(function):
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_functions_are_of_a_size_to_be_read():
    long = {}
    for path in [*(ROOT / "fusionser").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and lines_without_docstring(node) > 60:
                long[f"{path.relative_to(ROOT)}:{node.name}"] = lines_without_docstring(node)
    assert long == {}


def test_the_size_of_a_function_leaves_its_docstring_out():
    source = 'def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    return a\n'
    assert lines_without_docstring(ast.parse(source).body[0]) == 4


def test_no_audio_and_no_table_of_features_is_tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    wrong = [name for name in listed.stdout.split() if re.search(r"\.(wav|flac|mp3|ogg|aiff?|parquet|npy)$", name)]
    assert wrong == []


def test_public_classes_and_functions_say_what_they_do():
    bare = []
    for module in MODULES:
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if (inspect.isclass(value) or inspect.isfunction(value)) and not inspect.getdoc(value):
                bare.append(f"{module.__name__}.{name}")
    assert bare == []
    assert "Examples" in (ClipSettings.__doc__ or "")


@pytest.mark.parametrize("package", [fusionser, classifiers, networks, plots], ids=lambda package: package.__name__)
def test_lazy_packages_list_and_give_what_their_stub_says(package):
    stub = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text())
    lazy = [
        (f"{package.__name__}.{one.module}" if one.module else package.__name__, name.name)
        for one in stub.body
        if isinstance(one, ast.ImportFrom)
        for name in one.names
    ]
    assert lazy
    eager = {one.target.id for one in stub.body if isinstance(one, ast.AnnAssign)}
    names = {name for _, name in lazy}
    assert names | eager == set(package.__all__)
    assert names <= set(dir(package))
    assert all(hasattr(package, name) for name in eager)
    for module, name in lazy:
        assert getattr(package, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'|No fusionser.* attribute nothing"):
        package.nothing  # noqa: B018


def test_importing_the_package_is_light():
    heavy = ("torch", "sklearn", "librosa", "pandas", "numpy")
    code = f"import sys, fusionser; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
