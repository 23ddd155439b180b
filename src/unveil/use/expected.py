"""What was to be expected in one column of a row, given the rest of the row, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..batch import Batch
from ..data import Split
from ..data.columnforms import Form
from ..data.columns import Column
from ..data.rowblocks import blocks
from ..model import Model, device_of, evaluating
from ..ops import keyed
from ..runs.given import fitted_forms
from ..runs.store import RunStore
from .impute import can_impute, drawn_from, mean_from

Array = NDArray[np.float64]
DRAWS, WEIGHED = 32, 64  # draws of a number, from so many z
ENDS = 5, 95  # % of the draws that lie below the ends of an interval
ROWS, BLOCK = 256, 32  # rows at once where the model is asked, and where draws of z are weighed


@dataclass(frozen=True)
class Said:
    """How the values of each column of x are written.

    Arguments: forms [D], columns of a mixed table or forms of a plain one, or None; has_levels [D], whether a column
    takes levels, of which one is the likeliest; is_discrete [D], whether its p is a probability.
    """

    forms: Sequence[Form | Column] | None
    has_levels: tuple[bool, ...]
    is_discrete: tuple[bool, ...]

    @classmethod
    def of(cls, run: RunStore) -> Said:
        forms, domain = fitted_forms(run), run.domain
        if domain.columns is not None:
            return cls(forms, tuple(c.has_levels for c in domain.columns), tuple(c.is_discrete for c in domain.columns))
        return cls(forms, (domain.kind == "binary",) * domain.num_dims, (domain.is_discrete,) * domain.num_dims)

    def texts(self, d: int, values: Array) -> list[str]:
        """Values [n] of column d as they are read."""
        form = None if self.forms is None else self.forms[d]
        if isinstance(form, Column):
            if form.kind == "real":
                return [f"{value:.4g}" for value in form.values(values)]
            return form.texts(values)
        decimals = None if form is None else form.decimals
        return [f"{value if decimals is None else round(value, decimals):.6g}" for value in values.tolist()]


def said_of(
    run: RunStore, split: Split, column: NDArray[np.int64], log_p: Array, names: Sequence[str], seed: int
) -> NDArray[np.object_]:
    """ "sex=male, p 0.03; expected female" of one column [N] of each row, "" where it is −1.

    Of a level the likeliest is expected; of a number the median of 32 draws, with the ends of their middle 90 %.

    Arguments: log_p [N, D]; names [D].
    """
    said, found = Said.of(run), np.full(len(column), "", object)
    expected = _expected(run.model, split, column, said, seed)
    for d in np.unique(column[column >= 0]).tolist():
        rows = np.flatnonzero(column == d)
        x = split.x[torch.from_numpy(rows).to(split.x.device), d].double().cpu().numpy()
        likely = [f", p {p:.2g}" if said.is_discrete[d] else "" for p in np.exp(log_p[rows, d])]
        words = _words(said, d, expected[:, rows]) if expected is not None else [""] * len(rows)
        each = zip(said.texts(d, x), likely, words, strict=True)
        found[rows] = [f"{names[d]}={own}{p}{_then(own, word)}" for own, p, word in each]
    return found


def _then(came: str, expected: str) -> str:
    if not expected:
        return ""
    return "; as expected" if came == expected else f"; expected {expected}"


@torch.no_grad()
def _expected(model: Model, split: Split, column: NDArray[np.int64], said: Said, seed: int) -> Array | None:
    """What one column [N] of each row holds given the rest of the row, [32, N]: draws of a number, the likeliest level.

    None of a model that cannot tell.
    """
    if not can_impute(model):
        return None
    found, is_level = np.zeros((DRAWS, len(column))), np.array([*said.has_levels, False])[column]
    for as_level in (True, False):
        rows = np.flatnonzero((column >= 0) & (is_level == as_level))
        for block in blocks(len(rows), size=ROWS if "conditionals" in model.gives else BLOCK):
            some = rows[block.rows]
            d = torch.from_numpy(column[some]).to(device_of(model))
            with evaluating(model), keyed("expected", seed, int(as_level), block.first):
                batch = _without(split.batch(torch.from_numpy(some)).to(device_of(model)), d)
                x = _given_rest(model, batch, as_level)  # [M, B, D]
            drawn = x.gather(-1, d.expand(len(x), -1).unsqueeze(-1)).squeeze(-1)
            found[:, some[: block.keep]] = drawn[:, : block.keep].double().cpu().numpy()
    return found


def _without(batch: Batch, d: Tensor) -> Batch:
    """The batch with one column [B] of each row hidden."""
    seen = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed
    return Batch(batch.x, observed=seen.scatter(-1, d.unsqueeze(-1), False))


def _given_rest(model: Model, batch: Batch, mean: bool) -> Tensor:
    """Draws [32, B, D] of what is not observed, or its mean [1, B, D], the likeliest level."""
    if "conditionals" in model.gives:
        return model.mean_missing(batch).unsqueeze(0) if mean else model.draw_missing(batch, DRAWS)
    terms = model.enumerate(batch) if "enumerate" in model.gives else model.infer(batch, WEIGHED)
    log_w = terms.log_w if terms.log_m is None else terms.log_w + terms.log_m
    if mean:
        return mean_from(model, batch, terms.z, log_w).unsqueeze(0)
    return drawn_from(model, batch, DRAWS, terms.z, log_w)[0]


def _words(said: Said, d: int, expected: Array) -> list[str]:
    """What was to be expected in column d of each row, from [32, n] draws or levels."""
    if said.has_levels[d]:
        return said.texts(d, np.rint(expected[0]))
    low, middle, high = (said.texts(d, q) for q in np.percentile(expected, (ENDS[0], 50, ENDS[1]), axis=0))
    return [m if a == b else f"{m} ({a} to {b})" for a, m, b in zip(low, middle, high, strict=True)]
