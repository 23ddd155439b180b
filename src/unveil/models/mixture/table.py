"""A mixture of products over the columns of a table: one discrete latent, summed over."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from ...batch import Batch
from ...domain import Domain
from ...errors import RequestError, at_least
from ...likelihoods import Columns, Likelihood, default_likelihood
from ...model import Drawn, Model, groups_of, parameters_in
from ...nn.columnview import ColumnView
from ...nn.quantize import k_means, nearest_centre
from ...registry import lookup, register
from ...terms import Terms
from .responsibilities import Responsibilities, picked

STARTED_FROM = 10_000  # rows that the components start from
FEWEST, SHRUNK = 10, 0.7  # rows of a component at its start, and how far it starts from the whole
APART = 0.1  # standard deviations of chance that set components apart


@register("model", "table_mixture")
class TableMixture(Model):
    """p(x) = Σ_c π_c Π_d p(x_d|c) over the columns of a mixed table, each of its own kind.

    log p(x) is a sum over the C components, and so is p(x_d|any others). It is fitted by gradients of log p(x), and
    starts from clusters of the rows.

    References: Lazarsfeld & Henry, Latent Structure Analysis (1968), for products of categories.

    Arguments:
        likelihood: p(x|c); it knows the domain.
        num_components: C, the number of components.
    """

    summary = "one discrete latent over the columns of a table; log p(x) by enumeration"
    domains = ("mixed",)
    fits_few_data = True

    def __init__(self, likelihood: Likelihood, *, num_components: int = 20) -> None:
        super().__init__()
        at_least(1, "model.num_components", num_components, 10_000)
        if not isinstance(likelihood, Columns):
            raise RequestError(f"table_mixture is a model of mixed tables and x is {likelihood.domain}; use 'mixture'.")
        self.likelihood, self.domain, self.num_components = likelihood, likelihood.domain, num_components
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.h = nn.Parameter(APART * torch.randn(num_components, likelihood.num_outputs))

    @classmethod
    def build(
        cls, domain: Domain, *, num_components: int = 20, likelihood: Callable[..., Likelihood] | None = None
    ) -> TableMixture:
        """A mixture over the columns of a table.

        Arguments:
            num_components: C, the number of components.
        """
        p_x = (likelihood or lookup("likelihood", default_likelihood(domain)))(domain)
        return cls(p_x, num_components=num_components)

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"log_w", "joint", "enumerate", "exact"})

    @property
    def story(self) -> str:
        return (
            f"likelihood {self.likelihood.registered[1]} because x is {self.domain}, {self.num_components} components"
        )

    def _log_px_c(self, batch: Batch) -> Tensor:
        """log p(x|z = c), [B, C], in float64."""
        return self.likelihood(self.h.unsqueeze(1), batch.observed).log_prob(batch.x).T.double()

    @property
    def log_pi(self) -> Tensor:
        """log π [C], in float64."""
        return self.logits.double().log_softmax(-1)

    def _log_joint(self, batch: Batch) -> Tensor:
        return self.log_pi + self._log_px_c(batch)

    def log_prob(self, batch: Batch) -> Tensor:
        """log p(x) = log Σ_c π_c p(x|c), [B], over what is observed."""
        return self._log_joint(batch).logsumexp(-1)

    def posterior(self, batch: Batch) -> Responsibilities:
        return Responsibilities(self._log_joint(batch).log_softmax(-1))

    def true_posterior(self, batch: Batch) -> Responsibilities:
        return self.posterior(batch)

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        log_pz = self.log_pi[z[0]].unsqueeze(-1)
        return Terms(log_px_z=picked(self._log_px_c(batch), z[0]), log_pz=log_pz, z=z)

    def enumerate(self, batch: Batch) -> Terms:
        """K = C samples, the values of z, with the weights m_c = p(z = c|x)."""
        log_px_c = self._log_px_c(batch)
        log_pi = self.log_pi
        log_r = (log_pi + log_px_c).log_softmax(-1).T  # [C, B]
        z = torch.arange(self.num_components, device=log_r.device).unsqueeze(-1).expand(-1, len(batch))
        return Terms(
            log_px_z=log_px_c.T, log_pz=log_pi[z].unsqueeze(-1), log_qz_x=log_r.unsqueeze(-1), log_m=log_r, z=(z,)
        )

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        found: Distribution = self.likelihood(self.h[groups_of(z)[0]])
        return found

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        """A temperature below 1 favours the frequent components: p(z) ∝ π^(1/T)."""
        logits = self.log_pi / max(temperature, 1e-6)
        z = (Categorical(logits=logits, validate_args=False).sample((num_samples,)),)
        return self.decode(z).sample(), z

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        """The whole table, and around it clusters of rows, as far as they are large enough to tell something."""
        self.likelihood.initialise(batch.x, batch.observed)
        self.logits.zero_()
        self.h.normal_().mul_(APART)
        some = batch.map(lambda t: t[:STARTED_FROM])
        seen = torch.ones_like(some.x, dtype=torch.bool) if some.observed is None else some.observed
        shown = ColumnView(self.likelihood.layout, self.likelihood.stretch)(some.x, seen)
        clusters = min(self.num_components, max(1, len(shown) // FEWEST))
        label = nearest_centre(shown, k_means(shown, clusters)[0])
        whole = self.likelihood.offset.detach().clone()
        for c in range(clusters):
            rows = label == c
            self.logits[c] = torch.log((rows.sum() + 1.0) / len(rows))
            if int(rows.sum()) >= FEWEST:
                own = self.likelihood.offsets(some.x[rows], seen[rows])
                self.h[c] += SHRUNK * (own - whole)

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """The posterior is computed from p and has no weights of its own."""
        return parameters_in(part, p=[self], q=[], prior=[self.logits])
