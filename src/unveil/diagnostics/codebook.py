"""The use of a book of codes: a collapsed book has a few codes that do all the work."""

from dataclasses import dataclass
from typing import Any

import torch

from ..data import Split
from ..data.rowblocks import blocks
from ..files import Plain
from ..model import Model, device_of, evaluating
from ..ops import keyed
from .finding import Finding

LEAST = 0.1  # share of the codes that could occur, as how many the codes should count; a healthy book has half and more


@dataclass(frozen=True)
class Codebook(Plain):
    """The use of a book of codes.

    Arguments:
        num_examples: how many were looked at.
        size: K, the codes of the book.
        used: how many of them occur.
        perplexity: exp H of their frequencies, as how many they count.
        possible: the most that could occur in so many examples.
    """

    num_examples: int
    size: int
    used: int
    perplexity: float
    possible: int

    @property
    def words(self) -> str:
        return (
            f"{self.used} of {self.size} codes occur in {self.num_examples:,} examples; their perplexity is "
            f"{self.perplexity:.1f}."
        )

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"words": self.words}

    def findings(self) -> list[Finding]:
        """`codebook_collapse`: a few codes do all the work."""
        if self.perplexity >= LEAST * self.possible:
            return []
        return [collapsed(self.used, self.size, self.perplexity)]


def collapsed(used: int, size: int, perplexity: float) -> Finding:
    """The finding for a book whose codes are hardly used."""
    return Finding(
        "codebook_collapse",
        f"The codebook has collapsed: {used} of its {size} codes occur. They carry as much as {perplexity:.1f} codes "
        "that are used equally often.",
        perplexity,
        "Train again with model.revival=true, which moves unused codes to the data. If that is on already, take a "
        "smaller model.codebook_size, or model.quantizer=fsq, which has no codebook that could collapse.",
    )


@torch.no_grad()
def codebook(model: Model, split: Split, *, seed: int = 0, limit: int = 5000) -> Codebook:
    """Count the codes of held-out examples, evenly spread over the split.

    Arguments: seed, of a binarization that is drawn; limit, the most examples to look at.
    """
    model.require("The use of a codebook", {"straight_through"})
    examples, size = split.spread(limit), model.codebook_size
    counts, found = torch.zeros(size, dtype=torch.float64), 0
    with evaluating(model):
        for block in blocks(len(examples)):
            with keyed("codebook", seed, block.first):
                (codes,), _ = model.posterior(examples.batch(block.own).to(device_of(model))).draw(1)
            counts += torch.bincount(codes.flatten().cpu(), minlength=size)
            found += codes.numel()
    shares = counts / counts.sum()
    perplexity = float(torch.special.entr(shares).sum().exp())
    return Codebook(len(examples), size, int((counts > 0).sum()), perplexity, min(size, found))
