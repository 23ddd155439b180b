"""A density of the rows of a table by the chain rule, in any order of the columns."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ...batch import Batch
from ...distributions import EventSum, TableColumns
from ...distributions.given import mean_given
from ...domain import Domain
from ...errors import RequestError
from ...likelihoods import Columns, Likelihood, default_likelihood
from ...model.shared.networks import check_sizes
from ...nn.linear_guess import LinearGuess
from ...nn.mlp import perceptron
from ...nn.residual import small
from ...registry import lookup, register
from .rule import WithoutLatents

WIDTH, DEPTH, ORDERS = 256, 2, 4
STEPS = 32  # most passes for one order: in a wider table columns go in groups, independent given those before
CHUNK = 2**14  # rows of the network at once, while x is drawn
ORDERS_OF_DRAWS = 8


@register("model", "any_order")
class AnyOrder(WithoutLatents):
    """p(x) = 1/K Σ_k Π_d p(x_d|those before it in the order k): a mixture over K orders of the columns of a table.

    One network predicts every column from any set of others. It is trained on sets drawn at random, which climbs the
    mean of log p over all orders, a lower bound on the log of their mixture. log p(x) over K fixed orders is exact. So
    is p(x_d|all other columns), of the orders that end in d; a gap is filled by an order that begins with what is
    observed. Where x has gaps, the product runs over what is observed; where gaps are modelled, over all outcomes.

    Beside the columns that are given the network sees what these say linearly of the others (`LinearGuess`). That is
    solved for before the first step; of short tables it is most of what can be learned.

    In a table of more than 32 columns the order is one of 32 groups, whose columns are independent given those before.

    References: Uria, Murray & Larochelle, A Deep and Tractable Density Estimator (2014), eq. 7–10; Hoogeboom et al.,
    Autoregressive Diffusion Models (2022), §3.

    Arguments:
        likelihood: p(x_d|h_d) of each column; it knows the domain.
        width, depth: hidden units and residual blocks.
        num_orders: K.
        order_seed: what the K orders are drawn by.
    """

    summary = "no latents: exact log p(row) of a table, any column given any others"
    domains = ("mixed",)
    orders: Tensor

    def __init__(
        self,
        likelihood: Likelihood,
        *,
        width: int = WIDTH,
        depth: int = DEPTH,
        num_orders: int = ORDERS,
        order_seed: int = 0,
    ) -> None:
        super().__init__()
        for key, size in (("width", width), ("depth", depth), ("num_orders", num_orders)):
            if size < 1:
                raise RequestError(f"model.{key} is {size}; it takes a whole number from 1 upwards.")
        if not isinstance(likelihood, Columns):
            raise RequestError(
                f"any_order is a model of mixed tables and x is {likelihood.domain}; use the model 'autoregressive'."
            )
        self.likelihood: Columns = likelihood
        self.expect_x(True)
        assert self.view is not None
        self.guess = LinearGuess(self.view.num_told, self.view.blocks)
        self.num_orders, features = num_orders, self.view.num_features + self.guess.rank
        self.body = perceptron(features, width, depth)
        self.out = small(nn.Linear(width, likelihood.num_outputs), 0.1)
        self.linear = small(nn.Linear(features, likelihood.num_outputs, bias=False), 0.1)
        D = self.domain.num_dims
        draws = torch.Generator().manual_seed(order_seed)
        self.register_buffer("orders", torch.stack([torch.randperm(D, generator=draws) for _ in range(num_orders)]))
        self.starts = [round(D * step / min(D, STEPS)) for step in range(min(D, STEPS) + 1)]
        self.passes = num_orders * (len(self.starts) - 1)

    @classmethod
    def build(
        cls,
        domain: Domain,
        *,
        width: int = 0,
        depth: int = 0,
        num_orders: int = ORDERS,
        likelihood: Callable[..., Likelihood] | None = None,
    ) -> AnyOrder:
        """A model of the columns of a table in any order, from a few choices.

        Arguments:
            width: hidden units; 0 picks.
            depth: residual blocks; 0 picks.
            num_orders: K, the orders that log p(x) is a mixture of.
        """
        check_sizes(width=width, depth=depth)
        p_x = (likelihood or lookup("likelihood", default_likelihood(domain)))(domain)
        return cls(p_x, width=width or WIDTH, depth=depth or DEPTH, num_orders=num_orders)

    @property
    def gives(self) -> frozenset[str]:
        return super().gives | {"conditionals"}

    @property
    def story(self) -> str:
        return (
            f"likelihood {self.likelihood.registered[1]} because x is {self.domain}, columns in any order, no latents"
        )

    def log_prob(self, batch: Batch) -> Tensor:
        """log p(x) over what is observed, [B]."""
        features = self._features(batch)
        each = [self._log_p_in_order(batch, features, order) for order in self.orders]
        return torch.stack(each).logsumexp(0) - math.log(self.num_orders)

    def _features(self, batch: Batch) -> Tensor:
        """What a network could be shown of x, [B, F]."""
        assert self.view is not None
        found: Tensor = self.view(batch.x, self.mask(batch) > 0)
        return found

    def _log_p_in_order(self, batch: Batch, features: Tensor, order: Tensor) -> Tensor:
        """Σ_d log p(x_d|those before it in the order), [B]."""
        seen, total = self.mask(batch) > 0, batch.x.new_zeros(len(batch))
        x = torch.where(seen, batch.x, 0.0)
        rank = order.argsort()  # [D], the place of each column
        for first, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            hidden = self._hidden(features, seen & (rank < first))
            for d in order[first:end].tolist():
                total = total + EventSum(self._one(hidden, d), 1, seen[:, d : d + 1]).log_prob(x[:, d : d + 1])
        return total

    def _log_p_at_random(self, batch: Batch) -> Tensor:
        """An unbiased estimate of the mean of log p(x) over all orders, [B]: a random set of columns is given."""
        seen, D = self.mask(batch) > 0, self.domain.num_dims
        rank = torch.rand_like(batch.x).argsort(-1).argsort(-1)
        starts = torch.tensor(self.starts, device=rank.device)
        step = torch.randint(len(starts) - 1, (len(batch), 1), device=rank.device)
        first, size = starts[step], starts[step + 1] - starts[step]
        h = self._outputs(*self._hidden(self._features(batch), seen & (rank < first)))
        log_p = self.likelihood(h, seen).log_prob_each(batch.x)  # [B, D]
        return torch.where(rank >= first, log_p, 0.0).sum(-1) * ((len(starts) - 1) * size / (D - first)).squeeze(-1)

    def _hidden(self, features: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """(the last hidden units, what the network saw) where the columns `given` [..., D] are shown of the features.

        A feature of a column that is not shown is 0, as the view has it.
        """
        assert self.view is not None
        told = self.view.of_columns(given)
        u, flags = torch.where(told, features, 0.0).tensor_split([self.view.num_told], -1)
        filled, z = self.guess(u, told[..., : self.view.num_told])
        shown = torch.cat([filled, z, flags], -1)
        with self.network_precision(self.network_dtype):
            hidden = self.body(shown)
        return hidden.to(shown.dtype), shown

    def _outputs(self, hidden: Tensor, shown: Tensor) -> Tensor:
        with self.network_precision(self.network_dtype):
            h: Tensor = self.out(hidden) + self.linear(shown)
        return h.to(shown.dtype)

    def _one(self, hidden: tuple[Tensor, Tensor], d: int) -> TableColumns:
        """p(x_d|…) alone, batch shape [..., 1]: only its own rows of the last layer are multiplied."""
        places = self.likelihood.outputs_of[d]
        h = nn.functional.linear(hidden[0], self.out.weight[places], self.out.bias[places])
        return self.likelihood.of_column(d, h + hidden[1] @ self.linear.weight[places].T)

    def log_conditional(self, batch: Batch, d: int) -> Tensor:
        """log p(x_d|all other columns that are observed), [B]: exact for every order that ends in d."""
        seen = self.mask(batch) > 0
        others = seen.clone()
        others[:, d] = False
        x = torch.where(seen, batch.x, 0.0)
        p = self._one(self._hidden(self._features(batch), others), d)
        return EventSum(p, 1, seen[:, d : d + 1]).log_prob(x[:, d : d + 1])

    @torch.no_grad()
    def draw_missing(self, batch: Batch, num_draws: int) -> Tensor:
        """x with its gaps drawn one after the other, [M, B, D]; up to 8 orders of chance are shared by the draws."""
        seen = (self.mask(batch) > 0).expand(num_draws, -1, -1)
        x = torch.where(seen, batch.x, 0.0)  # [M, B, D]
        found = torch.empty_like(x)
        for first in range(min(num_draws, ORDERS_OF_DRAWS)):
            some = slice(first, None, ORDERS_OF_DRAWS)
            order = torch.randperm(self.domain.num_dims, device=x.device)
            rows = x[some].flatten(0, 1), seen[some].flatten(0, 1)
            found[some] = self._filled(*rows, order, TableColumns.when_missing).view_as(x[some])
        return found

    def _filled(
        self, x: Tensor, seen: Tensor, order: Tensor, of: Callable[[TableColumns], Distribution] = lambda p: p
    ) -> Tensor:
        """x [N, D] with what is not seen drawn in an order [D] of columns, in a wide table a few at a time.

        Arguments: of, what each column is drawn from, of p(x_d|…).
        """
        assert self.view is not None
        x, seen = x.clone(), seen.clone()
        for first, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            block = order[first:end]
            for rows in (~seen[:, block]).any(-1).nonzero().flatten().split(CHUNK):
                hidden = self._hidden(self.view(x[rows], seen[rows]), seen[rows])
                for d in block.tolist():
                    drawn = of(self._one(hidden, d)).sample().squeeze(-1)
                    x[rows, d] = torch.where(seen[rows, d], x[rows, d], drawn)
            seen[:, block] = True
        return x

    @torch.no_grad()
    def mean_missing(self, batch: Batch) -> Tensor:
        """x with E[x_d|x_observed] in its gaps, the likeliest level of categories, [B, D]."""
        seen = self.mask(batch) > 0
        h = self._outputs(*self._hidden(self._features(batch), seen))
        return mean_given(self.likelihood(h), batch.x, seen)

    def judged(self, batch: Batch) -> Tensor:
        """log p(x); while training an estimate of its mean over all orders, a lower bound. [B]"""
        return self._log_p_at_random(batch) if self.training else self.log_prob(batch)

    @torch.no_grad()
    def draw(self, num_samples: int, y: Tensor | None = None) -> Tensor:
        """x [N, D] from p(x): for each row one of the K orders."""
        which = torch.randint(self.num_orders, (num_samples,), device=self.orders.device)
        x = self.centre.new_zeros(num_samples, self.domain.num_dims)
        for k, order in enumerate(self.orders):
            own = x[which == k]
            x[which == k] = self._filled(own, torch.zeros_like(own, dtype=torch.bool), order)
        return x

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        self.start_x(batch)
        assert self.view is not None
        n, seen = self.view.num_told, self.mask(batch) > 0
        self.guess.fit(self._features(batch)[:, :n], self.view.of_columns(seen)[:, :n])

    def explained(self, batch: Batch) -> Distribution:
        seen = self.mask(batch) > 0
        return self.likelihood(self._outputs(*self._hidden(self._features(batch), seen)))
