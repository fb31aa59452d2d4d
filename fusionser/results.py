"""Stored results: the scores of an evaluation, and what a reader needs to judge them."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fusionser.errors import FusionserError
from fusionser.facts import Count, QuarantineList, Record, Share, Stamp, read_json, what_differs
from fusionser.files import public_command, public_paths, public_text, write_text
from fusionser.legacy import current_settings, current_spec
from fusionser.results_format_1 import upgraded
from fusionser.spec import PipelineSpec, stored_elsewhere

__all__ = [
    "BY_INNER_FOLDS",
    "FIXED",
    "BlockSettings",
    "ClassResult",
    "FoldResult",
    "ProtocolStamp",
    "Provenance",
    "Result",
    "Scores",
    "StoredSpec",
    "deciding",
    "provenance",
    "public_quarantine",
    "read_result",
    "read_stored",
    "today",
    "versions",
]

FORMAT = 2
"""Format of stored results; `fusionser.results_format_1` converts those of format 1."""

PACKAGES = (
    "fusionser",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "imbalanced-learn",
    "xgboost",
    "soundfile",
    "soxr",
    "torch",
    "skorch",
)


Stored = TypeVar("Stored", bound=Record)


def _current(settings: Any) -> Any:
    return current_settings(settings) if isinstance(settings, Mapping) else settings


BlockSettings = Annotated[dict[str, Any], BeforeValidator(_current)]
"""Parameters of a feature block or a classifier; names of earlier versions become the current ones."""


def _named(settings: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(settings.get("name"), str):
        raise ValueError("a block has no name")
    return settings


NamedSettings = Annotated[BlockSettings, AfterValidator(_named)]
"""Parameters of a feature block, and its name."""


def _told(provenance: dict[str, Any]) -> dict[str, Any]:
    """Return the provenance of a result if it says all that reports tell."""
    lacking = {"command", "commit", "versions", "machine", "date"} - set(provenance)
    if lacking or not isinstance(provenance["versions"], dict):
        raise ValueError(f"the provenance lacks {', '.join(sorted(lacking or {'versions'}))}")
    if not all(isinstance(version, str) for version in provenance["versions"].values()):
        raise ValueError("a version in the provenance is no text")
    return provenance


Provenance = Annotated[dict[str, Any], AfterValidator(_told)]
"""What is needed to reproduce numbers: what `provenance` returns, and more."""

StoredSpec = Annotated[PipelineSpec, BeforeValidator(current_spec)]
"""A specification in a file; those of earlier versions get the names of the defaults of these versions."""

FIXED, BY_INNER_FOLDS = "fixed", "inner-folds"
"""How parameters were chosen: set in advance, or by inner folds of the training speakers."""


class Scores(Record):
    """WAR, UAR and macro F1, 0 to 1."""

    war: Share
    uar: Share
    macro_f1: Share


class ClassResult(Record):
    """Precision, recall, F1 and support of one class."""

    precision: Share
    recall: Share
    f1: Share
    support: Count


class FoldResult(Record):
    """One fold: its sizes, its scores, and what its training and test rows share."""

    name: str
    train_rows: Count
    test_rows: Count
    test_speakers: Count
    scores: Scores
    shared_speakers: Count
    shared_sources: Count
    shared_audio: Count
    shared_statements: Count
    parameters: dict[str, Any] = Field(default_factory=dict)
    fit_seconds: float | None


class ProtocolStamp(Record):
    """How the rows were split, how parameters were chosen, and what was known of the test speakers.

    ``allows`` lists what training and test rows may share. ``random`` is whether clips were assigned at random.
    """

    name: str
    settings: dict[str, Any]
    setting: Literal["inductive", "speaker-normalised", "adapted"]
    selection: str
    stamps: tuple[Stamp, ...] = ()
    allows: tuple[str, ...] = ()
    random: bool = False

    def stamped(self, kind: str) -> bool:
        """Return whether a stamp of this kind exists."""
        return any(stamp.kind == kind for stamp in self.stamps)

    @property
    def known(self) -> str:
        """The setting, with "pretrained" if a network has heard other recordings; such scores stay apart."""
        return f"{self.setting}, pretrained" if self.stamped("pretrained") else self.setting

    @property
    def speaker_independent(self) -> bool:
        """Whether all speakers are known, and none has both training and test rows."""
        return self.speakers_known and not self.stamped("shared-speakers")

    @property
    def gender_given(self) -> bool:
        """Whether the gender of the test speakers came from the labels."""
        return self.stamped("gender-given")

    @property
    def speakers_known(self) -> bool:
        """Whether the speaker of every row is known."""
        return not self.stamped("speakers-unknown")


class Result(Record):
    """The result of an evaluation.

    ``spec`` is the specification of the pipeline, ``features`` the settings of its blocks as they were used, and
    ``digests`` those of their settings and code (`digests_of`).
    ``pooled`` are the scores over all test predictions together. ``intervals`` come from resampling speakers; with
    fewer than eight speakers there are none. ``calibration_error`` is the expected calibration error of all test
    predictions together, 0 to 1; None without probabilities. ``speakers``, ``speaker_confusions`` and ``genders`` are
    by speaker. ``importance`` is the loss of UAR when a block or feature is shuffled, and its interval. Results of
    earlier versions lack newer fields.
    """

    format: int = FORMAT
    corpora: tuple[str, ...]
    rows: Count
    speaker_count: Count
    classes: tuple[str, ...] = Field(min_length=1)
    protocol: ProtocolStamp
    spec: StoredSpec | None = None
    features: list[NamedSettings]
    features_name: str
    feature_count: int
    digests: dict[str, str] = Field(default_factory=dict)
    classifier: str
    classifier_settings: BlockSettings
    pooled: Scores
    intervals: dict[str, tuple[Share, Share]] | None
    calibration_error: Share | None = None
    per_class: dict[str, ClassResult]
    confusion: list[list[Count]]
    folds: list[FoldResult] = Field(min_length=1)
    speakers: dict[str, Scores]
    speaker_confusions: dict[str, list[list[Count]]] = Field(default_factory=dict)
    genders: dict[str, str] = Field(default_factory=dict)
    importance: dict[str, tuple[float, tuple[float, float] | None]] = Field(default_factory=dict)
    quarantine: QuarantineList = Field(default_factory=list)
    notes: tuple[Stamp, ...] = ()
    seed: int
    seconds: dict[str, float]
    provenance: Provenance

    @model_validator(mode="before")
    @classmethod
    def _current_format(cls, values: Any) -> Any:
        form = values.get("format", FORMAT) if isinstance(values, dict) else FORMAT
        if form not in (1, FORMAT):
            raise ValueError(f"its format is {form}; this version reads 1 and {FORMAT}")
        try:
            return upgraded(values) if form == 1 else values
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"an incomplete result of format 1: {error!r}") from error

    @model_validator(mode="after")
    def _parts_fit(self) -> "Result":
        size = len(self.classes)
        for table in (self.confusion, *self.speaker_confusions.values()):
            if len(table) != size or any(len(row) != size for row in table):
                raise ValueError(f"a confusion is not a table of {size} by {size} classes")
        if set(self.per_class) != set(self.classes):
            raise ValueError("the scores by class are not those of its classes")
        if self.intervals is not None and set(self.intervals) != set(Scores.model_fields):
            raise ValueError(f"its intervals are not those of {', '.join(Scores.model_fields)}")
        return self

    @property
    def corpus(self) -> str:
        """Names of the corpora, as one text."""
        return ", ".join(self.corpora)

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically."""
        return write_text(path, self.model_dump_json(indent=2) + "\n")


