"""What the service answers, for the description of its interface."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fusionser.likeness import Unlike

__all__ = ["Answers", "Refusal", "TimelineAnswer"]

Seconds = Annotated[float, Field(ge=0, description="Seconds from the beginning of the recording")]
Share = Annotated[float, Field(ge=0, le=1)]
Emotion = Annotated[str, Field(description="A class of the model, 'no speech', or, with abstain, 'unsure'")]


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(_Described):
    """The answer for one recording; without one, the values are null, and `error` gives the reason."""

    file: str = Field(description="Name that the client gave")
    emotion: Emotion | None
    probabilities: dict[str, Share] | None = Field(description="Probability of each class")
    unlikeness: Share | None = Field(
        None, description="Share of recordings of unseen speakers that are less unlike the training recordings"
    )
    unlike: str | None = Field(None, description="In which way the recording is unlike those, above 0.99")
    unlike_because: Unlike | None = Field(None, description="The property that differs most")
    unsure_because: str | None = Field(None, description="With abstain: probability or unlikeness")
    error: str | None


class Answers(_Described):
    """One answer for each recording, in the order of the request."""

    model: str
    answers: list[Answer]


class Summary(_Described):
    """How much of a recording has an emotion."""

    emotion: Emotion
    seconds: float
    share: Share = Field(description="Of what has speech")
    segments: int
    probability: Share | None


class Segment(BaseModel):
    """A part of a recording with one emotion; ``probability_`` and a class is the mean of that class."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Share | None]

    start: Seconds
    end: Seconds
    emotion: Emotion
    probability: Share | None = Field(description="Of this emotion, in the mean; null without speech")


class Window(Segment):
    """A window with its own answer."""

    speech: Share = Field(description="Share of the window")
    unlikeness: Share | None = None
    unlike_because: Unlike | None = None
    error: str | None
    unsure_because: str | None = None


class TimelineAnswer(_Described):
    """The emotions over time in one recording."""

    file: str
    seconds: float
    windows_of: float = Field(description="Length of a window in seconds")
    hop: float = Field(description="Seconds from one window to the next")
    classes: list[str]
    summary: list[Summary] = Field(description="The most frequent emotion first")
    segments: list[Segment]
    windows: list[Window]


class Refusal(_Described):
    """Why a request is refused."""

    error: str
