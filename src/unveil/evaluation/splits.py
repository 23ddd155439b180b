"""The examples that are judged: a split of the run, new x, or x that the model itself draws."""

from dataclasses import replace
from typing import Any

import torch

from ..batch import Batch
from ..data import Split
from ..data.rowblocks import ROWS, blocks
from ..errors import RequestError, positive
from ..model import Model
from ..ops import keyed
from ..runs.given import new_split
from ..runs.store import RunStore

SPLITS = ("train", "valid", "test")
SIMULATED = "simulated"  # the name of x that the model itself draws


def choose_split(
    run: RunStore,
    data: Any = None,
    split: str = "test",
    simulate: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[Split, str, str]:
    """What is to be judged, on the run's device, with its source and its name; arguments as for `evaluate_run`.

    Its z are exact draws from p(z|x) where x is simulated, and left out elsewhere: known latents of real x are not.
    """
    if split not in SPLITS:
        raise RequestError(f"There is no split {split!r}; a run has {', '.join(SPLITS)}.")
    for name, count in (("limit", limit), ("simulate", simulate)):
        if count is not None:
            positive(count, name)
    if data is not None and simulate is not None:
        raise RequestError("Both data and a number of x to simulate came; give one of them.")
    if simulate is not None:
        return simulated(run, simulate, seed), "the model itself", SIMULATED
    if data is None:
        found, source, name = getattr(run.data, split), run.data.source, split
    else:
        found, source, name = new_split(run, data)[0], data if isinstance(data, str) else "array", "given"
    return replace(found, z=None).to(run.device), source, name


def limited(split: Split, name: str, limit: int | None, seed: int) -> Split:
    """At most `limit` examples, drawn with the seed from all over a split; the first of x that are draws themselves."""
    if limit is None:
        return split
    return split.head(limit) if name == SIMULATED else split.spread(limit, seed)


@torch.no_grad()
def simulated(run: RunStore, count: int, seed: int = 0) -> Split:
    """x drawn from p(x, z) with the z behind each: an exact draw from p(z|x). Labels, of a model given them, from p(y).

    The numbers do not depend on `count`: noise is drawn in blocks of 128.
    """
    drawn = [_simulated_block(run, seed, block.first) for block in blocks(count)]
    x = torch.cat([part.x for part in drawn])
    y = None if drawn[0].y is None else torch.cat([part.y for part in drawn if part.y is not None])
    z = tuple(torch.cat(groups) for groups in zip(*(part.z for part in drawn if part.z is not None), strict=True))
    rows = torch.arange(len(x), device=x.device)
    return Split(x, y, run.domain, "none", rows, z=z).head(count)


def _simulated_block(run: RunStore, seed: int, first: int) -> Batch:
    with keyed("simulate", seed, first):
        y = run.model.draw_labels(ROWS)
        x, z = run.model.sample(ROWS, y)
    return Batch(x, y=y, z=z)


def observed_share(split: Split) -> float:
    """The share of the values of x that are observed."""
    return 1.0 if split.observed is None else float(split.observed.double().mean())


def condition(model: Model, split: Split) -> str:
    """ "label" where log p(x|label) is judged; a model conditioned on labels sums over them where none is observed."""
    given = split.y is not None and bool((split.y >= 0).any())
    return "label" if given and is_conditioned(model) else "none"


def is_conditioned(model: Model) -> bool:
    """Whether p(x|z) of the model is given a label."""
    return model.draw_labels(1) is not None


def of_one_quantity(model: Model, split: Split) -> Split:
    """The split without its labels, where a model takes them and only some are known.

    log p(x|label) of some rows and log p(x) of others have no common mean; log p(x) of all of them has.
    """
    partly = split.y is not None and bool((split.y < 0).any())
    return replace(split, y=None) if partly and is_conditioned(model) else split
