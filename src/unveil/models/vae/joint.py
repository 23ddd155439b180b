"""A VAE of several modalities: pictures and the texts that go with them, either of which may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from ...batch import Batch
from ...distributions.rows import Rows
from ...domain import Domain
from ...errors import RequestError, at_least
from ...likelihoods import Likelihood
from ...likelihoods.joint import Joint as JointLikelihood
from ...model import Posterior
from ...model.shared.networks import ENOUGH, Network, choose_network, default_prior, network_parts, own_options, sizes
from ...model.shared.scaled import centre_and_spread
from ...nn.modalities import JointDecoder, JointEncoder
from ...nn.texts import TextReader, reading_width
from ...posteriors import PosteriorHead
from ...posteriors.experts import ExpertsOrFlow, ProductOfExperts
from ...priors import Prior
from ...registry import lookup, register
from ...terms import Terms
from .vae import VAE

LATENTS = 32
WRITING = 256  # units of what tells the likelihood of a text of z
TOLD = 64  # features of a text that q(z|t) is told
Subsets = Literal["covered", "drawn", "all"]


@register("model", "joint")
class Joint(VAE):
    """p(x, z) = p(z) Π_m p(x_m|z) over modalities m, with q(z|x) a product of experts over those that are observed.

    A missing modality leaves log p(x) and q(z|x) as any missing value does: log p(image), log p(text), log p(image,
    text) and, as their differences, both conditionals come from one model. So that each set of modalities has a good
    q(z|x), half of the examples that are complete are shown while training as a picture alone, and the bound is on
    that. A text says little of z, and has a p(z|t) that is wide and of no simple form: q(z|t) learns to cover it, by
    −E[log q(z|t)] at draws of q(z|x, t) beside the bound.

    References: Wu & Goodman, Multimodal Generative Models for Scalable Weakly-Supervised Learning (2018), eq. 3–5;
    Suzuki, Nakayama & Matsuo, Joint Multimodal Learning with Deep Generative Models (2016), eq. 6, for the second.

    Arguments:
        prior, encoder, posterior: as of `VAE`; the encoder gives the features of `ProductOfExperts`.
        decoder, likelihood: of all modalities.
        subsets: "covered", as above; "drawn" shows half of the examples as any of their modalities, texts as well, and
            covers nothing; "all" shows whole examples only.
        dropout: share of what the likelihood of a text is told of z that is dropped while training.
    """

    summary = "pictures and texts as one model: p(x, t), both marginals, both conditionals"
    domains = ("joint",)
    default_parts: ClassVar[Mapping[str, str]] = {"likelihood": "joint"}
    compiles = False
    prior_share, lr_scale = 0.6, 2.0  # of steps that take a tenth of the time of the others
    shows_whole = False  # while p(z) and q(z|t) are trained alone

    def __init__(
        self,
        prior: Prior,
        encoder: nn.Module,
        posterior: PosteriorHead,
        decoder: JointDecoder,
        likelihood: JointLikelihood,
        *,
        subsets: Subsets = "covered",
        dropout: float = 0.0,
    ) -> None:
        if prior.shares_encoder:
            raise RequestError(
                f"The prior {prior.registered[1]!r} is made of q(z|x) of made-up x, and no text can be made up so; "
                "choose another, such as prior=mixture."
            )
        if prior.support != "real":
            raise RequestError(
                f"The prior {prior.registered[1]!r} is over {prior.support} z, and the experts of joint are over real "
                "z; choose another, such as prior=mixture."
            )
        if subsets == "covered" and not isinstance(posterior, ExpertsOrFlow):
            raise RequestError(
                f"subsets=covered takes the posterior experts_or_flow, and {posterior.registered[1]} came; give it, or "
                "subsets='drawn'."
            )
        super().__init__(prior, encoder, posterior, decoder, likelihood, sees_missing=True)
        self.subsets, self.dropout = subsets, dropout

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
        subsets: Subsets = "covered",
        dropout: float | Literal["auto"] = "auto",
        prior: Callable[..., Prior] | None = None,
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> Joint:
        """A model of pictures and texts, from a few choices.

        Arguments:
            latent: D, the number of latents.
            network: of pictures: "mlp", "patch", "conv", "plain", or "auto".
            width: units per layer, or channels at the finest resolution; 0 picks.
            depth: residual blocks of networks of pictures; 0 picks.
            subsets: what q(z|x) learns of a modality alone: covered, of pictures by their bound and of texts by draws
                of q(z|x, t); drawn, of all by their bounds; all, nothing.
            dropout: share of what is read of a text, and of what its likelihood is told of z, that is dropped while
                training; auto is ½ where there are fewer than 10,000 examples, of which texts are soon known by heart.

        Context: num_examples to train on.
        """
        at_least(1, "model.latent", latent, 100_000)
        dropout = (0.5 if 0 < num_examples < ENOUGH else 0.0) if dropout == "auto" else dropout
        if not 0 <= dropout < 1:
            raise RequestError(f"model.dropout is {dropout}; it takes a share from 0 to below 1, or auto.")
        if domain.parts is None:
            raise RequestError(
                f"joint is a model of pictures with texts and x is {domain}; give the texts, or use the model 'vae'."
            )
        p_x = (likelihood or lookup("likelihood", "joint"))(domain)
        assert isinstance(p_x, JointLikelihood)
        p_z = (prior or lookup("prior", default_prior(domain.picture, num_examples)))(latent)
        each = [cast(Likelihood, p_x.of[name]) for name, _ in domain.parts]
        networks = [_networks(p, p_z.num_values, network, width, depth) for p in each]
        text = next((i for i, (_, part) in enumerate(domain.parts) if part.alphabet is not None), None)
        subsets = "drawn" if text is None else subsets
        told = TOLD if subsets == "covered" else 0
        encoder = JointEncoder(domain, latent, tuple(reader for reader, _ in networks), num_told=told, dropout=dropout)
        decoder = JointDecoder(tuple(writer for _, writer in networks))
        if told and text is not None:
            q_z: PosteriorHead = ExpertsOrFlow(encoder.num_features, latent, text=text, num_told=told)
        else:
            q_z = ProductOfExperts(encoder.num_features, latent)
        return cls(p_z, encoder, q_z, decoder, p_x, subsets=subsets, dropout=dropout)

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
        parts = {name: self._log_part(name, batch, z[0]) for name in self.domain.places}
        log_px_z = torch.stack(list(parts.values())).sum(0)
        return Terms(log_px_z=log_px_z, log_pz=self.prior(batch.y).log_prob(z[0]).unsqueeze(-1), z=z, parts=parts)

    def _log_part(self, name: str, batch: Batch, z: Tensor) -> Tensor:
        """log p(x_m|z) [K, B] of one modality, whose networks run where something of it is observed alone."""
        place, (decoder, p) = self.domain.places[name], self._own(name)
        x, observed = batch.x[:, place], None if batch.observed is None else batch.observed[:, place]
        rows = None if observed is None else observed.any(-1).nonzero().flatten()
        if rows is not None and len(rows) < len(x):
            found = z.new_zeros(z.shape[:-1])
            if not len(rows):
                return found
            z, x, observed = z[:, rows], x[rows], observed[rows]  # type: ignore[index]
        with self.network_precision(self.network_dtype, self.decoder_dtype):
            h = decoder(z)
        if self.dropout and self.domain.part(name).alphabet is not None:
            h = nn.functional.dropout(h, self.dropout, self.training)
        shape = self.domain.part(name).shape
        own = None if observed is None else observed.reshape(-1, *shape)
        log_p: Tensor = p(h.to(z.dtype), own).log_prob(x.reshape(-1, *shape))
        return log_p if rows is None or len(rows) == len(batch) else found.index_copy(1, rows, log_p.to(found.dtype))

    def _own(self, name: str) -> tuple[nn.Module, Likelihood]:
        """The decoder and the likelihood of one modality."""
        i = list(self.domain.places).index(name)
        return cast(JointDecoder, self.decoder).of[i], cast(Likelihood, cast(JointLikelihood, self.likelihood).of[name])

    def begin(self, parts: tuple[str, ...]) -> None:
        self.shows_whole = not {"p", "q"} & set(parts)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """As of the VAE; with p(z) goes q(z|t), which learns of the same z."""
        own = super().parameters_of(part)
        if part != "prior" or self.subsets != "covered":
            return own
        return [*own, *cast(ExpertsOrFlow, self.posterior_head).to_base.parameters()]

    def encode(self, batch: Batch) -> Tensor | None:
        """As of the VAE, where all modalities are there: q(z|t) of a text alone moves with p(z)."""
        return super().encode(batch) if bool(self._there(batch).all()) else None

    def encoded_terms(self, encoded: Tensor) -> Terms:
        terms = super().encoded_terms(encoded)
        if self.subsets != "covered":
            return terms
        return replace(terms, penalties={"covering": self.covering(encoded[:, :-2], terms.z[0])})

    def expected_kl(self, posterior: Posterior) -> Tensor | None:
        """As of the VAE; None where the text of some row is alone, whose q(z|t) is a flow."""
        return None if isinstance(posterior.distribution, Rows) else super().expected_kl(posterior)

    def draw_terms(self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None) -> Terms:
        if posterior is not None:
            terms = super().draw_terms(batch, num_samples, hold, posterior)
            return replace(terms, penalties=self.penalties_at(batch, terms.z))
        if not self.training or self.subsets == "all":
            return super().draw_terms(batch, num_samples, hold, None)
        shown = batch if self.shows_whole else self.some(batch)
        if self.subsets == "drawn":
            return super().draw_terms(shown, num_samples, hold, None)
        features, head = self._encode(batch), cast(ExpertsOrFlow, self.posterior_head)
        own = self._posterior_of(head.only(features, self._there(shown)))
        terms = super().draw_terms(shown, num_samples, hold, own)
        covering = self.covering(features, terms.z[0].detach())
        whole = (self._there(shown) == self._there(batch)).all(
            -1
        )  # z of q(z|image) does not know the words of the text
        return replace(terms, penalties={"covering": torch.where(whole, covering, 0.0)})

    def penalties_at(self, batch: Batch, z: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """−E[log q(z|t)] at draws of q(z|x), in training where texts are covered."""
        if not self.training or self.subsets != "covered":
            return {}
        return {"covering": self.covering(self._encode(batch), z[0].detach())}

    def covering(self, features: Tensor, z: Tensor) -> Tensor:
        """−E[log q(z|t)] of texts with company, and −E[log q(z)] of nothing [B], at z [K, B, D] of q(z|x) of all.

        Its least is where q(z|t) is the mean of q(z|x, t) over all x of the text: it covers p(z|t), where the bound on
        log p(t) would have it pick a part.
        """
        head = cast(ExpertsOrFlow, self.posterior_head)
        _, there = head.experts_of(features)
        several = there[:, head.text] & (there.sum(-1) > 1)
        log_q = torch.where(several, head.of_text(features).log_prob(z).mean(0), 0.0)
        nothing: Tensor = head(head.only(features, torch.zeros_like(there))).log_prob(z).mean(0)
        return -(log_q + nothing)

    def some(self, batch: Batch) -> Batch:
        """The batch with half of its examples left with some of their modalities, at least one.

        Of modalities that are drawn from, all but texts where those are covered, each stays with ½.
        """
        B = len(batch)
        may_be_alone = [
            self.subsets == "drawn" or self.domain.part(name).alphabet is None for name in self.domain.places
        ]
        here = self._there(batch)
        able = here & torch.tensor(may_be_alone, device=here.device)
        lot = torch.where(able, torch.rand(here.shape, device=here.device), -1.0)
        kept = able & (lot > 0.5)
        kept |= torch.nn.functional.one_hot(lot.argmax(-1), here.shape[1]).bool()
        whole = (torch.rand(B, 1, device=here.device) < 0.5) | ~able.any(-1, keepdim=True)
        kept = torch.where(whole, here, kept & here)
        shown = torch.cat([kept[:, m : m + 1].expand(-1, size) for m, size in enumerate(self.domain.sizes)], -1)
        return replace(batch, observed=shown if batch.observed is None else batch.observed & shown)

    def _there(self, batch: Batch) -> Tensor:
        """Of which modalities something is observed, [B, M]."""
        observed = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed
        return torch.stack([observed[:, place].any(-1) for place in self.domain.places.values()], -1)


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
