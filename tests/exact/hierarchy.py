"""A hierarchy of two linear-Gaussian groups: z₂ → z₁ → x, with p(x), p(z|x) and a looser q in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from unveil.batch import Batch
from unveil.domain import Domain
from unveil.model import Model, Posterior
from unveil.terms import Terms, stack_groups


class Hierarchy(Model):
    """z₂ ~ N(0, I), z₁ = A z₂ + σ₁ ε, x = W z₁ + σ ε; q(z₂|x) q(z₁|z₂, x) is p(z|x) with both parts off and wider.

    Arguments: off, the shift of q in standard deviations; wider, the factor on its standard deviations.
    """

    registered = ("model", "hierarchy")
    groups = ("z1", "z2")
    sigma1, sigma = 0.7, 0.5

    def __init__(self, dims: int = 6, latents: tuple[int, int] = (3, 2), off: float = 0.4, wider: float = 1.3) -> None:
        super().__init__()
        self.domain, self.latents, self.off, self.wider = Domain("real", (dims,)), latents, off, wider
        self.A = nn.Parameter(torch.randn(latents).double())
        self.W = nn.Parameter(torch.randn(dims, latents[0]).double())

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"log_w", "joint", "rsample", "pathwise", "exact"})

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        z1, z2 = z
        log_p1 = _normal(z2 @ self.A.T, self.sigma1).log_prob(z1)
        log_p2 = _normal(torch.zeros_like(z2), 1.0).log_prob(z2)
        return Terms(self.decode(z).log_prob(batch.x), stack_groups(log_p1, log_p2), z=z)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None = None) -> Distribution:
        return _normal(z[0] @ self.W.T, self.sigma)

    def log_prob(self, batch: Batch) -> Tensor:
        cov1 = self.A @ self.A.T + self.sigma1**2 * torch.eye(self.latents[0]).double()
        cov = self.W @ cov1 @ self.W.T + self.sigma**2 * torch.eye(len(self.W)).double()
        return MultivariateNormal(torch.zeros_like(cov[0]), cov).log_prob(batch.x)

    def posterior(self, batch: Batch) -> Posterior:
        return TopDown(self, batch.x)

    def sample(
        self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        z2 = temperature * torch.randn(num_samples, self.latents[1]).double()
        z1 = z2 @ self.A.T + temperature * self.sigma1 * torch.randn(num_samples, self.latents[0]).double()
        return self.decode((z1, z2)).sample(), (z1, z2)

    def initialise(self, batch: Batch) -> None:
        raise NotImplementedError("a toy is not trained")

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        return [] if part == "q" else [self.A, self.W]


class TopDown(Posterior):
    """q(z₂|x) q(z₁|z₂, x), both Gaussian with full covariance, near those of p(z|x)."""

    def __init__(self, model: Hierarchy, x: Tensor) -> None:
        self.model, self.x = model, x
        W, A = model.W, model.A
        noise = model.sigma**2 * torch.eye(len(W)).double()
        cov_x_given_2 = model.sigma1**2 * W @ W.T + noise
        self._second = self._regressed(W @ A, cov_x_given_2, torch.eye(model.latents[1]).double())
        self._first = self._regressed(W, noise, model.sigma1**2 * torch.eye(model.latents[0]).double())

    def _regressed(self, B: Tensor, noise: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """For x = B z + N(0, noise) and z ~ N(m, prior): the gain G of E[z|x] = m + G (x − B m), and q's scale."""
        gain = prior @ B.T @ torch.linalg.inv(B @ prior @ B.T + noise)
        cov = prior - gain @ B @ prior
        return gain, self.model.wider * torch.linalg.cholesky((cov + cov.T) / 2)

    def _q2(self) -> MultivariateNormal:
        gain, scale = self._second
        return MultivariateNormal(self.x @ gain.T + self.model.off * scale.sum(-1), scale_tril=scale)

    def _q1(self, z2: Tensor) -> MultivariateNormal:
        (gain, scale), W = self._first, self.model.W
        centre = z2 @ self.model.A.T
        mean = centre + (self.x - centre @ W.T) @ gain.T
        return MultivariateNormal(mean - self.model.off * scale.sum(-1), scale_tril=scale)

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        z2 = self._q2().rsample((num_samples,))
        z = (self._q1(z2).rsample(), z2)
        return z, self.log_prob(z)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        return stack_groups(self._q1(z[1]).log_prob(z[0]), self._q2().log_prob(z[1]))


def _normal(mean: Tensor, scale: float) -> Independent:
    return Independent(Normal(mean, torch.full((), scale, dtype=mean.dtype)), 1)


def expected_kl_floor(model: Hierarchy) -> float:
    """KL(q‖p(z|x)) of a Gaussian wider by w and off by o·√(row sums): at least Σ ½ (w² − 1 − 2 log w), in nats."""
    size = sum(model.latents)
    return size * 0.5 * (model.wider**2 - 1 - 2 * math.log(model.wider))
