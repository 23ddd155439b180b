"""log p(x) by annealing: from below, and from both sides."""

import math
import typing
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, nearest, positive
from ..files import finite
from ..model import Model, held
from ..ops import error_of_mean, keyed, log_mean_exp, mean_and_error
from ..registry import register
from .annealing import Path, Schedule, Start, Tally, forward, reverse
from .base import Estimate, Estimator, bound_parts, in_parts
from .pilot import TARGET, pilot

ERRORS = 4.0  # standard errors that chance is allowed
STRICT = "Both sides hold in expectation: every x was drawn from the model together with its z."
HEURISTIC = (
    "The lower side holds in expectation. The upper side is heuristic: nobody has an exact draw of p(z|x) for these x, "
    "and what the chains have not found is missing from both sides."
)


class AnnealedEstimator(Estimator):
    """The arguments of both estimators."""

    needs = frozenset({"joint", "pathwise", "log_w"})
    direction = "lower"
    num_samples: int

    def __init__(
        self, *, num_samples: int = 16, num_distributions: int = 200, leapfrog: int = 3, start: Start = "auto"
    ) -> None:
        self.num_distributions = positive(num_distributions, "num_distributions")
        self.leapfrog = positive(leapfrog, "leapfrog")
        if start not in typing.get_args(Start):
            raise RequestError(f"There is no start {start!r} of a path.", nearest(start, typing.get_args(Start)))
        self.num_samples, self.start = positive(num_samples), start

    def summary(self, estimate: Estimate) -> dict[str, Any]:
        """How the sampler did: effective chains, accepted proposals, and what shows that it is wrong."""
        found = estimate.diagnostics
        told = {name: finite(float(found[name].mean())) for name in ("ess", "accepted", "acceptance") if name in found}
        return told | {"findings": [{"code": "broken_sampler", "sentence": wrong} for wrong in broken(estimate)]}


class Annealing:
    """One batch on its path: the schedule from the pilot, then passes, each with a noise stream of its own.

    Arguments: settings, C, T, L and where the path begins.
    """

    def __init__(self, model: Model, batch: Batch, settings: AnnealedEstimator) -> None:
        self.num_chains, self.leapfrog, self.rows = settings.num_samples, settings.leapfrog, len(batch)
        self._stream = int(torch.randint(2**62, ()))
        self.path, self.tally = Path(model, batch, settings.start), Tally()
        with keyed("pilot", self._stream):
            self.path.adapt()
            self.schedule: Schedule = pilot(self.path, self.num_chains, settings.num_distributions, self.leapfrog)

    def forward(self, name: str) -> tuple[Tensor, Tensor]:
        """log w [C, B] and the final u [C, B, D] of chains from f0."""
        with keyed(name, self._stream):
            found = [
                forward(self.path, self.schedule, count, self.leapfrog, self.tally)
                for count in in_parts(self.path.model, self.num_chains, self.rows)
            ]
        return torch.cat([log_w for log_w, _ in found]), torch.cat([u for _, u in found])

    def reverse(self) -> tuple[Tensor, Tensor, Tensor]:
        """log w [C, B] of chains from p(z|x), the drift [B] of the first moves, and where z was known [B]."""
        known, strict = self.path.known()
        u = known.expand(self.num_chains, -1, -1)
        if not bool(strict.all()):
            u = torch.where(strict.unsqueeze(-1), u, self._resampled())
        with keyed("reverse", self._stream):
            parts = u.split(in_parts(self.path.model, self.num_chains, self.rows))
            found = [reverse(self.path, self.schedule, part, self.leapfrog, self.tally) for part in parts]
        drift = sum(len(part) * moved for part, (_, moved) in zip(parts, found, strict=True)) / self.num_chains
        return torch.cat([log_w for log_w, _ in found]), torch.where(strict, drift, math.nan), strict

    def _resampled(self) -> Tensor:
        """Ends of other forward chains, drawn by their weights: nearly draws of p(z|x), [C, B, D]."""
        log_w, u = self.forward("start of the way back")
        with keyed("resample", self._stream):
            which = torch.multinomial(log_w.softmax(0).T, self.num_chains, replacement=True).T  # [C, B]
        return u.take_along_dim(which.unsqueeze(-1), 0)


@register("estimator", "ais")
class Ais(AnnealedEstimator):
    """log 1/C Σ_c w_c over chains that anneal from q(z|x) to p(z|x): a lower bound in expectation.

    `stderr_mc` is sd(w)/(√C·mean w). Temperatures and step sizes come from pilot chains with their own noise and are
    then constants. Diagnostics: ess, the effective number of chains; accepted and acceptance, the actual and the
    expected share of accepted proposals, with the standard error of their difference, and the share aimed at.

    References: Neal, Annealed Importance Sampling (2001); Wu et al., On the Quantitative Analysis of Decoder-Based
    Generative Models (2017).

    Arguments:
        num_samples: C, the chains of each example.
        num_distributions: T, the temperatures of each chain.
        leapfrog: L, the steps of each transition; every one costs a gradient of log p(x, z).
        start: where the path begins: posterior, at q(z|x); prior, at p(z); adapted, at kernels that importance sampling
            lays over p(z|x), also over modes that q misses, with jumps between them at every temperature; auto,
            adapted where z has at most three dimensions, else posterior.
    """

    @torch.no_grad()
    def __call__(self, model: Model, batch: Batch) -> Estimate:
        with held(model.parameters()):
            found = Annealing(model, batch, self)
            log_w, _ = found.forward("forward")
            return _lower(log_w, bound_parts(model, batch), found.tally)


