"""Simple models of texts and of pictures with texts: right sums, the closed form, and what is missing left out."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from unveil.data import Data, Split, load
from unveil.data.pairs import of_part, paired
from unveil.data.texts import written
from unveil.domain import Domain
from unveil.domain.text import encode
from unveil.evaluation.baselines.examples import Density
from unveil.evaluation.baselines.fit import fit_baselines
from unveil.evaluation.baselines.ngrams import counted_texts, ngrams

WORDS = ["".join(w) for n in range(4) for w in itertools.product("ab", repeat=n)]
SEEN = ["ab", "aba", "abb", "ab", "b", ""]


def as_split(texts: list[str], length: int = 3, every: list[list[str]] | None = None) -> Split:
    x = torch.from_numpy(encode(texts, "ab", length))
    held = None
    if every is not None:
        most = max(map(len, every))
        all_texts = np.stack([encode(own + [""] * (most - len(own)), "ab", length) for own in every])
        held = torch.from_numpy(all_texts), torch.tensor([len(own) for own in every])
    return Split(x, None, Domain("text", (length,), alphabet="ab"), "none", torch.arange(len(x)), texts=held)


def density(order: int, knob: float) -> Density:
    return counted_texts(as_split(SEEN).x, order, knob, base=3)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("knob", [1.0, 0.1])
def test_ngrams_of_all_texts_sum_to_one(order: int, knob: float) -> None:
    log_p = density(order, knob)(as_split(WORDS).x)
    assert log_p.shape == (15,) and float(log_p.logsumexp(0)) == pytest.approx(0, abs=1e-9)


def test_bigrams_are_those_of_the_formula() -> None:
    """Counted by hand, of the 16 places that SEEN reaches (a text that is full needs no end)."""
    places = "".join(t + ("." if len(t) < 3 else "") for t in SEEN)
    left = 3.0
    p1 = {c: (places.count(c) + left / 3) / (len(places) + left) for c in "ab."}
    starts = [t[0] if t else "." for t in SEEN]
    first = {c: (starts.count(c) + 3 * p1[c]) / (6 + 3) for c in "ab."}  # a, b and the end came first
    after_a = [t[i + 1] if i + 1 < len(t) else "." for t in SEEN for i, c in enumerate(t) if c == "a" and i < 2]
    kinds = len(set(after_a))
    then = {c: (after_a.count(c) + kinds * p1[c]) / (len(after_a) + kinds) for c in "ab."}
    log_p = density(2, 1.0)(as_split(["a", ""]).x)
    assert float(log_p[0]) == pytest.approx(np.log(first["a"] * then["."]))
    assert float(log_p[1]) == pytest.approx(np.log(first["."]))


def test_what_texts_are_asked_changes_nothing() -> None:
    one = density(3, 0.3)
    whole = one(as_split(WORDS).x)
    for i in (0, 4, 14):
        assert float(one(as_split(WORDS[i : i + 1]).x)[0]) == pytest.approx(float(whole[i]))


def test_ngrams_choose_their_texts_on_validation() -> None:
    """Of examples whose other texts are of another kind, first texts alone are counted; of one kind, all."""
    first = ["ab"] * 30
    noise = as_split(first, every=[["ab", "bb", "ba"]] * 30)
    alike = as_split(["ab", "ba"] * 15, every=[["ab", "ba", "a"]] * 30)
    told = as_split(["a", "ab", "ba"] * 4)
    assert "first texts" in ngrams(noise, as_split(["ab"] * 9), as_split(["ab"])).description
    assert "all texts" in ngrams(alike, told, told).description


def pairs() -> Data:
    rng = np.random.default_rng(0)
    x = (rng.random((120, 4, 4)) < 0.3).astype(np.uint8)
    texts = ["ab" if picture.mean() > 0.3 else "b" for picture in x]
    texts[3] = texts[50] = texts[100] = None  # type: ignore[call-overload]
    data = load(x, domain="binary")
    return paired(data, written(texts, 120), ())


def test_pictures_with_texts_are_compared_with_both_apart() -> None:
    data = pairs()
    found, left_out = fit_baselines(data, seconds=0.5)
    assert [one.name for one in found] == [
        f"{name}+ngrams" for name in ("ppca", "gaussian_mixture", "categorical_mixture")
    ]
    assert not left_out and all(len(one.log_px) == len(data.test) for one in found)
    train, valid, test = (of_part(split, "text") for split in (data.train, data.valid, data.test))
    text = ngrams(train, valid, test).log_px
    pictures = {one.name: one for one in fit_baselines(_pictures(data), seconds=0.5)[0]}
    there = data.test.observed is None or data.test.observed[:, -1].numpy()
    added = np.zeros(len(data.test))
    added[there] = text
    for one in found:
        np.testing.assert_allclose(one.log_px, pictures[one.name.split("+")[0]].log_px + added)
        assert "for pictures and n-grams of" in one.description


def _pictures(data: Data) -> Data:
    train, valid, test = (of_part(split, "image") for split in (data.train, data.valid, data.test))
    return replace(data, domain=data.domain.part("image"), train=train, valid=valid, test=test)


def test_a_split_without_a_modality_has_no_simple_model() -> None:
    data = pairs()
    observed = torch.ones_like(data.valid.x, dtype=torch.bool)
    observed[:, data.domain.places["text"]] = False
    found, left_out = fit_baselines(replace(data, valid=replace(data.valid, observed=observed)), seconds=0.5)
    assert not found and "no text" in left_out[0]
