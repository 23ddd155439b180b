"""The examples that are judged: a split of the run, new x, or x that the model itself draws."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..batch import Batch
from ..data import Data, Split
from ..data.rowblocks import ROWS, blocks
from ..errors import RequestError, positive, remark
from ..model import Model
from ..ops import keyed
from ..runs.given import new_split
from ..runs.store import RunStore

SPLITS = ("train", "valid", "test")
SIMULATED = "simulated"  # the name of x that the model itself draws
GIVEN = "given"  # and of new x


def choose_split(
    run: RunStore,
    data: Any = None,
    split: str = "test",
    simulate: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> tuple[Split, str, str]:
    """What is to be judged, on the run's device, with its source and its name; arguments as for `evaluate_run`.

    Of the data that the run was fitted on, given again, it is the split: the rest was trained on, or chosen by.
    Its z are exact draws from p(z|x) where x is simulated, and left out elsewhere: known latents of real x are not.
    """
    if split not in SPLITS:
        raise RequestError(f"There is no split {split!r}; a run has {', '.join(SPLITS)}.")
    for name, count in (("limit", limit), ("simulate", simulate)):
        if count is not None:
            positive(count, name)
    if data is not None and simulate is not None:
        raise RequestError("Both data and a number of x to simulate came; give one of them.")
    if simulate is not None and run.domain.models_gaps:
        raise RequestError(
            f"{simulate} x to simulate came. Simulated rows have no gaps, and this run models gaps "
            "(data.missing=informative); leave simulate out."
        )
    if simulate is not None:
        return simulated(run, simulate, seed), "the model itself", SIMULATED
    if data is None:
        found, source, name = getattr(run.data, split), run.data.source, split
    else:
        new, raw = new_split(run, data)
        remark(raw.ignored, up=5)
        own = _own(run, data, len(new))
        found, name = (new, GIVEN) if own is None else (getattr(own, split), split)
        source = str(data) if isinstance(data, str | Path) else "array"
    return replace(found, z=None).to(run.device), source, name


def _own(run: RunStore, data: Any, count: int) -> Data | None:
    """The data of the run, where that is what came again: then the rows that it was trained on are known."""
    if count != sum(run.data_info["split"]["sizes"].values()):
        return None
    try:
        return run.read(data)
    except RequestError:  # other data
        return None


def said_of_training(run: RunStore, data: Any, name: str, count: int) -> str:
    """What there is to say where training saw what came to be judged; nothing of new x.

    Arguments: name and count, of what is judged of it.
    """
    if data is None:
        return ""
    if name != GIVEN:
        what = {"train": "training", "valid": "validation", "test": "test"}[name]
        return (
            f"This is the data that the run was fitted on. Only its {count:,} {what} examples are judged; --split "
            "takes another part of it (train, valid or test)."
        )
    if isinstance(data, str | Path) and str(Path(data).resolve()) == run.config.where:
        return (
            "The run was fitted on this source, which has changed since. What is judged here holds examples that "
            "training saw, and log p(x) of new ones may be lower."
        )
    return ""


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
    """The share of the values of x that log p(x) is of: those observed, and gaps that are modelled."""
    return 1.0 if split.settled is None else float(split.settled.double().mean())


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
