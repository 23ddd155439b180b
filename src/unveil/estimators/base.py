"""Estimators of log p(x), and the driver that runs one over a whole split."""

import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..batch import Batch
from ..data import Split, rowblocks
from ..data.rowblocks import Block, walk
from ..errors import RequestError, WorkError
from ..model import Model, Posterior, decoding_in, device_of, evaluating
from ..ops import keyed
from ..terms import Terms
from .widths import widest

DECODED = 2048  # most rows that one pass through the decoder holds (examples × samples): small enough for the cache
HELD = 2**24  # bytes of the widest layer in one pass: from twice as many, memory goes back to the system each time
UNDRAWN = 8  # blocks at once, where no noise is drawn: many small passes cost more than their sums
PRECISIONS = ("float32", "bf16")
SIDES = ("upper", "upper_stderr_mc")  # diagnostics that are of log p(x), too
Key = tuple[str, int, int]


@dataclass(frozen=True)
class Estimate:
    """The estimate of log p(x) for B examples, in nats.

    Arguments:
        log_px: [B].
        stderr_mc: [B], the estimator's own standard error with the data fixed; NaN where one draw cannot tell.
        direction: "lower", "upper", "exact", or "other" where it is of another model with the same weights.
        diagnostics: {name: [B]}; elbo, rate and distortion where the estimator has them.
    """

    log_px: Tensor
    stderr_mc: Tensor
    direction: str
    diagnostics: dict[str, Tensor] = field(default_factory=dict)


class Estimator(ABC):
    """A function (model, batch) → Estimate that draws its noise from torch's default generator.

    Attributes: needs, what the model must give; num_samples K, or None for a closed form; plain_draws, whether z is
    drawn from q(z|x) or p(z) alone, so that the decoder has no part in where z lies; noiseless, whether log_px hangs on
    no draw at all.
    """

    needs: ClassVar[frozenset[str]]
    direction: ClassVar[str]
    plain_draws: ClassVar[bool] = False
    noiseless: ClassVar[bool] = False
    registered: ClassVar[tuple[str, str]]
    num_samples: int | None = None

    @abstractmethod
    def __call__(self, model: Model, batch: Batch) -> Estimate: ...

    def check(self, model: Model) -> None:
        """Refuse a model that this cannot judge, before anything is computed."""
        model.require(f"The estimator {self.registered[1]!r}", self.needs)

    def summary(self, estimate: Estimate) -> dict[str, Any]:
        """Further fields of a result, as plain values."""
        return {}


def draws(model: Model, batch: Batch, num_samples: int, posterior: Posterior | None = None) -> Iterator[Terms]:
    """The terms of K draws in chunks of a fixed size; x is encoded once, here or by the caller."""
    if posterior is None:
        with decoding_in(model, "float32"):  # q(y|x) of labels that are missing is made of decoded draws
            posterior = model.posterior(batch)
    for count in in_parts(model, num_samples, len(batch)):
        yield model.infer(batch, count, posterior=posterior)


