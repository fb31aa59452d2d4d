"""Configuration of the documentation site; `make docs` builds it."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "extensions"))

import fusionser  # noqa: E402

# Pages and scripts of the gallery compute features into a cache of their own.
os.environ["FUSIONSER_CACHE"] = str(DOCS / "_build" / "cache")
# The commands of pages are those of this environment.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
# Width of the tables that commands print into pages.
os.environ["COLUMNS"] = "76"

project = "fusionser"
author = "The fusionser developers"
project_copyright = author
version = release = fusionser.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    # Of the folder extensions/:
    "api_pages",
    "command_pages",
    "feature_pictures",
    "mathml",
    "name_pages",
    "repository_pages",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "examples",
    "extensions",
    "gallery",
    "auto_gallery/**/*.ipynb",
    # Its table would be fetched from the network.
    "sg_execution_times.rst",
    "**/sg_execution_times.rst",
]
# Quotes and dots only: two hyphens begin an option.
smartquotes_action = "qe"
nitpicky = True
nitpick_ignore_regex = [
    # Classes of other projects, and types that descriptions name in words.
    (r"py:.*", r"(?!fusionser).*"),
    # Modules and names in docstrings that are not public: they are shown as code.
    (r"py:obj", r"fusionser.*"),
    # Base classes and validators that are not public.
    (r"py:class", r"fusionser\.(.*\._\w+|features\.maps\.ClipMap|legacy\.\w+)"),
]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["attrs_inline", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
# Names without a role are objects; those that the reference does not have are shown as code.
default_role = "py:obj"
# The descriptions of parameters name the types.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10,
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "backreferences_dir": None,
    "ignore_repr_types": r"matplotlib",
}

html_theme = "pydata_sphinx_theme"
html_title = "fusionser"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {"text": "fusionser"},
    "header_links_before_dropdown": 7,
    "navigation_depth": 3,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "installation": []}
html_context = {"default_mode": "auto"}
