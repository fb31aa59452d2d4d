"""What an area is, and what became of its inputs."""

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

ANSWERED, REFUSED = "answered", "refused"

AREAS = ("audio", "arrays", "tables", "models", "caches", "settings", "commands")


class LostError(Exception):
    """Something good was lost: a wrong answer, none at all, or a different one than undisturbed."""


class Area(Protocol):
    """A kind of inputs."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Make what all inputs of this area share, in a new folder."""

    def attempt(self, number: int) -> str:
        """Make one input, use it, and return `ANSWERED` or `REFUSED`; anything that is raised is a fault."""


def area_of(name: str) -> tuple[type[Area], int]:
    """Return an area, and the number of its inputs in a whole run."""
    module = importlib.import_module(f"torture.{name}")
    area: type[Area] = module.AREA
    return area, module.INPUTS


def generator(seed: int, number: int) -> np.random.Generator:
    """Return the random numbers of one input."""
    return np.random.default_rng([seed, number])


def expect(right: bool, otherwise: str) -> None:
    """Raise `LostError` unless an answer is right."""
    if not right:
        raise LostError(otherwise)


@dataclass
class Tally:
    """What became of the inputs of an area. Faults are lists of sentences."""

    area: str
    tried: int = 0
    answered: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    peak_mib: float = 0.0
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        return [*self.crashes, *self.hangs, *self.lost]
