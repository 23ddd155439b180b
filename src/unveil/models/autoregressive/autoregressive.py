"""A density of x without latents, by the chain rule: each value is predicted from those before it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...batch import Batch
from ...domain import Domain
from ...errors import RequestError
from ...likelihoods import Likelihood, default_likelihood
from ...model import Drawn, Model
from ...model.shared.labelled import Condition, Conditioned, classes_of
from ...model.shared.labels import every_label, log_label_prior, one_hot
from ...model.shared.networks import check_sizes, default_width
from ...nn.chain import ChainNetwork
from ...registry import lookup, register
from .any_order import AnyOrder
from .rule import WithoutLatents

CHANNELS, DEPTH = 64, 4  # of the convolutions over an image's cells


@register("model", "autoregressive")
class Autoregressive(WithoutLatents, Conditioned):
    """p(x) = Π_d p(x_d|x_1, …, x_{d−1}): log p(x) is exact, in one pass; drawing takes as many passes as x has values.

    It is a baseline: `unveil compare` says how many nats a model with latents loses or gains against it. Where x has
    gaps, the product runs over the observed values, and each is given the observed ones before it.

    With C classes it is p(x|y); where a label is not observed, log p(x) = log Σ_y p(y) p(x|y), exactly.

    References: van den Oord et al., Conditional Image Generation with PixelCNN Decoders (2016); Germain et al., MADE
    (2015).

    Arguments:
        likelihood: p(x_d|h_d), whose features h_d are a network of x_1, …, x_{d−1}; it knows the domain.
        width, depth: as for `build`, from 1.
        num_classes: C, or 0 without a condition.
        sees_missing: whether the network is given the mask; without it, what is missing enters as the mean.
    """

    summary = "no latents: exact log p(x) by the chain rule, as a baseline"

    def __init__(
        self,
        likelihood: Likelihood,
        *,
        width: int = 128,
        depth: int = DEPTH,
        num_classes: int = 0,
        sees_missing: bool = False,
    ) -> None:
        super().__init__()
        for key, size in (("width", width), ("depth", depth)):
            if size < 1:
                raise RequestError(f"model.{key} is {size}; it takes a whole number from 1 upwards, or 0 to pick.")
        if likelihood.domain.alphabet is not None:
            raise RequestError(
                f"autoregressive makes a chain of values and x is {likelihood.domain}, which is one already; use the "
                "model 'vae'."
            )
        if not likelihood.factorises:
            raise RequestError(
                f"The likelihood {likelihood.registered[1]!r} of colours is itself a chain over the channels; take "
                "likelihood=discretized_logistic, whose channels this model chains."
            )
        self.likelihood = likelihood
        self.expect_x(sees_missing)
        self.network = ChainNetwork(
            self.domain.shape,
            likelihood.params_per_dim,
            per_value=1 + sees_missing,
            condition=num_classes,
            width=width,
            depth=depth,
        )
        self.expect_labels(num_classes)

    @classmethod
    def build(
        cls,
        domain: Domain,
        num_classes: int = 0,
        has_missing: bool = False,
        *,
        width: int = 0,
        depth: int = 0,
        condition: Condition = "none",
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> Model:
        """An autoregressive model of a domain, from a few choices; of a mixed table any_order.

        Arguments:
            width: channels of the convolutions (images), or hidden units of the masked layers (vectors); 0 picks.
            depth: gated or residual blocks; 0 picks.
            condition: label gives p(x|y); rows without a label are summed over y.

        Context: num_classes of the data's labels, has_missing entries of x.
        """
        check_sizes(width=width, depth=depth)
        if domain.columns is not None:
            if classes_of(condition, num_classes):
                raise RequestError(
                    "model.condition=label came for a table; leave data.label out: a label is a column, too."
                )
            return AnyOrder.build(domain, width=width, depth=depth, likelihood=likelihood)
        p_x = (likelihood or lookup("likelihood", _own_likelihood(domain)))(domain)
        picked = CHANNELS if domain.is_image else default_width(domain, "mlp")
        return cls(
            p_x,
            width=width or picked,
            depth=depth or (DEPTH if domain.is_image else 2),
            num_classes=classes_of(condition, num_classes),
            sees_missing=has_missing,
        )

    @property
    def story(self) -> str:
        how = "convolutions over cells and masked layers in them" if self.domain.is_image else "masked layers"
        return f"likelihood {self.likelihood.registered[1]} because x is {self.domain}, {how}, no latents"

    def log_prob(self, batch: Batch) -> Tensor:
        """log p(x) or, where labels are given, log p(x|y), [B]."""
        if not self.misses_labels(batch):
            return self._log_px(batch)
        return self.log_label(batch)[0].logsumexp(0)

    def _log_px(self, batch: Batch) -> Tensor:
        h = self._features(self._values(batch), batch.y)
        return self.likelihood(h, batch.observed).log_prob(batch.x)

    def log_label(self, batch: Batch, z: tuple[Tensor, ...] = ()) -> Tensor:
        """log p(y) p(x|y), [1, C, B]."""
        log_px = self._log_px(every_label(batch, self.num_classes)).unflatten(0, (self.num_classes, -1))
        return (log_px + log_label_prior(batch, self.log_frequency)).unsqueeze(0)

    def _values(self, batch: Batch) -> Tensor:
        """The inputs of the network for each value, [B, V, D]: the scaled value and, if the model sees it, the mask."""
        values = [self.scaled(batch), *([self.mask(batch)] if self.sees_missing else [])]
        return torch.stack([each.flatten(1) for each in values], 1)

    def _features(self, values: Tensor, y: Tensor | None) -> Tensor:
        """The likelihood's features [B, P·D]."""
        with self.network_precision(self.network_dtype):
            h = self.network(values, self._condition(y))
        return h.to(values.dtype)

    def _condition(self, y: Tensor | None) -> Tensor | None:
        return one_hot(y, self.num_classes) if self.num_classes and y is not None else None

    def decode(self, z: tuple[Tensor, ...] | Tensor = (), y: Tensor | None = None) -> Distribution:
        """p(x), or p(x|y) with batch shape [B]."""
        if self.num_classes and y is None:
            raise RequestError("This model is p(x|y): its density of x takes the labels y [B].")
        return super().decode(z, y)

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        return super().sample(num_samples, self.draw_labels(num_samples) if y is None else y, temperature)

    @torch.no_grad()
    def draw(self, num_samples: int, y: Tensor | None = None) -> Tensor:
        """x [N, *shape] from p(x) or p(x|y), one value after the other."""
        network, condition, N, D = self.network, self._condition(y), num_samples, self.domain.num_dims
        x = self.centre.expand(N, *self.domain.shape).flatten(1).clone()
        centre, spread = (t.expand(self.domain.shape).flatten() for t in (self.centre, self.spread))
        values = x.new_zeros(N, 1 + self.sees_missing, D)
        values[:, 1:] = 1.0
        h = x.new_zeros(N, self.likelihood.params_per_dim, D)
        for cell, places in enumerate(network.places.tolist()):
            context = network.before(values, condition, cell)
            for k, d in enumerate(places):
                if d < D:  # beyond the edges there is nothing to draw
                    h[:, :, d] = network.of_cell(values, context, cell)[..., k]
                    x[:, d] = self.likelihood(h.flatten(1)).sample().flatten(1)[:, d]
                    values[:, 0, d] = (x[:, d] - centre[d]) / spread[d]
        return x.unflatten(1, self.domain.shape)

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        self.start_x(batch)
        self.count_labels(batch)

    def explained(self, batch: Batch) -> Distribution:
        return self.likelihood(self._features(self._values(batch), self.label(batch)))


def _own_likelihood(domain: Domain) -> str:
    """The default likelihood. It has parameters of its own for each value: the network says what values share."""
    if domain.kind == "real":
        return "gaussian_predicted"
    if domain.kind == "levels" and domain.levels > 32 and not (domain.is_image and domain.image_shape[2] == 3):
        return "discretized_logistic_mixture"
    return default_likelihood(domain)
