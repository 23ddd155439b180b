"""What pictures and texts are where neither is told by the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...data import Data, Split
from ...data.pairs import of_part
from .baseline import Baseline
from .ngrams import ngrams

Found = tuple[list[Baseline], tuple[str, ...]]


def each_apart(data: Data, fit: Callable[[Data], Found]) -> Found:
    """log p(picture) + log p(text) over what is observed: the simple models of pictures, each with n-grams of texts.

    Arguments: fit, the simple models of data of one modality, and the sentences about those that are left out.
    """
    pictures: list[Baseline] = []
    left_out: tuple[str, ...] = ()
    texts: list[Baseline] = []
    for name, part in data.domain.parts or ():
        train, valid, test = (of_part(split, name) for split in (data.train, data.valid, data.test))
        if not (len(train) and len(valid) and len(test)):
            return [], (f"The simple models are left out: some split has no {name}.",)
        if part.alphabet is not None:
            found = [ngrams(train, valid, test)]
        else:
            found, said = fit(replace(data, domain=part, train=train, valid=valid, test=test))
            left_out += said
        share = len(valid) / len(data.valid)
        (pictures if part.alphabet is None else texts).extend(_over_all(one, test, data.test, share) for one in found)
    return [_with_texts(one, text) for one in pictures for text in texts], left_out


def _over_all(one: Baseline, own: Split, test: Split, share: float) -> Baseline:
    """log p of all test examples: 0 where the modality is not observed, as in all but a share of validation."""
    found = np.zeros(len(test))
    place = {int(row): i for i, row in enumerate(test.rows)}
    found[[place[int(row)] for row in own.rows]] = one.log_px
    return replace(one, log_px=found, tried=tuple((size, share * value) for size, value in one.tried))


def _with_texts(picture: Baseline, text: Baseline) -> Baseline:
    """Both together; what was tried of pictures, with the best of texts."""
    best = max(value for _, value in text.tried)
    return replace(
        picture,
        name=f"{picture.name}+{text.name}",
        description=f"{picture.description} for pictures and {text.description} for texts",
        log_px=picture.log_px + text.log_px,
        tried=tuple((size, value + best) for size, value in picture.tried),
        seconds=picture.seconds + text.seconds,
    )
