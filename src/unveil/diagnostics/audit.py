"""The identity that variational inference rests on, with each of its three terms computed on its own.

log p(x) = ELBO + KL(q(z|x)‖p(z|x))
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from ..data import Split
from ..data.rowblocks import blocks
from ..errors import positive
from ..files import finite
from ..model import Model, device_of, evaluating, require_latents
from ..ops import keyed
from .finding import Finding
from .routes import PROBES, Found, Term, both, terms_of

COARSE = 0.05  # nats of slack above which closing says nothing
TOLERANCE = 2e-3  # nats of rounding and of grid that no standard error knows of


@dataclass(frozen=True)
class Audit:
    """log p(x) = ELBO + KL(q(z|x)‖p(z|x)), for N examples.

    Arguments:
        route: where p(z|x) comes from: "closed", "sum", "grid", or "construction": from nowhere, and KL is only what
            is missing between the other two.
        log_px, elbo, kl: the terms.
        residual: log p(x) − ELBO − KL.
        bias: [N], numerical error of log p(x) on the grid in nats; 0 elsewhere.
        slack: [N], what the grid may take from KL, by what it takes from the sum of q; 0 elsewhere.
        constant: [N], standard deviation over z of log p(x, z) − log p(z|x), where p(z|x) has a formula of its own.
        checked: whether the residual is within 4 standard errors, the slack and the tolerance; None where there is no
            check, or where the slack is so large that closing would say nothing.
    """

    route: str
    log_px: Term
    elbo: Term
    kl: Term
    residual: Term
    bias: Tensor
    slack: Tensor
    constant: Tensor | None
    checked: bool | None

    def to_json(self) -> dict[str, Any]:
        terms = {name: getattr(self, name).to_json() for name in ("log_px", "elbo", "kl", "residual")}
        spread = self.constant
        return {
            "num_examples": len(self.bias),
            "route": self.route,
            **terms,
            "grid_error": finite(float(self.bias.mean())),
            "grid_slack": finite(float(self.slack.mean())),
            "constant_mean": None if spread is None else finite(float(spread.mean())),
            "constant_max": None if spread is None else finite(float(spread.max())),
            "checked": self.checked,
            "words": self.words,
        }

    @property
    def words(self) -> str:
        if self.checked is None and self.route == "grid":
            return (
                f"Not checked: the grid is too coarse for q(z|x) and may be off by {float(self.slack.mean()):.2f} nats "
                "in KL. Judge the bound with unveil evaluate RUN --estimator sandwich."
            )
        if self.checked is None:
            return (
                "Closes by construction: this model has no posterior p(z|x) to compute a KL from, so KL is only what "
                f"is left between {self.log_px.how} and the ELBO, and no more than a lower bound of it."
                if "lower" in self.log_px.how
                else "Closes by construction: KL is only what is left between log p(x) and the ELBO."
            )
        off = f"{self.residual.mean:+.4f} ± {self.residual.stderr:.4f} nats"
        if self.checked:
            return f"It closes: the three terms, each computed on its own, differ by {off}."
        return f"It does not close: the three terms differ by {off}."

    def lines(self) -> list[str]:
        """A small table to print; a ✓ only where the identity was really checked."""
        rows = [("log p(x)", self.log_px), ("ELBO", self.elbo), ("KL(q(z|x)‖p(z|x))", self.kl)]
        if self.route == "grid":
            how = f"{self.log_px.how}, within {float(self.bias.mean()):.4f}"
            rows[0] = ("log p(x)", replace(self.log_px, how=how))
        none = "not checked" if self.route == "grid" else "closes by construction"
        mark = {True: "✓ closes", False: "✗ does not close", None: none}[self.checked]
        rows.append(("residual", replace(self.residual, how=mark)))
        table = [f"{name:<18} {term.mean:>12.4f} ± {term.stderr:.4f}  {term.how}" for name, term in rows]
        head = f"log p(x) = ELBO + KL(q(z|x)‖p(z|x)): means over {len(self.bias):,} examples, in nats"
        return [head, *table, *self._rest()]

    def _rest(self) -> Iterator[str]:
        if self.constant is not None:
            mean, most = float(self.constant.mean()), float(self.constant.max())
            yield (
                f"p(x, z)/p(z|x) is p(x) whatever z: its logarithm has a standard deviation of {mean:.1e} over "
                f"{PROBES} z on average, at most {most:.1e}."
            )
        elif self.checked is not None:
            yield "p(x, z)/p(z|x) is constant over z by construction: p(z|x) is p(x, z) divided by its sum."
        yield self.words

    def findings(self) -> list[Finding]:
        """`audit_open`: the terms do not add up."""
        if self.checked is not False:
            return []
        sentence = (
            f"log p(x) − ELBO − KL(q(z|x)‖p(z|x)) is {self.residual.mean:+.4f} nats on average, with a standard error "
            f"of {self.residual.stderr:.4f}; it is 0 where the densities agree with each other."
        )
        remedy = (
            "Check that each density of a part of your own is complete (log_prob against its samples), then run the "
            "audit with more samples; do not quote this model's bounds before it closes."
        )
        return [Finding("audit_open", sentence, self.residual.mean, remedy)]


@torch.no_grad()
def audit(
    model: Model,
    split: Split,
    *,
    seed: int = 0,
    limit: int | None = 100,
    num_samples: int = 1000,
    progress: Callable[[str, int, int], None] | None = None,
) -> Audit:
    """The three terms of log p(x) = ELBO + KL(q(z|x)‖p(z|x)) for the first examples of a split, and their sum.

    Arguments:
        seed: of the draws.
        limit: the number of examples; None takes all.
        num_samples: draws of q(z|x) per example for the ELBO (and of the IWAE bound, where there is nothing better).
        progress: called with ("audit", done, total).
    """
    positive(num_samples)
    require_latents(model, "The audit")
    model.require("The audit", {"log_w|enumerate"})
    found = []
    with evaluating(model):
        for block in blocks(len(split), limit):
            with keyed("audit", seed, block.first):
                terms = terms_of(model, split.batch(block.rows).to(device_of(model)), num_samples)
            found.append(_kept(terms, block.keep))
            if progress is not None:
                progress("audit", block.done, len(split) if limit is None else min(limit, len(split)))
    return _judged(found)


def _kept(found: Found, count: int) -> Found:
    """The first examples of a block, on the CPU."""
    return _mapped([found], lambda parts: parts[0][:count].cpu())


def _mapped(found: list[Found], change: Callable[[list[Tensor]], Tensor]) -> Found:
    """The blocks as one, each of their tensors changed."""

    def one(parts: list[Any]) -> Any:
        if isinstance(parts[0], Term):
            value, error = (change([getattr(part, name) for part in parts]) for name in ("value", "error"))
            return Term(value, error, parts[0].how)
        return change(parts) if isinstance(parts[0], Tensor) else parts[0]

    return Found(**{f.name: one([getattr(block, f.name) for block in found]) for f in fields(Found)})


def _judged(found: list[Found]) -> Audit:
    """The verdict over all blocks."""
    all_of_it = _mapped(found, torch.cat)
    log_px, elbo, divergence = all_of_it.log_px, all_of_it.elbo, all_of_it.kl
    error = both(both(log_px.error, elbo.error), divergence.error)
    residual = Term(log_px.value - elbo.value - divergence.value, error, "log p(x) − ELBO − KL")
    bias = all_of_it.bias
    if all_of_it.route == "construction":
        exact = torch.zeros_like(residual.error)
        return Audit("construction", log_px, elbo, divergence, replace(residual, error=exact), bias, bias, None, None)
    slack = all_of_it.slack
    closes = abs(residual.mean) <= 4 * residual.stderr + float(slack.mean()) + TOLERANCE
    checked = None if closes and float(slack.mean()) > COARSE else closes
    return Audit(all_of_it.route, log_px, elbo, divergence, residual, bias, slack, all_of_it.constant, checked)
