"""The sources digit_pairs and emoji, and rows that belong together staying in one split."""

import hashlib

import numpy as np
import pytest

from unveil.data import load, read_array
from unveil.data.archives import Archive
from unveil.data.digit_pairs import EACH, PAIRS, POOLS, TEST_POOLS, DigitPairs, deal
from unveil.data.emoji import Emoji, on_white
from unveil.data.loading import split_rows
from unveil.data.raw import digest
from unveil.data.sources import Digits
from unveil.errors import RequestError

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def pairs():
    return DigitPairs().read()


def halves(x):
    """The bytes of both halves of each picture."""
    return {part.tobytes() for picture in x for part in (picture[:8], picture[8:])}


def test_digit_pairs_are_the_same_everywhere(pairs):
    assert pairs.x.shape == (7560, 16, 8) and pairs.x.max() == 16
    assert hashlib.sha256(pairs.x.tobytes()).hexdigest().startswith("5ccd2bdc80e5785e")
    assert len(PAIRS) == 90 and pairs.num_test == TEST_POOLS * EACH * 90 == 1260
    assert (np.bincount(pairs.y[:-1260]) == 70).all() and (np.bincount(pairs.y[-1260:]) == 14).all()


def test_a_pair_shows_the_digits_that_it_names(pairs):
    digits = Digits().read()
    known = {picture.tobytes(): label for picture, label in zip(digits.x, digits.y, strict=True)}
    for row in range(0, 7560, 37):
        upper, lower = (known[part.tobytes()] for part in (pairs.x[row, :8], pairs.x[row, 8:]))
        assert pairs.classes[pairs.y[row]] == f"{upper}-{lower}"
        assert (pairs.factors["upper"][row], pairs.factors["lower"][row]) == (upper, lower)


def test_no_digit_is_in_two_splits():
    data = load("digit_pairs")
    train, valid, test = (halves(split.x.numpy()) for split in (data.train, data.valid, data.test))
    assert (len(data.train), len(data.valid), len(data.test)) == (5670, 630, 1260)
    assert not train & valid and not train & test and not valid & test
    assert str(data.domain) == "levels(17)" and "belong together stay in one split" in data.to_json()["split"]["rule"]


def test_the_pools_share_no_row_and_hold_every_class():
    y = Digits().read().y
    dealt = deal(y, np.random.default_rng(1))
    rows = np.concatenate([pool for of_digit in dealt for pool in of_digit])
    assert sorted(rows) == list(range(len(y))) and all(len(of_digit) == POOLS for of_digit in dealt)
    assert all((y[pool] == digit).all() and len(pool) for digit, of in enumerate(dealt) for pool in of)


@pytest.mark.parametrize("num_test", [0, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_rows_that_belong_together_stay_in_one_split(num_test, seed):
    together = RNG.permutation(np.repeat(np.arange(200), RNG.integers(1, 9, 200)))
    rows, rule = split_rows(
        len(together) + num_test, num_test, seed, np.concatenate([together, np.full(num_test, 999)])
    )
    assert sorted(np.concatenate(rows)) == list(range(len(together) + num_test)) and "together" in rule
    parts = [set(together[part]) for part in (rows if not num_test else rows[:2])]
    assert sum(map(len, parts)) == 200
    tenth = len(together) // 10
    for part in rows[1:2] if num_test else rows[1:]:
        assert tenth <= len(part) < tenth + 9 and (np.diff(part) > 0).all()


def test_without_such_rows_the_split_is_as_it_was():
    rows, rule = split_rows(1000, 0, 0)
    order = np.random.default_rng((0, 1)).permutation(1000)
    assert [part.tolist() for part in rows] == [sorted(order[200:]), sorted(order[:100]), sorted(order[100:200])]
    assert rule == "80/10/10 by a permutation with data.seed=0"


def test_emoji_are_composited_on_white():
    images = np.zeros((1, 1, 3, 4), np.uint8)
    images[0, 0] = [(9, 9, 9, 0), (10, 20, 30, 255), (0, 100, 255, 51)]
    assert on_white(images)[0, 0].tolist() == [[255, 255, 255], [10, 20, 30], [204, 224, 255]]
    shades = RNG.integers(0, 256, (5, 8, 8, 4), dtype=np.uint8)
    alpha = shades[..., 3:] / 255
    assert np.abs(on_white(shades) - (shades[..., :3] * alpha + 255 * (1 - alpha))).max() <= 0.5 + 1e-9


def test_emoji_of_one_base_are_in_one_split(monkeypatch, tmp_path):
    base = np.repeat(np.arange(100), 3).astype(np.int32)
    arrays = {
        "images": RNG.integers(0, 256, (300, 4, 4, 4), dtype=np.uint8),
        "groups": np.where(base < 60, "Food", "Animals"), "subgroups": np.char.add("s", (base % 7).astype(str)),
        "base": base,
    }  # fmt: skip
    np.savez(tmp_path / "emoji.npz", **arrays)
    pinned = {name: digest(array) for name, array in arrays.items()}
    monkeypatch.setattr(Emoji, "archive", Archive("emoji", pinned, Emoji.archive.made_of))
    monkeypatch.setenv("UNVEIL_DATA", str(tmp_path))
    data = load("emoji")
    assert data.classes == ("Animals", "Food") and str(data.domain) == "levels(256)"
    found = [set(base[split.rows]) for split in (data.train, data.valid, data.test)]
    assert [len(part) for part in found] == [80, 10, 10] and len(set.union(*found)) == 100
    assert np.array_equal(data.factors["subgroup"], base % 7) and np.array_equal(data.factors["base"], base)


def test_a_missing_archive_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("UNVEIL_DATA", str(tmp_path))
    with pytest.raises(RequestError, match=r"emoji\.npz is not in \$UNVEIL_DATA .*no mirror.*images, groups"):
        load("emoji")


@pytest.mark.needs_data
def test_the_real_emoji():
    x, y, classes, _ = read_array("emoji")
    assert x.shape == (3394, 32, 32, 3) and len(classes) == 9 and (x[:, 0, 0] == 255).mean() > 0.9
    data = load("emoji")
    base = data.factors["base"]
    train, valid, test = (set(base[split.rows]) for split in (data.train, data.valid, data.test))
    assert len(train | valid | test) == 1615 == len(train) + len(valid) + len(test)
    assert len(np.unique(data.factors["subgroup"])) == 97 and np.array_equal(y[data.test.rows], data.test.y)
