"""What a fitted pipeline tells of itself: its learning curves, the genders it heard, and what a search chose."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["chosen_parameters", "curves_of", "estimated_gender"]


def chosen_parameters(fitted: Any) -> dict[str, Any]:
    """Return what a search chose, nothing where there was none."""
    return dict(getattr(fitted, "best_params_", {}))


def _parts(fitted: Any) -> dict[str, Any]:
    """Return the fitted parts of a pipeline, those within an extractor or a late fusion included, by name."""
    pipeline = getattr(fitted, "best_estimator_", fitted)
    parts: dict[str, Any] = {}
    for name, step in getattr(pipeline, "steps", [("estimator", pipeline)]):
        parts[name] = step
        parts.update(getattr(step, "learned_", {}))
        parts.update({f"{name} {member}": part for member, part in getattr(step, "members_", {}).items()})
    return parts


def curves_of(fitted: Any, fold: str) -> list[dict[str, Any]]:
    """Return the learning curves of every network in a fitted pipeline, one record an epoch."""
    return [
        {"fold": fold, "network": name, **epoch}
        for name, part in _parts(fitted).items()
        for epoch in getattr(part, "history_", [])
    ]


def estimated_gender(fitted: Any, rows: pd.DataFrame) -> tuple[int, int] | None:
    """Return for how many clips the gender was estimated correctly, and for how many it is known."""
    for part in _parts(fitted).values():
        if getattr(part, "kind", None) == "estimated-gender":
            labelled = rows["gender"].isin(["male", "female"]).to_numpy()
            male = np.asarray(part.transform(rows))[:, 0] > 0.5
            return int((male == (rows["gender"] == "male").to_numpy())[labelled].sum()), int(labelled.sum())
    return None
