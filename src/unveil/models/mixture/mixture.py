"""A mixture, where z is one of C components. p(z|x) is a sum over the values of z, and EM fits the model.

Every kind of component has the same prior: it acts as if each component had seen `smoothing` examples before the data
came, with every dimension drawn from its marginal over the training set. The prior adds

log p(θ) = s Σ_c (log π_c + Σ_d E_{x_d ∼ marginal}[log p(x_d|c)])

to what EM climbs, keeps every probability above zero, and costs one term in each average.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from ...batch import Batch
from ...distributions import EventSum
from ...domain import Domain
from ...errors import RequestError, at_least
from ...model import Drawn, Model, groups_of, parameters_in
from ...panels import Bars, Panel, Strip
from ...registry import register
from ...terms import Terms
from .components import COMPONENTS
from .responsibilities import Responsibilities, picked
from .table import TableMixture

FLOOR = 1e-3
SHOWN, EXPLAINED, ACROSS = 40, 5, 10  # in a report: components, examples that they explain, images in a line


@register("model", "mixture")
class Mixture(Model):
    """p(x) = Σ_c π_c Π_d p(x_d|c): Gaussian components for real x, Bernoulli for binary, categorical for levels.

    p(z = c|x) = r_c = π_c p(x|c) / p(x), so the ELBO with q = p(z|x) *is* log p(x); `solve` is one round of EM.

    References: Dempster, Laird & Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm (1977); Neal &
    Hinton, A View of the EM Algorithm (1998), for EM as coordinate ascent on the bound.

    Arguments:
        num_components: C, the number of components.
        smoothing: s > 0, the examples that each component has seen beforehand (see above); by default half an example
            per value that a dimension can take (n/2 for levels(n)), and 1 for real x.
        floor: what keeps a component off a single example: the smallest variance relative to that of the column
            (real), or the share of the uniform in the marginal (binary, levels).
    """

    summary = "one discrete latent; log p(x) by enumeration, fitted by EM"
    solves = "all"
    domains = (*COMPONENTS, "mixed")
    fits_few_data = True

    def __init__(
        self, domain: Domain, *, num_components: int = 20, smoothing: float | None = None, floor: float = FLOOR
    ) -> None:
        super().__init__()
        if domain.kind not in COMPONENTS:
            raise RequestError(
                f"mixture has components for {', '.join(sorted(COMPONENTS))} data and x is {domain}.",
                "Use the model 'vae', or give data.domain=real.",
            )
        at_least(1, "model.num_components", num_components)
        if smoothing is None:
            smoothing = domain.levels / 2 if domain.is_discrete else 1.0
        if not 0 < smoothing < math.inf:
            raise RequestError(f"model.smoothing is {smoothing}; it takes a number above 0 (1e-6 smooths very little).")
        if not 0 < floor < 1:
            raise RequestError(f"model.floor is {floor}; it takes a share between 0 and 1.")
        self.domain, self.num_components, self.smoothing = domain, num_components, smoothing
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.components = COMPONENTS[domain.kind](domain, num_components, floor)

    @classmethod
    def build(
        cls, domain: Domain, *, num_components: int = 20, smoothing: float | None = None, floor: float = FLOOR
    ) -> Model:
        """A mixture of a domain; of a mixed table table_mixture.

        Arguments:
            num_components: C, the number of components.
            smoothing: s > 0, the examples that each component has seen beforehand; none picks.
            floor: what keeps a component off a single example.
        """
        if domain.columns is None:
            return cls(domain, num_components=num_components, smoothing=smoothing, floor=floor)
        if smoothing is not None or floor != FLOOR:
            raise RequestError(
                "model.smoothing or model.floor came for a table, whose mixture is fitted by gradients.",
                "Leave them out.",
            )
        return TableMixture.build(domain, num_components=num_components)

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"log_w", "joint", "enumerate", "exact"})

    @property
    def log_pi(self) -> Tensor:
        """log π [C], in float64."""
        return self.logits.double().log_softmax(-1)

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        log_px_z = picked(self._log_px_c(batch), z[0])  # [K, B]
        return Terms(log_px_z=log_px_z, log_pz=self.log_pi[z[0]].unsqueeze(-1), z=z)

    def log_prob(self, batch: Batch) -> Tensor:
        """log p(x) = log Σ_c π_c p(x|c), [B], over the observed part."""
        return (self.log_pi + self._log_px_c(batch)).logsumexp(-1)

    def posterior(self, batch: Batch) -> Responsibilities:
        return Responsibilities((self.log_pi + self._log_px_c(batch)).log_softmax(-1))

    def true_posterior(self, batch: Batch) -> Responsibilities:
        return self.posterior(batch)

    def enumerate(self, batch: Batch) -> Terms:
        """K = C samples, the values of z, with the weights m_c = p(z = c|x)."""
        z = torch.arange(self.num_components, device=self.logits.device).unsqueeze(-1).expand(-1, len(batch))  # [C, B]
        log_px_c = self._log_px_c(batch)
        log_r = (self.log_pi + log_px_c).log_softmax(-1).T  # [C, B]
        log_pz = self.log_pi[z].unsqueeze(-1)  # [C, B, 1]
        return Terms(log_px_z=log_px_c.T, log_pz=log_pz, log_qz_x=log_r.unsqueeze(-1), log_m=log_r, z=(z,))

    def _log_px_c(self, batch: Batch, dtype: torch.dtype = torch.float64) -> Tensor:
        """log p(x|z = c) for all c, [B, C]."""
        return self.components.log_prob(*_flat(batch, dtype))

    def decode(self, z: tuple[Tensor, ...] | Tensor, y: Tensor | None = None) -> Distribution:
        return EventSum(self.components.each(groups_of(z)[0]), len(self.domain.shape))

    @torch.no_grad()
    def sample(self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0) -> Drawn:
        """A temperature below 1 favours the frequent components: p(z) ∝ π^(1/T)."""
        p = Categorical(logits=self.log_pi / max(temperature, 1e-6), validate_args=False)
        z = (p.sample((num_samples,)),)
        return self.decode(z, y).sample(), z

    def panels(self, batch: Batch) -> tuple[Panel, ...]:
        """How often each component makes an x; of images their means, and which of them explain a few examples."""
        pi = self.log_pi.exp()
        order = pi.argsort(descending=True, stable=True)
        found: tuple[Panel, ...] = (_shares(pi[order]),)
        if self.domain.is_image:
            shown = order[:SHOWN]
            few = batch.map(lambda t: t[:EXPLAINED])
            found += (_means(pi[shown], self.decode((shown,)).mean), self._explained(few))
        return found

    def _explained(self, batch: Batch) -> Strip:
        """Each x, then the components with the largest r_bc."""
        r, c = self.posterior(batch).log_r.exp().topk(min(5, self.num_components), 1)  # [B, 5]
        x = batch.x if batch.observed is None else torch.where(batch.observed, batch.x, math.nan)
        return Strip(
            "Components that explain an example",
            "The first image of each row is a test example x. The others are the components that explain it best. "
            "Below each stands its responsibility p(z = c|x) = p(z = c) p(x|c) / p(x).",
            torch.cat([x.unsqueeze(1), self.decode((c,)).mean], 1),
            captions=[["x", *map(_percent, row)] for row in r.tolist()],
            columns=ACROSS,
            led=True,
        )

    @torch.no_grad()
    def initialise(self, batch: Batch) -> None:
        """Marginals from these examples, of which C become the centres of the components."""
        self.logits.zero_()
        self.components.initialise(*_flat(batch, torch.float64))

    @torch.no_grad()
    def solve(self, batches: Callable[[], Iterable[Batch]]) -> None:
        """One round of EM. E: r = p(z|x). M: θ maximises Σ_n Σ_c r_nc log p(x_n, c) + log p(θ).

        Never lowers Σ_n log p(x_n) + log p(θ). The matrix products of discrete x run in the weights' own precision
        and are added up in float64; densities are judged in float64 throughout.
        """
        dtype = torch.float64 if self.domain.kind == "real" else self.logits.dtype
        shares = torch.zeros(self.num_components, dtype=torch.float64, device=self.logits.device)
        statistics: list[Tensor] = []
        for batch in batches():
            x, seen = _flat(batch, dtype)
            r = (self.log_pi.to(dtype) + self.components.log_prob(x, seen)).softmax(-1)  # [B, C]
            shares += r.sum(0, dtype=torch.float64)
            new = [s.double() for s in self.components.statistics(r, x, seen)]
            statistics = [a + b for a, b in zip(statistics, new, strict=True)] if statistics else new
        if not statistics:
            raise RequestError("A mixture takes at least 1 example; none came.")
        self.logits.copy_((shares + self.smoothing).log())
        self.components.maximise(self.smoothing, *statistics)

    def log_prior(self) -> Tensor:
        """log p(θ), a scalar up to a constant: EM climbs Σ_n log p(x_n) + log p(θ)."""
        return self.smoothing * (self.log_pi.sum() + self.components.expected_log_prob().sum())

    def parameters_of(self, part: str) -> list[nn.Parameter]:
        """The posterior is computed from p and has no weights of its own."""
        return parameters_in(part, p=[self], q=[], prior=[self.logits])


def _flat(batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """x [B, D] with 0 where it is not observed, and `seen` [B, D] as 0 and 1 (None where all is)."""
    x = batch.x.flatten(1).to(dtype)
    if batch.observed is None:
        return x, None
    observed = batch.observed.flatten(1)
    return torch.where(observed, x, 0.0), observed.to(dtype)


def _shares(pi: Tensor) -> Bars:
    """π, in descending order."""
    return Bars(
        "Share of each component",
        f"z is one of {len(pi)} components, and p(z) says how often each one makes an x. If the model uses only a few "
        "of them, fewer components would do as well.",
        [str(rank) for rank in range(1, len(pi) + 1)],
        (100 * pi).tolist(),
        "% of examples",
    )


def _means(pi: Tensor, means: Tensor) -> Strip:
    return Strip(
        "Mean of each component",
        "Each image is E[x|z] of one component, with its share of the examples. The most frequent comes first.",
        means.unsqueeze(0),
        captions=[[_percent(share) for share in pi.tolist()]],
        columns=ACROSS,
    )


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 1e-3 else f"{100 * share:.1f} %"
