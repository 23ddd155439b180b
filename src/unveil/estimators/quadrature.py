"""log p(x) by summing over z: exactly where z takes few values, on an adaptive grid where it is real and small."""

import torch
from torch import Tensor

from ..batch import Batch
from ..errors import RequestError, positive
from ..model import Model, num_latents
from ..model.shared.labels import every_label, log_label_prior
from ..registry import register
from .base import Estimate, Estimator, bound_parts
from .cells import require_few
from .grid import integrate

LEAST = 1000  # evaluations of each label that is summed over


@register("estimator", "quadrature")
class Quadrature(Estimator):
    """log p(x) = log ∫ p(x, z) dz on an adaptive grid, for real z of up to three dimensions; log Σ_z p(x, z) for few z.

    The grid lies in the model's coordinates u, z = T(u), with |det ∂z/∂u| in the integrand; it is fine where q(z|x) has
    its draws, coarse but present everywhere that the prior reaches, and halved where that changes the integral
    (`estimators/grid.py`). The direction is "exact": no side, but a numerical error, `stderr_mc`: the sum, over the
    cells of the final grid, of what another halving would change, as far as the last two tell, and of what may be
    between their points. It is ten to a few hundred times the real one, seldom short of it. For sums it is 0.

    A label that is not observed is summed over, with a grid for each.

    It is wrong where p(z|x) has a needle far from q(z|x) that no point of the coarse grid feels, not even by its slope.

    Diagnostics: on a grid, evaluations: how often p(x, z) was asked for.

    References: Davis & Rabinowitz, Methods of Numerical Integration (1984), §6.

    Arguments:
        tolerance: nats of what the last halving changed at which it ends; the error is then less.
        max_evaluations: of p(x, z) per example; past them halving ends and the error is reported as large as it is.
    """

    needs = frozenset({"pathwise|enumerate|exact"})
    direction = "exact"

    def __init__(self, *, tolerance: float = 1e-3, max_evaluations: int = 100_000) -> None:
        if not tolerance > 0:
            raise RequestError(f"estimator.tolerance is {tolerance}; it takes a number of nats above 0, such as 0.001.")
        self.tolerance, self.max_evaluations = tolerance, positive(max_evaluations, "estimator.max_evaluations")

    def check(self, model: Model) -> None:
        super().check(model)
        if "pathwise" in model.gives:
            require_few(num_latents(model))

    def __call__(self, model: Model, batch: Batch) -> Estimate:
        if "pathwise" not in model.gives:
            return _summed(model, batch)
        log_px, stderr, evaluations = self._integrated(model, batch)
        parts = bound_parts(model, batch) | {"evaluations": evaluations.double()}
        return Estimate(log_px, stderr, "exact", parts)

    def _integrated(self, model: Model, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x), its error and the evaluations, [B] each.

        Where labels are not observed each has a grid of its own, log Σ_y p(y) ∫ p(x, z|y) dz: the modes of the labels
        may lie far apart, where one grid misses them.
        """
        log_py = model.log_label_frequency()
        if log_py is None or (batch.y is not None and bool((batch.y >= 0).all())):
            found = integrate(model, batch, tolerance=self.tolerance, max_evaluations=self.max_evaluations)
            return found.log_px, found.stderr, found.evaluations
        found = integrate(
            model,
            every_label(batch, len(log_py)),
            tolerance=self.tolerance,
            max_evaluations=max(LEAST, self.max_evaluations // len(log_py)),
        )
        log_px, stderr, evaluations = (
            each.unflatten(0, (len(log_py), -1)) for each in (found.log_px, found.stderr, found.evaluations)
        )
        joint = log_px + log_label_prior(batch, log_py)  # [C, B]
        return joint.logsumexp(0), (joint.softmax(0) * stderr).sum(0), evaluations.sum(0)


def _summed(model: Model, batch: Batch) -> Estimate:
    """log Σ_z p(x, z) over all values of z."""
    if "enumerate" in model.gives:
        terms = model.enumerate(batch)
        log_px = torch.logsumexp(terms.log_px_z.double() + terms.log_pz.double().sum(-1), 0)
    else:
        log_px = model.log_prob(batch).double()
    return Estimate(log_px, torch.zeros_like(log_px), "exact", bound_parts(model, batch))
