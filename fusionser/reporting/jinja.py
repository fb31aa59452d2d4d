"""Templates of pages. It imports nothing else, so that a time line needs neither the evaluation nor scikit-learn."""

from typing import Any

import jinja2

__all__ = ["environment"]


def environment(**options: Any) -> jinja2.Environment:
    """Return an environment with the templates of this package."""
    loader = jinja2.PackageLoader("fusionser.reporting")
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, **options)  # noqa: S701
