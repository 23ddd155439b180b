"""What q(z|x) of one batch answers: draws, densities and moments."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from ..distributions.real_latents import JointDraw
from .modes import held


class Posterior(ABC):
    """q(z|x) for one batch."""

    @abstractmethod
    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """K draws (a tuple of groups [K, B, …], reparametrised where possible) and log q [K, B, L]."""

    @abstractmethod
    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        """log q(z_l|z_>l, x) [K, B, L]; `hold` takes the *weights* of q as constants, never z."""

    def log_prob_each(self, z: tuple[Tensor, ...]) -> Tensor | None:
        """log q(z_d|x) of every latent by itself [K, B, D], or None where these marginals are not known."""
        return None

    distribution: Distribution | None = None  # q(z|x) itself, where there is one

    @property
    def mean(self) -> tuple[Tensor, ...] | None:
        """The posterior mean per group [B, …], or None."""
        return None

    @property
    def stddev(self) -> tuple[Tensor, ...] | None:
        """The posterior standard deviation per group [B, …], or None."""
        return None


class OneGroup(Posterior):
    """The posterior of a model with one latent group, from a torch distribution with batch shape [B].

    Arguments:
        make: builds the distribution; called with True, it takes what q was made from as constant.
        weights: of q that the distribution itself may still read (a flow's); held with the rest.
    """

    distribution: Distribution

    def __init__(self, make: Callable[[bool], Distribution], weights: Sequence[nn.Parameter] = ()) -> None:
        self._make, self._weights = make, weights
        self.distribution = make(False)

    def draw(self, num_samples: int) -> tuple[tuple[Tensor, ...], Tensor]:
        q = self.distribution
        if isinstance(q, JointDraw):
            z, log_q = q.rsample_and_log_prob((num_samples,))
            return (z,), log_q.unsqueeze(-1)
        z = q.rsample((num_samples,)) if q.has_rsample else q.sample((num_samples,))
        return (z,), q.log_prob(z).unsqueeze(-1)

    def log_prob(self, z: tuple[Tensor, ...], hold: bool = False) -> Tensor:
        if not hold:
            return self.distribution.log_prob(z[0]).unsqueeze(-1)
        with held(self._weights):
            return self._make(True).log_prob(z[0]).unsqueeze(-1)

    def log_prob_each(self, z: tuple[Tensor, ...]) -> Tensor | None:
        each = marginals(self.distribution)
        return None if each is None else each.log_prob(z[0])

    @property
    def mean(self) -> tuple[Tensor, ...] | None:
        try:
            return (self.distribution.mean,)
        except NotImplementedError:  # a flow's is an integral; what wants it can average draws
            return None

    @property
    def stddev(self) -> tuple[Tensor, ...] | None:
        try:
            return (self.distribution.stddev,)
        except NotImplementedError:
            return None


def marginals(q: Distribution) -> Distribution | None:
    """The distribution of each latent by itself, batch shape [B, D]; None without the fact "marginals".

    A factorised q has them as they are, a Gaussian with full covariance from the diagonal.
    """
    if isinstance(q, Independent) and not q.base_dist.event_shape:
        return q.base_dist
    if isinstance(q, MultivariateNormal):
        return Normal(q.mean, q.variance.sqrt(), validate_args=False)
    return None
