"""A mixture: z is one of C components. p(z|x) comes from trying every value of z, and EM is its variational inference.

Every kind of component has the same prior, a thought: before the data came, `smoothing` examples were seen in each
component, every dimension drawn from its marginal over the training set. It adds

log p(θ) = s Σ_c (log π_c + Σ_d E_{x_d ∼ marginal}[log p(x_d|c)])

to what EM climbs, keeps every probability above zero, and costs one term in each average.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Normal
from torch.nn import functional as F

from ..batch import Batch
from ..distributions import EventSum, Levels
from ..domain import Domain
from ..errors import RequestError, nearest
from ..panels import Bars, Panel, Strip
from ..registry import register
from ..terms import Terms, expand_samples
from .base import Model, Posterior

SHOWN, EXPLAINED = 40, 5  # components in a report, the most frequent first; examples that they explain


class Responsibilities(Posterior):
    """p(z|x), the share r_bc of component c in example b.

    Arguments: log_r [B, C]. There is no mean: component 2 is not the middle of 1 and 3.
    """

    def __init__(self, log_r: Tensor) -> None:
        self.log_r = log_r

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        z = (Categorical(logits=self.log_r, validate_args=False).sample((num_samples,)),)
        return z, self.log_prob(z)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        return _pick(self.log_r.detach() if hold else self.log_r, z[0]).unsqueeze(-1)


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

    def __init__(
        self, domain: Domain, *, num_components: int = 20, smoothing: float | None = None, floor: float = 1e-3
    ) -> None:
        super().__init__()
        if domain.kind not in COMPONENTS:
            raise RequestError(
                f"mixture has components for {', '.join(sorted(COMPONENTS))} data and x is {domain}.",
                "Use the model 'vae', or give data.domain=real.",
            )
        if num_components < 1:
            raise RequestError(f"model.num_components is {num_components}; it takes a whole number from 1 upwards.")
        if smoothing is None:
            smoothing = domain.levels / 2 if domain.is_discrete else 1.0
        if not 0 < smoothing < math.inf:
            raise RequestError(f"model.smoothing is {smoothing}; it takes a number above 0 (1e-6 smooths very little).")
        if not 0 < floor < 1:
            raise RequestError(f"model.floor is {floor}; it takes a share between 0 and 1.")
        self.domain, self.num_components, self.smoothing = domain, num_components, smoothing
        self.logits = nn.Parameter(torch.zeros(num_components))
        self.components = COMPONENTS[domain.kind](domain, num_components, floor)

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"log_w", "joint", "enumerate", "exact"})

    @property
    def log_pi(self) -> Tensor:
        """log π [C], in float64."""
        return self.logits.double().log_softmax(-1)

    # p(x, z), p(x) and p(z|x)

    def joint(self, batch: Batch, z: tuple[Tensor, ...]) -> Terms:
        log_px_z = _pick(self._log_px_c(batch), z[0])  # [K, B]
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

    # generating

    def decode(self, z: tuple[Tensor, ...], y: Tensor | None = None) -> Distribution:
        return EventSum(self.components.each(z[0]), len(self.domain.shape))

    @torch.no_grad()
    def sample(
        self, num_samples: int, y: Tensor | None = None, temperature: float = 1.0
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
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
            "The first image of each row is a test example x. The others are the components with the largest "
            "responsibility p(z = c|x) = π_c p(x|c) / p(x), which is written below each.",
            torch.cat([x.unsqueeze(1), self.decode((c,)).mean], 1),
            captions=[["x", *map(_percent, row)] for row in r.tolist()],
            led=True,
        )

    # fitting

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
        parts = {"p": list(self.parameters()), "q": [], "prior": [self.logits]}
        if part not in parts:
            raise RequestError(f"There is no part {part!r}.", nearest(part, parts))
        return parts[part]


class Components(nn.Module, ABC):
    """p(x|c) = Π_d p(x_d|c) for C components: a matrix product scores B examples under all of them at once.

    Arguments: domain; num_components C; floor, see `Mixture`. Below, D counts the dimensions of x laid flat, and
    `seen` [B, D] is 1 where x is observed and 0 where it is not (None: all is observed; there x must be 0).
    """

    def __init__(self, domain: Domain, num_components: int, floor: float) -> None:
        super().__init__()
        self.domain, self.C, self.D, self.floor = domain, num_components, domain.num_dims, floor

    @abstractmethod
    def each(self, z: Tensor) -> Distribution:
        """p(x_d|z) elementwise, batch shape [*z.shape, *shape]."""

    @abstractmethod
    def log_prob(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """log p(x|c), [B, C], from x [B, D], in the precision of x."""

    @abstractmethod
    def expected_log_prob(self) -> Tensor:
        """E_{x_d ∼ marginal}[log p(x_d|c)], [C, D]."""

    @abstractmethod
    def initialise(self, x: Tensor, seen: Tensor | None) -> None:
        """Marginals from x [B, D], components from C of its rows."""

    @abstractmethod
    def statistics(self, r: Tensor, x: Tensor, seen: Tensor | None) -> tuple[Tensor, ...]:
        """What the M-step needs to know of a batch with responsibilities r [B, C]; it is added up over batches."""

    @abstractmethod
    def maximise(self, s: float, *statistics: Tensor) -> None:
        """The M-step, with s examples of the marginal added to each component."""

    def _shaped(self, parameter: Tensor, z: Tensor) -> Tensor:
        """Rows z of a parameter [C, D, …] as [*z.shape, *shape, …]."""
        return parameter[z].reshape(*z.shape, *self.domain.shape, *parameter.shape[2:])


class BernoulliComponents(Components):
    """p(x_d = 1|c) = θ_cd.

    E: log p(x|c) = Σ_d x_d logit θ_cd + Σ_d log(1 − θ_cd).   M: θ_cd = (Σ_n r_nc x_nd + s m_d) / (Σ_n r_nc + s)
    """

    marginal: Tensor

    def __init__(self, domain: Domain, num_components: int, floor: float) -> None:
        super().__init__(domain, num_components, floor)
        self.logits = nn.Parameter(torch.randn(self.C, self.D))
        self.register_buffer("marginal", torch.full((self.D,), 0.5))

    def each(self, z: Tensor) -> Distribution:
        return Bernoulli(logits=self._shaped(self.logits, z), validate_args=False)

    def log_prob(self, x: Tensor, seen: Tensor | None) -> Tensor:
        logits = self.logits.to(x.dtype)
        log_off = F.logsigmoid(-logits)
        return x @ logits.T + (log_off.sum(-1) if seen is None else seen @ log_off.T)

    def expected_log_prob(self) -> Tensor:
        logits, m = self.logits.double(), self.marginal.double()
        return m * F.logsigmoid(logits) + (1 - m) * F.logsigmoid(-logits)

    def initialise(self, x: Tensor, seen: Tensor | None) -> None:
        mean = _mean(x, seen)
        self.marginal.copy_((1 - self.floor) * mean + self.floor / 2)
        self.logits.copy_(torch.logit((_centres(x, seen, self.C, mean) + self.marginal) / 2))

    def statistics(self, r: Tensor, x: Tensor, seen: Tensor | None) -> tuple[Tensor, ...]:
        return r.T @ x, r.T @ (torch.ones_like(x[:, :1]) if seen is None else seen)

    def maximise(self, s: float, *statistics: Tensor) -> None:
        on, count = statistics
        m = self.marginal.double()
        self.logits.copy_((on + s * m).log() - ((count - on).clamp(min=0) + s * (1 - m)).log())


class CategoricalComponents(Components):
    """p(x_d = i|c) = θ_cdi for the levels i = 0 … n − 1.

    E: log p(x|c) = Σ_d log θ_c,d,x_d, a sum of D looked-up rows.   M: θ_cdi ∝ Σ_n r_nc 1[x_nd = i] + s m_di
    """

    marginal: Tensor

    def __init__(self, domain: Domain, num_components: int, floor: float) -> None:
        super().__init__(domain, num_components, floor)
        self.n = domain.levels
        self.logits = nn.Parameter(torch.randn(self.C, self.D, self.n))
        self.register_buffer("marginal", torch.full((self.D, self.n), 1 / self.n))

    def each(self, z: Tensor) -> Distribution:
        return Levels(self._shaped(self.logits, z))

    def log_prob(self, x: Tensor, seen: Tensor | None) -> Tensor:
        table = self.logits.to(x.dtype).log_softmax(-1).flatten(1).T.contiguous()  # [D·n, C]
        rows = x.long() + self.n * torch.arange(self.D, device=x.device)  # x_d = i is row n·d + i
        return F.embedding_bag(rows, table, mode="sum", per_sample_weights=seen)

    def expected_log_prob(self) -> Tensor:
        return (self.marginal.double() * self.logits.double().log_softmax(-1)).sum(-1)

    def initialise(self, x: Tensor, seen: Tensor | None) -> None:
        counts = self.statistics(torch.ones_like(x[:, :1]), x, seen)[0].squeeze(-1)  # [D, n]
        anywhere = counts.sum(0) / counts.sum()  # a level unseen at d, but frequent elsewhere, is no great surprise
        frequency = (counts + anywhere) / (counts.sum(-1, keepdim=True) + 1)
        self.marginal.copy_((1 - self.floor) * frequency + self.floor / self.n)
        levels = torch.arange(self.n, device=x.device)
        centres = _centres(x, seen, self.C, _mean(x, seen)).round()
        self.logits.copy_(((centres.unsqueeze(-1) == levels) + self.marginal).log())

    def statistics(self, r: Tensor, x: Tensor, seen: Tensor | None) -> tuple[Tensor, ...]:
        """Σ_b r_bc 1[x_bd = i], [D, n, C]: each row of r goes to the level that x_d took."""
        counts, levels = r.new_zeros(self.D, self.n, r.shape[1]), x.long()
        for d in range(self.D):
            counts[d].index_add_(0, levels[:, d], r if seen is None else r * seen[:, d : d + 1])
        return (counts,)

    def maximise(self, s: float, *statistics: Tensor) -> None:
        (counts,) = statistics
        self.logits.copy_((counts.permute(2, 0, 1) + s * self.marginal.double()).log())


class GaussianComponents(Components):
    """p(x_d|c) = N(μ_cd, σ_cd²).

    E: one product with x and one with x².   M: mean and variance weighted by r, with s examples N(x̄_d, v_d) added
    to each component, and σ_cd² ≥ floor · v_d. Computed in u = (x − x̄)/√v, so log p(x) takes −Σ_d log √v_d.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, domain: Domain, num_components: int, floor: float) -> None:
        super().__init__(domain, num_components, floor)
        self.loc = nn.Parameter(torch.randn(self.C, self.D))  # of u
        self.log_var = nn.Parameter(torch.zeros(self.C, self.D))
        self.register_buffer("mean", torch.zeros(self.D))
        self.register_buffer("spread", torch.ones(self.D))

    def each(self, z: Tensor) -> Distribution:
        loc, scale = self.mean + self.spread * self.loc, self.spread * (0.5 * self.log_var).exp()
        return Normal(self._shaped(loc, z), self._shaped(scale, z), validate_args=False)

    def log_prob(self, x: Tensor, seen: Tensor | None) -> Tensor:
        loc, log_var = self.loc.to(x.dtype), self.log_var.to(x.dtype)
        u, precision = self._standardised(x, seen), (-log_var).exp()
        each = loc**2 * precision + log_var + math.log(2 * math.pi) + 2 * self.spread.to(x.dtype).log()  # [C, D]
        square = u**2 @ precision.T - 2 * u @ (loc * precision).T
        return -0.5 * (square + (each.sum(-1) if seen is None else seen @ each.T))

    def expected_log_prob(self) -> Tensor:
        loc, log_var = self.loc.double(), self.log_var.double()
        log_v = 2 * self.spread.double().log()
        return -0.5 * (math.log(2 * math.pi) + log_v + log_var + (1 + loc**2) * (-log_var).exp())

    def initialise(self, x: Tensor, seen: Tensor | None) -> None:
        mean = _mean(x, seen)
        spread = _mean((x - mean) ** 2, seen).sqrt()
        constant = (spread <= 1e-12 * mean.abs()).nonzero().flatten().tolist()
        if constant:
            named = ", ".join(map(str, constant[:5])) + (", …" if len(constant) > 5 else "")
            raise RequestError(
                f"Column(s) {named} of x are constant, so a density of them has no bound.",
                "Remove them (they hold no information).",
            )
        self.mean.copy_(mean)
        self.spread.copy_(spread)
        self.log_var.zero_()
        self.loc.copy_(self._standardised(_centres(x, seen, self.C, mean), None))

    def statistics(self, r: Tensor, x: Tensor, seen: Tensor | None) -> tuple[Tensor, ...]:
        u = self._standardised(x, seen)
        return r.T @ u, r.T @ u**2, r.T @ (torch.ones_like(x[:, :1]) if seen is None else seen)

    def maximise(self, s: float, *statistics: Tensor) -> None:
        first, second, count = statistics
        loc = first / (count + s)  # the s examples have mean 0 and mean square 1
        self.loc.copy_(loc)
        self.log_var.copy_(((second + s) / (count + s) - loc**2).clamp(min=self.floor).log())

    def _standardised(self, x: Tensor, seen: Tensor | None) -> Tensor:
        u = (x - self.mean.to(x.dtype)) / self.spread.to(x.dtype)
        return u if seen is None else u * seen


