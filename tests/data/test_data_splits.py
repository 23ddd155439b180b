"""Splits, binarization and new x: what belongs to which seed, and that nothing leaks."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from unveil.data import load, prepare
from unveil.data.loading import split_rows
from unveil.domain import Domain
from unveil.errors import RequestError
from unveil.ops import keyed

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (200, 4, 4), dtype=np.uint8)
BITS = (GREY > 127).astype(np.uint8)


@pytest.fixture
def own_test(tmp_path):
    np.savez(tmp_path / "grey.npz", x_train=GREY[:150], x_test=GREY[150:])
    return str(tmp_path / "grey.npz")


@pytest.mark.parametrize("num_rows", [10, 11, 19, 20, 57, 1797])
@pytest.mark.parametrize("num_test", [0, 1, 9])
def test_splits_are_disjoint_and_cover_everything(num_rows, num_test):
    rows, rule = split_rows(num_rows + num_test, num_test, seed=0)
    assert all(len(r) >= 1 and (np.diff(r) > 0).all() for r in rows)
    assert sorted(np.concatenate(rows)) == list(range(num_rows + num_test))
    assert "data.seed=0" in rule
    if num_test:
        assert rows[2].tolist() == list(range(num_rows, num_rows + num_test))
        assert len(rows[1]) == max(1, num_rows // 10)
    else:
        assert len(rows[1]) == len(rows[2]) == max(1, num_rows // 10)


def test_validation_is_at_most_5000():
    rows, _ = split_rows(70_000, 10_000, 0)
    assert [len(r) for r in rows] == [55_000, 5_000, 10_000]


def test_no_test_row_is_in_training(own_test):
    marked = np.arange(3 * 300).reshape(300, 3) / 7
    data = load(marked)
    seen = {float(v) for v in data.train.x[:, 0]} | {float(v) for v in data.valid.x[:, 0]}
    assert not seen & {float(v) for v in data.test.x[:, 0]}
    assert load(own_test).test.rows.min() >= 150 > load(own_test).train.rows.max()


def test_splits_and_fixed_draws_ignore_the_training_seed_and_follow_their_own():
    torch.manual_seed(1)
    np.random.seed(1)
    first = load(GREY, binarization="dynamic")
    torch.manual_seed(2)
    np.random.seed(2)
    again, other = load(GREY, binarization="dynamic"), load(GREY, binarization="dynamic", seed=1)
    for name in ("train", "valid", "test"):
        one, same = getattr(first, name), getattr(again, name)
        assert torch.equal(one.rows, same.rows) and torch.equal(one.x, same.x)
        assert not torch.equal(one.rows, getattr(other, name).rows)
    assert first.sha256 == other.sha256 and other.seed == 1 and "data.seed=1" in other.rule


def everything(split):
    return split.batch(torch.arange(len(split))).x


def test_dynamic_draws_training_afresh_and_the_rest_once(own_test):
    data = load(own_test, binarization="dynamic")
    assert data.binarization == "dynamic" and data.levels == 256 and str(data.domain) == "binary"
    with keyed("a"):
        first = everything(data.train)
    with keyed("b"):
        second = everything(data.train)
    with keyed("a"):
        third = everything(data.train)
    assert torch.equal(first, third) and not torch.equal(first, second)
    for split in (data.valid, data.test):
        assert split.binarize == "none" and torch.equal(everything(split), everything(split))
    for split in (data.train, data.valid, data.test):
        values, v = everything(split), torch.from_numpy(GREY)[split.rows]
        assert set(values.unique().tolist()) == {0.0, 1.0} and values.dtype == torch.float32
        assert not values[v == 0].any() and values[v == 255].all()
        assert torch.equal(split.expected(torch.arange(len(split))).x, v.float() / 255)


def test_static_is_one_draw_shared_with_dynamic(own_test):
    static, dynamic = load(own_test, binarization="static"), load(own_test, binarization="dynamic")
    assert torch.equal(everything(static.train), everything(static.train))
    assert torch.equal(static.valid.x, dynamic.valid.x) and torch.equal(static.test.x, dynamic.test.x)
    index = torch.arange(len(static.train))
    assert torch.equal(static.train.expected(index).x, torch.from_numpy(GREY)[static.train.rows] / 255)


def test_threshold_and_none(own_test):
    cut, plain = load(own_test, binarization="threshold"), load(own_test, binarization="none")
    assert np.array_equal(cut.test.x, GREY[150:] > 127) and str(cut.domain) == "binary"
    assert torch.equal(cut.test.expected(torch.arange(5)).x, cut.test.x[:5].float())
    assert np.array_equal(plain.test.x, GREY[150:]) and plain.binarization is None and plain.levels == 0
    assert str(plain.domain) == "levels(256)" and everything(plain.test).max() > 1


def test_binary_domain_may_be_asked_for_with_a_binarization():
    assert str(load(GREY, binarization="threshold", domain="binary").domain) == "binary"
    assert load(GREY, binarization="static", levels=256).levels == 256


def test_batches_gather_by_index():
    data = load(GREY, y=np.arange(200) % 3)
    index = torch.tensor([5, 0, 5])
    batch = data.train.batch(index)
    assert torch.equal(batch.index, index) and len(batch) == 3
    assert torch.equal(batch.x, data.train.x[index].float()) and torch.equal(batch.y, data.train.y[index])
    head = data.train.head(7)
    assert len(head) == len(head.rows) == len(head.y) == 7 and torch.equal(head.x, data.train.x[:7])
    assert torch.equal(data.train.to("cpu").x, data.train.x) and data.train.to("meta").x.device.type == "meta"
    drawn = load(GREY, binarization="dynamic").valid.head(3)
    assert drawn.expected(torch.arange(3)).x.shape == (3, 4, 4) and drawn.to("meta").grey.device.type == "meta"


def test_json_is_plain_and_complete(own_test):
    data = load(own_test, binarization="dynamic")
    stored = json.loads(json.dumps(data.to_json()))
    assert stored["format"] == "unveil-data-1" and stored["sha256"] == data.sha256
    assert stored["split"]["sizes"] == {"train": 135, "valid": 15, "test": 50} and stored["split"]["seed"] == 0
    assert stored["binarization"] == "dynamic" and stored["levels"] == 256
    assert Domain.from_json(stored["domain"]) == data.domain and stored["shape"] == [4, 4]
    assert {"source", "classes", "columns", "resize"} <= set(stored)
    assert load(stored["source"], binarization="dynamic").sha256 == stored["sha256"]


def test_prepare_gives_the_run_its_own_test_split_again(own_test):
    data = load(own_test, binarization="dynamic")
    split = prepare(own_test, data.domain, data.binarization, data.seed, levels=data.levels)
    assert split.rows.tolist() == list(range(200)) and split.y is None
    assert torch.equal(split.x[150:], data.test.x) and torch.equal(split.x[data.valid.rows], data.valid.x)
    assert torch.equal(split.expected(torch.arange(200)).x, torch.from_numpy(GREY) / 255)
    assert not torch.equal(prepare(own_test, data.domain, data.binarization, 1).x, split.x)
    few = prepare(GREY[:3], data.domain, data.binarization, data.seed)
    assert torch.equal(few.x, split.x[:3])


@pytest.mark.parametrize("mode", ["dynamic", "static", "threshold"])
def test_prepare_takes_binary_x_as_it_is(mode):
    domain = Domain("binary", (4, 4))
    for x in (BITS, BITS.astype(bool), BITS.astype(np.float64)):
        split = prepare(x, domain, mode)
        assert np.array_equal(split.x, BITS) and split.x.dtype == torch.uint8
        assert torch.equal(split.expected(torch.arange(9)).x, split.batch(torch.arange(9)).x)
    assert np.array_equal(prepare(BITS * 255, domain, mode).x, BITS)
    assert np.array_equal(prepare(GREY, domain, "threshold").x, BITS)


def test_prepare_levels_and_real():
    levels = prepare(GREY.astype(float), Domain("levels", (4, 4), 256))
    assert np.array_equal(levels.x, GREY) and levels.x.dtype == torch.uint8
    real = prepare(GREY[:1] - 0.5, Domain("real", (4, 4)))
    assert real.x.dtype == torch.float32 and np.array_equal(real.x, GREY[:1] - 0.5)


BINARY, LEVELS17, REAL = (Domain("binary", (4, 4)), Domain("levels", (4, 4), 17), Domain("real", (4, 4)))


@pytest.mark.parametrize(
    ("x", "domain", "mode", "words"),
    [
        (GREY, BINARY, None, "outside this run's domain binary"),
        (GREY, BINARY, "none", "Turn it into 0 and 1 first"),
        (GREY, LEVELS17, None, "the integers 0 to 16"),
        (GREY, LEVELS17, None, "Fitted with data.levels=256, a run"),
        (GREY / 255, Domain("levels", (4, 4), 256), None, "np.rint(x * 255)"),
        (GREY / 255, BINARY, "dynamic", "np.rint(x * 255)"),
        (GREY - 0.5, BINARY, "dynamic", "grey levels"),
        (GREY - 0.5, LEVELS17, None, "outside this run's domain"),
        (BITS.astype(int) - 1, BINARY, None, "the first -1"),
        (GREY, BINARY, "auto", "binarization came as 'auto'"),
        (GREY, BINARY, "fixed", "binarization came as 'fixed'"),
        (GREY[0], REAL, None, "x[None]"),
        (GREY.reshape(200, 16), REAL, None, "x.reshape(-1, 4, 4)"),
        (GREY[:, :3], REAL, None, "takes (N, 4, 4)"),
        (GREY[:0], REAL, None, "holds nothing"),
        (np.where(GREY == 7, np.inf, GREY), REAL, None, "not finite"),
        (GREY * 1e300, REAL, None, "float32"),
        (np.float32(3), REAL, None, "shape ()"),
    ],
)
def test_prepare_refuses_what_the_run_cannot_judge(x, domain, mode, words):
    with pytest.raises(RequestError) as refusal:
        prepare(x, domain, mode)
    assert words in str(refusal.value) and "\n" not in str(refusal.value)
    assert len(prepare(BITS[:2], domain, None)) == 2  # a good request


def test_whole_numbers_beyond_those_of_training_are_refused_with_the_kind_that_takes_them():
    domain = Domain("levels", (2,), 181)
    with pytest.raises(RequestError, match=r"Fitted with data\.domain=count, a run takes whole numbers beyond"):
        prepare(np.array([[200, 3]]), domain)
    for other in ([[-1, 3]], [[200.5, 3]]):
        with pytest.raises(RequestError) as refusal:
            prepare(np.array(other), domain)
        assert "count" not in str(refusal.value)
    few, more = np.arange(200).reshape(100, 2) % 181, np.array([[200, 3]])
    assert len(prepare(more, load(few, domain="count").domain)) == 1


def test_prepare_with_the_levels_of_the_run():
    digits = np.minimum(GREY, 12)
    guessed, told = prepare(digits, BINARY, "static"), prepare(digits, BINARY, "static", levels=17)
    assert (guessed.levels, told.levels) == (13, 17)
    assert told.expected(torch.arange(200)).x.max() == 12 / 16
    with pytest.raises(RequestError, match="0 to 16"):
        prepare(GREY, BINARY, "static", levels=17)


def test_splits_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(GREY).train.x = None
