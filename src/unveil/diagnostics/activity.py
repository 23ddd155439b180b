"""Which latents are active: their posterior means vary from example to example."""

import torch
from torch import Tensor

from ..data import Split
from ..data.rowblocks import walk
from ..estimators.base import rows_of_block, within_reach
from ..model import Model, Posterior
from ..ops import keyed

ACTIVE = 0.01  # Burda et al. (2016), §5: a latent is active when Var_x(E_q[z|x]) exceeds this
ACTIVE_ROWS = 10_000
ACTIVE_PASSES = 64  # through the decoder that so many rows may be


@torch.no_grad()
def posterior_moments(
    model: Model, split: Split, *, expected: bool = False, alone: bool = False
) -> tuple[Tensor, Tensor] | None:
    """Posterior means and standard deviations [N, D] on the CPU, or None where z has none.

    Arguments: expected, feed grey images as pixel probabilities instead of a draw (for embeddings); alone, take each
    row by itself on the same noise, so that its moments hang on no other row.
    """
    found = []
    model.eval()
    for block in walk(len(split), alone, rows_of_block(model)):
        with keyed("moments", 0 if alone else block.first):  # a label that is not known is inferred from draws
            posterior = model.posterior(split.expected(block.rows) if expected else split.batch(block.rows))
        if (moments := moments_of(posterior)) is None:
            return None
        found.append([each[: block.keep].cpu() for each in moments])
    means, stddevs = (torch.cat(each) for each in zip(*found, strict=True))
    return means, stddevs


def moments_of(posterior: Posterior) -> tuple[Tensor, Tensor] | None:
    """Means and standard deviations [B, D], the groups flattened and joined; None where q states none."""
    if posterior.mean is None or posterior.stddev is None:
        return None
    mean, stddev = (torch.cat([g.flatten(1) for g in each], 1) for each in (posterior.mean, posterior.stddev))
    return mean, stddev


def active_rows(model: Model, split: Split) -> Split:
    """The examples on which active latents are counted: at most 10,000, fewer large pictures, spread over the split."""
    return split.spread(min(ACTIVE_ROWS, within_reach(model, ACTIVE_PASSES)))


def active_units(model: Model, split: Split) -> int | None:
    """Burda's count: latents whose posterior mean varies over examples by more than 0.01."""
    moments = posterior_moments(model, active_rows(model, split), expected=True)
    return None if moments is None or len(moments[0]) < 2 else int((moments[0].var(0) > ACTIVE).sum())
