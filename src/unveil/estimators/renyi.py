"""The bounds between the importance-weighted one and the ELBO."""

from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, positive
from ..model import Model
from ..registry import register
from .base import Estimate, Estimator, averaged, draws
from .weights import RunningMean, Weights


@register("estimator", "renyi")
class RenyiBound(Estimator):
    """L_α = 1/(1−α) log 1/K Σ_k w_k^{1−α}, w_k = p(x, z_k)/q(z_k|x), z_k ∼ q(z|x): from below for 0 ≤ α ≤ 1.

    α = 0 is the importance-weighted bound, α = 1 (the limit) the mean of log w, which is the ELBO; in between the bound
    falls as α grows. Below α = 0, infinite K bounds from above and finite K has no side: refused.

    `stderr_mc` is the delta-method error sd(v)/(|1−α| √K·mean v), v = w^{1−α}. Diagnostics: ess and khat of the weights
    w themselves, as in 'iwae'.

    References: Li & Turner, Rényi Divergence Variational Inference (2016), eq. 8 and theorem 2.

    Arguments:
        alpha: α, from 0 (iwae) to 1 (elbo).
        num_samples: K.
    """

    needs = frozenset({"log_w"})
    direction = "lower"
    plain_draws = True

    def __init__(self, *, alpha: float = 0.5, num_samples: int = 100) -> None:
        if not 0 <= alpha <= 1:
            raise RequestError(
                f"estimator.alpha is {alpha}; it takes a number from 0 (iwae) to 1 (elbo).",
                "Below 0, the value of a finite number of samples is no bound; from above there is 'sandwich'.",
            )
        self.alpha = alpha
        self.num_samples: int = positive(num_samples)

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        K = self.num_samples
        weights, bound = Weights(K), RenyiMean(self.alpha, K)
        takers = (lambda terms: weights.add(terms.log_w), lambda terms: bound.add(terms.log_w))
        found = averaged(draws(model, batch, K), K, *takers)
        return Estimate(bound.value, bound.stderr, "lower", found | weights.health)


class RenyiMean:
    """L_α and its error, [B] each, from chunks of log-weights [k, B].

    Arguments: alpha; num_samples, K.
    """

    def __init__(self, alpha: float, num_samples: int) -> None:
        self._alpha, self._logs, self._powers = alpha, RunningMean(), Weights(num_samples)

    def add(self, log_w: Tensor) -> None:
        if self._alpha == 1:
            self._logs.add(log_w)
        else:
            self._powers.add((1 - self._alpha) * log_w.double())

    @property
    def value(self) -> Tensor:
        """1/(1−α) log 1/K Σ_k w_k^{1−α}, or the mean of log w at α = 1."""
        return self._logs.mean if self._alpha == 1 else self._powers.log_mean / (1 - self._alpha)

    @property
    def stderr(self) -> Tensor:
        """By the delta method."""
        return self._logs.stderr if self._alpha == 1 else self._powers.stderr / (1 - self._alpha)
