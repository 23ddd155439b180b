"""What the latents hold: a map of the posterior means, and how much each dimension says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data import Split
from ..data.rowblocks import blocks
from ..diagnostics.activity import ACTIVE, posterior_moments
from ..ops import keyed
from .subject import Subject

POINTS = 2000
DRAWS = 8  # of z, where its posterior has no mean in closed form


@dataclass(frozen=True)
class Map:
    """Points of held-out examples in two dimensions.

    Arguments: xy [N, 2]; titles of the two axes; codes [N] of the classes, or None; x [N, *shape] to show at each
    point, grey levels instead of draws; how, a sentence.
    """

    xy: Tensor
    titles: tuple[str, str]
    codes: Tensor | None
    x: Tensor
    how: str


@dataclass(frozen=True)
class Dimensions:
    """What each latent dimension says.

    Arguments: variance [D] of its posterior mean over num_examples examples; kl [D] nats, or None.
    """

    variance: Tensor
    kl: Tensor | None
    num_examples: int

    @property
    def order(self) -> Tensor:
        """The dimensions, the one that says most first."""
        return (self.variance if self.kl is None else self.kl).argsort(descending=True, stable=True)

    @property
    def active(self) -> Tensor:
        """Burda's rule: Var_x(E_q[z_d|x]) > 0.01."""
        return self.variance > ACTIVE


def latent_map(subject: Subject) -> Map | None:
    """Posterior means of test and then validation examples, at most 2000; None where z is not real."""
    if not subject.has_real_z:
        return None
    test = subject.test.head(POINTS)
    splits = [test, *([subject.valid.head(POINTS - len(test))] if len(test) < POINTS else [])]
    parts = [_moments(subject, split) for split in splits]
    means, stddevs = torch.cat([mean for mean, _ in parts]), torch.cat([stddev for _, stddev in parts])
    xy, titles, how = _plane(means, stddevs)
    x = torch.cat([s.expected(torch.arange(len(s), device=s.x.device)).x.cpu() for s in splits])
    codes = None if test.y is None else torch.cat([s.y.cpu() for s in splits if s.y is not None])
    return Map(xy, titles, codes, x, how)


@torch.no_grad()
def _moments(subject: Subject, split: Split) -> tuple[Tensor, Tensor]:
    """Means and standard deviations [N, D]; of draws of the top group, where z has no mean in closed form."""
    known = posterior_moments(subject.model, split, expected=True) if subject.moments is not None else None
    if known is not None:
        return known
    means, stddevs = [], []
    for block in blocks(len(split)):
        with keyed("report", "map", block.first):
            z, _ = subject.model.posterior(split.expected(block.rows)).draw(DRAWS)
        means.append(z[-1].mean(0).flatten(1)[: block.keep].cpu())
        stddevs.append(z[-1].std(0).flatten(1)[: block.keep].cpu())
    return torch.cat(means), torch.cat(stddevs)


def _plane(means: Tensor, stddevs: Tensor) -> tuple[Tensor, tuple[str, str], str]:
    if means.shape[1] == 1:
        how = "There is one latent: its posterior mean runs to the right, its posterior standard deviation upwards."
        return torch.cat([means, stddevs], 1), ("E[z|x]", "sd(z|x)"), how
    if means.shape[1] == 2:
        return means, ("z₁", "z₂"), "There are two latents, and the axes are their posterior means."
    scores, share = principal_components(means)
    how = (
        f"z has {means.shape[1]} dimensions; the axes are the two directions in which the posterior means vary most, "
        f"and hold {100 * share:.0f} % of their variance: what lies apart here is apart, what lies together may not be."
    )
    return scores, ("first principal component", "second principal component"), how


def principal_components(means: Tensor) -> tuple[Tensor, float]:
    """Scores [N, 2] on the first two components and their share of the variance; largest loadings are positive."""
    centred = (means - means.mean(0)).double()
    _, s, Vt = torch.linalg.svd(centred, full_matrices=False)
    V = Vt[:2] * Vt[:2].gather(1, Vt[:2].abs().argmax(1, keepdim=True)).sign()
    return centred @ V.T, float((s[:2] ** 2).sum() / (s**2).sum().clamp(min=1e-300))


def dimensions(subject: Subject) -> Dimensions | None:
    """How much each latent dimension says; None where z has no mean."""
    if subject.moments is None or len(subject.moments[0]) < 2:
        return None
    kl = subject.panels.get("kl_per_dimension")
    means = subject.moments[0]
    return Dimensions(means.var(0), None if kl is None else kl.double().mean(0), len(means))
