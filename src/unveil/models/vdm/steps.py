"""A diffusion cut into T steps: a hierarchical VAE of T + 1 groups whose q is fixed."""

import itertools
import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...errors import RequestError, positive
from ...model import Drawn, Model, Posterior, groups_of
from ...nn.noise import signal_and_noise
from ...terms import Terms
from .noising import Noising

LOG_2PI = math.log(2 * math.pi)


class NoisingPosterior(Posterior):
    """q(z|x) of a noising at times 0 = t₀ < … < t_T = 1, from the top: z_T, then each z_s given z_t above it and x.

    With z = α x̃ + σ ε all of it is about the noise: ε_s = ρ ε_t + √(1 − ρ²) ε', ρ = e^{(γ_s − γ_t)/2}.

    References: Kingma et al., Variational Diffusion Models (2021), appendix A.2.

    Arguments: noising; x̃ [B, *shape]; gamma [T + 1], rising.
    """

    def __init__(self, noising: Noising, x: Tensor, gamma: Tensor) -> None:
        self.noising, self.x, self.gamma = noising, x, gamma
        self.alpha, self.sigma = signal_and_noise(gamma)
        self.rho = torch.exp((gamma[:-1] - gamma[1:]) / 2)
        self.root = torch.sqrt(-torch.expm1(gamma[:-1] - gamma[1:]))  # √(1 − ρ²)

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        shape, top = (num_samples, len(self.gamma), *self.x.shape), len(self.gamma) - 1
        fresh = list(torch.randn(shape, device=self.x.device, dtype=self.x.dtype).unbind(1))  # sample by sample
        eps = fresh[top]  # fresh[s] is the ε' of group s
        z = [self.alpha[top] * self.x + self.sigma[top] * eps]
        for s in range(top - 1, -1, -1):
            eps = self.rho[s] * eps + self.root[s] * fresh[s]
            z.append(self.alpha[s] * self.x + self.sigma[s] * eps)
        return tuple(z[::-1]), self._log_q(fresh)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        eps = [(group - a * self.x) / s for group, a, s in zip(z, self.alpha, self.sigma, strict=True)]
        fresh = [(e - r * up) / q for (e, up), r, q in zip(itertools.pairwise(eps), self.rho, self.root, strict=True)]
        return self._log_q([*fresh, eps[-1]])

    def scale(self, s: int) -> Tensor:
        """The standard deviation of z_s given what is above it."""
        return self.sigma[s] * self.root[s] if s < len(self.root) else self.sigma[s]

    def _log_q(self, fresh: list[Tensor]) -> Tensor:
        """log N(ε'; 0, 1) − D log scale of each group, [K, B, T + 1]."""
        return torch.stack([log_normal(self.noising, f, self.scale(s)) for s, f in enumerate(fresh)], -1)


