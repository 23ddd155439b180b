"""Imputation fills in missing values of x: draws from p(x_missing|x_observed), or its mean."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..data.columnforms import ENOUGH_WHOLE, Form, brought, form_of, rounded
from ..data.frames import DRAW
from ..data.pairs import by_modality
from ..data.raw import Raw
from ..data.rowblocks import blocks
from ..data.split import Split
from ..data.tablecolumns import listing
from ..data.tablefill import filled_frame
from ..data.textcolumns import EXACT
from ..distributions.given import from_pooled, pooled, sample_given
from ..domain import Domain
from ..errors import RequestError, WorkError, at_least, remark
from ..estimators.base import rows_at_once
from ..estimators.proposals import Proposal
from ..model import Model, device_of, require_latents, stands_for_x
from ..ops import keyed
from ..runs.given import fitted_forms, given_with_outside
from ..runs.store import RunStore

FEW = 5.0  # effective samples below which a row's draws hang on a handful of latents
VECTORS, IMAGES = 500, 100  # K by default
Weighted = tuple[tuple[Tensor, ...], Tensor]  # z groups [K, B, …], and log weights [K, B] with respect to p(z|x)
AFFORDABLE = 20_000  # z of each row, past which imputations share sets of them
FEWEST = 100  # resampled z that a mean is taken over, at least


@dataclass(frozen=True)
class Completed:
    """x with its gaps filled in.

    Arguments:
        raw: x as it came, with what is observed of it.
        rows: [n] the rows with gaps.
        values: [M, n, *shape] in the units of x: an imputation for each of these rows, used where x is missing.
        ess: [n] effective samples per row, between 1 and K; None where z was summed over exactly.
        drawn: the values are draws and no means: where x came as whole numbers they are rounded and stay such.
        notes: sentences for the user.
        forms: of x [N, D], how the numbers of each column are held; None of other x.
        domain: of x of pictures and texts; None of other x.
    """

    raw: Raw
    rows: np.ndarray
    values: np.ndarray
    ess: np.ndarray | None
    drawn: bool
    notes: tuple[str, ...] = ()
    forms: tuple[Form, ...] | None = None
    domain: Domain | None = None

    def arrays(self) -> np.ndarray:
        """x [N, *shape], or [M, N, *shape] for M > 1 draws; what was observed is as it came, bit by bit."""
        found = np.stack([self._filled(values) for values in self.values])
        return found[0] if len(found) == 1 else found

    def native(self) -> Any:
        """As `arrays`; of a data frame a frame of the same kind and index, M draws below each other.

        Of pictures and texts {"image": array, "text": strings}, and a list of M of these.
        """
        if self.domain is not None:
            found = [by_modality(self._filled(values), self.domain) for values in self.values]
            return found[0] if len(found) == 1 else found
        if self.raw.frame is None:
            return self.arrays()
        if self.raw.table is not None:
            return self._native_table()
        observed = np.ones(self.raw.x.shape, bool) if self.raw.observed is None else self.raw.observed
        found = [
            self.raw.frame.filled(self._filled(values), observed, self.drawn, self.forms) for values in self.values
        ]
        return found[0] if len(found) == 1 else self.raw.frame.stacked(found)

    def _native_table(self) -> Any:
        raw = self.raw
        found = [filled_frame(raw.frame, raw.table, self.codes(v), raw.held, self.drawn) for v in self.values]
        return found[0] if len(found) == 1 else raw.frame.stacked(found)

    def _filled_array(self, values: np.ndarray) -> np.ndarray:
        """An array that was read as a mixed table, with numbers in its gaps; columns left out are as they came."""
        raw, came = self.raw, np.array(self.raw.came)
        is_exact = self.drawn and came.dtype.kind in "iu" and int(np.abs(came).max()) > EXACT
        full = came if is_exact else came.astype(np.float64)
        names = [int(name) if name.isdigit() else i for i, name in enumerate(raw.table.names)]
        drawn = brought(self.codes(values).astype(np.float64), raw.table.columns, self.drawn)
        for d, place in enumerate(names):
            gap = ~raw.held[:, d]
            full[gap, place] = np.rint(drawn[gap, d]) if is_exact else drawn[gap, d]
        return full

    def codes(self, values: np.ndarray) -> np.ndarray:
        """x [N, D] of a mixed table, with the codes of one imputation in its gaps."""
        x = self.raw.x.copy()
        if self.raw.observed is not None:
            x[self.rows] = np.where(self.raw.observed[self.rows], x[self.rows], values)
        return x

    def _filled(self, values: np.ndarray) -> np.ndarray:
        x, observed = self.raw.x, self.raw.observed
        if self.raw.table is not None:
            return self._filled_array(values)
        if observed is None:
            return x.copy()
        rounds = self.drawn and x.dtype.kind in "biu"
        filled = x.copy() if rounds or x.dtype.kind == "f" else x.astype(np.float64)
        missing = ~observed[self.rows]
        part = filled[self.rows]
        part[missing] = _within(values[missing], x[observed]) if rounds else values[missing]
        if not rounds:
            for column, form in enumerate(self.forms or ()):
                gap = missing[:, column]
                part[gap, column] = form.brought(part[gap, column], self.drawn)
        filled[self.rows] = part
        return filled


def _within(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Real values as whole numbers in the type of those seen, from the smallest of them to the largest."""
    form = form_of(seen.ravel())
    return rounded(values, seen.dtype.type if seen.dtype.kind != "b" else bool, form.low, form.high)


