"""The variational auto-encoder, made of parts."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from ..batch import Batch
from ..domain import Domain
from ..errors import RequestError
from ..likelihoods import Likelihood, default_likelihood
from ..posteriors import DiagonalGaussian, PosteriorHead
from ..priors import Prior, StandardNormal
from ..registry import describe, lookup, register
from ..terms import Terms
from .base import Model, OneGroup, held

Network = Literal["auto", "mlp", "conv"]


@register("model", "vae")
class VAE(Model):
    """p(x, z) = p(z) p(x|z), with q(z|x) from one pass of an encoder.

    log p(x) ≥ E_q[log p(x|z)] − KL(q(z|x)‖p(z))

    References: Kingma & Welling, Auto-Encoding Variational Bayes (2014), eq. 3.

    Arguments:
        prior: p(z).
        encoder: any module from x [B, *shape], centred and scaled by the training data, to features [B, F].
        posterior: the head from features to q(z|x).
        decoder: any module from z [..., D] to the likelihood's features [..., P·D_x].
        likelihood: p(x|z); it knows the domain.
    """

    summary = "one continuous latent group, an encoder and a decoder"

    centre: Tensor
    spread: Tensor

    def __init__(
        self, prior: Prior, encoder: nn.Module, posterior: PosteriorHead, decoder: nn.Module, likelihood: Likelihood
    ) -> None:
        super().__init__()
        self.prior, self.encoder, self.posterior_head = prior, encoder, posterior
        self.decoder, self.likelihood = decoder, likelihood
        self.domain = likelihood.domain
        self.register_buffer("centre", torch.zeros(self.domain.shape))
        self.register_buffer("spread", torch.ones(()) if self.domain.is_image else torch.ones(self.domain.shape))
        self.solves = "some" if likelihood.solves else "nothing"
        self._gives = self._facts()

    @classmethod
    def build(
        cls,
        domain: Domain,
        *,
        latent: int = 32,
        network: Network = "auto",
        width: int = 0,
        depth: int = 0,
        dropout: float = 0.0,
        prior: Callable[..., Prior] = StandardNormal,
        posterior: Callable[..., PosteriorHead] = DiagonalGaussian,
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> VAE:
        """A VAE for a domain, from a few choices.

        Arguments:
            latent: D, the number of latents.
            network: "mlp", "conv" (images), or "auto".
            width: units per layer, or channels at the finest resolution; 0 picks by the size of x.
            depth: residual blocks (conv: per resolution); 0 picks.
            dropout: share of the encoder's inputs dropped while training (mlp).
        """
        if latent < 1:
            raise RequestError(f"model.latent is {latent}; it takes a whole number from 1 upwards.")
        for key, size in (("width", width), ("depth", depth)):
            if size < 0:
                raise RequestError(f"model.{key} is {size}; it takes a whole number from 1 upwards, or 0 to pick.")
        if not 0 <= dropout < 1:
            raise RequestError(f"model.dropout is {dropout}; it takes a share from 0 to below 1.")
        name = default_network(domain) if network == "auto" else network
        if name == "conv" and not domain.is_image:
            raise RequestError(f"model.network 'conv' needs images and x has the shape {domain.shape}; use 'mlp'.")
        sizes = {"width": width or default_width(domain, name), "depth": depth or (2 if name == "mlp" else 1)}
        if dropout and name != "mlp":
            raise RequestError(f"model.dropout={dropout} came for model.network={name!r}; only 'mlp' has it.")
        extra = {"dropout": dropout} if name == "mlp" else {}
        p_x = (likelihood or lookup("likelihood", default_likelihood(domain)))(domain)
        encoder = lookup("encoder", name)(domain.shape, **sizes, **extra)
        decoder = lookup("decoder", name)(latent, domain.shape, p_x.params_per_dim, **sizes)
        return cls(prior(latent), encoder, posterior(encoder.num_features, latent), decoder, p_x)

    @property
    def gives(self) -> frozenset[str]:
        return self._gives

    @torch.no_grad()
    def _facts(self) -> frozenset[str]:
        facts = {"log_w", "joint"}
        q = self.posterior_head(torch.zeros(1, self.posterior_head.num_features))
        facts |= {"rsample"} if q.has_rsample else set()
        if not {id(p) for p in self.parameters_of("p")} & {id(p) for p in self.parameters_of("q")}:
            facts.add("split_q")
        with contextlib.suppress(NotImplementedError):  # no closed form is an answer, not a failure
            kl_divergence(q, self.prior())
            facts.add("kl")
        return frozenset(facts)

    @property
    def story(self) -> str:
        network = "own" if "class" in describe(self.encoder) else describe(self.encoder)["name"]
        return (
            f"likelihood {self.likelihood.registered[1]} because x is {self.domain}, {network} network, "
            f"{self.prior.num_latents} latents"
        )

    def posterior(self, batch: Batch) -> OneGroup:
        features = self._encode(batch)

        def make(hold: bool) -> Distribution:
            if not hold:
                return self.posterior_head(features)
            with held(self.parameters_of("q")):
                return self.posterior_head(features.detach())

        return OneGroup(make)

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        log_px_z = self.likelihood(self._features(z[0]), batch.observed).log_prob(batch.x)
        return Terms(log_px_z=log_px_z, log_pz=self.prior(batch.y).log_prob(z[0]).unsqueeze(-1), z=z)

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None = None) -> Distribution:
        return self.likelihood(self._features(z[0]))

    def expected_kl(self, posterior: Any) -> Tensor | None:
        if "kl" not in self._gives:
            return None
        return kl_divergence(posterior.distribution, self.prior()).unsqueeze(-1)  # [B, 1]

    @torch.no_grad()
    def sample(
        self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        p = self.prior(y)
        z = p.mean + temperature * (p.sample((num_samples,)) - p.mean)
        return self.decode((z,), y).sample(), (z,)

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        x = batch.x
        self.centre.copy_(x.mean(0))
        spread = x.std() if self.domain.is_image else x.std(0)
        self.spread.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))
        self.likelihood.initialise(x)

    @torch.no_grad()
    def solve(self, batches: Callable[[], Iterable[Batch]]) -> None:
        total, count = torch.zeros(self.domain.num_dims, device=self.centre.device), 0
        for batch in batches():
            p = self.decode(self.posterior(batch).draw(1)[0])
            total += len(batch) * self.likelihood.statistic(batch.x, p)
            count += len(batch)
        self.likelihood.finish_solving(total / count)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        modules: dict[str, list[nn.Module]] = {
            "p": [self.prior, self.decoder, self.likelihood],
            "q": [self.encoder, self.posterior_head],
            "prior": [self.prior],
        }
        if part not in modules:
            raise RequestError(f"There is no part {part!r}; a VAE has 'p', 'q' and 'prior'.")
        return [p for module in modules[part] for p in module.parameters()]

    @torch.no_grad()
    def panels(self, batch: Batch) -> dict[str, Any]:
        """The rate of each latent, KL(q(z_d|x)‖p(z_d)) [B, D], where both q and p are products of normals."""
        q, p = self.posterior(batch).distribution, self.prior(batch.y)
        if not (_factorises(q) and _factorises(p)):
            return {}
        return {"kl_per_dimension": kl_divergence(q.base_dist, p.base_dist)}  # type: ignore[attr-defined]

    def _encode(self, batch: Batch) -> Tensor:
        x = (batch.x - self.centre) / self.spread
        if batch.observed is not None:
            x = torch.where(batch.observed, x, torch.zeros_like(x))
        with self._network_precision():
            features = self.encoder(x)
        return features.to(x.dtype)

    def _features(self, z: Tensor) -> Tensor:
        with self._network_precision():
            h = self.decoder(z)
        return h.to(z.dtype)

    def _network_precision(self) -> torch.autocast:
        reduced = self.network_dtype != torch.float32
        return torch.autocast(self.centre.device.type, torch.bfloat16, enabled=reduced)


def _factorises(distribution: Distribution) -> bool:
    return isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal)


def default_network(domain: Domain) -> str:
    """Convolutions for images of more than 1,024 values; below, an MLP sees ten times more of them in ten minutes."""
    return "conv" if domain.is_image and domain.num_dims > 1024 else "mlp"


def default_width(domain: Domain, network: str) -> int:
    """32 channels; or hidden units growing with √D, between 128 and 512."""
    if network == "conv":
        return 32
    return min(512, max(128, 2 ** round(math.log2(16 * math.sqrt(domain.num_dims)))))
