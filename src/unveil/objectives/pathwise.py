"""Gradients with less noise: the ones that reach q only along the path of the draw."""

from typing import Literal

from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, positive
from ..model import Model
from ..registry import register
from .base import Loss, Objective, log_joint

HELD_Q, HELD = frozenset({"q"}), frozenset({"p", "q"})


@register("objective", "stl")
class Stl(Objective):
    """E_q[log w], w = p(x, z)/q(z|x), with the weights of q held in log q(z|x) ("sticking the landing").

    ∇_φ log w = ∂log w/∂z · ∂z/∂φ, without the score ∇_φ log q, whose expectation is 0. At the exact posterior log w
    does not depend on z, so the gradient of q has no variance.

    With bound="iwae" the same is done inside log 1/K Σ_k w_k. There the score's expectation is *not* 0, and for K > 1
    the gradient of q is biased (Tucker et al. 2019, §3); the objective 'dreg' is the right one of that bound.

    References: Roeder, Wu & Duvenaud, Sticking the Landing (2017), eq. 7 and §5.

    Arguments:
        num_samples: K ≥ 1, draws per example.
        bound: the mean over K draws (elbo), or the importance-weighted bound with its biased gradient (iwae).
    """

    needs = frozenset({"log_w", "pathwise"})

    def __init__(self, *, num_samples: int = 1, bound: Literal["elbo", "iwae"] = "elbo") -> None:
        self.num_samples, self.bound = positive(num_samples), bound

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = model.infer(batch, self.num_samples, hold=HELD_Q)
        bound = terms.bound if self.bound == "iwae" else terms.mean(terms.log_w)
        return Loss.of(terms, -bound, bound)


@register("objective", "dreg")
class Dreg(Objective):
    """The importance-weighted bound with a doubly reparametrised gradient: IWAE's in the mean, without its noise in q.

    ∇_θ = Σ_k w̃_k ∇_θ log p(x, z_k)          w̃_k = w_k/Σ_j w_j
    ∇_φ = Σ_k w̃_k² ∂log w_k/∂z_k · ∂z_k/∂φ

    Two surrogates, one for each: the first holds z, the second the weights of p and of q. The decoder runs twice.

    References: Tucker et al., Doubly Reparameterized Gradient Estimators (2019), eq. 6 and 8; several latent groups:
    Bauer & Mnih, Generalized Doubly Reparameterized Gradient Estimators (2021).

    Arguments:
        num_samples: K ≥ 1, draws per example.
    """

    needs = frozenset({"log_w", "pathwise"})

    def __init__(self, *, num_samples: int = 8) -> None:
        self.num_samples = positive(num_samples)

    def check(self, model: Model, example: Batch | None = None) -> None:
        super().check(model, example)
        if len(model.groups) > 1:  # with one group, weights that p and q share get both of their gradients
            model.require("The objective 'dreg'", {"split_q"})

    def __call__(self, model: Model, batch: Batch, progress: Tensor | float = 1.0) -> Loss:
        terms = model.infer(batch, self.num_samples, hold=HELD)
        if terms.log_m is not None:
            raise RequestError("dreg came with examples whose label is missing, which it cannot sum over; use 'iwae'.")
        log_w = terms.log_w.double()
        share = log_w.detach().softmax(0)  # w̃, [K, B]
        free = model.joint(batch, tuple(z.detach() for z in terms.z))
        surrogate = (share * log_joint(free) + share**2 * log_w).sum(0)
        return Loss.of(terms, -surrogate, terms.bound.detach())
