"""log p(x) of a split in one meaning, whatever is known of its labels, with the other meaning beside it.

A model that takes labels states log p(x|label) of a row that has one and log p(x) = log Σ_y p(y) p(x|y) of a row that
has none. The two have no common mean: where labels are known in part, log p(x) is judged of every row, and
log p(x|label) of the rows with a label stands apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..data import Split
from ..estimators.base import Estimate, Estimator, evaluate
from ..files import finite
from ..model import Model
from ..ops import error_of_known, error_of_mean
from .splits import is_conditioned, of_one_quantity

GIVEN, SUMMED = "log p(x|label)", "log p(x)"


@dataclass(frozen=True)
class Part:
    """What an estimate is of, and of which examples.

    Arguments: quantity, "log p(x)" or "log p(x|label)"; examples, in words; log_px and stderr_mc [n] nats; direction;
    terms, elbo, rate and distortion [n].
    """

    quantity: str
    examples: str
    log_px: Tensor
    stderr_mc: Tensor
    direction: str
    terms: dict[str, Tensor]

    @staticmethod
    def of(quantity: str, examples: str, found: Estimate, kept: Tensor | slice = slice(None)) -> Part:
        terms = {name: found.diagnostics[name][kept] for name in ("elbo", "rate", "distortion")}
        return Part(quantity, examples, found.log_px[kept], found.stderr_mc[kept], found.direction, terms)

    def to_json(self) -> dict[str, Any]:
        """The mean of its examples, with its errors and, of all of them, what it is made of."""
        return {
            "quantity": self.quantity,
            "examples": self.examples,
            "direction": self.direction,
            "num_examples": len(self.log_px),
            "log_px": float(self.log_px.mean()),
            "stderr": finite(float(error_of_mean(self.log_px))),
            "stderr_mc": finite(error_of_known(self.stderr_mc)),
            **{name: float(value.mean()) for name, value in self.terms.items()},
        }


@dataclass(frozen=True)
class Judged:
    """An estimate that is of one quantity, of every example of a split.

    Arguments: split, as it was judged; estimate; parts, what was found apart, where a model takes labels; seconds.
    """

    split: Split
    estimate: Estimate
    parts: tuple[Part, ...]
    seconds: float


def judged(
    model: Model,
    split: Split,
    judge: Estimator,
    *,
    seed: int = 0,
    precision: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> Judged:
    """The estimate of every example; of log p(x) where labels are known in part, with both kinds of rows apart."""
    how: dict[str, Any] = {"seed": seed, "precision": precision}
    alike = of_one_quantity(model, split)
    estimate, seconds = evaluate(model, alike, judge, progress=progress, **how)
    if split.y is None or alike is split or not bool((split.y >= 0).any()):
        return Judged(alike, estimate, (), seconds)
    has_label = (split.y >= 0).cpu()
    given, more = evaluate(model, split.take(has_label.nonzero()[:, 0]), judge, **how)
    parts = (
        Part.of(GIVEN, "with a label", given),
        Part.of(SUMMED, "with a label", estimate, has_label),
        Part.of(SUMMED, "without a label", estimate, ~has_label),
    )
    return Judged(alike, estimate, parts, seconds + more)


def without_labels(model: Model, found: Judged, judge: Estimator, *, seed: int = 0) -> Estimate:
    """log p(x) of the same examples, which no label was given for: what other models of x can be compared with."""
    if found.split.y is None or not is_conditioned(model):
        return found.estimate
    return evaluate(model, replace(found.split, y=None), judge, seed=seed)[0]


def of_x_alone(result: dict[str, Any]) -> dict[str, Any]:
    """A result with the numbers of log p(x), of a model that was given the label of every example."""
    if result.get("condition") != "label":
        return result
    part = next((part for part in result.get("parts", []) if part["quantity"] == SUMMED), None)
    if part is None:
        return result
    bits = result["bits_per_dim"] and result["bits_per_dim"] * part["log_px"] / result["log_px"]
    return result | part | {"condition": "none", "bits_per_dim": bits}
