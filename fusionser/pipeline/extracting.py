"""One extraction: from listed rows to rows with features, in one part or several."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fusionser.cache import Cache
from fusionser.corpora import Listing
from fusionser.corpora.kept_notes import KEPT_KEY, pack_notes
from fusionser.errors import AudioError, SettingsError
from fusionser.facts import Stamp
from fusionser.features import FeatureExtractor
from fusionser.features.extraction import Progress
from fusionser.features.table import computed_tables
from fusionser.pipeline.notes import less_unused
from fusionser.pipeline.resources import Resources

__all__ = ["Extracting", "check_gender"]


@dataclass
class Extracting:
    """One extraction, in one part or several: its inputs, and its results so far."""

    extractor: FeatureExtractor
    resources: Resources
    progress: Progress | None
    strict: bool
    listing: Listing
    kept: int = 0
    computed: int = 0
    quarantine: list[dict[str, str]] = field(default_factory=list)
    notes: list[Stamp] = field(default_factory=list)

    def parts(self, size: int) -> Iterator[pd.DataFrame]:
        """Yield the usable rows with their features, part by part. Raise `AudioError` if there are none."""
        rows = self.listing.rows
        # Checked for all rows at once, so that all parts have the same columns.
        held = self.extractor.table(rows).held().all()
        if not held:
            check_gender(self.extractor, rows)
        parts = (rows.iloc[first : first + size].reset_index(drop=True) for first in range(0, len(rows), size))
        for table in parts if held else self._analysed(parts):
            self.kept += len(table)
            if len(table):
                yield table
        if not self.kept:
            first_reason = f"; the first: {self.quarantine[0]['reason']}" if self.quarantine else ""
            raise AudioError(f"none of {len(rows)} recordings can be used{first_reason}")

    def _analysed(self, parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        self.extractor.check()
        tables = computed_tables(
            map(self.extractor.table, parts),
            count=len(self.listing.rows),
            cache=Cache.of(self.resources.cache),
            n_jobs=self.resources.n_jobs,
            device=self.resources.feature_device,
            memory_limit=self.resources.memory_limit,
            progress=self.progress,
            strict=self.strict,
        )
        for table, result in tables:
            self.computed += result.computed
            notes = [Stamp(kind="text", value=text) for text in result.notices]
            self.notes += [note for note in notes if note not in self.notes]
            files = table.rows["file"]
            self.quarantine += [
                {"file": str(files.iloc[position]), "reason": reason}
                for position, reason in sorted(result.failures.items())
            ]
            yield table.rows.iloc[:0] if len(result.failures) == len(files) else table.filled(result)

    def _listing_notes(self) -> list[Stamp]:
        """Return the notes on the listing, where a column that a block reads counts as used."""
        read = {name for _, block in self.extractor.blocks for name in block.row_columns()}
        return less_unused(self.listing.notes, read)

    def kept_metadata(self) -> dict[bytes, bytes]:
        """Return what a features file keeps on the recordings, as its metadata."""
        described = self.summary(0.0)
        return {KEPT_KEY: pack_notes(described["notes"], described["quarantine"])}

    def summary(self, began: float) -> dict[str, Any]:
        """Return the fields that `Prepared` and `Extracted` share."""
        listed = self.listing.quarantine[["file", "reason"]].astype(str).to_dict("records")
        return {
            "quarantine": [*listed, *self.quarantine],
            "notes": [*self._listing_notes(), *self.notes],
            "computed": self.computed,
            "seconds": round(time.perf_counter() - began, 2),
        }


def check_gender(extractor: FeatureExtractor, rows: pd.DataFrame) -> None:
    """Raise `SettingsError` if the gender is a feature and no row has one, before anything is decoded."""
    kinds = {getattr(block, "kind", None) for _, block in extractor.blocks}
    if "gender" in kinds and (rows["gender"] == "").all():
        raise SettingsError(
            f"none of {len(rows)} rows has the speaker's gender, which is a feature; fill in the column 'gender' with "
            "female and male, or choose --gender estimated or none"
        )
