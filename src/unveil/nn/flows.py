"""Invertible maps from zuko, for priors and posteriors: modules that give a torch Transform, with context or without.

All of them start as the identity: the last layer of every network in them is zero.

References: Dinh et al., Density estimation using Real NVP (2017); Durkan et al., Neural Spline Flows (2019);
Papamakarios et al., Masked Autoregressive Flow for Density Estimation (2017).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Transform, transforms

from ..errors import RequestError

BOUND = 2.0  # of log σ in an affine map: each one stretches by at most e²
REACH = 8.0  # splines bend inside [−8, 8] and are the identity outside


def zuko() -> Any:
    """The package zuko, torch's own distributions left as they were."""
    with _torch_as_it_was():
        try:
            return importlib.import_module("zuko")
        except ModuleNotFoundError as error:
            raise RequestError("Flows need the package zuko.", "pip install unveil[flows]") from error


@contextmanager
def _torch_as_it_was() -> Iterator[None]:
    """Importing zuko switches torch's checks of distributions off for everybody, and renames a class."""
    inverse: Any = transforms._InverseTransform
    checks, constraints, name = Distribution._validate_args, Distribution.__dict__["arg_constraints"], inverse.__name__
    try:
        yield
    finally:
        Distribution.set_default_validate_args(checks)
        Distribution.arg_constraints = constraints  # type: ignore[method-assign]
        inverse.__name__ = name


def affine_couplings(num_features: int, context: int = 0, *, num_transforms: int, width: int) -> nn.Module:
    """y_a = x_a, y_b = x_b·exp s(x_a) + t(x_a) with |s| < 2, halves swapped from one map to the next (RealNVP)."""
    return _couplings(num_features, context, num_transforms, width, _affine())


def spline_couplings(num_features: int, context: int = 0, *, num_transforms: int, width: int, bins: int) -> nn.Module:
    """y_a = x_a, y_b = a monotone rational-quadratic spline of x_b whose knots depend on x_a (neural spline flow)."""
    if bins < 2:
        raise RequestError(f"bins is {bins}; it takes a whole number from 2 upwards.")
    spline = partial(zuko().transforms.MonotonicRQSTransform, bound=REACH)
    univariate = {"univariate": spline, "shapes": [(bins,), (bins,), (bins - 1,)]}
    return _couplings(num_features, context, num_transforms, width, univariate)


def masked_affine(num_features: int, context: int = 0, *, num_transforms: int, width: int) -> nn.Module:
    """y_d = x_d·exp s(x_<d) + t(x_<d) with |s| < 2, the order reversed from one map to the next.

    y is one pass of a masked network; x from y takes D passes.
    """
    return _masked(num_features, context, num_transforms, width, _affine())


def masked_standardisation(num_features: int, context: int = 0, *, width: int) -> nn.Module:
    """y_d = (x_d − μ(x_<d))/σ(x_<d): one pass; x from y takes D."""
    return _masked(num_features, context, 1, width, {"univariate": _standardise})


def _affine() -> dict[str, Any]:
    return {"univariate": partial(zuko().transforms.MonotonicAffineTransform, slope=math.exp(-BOUND))}


def _standardise(mean: Tensor, log_scale: Tensor) -> Transform:
    return zuko().transforms.MonotonicAffineTransform(mean, log_scale, slope=math.exp(-2 * BOUND)).inv


def _couplings(features: int, context: int, count: int, width: int, univariate: dict[str, Any]) -> nn.Module:
    def coupling(i: int, **network: Any) -> nn.Module:
        mask = torch.arange(features) % 2 == i % 2
        return zuko().flows.GeneralCouplingTransform(features, context, mask=mask, **univariate, **network)

    return _composed(features, context, count, width, coupling)


def _masked(features: int, context: int, count: int, width: int, univariate: dict[str, Any]) -> nn.Module:
    def masked(i: int, **network: Any) -> nn.Module:
        order = torch.arange(features) if i % 2 == 0 else torch.arange(features).flip(0)
        return zuko().flows.MaskedAutoregressiveTransform(features, context, order=order, **univariate, **network)

    return _composed(features, context, count, width, masked)


def _composed(features: int, context: int, count: int, width: int, make: Callable[..., nn.Module]) -> nn.Module:
    for key, value in (("num_transforms", count), ("width", width)):
        if value < 1:
            raise RequestError(f"{key} is {value}; it takes a whole number from 1 upwards.")
    maps = [make(i, hidden_features=(width, width), activation=nn.SiLU) for i in range(count)]
    with torch.no_grad():
        for one in maps:  # a single latent without context has no network
            last: Any = one.hyper[-1] if features > 1 or context else one  # type: ignore[index]
            for parameter in last.parameters():
                parameter.zero_()
    return zuko().lazy.LazyComposedTransform(*maps)
