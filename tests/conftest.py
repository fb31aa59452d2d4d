"""What the tests share: a synthetic corpus, the real corpora where they are, and the command line as a user runs it."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Two test processes with two spinning threads each on two cores would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Two that compile librosa's functions at once leave a cache that crashes them and all later ones (numba issue 10128).
COMPILED = tempfile.mkdtemp(prefix="fusionser-numba-")
os.environ["NUMBA_CACHE_DIR"] = COMPILED
atexit.register(shutil.rmtree, COMPILED, ignore_errors=True)

import numpy as np
import pandas as pd
import pytest
from command_process import Outcome, run_command
from prepared_rows import under
from small_recipe import SMALL

from fusionser.corpora import generate_demo, list_rows
from fusionser.studies.papers import PaperRecipe, read_paper_recipe

ROOT = Path(__file__).resolve().parent.parent

# A distribution of its own, which its test installs; and a script that speaks to the commit that made the models.
collect_ignore = ["plugin", "reference/make_models.py", "typed"]


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("session")


@pytest.fixture(scope="session", autouse=True)
def own_cache(session_folder: Path) -> None:
    """Keep the tests out of the user's cache."""
    os.environ["FUSIONSER_CACHE"] = str(session_folder / "cache")


@pytest.fixture(scope="session")
def demo_folder(session_folder: Path) -> Path:
    folder = session_folder / "demo"
    generate_demo(folder)
    return folder


@pytest.fixture(scope="session")
def demo_rows(demo_folder: Path) -> pd.DataFrame:
    return list_rows(demo_folder, "demo").rows


@pytest.fixture(scope="session")
def split(demo_rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test rows of the synthetic corpus, by speaker."""
    tested = demo_rows["speaker"].isin(["demo/f1", "demo/m1"])
    return demo_rows[~tested].reset_index(drop=True), demo_rows[tested].reset_index(drop=True)


@pytest.fixture(scope="session")
def command() -> Callable[..., Outcome]:
    """Run `fusionser` in a process of its own, and check that no failure ends in a traceback."""

    def run(*arguments: Any, **options: Any) -> Outcome:
        done = run_command(*arguments, **options)
        assert "Traceback" not in done.messages, done.messages
        assert "internal error" not in done.messages, done.messages
        return done

    return run


def real_data() -> Path | None:
    place = os.environ.get("FUSIONSER_DATA")
    folder = Path(place) if place else ROOT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def corpus_folder() -> Callable[[str], Path]:
    """Return the folder of a real corpus, or skip the test."""

    def find(name: str) -> Path:
        folder = real_data()
        if folder is None or not (folder / name).exists():
            pytest.skip(f"no real recordings: '{name}' is neither under $FUSIONSER_DATA nor in ../shared/data")
        return folder / name

    return find


def tone(frequency: float, seconds: float = 1.0, rate: int = 16000, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture(scope="session")
def model_data(demo_folder):
    from fusionser.pipeline import PipelineSpec, Place, prepare

    places = [Place(demo_folder, "demo")]
    return prepare(places, PipelineSpec(features={"preset": "fusionnet", "gender": "none"}))


@pytest.fixture(scope="session")
def saved(model_data, tmp_path_factory):
    """A model file of each classifier."""
    from fusionser.classifiers import CLASSIFIERS
    from fusionser.jobs import fit_prepared
    from fusionser.model import save_model
    from fusionser.splits import SpeakerHoldout

    folder = tmp_path_factory.mktemp("models")
    files = {}
    for name in CLASSIFIERS:
        given = under(model_data, classifier={"name": name})
        model = fit_prepared(given, split=SpeakerHoldout(speakers=("f1", "m1")))
        files[name] = save_model(model, folder / f"{name}.fusionser")
        model.predict(model_data.table["file"][:2])  # saving must not take the classifier apart
    return files


@pytest.fixture
def small(tmp_path: Path) -> tuple[str, PaperRecipe]:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return read_paper_recipe(str(path))
