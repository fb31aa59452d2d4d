"""The feature sets of openSMILE."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from fusionser.errors import AudioError, unknown_name
from fusionser.facts import Stamp
from fusionser.features.clip import Array, Clip
from fusionser.features.external.base import ExternalBlock
from fusionser.optional import optional_package, package_version

__all__ = ["FEATURE_SETS", "OpenSMILE"]

FEATURE_SETS = ("eGeMAPSv02", "ComParE_2016", "emobase")
"""Sets of functionals: 88, 6373 and 988 columns."""

LICENCE = "research licence: no commercial use without one from audEERING"


@lru_cache(maxsize=len(FEATURE_SETS))
def _program(feature_set: str) -> Any:
    """Return openSMILE, configured for a feature set. Each process has its own."""
    opensmile = optional_package("opensmile", "opensmile", "the block 'opensmile'")
    return opensmile.Smile(
        feature_set=getattr(opensmile.FeatureSet, feature_set), feature_level=opensmile.FeatureLevel.Functionals
    )


@dataclass(kw_only=True, eq=False, repr=False)
class OpenSMILE(ExternalBlock):
    """Functionals of openSMILE (Eyben, Wöllmer and Schuller 2010), computed in memory from the clip at 16 kHz.

    Needs the package opensmile: ``pip install "fusionser[opensmile]"``. Its licence allows research only; results and
    models say so.

    Parameters
    ----------
    feature_set : {"eGeMAPSv02", "ComParE_2016", "emobase"}, default="eGeMAPSv02"
        The extended Geneva minimalistic acoustic parameter set (88 columns; Eyben et al. 2016), the set of the
        Computational Paralinguistics Challenge of 2016 (6373; Schuller et al. 2016), or emobase (988).

    Examples
    --------
    >>> voice = np.sign(np.sin(2 * np.pi * 200 / 16000 * np.arange(32000))) / 4
    >>> features = OpenSMILE().set_output(transform="pandas").transform([voice], sampling_rate=16000)
    >>> features.shape, round(float(features["opensmile__F0semitoneFrom27.5Hz_sma3nz_amean"].iloc[0]))
    ((1, 88), 34)
    """

    kind: ClassVar[str] = "opensmile"
    feature_set: str = FEATURE_SETS[0]

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        if self.feature_set not in FEATURE_SETS:
            raise unknown_name("feature set of openSMILE", str(self.feature_set), FEATURE_SETS)

    def made_with(self) -> dict[str, Any]:
        """Return the version of openSMILE."""
        return {"opensmile": package_version("opensmile")}

    def stamps(self) -> list[Stamp]:
        """Return the licence."""
        return [Stamp(kind="licence", value={"what": f"openSMILE's {self.feature_set}", "licence": LICENCE})]

    def names(self) -> list[str]:
        """Return the names that openSMILE gives the columns."""
        return [str(name) for name in _program(self.feature_set).feature_names]

    def compute(self, clip: Clip) -> Array:
        """Return the columns of one clip."""
        samples = self.speech(clip).astype(np.float32)
        with warnings.catch_warnings():
            # The error below says more.
            warnings.filterwarnings("ignore", message="Segment too short")
            values = _program(self.feature_set)(samples, self.sampling_rate).astype(np.float32).ravel()
        if not np.isfinite(values).all():
            raise AudioError(
                f"{clip.name}: openSMILE gives no finite numbers for {samples.size / self.sampling_rate:.2f} s of it; "
                "it needs about a tenth of a second or more"
            )
        return values
