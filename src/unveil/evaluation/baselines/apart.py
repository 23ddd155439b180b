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
            texts.append(_over_all(ngrams(train, valid, test), test, data.test))
            continue
        own, said = fit(replace(data, domain=part, train=train, valid=valid, test=test))
        pictures += [_over_all(one, test, data.test) for one in own]
        left_out += said
    return [_with_texts(one, text) for one in pictures for text in texts], left_out


def _over_all(one: Baseline, own: Split, test: Split) -> Baseline:
    """log p of all test examples: 0 where the modality is not observed."""
    found = np.zeros(len(test))
    place = {int(row): i for i, row in enumerate(test.rows)}
    found[[place[int(row)] for row in own.rows]] = one.log_px
    return replace(one, log_px=found)


def _with_texts(picture: Baseline, text: Baseline) -> Baseline:
    return replace(
        picture,
        name=f"{picture.name}+{text.name}",
        description=f"{picture.description} for pictures and {text.description} for texts",
        log_px=picture.log_px + text.log_px,
        seconds=picture.seconds + text.seconds,
    )
