"""Invertible maps from zuko, for priors and posteriors: modules that give a torch Transform, with context or without.

All of them start as the identity: the last layer of every network in them is zero.

References: Dinh et al., Density estimation using Real NVP (2017); Durkan et al., Neural Spline Flows (2019);
Papamakarios et al., Masked Autoregressive Flow for Density Estimation (2017).
"""

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Transform, constraints, transforms

from ..errors import RequestError, at_least
from .masking import join_label

BOUND = 2.0  # of log σ in an affine map: each one stretches by at most e²
REACH = 8.0  # splines bend inside [−8, 8] and are the identity outside


def zuko() -> Any:
    """The package zuko, torch's own distributions left as they were."""
    with _torch_as_it_was():
        try:
            return importlib.import_module("zuko")
        except ModuleNotFoundError as error:
            raise RequestError("Flows need the package zuko.", "pip install zuko") from error


@contextmanager
def _torch_as_it_was() -> Iterator[None]:
    """Importing zuko switches torch's checks of distributions off for everybody, and renames a class."""
    inverse: Any = transforms._InverseTransform
    checks, checked, name = Distribution._validate_args, Distribution.__dict__["arg_constraints"], inverse.__name__
    try:
        yield
    finally:
        Distribution.set_default_validate_args(checks)
        Distribution.arg_constraints = checked  # type: ignore[method-assign]
        inverse.__name__ = name


def affine_couplings(num_features: int, context: int = 0, *, num_transforms: int, width: int) -> nn.Module:
    """y_a = x_a, y_b = x_b·exp s(x_a) + t(x_a) with |s| < 2, halves swapped from one map to the next (RealNVP)."""
    return _couplings(num_features, context, num_transforms, width, _affine())


def spline_couplings(num_features: int, context: int = 0, *, num_transforms: int, width: int, bins: int) -> nn.Module:
    """y_a = x_a, y_b = a monotone rational-quadratic spline of x_b whose knots depend on x_a (neural spline flow)."""
    at_least(2, "bins", bins)
    kept_out = torch.compiler.disable(_bend), torch.compiler.disable(_unbend)  # here: it imports the compiler
    univariate = {"univariate": partial(_Spline, *kept_out), "shapes": [(bins,), (bins,), (bins - 1,)]}
    return _couplings(num_features, context, num_transforms, width, univariate)


def masked_affine(num_features: int, context: int = 0, *, num_transforms: int, width: int) -> nn.Module:
    """y_d = x_d·exp s(x_<d) + t(x_<d) with |s| < 2, the order reversed from one map to the next.

    y is one pass of a masked network; x from y takes D passes.
    """
    return _masked(num_features, context, num_transforms, width, _affine())


def masked_standardisation(num_features: int, context: int = 0, *, width: int) -> nn.Module:
    """y_d = (x_d − μ(x_<d))/σ(x_<d): one pass; x from y takes D."""
    univariate = {"univariate": partial(_standardise, zuko().transforms.MonotonicAffineTransform)}
    return _masked(num_features, context, 1, width, univariate)


def _affine() -> dict[str, Any]:
    univariate = partial(zuko().transforms.MonotonicAffineTransform, slope=math.exp(-BOUND))
    return {"univariate": univariate, "shapes": [(), ()]}


def _standardise(affine: Callable[..., Transform], mean: Tensor, log_scale: Tensor) -> Transform:
    return affine(mean, log_scale, slope=math.exp(-2 * BOUND)).inv


class _Spline(Transform):
    """zuko's rational-quadratic spline, kept out of torch.compile, which makes wrong gradients of its knots."""

    domain = constraints.real
    codomain = constraints.real
    bijective = True
    sign = 1

    def __init__(
        self, bend: Callable[..., Any], unbend: Callable[..., Any], widths: Tensor, heights: Tensor, derivatives: Tensor
    ) -> None:
        super().__init__()
        self.bend, self.unbend, self.knots = bend, unbend, (widths, heights, derivatives)

    def _call(self, x: Tensor) -> Tensor:
        return self.bend(x, *self.knots)[0]

    def _inverse(self, y: Tensor) -> Tensor:
        return self.unbend(y, *self.knots)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.bend(x, *self.knots)[1]

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.bend(x, *self.knots)


