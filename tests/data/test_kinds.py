"""A kind of domain is one class: with it x is recognised, asked for, refused, listed and fitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, TransformedDistribution
from torch.distributions.transforms import AffineTransform

from unveil import registry
from unveil.batch import Batch
from unveil.data import load, prepare
from unveil.domain import Domain, Kind, kind, kinds
from unveil.domain.kind import found
from unveil.domain.values import Array, Values, refuse_where
from unveil.errors import RequestError
from unveil.likelihoods import Likelihood
from unveil.likelihoods.base import default_likelihood, fitting
from unveil.models.vae import VAE
from unveil.settings.keys import all_keys, parse

X = np.where(np.random.default_rng(0).random((40, 6)) < 0.3, -1.0, 1.0)


class Sign(Kind):
    """−1 and +1."""

    order, is_discrete, ends, inside, likelihood = 5, True, (-1.0, 1.0), 1.0, "spin"

    def recognises(self, x: Values) -> bool:
        return bool((np.abs(x.x) == 1).all()) and x.low < 0

    def take(self, x: Values, levels: int, asked: bool) -> tuple[None, tuple[str, ...]]:
        self.check(x.x, "sign", None)
        return None, ("x holds only −1 and 1: sign.",)

    def check(self, x: Array, domain: str, num_levels: int | None) -> None:
        refuse_where(np.abs(x) != 1, x, f"that are no {domain}", "Give −1 and 1.")


class Spins(TransformedDistribution):
    """−1 and +1, with their mean."""

    @property
    def mean(self) -> Tensor:
        return 2 * self.base_dist.mean - 1


class Spin(Likelihood):
    """p(x_d|h) = σ(x_d h_d)."""

    domains = ("sign",)

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, 1)

    def each(self, *params: Tensor) -> Distribution:
        return Spins(Bernoulli(logits=params[0], validate_args=False), AffineTransform(-1.0, 2.0), validate_args=False)

    def initialise(self, x: Tensor, observed: Tensor | None = None) -> None:
        pass


@pytest.fixture()
def sign() -> Iterator[None]:
    kind("sign")(Sign)
    registry.register("likelihood", "spin")(Spin)
    yield
    del found["sign"], registry._found["likelihood"]["spin"]


def domain_key() -> Any:
    return next(key for key in all_keys() if key.name == "data.domain")


def test_the_kinds_that_there_are_come_from_their_files() -> None:
    assert list(kinds()) == ["binary", "levels", "count", "unit", "real", "mixed", "text", "joint"]
    assert domain_key().type_name == "auto | binary | levels | count | unit | real | mixed"


@pytest.mark.usefixtures("sign")
def test_a_new_kind_is_recognised_asked_for_and_listed() -> None:
    data = load(X)
    assert data.domain == Domain("sign", (6,)) == Domain.from_json(data.domain.to_json())
    assert "x holds only −1 and 1: sign." in data.notes and data.domain.ends == (-1.0, 1.0)
    assert load(X, domain="real").domain.kind == "real" and load(X, domain="sign").domain.kind == "sign"
    assert domain_key().type_name.startswith("auto | sign | binary") and parse(domain_key(), "sign") == "sign"
    with pytest.raises(RequestError, match="that are no sign"):
        load(X * np.arange(6), domain="sign")
    with pytest.raises(RequestError, match="that are no sign"):
        prepare(np.zeros((2, 6)), data.domain)
    gappy = prepare(np.where(np.eye(6) > 0, np.nan, 1.0), data.domain)
    assert gappy.observed is not None and gappy.x.sum() == gappy.observed.sum() == 30
    with pytest.raises(RequestError, match="Did you mean 'sign'"):
        load(X, domain="sing")


@pytest.mark.usefixtures("sign")
def test_a_likelihood_that_names_a_new_kind_is_one_of_it() -> None:
    domain = Domain("sign", (6,))
    assert fitting(domain) == ["spin"] and default_likelihood(domain) == "spin"
    model = VAE.build(domain, latent=2, width=8, depth=1)
    terms = model.infer(Batch(torch.as_tensor(X, dtype=torch.float32)), 3)
    assert isinstance(model.likelihood, Spin) and bool(torch.isfinite(terms.log_px_z).all())
    with pytest.raises(RequestError, match="one of sign data and the data is real"):
        Spin(Domain("real", (6,)))


def test_what_is_gone_is_no_kind() -> None:
    with pytest.raises(RequestError, match="no domain 'sign'"):
        Domain("sign", (6,))