@register("estimator", "sandwich")
class Sandwich(AnnealedEstimator):
    """log p(x) between two sides: annealing forward from below, and backward from above.

    lower = log 1/C Σ_c w_c,   upper = −log 1/C Σ_c 1/w'_c,   w' of chains that start at a draw of p(z|x) and go back

    The upper side is strict (in expectation) for x that was simulated from the model, whose own z the batch holds: it
    is that draw. Elsewhere the way back starts at ends of other forward chains, and the upper side is heuristic: what
    these have not found is missing from both sides. All chains of the way back share one z, so `upper_stderr_mc` says
    nothing of the error from that draw.

    Diagnostics, beside those of `ais` (counted over both ways): upper, upper_stderr_mc, strict (1 or 0), and drift, the
    mean change of log p(x, z), cut at ±20 nats, over moves at β = 1 from the exact z: 0 in expectation for a correct
    sampler, NaN where z is not known. `broken` reads them.

    References: Grosse, Ghahramani & Adams, Sandwiching the Marginal Likelihood Using Bidirectional Monte Carlo (2015);
    Wu et al., On the Quantitative Analysis of Decoder-Based Generative Models (2017).

    Arguments:
        num_samples: C, the chains of each example, each way.
        num_distributions: T, the temperatures of each chain.
        leapfrog: L, the steps of each transition; every one costs a gradient of log p(x, z).
        start: where the path begins: posterior, at q(z|x); prior, at p(z); adapted, at kernels that importance sampling
            lays over p(z|x), also over modes that q misses, with jumps between them at every temperature; auto,
            adapted where z has at most three dimensions, else posterior.
    """

    @torch.no_grad()
    def __call__(self, model: Model, batch: Batch) -> Estimate:
        with held(model.parameters()):
            found = Annealing(model, batch, self)
            log_w, _ = found.forward("forward")
            log_w_back, drift, strict = found.reverse()
            lower = _lower(log_w, bound_parts(model, batch), found.tally)
        upper = -log_mean_exp(-log_w_back)
        both = {"upper": upper, "upper_stderr_mc": _stderr(-log_w_back), "strict": strict.double(), "drift": drift}
        return replace(lower, diagnostics=lower.diagnostics | both)

    def summary(self, estimate: Estimate) -> dict[str, Any]:
        """Both sides, the gap between them, what each is strict for, and how the sampler did."""
        lower, upper = estimate.log_px, estimate.diagnostics["upper"]
        gap, strict = upper - lower, bool((estimate.diagnostics["strict"] > 0.5).all())
        return {
            "lower": float(lower.mean()),
            "upper": finite(float(upper.mean())),
            "gap": finite(float(gap.mean())),
            "gap_stderr": finite(float(error_of_mean(gap))),
            "gap_median": finite(float(gap.median())),
            "gap_p99": finite(float(gap.quantile(0.99))),
            "strict": {"lower": True, "upper": strict},
            "words": [STRICT if strict else HEURISTIC],
            **super().summary(estimate),
        }


def broken(estimate: Estimate) -> list[str]:
    """The signs that the sampler behind an estimate of `ais` or `sandwich` is wrong, in sentences; none in health.

    Each compares a mean over examples with what a correct sampler makes of it, and allows 4 standard errors.
    """
    found, sentences = estimate.diagnostics, []
    if "accepted" in found:
        off = (found["accepted"] - found["acceptance"]).mean()
        chance = found["acceptance_stderr"].square().mean().sqrt() / math.sqrt(len(estimate.log_px))
        if abs(off) > ERRORS * chance + 1e-6:
            sentences.append(
                f"{found['accepted'].mean():.1%} of the proposals were accepted where {found['acceptance'].mean():.1%} "
                f"should have been (off by {abs(off):.2g}, standard error {chance:.2g}): the accept step is wrong."
            )
    strict = found["strict"] > 0 if "strict" in found else torch.zeros(0, dtype=torch.bool)
    if int(strict.sum()) < 2:
        return sentences
    drift, error = mean_and_error(found["drift"][strict])
    if abs(drift) > ERRORS * error + 1e-6:
        sentences.append(
            f"Moves that should leave p(z|x) as it is changed log p(x, z) by {drift:+.3f} nats on average "
            f"(standard error {error:.3f}): the sampler, or the simulation of x, is wrong."
        )
    crossed, error = mean_and_error((estimate.log_px - found["upper"])[strict])
    if crossed > ERRORS * error + 1e-6:
        sentences.append(
            f"The lower side is above the upper side by {crossed:.3f} nats on average (standard error {error:.3f}), "
            "on x whose z is exact: the sampler, or the simulation of x, is wrong."
        )
    return sentences


def _lower(log_w: Tensor, parts: dict[str, Tensor], tally: Tally) -> Estimate:
    relative = log_w.softmax(0)
    own = {"ess": 1 / relative.square().sum(0), "target_acceptance": torch.full_like(log_w[0], TARGET)}
    return Estimate(log_mean_exp(log_w), _stderr(log_w), "lower", parts | own | tally.shares())


def _stderr(log_w: Tensor) -> Tensor:
    """The standard error of log 1/C Σ_c w_c by the delta method, sd(w)/(√C·mean w); one chain cannot tell."""
    return error_of_mean((log_w - log_mean_exp(log_w)).exp())
