"""Figures of a VQ-VAE: the use of its codes, the cost of their prior, and what codes decode to."""

import torch
from torch import Tensor

from ...batch import Batch
from ...model import Model
from ...nn.quantize import perplexity
from ...panels import Bars, Lines, Strip

SHOWN = 8  # examples in a row of the report
WORDS, VALUES = 3, 3  # words of a picture that are looked at, and codes of each
EXCHANGED = 7  # codes that take the place of a word


def usage(counts: Tensor) -> Lines:
    shares = (counts / counts.sum().clamp(min=1)).tolist()
    ranks = [float(rank) for rank in range(1, len(shares) + 1)]
    used, worth = int((counts > 0).sum()), float(perplexity(counts))
    return Lines(
        "Use of the codes",
        f"The test examples use {used} of the {len(shares)} codes. Their perplexity is {worth:.0f}: {worth:.0f} codes "
        "that are all used equally often would carry as much.",
        {"share": (ranks, shares), "all equally often": (ranks, [1 / len(shares)] * len(shares))},
        x_label="code, the most used first",
        y_label="share",
    )


def codes_seen(model: Model, batch: Batch) -> Strip:
    few = batch.map(lambda t: t[:SHOWN])
    own = model.decode(model.posterior(few).draw(1)[0]).mean[0]
    prior = model.draw_prior(len(few))
    codes = torch.randint(model.codebook_size, prior[0].shape, device=few.x.device)
    drawn = [model.decode(z).mean for z in (prior, (codes,))]
    return Strip(
        "What codes look like",
        "The first row shows test examples x, the second their own codes decoded. Below are decoded codes that were "
        "drawn from the learned prior, and codes that were drawn at random.",
        torch.stack([few.x, own, *drawn]),
        ("x", "its codes", "learned prior", "uniform prior"),
    )


def gain(uniform: float, learned: float) -> Bars:
    return Bars(
        "What the prior over codes costs",
        f"Each bar is −log p(codes) per example. A uniform prior needs {uniform:.1f} nats, the learned prior "
        f"{learned:.1f}: learning it gains {uniform - learned:.1f} nats.",
        ("uniform", "learned"),
        (uniform, learned),
        "nats",
    )


def words(model: Model, batch: Batch, codes: Tensor) -> tuple[Strip, Strip]:
    """The n codes of a picture as n words: whose pictures use one, and what changes where one is exchanged.

    Arguments: codes [B, n] of the examples.
    """
    counts = torch.stack([torch.bincount(word, minlength=model.codebook_size) for word in codes.T])  # [n, K]
    share = counts / len(codes)
    entropy = torch.special.entr(share).sum(1)
    told = entropy.topk(min(WORDS, len(counts))).indices.sort().values.tolist()
    rows, labels, exchanged = [], [], []
    for word in told:
        usual = [c for c in counts[word].argsort(descending=True).tolist() if counts[word, c]]
        for code in usual[:VALUES]:
            here = (codes[:, word] == code).nonzero().flatten()
            uses = (codes[here] == code).sum(1)
            rows.append(batch.x[here[uses.argsort(descending=True, stable=True)[:SHOWN]]])
            labels.append(f"word {word + 1} = {code}")
        own = int(codes[0, word])
        others = [own, *[c for c in usual if c != own][:EXCHANGED]]
        said = codes[:1].repeat(len(others), 1)
        said[:, word] = torch.tensor(others, device=codes.device)
        exchanged.append(model.decode((said.unsqueeze(0),)).mean[0])
    n, most = codes.shape[1], len(told)
    which = "each word" if most == n else f"the {most} words that vary most"
    return (
        Strip(
            "The words of a picture",
            f"A picture is {n} codes: its words. For {which} and its usual codes, a row shows the test pictures that "
            "say that code there, those that say it most often first.",
            rows,
            labels,
        ),
        Strip(
            "One word exchanged",
            "The first picture of each row is one test example, decoded from its own codes. In the others one word is "
            "another, the usual codes first. All else is the same, so what differs is what the word says.",
            exchanged,
            [f"word {word + 1}" for word in told],
            led=True,
        ),
    )