def log_normal(noising: Noising, u: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """log of the density of `scale`·u, u ∼ N(0, I), [..., *shape] → [...]."""
    D = noising.domain.num_dims
    return -0.5 * noising.total(u.square()) - D * (0.5 * LOG_2PI + torch.as_tensor(scale).log())


class DiffusionLayers(Model):
    """p(x|z₀) Π_s p(z_s|z_t) p(z_T) with p(z_s|z_t) = q(z_s|z_t, x̂(z_t)): the same network, as a hierarchical VAE.

    KL(q(z_s|z_t, x)‖p(z_s|z_t)) = ½ expm1(γ_t − γ_s) ‖ε − ε̂(z_t)‖², which at many steps is the loss in continuous time.

    References: Kingma et al., Variational Diffusion Models (2021), §4.1 and eq. 13–14.

    Arguments: noising, shared with the model that was trained; num_steps T.
    """

    summary = "a diffusion of T steps"

    def __init__(self, noising: Noising, num_steps: int) -> None:
        super().__init__()
        self.noising, self.num_steps, self.domain = noising, positive(num_steps), noising.domain
        self.groups = tuple(f"z{s}" for s in range(num_steps + 1))

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"log_w", "joint", "rsample", "kl"})

    @property
    def story(self) -> str:
        return f"{self.num_steps} steps of a diffusion"

    def gamma(self) -> Tensor:
        """γ at the T + 1 times."""
        return self.noising.noise.steps(self.num_steps)

    def posterior(self, batch: Batch) -> NoisingPosterior:
        return NoisingPosterior(self.noising, self.noising.scaled(batch.x, batch.observed), self.gamma())

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        return self._joint(batch, z, self.posterior(batch))[0]

    def _joint(self, batch: Batch, z: tuple[Tensor, ...], chain: NoisingPosterior) -> tuple[Terms, Tensor]:
        """The terms of p, and the KL of each group at the z above it [K, B, T + 1]."""
        log_pz, kl, (alpha, sigma) = [], [], (chain.alpha, chain.sigma)
        for s, (below, above) in enumerate(itertools.pairwise(z)):
            found = self._find_noise(above, chain.gamma[s + 1], batch.y)
            x = (above - sigma[s + 1] * found) / alpha[s + 1]
            mean = alpha[s] * x + sigma[s] * chain.rho[s] * found
            log_pz.append(log_normal(self.noising, (below - mean) / chain.scale(s), chain.scale(s)))
            off = (above - alpha[s + 1] * chain.x) / sigma[s + 1] - found
            growth = torch.expm1(chain.gamma[s + 1] - chain.gamma[s])
            kl.append(0.5 * growth * self.noising.total(off.square()))
        log_pz.append(log_normal(self.noising, z[-1]))
        kl.append(top_kl(self.noising, chain.x, chain.gamma[-1]).expand(log_pz[-1].shape))
        log_px_z = self.noising.px(z[0], batch.observed).log_prob(batch.x)
        return Terms(log_px_z, torch.stack(log_pz, -1), z=z), torch.stack(kl, -1)

    def _find_noise(self, z: Tensor, gamma: Tensor, y: Tensor | None) -> Tensor:
        K, B = z.shape[:2]
        labels = None if y is None else y.repeat(K)
        found = self.noising.find_noise(
            z.flatten(0, 1), gamma.expand(K * B), labels_or_null(labels, self.noising, K * B), self.network_dtype
        )
        return found.unflatten(0, (K, B))

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        """The terms of K draws; the KL of a group is that at the drawn z above it."""
        chain = self.posterior(batch)
        z, log_q = (chain if posterior is None else posterior).draw(num_samples)
        terms, kl = self._joint(batch, z, chain)
        return replace(terms, log_qz_x=log_q, kl=kl)

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        return self.noising.px(groups_of(z, None)[0])

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        z = descend(self.noising, num_samples, self.gamma(), y, temperature=temperature)
        return self.decode(z).sample(), z

    def initialise(self, batch: Batch) -> None:
        raise RequestError("A diffusion cut into layers has its network from the model it was cut from: train that.")

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        return list(self.noising.parameters()) if part == "p" else []


def top_kl(noising: Noising, x: Tensor, gamma: Tensor) -> Tensor:
    """KL(q(z₁|x)‖N(0, I)) = ½ Σ_d (α² x̃_d² + σ² − 1 − log σ²), [B]."""
    alpha, sigma = signal_and_noise(gamma)
    return 0.5 * noising.total((alpha * x).square() + sigma.square() - 1 - 2 * sigma.log())


def labels_or_null(y: Tensor | None, noising: Noising, count: int) -> Tensor | None:
    """Labels [N] with C in place of unknown ones; None for a model without a condition."""
    C = noising.num_classes
    if not C:
        return None
    if y is None:
        return torch.full((count,), C, device=noising.centre.device)
    return torch.where(y < 0, C, y)


@torch.no_grad()
def descend(
    noising: Noising,
    num_samples: int,
    gamma: Tensor,
    y: Tensor | None = None,
    *,
    temperature: float = 1.0,
    deterministic: bool = False,
    guidance: float = 1.0,
) -> tuple[Tensor, ...]:
    """z groups [N, *shape] from p(z), bottom first, at γ [T + 1]: z_s = α_s x̂ + σ_s (ρ ε̂ + √(1 − ρ²) ε').

    Arguments: temperature, of all noise; deterministic, ρ = 1, which is DDIM; guidance g, of ε̂ = ε̂_∅ + g (ε̂_y − ε̂_∅).

    References: Ho et al., Denoising Diffusion Probabilistic Models (2020), algorithm 2; Song et al., Denoising
    Diffusion Implicit Models (2021), eq. 12; Ho & Salimans, Classifier-Free Diffusion Guidance (2022), eq. 6.
    """
    alpha, sigma = signal_and_noise(gamma)
    told, untold = labels_or_null(y, noising, num_samples), labels_or_null(None, noising, num_samples)
    z = [temperature * torch.randn(num_samples, *noising.domain.shape, device=gamma.device, dtype=gamma.dtype)]
    for t in range(len(gamma) - 1, 0, -1):
        s, level = t - 1, gamma[t].expand(num_samples)
        found = noising.find_noise(z[-1], level, told)
        if guidance != 1 and told is not None:
            free = noising.find_noise(z[-1], level, untold)
            found = free + guidance * (found - free)
        x = (z[-1] - sigma[t] * found) / alpha[t]
        rho = torch.ones_like(gamma[t]) if deterministic else torch.exp((gamma[s] - gamma[t]) / 2)
        fresh = 0.0 if deterministic else temperature * torch.sqrt(1 - rho**2) * torch.randn_like(x)
        z.append(alpha[s] * x + sigma[s] * (rho * found + fresh))
    return tuple(z[::-1])
