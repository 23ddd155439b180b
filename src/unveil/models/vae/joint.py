"""A VAE of several modalities: pictures and the texts that go with them, either of which may be missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ...batch import Batch
from ...domain import Domain
from ...errors import RequestError, at_least
from ...likelihoods import Likelihood
from ...likelihoods.joint import Joint as JointLikelihood
from ...model import Posterior
from ...model.shared.networks import Network, choose_network, default_prior, network_parts, own_options, sizes
from ...model.shared.scaled import centre_and_spread
from ...nn.modalities import JointDecoder, JointEncoder
from ...nn.texts import TextReader
from ...ops import sum_event
from ...posteriors import PosteriorHead
from ...posteriors.experts import ProductOfExperts
from ...priors import Prior
from ...registry import lookup, register
from ...terms import Terms
from .vae import VAE

LATENTS = 64
WRITING = 256  # units of what tells the likelihood of a text of z
Subsets = Literal["drawn", "all"]


@register("model", "joint")
class Joint(VAE):
    """p(x, z) = p(z) Π_m p(x_m|z) over modalities m, with q(z|x) a product of experts over those that are observed.

    A missing modality leaves log p(x) and q(z|x) as any missing value does: log p(image), log p(text), log p(image,
    text) and, as their differences, both conditionals come from one model. While training, half of the examples that
    are complete are shown with some of their modalities alone, and the bound is on these: so each set of modalities
    has a q(z|x) that is good.

    References: Wu & Goodman, Multimodal Generative Models for Scalable Weakly-Supervised Learning (2018), eq. 3–5.

    Arguments:
        prior, encoder, posterior, decoder, likelihood: as of `VAE`; the encoder gives the features of
            `ProductOfExperts`.
        subsets: "drawn" shows half of the training examples with some of their modalities alone; "all" never does.
    """

    summary = "pictures and texts as one model: p(x, t), both marginals, both conditionals"
    domains = ("joint",)
    compiles = False

    def __init__(
        self,
        prior: Prior,
        encoder: nn.Module,
        posterior: PosteriorHead,
        decoder: nn.Module,
        likelihood: Likelihood,
        *,
        subsets: Subsets = "drawn",
    ) -> None:
        if prior.shares_encoder:
            raise RequestError(
                f"The prior {prior.registered[1]!r} is made of q(z|x) of made-up x, and no text can be made up so; "
                "choose another, such as prior=mixture."
            )
        super().__init__(prior, encoder, posterior, decoder, likelihood, sees_missing=True)
        self.subsets = subsets

    @classmethod
    def build(  # type: ignore[override]
        cls,
        domain: Domain,
        num_examples: int = 0,
        *,
        latent: int = LATENTS,
        network: Network = "auto",
        width: int = 0,
        depth: int = 0,
        subsets: Subsets = "drawn",
        prior: Callable[..., Prior] | None = None,
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> Joint:
        """A model of pictures and texts, from a few choices.

        Arguments:
            latent: D, the number of latents.
            network: of pictures: "mlp", "patch", "conv", "plain", or "auto".
            width: units per layer, or channels at the finest resolution; 0 picks.
            depth: residual blocks of networks of pictures; 0 picks.
            subsets: drawn shows half of the training examples with some of their modalities alone; all never does.

        Context: num_examples to train on.
        """
        at_least(1, "model.latent", latent, 100_000)
        if domain.parts is None:
            raise RequestError(
                f"joint is a model of pictures with texts and x is {domain}; give the texts, or use the model 'vae'."
            )
        p_x = (likelihood or lookup("likelihood", "joint"))(domain)
        assert isinstance(p_x, JointLikelihood)
        p_z = (prior or lookup("prior", default_prior(domain.picture, num_examples)))(latent)
        each = [cast(Likelihood, p_x.of[name]) for name, _ in domain.parts]
        networks = [_networks(p, p_z.num_values, network, width, depth) for p in each]
        encoder = JointEncoder(domain, latent, tuple(reader for reader, _ in networks))
        decoder = JointDecoder(tuple(writer for _, writer in networks))
        return cls(p_z, encoder, ProductOfExperts(encoder.num_features, latent), decoder, p_x, subsets=subsets)

    @classmethod
    def leaves_network_open(cls, domain: Domain, num_examples: int, given: Mapping[str, Any]) -> bool:
        """As of the VAE, of the pictures."""
        return super().leaves_network_open(domain.picture, num_examples, given)

    def start_x(self, batch: Batch) -> None:
        """Centre and spread of each picture; the characters of texts stay the numbers that they are."""
        split = self.domain.split(batch.x)
        known = None if batch.observed is None else self.domain.split(batch.observed)
        for name, place in self.domain.places.items():
            part = self.domain.part(name)
            if part.alphabet is None:
                centre, spread = centre_and_spread(split[name], None if known is None else known[name], part.is_image)
                self.centre[place] = centre.flatten()
                self.spread[place] = spread.expand(part.shape).flatten()
        self.likelihood.initialise(batch.x, batch.observed)

    def scaled(self, batch: Batch) -> Tensor:
        """(x − centre)/spread of pictures, kept within ±100; the numbers of characters; 0 what is not observed."""
        scaled = super().scaled(batch)
        for name, place in self.domain.places.items():
            if self.domain.part(name).alphabet is not None:
                x = batch.x[..., place]
                scaled[..., place] = x if batch.observed is None else torch.where(batch.observed[..., place], x, 0.0)
        return scaled

    def joint_given_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        each = self.likelihood(self._features(z[0], batch.y), batch.observed).log_prob_each(batch.x)
        parts = {name: sum_event(each[..., place], 1) for name, place in self.domain.places.items()}
        log_px_z = torch.stack(list(parts.values())).sum(0)
        return Terms(log_px_z=log_px_z, log_pz=self.prior(batch.y).log_prob(z[0]).unsqueeze(-1), z=z, parts=parts)

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        if self.training and posterior is None and self.subsets == "drawn":
            batch = self.some(batch)
        return super().draw_terms(batch, num_samples, hold, posterior)

    def some(self, batch: Batch) -> Batch:
        """The batch with half of its examples left with some of their modalities: each with ½, at least one."""
        names, B = list(self.domain.places), len(batch)
        observed = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed
        here = torch.stack([observed[:, place].any(-1) for place in self.domain.places.values()], -1)  # [B, M]
        lot = torch.where(here, torch.rand(B, len(names), device=here.device), -1.0)
        kept = here & (lot > 0.5)
        kept |= torch.nn.functional.one_hot(lot.argmax(-1), len(names)).bool()
        whole = torch.rand(B, 1, device=here.device) < 0.5
        kept = torch.where(whole, here, kept & here)
        shown = torch.cat([kept[:, m : m + 1].expand(-1, size) for m, size in enumerate(self.domain.sizes)], -1)
        return replace(batch, observed=observed & shown)


def _networks(p: Likelihood, num_inputs: int, network: Network, width: int, depth: int) -> tuple[nn.Module, nn.Module]:
    """What reads a modality, and what tells its likelihood of z."""
    part, out = p.domain, (p.feature_shape, p.params_per_dim)
    if part.alphabet is not None:
        reader = TextReader(len(part.alphabet), width=width or reading_width(len(part.alphabet)))
        return reader, lookup("decoder", "mlp")(num_inputs, *out, width=width or WRITING, depth=1)
    name = choose_network(part, network)
    size = sizes(part, name, width, depth)
    both, in_encoder = own_options(name, 0.0, "auto")
    first, second = network_parts(name)
    encoder: nn.Module = lookup("encoder", first)(part.shape, **size, **both, **in_encoder)
    in_decoder = {} if second == "linear" else size | both
    return encoder, lookup("decoder", second)(num_inputs, *out, **in_decoder)


def reading_width(num_characters: int) -> int:
    """Units of a network that reads texts, by the size of their alphabet."""
    return int(min(256, max(32, 2 ** round(math.log2(16 * math.sqrt(num_characters))))))
