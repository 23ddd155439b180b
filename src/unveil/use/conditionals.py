"""log p(x_d|all other columns of the row) of a split, by what the model of a run knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Split
from ..data.rowblocks import blocks
from ..errors import Fact
from ..estimators.base import rows_of_block
from ..estimators.conditionals import DRAWS, can_leave_out, leave_out
from ..model import Model, device_of, evaluating
from ..ops import keyed
from ..runs.store import RunStore
from .reference import scored

Array = NDArray[np.float64]
Progress = Callable[[int, int], None] | None
ROWS, BLOCK = 1024, 16  # examples at once, where no noise is drawn, and where it is: it is keyed by such blocks
OF_ORDERS = (
    "log p(column | the rest) is exact in the orders of columns that end in that column. log p(x) is a mixture over a "
    "few orders: the two agree as far as training made the orders agree."
)
UNSURE = 0.5  # nats of error from which on a number is named as uncertain


@dataclass(frozen=True)
class LeftOut:
    """log p(x_d|what else is observed of the row), [N, D] in nats, NaN where x_d is not observed.

    Arguments: log_p; notes, how it was computed, in sentences.
    """

    log_p: Array
    notes: tuple[str, ...]


@torch.no_grad()
def conditionals(run: RunStore, split: Split, seed: int = 0, progress: Progress = None) -> LeftOut:
    """Each column of each row given the others that are observed, as exactly as the model allows.

    A model that knows any column given any others is asked. One whose columns are independent given a sampled z
    weighs one set of draws of z with and without each column (`estimators.conditionals.leave_out`), on noise that is
    keyed by the seed and by blocks of 16 rows. Of any other it is log p(x) − log p(x without x_d), both by the run's
    own estimator on the same draws.

    Arguments: split, whole rows or rows with gaps; seed, of the draws.
    """
    plain, model = replace(split, y=None, z=None), run.model
    with evaluating(model):
        if "conditionals" in model.gives:
            found, notes = _asked(model, plain, progress)
        elif can_leave_out(model):
            found, notes = _weighed(model, plain, seed, progress)
        else:
            found, notes = _differences(run, plain, seed, progress)
    return LeftOut(np.where(_seen(plain), found, np.nan), notes)


def _seen(split: Split) -> NDArray[np.bool_]:
    """[N, D] whether x is observed."""
    if split.observed is None:
        return np.ones((len(split), split.domain.num_dims), bool)
    return np.asarray(split.observed.flatten(1).cpu().numpy())


def _asked(model: Model, split: Split, progress: Progress) -> tuple[Array, tuple[str, ...]]:
    found = []
    for rows in torch.arange(len(split)).split(ROWS):
        batch = split.batch(rows).to(device_of(model))
        each = [model.log_conditional(batch, d) for d in range(split.domain.num_dims)]
        found.append(torch.stack(each, -1).double().cpu())
        if progress is not None:
            progress(int(rows[-1]) + 1, len(split))
    return _joined(found, split), (Fact(OF_ORDERS),)


def _weighed(model: Model, split: Split, seed: int, progress: Progress) -> tuple[Array, tuple[str, ...]]:
    found, errors = [], []
    for block in blocks(len(split), size=min(BLOCK, rows_of_block(model))):
        with keyed("explain", seed, block.first):
            each = leave_out(model, split.batch(block.rows).to(device_of(model)))
        found.append(each.log_p[: block.keep].cpu())
        errors.append(each.stderr[: block.keep].cpu())
        if progress is not None:
            progress(block.done, len(split))
    error = _joined(errors, split)[_seen(split)]
    return _joined(found, split), _said_error(error)


def _said_error(error: Array) -> tuple[str, ...]:
    if not len(error):
        return ()
    unsure = 100 * float((error > UNSURE).mean())
    told = f"; {unsure:.2g} % have an error above {UNSURE:g}" if unsure >= 0.05 else ""
    return (
        Fact(
            f"log p of a column given the others is estimated from about {DRAWS} draws of z a row, with an error of "
            f"{np.median(error):.2g} nats (median){told}."
        ),
    )


def _differences(run: RunStore, split: Split, seed: int, progress: Progress) -> tuple[Array, tuple[str, ...]]:
    num_dims, seen = split.domain.num_dims, torch.from_numpy(_seen(split)).to(split.x.device)
    whole = scored(run, replace(split, observed=seen), seed)
    columns = []
    for d in range(num_dims):
        less = seen.clone()
        less[:, d] = False
        without = scored(run, replace(split, observed=less), seed)
        columns.append(torch.where(whole.log_px.isneginf(), -torch.inf, whole.log_px - without.log_px))
        if progress is not None:
            progress(len(split) * (d + 1) // num_dims, len(split))
    said = () if whole.direction == "exact" else (_BOUNDS,)
    return _joined([torch.stack(columns, -1).cpu()], split), said


_BOUNDS = Fact(
    "log p of a column given the others is a difference of two bounds on log p(x), with and without it, on the same "
    "draws: no bound itself."
)


def _joined(parts: list[Tensor], split: Split) -> Array:
    """[N, D] in float64."""
    return torch.cat(parts).numpy() if parts else np.zeros((len(split), split.domain.num_dims))
