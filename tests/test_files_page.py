"""The page on settings files and recipes: it names every key, and its examples are valid."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from fusionser.spec import (
    ClassifierSpec,
    ClipSpec,
    Config,
    FeaturesSpec,
    NetworksSpec,
    PipelineSpec,
    ProtocolSpec,
    RowsSpec,
)
from fusionser.studies.papers import PaperRecipe
from fusionser.studies.recipe import ContrastRow, CorpusChoice, PaperRow, PipelineChoice, Recipe

PAGE = (Path(__file__).parents[1] / "docs" / "files.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
KEYS = {
    "Settings": (Config, ProtocolSpec),
    "`pipeline`": (PipelineSpec,),
    "`pipeline.features`": (FeaturesSpec, ClipSpec),
    "`pipeline.rows`": (RowsSpec,),
    "`pipeline.networks`": (NetworksSpec,),
    "`pipeline.classifier`": (ClassifierSpec,),
    "The recipe of a study": (Recipe, PipelineChoice, CorpusChoice, PaperRow, ContrastRow),
    "The recipe of a published result": (PaperRecipe,),
}


@pytest.mark.parametrize("section", KEYS)
def test_every_key_is_named(section):
    named = set(re.findall(r"`([a-z_]+)`", SECTIONS[section]))
    kinds: tuple[type[BaseModel], ...] = KEYS[section]
    keys = {field.alias or name for kind in kinds for name, field in kind.model_fields.items()}
    assert keys <= named


@pytest.mark.parametrize(
    ("section", "kind"),
    [("Settings", Config), ("The recipe of a study", Recipe), ("The recipe of a published result", PaperRecipe)],
)
def test_the_examples_are_valid(section, kind):
    (example,) = re.findall(r"```toml\n(.*?)```", SECTIONS[section], re.DOTALL)
    values = tomllib.loads(example)
    assert set(values) == set(kind(**values).plain())
