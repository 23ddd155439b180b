"""The variational auto-encoder, made of parts."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from ...batch import Batch
from ...domain import Domain
from ...errors import RequestError, at_least
from ...likelihoods import Likelihood, default_likelihood
from ...model import (
    Coordinates,
    Drawn,
    OneGroup,
    OneTransform,
    Posterior,
    evaluating,
    groups_of,
    marginals,
    parameters_in,
)
from ...model.shared.labelled import Condition, Labelled, classes_of
from ...model.shared.linear_start import linear_model, start_linear, starts_given, takes_start
from ...model.shared.networks import (
    ENOUGH,
    SMALL,
    Activation,
    Network,
    choose_network,
    default_prior,
    network_parts,
    own_options,
    sizes,
)
from ...model.shared.scaled import Scaled, view_size
from ...nn.beside import DecoderBeside
from ...nn.linear_posterior import LinearPosterior
from ...nn.masking import join_label, shape_with_mask
from ...ops import keyed
from ...posteriors import PosteriorHead
from ...priors import Prior
from ...registry import describe, lookup, register
from ...terms import Terms

LATENTS = 32
LONG_TABLE = 400  # rows from which a flow as prior brings nats (1 to 9 in four tables) and below which it costs some
SIZES = {"width", "depth", "dropout", "activation"}  # keys that say which network was meant
SUMMED, JUDGED = 64, 1024  # most values of z that training sums over instead of drawing, and that judging sums over


@register("model", "vae")
class VAE(Labelled, Scaled):
    """p(x, z) = p(z) p(x|z), with q(z|x) from one pass of an encoder.

    log p(x) ≥ E_q[log p(x|z)] − KL(q(z|x)‖p(z))

    With C classes it is conditioned on the label y: p(x|y) = ∫ p(z) p(x|z, y) dz. Where a label is not observed it is
    marginalised exactly (`shared/labels.py`), and log p(x) = log Σ_y p(y) p(x|y), p(y) being the class frequencies.

    Where z takes few values (a small discrete prior) all of them are summed over, and log p(x) is exact.

    References: Kingma & Welling, Auto-Encoding Variational Bayes (2014), eq. 3; Sohn et al., Learning Structured Output
    Representation using Deep Conditional Generative Models (2015).

    Arguments:
        prior: p(z).
        encoder: any module from x [B, *shape], centred and scaled by the training data, to features [B, F]; with
            `sees_missing`, from x and the mask of what is observed, joined along the last dimension.
        posterior: the head from features, and the label as C numbers where there is one, to q(z|x).
        decoder: any module from z [..., S], and the label as C numbers, to the likelihood's features [..., P·D_x].
        likelihood: p(x|z); it knows the domain.
        num_classes: C, or 0 without a condition.
        sees_missing: whether the encoder is given the mask; without it, what is missing enters as the mean.
        linear: the posterior of a linear model, whose features come last; with it the model starts as that model, for
            which the decoder has a map of z that is called `linear`, and the likelihood a `slope`.
    """

    summary = "one latent group, an encoder and a decoder"
    decoder_dtype = torch.float32

    def __init__(
        self,
        prior: Prior,
        encoder: nn.Module,
        posterior: PosteriorHead,
        decoder: nn.Module,
        likelihood: Likelihood,
        *,
        num_classes: int = 0,
        sees_missing: bool = False,
        linear: LinearPosterior | None = None,
    ) -> None:
        super().__init__()
        _require_same_support(prior, posterior)
        if num_classes and prior.shares_encoder:
            raise RequestError(
                f"The prior {prior.registered[1]!r} is made of q(z|x), which in a model conditioned on labels takes a "
                "label, too; choose another, such as prior=mixture."
            )
        self.prior, self.encoder, self.posterior_head = prior, encoder, posterior
        self.decoder, self.likelihood = decoder, likelihood
        self.linear = linear
        self.expect_x(sees_missing)
        self.expect_labels(num_classes)
        self._require_sizes()
        prior.attach(self.q, self.domain.shape)
        self._gives = self._facts()
        if linear is not None:  # the start is an optimum: judged like what follows, and left by no warm-up
            self.starts_fitted, self.warmup = True, 0.0

    @classmethod
    def build(
        cls,
        domain: Domain,
        num_classes: int = 0,
        has_missing: bool = False,
        num_examples: int = 0,
        *,
        latent: int = LATENTS,
        network: Network = "auto",
        width: int = 0,
        depth: int = 0,
        dropout: float = 0.0,
        activation: Activation = "auto",
        condition: Condition = "none",
        prior: Callable[..., Prior] | None = None,
        posterior: Callable[..., PosteriorHead] | None = None,
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> VAE:
        """A VAE for a domain, from a few choices.

        Arguments:
            latent: D, the number of latents.
            network: "mlp", "patch" and "conv" (images), "plain" (feed-forward, as in the literature), "linear" (p(x|z)
                linear in z before the likelihood: factor analysis for columns of any kinds), or "auto".
            width: units per layer, or channels at the finest resolution; 0 picks by the size of x.
            depth: residual blocks (conv: per resolution), or layers (plain); 0 picks.
            dropout: share of the encoder's inputs dropped while training (mlp).
            activation: of plain networks; auto takes tanh.
            condition: label gives p(x|z, y); rows without a label are marginalised over y.

        Context: num_classes of the data's labels, has_missing entries of x, num_examples to train on.
        """
        at_least(1, "model.latent", latent, 100_000)
        name = choose_network(domain, network)
        size = sizes(domain, name, width, depth)
        both, in_encoder = own_options(name, dropout, activation)
        classes = classes_of(condition, num_classes)
        p_x = (likelihood or lookup("likelihood", default_likelihood(domain)))(domain)
        long_table = domain.kind in ("real", "mixed") and not domain.is_image and num_examples >= LONG_TABLE
        usual = "realnvp" if long_table and name != "linear" else default_prior(domain, num_examples)
        p_z = (prior or lookup("prior", usual))(latent)
        head = posterior or functools.partial(lookup("posterior", p_z.posterior), **p_z.for_posterior)
        shown = view_size(p_x)
        seen = (shown,) if shown else shape_with_mask(domain.shape) if has_missing else domain.shape
        encoder_name, decoder_name = network_parts(name)
        encoder = lookup("encoder", encoder_name)(seen, **size, **both, **in_encoder)
        inputs = p_z.num_values + classes
        in_decoder = {} if decoder_name == "linear" else size | both
        decoder = lookup("decoder", decoder_name)(inputs, p_x.feature_shape, p_x.params_per_dim, **in_decoder)
        linear = None
        if name not in ("plain", "linear") and p_x.slope is not None and takes_start(head) and starts_given(p_z):
            linear = LinearPosterior(domain.num_dims, latent, classes, p_z.num_components)
            if domain.is_image:
                decoder = DecoderBeside(decoder, inputs, domain.shape, p_x.params_per_dim)
        features = encoder.num_features + classes + (linear.num_features if linear else 0)
        q_z = head(features, latent)
        return cls(p_z, encoder, q_z, decoder, p_x, num_classes=classes, sees_missing=has_missing, linear=linear)

    @classmethod
    def leaves_network_open(cls, domain: Domain, num_examples: int, given: Mapping[str, Any]) -> bool:
        """For many small images, where neither the network nor a size of it is given."""
        many_small = domain.is_image and domain.num_dims <= SMALL and num_examples >= ENOUGH
        return many_small and given.get("network", "auto") == "auto" and not SIZES & given.keys()

    @classmethod
    def sizes_for(
        cls, domain: Domain, x: Tensor, observed: Tensor | None, num_examples: int, given: Mapping[str, Any]
    ) -> tuple[int, int]:
        """Those of the best linear model of x, where p(x|z) can be linear.

        More latents than the usual ones; in a short table with more rows than columns as few as it has, and the
        components that they follow. A wider one is better off with latents to spare.
        """
        near = lookup("likelihood", given.get("likelihood", default_likelihood(domain)))(domain).slope is not None
        short = domain.kind == "real" and not domain.is_image and domain.num_dims < num_examples < LONG_TABLE
        mixes = short and not {"prior", "posterior", "condition", "network"} & given.keys()
        latents = "latent" not in given and (short or domain.num_dims > LATENTS)
        if not near or not (latents or mixes):
            return 0, 0
        found = linear_model(x, observed, domain.is_image, mixes)
        asked, components = max(1, found.factors.W.shape[1]), len(found.log_pi)
        return asked if latents and (short or asked > LATENTS) else 0, components if components > 1 else 0

    @property
    def gives(self) -> frozenset[str]:
        return self._gives

    @torch.no_grad()
    def _require_sizes(self) -> None:
        """Refuse parts that do not fit each other, by the sizes that came."""
        label = self.num_classes + (self.linear.num_features if self.linear else 0)
        seen, z = torch.zeros(1, *self.seen_shape), torch.zeros(1, self.prior.num_values + self.num_classes)
        for name, part, given, wanted, by in (
            ("encoder", self.encoder, seen, self.posterior_head.num_features - label, "posterior"),
            ("decoder", self.decoder, z, self.likelihood.num_outputs, "likelihood"),
        ):
            with evaluating(part), keyed("sizes"):
                try:
                    came = tuple(part(given.to(next(part.parameters(), given).device)).shape)
                except RuntimeError as error:
                    took = f"The {name} does not take an input of shape {tuple(given.shape)}"
                    raise RequestError(f"{took}: {' '.join(str(error).split())}.") from error
            if came != (1, wanted):
                raise RequestError(f"The {name} gives {came} for one example, and the {by} takes (1, {wanted}).")

    @torch.no_grad()
    def _facts(self) -> frozenset[str]:
        facts = {"log_w", "joint"}
        q, p = self.posterior_head(torch.zeros(1, self.posterior_head.num_features)), self.prior()
        if q.event_shape != p.event_shape:
            raise RequestError(
                f"The prior's z has {p.event_shape[0]} values and the posterior's {q.event_shape[0]}; give both the "
                "same number of latents and of categories."
            )
        if q.has_rsample:  # straight through, a discrete z has a gradient, but a relaxed one
            facts |= {"rsample", "pathwise"} if self.posterior_head.support == "real" else {"rsample"}
        if not {id(p) for p in self.parameters_of("p")} & {id(p) for p in self.parameters_of("q")}:
            facts.add("split_q")
        with contextlib.suppress(NotImplementedError):  # no closed form is an answer, not a failure
            kl_divergence(q, p)
            facts.add("kl")
        if marginals(q) is not None:
            facts.add("marginals")
        if not self.num_classes:
            num_values = getattr(q, "num_support", math.inf)
            facts |= {"exact"} if num_values <= JUDGED else set()
            facts |= {"enumerate"} if num_values <= SUMMED else set()
        return frozenset(facts)

    @property
    def story(self) -> str:
        network = "own" if "class" in describe(self.encoder) else describe(self.encoder)["name"]
        return (
            f"likelihood {self.likelihood.registered[1]} because x is {self.domain}, {network} network, "
            f"{self.prior.num_latents} latents"
        )

    def q(self, x: Tensor) -> Distribution:
        """q(z|x) of x [B, *shape] that is observed in full, of a model without a condition."""
        return self.posterior_head(self._encode(Batch(x)))

    def posterior_given_label(self, batch: Batch) -> Posterior:
        return self._posterior_of(self._encode(batch))

    def joint_given_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        log_px_z = self.likelihood(self._features(z[0], batch.y), batch.observed).log_prob(batch.x)
        return Terms(log_px_z=log_px_z, log_pz=self.prior(batch.y).log_prob(z[0]).unsqueeze(-1), z=z)

    def log_pz(self, batch: Batch, z: tuple[Tensor, ...]) -> Tensor:
        hidden = self.misses_labels(batch)
        return super().log_pz(batch, z) if hidden else self.prior(batch.y).log_prob(z[0]).unsqueeze(-1)

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        return self.likelihood(self._features(groups_of(z)[0], y))

    def coordinates(self, batch: Batch) -> Coordinates:
        return OneTransform(self.prior.base(batch.y)[1])

    def expected_kl(self, posterior: Posterior) -> Tensor | None:
        if "kl" not in self._gives or posterior.distribution is None:
            return None
        return kl_divergence(posterior.distribution, self.prior()).unsqueeze(-1)  # [B, 1]

    def enumerate(self, batch: Batch) -> Terms:
        """All M values of z, with the weights q(z|x)."""
        if "exact" not in self._gives:
            return super().enumerate(batch)
        q = self.posterior_head(self._encode(batch))
        support: Tensor = q.enumerate_support(expand=False)  # [M, S]
        z = support.unsqueeze(1).expand(-1, len(batch), -1)
        terms, log_q = self.joint(batch, (z,)), q.log_prob(z)  # [M, B]
        return replace(terms, log_qz_x=log_q.unsqueeze(-1), log_m=log_q)

    def log_prob(self, batch: Batch) -> Tensor:
        """log p(x) = log Σ_z p(z) p(x|z), [B], for a z of few values."""
        return super().log_prob(batch) if "exact" not in self._gives else self.enumerate(batch).bound

    @torch.no_grad()
    def draw_prior(self, num_samples: int, y: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.prior.draw(num_samples, y),)

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        y = self.draw_labels(num_samples) if y is None else y
        z = self.prior.draw(num_samples, y, temperature)
        return self.decode((z,), y).sample(), (z,)

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        self.start_x(batch)
        self.likelihood.leave_spread()
        self.prior.initialise(batch.x)
        self.count_labels(batch)
        if self.linear is not None and batch.z is None:  # known z have places and signs of their own
            start_linear(self, batch)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        q = [self.encoder, self.posterior_head]
        p = [self.prior, self.decoder, self.likelihood, *(q if self.prior.shares_encoder else [])]
        return parameters_in(part, p=p, q=q, prior=[self.prior])

    @torch.no_grad()
    def rate_per_dimension(self, batch: Batch) -> Tensor | None:
        """KL(q(z_d|x)‖p(z_d)) [B, D], where both q and p are products of normals."""
        q, p = self.posterior(batch).distribution, self.prior(batch.y)
        if q is None or not (_factorises(q) and _factorises(p)):
            return None
        return kl_divergence(q.base_dist, p.base_dist)  # type: ignore[attr-defined]

    @torch.no_grad()
    def encode(self, batch: Batch) -> Tensor | None:
        """The features of q(z|x), and log p(x|z) and log q(z|x) at one draw, [B, F + 2]; of real z without a label."""
        if self.num_classes or self.prior.shares_encoder or self.posterior_head.support != "real":
            return None
        features = self._encode(batch)
        z, log_q = self._posterior_of(features).draw(1)
        kept = [self.joint(batch, z).log_px_z.mT, log_q.squeeze(-1).mT]
        return torch.cat([features, *(log_p.to(features.dtype) for log_p in kept)], -1)

    def encoded_terms(self, encoded: Tensor) -> Terms:
        features, log_px_z, log_q = encoded.split([encoded.shape[-1] - 2, 1, 1], -1)
        z = self.posterior_head(features).sample((1,))
        log_pz = self.prior().log_prob(z).unsqueeze(-1)
        return Terms(log_px_z=log_px_z.mT, log_pz=log_pz, log_qz_x=log_q.mT.unsqueeze(-1), z=(z,))

    def _posterior_of(self, features: Tensor) -> Posterior:
        """q(z|x) of what the encoder gives."""
        return OneGroup(
            lambda hold: self.posterior_head(features.detach() if hold else features), self.parameters_of("q")
        )

    def _encode(self, batch: Batch) -> Tensor:
        """Features [B, F], with the label as C numbers after them."""
        x = self.seen(batch)
        with self.network_precision(self.network_dtype):
            features = self.encoder(x)
        label = self.encoded(batch.y)
        features = join_label(features.to(x.dtype), label)
        if self.linear is None:
            return features
        return torch.cat([features, self.linear(self.scaled(batch), batch.observed, label)], -1)

    def _features(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        with self.network_precision(self.network_dtype, self.decoder_dtype):
            h = self.decoder(join_label(z, self.encoded(y)))
        return h.to(z.dtype)


def _factorises(distribution: Distribution) -> bool:
    return isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal)


def _require_same_support(prior: Prior, posterior: PosteriorHead) -> None:
    if prior.support != posterior.support:
        raise RequestError(
            f"The prior {prior.registered[1]!r} is over {prior.support} z and the posterior "
            f"{posterior.registered[1]!r} over {posterior.support} z; with this prior take the posterior "
            f"{prior.posterior!r}."
        )