def read_stored(kind: type[Stored], path: str | Path, what: str) -> Stored:
    """Read a stored result of a kind from its JSON file; `what` is its name in errors.

    Raises
    ------
    FusionserError
        If the file is missing, or is not a result that this version can read.
    """
    try:
        with stored_elsewhere():
            return read_json(kind, Path(path).read_bytes())
    except OSError as error:
        raise FusionserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise FusionserError(f"{path}: not {what} that this version reads ({what_differs(error)})") from error


def read_result(path: str | Path) -> Result:
    """Read the result of an evaluation from its JSON file, as `read_stored` does."""
    return read_stored(Result, path, "a result")


def versions(*others: str) -> dict[str, str]:
    """Return the versions of Python and of the packages that influence the numbers.

    Parameters
    ----------
    *others : str
        Names of further packages that these numbers depend on, such as ``"optuna"``.
    """
    installed = {"python": platform.python_version()}
    for name in (*PACKAGES, *others):
        with suppress(metadata.PackageNotFoundError):
            installed[name] = metadata.version(name)
    return installed


def deciding(stored: Mapping[str, str]) -> dict[str, str]:
    """Return the stored versions without those of packages that no longer matter."""
    return {name: version for name, version in stored.items() if name in ("python", *PACKAGES)}


def today() -> str:
    """Return the date, in UTC; that of ``SOURCE_DATE_EPOCH``, in seconds since 1970, if it is set.

    With that variable (see reproducible-builds.org), a model that is fitted again on another
    day has the same bytes.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(given), UTC) if given.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%d")


def provenance(
    *, networks: bool = False, processes: int = 1, threads: int | None = None, others: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what is needed to reproduce the numbers: command, commit, versions, machine, threads and date.

    Parameters
    ----------
    networks : bool, default=False
        Whether networks were trained. The order in which threads add changes the last bits of their weights, and
        nothing else depends on the number of threads.
    processes : int, default=1
        Number of processes that trained each network, on which these bits depend, too.
    threads : int, optional
        Number of threads, if they were trained elsewhere; None is that of this process.
    others : sequence of str
        Names of further packages that the numbers depend on.
    """
    torch = sys.modules["torch"] if networks else None
    return {
        "command": public_command([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": _commit(),
        "versions": versions(*others),
        "machine": f"{platform.system()} {platform.machine()}",
        **({"threads": threads or torch.get_num_threads()} if torch else {}),
        **({"processes": processes} if torch and processes > 1 else {}),
        "date": today(),
    }


def public_quarantine(entries: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return a quarantine list with public paths.

    Examples
    --------
    >>> public_quarantine([{"file": "/data/mine/a.wav", "reason": "/data/mine/a.wav: not found in /data/other"}])
    [{'file': '.../mine/a.wav', 'reason': '.../mine/a.wav: not found in .../other'}]
    """
    public = public_paths(entry["file"] for entry in entries)
    shown = [(entry, public[entry["file"]]) for entry in entries]
    # A reason may name other paths, too, such as the folder that a recording is missing from.
    return [
        {**entry, "file": file, "reason": public_text(entry["reason"].replace(entry["file"], file))}
        for entry, file in shown
    ]


def _commit() -> str:
    """Return the commit of the checkout that contains this code, with ``+changes`` if it has uncommitted changes."""
    folder = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603

    try:
        # An installed copy may be inside another project's checkout: then the command fails.
        git("ls-files", "--error-unmatch", str(Path(__file__).resolve()))
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)reports")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""