def impute(
    run: RunStore, x: Any, *, num_samples: int | None = None, draws: int = 1, mean: bool = False, seed: int = 0
) -> Any:
    """x with what is missing of it (NaN, null, masked) drawn from p(x_missing|x_observed); the rest as it came.

    z_k ~ r(z) with weights w_k ∝ p(x_observed, z_k) / r(z_k) stands for p(z|x_observed): z is resampled by w, then
    x_missing drawn from p(x_missing|z, x_observed). r is mostly q(z|x_observed), and a share of it p(z), so that what q
    does not know has a weight, too. That is exact as K → ∞, or where z can be summed over. With a model conditioned on
    labels each draw comes with its own label, y ~ p(y|x_observed, z).

    References: Mattei & Frellsen, MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets (2019,
    https://arxiv.org/abs/1812.02633), eq. 10–12.

    Arguments:
        x: an array, a masked array, a data frame, or a path to one.
        num_samples: K; by default 500 for vectors and 100 for images.
        draws: M, the number of independent imputations, each from K z of its own: [M, N, *shape], or a frame with a
            column "draw".
        mean: give E[x_missing|x_observed] = Σ_k w_k E[x|z_k] instead, which has the least squared error and is no draw;
            the sum is over a quarter of the z_k, resampled by w.
        seed: of the draws; noise is keyed by it and by blocks of 128 rows with gaps.
    """
    found = complete(run, x, num_samples=num_samples, draws=draws, mean=mean, seed=seed)
    remark(found.notes)
    return found.native()


