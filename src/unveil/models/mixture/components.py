"""The kinds of components of a mixture, one for each kind of x: their densities, and their step of EM."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Normal
from torch.nn import functional as F

from ...distributions import Levels
from ...domain import Domain
from ...likelihoods.base import without_columns


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
        """The sums over a batch with responsibilities r [B, C] that the M-step needs, to be added up over batches."""

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
            raise without_columns(
                constant, "are constant: their noise would shrink to 0, and log p(x) grow without end"
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


def _mean(x: Tensor, seen: Tensor | None) -> Tensor:
    """The mean of each column over what is observed of it, [D]."""
    return x.mean(0) if seen is None else (x * seen).sum(0) / seen.sum(0).clamp(min=1)


def _centres(x: Tensor, seen: Tensor | None, num: int, mean: Tensor) -> Tensor:
    """C rows of x at random [C, D], gaps filled by the column means."""
    rows = torch.randint(len(x), (num,)) if num > len(x) else torch.randperm(len(x))[:num]
    rows = rows.to(x.device)
    return x[rows] if seen is None else torch.where(seen[rows] > 0, x[rows], mean)
