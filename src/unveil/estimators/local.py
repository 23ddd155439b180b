"""Posterior inference as optimisation: a q of each example's own, fitted without an encoder."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal
from torch.nn import functional as F

from ..batch import Batch
from ..distributions.real_latents import normal_factors
from ..errors import RequestError, positive
from ..model import Coordinates, Model, Posterior, evaluating, held
from ..ops import error_of_mean, keyed
from ..registry import register
from .base import Estimate, Estimator, bound_parts, in_parts
from .flat import Flat, joined
from .local_families import FAMILIES, FamilyName, LocalFamily, family_at
from .local_fitting import Target, at_the_mode, better, climb, pairs

Family = Literal["auto", "mean_field", "full", "flow"]
Start = Literal["encoder", "scratch"]
NEEDS = frozenset({"joint", "pathwise", "log_w"})
MOMENTS, SHOWN = 256, 1024  # draws behind moments that have no closed form: to start from, and of a fitted q
LARGEST = 2**25  # numbers in the matrices L of one batch


class LocalPosterior(Posterior):
    """q(z|λ_b) of each example's own, in z: log q(z) = log q(u) − log|det ∂z/∂u|.

    With several latent groups the joint density stands in the last column of log q, and 0 in the others: this q has no
    order of the groups, and what log-weights are made of is the sum.

    Arguments: q, of u; flat, between u and z.
    """

    def __init__(self, q: LocalFamily, flat: Flat) -> None:
        self.q, self._flat = q, flat

    @property
    def family(self) -> FamilyName:
        """mean_field, full or flow."""
        return self.q.name

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        return self._at(self.q.noise(num_samples))

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        u = self._flat.to_u(z)
        with held(self.q.parameters()) if hold else contextlib.nullcontext():
            return self._by_group(self.q.log_prob(u) - self._flat.to_z(u)[1])

    @property
    def mean(self) -> tuple[Tensor, ...]:
        """Per group [B, …], of 1,024 draws in pairs ±ε: without error where q is Gaussian in z."""
        return tuple(z.mean(0) for z in self._shown())

    @property
    def stddev(self) -> tuple[Tensor, ...]:
        """Per group [B, …], of 1,024 draws: to about 2 %."""
        return tuple(z.std(0) for z in self._shown())

    @torch.no_grad()
    def _shown(self) -> tuple[Tensor, ...]:
        with keyed("the moments of a local posterior"):
            return self._at(pairs(self.q, SHOWN))[0]

    def _at(self, noise: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        u, log_q = self.q(noise)
        z, log_det = self._flat.to_z(u)
        return z, self._by_group(log_q - log_det)

    def _by_group(self, log_q: Tensor) -> Tensor:
        return F.pad(log_q.unsqueeze(-1), (len(self._flat.shapes) - 1, 0))  # [K, B, L]


@torch.no_grad()
def fit_local(
    model: Model,
    batch: Batch,
    family: Family = "auto",
    *,
    start: Start = "encoder",
    steps: int = 150,
    batch_samples: int = 8,
) -> LocalPosterior:
    """argmax_q E_q[log p(x, z) − log q(z)] for each example by itself, over a family of q, with the model as it is.

    Infers z of a model that is given, with no encoder to trust. Noise comes from torch's default generator.

    >>> x = torch.randn(8, 5, dtype=torch.float64)
    >>> model = LinearGaussian(Domain("real", (5,)), latent=2).double()
    >>> local = fit_local(model, Batch(x), "full", start="scratch")
    >>> z, log_q = local.draw(100)  # ([100, 8, 2],), [100, 8, 1]
    >>> terms = model.joint(Batch(x), z)
    >>> elbo = (terms.log_px_z + (terms.log_pz - log_q).sum(-1)).mean(0)
    >>> bool((elbo - model.log_prob(Batch(x))).abs().max() < 1e-3)  # here, p(z|x) is in the family
    True

    Arguments:
        family: mean_field, full, flow, or auto for that of the encoder's own q.
        start: where the fit starts (see `Local`).
        steps: of Adam.
        batch_samples: draws per step.
    """
    model.require("A local posterior", NEEDS)
    with evaluating(model):
        q, flat = _started(model, batch, family, start, steps)
        climb(Target(model, batch, flat), q, steps, positive(batch_samples))
    return LocalPosterior(q.requires_grad_(False), flat)


@register("estimator", "local")
class Local(Estimator):
    """The ELBO of a q(z|λ_b) that is fitted to each example by itself, judged on fresh draws: a bound from below.

    E_q[log p(x, z) − log q(z|λ_b)] = log p(x) − KL(q(z|λ_b)‖p(z|x)): what it lacks is due to the family of q alone,
    as far as the fit has got. Diagnostics: elbo, rate and distortion are the encoder's; local_rate and local_distortion
    the fitted q's.

    References: Cremer, Li & Duvenaud, Inference Suboptimality in Variational Autoencoders (2018), §3.1; Hjelm et al.,
    Iterative Refinement of the Approximate Posterior (2016).

    Arguments:
        family: mean_field, a Gaussian with a diagonal covariance; full, with a full one; flow, two layers of curves and
            mixing that start as the full Gaussian; auto, the family of the encoder's q (a flow's is the flow).
        start: encoder, the moments of its q or Laplace's approximation at the mode near them, whichever is better for
            an example; scratch, Laplace's at the mode climbed to from the prior's mean: the encoder is not looked at.
        steps: of Adam; also to the mode, of which there are 100 at most.
        batch_samples: draws per step.
        num_samples: K, the fresh draws that the fitted q is judged on.
    """

    needs = NEEDS
    direction = "lower"

    def __init__(
        self,
        *,
        family: Family = "auto",
        start: Start = "encoder",
        steps: int = 150,
        batch_samples: int = 8,
        num_samples: int = 100,
    ) -> None:
        if steps < 0:
            raise RequestError(f"estimator.steps is {steps}; it takes a whole number from 0 upwards.")
        self.family, self.start, self.steps = family, start, steps
        self.batch_samples = positive(batch_samples)
        self.num_samples: int = positive(num_samples)

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        local = fit_local(
            model, batch, self.family, start=self.start, steps=self.steps, batch_samples=self.batch_samples
        )
        pairs = judged(model, batch, local, self.num_samples)
        distortion, rate = (torch.cat(each) for each in zip(*pairs, strict=True))
        bound = -(distortion + rate)  # [K, B]
        found = bound_parts(model, batch) | {"local_rate": rate.mean(0), "local_distortion": distortion.mean(0)}
        return Estimate(bound.mean(0), error_of_mean(bound), "lower", found)


@torch.no_grad()
def judged(model: Model, batch: Batch, q: Posterior, num_samples: int) -> Iterator[tuple[Tensor, Tensor]]:
    """−log p(x|z) and log q(z|x) − log p(z) of fresh draws, [k, B] each, in chunks of a fixed size."""
    for count in in_parts(model, num_samples, len(batch)):
        z, log_q = q.draw(count)
        terms = model.joint(batch, z)
        yield -terms.log_px_z.double(), (log_q.double() - terms.log_pz.double()).sum(-1)


def family_of(q: Distribution | None) -> FamilyName:
    """mean_field or full where q is a Gaussian of that kind, else flow."""
    if q is not None and normal_factors(q) is not None:
        return "mean_field"
    return "full" if isinstance(q, MultivariateNormal) else "flow"


def _started(model: Model, batch: Batch, family: Family, start: Start, steps: int) -> tuple[LocalFamily, Flat]:
    """q where it starts: beside a Gaussian encoder all families are of z itself, also where samplers move elsewhere.

    So each family holds those before it. One of the base space of a flow prior would not hold a Gaussian of z.
    """
    posterior = model.posterior(batch)
    z, _ = posterior.draw(MOMENTS)
    own = family_of(posterior.distribution)
    name: FamilyName = own if family == "auto" else family
    flat = Flat(Coordinates() if own != "flow" else model.coordinates(batch), [group.shape[2:] for group in z])
    u = flat.to_u(z)
    _check_size(name, u)
    prior = flat.to_u(tuple(group.unsqueeze(1) for group in model.draw_prior(MOMENTS))).to(u.dtype).flatten(0, 1)
    centre, unit = prior.mean(0), prior.std(0)
    target = Target(model, batch, flat)
    if start == "scratch":
        return at_the_mode(target, name, centre.expand_as(u[0]), unit, steps), flat
    mean, scale = _moments(posterior.distribution, u, is_z=torch.equal(u, joined(z)))
    return better(target, family_at(name, mean, scale), at_the_mode(target, name, mean, unit, steps)), flat


def _moments(q: Distribution | None, u: Tensor, is_z: bool) -> tuple[Tensor, Tensor]:
    """The mean [B, D] and the standard deviations, or a triangular root of the covariance, of the encoder's q."""
    if is_z and isinstance(q, MultivariateNormal):
        return q.mean.expand_as(u[0]), q.scale_tril.expand(*u.shape[1:], -1)
    return u.mean(0), u.std(0)


def _check_size(name: str, u: Tensor) -> None:
    _, rows, latents = u.shape
    if name not in FAMILIES:
        raise RequestError(f"The family is {name!r}; it takes auto, {', '.join(FAMILIES)}.")
    if name != "mean_field" and rows * latents**2 > LARGEST:
        raise RequestError(
            f"The family {name!r} holds a {latents} × {latents} matrix for each of {rows} examples at once, which is "
            "too much memory; use mean_field."
        )
