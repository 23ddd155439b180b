"""Which domain x is said to belong to, and which x belongs to none."""

import numpy as np
import pandas as pd
import pytest
import torch

from unveil.data import load, prepare
from unveil.domain import Domain
from unveil.errors import RequestError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (30, 5, 5), dtype=np.uint8)
GREY[0, 0, 0] = 255
SMALL = RNG.integers(0, 17, (30, 6))
SMALL[0, 0] = 16
REAL = RNG.normal(size=(30, 6))
BITS = RNG.integers(0, 2, (30, 6))


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        (BITS.astype(bool), "binary"), (BITS, "binary"), (BITS.astype(np.float32), "binary"),
        (GREY, "levels(256)"), (GREY // 2, "levels(256)"), (SMALL.astype(np.uint8), "levels(17)"),
        (SMALL.astype(np.uint8) + 1, "levels(256)"),
        (np.minimum(SMALL, 4).astype(np.uint8), "levels(5)"), (SMALL, "levels(17)"), (SMALL * 6, "levels(256)"),
        (SMALL * 2, "levels(256)"),
        (GREY.astype(np.int64), "levels(256)"), (SMALL.astype(np.float64), "levels(17)"),
        (SMALL.astype(np.float16), "levels(17)"), (REAL, "real"), (REAL.astype(np.float16), "real"),
        (SMALL - 3.0, "real"), (SMALL * 100.0, "real"), (GREY / 255, "real"), (GREY.astype(">u2"), "levels(256)"),
        (SMALL * 100, "count"), (SMALL.astype(np.uint16) * 100, "count"), (RNG.random((30, 6)), "real"),
    ],
)  # fmt: skip
def test_recognised(x, wanted):
    data = load(x)
    assert str(data.domain) == wanted and data.domain.shape == x.shape[1:] and data.binarization is None
    assert data.train.x.dtype.is_floating_point == (wanted in ("real", "count"))
    assert any(wanted in note for note in data.notes)
    back = np.concatenate([s.x.numpy() for s in (data.train, data.valid, data.test)])
    rows = np.concatenate([s.rows.numpy() for s in (data.train, data.valid, data.test)])
    assert np.array_equal(back[np.argsort(rows)], x.astype(back.dtype))


def said(x, **options):
    return " ".join(load(x, **options).notes)


def test_hints():
    assert "np.rint(x * 255)" in said((GREY / 255).astype(np.float32))
    assert "np.rint(x * 255)" in said(GREY.reshape(30, 25) / 255)
    assert "np.rint" not in said(REAL)
    assert "x // 255" in said(np.where(GREY > 99, 255, 0).astype(np.uint8))
    assert "data.domain=real" in said(SMALL.astype(float))
    assert "no upper bound" in said(SMALL - 3.0)
    assert "data.domain=real" in said(SMALL * 100)
    assert "data.domain=count" in said(SMALL * 100.0) and "data.domain=count" not in said(SMALL - 3.0)
    assert "data.domain=unit" in said(RNG.random((30, 6))) and "data.domain=unit" not in said(REAL)
    assert "transpose" in said(RNG.integers(0, 256, (20, 3, 8, 8), dtype=np.uint8))
    assert "transpose" not in said(RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))


def test_explicit_domain():
    assert str(load(SMALL, domain="real").domain) == "real"
    assert str(load(SMALL - 5, domain="real").domain) == str(load(BITS == 1, domain="real").domain) == "real"
    assert str(load(SMALL, domain="levels").domain) == "levels(17)"
    for x in (SMALL, SMALL * 100.0, GREY, BITS == 1):
        data = load(x, domain="count")
        assert str(data.domain) == "count" and data.domain.is_discrete and data.train.x.dtype == torch.float32
    for x in (RNG.random((30, 6)), GREY / 255, BITS):
        data = load(x, domain="unit")
        assert str(data.domain) == "unit" and not data.domain.is_discrete and data.train.x.dtype == torch.float32
    assert str(load(SMALL, levels=32).domain) == "levels(32)"
    assert str(load(BITS, domain="levels").domain) == "levels(2)"
    assert str(load(BITS, domain="binary").domain) == "binary"
    assert str(load(BITS, levels=256).domain) == "levels(256)"


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (SMALL - 5, {}, "data.domain=real"),
        (SMALL * 100, {"levels": 20}, "data.domain=real"),
        (SMALL.reshape(30, 2, 3) * 100, {}, "data.domain=count if they count something"),
        (SMALL - 5, {"domain": "count"}, "outside count data, the integers from 0 to 16777216, the first -3 in row 0"),
        (SMALL + 0.5, {"domain": "count"}, "180 values outside count data"),
        (2**24 + SMALL, {}, "Give data.domain=real"),
        (SMALL, {"domain": "unit"}, "outside unit data, the numbers from 0 to 1, the first 16"),
        (REAL, {"domain": "unit"}, "Give data.domain=real, or leave data.domain out"),
        (BITS, {"levels": 2, "domain": "count"}, "only levels have a number"),
        (SMALL * 100, {"binarization": "dynamic"}, "x is count"),
        (SMALL, {"binarization": "dynamic", "domain": "count"}, "data.domain=count was asked for"),
        (SMALL, {"domain": "binary"}, "data.binarization=dynamic"),
        (REAL, {"domain": "binary"}, "not integers"),
        (REAL, {"domain": "levels"}, "not integers"),
        (GREY / 255, {"domain": "levels"}, "multiply by 255"),
        (REAL, {"levels": 20}, "not integers"),
        (SMALL, {"levels": 16}, "data.levels=17"),
        (SMALL, {"levels": 257}, "between 2 and 256"),
        (SMALL, {"levels": -1}, "between 2 and 256"),
        (SMALL, {"levels": 17, "domain": "real"}, "only levels have a number"),
        (SMALL, {"domain": "level"}, "Did you mean 'levels'?"),
        (SMALL, {"binarization": "dynamics"}, "Did you mean 'dynamic'?"),
        (SMALL, {"seed": -1}, "0 or more"),
        (REAL, {"binarization": "static"}, "grey levels"),
        (GREY / 255, {"binarization": "dynamic"}, "np.rint(x * 255)"),
        (BITS, {"binarization": "dynamic"}, "binary already"),
        (GREY, {"binarization": "dynamic", "domain": "real"}, "data.domain=real was asked for"),
        (REAL * 1e39, {}, "float32"),
        (1.7e9 + RNG.random((30, 2)), {}, "subtract an offset"),
        (10**15 + SMALL, {"domain": "real"}, "subtract an offset"),
    ],
)
def test_refused_choices(x, options, words):
    with pytest.raises(RequestError) as refusal:
        load(x, **options)
    assert words in str(refusal.value) and "\n" not in str(refusal.value)


