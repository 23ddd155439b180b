"""The verbs reconstruct and interpolate: x from where it stands in z, and what lies between two examples."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..data import Split
from ..data.rowblocks import blocks
from ..errors import RequestError, remark
from ..estimators.base import rows_of_block
from ..model import device_of, has_real_z, require_latents
from ..ops import keyed
from ..runs.given import given_as
from ..runs.store import RunStore
from .finite import finite


@torch.no_grad()
def reconstruct(run: RunStore, x: Any = None, *, num_examples: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """(x, E[x|z] at the posterior mean), [N, *shape] each; x defaults to test examples from all over them.

    x of vectors is NaN where it is not observed.
    """
    require_latents(run.model, "Reconstruction")
    split = _of_test(run, num_examples) if x is None else _given(run, x).head(num_examples)
    z, y = posterior_z(run, split), likely_labels(run, split)
    came = batch_x(split)
    if split.observed is not None and came.ndim == 2:
        came = np.where(split.observed.cpu().numpy(), came, np.nan)
    return came, finite(run.model.decode(z, y).mean, "Reconstructions").cpu().numpy()


@torch.no_grad()
def interpolate(
    run: RunStore, x: Any = None, other: Any = None, *, num_paths: int = 8, num_steps: int = 10, spherical: bool = False
) -> np.ndarray:
    """Decoded paths [P, S, *shape] between the posterior means of pairs of examples.

    Arguments:
        x: at least two rows (default: test examples), whose first half starts and whose second half ends the paths; or,
            with `other`, where paths start.
        other: where paths end, as many rows as x.
        num_paths: P.
        num_steps: S ≥ 2.
        spherical: along the great circle instead of the straight line.
    """
    if num_steps < 2 or num_paths < 1:
        raise RequestError(
            f"A path of {num_steps} steps came for {num_paths} pairs; it takes at least 2 steps, 1 pair."
        )
    require_latents(run.model, "Interpolation")
    if not has_real_z(run.model):
        raise RequestError(
            f"The latents of a {run.config.model_name} are whole numbers, and there is nothing between two of them.",
            "Use a model with continuous latents, such as vae or hvae.",
        )
    split = _ends(run, x, other, num_paths)
    pairs = len(split) // 2
    z, y = posterior_z(run, split), likely_labels(run, split)
    share = torch.linspace(0, 1, num_steps, device=device_of(run.model))
    path = _slerp if spherical else _straight
    steps = tuple(path(g[:pairs], g[pairs:], share).flatten(0, 1) for g in z)
    labels = None if y is None else y[:pairs].repeat_interleave(num_steps)
    decoded = run.model.decode(steps, labels).mean
    return finite(decoded, "Interpolations").reshape(pairs, num_steps, *run.domain.shape).cpu().numpy()


def _ends(run: RunStore, x: Any, other: Any, num_paths: int) -> Split:
    """The starts of at most so many paths, and then their ends."""
    if other is not None:
        starts, ends = (_given(run, source) for source in (x, other))
        if len(starts) != len(ends):
            raise RequestError(f"{len(starts)} examples came as starts of paths and {len(ends)} as ends; give as many.")
        return starts.head(num_paths).followed_by(ends.head(num_paths))
    if x is None:
        return _of_test(run, 2 * min(num_paths, len(run.data.test) // 2))
    source = _given(run, x)
    if len(source) < 2:
        raise RequestError("An interpolation takes at least two examples; give more rows, or a second source.")
    return source.head(2 * min(num_paths, len(source) // 2)).to(run.device)


def _given(run: RunStore, x: Any) -> Split:
    """New x, with what there is to say of it as warnings."""
    split, raw = given_as(run, x)
    remark(raw.ignored, up=4)
    return split


def _of_test(run: RunStore, num_examples: int) -> Split:
    """Test examples from all over the test set, whose order may be that of a price or a class."""
    return run.data.test.spread(num_examples).to(run.device)


def _straight(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    t = share.reshape(1, -1, *(1,) * (a.ndim - 1))
    return (1 - t) * a.unsqueeze(1) + t * b.unsqueeze(1)  # [P, S, D]


def _slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    cosine = torch.nn.functional.cosine_similarity(a.flatten(1), b.flatten(1)).clamp(-0.9999, 0.9999)
    angle = torch.arccos(cosine).reshape(-1, 1, *(1,) * (a.ndim - 1))
    t = share.reshape(1, -1, *(1,) * (a.ndim - 1))
    weights = torch.sin((1 - t) * angle), torch.sin(t * angle)
    return (weights[0] * a.unsqueeze(1) + weights[1] * b.unsqueeze(1)) / torch.sin(angle)


def _batches(split: Split, what: str, size: int | None = None) -> Iterator[tuple[Batch, int]]:
    """Filled blocks of a split, under noise of their own, and how many rows of each are to be kept."""
    for block in blocks(len(split), size=size):
        with keyed(what, block.first):
            yield split.batch(block.rows.to(split.x.device)), block.keep


@torch.no_grad()
def likely_labels(run: RunStore, split: Split) -> Tensor | None:
    """The label of each example of a split, the likeliest where it is not known; None without a condition."""
    if run.model.draw_labels(1) is None:  # x need not be drawn for it
        return None
    found = [(run.model.label(batch), keep) for batch, keep in _batches(split, "label", rows_of_block(run.model))]
    return torch.cat([y[:keep] for y, keep in found if y is not None])


@torch.no_grad()
def posterior_z(run: RunStore, split: Split) -> tuple[Tensor, ...]:
    """The posterior mean per group [N, …] of every example of a split; one draw where z has no mean."""
    found = []
    for batch, keep in _batches(split, "posterior", rows_of_block(run.model)):
        posterior = run.model.posterior(batch)
        z = posterior.mean if posterior.mean is not None else tuple(group[0] for group in posterior.draw(1)[0])
        found.append(tuple(group[:keep] for group in z))
    return tuple(map(torch.cat, zip(*found, strict=True)))


def batch_x(split: Split) -> np.ndarray:
    """x of a split as its batches hold it, [N, *shape]."""
    return np.concatenate([batch.x[:keep].cpu().numpy() for batch, keep in _batches(split, "show")])
