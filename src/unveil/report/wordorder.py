"""Who does what to whom: texts of the same words in another order, side by side."""

from __future__ import annotations

import torch

from ..data import Split
from ..panels import Panel, Strip
from ..use.both import describe_batch, pictures_of
from .exhibits import Table
from .rounding import fixed, shortened
from .subject import Subject

PAIRS, DRAWN = 3, 5  # pairs of texts, and pictures of each
DRAWS, LONGEST = 200, 60


def swapped_pairs(texts: list[str]) -> list[tuple[int, int]]:
    """Places of two different texts that hold the same words, or the same characters where there are no spaces."""
    first: dict[tuple[str, ...], int] = {}
    found: list[tuple[int, int]] = []
    taken: set[tuple[str, ...]] = set()
    for i, text in enumerate(texts):
        words = tuple(sorted(text.split(" ") if " " in text else text))
        if len(words) < 2:
            continue
        other = first.setdefault(words, i)
        if texts[other] != text and words not in taken:
            taken.add(words)
            found.append((other, i))
    return found


def word_order(subject: Subject, split: Split, texts: list[str]) -> list[Panel]:
    """Pictures of both orders of the same words, and whether the model tells them apart; none where no words are so."""
    pairs = swapped_pairs(texts)[:PAIRS]
    if not pairs:
        return []
    order = [i for pair in pairs for i in pair]
    painted = [torch.from_numpy(pictures_of(subject.run, texts[i], 1 + DRAWN, mean=True)) for i in order]
    rows = []
    for a, b in pairs:
        for own, other in ((a, b), (b, a)):
            batch = split.batch(torch.tensor([own]))
            both = [texts[own], texts[other]]
            told = describe_batch(subject.run, batch, 2, among=both, num_samples=DRAWS)
            log_p = dict(zip(told.texts, told.log_p, strict=True))
            rows.append((shortened(texts[own], LONGEST), fixed(log_p[both[0]], 1), fixed(log_p[both[1]], 1)))
    return [
        Strip(
            "The same words in another order",
            "Each two rows are texts of the same words. The first picture of a row is E[picture|text], the others are "
            "E[picture|z] at draws z ~ p(z|text). Where the order matters, the rows differ.",
            painted,
            [shortened(texts[i], LONGEST) for i in order],
            led=True,
        ),
        Table(
            "What pictures say of the order",
            "Of one test picture of each text: log p(text|picture) of its own text, and of the same words in the other "
            "order, in nats. A model that has understood gives the own text more.",
            ["picture of", "its own order", "the other order"],
            rows,
        ),
    ]