def with_value(value, dtype=float):
    x = RNG.normal(size=(30, 3, 3)).astype(dtype)
    x[7, 1, 2] = x[9, 0, 0] = value
    return x


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((0, 5)), "holds nothing"),
        (np.zeros((20, 0)), "holds nothing"),
        (REAL[:1], "1 examples; at least 10"),
        (REAL[:9], "9 examples; at least 10"),
        (np.zeros((30, 5)), "identical"),
        (np.tile(REAL[:1], (30, 1)), "identical"),
        (with_value(np.inf), "2 values that are not finite numbers, the first inf in row 7, position (1, 2)"),
        (with_value(np.inf), "the first inf in row 7"),
        (with_value(-np.inf, np.float32), "the first -inf in row 7"),
        (np.float64(3), "came with the shape ()"),
        (REAL[:, 0], "x[:, None]"),
        (np.zeros((20, 2, 2, 2, 2)), "(N, H, W, C)"),
    ],
)
def test_refused_data(x, words):
    with pytest.raises(RequestError) as refusal:
        load(x)
    assert words in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_fitted_run_takes_what_is_in_its_domain_and_nothing_else():
    count, unit = Domain("count", (6,)), Domain("unit", (6,))
    assert prepare(SMALL * 100, count).x.dtype == prepare(BITS * 0.5, unit).x.dtype == torch.float32
    for x, domain, words in (
        (SMALL - 5, count, "outside this run's domain count, the integers from 0 to 16777216"),
        (SMALL + 0.5, count, "180 values outside"),
        (SMALL, unit, "outside this run's domain unit, the numbers from 0 to 1"),
    ):
        with pytest.raises(RequestError, match=words):
            prepare(x, domain)


@pytest.mark.parametrize("kind", ["count", "unit", "real"])
def test_what_has_no_levels_says_so_and_comes_back_from_json(kind):
    domain = Domain(kind, (2, 3))
    assert Domain.from_json(domain.to_json()) == domain and not domain.is_finite
    with pytest.raises(RequestError, match=f"{kind.capitalize()} data has no levels"):
        _ = domain.levels


def test_constant_columns_and_large_offsets_that_float32_holds_are_fine():
    x = REAL.copy()
    x[:, 0] = 0.1
    assert str(load(x).domain) == "real"
    assert str(load(x + 1000).domain) == "real"
    assert len(load(REAL[:10]).train) == 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pictures_divided_by_255_with_channels_first_are_told_both(dtype):
    x = (RNG.integers(0, 256, (20, 3, 8, 8)) / 255).astype(dtype)
    for some in (x, x[:, :1]):
        assert "np.rint(x * 255)" in said(some) and "x.transpose(0, 2, 3, 1)" in said(some)
    assert "transpose" not in said(x.transpose(0, 2, 3, 1)) and "transpose" in said(x * 0.9 + 0.02)
    assert "transpose" in said(np.rint(x * 5000) - 300)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("unit", [3.2e-19, 1e-6, 1e9, 1e30])
def test_the_scale_of_numbers_is_no_reason_for_advice(dtype, unit):
    x = np.abs(REAL) * unit
    for some in (x.astype(dtype), pd.DataFrame(x, columns=list("abcdef"))):
        told = said(some)
        assert not any(word in told for word in ("divided by 255", "integers", "whole numbers", "count", "unit"))


def test_two_greys_are_no_picture_divided_by_255():
    x = RNG.integers(0, 2, (40, 6)) / 255
    assert "divided by 255" not in said(x) and "divided by 255" in said(RNG.integers(0, 4, (40, 6)) / 255)
