"""What a fitted pipeline reports: the learning curves of its networks and the genders that it estimated."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["curves_of", "estimated_gender"]


def _parts(fitted: Any) -> dict[str, Any]:
    """Return the fitted parts of a pipeline by name, with those inside an extractor or a late fusion."""
    pipeline = getattr(fitted, "best_estimator_", fitted)
    parts: dict[str, Any] = {}
    for name, step in getattr(pipeline, "steps", [("estimator", pipeline)]):
        parts |= {name: step, **getattr(step, "learned_", {})}
        parts |= {f"{name} {member}": part for member, part in getattr(step, "members_", {}).items()}
    return parts


def curves_of(fitted: Any, fold: str) -> list[dict[str, Any]]:
    """Return the learning curves of all networks in a fitted pipeline, one record per epoch."""
    return [
        {"fold": fold, "network": name, **epoch}
        for name, part in _parts(fitted).items()
        for epoch in getattr(part, "history_", [])
    ]


def estimated_gender(fitted: Any, rows: pd.DataFrame) -> tuple[int, int]:
    """Return how many clips have a correctly estimated gender, and how many a labelled one; zeros without estimates."""
    for part in _parts(fitted).values():
        if getattr(part, "kind", None) == "estimated-gender":
            labelled = rows["gender"].isin(["male", "female"]).to_numpy()
            male = np.asarray(part.transform(rows))[:, 0] > 0.5
            return int((male == (rows["gender"] == "male").to_numpy())[labelled].sum()), int(labelled.sum())
    return 0, 0
