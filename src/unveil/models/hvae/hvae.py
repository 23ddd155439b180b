"""The hierarchical VAE: several latent groups, each with a prior made of the groups above it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from ...batch import Batch
from ...domain import Domain
from ...errors import RequestError, at_least
from ...likelihoods import Likelihood, default_likelihood
from ...model import Coordinates, Drawn, OneTransform, Posterior, groups_of, held, parameters_in
from ...model.shared.labelled import Condition, Labelled, classes_of
from ...model.shared.networks import check_sizes, default_prior
from ...model.shared.scaled import Scaled
from ...nn.hierarchy import Choose, Gaussian, Ladder, Pass
from ...nn.rungs import Inference, Network, ladder
from ...panels import Panel
from ...priors import Prior
from ...registry import lookup, register
from ...terms import Terms, stack_groups
from .defaults import check_prior, picked
from .gaussians import drawing, independent, kl_normal, log_normal, log_q, moved
from .switching import groups_switched_on

MOST_GROUPS = 1_000


@register("model", "hvae")
class HVAE(Labelled, Scaled):
    """p(x, z) = p(z_L) Π_l p(z_l|z_>l) p(x|z), with q(z|x) = q(z_L|x) Π_l q(z_l|z_>l, x), from the top downwards.

    log p(x) ≥ E_q[log p(x|z) − Σ_l KL(q(z_l|z_>l, x)‖p(z_l|z_>l))]

    With inference=bottom_up it is the plain Markov chain instead, q(z|x) = q(z1|x) Π_l q(z_{l+1}|z_l), whose p and q
    share no weights. Groups are named from below, z1, and z_L is on top. A label conditions all but p(z_L).

    References: Sønderby et al., Ladder Variational Autoencoders (2016); Vahdat & Kautz, NVAE (2020), §3.2; Child, Very
    Deep VAEs (2021), §3.

    Arguments:
        prior: p(z_L), over real z.
        likelihood: p(x|z); it knows the domain.
        num_groups: L ≥ 2.
        cell: latents of each cell of the groups on a grid; 0 where there is none.
        network, inference, width, depth: as for `build`, without "auto" and 0.
        num_classes: C, or 0 without a condition.
        sees_missing: whether q is given the mask of what is observed; without it, what is missing enters as the mean.
    """

    summary = "a ladder of latent groups, each with a prior made of those above it"
    decoder_dtype = torch.float32

    def __init__(
        self,
        prior: Prior,
        likelihood: Likelihood,
        *,
        num_groups: int,
        cell: int,
        network: Literal["mlp", "grid"],
        inference: Inference,
        width: int,
        depth: int,
        num_classes: int = 0,
        sees_missing: bool = False,
    ) -> None:
        super().__init__()
        at_least(1, "model.num_groups", num_groups, MOST_GROUPS)
        self.prior, self.likelihood, self.network = prior, likelihood, network
        self.expect_x(sees_missing)
        self.groups = tuple(f"z{i + 1}" for i in range(num_groups))
        ends = (self.seen_shape, likelihood.feature_shape, likelihood.params_per_dim)
        self.ladder: Ladder = ladder(
            ends, network, inference, num_groups, prior.num_latents, cell, width, depth, num_classes
        )
        self.expect_labels(num_classes)
        check_prior(prior, self.ladder, num_classes)
        prior.attach(self.q_top, self.domain.shape)
        self._gives = self._facts()

    @classmethod
    def build(
        cls,
        domain: Domain,
        num_classes: int = 0,
        has_missing: bool = False,
        num_examples: int = 0,
        *,
        latent: int = 0,
        num_groups: int = 0,
        cell: int = 0,
        network: Network = "auto",
        inference: Inference = "top_down",
        width: int = 0,
        depth: int = 0,
        condition: Condition = "none",
        prior: Callable[..., Prior] | None = None,
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> HVAE:
        """A ladder for a domain, from a few choices.

        Arguments:
            latent: latents of the top group, and of every group of an mlp; 0 picks.
            num_groups: L, from 2 upwards; 0 picks.
            cell: latents of each cell of the groups on a grid; 0 picks.
            network: "mlp", or for images "grid": groups on a grid of at most 8×8 cells and a vector on top; or "auto".
            inference: top_down, where q goes the way of p, or bottom_up, the plain Markov chain.
            width: features of a cell, or units per layer; 0 picks.
            depth: residual blocks before each group; 0 picks.
            condition: label gives p(x|z, y); rows without a label are marginalised over y.

        Context: num_classes of the data's labels, has_missing entries of x, num_examples to train on.
        """
        check_sizes(width=width, depth=depth, num_groups=num_groups)
        chosen = picked(domain, network, latent, num_groups, cell, width, depth)
        latent = chosen.pop("latent")
        p_x = (likelihood or lookup("likelihood", default_likelihood(domain)))(domain)
        p_z = (prior or lookup("prior", default_prior(domain, num_examples)))(latent)
        classes = classes_of(condition, num_classes)
        return cls(p_z, p_x, **chosen, inference=inference, num_classes=classes, sees_missing=has_missing)

    @property
    def gives(self) -> frozenset[str]:
        return self._gives

    @torch.no_grad()
    def _facts(self) -> frozenset[str]:
        facts = {"log_w", "joint", "rsample", "pathwise", "kl"}
        if not {id(p) for p in self.parameters_of("p")} & {id(p) for p in self.parameters_of("q")}:
            facts.add("split_q")
        return frozenset(facts)

    @functools.cached_property
    def _has_closed_top(self) -> bool:
        """Whether the KL of the top group has a closed form."""
        with torch.no_grad(), contextlib.suppress(NotImplementedError):
            kl_divergence(independent((self.centre.new_zeros(self.prior.num_latents),) * 2), self.prior())
            return True
        return False

    @property
    def story(self) -> str:
        sizes = " + ".join(map(str, self.ladder.sizes))
        return (
            f"likelihood {self.likelihood.registered[1]} because x is {self.domain}, {self.network} network, "
            f"{sizes} latents from below"
        )

    def q_top(self, x: Tensor) -> Distribution:
        """q(z_L|x) of x [B, *shape] that is observed in full, of a model without a condition."""
        top = self.ladder.top(self.features(Batch(x)))
        assert top is not None
        return independent(top)

    def posterior_given_label(self, batch: Batch) -> Posterior:
        return LadderPosterior(self, self.features(batch), self.encoded(batch.y))

    def joint_given_label(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        found = self.visit(lambda i, p, q: z[i], None, self.encoded(batch.y))
        return Terms(self._log_px_z(batch, found), self._log_pz(found, batch.y), z=z)

    def terms_given_label(
        self, batch: Batch, num_samples: int, hold: frozenset[str], posterior: Posterior | None
    ) -> Terms:
        """One pass of the ladder gives the draws, q and p. A posterior of another kind is drawn from by itself."""
        own = self.posterior_given_label(batch) if posterior is None else posterior
        if hold or not isinstance(own, LadderPosterior):
            return super().terms_given_label(batch, num_samples, hold, own)
        found = own.visit(self.drawing(num_samples))
        log_pz, log_qz_x = self._log_pz(found, batch.y), log_q(found)
        kl = self._kl(found, log_qz_x - log_pz, batch.y)
        return Terms(self._log_px_z(batch, found), log_pz, log_qz_x, kl, z=found.z)

    def _log_px_z(self, batch: Batch, found: Pass) -> Tensor:
        return self.likelihood(self._decoded(found), batch.observed).log_prob(batch.x)

    def _log_pz(self, found: Pass, y: Tensor | None) -> Tensor:
        """log p(z_l|z_>l) [K, B, L]."""
        lower = (log_normal(z, p) for z, p in zip(found.z[:-1], found.p, strict=True))
        return stack_groups(*lower, self.prior(y).log_prob(found.z[-1]))

    def _kl(self, found: Pass, sampled: Tensor, y: Tensor | None) -> Tensor:
        """The expected KL of each group given the draws above it; sampled where that has no closed form.

        In the Markov chain upwards z_{l+1} was drawn from z_l, so there all but the top is sampled.
        """
        kl = list(sampled.unbind(-1))
        if self.ladder.downward:
            kl[:-1] = [kl_normal(q, p) for q, p in zip(found.q[:-1], found.p, strict=True)]
        if self._has_closed_top:
            kl[-1] = kl_divergence(independent(found.q[-1]), self.prior(y)).expand_as(kl[-1])
        return stack_groups(*kl)

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        z = groups_of(z, len(self.groups))
        return self.likelihood(self._decoded(self.visit(lambda i, p, q: z[i], None, self.encoded(y))))

    def coordinates(self, batch: Batch) -> Coordinates:
        return OneTransform(self.prior.base(batch.y)[1])

    def features(self, batch: Batch) -> tuple[Tensor, ...]:
        """The features of x that q uses, a tuple of tensors [B, …]."""
        with self._reduced():
            return self.ladder.features(self.seen(batch), self.encoded(batch.y))

    def visit(self, choose: Choose, features: tuple[Tensor, ...] | None, label: Tensor | None) -> Pass:
        """One pass of the ladder; `choose` and all densities see float32 (or what the weights are)."""
        with self._reduced():
            return self.ladder(choose, features, label)

    def drawing(self, num_samples: int) -> Choose:
        """Draws from q, group by group in the order in which the ladder visits them."""
        sizes = self.ladder.sizes
        return drawing(num_samples, sizes[::-1] if self.ladder.downward else sizes)

    def _decoded(self, found: Pass) -> Tensor:
        """Features of the likelihood [..., P·D]."""
        with self.network_precision(self.network_dtype, self.decoder_dtype):
            h = self.ladder.decode(found.h)
        lead = found.z[0].shape[:-1]
        return h.to(found.z[0].dtype).reshape(*lead, h.shape[-1])

    def _reduced(self) -> torch.autocast:
        """The precision of the ladder, which p and q share; of what is below z1, `_decoded` decides by itself."""
        return self.network_precision(self.network_dtype)

    @torch.no_grad()
    def draw_prior(self, num_samples: int, y: Tensor | None = None) -> tuple[Tensor, ...]:
        y = self.draw_labels(num_samples) if y is None else y
        return self.draw(num_samples, y, [1.0] * len(self.groups)).z

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float | Sequence[float] = 1.0) -> Drawn:
        """As in `Model`; a temperature for each group, z1 first, or one for all."""
        y = self.draw_labels(num_samples) if y is None else y
        found = self.draw(num_samples, y, self._temperatures(temperature))
        return self.likelihood(self._decoded(found)).sample(), found.z

    def draw(self, num_samples: int, y: Tensor | None, temperatures: Sequence[float]) -> Pass:
        """z from p(z), the spread of each group scaled by its temperature; noise does not depend on temperatures."""
        top = self.prior.draw(num_samples, y, temperatures[-1])

        def choose(i: int, p: Gaussian | None, q: Gaussian | None) -> Tensor:
            return top if p is None else moved(p, temperatures[i] * torch.randn_like(p[0]))

        return self.visit(choose, None, self.encoded(y))

    @torch.no_grad()
    def completed(self, z: tuple[Tensor, ...], first: int, y: Tensor | None = None) -> Tensor:
        """E[x|z] with the groups before `first` (counted from 0) at the mean that p gives them."""

        def choose(i: int, p: Gaussian | None, q: Gaussian | None) -> Tensor:
            return z[i] if p is None or i >= first else p[0]

        return self.likelihood(self._decoded(self.visit(choose, None, self.encoded(y)))).mean

    def _temperatures(self, temperature: float | Sequence[float]) -> list[float]:
        each = [float(temperature)] * len(self.groups) if isinstance(temperature, int | float) else list(temperature)
        if len(each) != len(self.groups):
            raise RequestError(
                f"{len(each)} temperatures came for {len(self.groups)} latent groups; give one for each, z1 first, or "
                "a single one."
            )
        return each

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        self.start_x(batch)
        self.prior.initialise(batch.x)
        self.count_labels(batch)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        of_p, q = self.ladder.parts()
        p = [self.prior, *of_p, self.likelihood, *(q if self.prior.shares_encoder else [])]
        return parameters_in(part, p=p, q=q, prior=[self.prior])

    @torch.no_grad()
    def panels(self, batch: Batch) -> tuple[Panel, ...]:
        return groups_switched_on(self, batch)


class LadderPosterior(Posterior):
    """q(z|x) of a ladder. Only the first group drawn has a mean in closed form, so figures show averages of draws.

    Arguments: model; features of x; label [B, C], or None.
    """

    def __init__(self, model: HVAE, features: tuple[Tensor, ...], label: Tensor | None) -> None:
        self._model, self._features, self._label = model, features, label

    def visit(self, choose: Choose) -> Pass:
        """One pass of the ladder over these x."""
        return self._model.visit(choose, self._features, self._label)

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        found = self.visit(self._model.drawing(num_samples))
        return found.z, log_q(found)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        features = tuple(h.detach() for h in self._features) if hold else self._features
        with held(self._model.parameters_of("q")) if hold else contextlib.nullcontext():
            return log_q(self._model.visit(lambda i, p, q: z[i], features, self._label))
