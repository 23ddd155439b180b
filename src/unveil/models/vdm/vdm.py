"""Variational diffusion in continuous time: the latents are x with noise of every strength."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...domain import Domain
from ...errors import RequestError, at_least
from ...model import Drawn, Flow, Posterior, groups_of, parameters_in
from ...model.shared.labelled import Condition, Conditioned, classes_of
from ...model.shared.networks import check_sizes
from ...nn.noise import Path, Spacing, signal_and_noise
from ...panels import Panel
from ...registry import register
from ...terms import Terms
from .noising import DOMAINS, Noising, Prediction, check_domain
from .steps import DiffusionLayers, NoisingPosterior, descend, labels_or_null, log_normal, top_kl
from .walks import STEPS, diffusion_panels

UNTOLD = 0.1  # of the labels, hidden while training: the network learns p(x), too


@register("model", "vdm")
class VDM(Conditioned):
    """z_t = α_t x̃ + σ_t ε for t from 0 to 1, p(z₁) = N(0, I), and x̂(z_t; t) that takes the noise out again.

    −log p(x) ≤ KL(q(z₁|x)‖p(z₁)) + E[−log p(x|z₀)] + ½ E_t[γ'(t) ‖ε − ε̂(z_t; t)‖²]

    Two groups: z₀, whose rate is the third term at one random time per draw (an unbiased estimate), and z₁, the end of
    the noising. log p(z₀|z₁) is not known (NaN): there are no log-weights; `layers(T)` has them. Times are spread
    evenly over a batch while training, and over the draws of each example where the model is judged
    (the error of the estimator 'elbo', which takes them for independent, is then too large).

    What is not observed of x is taken for the mean by q, which leaves the bound true and makes it loose.

    References: Kingma, Salimans, Poole & Ho, Variational Diffusion Models (2021), eq. 11–18; null label: Ho & Salimans,
    Classifier-Free Diffusion Guidance (2022), §3.2.

    Arguments:
        domain: binary, levels (p(x|z₀) sums to one over them) or real.
        network, width, depth, patch, prediction, noise, fourier: as for `build`, without "auto" and 0.
        num_classes: C, or 0 without a condition.
    """

    summary = "variational diffusion: many small steps from noise to x"
    groups = ("z0", "z1")
    domains = DOMAINS
    compared_steps = STEPS
    warmup = 0.0  # q is fixed and cannot collapse; a rate that weighs less would only move the ends of γ
    remedies: ClassVar = {
        "log_w": "in continuous time it has no sampled log-weights; use the objective or estimator 'elbo', or the "
        "estimator 'layers'",
        "pathwise": "its latents are noise of every strength on x; use the objective or estimator 'elbo'",
        "exact": "its log p(x) has no closed form; use the estimator 'elbo'",
    }

    def __init__(
        self,
        domain: Domain,
        *,
        network: str = "mlp",
        width: int = 256,
        depth: int = 3,
        patch: int = 1,
        prediction: Prediction = "eps",
        noise: Path = "monotone",
        fourier: bool = False,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        check_domain(domain)
        self.domain, self.network = domain, network
        self.noising = Noising(domain, network, width, depth, patch, prediction, noise, fourier, num_classes)
        self.expect_labels(num_classes)

    @classmethod
    def build(
        cls,
        domain: Domain,
        num_classes: int = 0,
        has_missing: bool = False,
        num_examples: int = 0,
        *,
        network: Literal["auto", "unet", "mlp"] = "auto",
        width: int = 0,
        depth: int = 0,
        patch: int = 0,
        prediction: Prediction = "eps",
        noise: Path = "monotone",
        fourier: bool = False,
        condition: Condition = "none",
    ) -> VDM:
        """A diffusion for a domain, from a few choices.

        Arguments:
            network: "unet" (images), "mlp", or "auto".
            width: channels at the finest grid, or units; 0 picks.
            depth: blocks at each size, or blocks; 0 picks.
            patch: side of the squares of pixels that become channels (unet); 0 picks one that leaves 16 a side.
            prediction: what the network's output is taken for; the same loss in each case.
            noise: how γ(t) runs between its learned ends; monotone learns it so that the bound varies less.
            fourier: shows the network where z lies between neighbouring levels.
            condition: label gives p(x|y), and a tenth of the labels hidden in training also p(x).
        """
        check_domain(domain)
        if has_missing:
            raise RequestError(
                "The model 'vdm' cannot be trained on x with missing values, which it would learn to draw as means; "
                "take --model vae."
            )
        if network == "unet" and not domain.is_image:
            raise RequestError(f"model.network 'unet' needs images and x has the shape {domain.shape}; use 'mlp'.")
        check_sizes(width=width, depth=depth, patch=patch)
        name = network if network != "auto" else "unet" if domain.is_image else "mlp"
        is_unet = name == "unet"
        return cls(
            domain,
            network=name,
            width=width or (32 if is_unet else 256),
            depth=depth or (1 if is_unet else 3),
            patch=patch or (_patch(domain) if is_unet else 1),
            prediction=prediction,
            noise=noise,
            fourier=fourier,
            num_classes=classes_of(condition, num_classes),
        )

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"rsample", "kl", "layers", "flow"})

    @property
    def story(self) -> str:
        first, last = (float(torch.exp(gamma / 2).detach()) for gamma in self.noising.noise.limits)
        noise = f"noise from {first:.2g} to {last:.2g} of the signal"
        return f"{self.network} network for {self.noising.prediction}, {noise}"

    def posterior(self, batch: Batch) -> Posterior:
        first, last = self.noising.noise.limits
        return NoisingPosterior(self.noising, self.noising.scaled(batch.x, batch.observed), torch.stack([first, last]))

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        """log p(x|z₀) and log p(z₁); log p(z₀|z₁) is NaN."""
        log_pz = log_normal(self.noising, z[1])
        log_px_z = self.noising.px(z[0], batch.observed).log_prob(batch.x)
        return Terms(log_px_z, torch.stack([torch.full_like(log_pz, torch.nan), log_pz], -1), z=z)

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        """The terms of K draws; the rate of z₀ is estimated by one step at a random time for each draw."""
        posterior = self.posterior(batch) if posterior is None else posterior
        z, log_q = posterior.draw(num_samples)
        x = self.noising.scaled(batch.x, batch.observed)
        path, penalties = self._along(x, self._told(batch.y, len(x)), num_samples)
        top = top_kl(self.noising, x, self.noising.noise.limits[1]).expand(path.shape)
        return replace(self.joint(batch, z), log_qz_x=log_q, kl=torch.stack([path, top], -1), penalties=penalties)

    def _along(self, x: Tensor, y: Tensor | None, num_samples: int) -> tuple[Tensor, dict[str, Tensor]]:
        """½ γ'(t) ‖ε − ε̂(z_t; t)‖² at one time for each draw [K, B]; and a penalty of value 0 [B] that trains γ(t)."""
        noising, (K, B) = self.noising, (num_samples, len(x))
        gamma, slope, place = noising.noise.at(self._times(K, B, x))  # [K, B]
        eps = torch.randn(K, *x.shape, device=x.device, dtype=x.dtype)
        alpha, sigma = map(noising.per_row, signal_and_noise(gamma))
        z = alpha * x + sigma * eps  # [K, B, *shape]
        labels = None if y is None else y.repeat(K)
        found = noising.find_noise(z.flatten(0, 1), gamma.flatten(), labels, self.network_dtype)
        error = 0.5 * noising.total((eps - found.unflatten(0, (K, B))).square())
        if not (self.training and noising.noise.is_learned):
            return slope * error, {}
        spread = noising.noise.spread(place, error).mean(0)
        return slope * error, {"noise": spread - spread.detach()}

    def _times(self, num_samples: int, rows: int, like: Tensor) -> Tensor:
        """[K, B] times, uniform each: spread over the batch while training, over the draws of an example otherwise.

        References: Kingma et al., Variational Diffusion Models (2021), appendix I.1.
        """
        K, B = num_samples, rows
        made: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
        if self.training:
            return (torch.arange(K * B, **made).reshape(K, B) / (K * B) + torch.rand((), **made)) % 1
        return (torch.arange(K, **made).unsqueeze(1) + torch.rand(K, B, **made)) / K

    def _told(self, y: Tensor | None, rows: int) -> Tensor | None:
        """Labels for the network, C where one is not known or hidden."""
        labels = labels_or_null(y, self.noising, rows)
        if labels is None or not self.training:
            return labels
        return torch.where(torch.rand(rows, device=labels.device) < UNTOLD, self.num_classes, labels)

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        return self.noising.px(groups_of(z, None)[0])

    def layers(self, num_steps: int) -> DiffusionLayers:
        return DiffusionLayers(self.noising, num_steps).train(self.training)

    def flow(self, batch: Batch) -> Flow:
        """dz/dγ = ½ (σ ε̂ − σ² z): each z_γ has the distribution that q has there, were ε̂ perfect.

        References: Song et al., Score-Based Generative Modeling through SDEs (2021), eq. 13, here in γ.
        """
        noising, (first, last) = self.noising, self.noising.noise.limits
        x = noising.scaled(batch.x, batch.observed)
        y = labels_or_null(batch.y, noising, len(x))
        alpha, sigma = signal_and_noise(first)

        def draw(num_samples: int) -> tuple[Tensor, Tensor]:
            eps = torch.randn(num_samples, *x.shape, device=x.device, dtype=x.dtype)
            return alpha * x + sigma * eps, log_normal(noising, eps, sigma)

        def velocity(z: Tensor, gamma: float) -> Tensor:
            level = torch.full((len(z),), gamma, device=z.device, dtype=z.dtype)
            labels = None if y is None else y.repeat(len(z) // len(y))
            _, sigma = signal_and_noise(level[:1])
            return 0.5 * (sigma * noising.find_noise(z, level, labels) - sigma**2 * z)

        return Flow(
            start=float(first),
            end=float(last),
            draw=draw,
            velocity=velocity,
            log_px_z=lambda z: noising.px(z, batch.observed).log_prob(batch.x),
            log_end=lambda z: log_normal(noising, z),
        )

    def label(self, batch: Batch) -> Tensor | None:
        """The given labels, −1 where one is not known, since the network knows p(x), too."""
        if not self.num_classes:
            return None
        return torch.full((len(batch),), -1, device=batch.x.device) if batch.y is None else batch.y

    def draw_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor | None:
        return self.label(batch)

    @torch.no_grad()
    def sample(
        self,
        num_samples: int,
        y: Tensor | None = None,
        temperature: float = 1.0,
        *,
        steps: int = 50,
        sampler: Literal["ancestral", "ddim"] = "ancestral",
        spacing: Spacing = "angle",
        guidance: float = 1.0,
    ) -> Drawn:
        """(x, (z₀, z₁)) through a number of steps.

        Arguments:
            temperature: of all noise.
            steps: T; more are closer to the model, and slower.
            sampler: "ancestral" draws from p(z_s|z_t), "ddim" follows its mean without fresh noise.
            spacing: "angle" puts most steps where noise and signal are of one size, "time" at equal times, as `layers`.
            guidance: how much a label is made of, where there is one: 1 is p(x|y), above 1 more typical of y.
        """
        at_least(1, "The number of steps", steps)
        if guidance != 1 and not self.num_classes:
            raise RequestError(
                f"guidance={guidance:g} came for a model without labels; fit it with model.condition=label, or leave "
                "it out."
            )
        y = self.draw_labels(num_samples) if y is None else y
        z = descend(
            self.noising,
            num_samples,
            self.noising.noise.steps(steps, spacing),
            y,
            temperature=temperature,
            deterministic=sampler == "ddim",
            guidance=guidance,
        )
        return self.decode(z).sample(), (z[0], z[-1])

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        self.noising.initialise(batch.x, batch.observed)
        self.count_labels(batch)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """All parameters belong to p; q uses γ, which is one of them."""
        return parameters_in(part, p=[self], q=[], prior=[])

    @torch.no_grad()
    def panels(self, batch: Batch) -> tuple[Panel, ...]:
        return diffusion_panels(self, self.noising, batch)


def _patch(domain: Domain) -> int:
    """The side of patches that leaves at most 16 a side."""
    return int(2 ** max(0, math.ceil(math.log2(max(domain.image_shape[:2]) / 16))))
