"""Which run and phase each file of a run is of: what a finished run has, and what does not belong together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import RequestError
from ..files import sha256_of
from ..records import read_record
from .schemas import ResultFile
from .seals import seal_of


@dataclass(frozen=True)
class Standing:
    """What stands in the directory of a run, phase by phase. Phases count from 0, and are told from 1.

    Arguments: weights, scores, result, their paths; now, the number of the present phase; run, the identity of the run;
    format, of result.
    """

    weights: Path
    scores: Path
    result: Path
    now: int
    run: str
    format: str

    @cached_property
    def _weighed(self) -> dict[str, str] | None:
        return seal_of(self.weights)

    @cached_property
    def _scored(self) -> dict[str, str] | None:
        return seal_of(self.scores)

    @cached_property
    def _found(self) -> dict[str, Any]:
        """result.json; nothing where there is none that can be read."""
        try:
            return read_record(self.result, self.format, ResultFile)
        except (OSError, RequestError):
            return {}

    @cached_property
    def _weights_sum(self) -> str:
        return sha256_of(self.weights)

    @property
    def of_weights(self) -> int | None:
        """The phase at whose end the weights stand; None where there are none, or an earlier version wrote them."""
        return _number(self._weighed or {}, "phase")

    @property
    def of_result(self) -> int | None:
        """The phase that the result judges; None where there is none that can be read."""
        return _number(self._found, "phase")

    @property
    def of_scores(self) -> int | None:
        """The phase that the scores are of; None where there are none, or an earlier version wrote them."""
        return _number(self._scored or {}, "phase")

    @property
    def is_trained(self) -> bool:
        """Whether the weights are those of the end of the present phase; of an earlier version's the result says so."""
        if self._weighed is None or self.are_strange:
            return False
        return (self.of_result if self.of_weights is None else self.of_weights) == self.now

    @property
    def is_judged(self) -> bool:
        """Whether result, scores and weights of the present phase are there."""
        there = self._weighed is not None and self._scored is not None
        return there and self.of_result == self.now and not self.mixture

    @property
    def are_strange(self) -> bool:
        """Whether the weights are of another run."""
        return self._is_strange(self._weighed or {})

    @property
    def changed(self) -> str:
        """The name of a file that is not the one that the result was made of; "" where none is. Reads all of them."""
        told = {"weights": self._found.get("weights_sha256"), "scores": self._found.get("scores_sha256")}
        if self.of_result != self.of_weights or not self._weighed:
            return ""
        if told["weights"] and self._weights_sum != told["weights"]:
            return self.weights.name
        known = told["scores"] and self.scores.is_file()
        same = self.agrees and (not known or sha256_of(self.scores) == told["scores"])
        return "" if same else self.scores.name

    @property
    def agrees(self) -> bool:
        """Whether the scores are of these very weights, as far as is known; reads all of them."""
        scored = (self._scored or {}).get("weights")
        return scored is None or not self.weights.is_file() or scored == self._weights_sum

    @property
    def damaged(self) -> str:
        """The name of a file of tensors that is there and not whole; "" where none is."""
        files = ((self.weights, self._weighed), (self.scores, self._scored))
        return next((path.name for path, seal in files if path.is_file() and seal is None), "")

    @property
    def is_of_several(self) -> bool:
        """Whether a file is of another run."""
        return any(self._is_strange(told or {}) for told in (self._weighed, self._scored, self._found))

    @property
    def mixture(self) -> str:
        """The files that are of another run, or of other phases than the weights, in words; "" where none is."""
        files = {"weights": self._weighed, "scores": self._scored, "result": self._found}
        if strange := [name for name, told in files.items() if self._is_strange(told or {})]:
            return f"{' and '.join(strange)} of another run"
        if self.of_weights is None:
            return ""
        others = {"scores": self.of_scores, "result": self.of_result}
        told = [f"{name} of phase {of + 1}" for name, of in others.items() if of is not None and of != self.of_weights]
        return f"weights of phase {self.of_weights + 1} beside {' and '.join(told)}" if told else ""

    def _is_strange(self, told: dict[str, Any]) -> bool:
        known = told.get("run") or told.get("run_sha256")
        return bool(known) and known != self.run

    def unfinished(self, path: Path) -> str:
        """What is missing of a run, in a sentence."""
        later = f"phase {self.now + 1}" if self.now else ""
        if (of := self.of_weights or 0) > self.now:
            return f"{path} has weights of phase {of + 1} beside a config.json of {self.now + 1}: put the newer back."
        if self.is_of_several:
            return f"{path} holds {self.mixture}."
        if self.mixture:
            where = f"in {later} of" if later else "in the middle of"
            return f"{path} was stopped {where} its work: it holds {self.mixture}."
        if self.damaged:
            return f"{path} is not finished: its {self.damaged} is not whole."
        return f"{path} is not finished{f': it is in {later}' if later else ''}."


def _number(told: dict[str, Any], name: str) -> int | None:
    found = str(told.get(name, ""))
    return int(found) if found.isdecimal() and len(found) < 9 else None
