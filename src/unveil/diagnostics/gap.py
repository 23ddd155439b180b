"""The gap of a bound and its two causes: log p(x) − ELBO = approximation gap + amortisation gap, per example."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..data import Split
from ..errors import RequestError
from ..estimators.base import Estimate, Estimator, evaluate
from ..estimators.cells import DIMS
from ..estimators.local import NEEDS, family_of
from ..estimators.local_families import FAMILIES, FamilyName
from ..estimators.renyi import RenyiBound
from ..files import plain
from ..model import Model, device_of, num_latents, require_latents
from ..ops import error_of_known, keyed, mean_and_error
from ..registry import lookup
from .finding import Finding

LARGE = 1.0, 0.02  # a part is a finding above both 1 nat and 2 % of |ELBO|
WORTH = 0.5, 0.005  # and worth advice above both half a nat and 0.5 %
LONGER = 100  # steps of the fit that shows whether another was finished, at least; twice as many as it had
FINISHED = 0.005  # nats that twice the steps may still gain
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Gap:
    """log p(x) − ELBO of B examples in two parts, in nats.

    amortisation  = ELBO of a local q of the encoder's family − ELBO of the encoder: what one network for all costs.
    approximation = log p(x) − ELBO of that local q: what the family costs.

    An unfinished fit of the local q moves some of the first to the second; noise makes single examples negative.

    References: Cremer, Li & Duvenaud, Inference Suboptimality in Variational Autoencoders (2018), eq. 4–6.

    Arguments:
        log_px: [B], log p(x) or a bound on it from below.
        log_px_estimator: which one it is.
        side: "exact", or "lower" where log_px is a bound from below, and with it the approximation gap.
        elbo: [B], of the encoder.
        local: {family: ELBO [B] of a local q}: of the encoder's family first, and of the families that hold it.
        encoder: the family of the encoder's q.
        rise: nats by which at least twice the steps raise the ELBO of the local q, where that is more than chance: the
            fit is not finished, and its part of the gap has no side; 0 where it is finished.
    """

    log_px: Tensor
    log_px_estimator: str
    side: str
    elbo: Tensor
    local: dict[str, Tensor] = field(repr=False)
    encoder: str
    rise: float = 0.0

    @property
    def family(self) -> str:
        """The family of the local q that splits the gap."""
        return next(iter(self.local))

    @property
    def local_elbo(self) -> Tensor:
        """[B]."""
        return self.local[self.family]

    @property
    def amortisation(self) -> Tensor:
        """[B]."""
        return self.local_elbo - self.elbo

    @property
    def approximation(self) -> Tensor:
        """[B]."""
        return self.log_px - self.local_elbo

    @property
    def advice(self) -> str:
        """One sentence: what to do about the larger part."""
        amortisation, approximation = (float(part.mean()) for part in (self.amortisation, self.approximation))
        if not self._exceeds(max(amortisation, approximation), WORTH):
            return f"Both gaps are small{self._left}. A better number has to come from the model."
        if amortisation >= approximation:
            return f"Most of the gap is amortisation: {self._for_amortisation()}."
        return f"Most of the gap is the family of q: {self._for_approximation()}."

    def findings(self) -> list[Finding]:
        """amortisation_gap and approximation_gap, for a part above 1 nat and 2 % of |ELBO| by two standard errors."""
        found = []
        mean, error = mean_and_error(self.amortisation)
        if self._exceeds(mean - 2 * error, LARGE):
            sentence = f"The encoder's q is {mean:.2f} nats per example worse than the best {_named(self.family)}."
            found.append(Finding("amortisation_gap", sentence, mean, _sentence(self._for_amortisation())))
        mean, error = mean_and_error(self.approximation)
        if self._exceeds(mean - 2 * error, LARGE):
            sentence = f"The best {_named(self.family)} is {self._at_least}{mean:.2f} nats per example below log p(x)."
            found.append(Finding("approximation_gap", sentence, mean, _sentence(self._for_approximation())))
        return found

    def to_json(self) -> dict[str, Any]:
        """Means over the examples, their standard errors, and each example."""
        parts = {"amortisation": self.amortisation, "approximation": self.approximation}
        means = {name: dict(zip(("mean", "stderr"), mean_and_error(part), strict=True)) for name, part in parts.items()}
        found = {
            "num_examples": len(self.elbo),
            "log_px": float(self.log_px.mean()),
            "log_px_estimator": self.log_px_estimator,
            "side": self.side,
            "elbo": float(self.elbo.mean()),
            "local_elbo": float(self.local_elbo.mean()),
            "family": self.family,
            "amortisation": means["amortisation"],
            "approximation": {**means["approximation"], "side": "none" if self.rise else self.side},
            "by_family": {name: float(elbo.mean()) for name, elbo in self.local.items()},
            "per_example": {name: part.tolist() for name, part in parts.items()},
            "advice": self.advice,
        }
        return dict(plain(found))

    def lines(self) -> list[str]:
        source = f"log p(x), {self.log_px_estimator}" + ("" if self.side == "exact" else " (from below)")
        richer = [(f"ELBO, local {_named(name)}", elbo) for name, elbo in self.local.items()]
        rows = [(source, self.log_px), *reversed(richer), ("ELBO, encoder", self.elbo)]
        rows += [
            (f"approximation gap{', at least' if self._at_least else ''}", self.approximation),
            ("amortisation gap", self.amortisation),
        ]
        width = max(len(name) for name, _ in rows)
        table = [
            f"{name:<{width}}  {mean:10.3f} ± {error:.3f}"
            for name, (mean, error) in ((n, mean_and_error(v)) for n, v in rows)
        ]
        return [f"{len(self.elbo)} examples, nats per example", *table, *self._remark(), self.advice]

    def _remark(self) -> list[str]:
        told = []
        if self.rise:
            told.append(
                f"The local fit is not finished: more steps raise its ELBO by {self.rise:.3f} nats. Some of the "
                "approximation gap is amortisation gap."
            )
        if self.encoder == "flow":
            told.append(
                "The encoder's q is a flow (or has no name); the local one is a flow of its own, not of the same "
                "family."
            )
        return told

    @property
    def _at_least(self) -> str:
        return "" if self.side == "exact" or self.rise else "at least "

    @property
    def _left(self) -> str:
        """What a better q would still gain, where that is more than its error."""
        mean, error = mean_and_error(self.log_px - self.elbo)
        return f", though a better q would gain {mean:.2f} ± {error:.2f} nats" if mean > 2 * error + 0.01 else ""

    def _exceeds(self, value: float, bar: tuple[float, float]) -> bool:
        nats, share = bar
        return value > max(nats, share * abs(float(self.elbo.mean())))

    def _for_amortisation(self) -> str:
        return "take a wider or deeper encoder (model.width, model.depth), train.encoder_steps=1 or more steps"

    def _for_approximation(self) -> str:
        if self.encoder == "flow":
            return "take a richer flow (posterior.num_transforms, posterior.width)"
        best, full, own = (float(self.local[name].mean()) for name in ("flow", "full", self.family))
        if self.encoder == "mean_field" and full - own > 0.5 * (best - own):
            return "take posterior=full_gaussian, or posterior=flow or iaf"
        return "take posterior=flow or posterior=iaf"


def gap(
    model: Model,
    split: Split,
    *,
    seed: int = 0,
    limit: int | None = 100,
    estimator: Estimator | None = None,
    num_samples: int = 256,
    steps: int = 150,
    progress: Progress | None = None,
) -> Gap:
    """The gap of the first examples of a split, in two parts.

    All parts see the same x: a fresh binarization is keyed by the seed, as is the noise of each part.

    Arguments:
        limit: how many examples.
        estimator: of log p(x), exact or from below; None picks the closed form, a grid for z of up to 3 dimensions, or
            annealed importance sampling.
        num_samples: draws that each ELBO is judged on.
        steps: of each local fit.
        progress: called with (part, done, total).
    """
    require_latents(model, "The gap")
    if len(model.groups) > 1:
        raise RequestError(
            "The gap can be split for a model with one latent group, and this "
            f"{type(model).__name__} has {len(model.groups)}.",
            "The whole gap is the difference of two estimators: unveil evaluate --estimator sandwich, and elbo.",
        )
    model.require("The gap", NEEDS)

    def found(part: str, estimator: Estimator) -> Estimate:
        told = None if progress is None else partial(progress, part)
        return evaluate(model, split, estimator, seed=seed, limit=limit, progress=told)[0]

    own = _family_of_encoder(model, split, seed)
    source = _source(model) if estimator is None else _known_side(estimator)
    log_px = found("log p(x)", source)
    sampled = RenyiBound(alpha=1.0, num_samples=num_samples)  # E[log w], which a good q leaves no noise in
    elbo = found("encoder", sampled)
    fits: dict[str, Estimate] = {}
    for name in FAMILIES[FAMILIES.index(own) :]:
        family = "auto" if name == own else name
        fit = lookup("estimator", "local")(family=family, num_samples=num_samples, steps=steps)
        fits[name] = found(name, fit)
    side = "exact" if log_px.direction == "exact" else "lower"
    longer = lookup("estimator", "local")(family="auto", num_samples=num_samples, steps=max(2 * steps, LONGER))
    rise = _rise(fits[own], evaluate(model, split, longer, seed=seed, limit=limit)[0])
    local = {name: fit.log_px for name, fit in fits.items()}
    return Gap(log_px.log_px, source.registered[1], side, elbo.log_px, local, own, rise)


def _rise(before: Estimate, after: Estimate) -> float:
    """The mean rise from one fit to a longer one, where it is above FINISHED and two errors of the draws; else 0."""
    mean = float((after.log_px - before.log_px).mean())
    error = error_of_known(torch.cat([before.stderr_mc, after.stderr_mc])) * 2
    return mean if mean > max(FINISHED, 2 * error) else 0.0


@torch.no_grad()
def _family_of_encoder(model: Model, split: Split, seed: int) -> FamilyName:
    with keyed("gap", seed):
        posterior = model.posterior(split.batch(torch.zeros(1, dtype=torch.int64)).to(device_of(model)))
    return family_of(posterior.distribution)


def _source(model: Model) -> Estimator:
    name = "exact" if "exact" in model.gives else "quadrature" if num_latents(model) <= DIMS else "ais"
    made: Estimator = lookup("estimator", name)()
    return made


def _known_side(estimator: Estimator) -> Estimator:
    if estimator.direction not in ("exact", "lower"):
        raise RequestError(
            f"The gap came with the estimator {estimator.registered[1]!r}, which does not bound log p(x) from below; "
            "take an exact one or one from below, such as ais."
        )
    return estimator


def _named(family: str) -> str:
    return {"mean_field": "mean-field q", "full": "Gaussian q with full covariance", "flow": "flow q"}[family]


def _sentence(clause: str) -> str:
    return clause[0].upper() + clause[1:] + "."
