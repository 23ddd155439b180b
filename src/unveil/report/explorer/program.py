"""What a page computes: the steps of a function of tensors, for a small interpreter that needs nothing but arrays."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

HALF = 4096  # numbers from which a constant is kept in half precision; smaller ones keep theirs
MOST_HALF = 60_000.0  # beyond it half precision has no number


class Untraced(Exception):
    """A function that a page cannot compute; the words say why."""


@dataclass
class Constants:
    """The numbers that programs of one page share, each once: large arrays in half precision, small ones in single.

    Whole numbers stay whole: they are places.
    """

    half: list[bytes] = field(default_factory=list)
    single: list[bytes] = field(default_factory=list)
    places: dict[tuple[bool, bytes], list[int]] = field(default_factory=dict)

    def place(self, value: Tensor) -> list[int]:
        """[1 for half precision, first number, count] of a tensor."""
        flat = value.detach().to("cpu", torch.float32).flatten().numpy()
        is_half = value.is_floating_point() and len(flat) >= HALF and float(np.abs(flat).max()) < MOST_HALF
        content = flat.astype(np.float16 if is_half else np.float32).tobytes()
        key = is_half, content
        if key not in self.places:
            kept = self.half if is_half else self.single
            first = sum(map(len, kept)) // (2 if is_half else 4)
            self.places[key] = [int(is_half), first, len(flat)]
            kept.append(content)
        return self.places[key]

    @property
    def num_bytes(self) -> int:
        return sum(map(len, self.half)) + sum(map(len, self.single))

    def copy(self) -> Constants:
        """The same numbers, to which others may be added."""
        return Constants(list(self.half), list(self.single), dict(self.places))

    def to_json(self) -> dict[str, str]:
        return {"half": encoded(b"".join(self.half)), "single": encoded(b"".join(self.single))}


@dataclass(frozen=True)
class Program:
    """Steps over numbered values: inputs first, then constants and results as they come.

    Arguments: inputs, the shape of each; steps, ["const", place, shape] or [name, places of its values, shape, more];
    outputs, the numbers of the values that it gives, by name.
    """

    inputs: Sequence[Sequence[int]]
    steps: Sequence[Sequence[Any]]
    outputs: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"inputs": self.inputs, "steps": self.steps, "outputs": self.outputs}


class Writer:
    """Writes the steps of one program."""

    def __init__(self, constants: Constants, inputs: Sequence[Tensor]) -> None:
        self.constants, self.steps = constants, list[list[Any]]()
        self.inputs = [list(each.shape) for each in inputs]
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}

    def constant(self, value: Tensor) -> int:
        """The number of a constant."""
        place = self.constants.place(value)
        key = tuple(place), tuple(value.shape)
        if key not in self._known:
            self._known[key] = self._add(["const", place, list(value.shape)])
        return self._known[key]

    def step(self, name: str, values: Sequence[int], shape: Sequence[int], more: Any = None) -> int:
        """The number of a result."""
        return self._add([name, list(values), list(shape), *([] if more is None else [more])])

    def program(self, **outputs: int) -> Program:
        return Program(self.inputs, self.steps, outputs)

    def _add(self, step: list[Any]) -> int:
        self.steps.append(step)
        return len(self.inputs) + len(self.steps) - 1


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def halves(value: Tensor) -> str:
    """A tensor as text: float16, little end first."""
    return encoded(value.detach().cpu().clamp(-MOST_HALF, MOST_HALF).numpy().astype("<f2").tobytes())
