"""Characters given those before them, as often as they came: what texts are without a picture."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data import Split
from ...data.split import spread_rows
from .baseline import Baseline
from .examples import Density, counted
from .search import Search

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MOST = 1_000_000  # characters of training texts that are counted
VALID = 1_000  # validation texts that a choice is made on, at most
ORDERS = (1, 2, 3, 4, 5, 6, 8)  # n, so that n − 1 characters before are looked at
KNOBS = (1.0, 0.3, 0.1, 3.0)  # s, how much is left to what fewer characters before say


def ngrams(train: Split, valid: Split, test: Split) -> Baseline:
    """n-grams of characters: log p(t) = Σ_i log p(t_i|the n − 1 before), to the end of the text, over all texts.

    p_n(c|h) = (N(hc) + s·T(h)·p_{n−1}(c|h')) / (N(h) + s·T(h)), T(h) being the different characters that followed h in
    training, h' the context without its first, and p_0 uniform. n, s, and whether all texts of an example are counted
    or its first alone, are those that are best on validation.

    References: Witten & Bell, The zero-frequency problem (1991), method C; Chen & Goodman, An Empirical Study of
    Smoothing Techniques for Language Modeling (1996), §2.5.

    Arguments: train, valid, test, of a domain of texts; train may hold several texts of an example.
    """
    started = time.perf_counter()
    base = len(train.domain.alphabet or "") + 1
    sets = {"": _texts(train)}
    if train.texts is not None:
        sets = {", of first texts": _texts(train), ", of all texts": _every(train)}
    few = {which: _few(whole) for which, whole in sets.items()}
    found = {which: _search(seen, _texts(valid)[:VALID], base) for which, seen in few.items()}
    which = max(found, key=lambda which: found[which].best().valid)
    search, seen, whole = found[which], len(few[which]), len(sets[which])
    best = search.best()
    left = f" ({seen:,} of {whole:,})" if seen < whole else ""
    return Baseline(
        name="ngrams",
        description=f"n-grams of {counted(best.size, 'character')}{which}{left}",
        log_px=best.density(_texts(test)).numpy(),
        direction="exact",
        num_samples=None,
        size=best.size,
        tried=tuple((size, search.tried(size)) for size in ORDERS),
        seconds=time.perf_counter() - started,
    )


def _search(seen: Tensor, valid: Tensor, base: int) -> Search:
    search = Search(
        lambda size, knob, _: counted_texts(seen, size, knob, base), lambda density: float(density(valid).mean())
    )
    search.run(ORDERS, KNOBS, lambda size: 0)
    return search


def counted_texts(seen: Tensor, order: int, knob: float, base: int) -> Density:
    """log p(t) [B] of texts [B, T] by n-grams of those seen [N, T]; order n, knob s, base characters and the end."""
    return _Counted(_as_integers(seen), order, knob, base)


def _few(seen: Tensor) -> Tensor:
    """Texts with about as many characters as are counted at most, from all over."""
    share = int((seen != 0).sum()) / MOST
    return seen if share <= 1 else seen[spread_rows(len(seen), max(1, int(len(seen) / share)))]


def _texts(split: Split) -> Tensor:
    return split.x.cpu()


def _every(split: Split) -> Tensor:
    """All texts of all examples, [M, T]."""
    texts, counts = (held.cpu() for held in split.texts)  # type: ignore[union-attr]
    return texts[torch.arange(texts.shape[1]) < counts.unsqueeze(-1)]


def _as_integers(texts: Tensor) -> Ints:
    return texts.numpy().astype(np.int64)


@dataclass(frozen=True)
class _Counted:
    """A density of texts by what came in training [N, T].

    Arguments: seen; order n; knob s; base, the number of characters and the end.
    """

    seen: Ints
    order: int
    knob: float
    base: int

    def __call__(self, x: Tensor) -> Tensor:
        """log p(t) [B] of texts [B, T]."""
        texts = _as_integers(x)
        both = np.concatenate([self.seen, texts])
        reached = np.concatenate([np.ones_like(both[:, :1], bool), both[:, :-1] != 0], 1)
        training = np.zeros_like(reached)
        training[: len(self.seen)] = True
        character, training = both[reached], training[reached]
        context = np.zeros(len(character), np.int64)
        p = np.full(len(character), 1 / self.base)
        for back in range(self.order):
            if back:
                before = np.pad(both, ((0, 0), (back, 0)), constant_values=self.base)[:, : both.shape[1]]
                context = _numbered(context * (self.base + 1) + before[reached])
            p = self._less_and_more(context, character, training, p)
        row = np.repeat(np.arange(len(both)), reached.sum(1))
        return torch.from_numpy(np.bincount(row, np.log(p), len(both))[len(self.seen) :])

    def _less_and_more(self, context: Ints, character: Ints, training: NDArray[np.bool_], p: Floats) -> Floats:
        pair = _numbered(context * self.base + character)
        followed = np.bincount(pair[training], minlength=pair.max() + 1)
        came = np.bincount(context[training], minlength=context.max() + 1)
        first = np.unique(pair[training], return_index=True)[1]
        different = np.bincount(context[training][first], minlength=len(came))
        left = self.knob * different[context]
        total = came[context] + left
        found: Floats = np.where(total > 0, (followed[pair] + left * p) / np.maximum(total, 1e-300), p)
        return found


def _numbered(codes: Ints) -> Ints:
    """0, 1, … in place of numbers of any size, so that the next product of two of them is no overflow."""
    found: Ints = np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found