COMPONENTS: dict[str, type[Components]] = {
    "binary": BernoulliComponents,
    "levels": CategoricalComponents,
    "real": GaussianComponents,
}


def _flat(batch: Batch, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """x [B, D] with 0 where it is not observed, and `seen` [B, D] as 0 and 1 (None where all is)."""
    x = batch.x.flatten(1).to(dtype)
    if batch.observed is None:
        return x, None
    observed = batch.observed.flatten(1)
    return torch.where(observed, x, 0.0), observed.to(dtype)


def _pick(log_p: Tensor, z: Tensor) -> Tensor:
    """log_p [B, C] at z [K, B] → [K, B]."""
    return expand_samples(log_p, z.shape[0]).gather(-1, z.unsqueeze(-1)).squeeze(-1)


def _mean(x: Tensor, seen: Tensor | None) -> Tensor:
    """The mean of each column over what is observed of it, [D]."""
    return x.mean(0) if seen is None else (x * seen).sum(0) / seen.sum(0).clamp(min=1)


def _centres(x: Tensor, seen: Tensor | None, num: int, mean: Tensor) -> Tensor:
    """C rows of x at random [C, D], gaps filled by the column means."""
    rows = torch.randint(len(x), (num,)) if num > len(x) else torch.randperm(len(x))[:num]
    rows = rows.to(x.device)
    return x[rows] if seen is None else torch.where(seen[rows] > 0, x[rows], mean)


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
        columns=10,
    )


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 1e-3 else f"{100 * share:.1f} %"