def _bend(x: Tensor, *knots: Tensor) -> tuple[Tensor, Tensor]:
    return zuko().transforms.MonotonicRQSTransform(*knots, bound=REACH).call_and_ladj(x)


def _unbend(y: Tensor, *knots: Tensor) -> Tensor:
    return zuko().transforms.MonotonicRQSTransform(*knots, bound=REACH).inv(y)


class Coupling(nn.Module):
    """Gives the transform y_a = x_a, y_b = f(x_b; x_a, c) for a context c; a and b are halves of the latents.

    zuko's own coupling writes its halves by index into an empty tensor, of which torch.compile makes wrong gradients.

    Arguments:
        swap: a is the second half.
        univariate: f, from parameters of `shapes`.
        network: of the network from (x_a, c) to the parameters.
    """

    def __init__(
        self,
        num_features: int,
        context: int,
        *,
        swap: bool,
        univariate: Callable[..., Transform],
        shapes: list[tuple[int, ...]],
        **network: Any,
    ) -> None:
        super().__init__()
        self.swap, self.univariate, self.shapes = swap, univariate, shapes
        first = num_features // 2
        self.sizes = [first, num_features - first]
        num_a, num_b = reversed(self.sizes) if swap else self.sizes
        self.hyper = zuko().nn.MLP(num_a + context, num_b * sum(map(math.prod, shapes)), **network)

    def forward(self, context: Tensor | None = None) -> Transform:
        return _Halves(self, context)

    def halves(self, x: Tensor) -> list[Tensor]:
        """[x_a, x_b]."""
        parts = list(x.split(self.sizes, -1))
        return parts[::-1] if self.swap else parts

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([b, a] if self.swap else [a, b], -1)

    def given(self, a: Tensor, context: Tensor | None) -> Any:
        """f as an elementwise transform of x_b."""
        sizes = [math.prod(shape) for shape in self.shapes]
        phi = self.hyper(join_label(a, context)).unflatten(-1, (-1, sum(sizes))).split(sizes, -1)
        return self.univariate(*(p.unflatten(-1, (*s, 1)).squeeze(-1) for p, s in zip(phi, self.shapes, strict=True)))


class _Halves(Transform):
    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, coupling: Coupling, context: Tensor | None) -> None:
        super().__init__()
        self.coupling, self.context = coupling, context

    def _call(self, x: Tensor) -> Tensor:
        return self.call_and_ladj(x)[0]

    def _inverse(self, y: Tensor) -> Tensor:
        a, b = self.coupling.halves(y)
        return self.coupling.join(a, self.coupling.given(a, self.context).inv(b))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.call_and_ladj(x)[1]

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y and log|det ∂y/∂x| in one pass, as zuko's transforms have it."""
        a, b = self.coupling.halves(x)
        y, log_det = self.coupling.given(a, self.context).call_and_ladj(b)
        return self.coupling.join(a, y), log_det.sum(-1)


def _couplings(features: int, context: int, count: int, width: int, univariate: dict[str, Any]) -> nn.Module:
    def coupling(i: int, **network: Any) -> nn.Module:
        if features == 1:
            return zuko().flows.ElementWiseTransform(1, context, **univariate, **network)
        return Coupling(features, context, swap=i % 2 == 1, **univariate, **network)

    return _composed(features, context, count, width, coupling)


def _masked(features: int, context: int, count: int, width: int, univariate: dict[str, Any]) -> nn.Module:
    def masked(i: int, **network: Any) -> nn.Module:
        order = torch.arange(features) if i % 2 == 0 else torch.arange(features).flip(0)
        return zuko().flows.MaskedAutoregressiveTransform(features, context, order=order, **univariate, **network)

    return _composed(features, context, count, width, masked)


def _composed(features: int, context: int, count: int, width: int, make: Callable[..., nn.Module]) -> nn.Module:
    at_least(1, "num_transforms", count)
    at_least(1, "width", width)
    maps = [make(i, hidden_features=(width, width), activation=nn.SiLU) for i in range(count)]
    with torch.no_grad():
        for one in maps:  # a single latent without context has no network
            last: Any = one.hyper[-1] if features > 1 or context else one  # type: ignore[index]
            for parameter in last.parameters():
                parameter.zero_()
    return zuko().lazy.LazyComposedTransform(*maps)
