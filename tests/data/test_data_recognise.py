"""Which domain x is said to belong to, and which x belongs to none."""

import numpy as np
import pytest

from unveil.data import load
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
        (np.minimum(SMALL, 4).astype(np.uint8), "levels(5)"), (SMALL, "levels(17)"), (SMALL * 6, "levels(97)"),
        (GREY.astype(np.int64), "levels(256)"), (SMALL.astype(np.float64), "levels(17)"),
        (SMALL.astype(np.float16), "levels(17)"), (REAL, "real"), (REAL.astype(np.float16), "real"),
        (SMALL - 3.0, "real"), (SMALL * 100.0, "real"), (GREY / 255, "real"), (GREY.astype(">u2"), "levels(256)"),
    ],
)  # fmt: skip
def test_recognised(x, wanted):
    data = load(x)
    assert str(data.domain) == wanted and data.domain.shape == x.shape[1:] and data.binarization is None
    assert data.train.x.dtype.is_floating_point == (wanted == "real")
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
    assert "transpose" in said(RNG.integers(0, 256, (20, 3, 8, 8), dtype=np.uint8))
    assert "transpose" not in said(RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))


def test_explicit_domain():
    assert str(load(SMALL, domain="real").domain) == "real"
    assert str(load(SMALL - 5, domain="real").domain) == str(load(BITS == 1, domain="real").domain) == "real"
    assert str(load(SMALL, domain="levels").domain) == "levels(17)"
    assert str(load(SMALL, levels=32).domain) == "levels(32)"
    assert str(load(BITS, domain="levels").domain) == "levels(2)"
    assert str(load(BITS, domain="binary").domain) == "binary"
    assert str(load(BITS, levels=256).domain) == "levels(256)"


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (SMALL - 5, {}, "data.domain=real"),
        (SMALL * 100, {}, "data.domain=real"),
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
        (with_value(np.nan), "2 values that are not finite numbers, the first nan in row 7, position (1, 2)"),
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


def test_constant_columns_and_large_offsets_that_float32_holds_are_fine():
    x = REAL.copy()
    x[:, 0] = 0.1
    assert str(load(x).domain) == "real"
    assert str(load(x + 1000).domain) == "real"
    assert len(load(REAL[:10]).train) == 8