def in_parts(model: Model, num_samples: int, rows: int) -> list[int]:
    """K samples of so many examples in parts that one pass through the decoder holds."""
    size = max(1, rows_at_once(model) // rows)
    return [min(size, num_samples - done) for done in range(0, num_samples, size)]


def rows_at_once(model: Model) -> int:
    """Rows (examples × samples) of one pass through the decoder: what its widest layer lets be held."""
    return min(DECODED, _held(model))


def rows_of_block(model: Model) -> int:
    """Rows of a block of noise: 128, or the power of two that one pass through a wide decoder holds.

    The last block is filled up, and of large pictures a block of 128 would be filled up for minutes.
    """
    return min(rowblocks.ROWS, 2 ** (_held(model).bit_length() - 1))


def _held(model: Model) -> int:
    if model not in _widths:
        _widths[model] = widest(model)
    return max(1, HELD // (4 * _widths[model]))


def within_reach(model: Model, passes: int) -> int:
    """How many examples so many passes through a decoder hold: those that are looked at where all would take long."""
    return passes * rows_at_once(model)


_widths: weakref.WeakKeyDictionary[Model, int] = weakref.WeakKeyDictionary()


def summary_of(terms: Terms) -> dict[str, Tensor]:
    """Per example [B], summed (not averaged) over samples when log_m is None: elbo, rate, distortion and kl [B, L]."""
    weight = 1 if terms.log_m is not None else terms.log_px_z.shape[0]
    rate = terms.mean(terms.rate).double() * weight  # [B, L]
    distortion = terms.mean(terms.distortion).double() * weight
    return {"elbo": -(distortion + rate.sum(-1)), "rate": rate.sum(-1), "distortion": distortion, "kl": rate}


def bound_parts(model: Model, batch: Batch, num_samples: int = 16) -> dict[str, Tensor]:
    """elbo, rate, distortion [B] and kl [B, L] as means over K draws, or exactly where z can be enumerated."""
    if "enumerate" in model.gives:
        return summary_of(model.enumerate(batch))
    return averaged(draws(model, batch, num_samples), num_samples)


def averaged(chunks: Iterable[Terms], num_samples: int, *takers: Callable[[Terms], None]) -> dict[str, Tensor]:
    """elbo, rate, distortion [B] and kl [B, L] as means over K draws; each chunk of them also goes to the takers."""
    total: dict[str, Tensor] = {}
    for terms in chunks:
        for take in takers:
            take(terms)
        for name, value in summary_of(terms).items():
            total[name] = total[name] + value if name in total else value
    return {name: value / num_samples for name, value in total.items()}


@torch.no_grad()
def evaluate(
    model: Model,
    split: Split,
    estimator: Estimator,
    *,
    seed: int = 0,
    limit: int | None = None,
    precision: str = "float32",
    common: bool = False,
    impossible: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Estimate, float]:
    """The estimate of every example of a split exactly once, and the seconds it took.

    Noise is drawn per block of 128 rows (fewer of a model whose decoder holds fewer at once), keyed by `seed` and the
    block's first row, and the last block is filled up before it is drawn for: the numbers do not depend on `limit`, on
    a batch size or on what ran before. With `common`
    every row is judged by itself on the same noise: its number is a function of x and the seed, wherever it stands,
    and rows are compared without the noise that they share; a mean over rows then has the error of one row's draws.

    A log p(x) that is no number is an error; with `impossible`, −inf may come out for x that is too unlikely to tell.

    log p of nothing is 0: a row of which nothing is observed gets exactly that, with no error.

    With `precision` "bf16" the decoder runs in bfloat16. The encoder, all densities and the weights stay as they are:
    z and q(z|x) are those of float32, and only log p(x|z) differs.
    """
    estimator.check(model)
    check_precision(model, estimator, precision)
    count = len(split) if limit is None else min(limit, len(split))
    start, found = time.perf_counter(), []
    _keep_pages()
    with evaluating(model), decoding_in(model, precision):
        alone = common and not estimator.noiseless
        for block in walk(count, alone, rows_of_block(model) * (UNDRAWN if estimator.noiseless else 1)):
            found.append(_estimated(model, split, estimator, ("evaluate", seed, 0 if alone else block.first), block))
            if progress is not None:
                progress(block.done, count)
    estimate = _joined(found, torch.cat)
    wrong = ~torch.isfinite(estimate.log_px)
    if impossible:
        wrong &= estimate.log_px != -torch.inf
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise WorkError(
            f"log p(x) of row {row} came out as {estimate.log_px[row].item()}.",
            "Was x in training's units? If it was, fit anew with a smaller train.lr.",
        )
    return estimate, time.perf_counter() - start


def check_precision(model: Model, estimator: Estimator, precision: str) -> None:
    """Refuse a precision that there is not, or in which the estimate would mean nothing."""
    if precision not in PRECISIONS:
        raise RequestError(f"The precision came as {precision!r}; it takes {' or '.join(PRECISIONS)}.")
    if precision == "float32":
        return
    if not estimator.plain_draws:
        raise RequestError(
            f"Precision bf16 came for the estimator {estimator.registered[1]!r}; it goes with those that weigh plain "
            "draws of q(z|x) or p(z): elbo, iwae, prior and renyi.",
            "What moves or fits z by log p(x, z) would follow the rounding of bf16; leave the precision at float32.",
        )
    if model.decoder_dtype is None:
        raise RequestError(
            f"Precision bf16 came for a {type(model).__name__}, which has no decoder network; leave it at float32."
        )


def _keep_pages() -> None:
    """Has glibc keep what is freed: it gives back to the system, page by page, what is larger than any block before.

    Every pass frees what it needed and asks for it again; the page faults were a fifth of the time of annealing.
    """
    torch.empty(30 * 2**20, dtype=torch.uint8)  # just below 32 MiB, above which nothing is kept


def _estimated(model: Model, split: Split, estimator: Estimator, key: Key, block: Block) -> Estimate:
    y = None if split.y is None else split.y[block.rows.to(split.y.device)]
    parts = []
    for labels in _labels(model, y):
        with keyed(*key):
            batch = replace(split.batch(block.rows), y=labels).to(device_of(model))
            parts.append(_of_nothing(estimator(model, batch), batch, model))
    chosen = _joined(parts, lambda both: both[0] if len(both) == 1 else _where(y, both[0], both[1]))
    return _joined([chosen], lambda parts: parts[0][: block.keep].double().cpu())


def _labels(model: Model, y: Tensor | None) -> tuple[Tensor | None, ...]:
    """The labels of a block [B], or where some of a model's are observed and some not: as if all were, and as if none.

    A label that is summed over takes other draws than one that is given; a row's own label alone is to decide which.
    """
    if y is None or bool((y < 0).all()) or bool((y >= 0).all()):
        return (y,)
    with keyed("labels"):
        has_condition = model.draw_labels(1) is not None
    return (y.clamp(min=0), torch.full_like(y, -1)) if has_condition else (y,)


def _where(y: Tensor | None, seen: Tensor, hidden: Tensor) -> Tensor:
    """`seen` in the rows whose label [B] is observed, `hidden` in the others; [B, …]."""
    assert y is not None
    return torch.where((y >= 0).to(seen.device).reshape(-1, *(1,) * (seen.ndim - 1)), seen, hidden)


def _of_nothing(estimate: Estimate, batch: Batch, model: Model) -> Estimate:
    """The estimate with log p = 0, exactly, of the rows [B] of which nothing is observed, if gaps are left out."""
    if batch.observed is None or model.domain.models_gaps:
        return estimate
    empty = ~batch.observed.flatten(1).any(-1)
    if not bool(empty.any()):
        return estimate
    sides = {name: estimate.diagnostics[name] for name in SIDES if name in estimate.diagnostics}
    known = {name: torch.where(empty, 0.0, value) for name, value in sides.items()}
    log_px, stderr_mc = (torch.where(empty, 0.0, value) for value in (estimate.log_px, estimate.stderr_mc))
    return replace(estimate, log_px=log_px, stderr_mc=stderr_mc, diagnostics=estimate.diagnostics | known)


def _joined(found: list[Estimate], change: Callable[[list[Tensor]], Tensor]) -> Estimate:
    """The blocks as one estimate, each tensor made of theirs."""
    log_px, stderr_mc = (change([getattr(e, name) for e in found]) for name in ("log_px", "stderr_mc"))
    diagnostics = {name: change([e.diagnostics[name] for e in found]) for name in found[0].diagnostics}
    return Estimate(log_px, stderr_mc, found[0].direction, diagnostics)