def complete(
    run: RunStore,
    x: Any,
    *,
    num_samples: int | None = None,
    draws: int = 1,
    mean: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Completed:
    """As `impute`, with what there is to say of the result; `progress` is told of rows done, out of all."""
    K = (IMAGES if run.domain.is_image else VECTORS) if num_samples is None else num_samples
    at_least(1, "num_samples", K)
    at_least(1, "draws", draws)
    if mean and draws > 1:
        raise RequestError(f"The mean came with draws={draws}; there is one mean: leave one of them out.")
    _require_weights(run.model)
    given = given_with_outside(run, x)
    split, raw = given.split, given.raw
    if draws > 1 and raw.frame is not None and DRAW in raw.frame.names:
        raise RequestError(f"The table has a column {DRAW!r} already, which is to number the imputations; rename it.")
    if mean and run.domain.parts is not None:
        _refuse_mean_of_texts(raw, run.domain)
    full = np.ones(1, bool) if raw.observed is None else raw.held.reshape(len(raw.x), -1).all(1)
    gaps = np.flatnonzero(~full)
    values, ess = impute_rows(run.model, split, gaps, K, draws, mean, seed, progress)
    scale = split.levels - 1 if split.levels else 1
    forms = _forms(run, raw)
    notes = (
        *raw.ignored,
        *(() if raw.frame is None else raw.frame.still_empty),
        *given.taken_at_nearest,
        *_said(len(gaps), ess, K, scale),
        *(() if mean or run.domain.is_discrete else _rounding(raw, forms)),
    )
    joint = run.domain if run.domain.parts is not None else None
    return Completed(raw, gaps, scale * values, ess, not mean, notes, forms, joint)


def _refuse_mean_of_texts(raw: Raw, domain: Domain) -> None:
    for name, part in domain.parts or ():
        if part.alphabet is not None and raw.observed is not None and not raw.observed[:, domain.places[name]].all():
            raise RequestError("The mean came for rows without a text, and a text has no mean.", "Leave --mean out.")


def can_impute(model: Model) -> bool:
    """Whether what is missing can be drawn given what is observed."""
    return "conditionals" in model.gives or (stands_for_x(model) and bool(model.gives & {"log_w", "enumerate"}))


def _require_weights(model: Model) -> None:
    if "conditionals" in model.gives:
        return
    require_latents(model, "Imputation")
    if not can_impute(model):
        raise RequestError(
            f"Imputation needs the weights p(x, z)/q(z|x) of draws of z, and a {type(model).__name__} does not have "
            "them.",
            "Use a model that has, such as vae or hvae.",
        )


@torch.no_grad()
def impute_rows(
    model: Model,
    split: Split,
    rows: np.ndarray,
    num_samples: int = 1,
    num_draws: int = 1,
    mean: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """[M, n, *shape] and the effective samples [n] of the rows with gaps, in blocks that are all of one size."""
    model.eval()
    found: list[np.ndarray] = []
    effective: list[np.ndarray] = []
    for block in blocks(len(rows)):
        with keyed("impute", seed, block.first):
            batch = split.batch(torch.from_numpy(rows[block.rows])).to(device_of(model))
            x, ess = _block(model, batch, num_samples, num_draws, mean)
        found.append(x[:, : block.keep].cpu().numpy())
        effective.append(ess[: block.keep].cpu().numpy())
        if progress is not None:
            progress(block.done, len(rows))
    if not found:
        return np.zeros((num_draws, 0, *split.domain.shape), np.float32), None
    values = np.concatenate(found, 1)
    if not np.isfinite(values).all():
        row = int(rows[(~np.isfinite(values)).any((0, *range(2, values.ndim))).argmax()])
        raise WorkError(
            f"The imputation of row {row} came out as no finite number.",
            "Was x in training's units? If it was, fit anew with a smaller train.lr.",
        )
    return values, None if "enumerate" in model.gives else np.concatenate(effective)


def _block(model: Model, batch: Batch, num_samples: int, num_draws: int, mean: bool) -> tuple[Tensor, Tensor]:
    """([M, B, *shape], effective samples [B]); M draws go back to as many sets of K z, where that is affordable."""
    if "conditionals" in model.gives:
        x = model.mean_missing(batch).unsqueeze(0) if mean else model.draw_missing(batch, num_draws)
        return x, x.new_full((len(batch),), torch.inf)
    known = "enumerate" in model.gives
    weighted = _every_z(model, batch) if known else partial(Proposal(model, batch).draw, num_samples)
    if not mean:
        sets = 1 if known else min(num_draws, max(1, AFFORDABLE // num_samples))
        counts = [len(range(first, num_draws, sets)) for first in range(sets)]
        found = [drawn_from(model, batch, count, *weighted()) for count in counts]
        return torch.cat([values for values, _ in found]), torch.stack([ess for _, ess in found]).mean(0)
    z, log_w = weighted()
    w = weights(log_w)  # [K, B]
    ess = 1 / (w**2).sum(0)
    kept = max(FEWEST, len(w) // 4)
    if kept < len(w) and "enumerate" not in model.gives:
        z, w = _picked(z, _evenly(w, kept)), torch.full_like(w[:kept], 1 / kept)
    return _weighted_mean(model, batch, z, w).unsqueeze(0), ess


def _every_z(model: Model, batch: Batch) -> Callable[[], Weighted]:
    """All z that there are, with their weights."""
    terms = model.enumerate(batch)
    assert terms.log_m is not None
    found = terms.z, terms.log_w + terms.log_m
    return lambda: found


def drawn_from(model: Model, batch: Batch, count: int, z: tuple[Tensor, ...], log_w: Tensor) -> tuple[Tensor, Tensor]:
    """Draws of x given what is observed of it, [count, B, *shape], and the effective samples behind them [B]."""
    weight = weights(log_w)
    z = _picked(z, torch.multinomial(weight.T, count, replacement=True).T)
    return sample_given(model.decode(z, model.draw_label(batch, z)), batch.x, _seen(batch)), 1 / (weight**2).sum(0)


def _seen(batch: Batch) -> Tensor:
    return torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed


def weights(log_w: Tensor) -> Tensor:
    """w ∝ exp(log w) over the first dimension; all alike for an example so unlikely that no draw has any weight."""
    log_w = log_w.double()
    log_w = torch.where(log_w.isnan(), -torch.inf, log_w)
    return torch.where((log_w == -torch.inf).all(0), 0.0, log_w).softmax(0)


def _picked(z: tuple[Tensor, ...], k: Tensor) -> tuple[Tensor, ...]:
    """The draws numbered k [M, B] of each example."""
    return tuple(torch.take_along_dim(g, k.reshape(*k.shape, *(1,) * (g.ndim - 2)), 0) for g in z)


def _evenly(w: Tensor, count: int) -> Tensor:
    """Numbers [count, B] of draws resampled by their weights w [K, B], at even steps from one uniform start."""
    place = (torch.arange(count, device=w.device) + torch.rand(w.shape[1], 1, device=w.device)) / count  # [B, count]
    k = torch.searchsorted(w.T.cumsum(1).contiguous(), place.to(w.dtype))
    return k.clamp(max=len(w) - 1).T


def mean_from(model: Model, batch: Batch, z: tuple[Tensor, ...], log_w: Tensor) -> Tensor:
    """x with the mean of what is not observed, [B, *shape], from z [K, B, …] and their log weights [K, B]."""
    return _weighted_mean(model, batch, z, weights(log_w))


def _weighted_mean(model: Model, batch: Batch, z: tuple[Tensor, ...], w: Tensor) -> Tensor:
    """Σ_k w_k E[x|z_k], [B, *shape]."""
    chunk, seen = max(1, rows_at_once(model) // len(batch)), _seen(batch)
    total: tuple[Tensor, ...] = ()
    for first in range(0, len(w), chunk):
        some = tuple(g[first : first + chunk] for g in z)
        p = model.decode(some, model.draw_label(batch, some))
        part = w[first : first + chunk]  # float64, where some models decode in float32 and some in float64
        found = tuple(torch.einsum("kb,kb...->b...", part.to(m.dtype), m) for m in pooled(p, batch.x, seen))
        total = tuple(a + b for a, b in zip(total, found, strict=True)) if total else found
    return from_pooled(p, total, batch.x, seen)


def _forms(run: RunStore, raw: Raw) -> tuple[Form, ...] | None:
    """How the numbers of each column of x [N, D] are held: as they came, or where few did as in training."""
    if raw.x.ndim != 2 or raw.x.dtype.kind not in "biuf" or raw.table is not None:
        return None
    if raw.frame is not None:
        came = raw.frame.forms(raw.observed)
    else:
        observed = np.ones(raw.x.shape, bool) if raw.observed is None else raw.observed
        came = tuple(form_of(x[seen]) for x, seen in zip(raw.x.T, observed.T, strict=True))
    return tuple(form.joined(known) for form, known in zip(came, fitted_forms(run) or repeat(None), strict=False))


def _rounding(raw: Raw, forms: tuple[Form, ...] | None) -> tuple[str, ...]:
    """A sentence that names the columns of whole numbers whose draws are rounded."""
    if raw.observed is None or forms is None:
        return ()
    columns = raw.frame.columns if raw.frame is not None else tuple(map(str, range(len(forms))))
    gaps = np.atleast_1d((~raw.observed).any(0))
    enough = ENOUGH_WHOLE if raw.frame is None else 0
    whole = [form.decimals == 0 and form.count >= enough for form in forms]
    names = [name for name, is_whole, gap in zip(columns, whole, gaps, strict=True) if gap and is_whole]
    if not names:
        return ()
    holds = "holds" if len(names) == 1 else "hold"
    return (f"{listing(names)} {holds} whole numbers or yes and no: draws are rounded to them.",)


def _said(num_rows: int, ess: np.ndarray | None, num_samples: int, scale: int) -> tuple[str, ...]:
    if not num_rows:
        return ("x has no missing values; it was left as it is.",)
    notes = []
    if ess is not None and (share := float((ess < min(FEW, num_samples / 2)).mean())) >= 0.01:
        notes.append(
            f"In {math.ceil(100 * share)} % of the rows with missing values, fewer than {FEW:g} of the {num_samples} "
            "samples carry the weight. A larger num_samples gives better imputations there."
        )
    if scale > 1:
        notes.append(f"The run was fitted on 0 and 1: imputed values are 0 or {scale}, observed values are unchanged.")
    return tuple(notes)
