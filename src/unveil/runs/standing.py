"""Which phase each file of a run is of: what a finished run has, and a mixture that a kill has left."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..errors import RequestError
from ..files import sha256_of
from ..plainfiles import require_plain
from ..records import read_record
from .schemas import ResultFile


@dataclass(frozen=True)
class Standing:
    """What stands in the directory of a run, phase by phase. Phases count from 0, and are told from 1.

    Arguments: weights, scores, result, their paths; now, the number of the present phase; format, of result.
    """

    weights: Path
    scores: Path
    result: Path
    now: int
    format: str

    @cached_property
    def of_weights(self) -> int | None:
        """The phase at whose end the weights stand; None where there are none, or an earlier version wrote them."""
        return _number(_told(self.weights) or {}, "phase")

    @cached_property
    def of_result(self) -> int | None:
        """The phase that the result judges; None where there is none that can be read."""
        try:
            return _number(read_record(self.result, self.format, ResultFile), "phase")
        except (OSError, RequestError):
            return None

    @cached_property
    def _scored(self) -> dict[str, str] | None:
        return _told(self.scores)

    @property
    def of_scores(self) -> int | None:
        """The phase that the scores are of; None where there are none, or an earlier version wrote them."""
        return _number(self._scored or {}, "phase")

    @property
    def is_trained(self) -> bool:
        """Whether the weights are those of the end of the present phase; of an earlier version's the result says so."""
        if self.of_weights is None:
            return _told(self.weights) is not None and self.of_result == self.now
        return self.of_weights == self.now

    @property
    def is_judged(self) -> bool:
        """Whether result, scores and weights of the present phase are there."""
        there = _told(self.weights) is not None and self._scored is not None
        return there and self.of_result == self.now and not self.mixture

    @property
    def agrees(self) -> bool:
        """Whether the scores are of these very weights, as far as is known; reads all of them."""
        scored = (self._scored or {}).get("weights")
        return scored is None or scored == sha256_of(self.weights)

    @property
    def damaged(self) -> str:
        """The name of a file of tensors that is there and not whole; "" where none is."""
        found = (path for path in (self.weights, self.scores) if path.is_file() and _told(path) is None)
        return next((path.name for path in found), "")

    @property
    def mixture(self) -> str:
        """The files that are of other phases than the weights, in words; "" where none is."""
        if self.of_weights is None:
            return ""
        others = {"scores": self.of_scores, "result": self.of_result}
        told = [f"{name} of phase {of + 1}" for name, of in others.items() if of is not None and of != self.of_weights]
        return f"weights of phase {self.of_weights + 1} beside {' and '.join(told)}" if told else ""

    def unfinished(self, path: Path) -> str:
        """What is missing of a run, in a sentence."""
        later = f"phase {self.now + 1}" if self.now else ""
        if self.mixture:
            where = f"in {later} of" if later else "in the middle of"
            return f"{path} was stopped {where} its work: it holds {self.mixture}."
        if self.damaged:
            return f"{path} is not finished: its {self.damaged} is not whole."
        return f"{path} is not finished{f': it is in {later}' if later else ''}."


def _number(told: dict[str, Any], name: str) -> int | None:
    found = str(told.get(name, ""))
    return int(found) if found.isdecimal() and len(found) < 9 else None


def _told(path: Path) -> dict[str, str] | None:
    """What a file of tensors says of itself; None where it is not there, or is not whole."""
    require_plain(path)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError, RequestError):
        return None
